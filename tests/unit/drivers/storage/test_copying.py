"""Data of volumes: its parts, copies, patterns, and what is undone; on small real files."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embervirt import disk
from embervirt.drivers.storage.backend import copying
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.service import staging
from embervirt.drivers.storage.tables import JobRow
from embervirt.errors import OperationAborted

BLOCK = 4096


@pytest.fixture
def job() -> Iterator[Job]:
    """One that nobody watches."""
    made = Job(JobRow("1", "test", "p", "v"), lambda: None, lambda row, loud: None)
    yield made
    made.close()


def sparse(path: Path, blocks: list[bool]) -> bytes:
    """A file of data and holes; its content."""
    with path.open("wb") as file:
        for place, full in enumerate(blocks):
            if full:
                file.seek(place * BLOCK)
                file.write(bytes([place % 255 + 1]) * BLOCK)
        file.truncate(len(blocks) * BLOCK)
    return path.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_a_copy_is_the_same_with_or_without_help_of_the_kernel(
    tmp_path: Path, job: Job, blocks: list[bool]
) -> None:
    """Same bytes, and no more room than the source takes."""
    source, target = tmp_path / "source", tmp_path / "target"
    content = sparse(source, blocks)

    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, "no")

    for helpers in ({}, {"reflink": refuse}, {"reflink": refuse, "copy": refuse}):
        with (
            disk.substituted(**helpers),
            staging.created(target) as file,
            staging.in_place(source) as original,
        ):
            copying.copy(job, file, original.descriptor, len(content))
        assert target.read_bytes() == content
        assert target.stat().st_blocks <= source.stat().st_blocks
        target.unlink()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_data_and_holes_make_up_a_file(tmp_path: Path, blocks: list[bool]) -> None:
    """Side by side, without overlap."""
    size = len(sparse(tmp_path / "f", blocks))
    with staging.in_place(tmp_path / "f") as file:
        parts = [*copying.data(file.descriptor, size), *copying.holes(file.descriptor, 0, size)]
    assert sum(stop - start for start, stop in parts) == size
    ordered = sorted(parts)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(ordered))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    blocks=st.lists(st.booleans(), min_size=1, max_size=20),
    begin=st.integers(0, 90_000),
    length=st.integers(0, 90_000),
    punches=st.booleans(),
)
def test_what_is_emptied_is_zero_and_the_rest_stays(
    tmp_path: Path, blocks: list[bool], begin: int, length: int, punches: bool
) -> None:
    """With holes or without; beyond its end a file grows."""
    content = sparse(tmp_path / "f", blocks)

    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no")

    end = begin + length
    with disk.substituted(**({} if punches else {"punch": refuse})), staging.in_place(tmp_path / "f") as file:
        copying.empty(file, begin, end)
    wanted = content[:begin].ljust(min(begin, end), b"\0") + bytes(length) + content[end:]
    assert (tmp_path / "f").read_bytes() == (wanted if end > len(content) else wanted[: len(content)])


@given(st.binary(min_size=1, max_size=5), st.integers(0, 1000), st.integers(1, 1000))
def test_a_pattern_goes_on_where_the_portion_before_ended(pattern: bytes, at: int, count: int) -> None:
    """Byte for byte as one long repetition."""
    assert copying._repeated(pattern, at, count) == (pattern * 2001)[at : at + count]


def test_what_was_not_written_is_noticed(tmp_path: Path, job: Job) -> None:
    """A pass that is verified, on a disk that forgets."""
    path = tmp_path / "f"
    path.write_bytes(b"x" * BLOCK)
    with (
        disk.substituted(write_at=lambda file, data, offset: len(data)),
        staging.in_place(path) as file,
        pytest.raises(OSError, match="is not there"),
    ):
        copying.overwrite(job, file, (b"\0",), verify=True)


def test_a_cancelled_copy_stops_at_its_next_step(tmp_path: Path, job: Job) -> None:
    """It does not go to its end first."""
    source = tmp_path / "source"
    source.write_bytes(os.urandom(BLOCK))
    job.cancel("enough")
    with (
        pytest.raises(OperationAborted, match="enough"),
        staging.in_place(source) as original,
        staging.created(tmp_path / "target") as file,
    ):
        copying.copy(job, file, original.descriptor, BLOCK)


def test_a_volumes_file_is_never_reached_by_a_link(tmp_path: Path) -> None:
    """Neither to be made nor to be changed."""
    (tmp_path / "target").write_bytes(b"x")
    (tmp_path / "link").symlink_to("target")
    for reach in (staging.in_place, staging.created):
        with pytest.raises(OSError) as caught, reach(tmp_path / "link"):
            raise AssertionError("it was opened")
        assert caught.value.errno in (errno.ELOOP, errno.EEXIST)
    assert (tmp_path / "target").read_bytes() == b"x"


def test_a_copy_begins_to_go_to_disk_while_it_is_made(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each portion at once, and all of the data: the sync at the end finds little to do."""
    source, target = tmp_path / "source", tmp_path / "target"
    content = sparse(source, [True, True, False, True, True, True])
    begun: list[tuple[int, int]] = []

    def begin_sync(_: int, offset: int = 0, length: int = 0) -> None:
        begun.append((offset, offset + length))

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "no")

    monkeypatch.setattr(copying, "PORTION", 2 * BLOCK)
    with (
        disk.substituted(begin_sync=begin_sync, reflink=refuse),
        staging.created(target) as file,
        staging.in_place(source) as original,
    ):
        copying.copy(job, file, original.descriptor, len(content))
        assert begun == [(0, 2 * BLOCK), (3 * BLOCK, 5 * BLOCK), (5 * BLOCK, 6 * BLOCK)]
    assert target.read_bytes() == content


def test_beginning_to_sync_is_advice(tmp_path: Path) -> None:
    """What cannot take it is no error, and is as it was."""
    (tmp_path / "file").write_bytes(b"x")
    with (tmp_path / "file").open("rb") as file:
        disk.begin_sync(file.fileno())
        assert file.read() == b"x"
    reader, writer = os.pipe()
    disk.begin_sync(writer)
    assert os.write(writer, b"x") == 1
    os.close(reader)
    os.close(writer)
