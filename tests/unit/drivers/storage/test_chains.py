"""Images below those that qemu-img is to open; what chains are is in ``images``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from embervirt.drivers.storage.service.chains import check, check_below
from embervirt.errors import libvirtError
from guest.headers import qcow2


def test_a_chain_that_is_whole_is_fine(tmp_path: Path) -> None:
    """Files are counted, by absolute and relative names; what a server has is qemu-img's to open."""
    (tmp_path / "raw").touch()
    qcow2(tmp_path / "a", "raw", "raw")
    top = qcow2(tmp_path / "b", f"{tmp_path}/a", "qcow2")
    assert check(top, "qcow2") == 3
    assert check_below(f"{tmp_path}/new", "b", "qcow2") == 3
    assert check(qcow2(tmp_path / "c", "nbd://h/x", "raw"), "qcow2") == 1
    assert check_below(f"{tmp_path}/new", "nbd://h/x", "raw") == 0


def test_what_is_called_raw_is_never_looked_into(tmp_path: Path) -> None:
    """Whatever a guest wrote into it."""
    qcow2(tmp_path / "a", "/nowhere", "raw")
    assert check(f"{tmp_path}/a", "raw") == 1
    assert check(qcow2(tmp_path / "b", "a", "raw"), "qcow2") == 2


def test_what_qemu_img_must_not_open_is_refused(tmp_path: Path) -> None:
    """Of a volume, and of one that is to be made upon it: the error names the file, with libvirt's domain."""
    os.mkfifo(tmp_path / "fifo")
    loop = qcow2(tmp_path / "loop", "loop", "qcow2")
    file = f'"file":{{"driver":"file","filename":"{tmp_path}/json"}}'
    qcow2(tmp_path / "json", f'json:{{"driver":"qcow2",{file}}}', "qcow2")
    qcow2(tmp_path / "sly", "/etc/passwd", "raw")
    qcow2(tmp_path / "unsaid", "sly")
    for name, format_, code, said in (
        ("gone", "raw", 38, "No such file"),
        ("fifo", "raw", 38, "it is a FIFO"),
        (".", "raw", 38, "it is a directory"),
        ("/dev/zero", "raw", 38, "it is a character device"),
        ("loop", "qcow2", 1, "self-referential"),
        ("json", "qcow2", 1, "self-referential"),
        ("loop", "vmdk", 55, "its header is that of qcow2"),
        ("unsaid", "qcow2", 55, f"format of backing image '{tmp_path}/sly'"),
    ):
        path = str(tmp_path / name)
        for call in (partial(check, path), partial(check_below, f"{tmp_path}/new", name)):
            with pytest.raises(libvirtError, match=said) as refused:
                call(format_)
            assert (refused.value.get_error_code(), refused.value.get_error_domain()) == (code, 18)
            assert path in str(refused.value)
    with pytest.raises(libvirtError, match=f"cannot use backing image 'fat:/' of image '{tmp_path}/new'"):
        check_below(f"{tmp_path}/new", "fat:/", "raw")
    assert Path(loop).exists()
