"""Chains of images: told by their headers, and only while that is safe."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from embervirt.drivers.images import chain
from embervirt.errors import ConfigUnsupported, InternalError, OperationInvalid, SystemError_, libvirtError
from guest.headers import qcow2


def below(path: str, format_: str = "qcow2") -> list[tuple[str | None, str]]:
    """Path and format of each image under one."""
    seen: chain.Seen = set()
    chain.note(path, seen)
    return [(link.named.path, link.format) for link in chain.below(path, format_, seen)]


def test_a_chain_is_told_to_its_end(tmp_path: Path) -> None:
    """Names are relative to the name that an image goes by, as in QEMU; what is raw or a server's is last."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "raw").write_bytes(b"raw")
    (tmp_path / "link").symlink_to("sub/middle")
    qcow2(tmp_path / "sub/middle", "raw", "raw")
    found = below(qcow2(tmp_path / "top", "link", "qcow2"))
    assert found == [(f"{tmp_path}/link", "qcow2"), (f"{tmp_path}/raw", "raw")]
    assert below(qcow2(tmp_path / "top", "nbd://h/x", "qcow2")) == [(None, "qcow2")]
    assert below(qcow2(tmp_path / "top")) == []


def test_what_is_called_raw_is_never_looked_into(tmp_path: Path) -> None:
    """Its guest may have written a header that leads anywhere; at the top and where a header says raw."""
    sly = qcow2(tmp_path / "sly", "/etc/shadow", "raw")
    for format_ in ("raw", "iso", "vpc", "luks"):
        assert below(sly, format_) == []
    assert below(qcow2(tmp_path / "top", sly, "raw")) == [(sly, "raw")]


def test_a_file_that_is_missing_is_named_with_who_names_it(tmp_path: Path) -> None:
    """Both files and why, with libvirt's code; also a link to itself."""
    gone = f"{tmp_path}/gone"
    with pytest.raises(SystemError_, match=f"Cannot access storage file '{gone}': No such file") as refused:
        below(gone)
    assert (refused.value.get_error_domain(), refused.value.get_int1()) == (18, errno.ENOENT)
    text = f"Cannot access backing file '{gone}' of storage file '{tmp_path}/a': No such file"
    with pytest.raises(SystemError_, match=text):
        below(qcow2(tmp_path / "b", qcow2(tmp_path / "a", gone, "raw"), "qcow2"))
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(SystemError_, match="round'") as refused:
        below(qcow2(tmp_path / "b", "round", "raw"))
    assert refused.value.get_int1() == errno.ELOOP


def test_a_chain_without_end_is_named(tmp_path: Path) -> None:
    """By what the files are: an image upon itself, by a link, two upon each other, by JSON."""
    own = qcow2(tmp_path / "own", "own", "qcow2")
    os.link(own, tmp_path / "hard")
    (tmp_path / "soft").symlink_to("linked")
    linked = qcow2(tmp_path / "linked", "soft", "qcow2")
    qcow2(tmp_path / "a", "b", "qcow2")
    qcow2(tmp_path / "b", f"{tmp_path}/../{tmp_path.name}/a", "qcow2")
    file = f'"file":{{"driver":"file","filename":"{tmp_path}/json"}}'
    json = qcow2(tmp_path / "json", f'json:{{"driver":"qcow2",{file}}}', "qcow2")
    for top in (own, f"{tmp_path}/hard", linked, f"{tmp_path}/a", json):
        with pytest.raises(InternalError, match=f"self-referential.*image '{tmp_path}") as refused:
            below(top)
        assert (refused.value.get_error_code(), refused.value.get_error_domain()) == (1, 18)


def test_a_chain_is_only_so_deep(tmp_path: Path) -> None:
    """As many images as libvirt follows; one more is an error."""
    top = qcow2(tmp_path / "0")
    for number in range(1, chain.MOST):
        top = qcow2(tmp_path / str(number), top, "qcow2")
    assert len(below(top)) == chain.MOST - 1
    with pytest.raises(InternalError, match=f"too deeply nested: image '{tmp_path}/0'"):
        below(qcow2(tmp_path / "more", top, "qcow2"))


def test_what_is_no_image_is_never_opened(tmp_path: Path) -> None:
    """A FIFO would be waited for; a directory or a terminal is no image, but where somebody said so."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("fifo", "folder", "link", "zero", "/dev/tty"):
        for path in (tmp_path / name, qcow2(tmp_path / "top", name, "raw")):
            with pytest.raises(SystemError_, match=f"{name}'.*: it is a ") as refused:
                below(str(path), "qcow2" if path == f"{tmp_path}/top" else "raw")
            assert refused.value.get_int1() == errno.EINVAL
    chain.note("/dev/zero", set(), characters=True)


def test_another_format_than_is_said_is_told(tmp_path: Path) -> None:
    """Of an image and of one below; where not all images of a format begin alike, what contradicts it."""
    (tmp_path / "raw").write_bytes(b"raw".ljust(4096))
    top = qcow2(tmp_path / "top", "raw", "qcow2")
    for wrong in (f"{tmp_path}/raw", top):
        with pytest.raises(OperationInvalid, match=f"'{tmp_path}/raw' is no qcow2 image.* that of raw"):
            below(wrong)
    with pytest.raises(OperationInvalid, match=f"'{top}' is no vmdk image.* that of qcow2"):
        below(top, "vmdk")
    assert below(f"{tmp_path}/raw", "vmdk") == []


def test_a_format_that_nobody_named_is_believed_only_at_the_end(tmp_path: Path) -> None:
    """Where something lies below it in turn, a guest may have written that; of a server nobody knows."""
    base = tmp_path / "base"
    base.write_bytes(b"raw")
    assert below(qcow2(tmp_path / "top", "base")) == [(str(base), "raw")]
    lone = qcow2(tmp_path / "lone")
    assert below(qcow2(tmp_path / "top", lone)) == [(lone, "qcow2")]
    qcow2(tmp_path / "sly", "/etc/shadow", "raw")
    for name, named in (("sly", f"{tmp_path}/sly"), ("nbd://h/x", "None")):
        with pytest.raises(
            libvirtError, match=f"format of backing image '{named}'.*not specified"
        ) as refused:
            below(qcow2(tmp_path / "top", name))
        assert (refused.value.get_error_code(), refused.value.get_error_domain()) == (55, 18)


def test_data_in_another_file_is_refused(tmp_path: Path) -> None:
    """QEMU would open what the header names, for writing too."""
    path = Path(qcow2(tmp_path / "a", data_file="/etc/shadow"))
    with pytest.raises(ConfigUnsupported, match=f"'{path}' keeps its data in another file, '/etc/shadow'"):
        below(str(path))
