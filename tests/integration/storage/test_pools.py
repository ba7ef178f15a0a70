"""Pools of kind dir on real directories: their life, what is refused and in which words, events."""

from __future__ import annotations

import errno
import os
import queue
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt import world
from embervirt.drivers.storage.backend.directory import Directory
from embervirt.drivers.storage.messages import PoolLifecycle
from guest.domain import SECONDS, crash, uri, watching
from integration.storage.conftest import Storage, pool_xml


def refusal(call: Callable[..., Any], *arguments: Any) -> tuple[int | None, int | None, str]:
    """Code, domain and text of the error."""
    with pytest.raises(libvirt.libvirtError) as caught:
        call(*arguments)
    return caught.value.get_error_code(), caught.value.get_error_domain(), str(caught.value)


def test_a_pool_lives_as_libvirts_does(tmp_path: Path) -> None:
    """Defined, built, started, stopped, deleted, undefined; each state shows, and in a new process too."""
    folder = tmp_path / "images"
    with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
        pool = conn.storagePoolDefineXML(pool_xml("images", folder))
        assert (pool.isActive(), pool.isPersistent(), pool.info()) == (0, 1, [0, 0, 0, 0])
        code, _, said = refusal(pool.create)
        assert (code, said) == (38, f"cannot open directory '{folder}': No such file or directory")
        pool.build()
        assert folder.stat().st_mode & 0o777 == 0o711
        pool.create()
        state, capacity, allocation, available = pool.info()
        assert (state, capacity) == (libvirt.VIR_STORAGE_POOL_RUNNING, allocation + available)
        pool.setAutostart(1)
    with libvirt.open(uri(tmp_path / "root")) as conn:
        pool = conn.storagePoolLookupByName("images")
        assert (pool.isActive(), pool.autostart()) == (1, 1)
        pool.destroy()
        assert pool.isActive() == 0
        pool.delete()
        pool.undefine()
        assert (conn.listAllStoragePools(), folder.exists()) == ([], False)
    assert [path for path in (tmp_path / "root/etc/storage").rglob("*") if not path.is_dir()] == []


