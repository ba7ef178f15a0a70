"""Guests that start with the host: once for each of its boots, by the first opening of the root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.actors.messages import Numbered
from embervirt.actors.subscription import Subscription
from embervirt.drivers.qemu.messages import AutostartFailed
from guest.domain import SECRET, kill, qemus, small, uri

ANOTHER_BOOT = "00000000-0000-4000-8000-000000000000\n"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Guests that a test leaves running are ended after it."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


def defined(root: Path, *texts: str) -> None:
    """A root with these, all of which start with the host; and the host is started anew."""
    with libvirt.open(uri(root)) as conn:
        for text in texts:
            conn.defineXML(text).setAutostart(1)
    (root / "run/qemu/autostarted").write_text(ANOTHER_BOOT)


def failure(events: Subscription) -> AutostartFailed:
    """The first that a root tells of."""
    while isinstance(received := events.get(), Numbered):
        event = received.event()
        if isinstance(event, AutostartFailed):
            return event
    raise AssertionError("nobody was told")


def active(conn: libvirt.virConnect) -> list[str]:
    """Names of those that run."""
    return sorted(each.name() for each in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE))


def test_j06_guests_start_once_after_a_boot(root: Path) -> None:
    """Those with autostart run when the root is open; what is ended then stays so until the next boot."""
    defined(root, small("a"), small("b"))
    with libvirt.open(uri(root)) as conn:
        assert active(conn) == ["a", "b"]
        conn.defineXML(small("c")).setAutostart(1)
        conn.lookupByName("a").destroy()
    with libvirt.open(uri(root)) as conn:
        assert active(conn) == ["b"]
        conn.lookupByName("b").destroy()


def test_only_the_qemu_driver_starts_guests(root: Path) -> None:
    """A program that opens the root for its secrets starts nothing; the guests wait for one that does."""
    defined(root, small("a"))
    with libvirt.open(uri(root, "secret")) as conn:
        conn.secretDefineXML(SECRET)
        assert qemus(root) == []
    with libvirt.open(uri(root)) as conn:
        assert active(conn) == ["a"]
        conn.lookupByName("a").destroy()


def test_a_guest_that_does_not_start_keeps_nobody_from_starting(root: Path) -> None:
    """It is reported by an event with the reason; the root opens, and the others run."""
    missing = "<disk><source file='/nonexistent/a.raw'/><target dev='vda' bus='virtio'/></disk>"
    defined(root, small("a", devices=missing), small("b"))
    with libvirt.open(uri(root)) as conn:
        assert active(conn) == ["b"]
        with conn.root.subscribe(since=0) as events:
            failed = failure(events)
        assert failed.name == "a"
        assert "/nonexistent/a.raw" in failed.why
        conn.lookupByName("b").destroy()


def test_an_encrypted_disk_does_not_hold_the_opening_up(root: Path) -> None:
    """Its secret is asked of a driver that is itself started by that question."""
    key = "<encryption format='luks'><secret type='passphrase' usage='/none'/></encryption>"
    image = root.parent / "a.raw"
    image.write_bytes(bytes(1 << 20))
    disk = f"<disk><source file='{image}'>{key}</source><target dev='vda' bus='virtio'/></disk>"
    defined(root, small("a", devices=disk), small("b"))
    with libvirt.open(uri(root)) as conn:
        assert active(conn) == ["b"]
        conn.lookupByName("b").destroy()
