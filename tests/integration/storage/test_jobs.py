"""Long work beside the driver: progress, cancel, a crash in the middle, and others answered meanwhile."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt import disk
from embervirt.drivers.storage.messages import JobEnded, JobProgress
from embervirt.drivers.storage.tables import JobRow
from embervirt.errors import OperationAborted
from embervirt.supervisor.identity import wait_exit
from embervirt.supervisor.recorder import reap, spawn
from embervirt.supervisor.report import ChildFailed
from guest.calls import began
from guest.domain import SECONDS, crash, uri, wait_until, watching
from integration.storage.conftest import Storage, volume_xml

MIB = 1 << 20


def jobs(storage: Storage) -> list[JobRow]:
    """Under way."""
    return storage.conn.storageJobs()


@contextmanager
def held() -> Iterator[threading.Event]:
    """Preallocation stops at its first step until the event is set: long work, as long as a test wants."""
    going, over = threading.Event(), threading.Event()

    def allocate(file: disk.File, offset: int, length: int) -> None:
        going.set()
        over.wait(SECONDS)

    with disk.substituted(allocate=allocate):
        try:
            yield over
        finally:
            over.set()


def test_others_are_answered_while_a_volume_is_made(storage: Storage) -> None:
    """In the middle of it; the volume is not shown before it is whole, and its name is taken."""
    with held() as over:
        making = began(lambda: storage.make("long", 4 * MIB, allocation=None))
        wait_until(lambda: bool(jobs(storage)))
        [row] = jobs(storage)
        assert (row.what, row.volume) == ("vol-create", "long")
        storage.pool.setAutostart(1)
        assert storage.pool.autostart() == 1
        assert storage.pool.listVolumes() == []
        with pytest.raises(libvirt.libvirtError, match="exists already"):
            storage.make("long")
        with pytest.raises(libvirt.libvirtError, match="asynchronous jobs running"):
            storage.pool.destroy()
        over.set()
        assert making.result(SECONDS).name() == "long"
    assert jobs(storage) == []


def test_a_cancelled_job_leaves_nothing(storage: Storage) -> None:
    """Its caller is told, it is on record as undone, and an event says so."""
    with watching(storage.conn.root) as events, held() as over:
        making = began(lambda: storage.make("long", 4 * MIB, allocation=None))
        wait_until(lambda: bool(jobs(storage)))
        [row] = jobs(storage)
        storage.conn.root.cancel(row.id)
        over.set()
        assert isinstance(making.exception(SECONDS), OperationAborted)
        [ended] = events.wait(lambda event: isinstance(event, JobEnded) and event.volume == "long")
        assert isinstance(ended, JobEnded) and "cancelled" in ended.error
    assert storage.conn.root.operation(row.id).state == "undone"
    assert (storage.files(), storage.pool.listVolumes()) == ([], [])


def test_a_crash_in_the_middle_leaves_no_volume(storage: Storage) -> None:
    """The driver dies: the successor has no such volume, no file is left, and the record says failed."""
    with held() as over:
        making = began(lambda: storage.make("long", 4 * MIB, allocation=None))
        wait_until(lambda: bool(jobs(storage)))
        [row] = jobs(storage)
        storage.conn.root.crash("drivers/storage")
        assert isinstance(making.exception(SECONDS), libvirt.libvirtError)
        over.set()
        storage.pool.refresh()
    wait_until(lambda: storage.conn.root.operation(row.id).state != "open")
    assert storage.conn.root.operation(row.id).state in ("failed", "undone")
    wait_until(lambda: storage.files() == [])
    assert storage.pool.listVolumes() == []
    assert storage.make("long", 4 * MIB).info()[1] == 4 * MIB


def test_an_open_record_of_a_dead_process_is_settled(tmp_path: Path) -> None:
    """What a killed program left half-made is gone when the driver is next up, and listed as failed."""
    staged = tmp_path / ".embervirt-0011223344556677.tmp"
    staged.touch()
    with libvirt.open(uri(tmp_path / "root", "secret")) as conn:
        conn.root.journal.begin("x-1", "vol-create", "uuid", {"volume": "a", "staged": str(staged)})
        assert conn.listAllSecrets() == []
    with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
        record = conn.root.operation("x-1")
        assert (record.state, staged.exists()) == ("failed", False)
        assert "nothing of it is left" in record.error


def test_a_program_of_a_dead_process_ends(tmp_path: Path) -> None:
    """It would write on to a file that nobody will see; its own words of its end go too."""
    staged, status = tmp_path / ".embervirt-0011223344556677.tmp", tmp_path / "root/run/storage/x-1.status"
    with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
        conn.root.journal.begin("x-1", "vol-clone", "uuid", {"volume": "a", "staged": str(staged)})
        assert conn.storageJobs() == []
    with Path(os.devnull).open("w") as nowhere:
        left = spawn(["sleep", "1000"], status_file=status, log_fd=nowhere.fileno())
    held = left.hold()
    assert held is not None
    try:
        with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
            assert (conn.root.operation("x-1").state, wait_exit(held, SECONDS)) == ("failed", True)
        assert reap(left, SECONDS) and not status.exists()
    finally:
        os.close(held)


@pytest.mark.parametrize(("what", "staged"), [("vol-delete", {"staged": "/nowhere/x"}), ("vol-wipe", {})])
def test_a_record_says_no_more_than_is_known(tmp_path: Path, what: str, staged: dict[str, str]) -> None:
    """A change in place that was cut short is not said to have left nothing."""
    with libvirt.open(uri(tmp_path / "root", "secret")) as conn:
        conn.root.journal.begin("x-1", what, "uuid", {"volume": "a", **staged})
    with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
        assert conn.storageJobs() == []
        assert "in part or as a whole" in conn.root.operation("x-1").error


def test_a_copy_by_qemu_img_tells_its_progress(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes of what is copied, by an event for each step of it that is told, here all."""
    monkeypatch.setattr("embervirt.drivers.storage.jobs.EVERY", 0)
    original = storage.make("a", 8 * MIB)
    (storage.folder / "a").write_bytes(b"x" * 8 * MIB)
    storage.pool.refresh()
    with watching(storage.conn.root) as events:
        copy = storage.pool.createXMLFrom(volume_xml("b", 0, format="qcow2"), original)
        events.wait(lambda event: isinstance(event, JobEnded) and event.volume == "b")
        heard = events.fitting(lambda event: isinstance(event, JobProgress) and event.volume == "b")
    done = [event.done for event in heard if isinstance(event, JobProgress)]
    assert done == sorted(done) and {0, 4 * MIB, 8 * MIB} <= set(done)
    assert copy.info()[1] == 8 * MIB