def test_a_transient_pool_is_forgotten_when_it_stops(storage: Storage, tmp_path: Path) -> None:
    """It is built if wanted, active at once, and cannot start with the host."""
    other = tmp_path / "other"
    pool = storage.conn.storagePoolCreateXML(pool_xml("t", other), libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    assert (pool.isActive(), pool.isPersistent(), other.is_dir()) == (1, 0, True)
    assert refusal(pool.setAutostart, 1) == (1, 18, "internal error: pool has no config file")
    pool.destroy()
    assert refusal(pool.info)[0] == libvirt.VIR_ERR_NO_STORAGE_POOL


def test_what_is_refused_is_refused_in_libvirts_words(storage: Storage, tmp_path: Path) -> None:
    """Codes, domain and text, as libvirt 9 answered the same."""
    conn, pool, folder = storage.conn, storage.pool, storage.folder
    invalid = "Requested operation is not valid: storage pool 'images' is"
    assert refusal(pool.undefine) == (55, 18, f"{invalid} still active")
    assert refusal(pool.create) == (55, 18, f"{invalid} already active")
    assert refusal(pool.build) == (55, 18, f"{invalid} already active")
    assert refusal(pool.delete) == (55, 18, f"{invalid} still active")
    said = f"operation failed: pool 'images' already exists with uuid {pool.UUIDString()}"
    assert refusal(conn.storagePoolDefineXML, pool_xml("images", tmp_path / "x")) == (9, 18, said)
    said = "operation failed: Storage source conflict with pool: 'images'"
    assert refusal(conn.storagePoolDefineXML, pool_xml("two", folder)) == (9, 18, said)
    assert refusal(conn.storagePoolCreateXML, pool_xml("two", folder)) == (9, 18, said)
    pool.destroy()
    assert refusal(pool.destroy) == (55, 18, f"{invalid} not active")
    assert refusal(pool.refresh) == (55, 18, f"{invalid} not active")
    assert refusal(pool.listVolumes) == (55, 18, f"{invalid} not active")
    said = "Requested operation is not valid: No source device specified when formatting pool 'images'"
    assert refusal(pool.build, libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE)[2] == said
    assert refusal(pool.build, 4 | 8)[0] == libvirt.VIR_ERR_INVALID_ARG
    (folder / "x").touch()
    assert refusal(pool.delete)[2] == f"cannot remove pool '{folder}': Directory not empty"
    said = "Storage pool not found: no storage pool with matching name 'nope'"
    assert refusal(conn.storagePoolLookupByName, "nope") == (49, 18, said)


@pytest.mark.parametrize("kind", ["rbd", "iscsi", "mpath"])
def test_a_kind_that_is_not_served_is_refused_by_name(storage: Storage, kind: str) -> None:
    """When it is defined, and not when it is used."""
    source = "<host name='h'/><name>n</name><device path='d'/>"
    target = "<target><path>/dev/x</path></target>"
    xml = f"<pool type='{kind}'><name>p</name><source>{source}</source>{target}</pool>"
    code, domain, said = refusal(storage.conn.storagePoolDefineXML, xml)
    assert (code, domain) == (libvirt.VIR_ERR_NO_SUPPORT, 18)
    assert f"'{kind}'" in said


def test_pools_are_found_and_listed(storage: Storage, tmp_path: Path) -> None:
    """By name, UUID, target path; by state, persistence, autostart and kind."""
    conn, pool = storage.conn, storage.pool
    other = conn.storagePoolDefineXML(pool_xml("other", tmp_path / "other"))
    other.setAutostart(1)
    found = [
        conn.storagePoolLookupByUUID(pool.UUID()),
        conn.storagePoolLookupByUUIDString(pool.UUIDString()),
        conn.storagePoolLookupByTargetPath(f"{storage.folder}/"),
    ]
    assert [each.name() for each in found] == ["images"] * 3
    both = ["images", "other"]
    expected = {
        0: both, 1: ["other"], 2: ["images"], 8: [], 16: ["other"], 32: ["images"], 64: both, 128: [],
    }  # fmt: skip
    for flags, names in expected.items():
        assert [each.name() for each in conn.listAllStoragePools(flags)] == names
    assert (conn.listStoragePools(), conn.listDefinedStoragePools()) == (["images"], ["other"])
    assert (conn.numOfStoragePools(), conn.numOfDefinedStoragePools()) == (1, 1)


def test_a_redefinition_counts_from_the_next_start(storage: Storage, tmp_path: Path) -> None:
    """The active pool stays where it is; INACTIVE shows what comes."""
    uuid = f"<uuid>{storage.pool.UUIDString()}</uuid>"
    xml = pool_xml("images", tmp_path / "new").replace("<target>", f"{uuid}<target>")
    storage.conn.storagePoolDefineXML(xml)
    assert f"<path>{storage.folder}</path>" in storage.pool.XMLDesc()
    assert f"<path>{tmp_path}/new</path>" in storage.pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE)
    storage.pool.destroy()
    text = storage.pool.XMLDesc()
    assert f"<path>{tmp_path}/new</path>" in text
    assert "<capacity unit='bytes'>0</capacity>" in text and "<permissions>" not in text


def test_events_tell_what_happens_to_pools(storage: Storage, tmp_path: Path) -> None:
    """Lifecycle and refresh, of all pools or of one."""
    heard: queue.Queue[tuple[str, int]] = queue.Queue()
    conn = storage.conn

    def lifecycle(_: object, pool: libvirt.virStoragePool, event: int, *__: object) -> None:
        heard.put((pool.name(), event))

    conn.storagePoolEventRegisterAny(None, 0, lifecycle, None)
    conn.storagePoolEventRegisterAny(storage.pool, 1, lambda _, pool, __: heard.put((pool.name(), -1)), None)
    storage.pool.refresh()
    other = conn.storagePoolDefineXML(pool_xml("other", tmp_path / "other"))
    other.build()
    other.create()
    other.refresh()
    other.destroy()
    other.delete()
    other.undefine()
    assert [heard.get(timeout=SECONDS) for _ in range(7)] == [
        ("images", -1), *(("other", event) for event in (0, 4, 2, 3, 5, 1)),
    ]  # fmt: skip


def test_an_active_pool_is_active_after_a_crash(storage: Storage) -> None:
    """Its volumes are looked at again."""
    storage.make("a")
    crash(storage.conn.root, "drivers/storage")
    storage.pool.refresh()
    assert (storage.pool.listVolumes(), storage.files()) == (["a"], ["a"])


def test_only_what_a_job_left_is_swept(storage: Storage) -> None:
    """What another root is making in the same directory stays, hidden; what a failed job left goes."""
    ours, theirs = (storage.folder / f".embervirt-{digit * 16}.tmp" for digit in "01")
    storage.conn.root.journal.begin("x-1", "vol-create", "u", {"volume": "a", "staged": str(ours)})
    storage.conn.root.journal.end("x-1", "failed")
    ours.touch()
    theirs.touch()
    storage.pool.refresh()
    assert (storage.files(), storage.pool.listVolumes()) == ([theirs.name], [])


