"""Sockets of a run that QEMU listens on: made here and handed over, for their paths may be longer than an
address can be (``root.sockets``), and who connects need not wait for QEMU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.ports import channel_dir, run_sockets
from embervirt.drivers.root import sockets
from embervirt.drivers.root.files import make_directories


@contextmanager
def opened(domain: Domain, domain_dir: Path) -> Iterator[dict[str, int]]:
    """Descriptors by path, open until the end. Raises OSError."""
    paths = run_sockets(domain, domain_dir)
    if paths:
        make_directories([channel_dir(domain_dir)])
    with ExitStack() as made:
        yield {path: made.enter_context(sockets.listen(Path(path))).fileno() for path in paths}