def test_qemu_imgs_own_words_are_told(storage: Storage) -> None:
    """What only it knows: the error is the program's, whole, with the volume's path, and nothing is left."""
    with pytest.raises(libvirt.libvirtError) as refused:
        storage.make("a", 1 << 60, format="qcow2")
    said = str(refused.value)
    assert f"qemu-img create -f qcow2 -o compat=0.10 {storage.folder}/a 1125899906842624K" in said
    assert "unexpected exit status 1" in said and "The image size is too large" in said
    assert storage.files() == []


@dataclass
class Long:
    """A change of a volume that goes on until ``over`` is set; ``going``: it has something in hand."""

    begin: Callable[[], Future[Any]]
    going: threading.Event
    over: threading.Event


def unshared(file: disk.File, source: int) -> None:
    """A file system without reflinks."""
    raise OSError(errno.EOPNOTSUPP, "none")


@contextmanager
def long(storage: Storage, kind: str) -> Iterator[Long]:
    """One of each kind; what it needs is there. Its hand on the disk waits at the first step."""
    going, over = threading.Event(), threading.Event()

    def waits(real: Callable[..., Any]) -> Callable[..., Any]:
        def held(*arguments: Any, **words: Any) -> Any:
            if threading.current_thread().name == f"embervirt-{kind}":
                going.set()
                over.wait(SECONDS)
            return real(*arguments, **words)

        return held

    if kind != "vol-create":
        (storage.folder / "a").write_bytes(b"x" * 2 * MIB)
        storage.pool.refresh()
    held = {name: waits(getattr(disk, name)) for name in ("allocate", "copy", "write_at", "unlink")}
    with disk.substituted(reflink=unshared, **held):
        try:
            yield Long(lambda: began(change(storage, kind)), going, over)
        finally:
            over.set()


def change(storage: Storage, kind: str) -> Callable[[], Any]:
    """Of the volume "a", or it makes one that is called "new"."""

    def volume() -> libvirt.virStorageVol:
        return storage.pool.storageVolLookupByName("a")

    def send() -> None:
        stream = storage.conn.newStream()
        volume().upload(stream, 0, 0)
        stream.send(b"y" * 1000)
        stream.finish()

    return {
        "vol-create": lambda: storage.make("new", 4 * MIB, allocation=None),
        "vol-clone": lambda: storage.pool.createXMLFrom(volume_xml("new", 0), volume()),
        "vol-wipe": lambda: volume().wipe(),
        "vol-resize": lambda: volume().resize(4 * MIB, 1),
        "vol-upload": send,
        "vol-delete": lambda: volume().delete(),
    }[kind]