def test_a_pool_that_does_not_answer_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver starts without it; when it answers it is active, and that is an event."""
    answers = threading.Event()
    look = Directory.look

    def slow(self: Directory, pool: Any, known: Any, programs: Any) -> Any:
        assert pool.name != "slow" or answers.wait(SECONDS)
        return look(self, pool, known, programs)

    for name in ("slow", "quick"):
        (tmp_path / name).mkdir()
    with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
        for name in ("slow", "quick"):
            conn.storagePoolDefineXML(pool_xml(name, tmp_path / name)).create()
    monkeypatch.setattr(Directory, "look", slow)
    real = world.wait
    until_one = world.substituted(wait=lambda ends, seconds: real(ends, SECONDS, FIRST_COMPLETED))
    with until_one:  # the driver waits as long as the quick one takes, and no longer
        conn = libvirt.open(uri(tmp_path / "root", "storage"))
    with conn:
        assert conn.listStoragePools() == ["quick"]
        pool = conn.storagePoolLookupByName("slow")
        assert refusal(pool.create)[0] == libvirt.VIR_ERR_INTERNAL_ERROR
        with watching(conn.root) as events:
            answers.set()
            events.wait(lambda event: isinstance(event, PoolLifecycle) and event.name == "slow")
        assert (pool.isActive(), pool.listVolumes()) == (1, [])


def test_a_definition_is_shown_without_what_was_seen_of_another(storage: Storage, tmp_path: Path) -> None:
    """An active pool that is defined anew with another path: its inactive XML has no size and no mode."""
    text = storage.pool.XMLDesc().replace(str(storage.folder), str(tmp_path / "other"))
    storage.conn.storagePoolDefineXML(re.sub("<permissions>.*</permissions>", "", text, flags=re.DOTALL))
    inactive = storage.pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE)
    assert "<capacity unit='bytes'>0</capacity>" in inactive and "<mode>" not in inactive
    assert "<mode>" in storage.pool.XMLDesc()


def test_an_error_of_the_system_is_of_the_storage_driver(storage: Storage) -> None:
    """As libvirt 9 has it: code 38 of domain 18."""
    storage.make("a")
    storage.pool.destroy()
    code, domain, text = refusal(storage.pool.delete)
    assert (code, domain) == (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_STORAGE)
    assert "Directory not empty" in text


def test_a_start_that_cannot_be_recorded_is_undone(storage: Storage, tmp_path: Path) -> None:
    """A full root: the pool is not active, and what its start did is taken back."""
    stopped: list[str] = []
    stop = Directory.stop

    def seen(self: Directory, pool: Any, programs: Any) -> None:
        stopped.append(pool.name)
        stop(self, pool, programs)

    storage.pool.destroy()
    (tmp_path / "root/run/storage/images.json").mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Directory, "stop", seen)
        assert refusal(storage.pool.create)[0] == libvirt.VIR_ERR_SYSTEM_ERROR
    assert (storage.pool.isActive(), stopped) == (0, ["images"])


@contextmanager
def held_looks(count: int = 1) -> Iterator[tuple[threading.Event, threading.Event]]:
    """The next ``count`` looks at all of a pool have seen what is there, and answer when the second event is
    set; the first says that one has."""
    seen, over = threading.Event(), threading.Event()
    look, left = Directory.look, [count]

    def held(self: Directory, pool: Any, known: Any, programs: Any) -> Any:
        found = look(self, pool, known, programs)
        if left[0]:
            left[0] -= 1
            seen.set()
            assert over.wait(SECONDS)
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Directory, "look", held)
        try:
            yield seen, over
        finally:
            over.set()


def test_a_refresh_does_not_forget_what_happened_meanwhile(storage: Storage) -> None:
    """A volume that was made stays listed, one that was removed does not come back."""
    gone = storage.make("gone")
    with ThreadPoolExecutor() as pool, held_looks() as (seen, over):
        refresh = pool.submit(storage.pool.refresh)
        assert seen.wait(SECONDS)
        storage.make("new")
        gone.delete()
        over.set()
        assert refresh.result(SECONDS) == 0
    assert storage.pool.listVolumes() == ["new"] == storage.files()


def test_two_refreshes_at_once_both_look(storage: Storage) -> None:
    """The second waits for the first, and sees what came after that one had looked."""
    with ThreadPoolExecutor() as pool, held_looks() as (seen, over):
        first = pool.submit(storage.pool.refresh)
        assert seen.wait(SECONDS)
        (storage.folder / "late").touch()
        second = pool.submit(storage.pool.refresh)
        assert not wait([second], 0.1).done
        over.set()
        assert (first.result(SECONDS), second.result(SECONDS)) == (0, 0)
    assert storage.pool.listVolumes() == ["late"]


def test_what_happens_while_a_pool_starts_counts(storage: Storage, tmp_path: Path) -> None:
    """Its autostart; another of its name or path is refused, as is a change of what it lies on."""
    storage.pool.destroy()
    xml = storage.pool.XMLDesc()
    other = re.sub("<uuid>.*</uuid>", "", xml)
    with ThreadPoolExecutor() as pool, held_looks() as (seen, over):
        start = pool.submit(storage.pool.create)
        assert seen.wait(SECONDS)
        storage.pool.setAutostart(1)
        assert refusal(storage.conn.storagePoolCreateXML, other)[0] == libvirt.VIR_ERR_OPERATION_FAILED
        for change in (storage.pool.create, storage.pool.build, storage.pool.delete, storage.pool.undefine):
            assert "asynchronous jobs" in refusal(change)[2]
        over.set()
        assert start.result(SECONDS) == 0
    assert (storage.pool.isActive(), storage.pool.autostart()) == (1, 1)


def test_two_pools_of_one_name_are_not_started_at_once(storage: Storage, tmp_path: Path) -> None:
    """The second is refused though the first is not there yet."""
    (tmp_path / "one").mkdir()
    with ThreadPoolExecutor() as pool, held_looks() as (seen, over):
        first = pool.submit(storage.conn.storagePoolCreateXML, pool_xml("t", tmp_path / "one"))
        assert seen.wait(SECONDS)
        for call in (storage.conn.storagePoolCreateXML, storage.conn.storagePoolDefineXML):
            assert "already exists" in refusal(call, pool_xml("t", tmp_path / "two"))[2]
        over.set()
        first.result(SECONDS).destroy()
    assert storage.conn.listStoragePools() == ["images"]


def test_autostart_is_once_in_a_boot(tmp_path: Path) -> None:
    """The first opening of the root after a boot starts what is marked; a pool stopped since stays so."""
    (tmp_path / "images").mkdir()
    with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
        pool = conn.storagePoolDefineXML(pool_xml("images", tmp_path / "images"))
        pool.setAutostart(1)
    (tmp_path / "root/run/storage/autostarted").unlink()
    with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
        pool = conn.storagePoolLookupByName("images")
        assert pool.isActive() == 1
        pool.destroy()
    with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
        assert conn.storagePoolLookupByName("images").isActive() == 0


def test_a_label_is_that_of_the_directory_or_none(storage: Storage, tmp_path: Path) -> None:
    """What a pool that was active shows is what is there, with INACTIVE too, as in libvirt."""
    label = "<permissions><label>x</label></permissions>"
    text = pool_xml("p", tmp_path / "p").replace("</target>", f"{label}</target>")
    pool = storage.conn.storagePoolDefineXML(text)
    pool.build()
    pool.create()
    for flags in (0, libvirt.VIR_STORAGE_XML_INACTIVE):
        assert "<mode>" in pool.XMLDesc(flags) and "<label>" not in pool.XMLDesc(flags)


def test_a_directory_without_copy_on_write_wants_a_file_system_that_can(
    storage: Storage, tmp_path: Path
) -> None:
    """Only btrfs knows how; elsewhere the build is an error, as in libvirt, and nothing is left."""
    features = "<features><cow state='no'/></features>"
    text = pool_xml("p", tmp_path / "p").replace("<target>", f"{features}<target>")
    pool = storage.conn.storagePoolDefineXML(text)
    found = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], check=True, capture_output=True)
    if found.stdout == b"btrfs\n":
        pool.build()
    else:
        assert refusal(pool.build)[0] == libvirt.VIR_ERR_SYSTEM_ERROR
        assert not (tmp_path / "p").exists()


def test_a_build_that_fails_leaves_no_directory(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner that is wanted cannot be had: what was made goes again, what was there stays."""

    def chown(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", chown)
    pool = storage.conn.storagePoolDefineXML(pool_xml("p", tmp_path / "new"))
    assert "Operation not permitted" in refusal(pool.build)[2]
    assert not (tmp_path / "new").exists()
    (tmp_path / "new").mkdir()
    assert refusal(pool.build)[0] == libvirt.VIR_ERR_SYSTEM_ERROR
    assert (tmp_path / "new").is_dir()
