"""The driver's messages as another process might send them: what the API checks is checked again."""

from __future__ import annotations

from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Create, Define
from guest.domain import small, uri

UUID = "11111111-1111-1111-1111-111111111111"


def text(name: str) -> str:
    """A definition as it is kept, under another name."""
    return small(name, uuid=UUID)


@pytest.mark.parametrize(
    ("name", "xml", "said"),
    [
        ("../../../evil", text("../../../evil"), "cannot contain '/'"),
        ("../../../evil", text("good"), "its XML says 'good'"),
        ("good", text("evil"), "its XML says 'evil'"),
        ("..", text(".."), "directory"),
        ("good", "not XML", "Start tag expected"),
    ],
)
def test_a_message_that_names_a_wrong_file_is_refused(tmp_path: Path, name: str, xml: str, said: str) -> None:
    """No message writes a file under a name that its XML does not have, or outside the root."""
    with libvirt.open(uri(tmp_path / "root")) as conn:
        before = sorted(tmp_path.rglob("*.xml"))
        for message in (Define(name, UUID, xml), Create(UUID, 0, name, xml)):
            with pytest.raises(libvirt.libvirtError, match=said):
                conn.root.call("qemu", message)
        assert sorted(tmp_path.rglob("*.xml")) == before
        assert conn.listAllDomains() == []