KINDS = ("vol-create", "vol-clone", "vol-wipe", "vol-resize", "vol-upload", "vol-delete")


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_job_keeps_others_waiting(storage: Storage, kind: str) -> None:
    """Each is listed with its volume, the driver answers meanwhile; then it is done, and recorded so."""
    with long(storage, kind) as work:
        done = work.begin()
        wait_until(lambda: bool(jobs(storage)))
        [row] = jobs(storage)
        assert (row.what, row.volume) == (kind, "new" if kind in ("vol-create", "vol-clone") else "a")
        storage.pool.setAutostart(1)
        assert (storage.pool.autostart(), done.done()) == (1, False)
        work.over.set()
        done.result(SECONDS)
    wait_until(lambda: storage.conn.root.operation(row.id).state == "done")
    assert jobs(storage) == []


@pytest.mark.parametrize("outlives", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_job_survives_its_driver_by_half(
    storage: Storage, kind: str, outlives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver dies in the middle: all or nothing of it is there, as the record says.

    ``outlives``: its disk keeps the job longer than the driver waits for it; nobody changes the volume then.
    """
    with long(storage, kind) as work, watching(storage.conn.root) as events:
        done = work.begin()
        assert work.going.wait(SECONDS)
        [row] = jobs(storage)
        if outlives:
            monkeypatch.setattr("embervirt.drivers.storage.actor.jobs.PATIENCE", 0.1)
            crash(storage.conn.root, "drivers/storage")
            with pytest.raises(libvirt.libvirtError, match="has asynchronous jobs running"):
                storage.pool.refresh()
            if kind in ("vol-wipe", "vol-resize", "vol-upload"):
                with pytest.raises(libvirt.libvirtError, match="volume 'a' is still in use"):
                    storage.pool.storageVolLookupByName("a").resize(8 * MIB)
        else:
            storage.conn.root.crash("drivers/storage")
        work.over.set()
        error = done.exception(SECONDS)
        events.wait(lambda event: isinstance(event, ChildFailed))  # a job may end before its driver does
    wait_until(lambda: storage.conn.root.operation(row.id).state != "open")
    wait_until(lambda: refreshed(storage))
    record = storage.conn.root.operation(row.id)
    finished = record.state == "done"
    assert finished or record.error
    assert isinstance(error, libvirt.libvirtError) or finished  # its end came before the driver's
    before = [] if kind in ("vol-create", "vol-delete") else ["a"]  # what goes has lost its name by then
    after = {"vol-create": ["new"], "vol-clone": ["a", "new"]}.get(kind, before)
    wanted = after if finished else before
    assert storage.files() == storage.pool.listVolumes() == wanted
    if "a" in wanted and not finished and kind != "vol-wipe":
        assert (storage.folder / "a").read_bytes() == b"x" * 2 * MIB


def refreshed(storage: Storage) -> bool:
    """Whether it could be: no job of the pool is under way."""
    try:
        storage.pool.refresh()
    except libvirt.libvirtError as error:
        assert "has asynchronous jobs running" in str(error)
        return False
    return True


@pytest.mark.parametrize("kind", ["create", "convert"])
def test_a_program_ends_with_its_job(
    storage: Storage, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled job's qemu-img is ended, and nothing is left."""
    original = storage.make("a", MIB)
    programs, pid = tmp_path / "bin", tmp_path / "pid"
    programs.mkdir()
    (programs / "qemu-img").write_text(f"#!/bin/sh\necho $$ >{pid}.new; mv {pid}.new {pid}; exec sleep 300\n")
    (programs / "qemu-img").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    xml = volume_xml("b", MIB, format="qcow2")
    done = began(
        lambda: storage.pool.createXML(xml) if kind == "create" else storage.pool.createXMLFrom(xml, original)
    )
    wait_until(pid.exists)
    [row] = jobs(storage)
    storage.conn.root.cancel(row.id)
    assert isinstance(done.exception(SECONDS), OperationAborted)
    wait_until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())
    assert (storage.files(), storage.conn.root.operation(row.id).state) == (["a"], "undone")


def test_a_change_that_outlives_its_root_is_not_taken_back_over_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root was closed and opened again while a resize waited for its disk."""
    monkeypatch.setattr("embervirt.drivers.storage.actor.jobs.PATIENCE", 0.1)
    folder, settings = tmp_path / "pool", {"supervision.shutdown_timeout": 1.0}
    folder.mkdir()
    xml = f"<pool type='dir'><name>p</name><target><path>{folder}</path></target></pool>"
    with held() as over:
        with libvirt.open(uri(tmp_path / "root", "storage"), settings=settings) as conn:
            pool = conn.storagePoolCreateXML(xml)
            volume = pool.createXML(volume_xml("a", MIB))
            resized = began(lambda: volume.resize(4 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE))
            wait_until(lambda: (folder / "a").stat().st_size == 4 * MIB)
        assert isinstance(resized.exception(10), libvirt.libvirtError)
        with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
            conn.storagePoolLookupByName("p").storageVolLookupByName("a").resize(8 * MIB)
            over.set()
            wait_until(lambda: all(each.name != "embervirt-vol-resize" for each in threading.enumerate()))
            assert (folder / "a").stat().st_size == 8 * MIB
