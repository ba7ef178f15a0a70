"""A secret driver that was given up while its disk kept it waiting: its successor reads all values."""

from __future__ import annotations

from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from guest.calls import began, threads
from guest.domain import SECRET, give_up, uri, wait_until


@pytest.mark.parametrize("point", ["file.renamed", "directory.synced", "file.synced"])
def test_a_change_of_the_key_that_was_given_up_leaves_a_key_that_opens(tmp_path: Path, point: str) -> None:
    """Whether or not the new one counts by then; a later change of the key is not taken back."""
    root, keys = tmp_path / "root", [tmp_path / "one", tmp_path / "two"]
    where = {"path": str(root / "etc/secrets" / ("data.key" if point.startswith("file") else ""))}
    with libvirt.open(uri(root, "secret")) as conn:
        secret = conn.secretDefineXML(SECRET)
        secret.setValue(b"x")
        with faults.inject(point, faults.hang(), times=1, where=where) as hung:
            rewrapped = began(lambda: conn.secretRewrap(keys[0]))
            hung.wait()
            give_up(conn.root, "drivers/secret")
            assert isinstance(rewrapped.exception(30), libvirt.libvirtError)
            if point == "file.renamed":  # it is in the middle of the step that counts, which is waited for
                hung.release()
            assert secret.value() == b"x"
            conn.secretRewrap(keys[1])
            assert secret.value() == b"x"
            hung.release()
            wait_until(lambda: threads("secret") == 1)
        conn.root.crash("drivers/secret")
        assert secret.value() == b"x"
    with libvirt.open(uri(root, "secret"), settings={"secret.key_file": str(keys[1])}) as conn:
        assert conn.secretLookupByUUIDString(secret.UUIDString()).value() == b"x"
