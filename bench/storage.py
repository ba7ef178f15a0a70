"""Storage: folders of ten thousand images, copies of a large one, and what is answered meanwhile."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import embervirt as libvirt
from bench.figure import Figure, at_most, medians, milliseconds, times_floor
from bench.libvirtd import FOLDER, Libvirtd, libvirtd
from embervirt.drivers.storage.messages import LookAtVolume

MANY, ROUNDS = 10_000, 4
LARGE, COPIES = 2 << 30, 3
THREAD = "a thread that does nothing"
HEADER, SMALL = 4096, 1 << 20
POOL = "<pool type='dir'><name>{0}</name><target><path>{1}</path></target></pool>"
COPY = """<volume><name>copy</name><capacity unit='bytes'>{0}</capacity>
  <target><format type='{1}'/></target></volume>"""


def figures(conn: libvirt.virConnect, directory: Path) -> Iterator[Figure]:
    """Each beside a stat of each file, libvirtd, or qemu-img by itself."""
    with libvirtd(directory, FOLDER) as peer:
        yield from _raw(conn, directory, peer)
        yield from _qcow2(conn, directory, peer)
    yield from _copies(conn, directory)


# Folders.


def _raw(conn: libvirt.virConnect, directory: Path, peer: Libvirtd) -> Iterator[Figure]:
    floor, first, again, listing, *_ = _laps(conn, directory / "raw", b"\1" * HEADER, SMALL, peer)
    yield times_floor(f"first look at {MANY} raw images / a stat of each", first, floor, 8)
    yield times_floor("refresh of the same, unchanged / a stat of each", again, floor, 3)
    yield at_most(f"list of {MANY} volumes", listing, 50, "ms")
    yield from _holes(conn, directory, peer)


def _holes(conn: libvirt.virConnect, directory: Path, peer: Libvirtd) -> Iterator[Figure]:
    floor, first, *_ = _laps(conn, directory / "holes", b"", SMALL, peer)
    yield times_floor("the same of images that are all hole / a stat of each", first, floor, 8)


def _qcow2(conn: libvirt.virConnect, directory: Path, peer: Libvirtd) -> Iterator[Figure]:
    path = directory / "one.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1G"], check=True)
    content, size = path.read_bytes()[:HEADER], path.stat().st_size
    floor, first, again, _, theirs, theirs_again = _laps(conn, directory / "qcow2", content, size, peer)
    yield times_floor(f"first look at {MANY} qcow2 images / a stat of each", first, floor, None)
    yield times_floor("refresh of the same, unchanged / a stat of each", again, floor, 3)
    if peer.why:
        yield Figure("first look at the same / libvirtd", f"{first:.1f}", f"skipped: {peer.why}")
        return
    yield times_floor("first look at the same / libvirtd", first, theirs, 1)
    yield times_floor("refresh of the same / libvirtd", again, theirs_again, 1)


def _laps(conn: libvirt.virConnect, folder: Path, content: bytes, size: int, peer: Libvirtd) -> list[float]:
    """Medians in ms: a stat of each, first look, refresh, list; libvirtd's first look and refresh.

    Each lap has new files, and the two take turns in being first.
    """
    rows = []
    for number in range(ROUNDS):
        _fill(folder, content, size)
        _stats(folder)  # what comes first finds the names cached, as the others do
        theirs = _theirs(peer, folder) if number % 2 else ()
        ours = _ours(conn, folder)
        rows.append((*ours, *(theirs or _theirs(peer, folder))))
        shutil.rmtree(folder)
    return medians(rows)


def _ours(conn: libvirt.virConnect, folder: Path) -> tuple[float, float, float, float]:
    pool = conn.storagePoolDefineXML(POOL.format(folder.name, folder))
    floor = statistics.median(_stats(folder) for _ in range(3))
    first, again = milliseconds(pool.create), milliseconds(pool.refresh)
    listing = milliseconds(pool.listAllVolumes)
    assert pool.numOfVolumes() == MANY
    pool.destroy()
    pool.undefine()
    return floor, first, again, listing


def _theirs(peer: Libvirtd, folder: Path) -> tuple[float, float]:
    return (0.0, 0.0) if peer.why else peer.lap(folder)


def _fill(folder: Path, content: bytes, size: int) -> None:
    folder.mkdir()
    for number in range(MANY):
        with (folder / f"image{number:05}").open("wb") as file:
            file.write(content)
            file.truncate(size)


def _stats(folder: Path) -> float:
    """Milliseconds of one stat for each name, by the fastest way there is."""
    names, directory = [path.name for path in folder.iterdir()], os.open(folder, os.O_RDONLY)
    try:
        return milliseconds(lambda: [os.stat(name, dir_fd=directory) for name in names])
    finally:
        os.close(directory)


# Copies.


def _copies(conn: libvirt.virConnect, directory: Path) -> Iterator[Figure]:
    folder = directory / "copies"
    folder.mkdir()
    source = folder / "raw"
    with source.open("wb") as file:
        for _ in range(LARGE >> 20):
            file.write(os.urandom(1 << 20))
    _convert("raw", "qcow2", source, folder / "qcow2")
    pool = conn.storagePoolDefineXML(POOL.format("copies", folder))
    pool.create()
    for kind in ("raw", "qcow2"):
        ours, floor = medians(_copied(pool, folder, kind) for _ in range(COPIES))
        what = f"copy of 2 GiB in {kind}, on disk / qemu-img convert, in memory"
        yield times_floor(what, ours, floor, 1.1)
    yield from _meanwhile(conn, pool)
    pool.destroy()
    shutil.rmtree(folder)


def _copied(pool: libvirt.virStoragePool, folder: Path, kind: str) -> tuple[float, float]:
    """Milliseconds; nothing waits to be written to disk when either begins."""
    os.sync()
    ours = milliseconds(lambda: _copy(pool, kind))
    pool.storageVolLookupByName("copy").delete()
    os.sync()
    by_hand = folder / ".embervirt-by-hand.tmp"
    floor = milliseconds(lambda: _convert(kind, kind, folder / kind, by_hand))
    by_hand.unlink()
    return ours, floor


def _copy(pool: libvirt.virStoragePool, kind: str) -> None:
    pool.createXMLFrom(COPY.format(LARGE, kind), pool.storageVolLookupByName(kind))


def _convert(source_kind: str, kind: str, source: Path, target: Path) -> None:
    argv = ["qemu-img", "convert", "-f", source_kind, "-O", kind, str(source), str(target)]
    subprocess.run(argv, check=True)


# Meanwhile.


def _meanwhile(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> Iterator[Figure]:
    """Calls of each kind, one after the other, for as long as a copy takes.

    What a look costs when the cores are busy is mostly how late a new thread runs: that is shown beside it.
    """
    volume, look = pool.storageVolLookupByName("raw"), LookAtVolume(pool.UUIDString(), "raw")
    calls: dict[str, Callable[[], object]] = {
        "the driver looks at a volume": lambda: conn.root.call("storage", look),
        "info, XML and list": lambda: (pool.info(), volume.XMLDesc(), pool.listAllVolumes()),
        THREAD: _thread,
    }
    for kind in ("raw", "qcow2"):
        with ThreadPoolExecutor(1) as thread:
            copying = thread.submit(_copy, pool, kind)
            spent = _until(copying, calls)
            copying.result()
        pool.storageVolLookupByName("copy").delete()
        (usual, slow), *others = [_usual_and_slow(spent[what]) for what in (THREAD, *calls)]
        for what, (each, slowest) in zip(calls, others, strict=True):
            if what != THREAD:
                yield at_most(f"{what} during a copy in {kind}", each, 5, "ms", usual)
                yield at_most("the same, slower than 95 of 100", slowest, None, "ms", slow)


def _thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def _usual_and_slow(spent: list[float]) -> tuple[float, float]:
    return statistics.median(spent), statistics.quantiles(spent, n=20)[-1]


def _until(end: Future[None], calls: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {what: [] for what in calls}
    while not end.done():
        for what, call in calls.items():
            spent[what].append(milliseconds(call))
        time.sleep(0.005)
    return spent
