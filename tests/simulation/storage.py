"""A simulated disk under ``embervirt.disk``: real files, and what of them would be there after a power loss.

The files are what every process sees. Beside them is kept what has reached the disk: of each file the content
at its last sync, of each directory its names at its last sync. ``power_loss`` goes back to that and a drawn
part of what came after it: of a directory's changes the first few, of a file's content the old one, nothing,
a beginning or all. It is as forgetful as POSIX allows, more than ext4 is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embervirt import disk
from simulation.scheduler import Scheduler

HANG = 60.0
FAILURES = (errno.ENOSPC, errno.EIO, errno.EDQUOT)


@dataclass(eq=False)
class Node:
    """A file or a directory. ``synced``: what of a file is on disk; ``gone``: its last content."""

    directory: bool = False
    synced: bytes = b""
    dirty: bool = False
    gone: bytes = b""


@dataclass(frozen=True)
class Change:
    """Of one directory: these names become these nodes, at once; None is no longer there."""

    names: tuple[tuple[Path, Node | None], ...]


class Storage:
    """Everything below ``top``, which exists and is on disk.

    ``failing``: how often a change fails, ``hanging``: how often it takes up to a minute; 0 to 1.
    """

    def __init__(self, top: Path, scheduler: Scheduler) -> None:
        self.top, self.failing, self.hanging = top, 0.0, 0.0
        self._scheduler, self._random = scheduler, scheduler.random
        self._real = {name: getattr(disk, name) for name in REPLACED}
        self._now: dict[Path, Node] = {}
        self._durable: dict[Path, Node] = {}
        self._pending: dict[Path, list[Change]] = {}
        self._open: dict[int, Node] = {}
        self._files: dict[int, int] = {}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """All of embervirt writes here."""
        with disk.substituted(**{name: getattr(self, f"_{name}") for name in REPLACED}):
            yield

    def close_all(self) -> None:
        """The process is dead, and so its descriptors are closed."""
        for descriptor, file in self._files.items():
            with contextlib.suppress(OSError):  # what ended in order has closed its own
                if os.fstat(descriptor).st_ino == file:
                    os.close(descriptor)
        self._open.clear()
        self._files.clear()

    # What a process does.

    def _step(self, what: str, path: Path) -> None:
        """Here the thread may lose the processor, its process may be dead, and the disk may fail."""
        self._scheduler.checkpoint()
        if self.hanging and self._random.random() < self.hanging:
            self._scheduler.note(f"{what} {self._short(path)} hangs")
            self._scheduler.let_pass(self._random.random() ** 2 * HANG)
        if self.failing and self._random.random() < self.failing:
            code = self._random.choice(FAILURES)
            self._scheduler.note(f"{what} {self._short(path)} fails: {errno.errorcode[code]}")
            raise OSError(code, os.strerror(code), str(path))
        self._scheduler.note(f"{what} {self._short(path)}")

    def _short(self, path: Path) -> str:
        return str(path).removeprefix(f"{self.top}/")

    def _change(self, directory: Path, *names: tuple[Path, Node | None]) -> None:
        for path, node in names:
            self._now.pop(path, None)
            if node is not None:
                self._now[path] = node
        self._pending.setdefault(directory, []).append(Change(names))

    def _last_sight(self, path: Path) -> None:
        """Before a name goes: the content may be asked for after a power loss."""
        node = self._now.get(path)
        if node is not None and not node.directory:
            node.gone = _content(path)

    def _opened(self, file: disk.File) -> disk.File:
        node = self._now.get(file.path)
        if node is None:
            node = Node()
            self._change(file.path.parent, (file.path, node))
        self._open[file.descriptor] = node
        self._files[file.descriptor] = os.fstat(file.descriptor).st_ino
        return file

    def _create(self, path: Path, mode: int = disk.PRIVATE, *, target: Path | None = None) -> disk.File:
        self._step("create", target or path)
        return self._opened(self._real["create"](path, mode, target=target))

    def _append_to(self, path: Path) -> disk.File:
        self._step("append to", path)
        return self._opened(self._real["append_to"](path))

    def _open_lock(self, path: Path) -> disk.File:
        self._step("open", path)
        return self._opened(self._real["open_lock"](path))

    def _write(self, file: disk.File, data: bytes | memoryview) -> int:
        self._step("write", file.target)
        self._open[file.descriptor].dirty = True
        if len(data) > 1 and self._random.random() < 0.02:
            data = data[: 1 + self._some(len(data) - 1)]
        return int(self._real["write"](file, data))

    def _truncate(self, file: disk.File, length: int) -> None:
        self._step("truncate", file.target)
        self._open[file.descriptor].dirty = True
        self._real["truncate"](file, length)

    def _sync(self, file: disk.File) -> None:
        self._step("sync", file.target)
        node = self._open[file.descriptor]
        node.synced, node.dirty = _content(Path(f"/proc/self/fd/{file.descriptor}")), False

    def _close(self, file: disk.File) -> None:
        if self._open.pop(file.descriptor, None) is not None:
            self._files.pop(file.descriptor)
            self._real["close"](file)

    def _set_mode(self, path: Path, mode: int) -> None:
        self._step("set mode of", path)
        self._real["set_mode"](path, mode)

    def _rename(self, path: Path, target: Path) -> None:
        self._step("rename", target)
        self._last_sight(target)
        self._real["rename"](path, target)
        self._change(target.parent, (path, None), (target, self._now.get(path, Node(dirty=True))))

    def _link(self, path: Path, second: Path) -> None:
        self._step("link", path)
        self._real["link"](path, second)
        self._change(second.parent, (second, self._now.get(path, Node(dirty=True))))

    def _unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        self._step("unlink", path)
        self._last_sight(path)
        self._real["unlink"](path, missing_ok=missing_ok)
        if path in self._now:
            self._change(path.parent, (path, None))

    def _make_directory(self, path: Path, mode: int = 0o700) -> None:
        self._step("make", path)
        self._real["make_directory"](path, mode)
        self._change(path.parent, (path, Node(directory=True)))

    def _remove_directory(self, path: Path) -> None:
        self._step("remove", path)
        self._real["remove_directory"](path)
        self._change(path.parent, (path, None))

    def _remove_tree(self, path: Path) -> None:
        """One by one, so that its process may die half-way."""
        for inner in sorted(path.iterdir(), reverse=True):
            if inner.is_dir() and not inner.is_symlink():
                self._remove_tree(inner)
            else:
                self._unlink(inner)
        self._remove_directory(path)

    def _sync_directory(self, path: Path) -> None:
        self._step("sync", path)
        self._settle(path, self._pending.pop(path, []))

    def _settle(self, directory: Path, changes: list[Change]) -> None:
        """These are on disk; what a directory that came or went had in it comes or goes with it."""
        for change in changes:
            for path, node in change.names:
                self._durable.pop(path, None)
                if node is not None:
                    self._durable[path] = node

    # What happens to it.

    def outside(self, path: Path, content: bytes | None) -> None:
        """Another process, a QEMU or its recorder, writes or (None) removes a file; it is never synced."""
        self._last_sight(path)
        if content is None:
            path.unlink(missing_ok=True)
            self._change(path.parent, (path, None))
        else:
            path.write_bytes(content)
            os.utime(path, (self._scheduler.now, self._scheduler.now))
            self._change(path.parent, (path, Node(dirty=True)))

    def power_loss(self) -> None:
        """Back to what is on disk, with a part of what was under way."""
        contents = {node: self._survives(path, node) for path, node in self._now.items()}
        for directory, changes in self._pending.items():
            self._settle(directory, changes[: self._some(len(changes) + 1)])
        self._pending.clear()
        kept = {path: self._durable[path] for path in sorted(self._durable) if self._reachable(path)}
        for inner in self.top.iterdir():
            shutil.rmtree(inner) if inner.is_dir() else inner.unlink()
        for path, node in kept.items():
            self._put(path, node, contents)
        self._now, self._durable = dict(kept), dict(kept)

    def _put(self, path: Path, node: Node, contents: dict[Node, bytes]) -> None:
        if node.directory:
            path.mkdir(0o700)
            return
        node.synced = contents[node] if node in contents else self._part(node, node.gone)
        node.dirty = False
        path.write_bytes(node.synced)
        path.chmod(0o600)

    def _reachable(self, path: Path) -> bool:
        above = self._durable.get(path.parent)
        inside = above is not None and above.directory and self._reachable(path.parent)
        return path.parent == self.top or inside

    def _survives(self, path: Path, node: Node) -> bytes:
        return b"" if node.directory else self._part(node, _content(path))

    def _part(self, node: Node, now: bytes) -> bytes:
        if not node.dirty:
            return node.synced
        if now.startswith(node.synced):  # it was appended to
            least, most = len(node.synced), len(now)
            return now[: self._random.choice((least, least + self._some(most - least + 1), most))]
        return self._random.choice((node.synced, b"", now[: self._some(len(now) + 1)], now))

    def _some(self, below: int) -> int:
        """A number from 0. What is drawn next does not depend on ``below``, which may be a path's length."""
        return int(self._random.random() * below)


REPLACED = (
    *("create", "append_to", "open_lock", "write", "truncate", "sync", "close", "set_mode"),
    *("rename", "link", "unlink", "make_directory", "remove_directory", "remove_tree", "sync_directory"),
)
"""Functions of ``embervirt.disk``."""


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
