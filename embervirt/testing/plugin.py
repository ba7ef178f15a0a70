"""pytest fixtures: a fake QEMU, a root of its own, a connection to it. Installed with embervirt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embervirt.testing.injecting import faults, pytest_configure, pytest_runtest_call

# Every pytest run of this environment imports this file: what costs time is imported when it is used.
if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect
    from embervirt.testing.fake import FakeQemu

__all__ = [
    "embervirt_connection",
    "embervirt_root",
    "fake_qemu",
    "faults",
    "pytest_configure",
    "pytest_runtest_call",
]


@pytest.fixture
def fake_qemu(tmp_path: Path) -> Iterator[FakeQemu]:
    """A ``FakeQemu`` of this test; its processes that still run at the end are killed."""
    from embervirt.testing.cleanup import end
    from embervirt.testing.fake import FakeQemu

    fake = FakeQemu(tmp_path / "fake-qemu")
    yield fake
    end({entry.pid: entry.start for entry in fake.running()})


@pytest.fixture
def embervirt_root() -> Iterator[Path]:
    """A directory for a root, with a path short enough for sockets; it goes, with all that runs in it."""
    import shutil
    import tempfile

    from embervirt.testing.cleanup import close, end, of_root

    root = Path(tempfile.mkdtemp(prefix="ember-")).resolve()
    yield root
    close(root)
    end(of_root(root))
    shutil.rmtree(root)


@pytest.fixture
def embervirt_connection(embervirt_root: Path, fake_qemu: FakeQemu) -> Iterator[virConnect]:
    """A connection to the QEMU driver of that root; its guests run in the fake QEMU."""
    import embervirt
    from embervirt.uri import EmbedUri

    uri = str(EmbedUri("qemu", embervirt_root))
    with embervirt.open(uri, settings={"qemu.emulator": str(fake_qemu.emulator)}) as connection:
        yield connection
