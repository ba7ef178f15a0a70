# Every target does its own set-up; the second time that takes no time.
.PHONY: demo test lint unit bench soak simulate setup guest clean

demo: setup guest
	@.venv/bin/python docs/examples/demo.py

test: lint unit guest
	@.venv/bin/pytest tests --ignore tests/unit -n 2 --dist loadfile

lint: setup
	@scripts/lint

unit: setup
	@.venv/bin/pytest tests/unit -n 2

bench: setup guest
	@.venv/bin/python -m bench.bench $(ONLY)

soak: setup guest
	@PYTHONPATH=tests .venv/bin/python -m soak --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED))

simulate: setup
	@PYTHONPATH=tests .venv/bin/python -m simulation $(or $(FIRST),0) $(or $(SEEDS),1000)

setup:
	@scripts/setup

guest: setup
	@tests/guest/build

clean:
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
