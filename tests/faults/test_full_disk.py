"""A disk that is full or fails: what cannot be written is refused, the rest goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.supervisor.report import HealthChanged, Node
from guest.domain import SECRET, small, uri, wait_until, watching

NOSPACE = faults.error(errno.ENOSPC)
CODES = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS]


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A root with a definition and a secret."""
    with libvirt.open(uri(tmp_path)) as made:
        made.defineXML(small("old", memory=32))
        made.secretDefineXML(SECRET).setValue(b"old")
        yield made


def events_actor(conn: libvirt.virConnect) -> Node:
    """As the tree shows it."""
    return next(child for child in conn.root.tree().children if child.id == "events")


@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
def test_k07_what_cannot_be_written_is_refused_and_what_was_there_stays(
    conn: libvirt.virConnect, code: int
) -> None:
    """Definitions and values, with the errno and the file; reads work, no actor ends, and it works later."""
    secret, before = conn.listAllSecrets()[0], conn.lookupByName("old").XMLDesc()
    says = f"cannot write '.*/etc/.*{os.strerror(code)}"
    with faults.inject("file.written", faults.error(code), where={"path": "*/etc/*"}) as failing:
        for change in (
            lambda: conn.defineXML(before.replace("32768", "65536")),
            lambda: conn.defineXML(small("new")),
            lambda: secret.setValue(b"new"),
        ):
            with pytest.raises(libvirt.libvirtError, match=says) as caught:
                change()
            assert caught.value.get_int1() == code
        assert failing.hits >= 3  # a probe may have come
        assert [domain.XMLDesc() for domain in conn.listAllDomains()] == [before]
        assert secret.value() == b"old"
    conn.defineXML(small("new"))
    secret.setValue(b"new")
    assert (len(conn.listAllDomains()), secret.value()) == (2, b"new")
    assert {child.failures for child in conn.root.tree().children} == {0}


@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
def test_k07_k08_a_root_whose_disk_refused_a_write_is_read_only_until_a_probe_works(
    conn: libvirt.virConnect, code: int
) -> None:
    """Whatever step failed, once or for as long: it says so, nobody else has to write, nothing is left."""
    point = {errno.EIO: "file.synced", errno.EROFS: "file.created"}.get(code, "file.written")
    with watching(conn.root) as events:
        with faults.inject(point, faults.error(code), where={"path": "*/etc/qemu/*"}) as failing:
            with pytest.raises(libvirt.libvirtError, match=os.strerror(code)):
                conn.defineXML(small("new"))
            refused = read_only(events.wait(lambda event: isinstance(event, HealthChanged))[-1])
            assert "etc/qemu/" in refused and os.strerror(code) in refused
            wait_until(lambda: failing.hits >= 3)  # by probes
            assert read_only(HealthChanged(tuple(conn.root.health().degraded))) != ""
        wait_until(lambda: conn.root.health().degraded == [])
        events.wait(lambda event: isinstance(event, HealthChanged) and not event.reasons)
    wait_until(lambda: not any(child.id.startswith("probe") for child in conn.root.tree().children))
    assert sorted(path.name for path in conn.root.paths.qemu_etc.iterdir() if path.is_file()) == ["old.xml"]
    conn.defineXML(small("new"))


def read_only(told: object) -> str:
    """Why, if it is; the root's own reasons alone are told."""
    assert isinstance(told, HealthChanged)
    return next((why for why in told.reasons if why.startswith("read_only: ")), "")


def test_k07_a_journal_that_cannot_be_written_degrades_the_root_and_ends_nothing(
    conn: libvirt.virConnect,
) -> None:
    """Changes happen, their events come late and complete; the tree and the health say why meanwhile."""
    with watching(conn.root) as events:
        with faults.inject("file.written", NOSPACE, where={"path": "*/events.jsonl"}) as full:
            names = [f"guest-{number}" for number in range(5)]
            for name in names:
                conn.defineXML(small(name))
            full.wait(hits=2)
            shown = events_actor(conn)
            assert (shown.state, shown.failures) == ("degraded", 0)
            assert "events.jsonl': No space left on device; events wait" in shown.why
            assert any("No space left on device" in why for why in conn.root.health().degraded)
            assert events.seen == []
        told = events.wait(lambda event: getattr(event, "name", "") in names, count=5)
        assert [event.name for event in told] == names  # type: ignore[attr-defined]
        assert events.numbers == list(range(events.numbers[0], events.numbers[0] + len(events.numbers)))
        assert events.lost == 0
    wait_until(lambda: events_actor(conn).state == "up")
