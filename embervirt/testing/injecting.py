"""Fault points for pytest: the fixture ``faults`` and the marker ``fault``, part of the plugin.

::

    @pytest.mark.fault("file.synced", "error:ENOSPC", where={"path": "*.xml"})
    def test_a_full_disk_is_said_so(embervirt_connection): ...

    def test_a_lost_answer(embervirt_connection, faults):
        lost = faults.inject("reply.sent", faults.lose(), where={"operation": "Suspend"})
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # every pytest run of this environment imports this file
    from embervirt.faults import Effect, Injection

MARKER = (
    "fault(point, effect, after=0, times=None, where=None, probability=1, seed=0): while the test runs, not "
    "its fixtures, inject effect, an Effect or text like 'error:ENOSPC', at that point, where it must happen"
)


class Faults:
    """What the fixture gives: the names of ``embervirt.faults``, but ``inject`` lasts to the test's end."""

    def __init__(self, lasting: ExitStack) -> None:
        self._lasting = lasting

    def inject(self, point: str, effect: Effect | str, **chosen: Any) -> Injection:
        """As ``embervirt.faults.inject``, without a ``with``; text, ``error:ENOSPC`` say, is an effect."""
        from embervirt import faults

        made = faults.effect(effect) if isinstance(effect, str) else effect
        return self._lasting.enter_context(faults.inject(point, made, **chosen))

    def __getattr__(self, name: str) -> Any:
        from embervirt import faults

        return getattr(faults, name)


@pytest.fixture
def faults() -> Iterator[Faults]:
    """``embervirt.faults`` for this test: what it injects ends with it."""
    with ExitStack() as lasting:
        yield Faults(lasting)


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Around the test's own code."""
    marks = list(item.iter_markers("fault"))
    if not marks:
        return (yield)
    with ExitStack() as lasting:
        injected = [Faults(lasting).inject(*mark.args, **mark.kwargs) for mark in marks]
        result = yield
    idle = [each.point for each in injected if not each.hits]
    if idle:
        pytest.fail(f"the test passed no fault point it is marked with: {', '.join(idle)}", pytrace=False)
    return result
