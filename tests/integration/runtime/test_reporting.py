"""Errors beside being raised: a thread's last one, a connection's, and the handler that hears of each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from guest.domain import uri

NOBODY = "00000000-0000-0000-0000-000000000001"
Heard = list[tuple[Any, Any]]


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A connection to secrets."""
    with libvirt.open(uri(tmp_path / "root", "secret")) as made:
        yield made


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What a registered handler is told."""
    told: Heard = []
    assert libvirt.registerErrorHandler(lambda opaque, error: told.append((opaque, error)), "mine") == 1
    yield told
    assert libvirt.registerErrorHandler(None, None) == 1


def fail(conn: libvirt.virConnect) -> libvirt.libvirtError:
    """A look-up that finds nothing."""
    with pytest.raises(libvirt.libvirtError) as raised:
        conn.secretLookupByUUIDString(NOBODY)
    return raised.value


def test_an_error_is_its_threads_last_one_until_the_next_call(conn: libvirt.virConnect) -> None:
    """As libvirt's: nine fields, forgotten by a call that works; other threads have theirs."""
    error = fail(conn)
    last = libvirt.virGetLastError()
    assert last == error.err and last is not None
    assert (libvirt.virGetLastErrorCode(), libvirt.virGetLastErrorDomain()) == last[:2]
    assert libvirt.virGetLastErrorMessage() == str(error)
    elsewhere: list[object] = []
    thread = threading.Thread(target=lambda: elsewhere.append(libvirt.virGetLastError()))
    thread.start()
    thread.join()
    assert elsewhere == [None]
    assert conn.listAllSecrets() == []
    assert (libvirt.virGetLastError(), libvirt.virGetLastErrorCode()) == (None, 0)
    assert (libvirt.virGetLastErrorDomain(), libvirt.virGetLastErrorMessage()) == (0, "no error")


def test_a_last_error_can_be_forgotten(conn: libvirt.virConnect) -> None:
    """On the thread; the connection remembers its own until it is told to forget it too."""
    error = fail(conn)
    libvirt.virResetLastError()
    assert libvirt.virGetLastError() is None
    assert conn.virConnGetLastError() == error.err
    conn.virConnResetLastError()
    assert conn.virConnGetLastError() is None


def test_an_error_of_a_handle_is_its_connections(conn: libvirt.virConnect) -> None:
    """Whoever it was looked up by."""
    secret = conn.secretDefineXML("<secret private='yes'/>")
    with pytest.raises(libvirt.libvirtError) as raised:
        secret.value()
    assert conn.virConnGetLastError() == raised.value.err


def test_a_handler_hears_of_each_error_once(conn: libvirt.virConnect, heard: Heard) -> None:
    """With what it was registered with; of a failed open and of a call that nothing serves too."""
    first = fail(conn)
    with pytest.raises(libvirt.libvirtError) as opened:
        libvirt.open("qemu:///embed?root=relative")
    with pytest.raises(libvirt.libvirtError) as unserved:
        conn.restore("/nowhere")  # type: ignore[attr-defined]
    assert heard == [("mine", first.err), ("mine", opened.value.err), ("mine", unserved.value.err)]
    assert conn.listAllSecrets() == [] and len(heard) == 3


def test_a_handler_that_raises_changes_nothing(conn: libvirt.virConnect) -> None:
    """The call's own error is raised; the handler's is logged."""
    libvirt.registerErrorHandler(lambda opaque, error: [][0], None)
    try:
        assert fail(conn).get_error_code() == libvirt.VIR_ERR_NO_SECRET
    finally:
        libvirt.registerErrorHandler(None, None)


def test_what_cannot_be_called_is_no_handler(heard: Heard) -> None:
    """It is refused, and the one before stays."""
    with pytest.raises(libvirt.libvirtError, match="must be callable or None, not int") as refused:
        libvirt.registerErrorHandler(1, None)  # type: ignore[arg-type]
    assert refused.value.get_error_code() == libvirt.VIR_ERR_INVALID_ARG
    with pytest.raises(libvirt.libvirtError):
        libvirt.open("qemu:///embed?root=relative")
    assert len(heard) == 1


def test_strings_of_an_error_are_its_form_and_what_fills_it(conn: libvirt.virConnect) -> None:
    """As libvirt gives them."""
    error = fail(conn)
    assert error.get_str1() == "Secret not found: %s"
    assert error.get_error_message() == f"Secret not found: {error.get_str2()}"
    assert error.get_str3() is None
