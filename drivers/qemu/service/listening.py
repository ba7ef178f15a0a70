"""Sockets of a run that QEMU listens on: made here and handed over, for their paths may be longer than an
address can be (``root.sockets``), and who connects need not wait for QEMU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from embervirt import disk
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.chardev_source import Chardev
from embervirt.drivers.qemu.ports import channel_dir, run_sockets
from embervirt.drivers.root import sockets
from embervirt.drivers.root.files import make_directories


@contextmanager
def opened(domain: Domain, domain_dir: Path, *, named: bool) -> Iterator[dict[str, int]]:
    """Descriptors by path, open until the end. Raises OSError.

    ``named``: also those whose path the XML says, where QEMU's user may not make one. As QEMU does, a socket
    of an earlier run is replaced.
    """
    paths = run_sockets(domain, domain_dir)
    if paths:
        make_directories([channel_dir(domain_dir)])
    if named:
        more = _named(domain)
        for path in more:
            if Path(path).is_socket():
                disk.unlink(Path(path))
        paths += more
    with ExitStack() as made:
        yield {path: made.enter_context(sockets.listen(Path(path))).fileno() for path in paths}


def _named(domain: Domain) -> list[str]:
    ports = [each for each in domain.devices.all if isinstance(each, Chardev) and each.listens]
    return list(dict.fromkeys(each.source.path for each in ports if each.source and each.source.path))
