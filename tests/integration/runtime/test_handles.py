"""A handle works on any thread until its root is closed, and then says so."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.errors import ForkedError
from guest.domain import SECONDS, SECRET, small, uri, wait_until, watching


def calls_of(cls: type) -> list[str]:
    """Public methods of a class of handles."""
    return sorted(name for name, each in inspect.getmembers(cls) if callable(each) and name[0] != "_")


STILL = {
    "virConnect": {
        *("close", "isAlive", "unregisterCloseCallback", "virConnGetLastError", "virConnResetLastError"),
    },
    "virDomain": {"connect", "name", "UUID", "UUIDString"},
    "virSecret": {"connect", "UUID", "UUIDString", "usageType", "usageID"},
    "virNetwork": {"connect", "name", "UUID", "UUIDString"},
    "virNWFilter": {"connect", "name", "UUID", "UUIDString"},
    "virStoragePool": {"connect", "name", "UUID", "UUIDString"},
}
"""What answers after the end: what a handle is, whether it lives, and what went wrong."""

UUID = "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"
KINDS = ("network", "nwfilter", "storagePool")
NETWORK = "<network><name>n</name></network>"
FILTER = "<filter name='f'/>"
POOL = "<pool type='dir'><name>p</name><target><path>/nowhere</path></target></pool>"

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "secretEventRegisterAny": (None, 0, print, None),
    "domainEventRegisterAny": (None, 0, print, None),
    **dict.fromkeys(("domainEventRegister", "registerCloseCallback"), (print, None)),
    "createXML": (small("b"),),
    "createLinux": (small("b"),),
    "defineXML": (small("b"),),
    "defineXMLFlags": (small("b"),),
    "metadata": (0, None),
    "setMetadata": (0, "a", None, None),
    **dict.fromkeys(("setMaxMemory", "setMemory", "setMemoryFlags", "setMemoryStatsPeriod"), (1024,)),
    **dict.fromkeys(("setVcpus", "setVcpusFlags"), (1,)),
    "lookupByID": (1,),
    "lookupByUUID": (b"0123456789abcdef",),
    "lookupByUUIDString": ("6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b",),
    "secretLookupByUUID": (b"0123456789abcdef",),
    "secretLookupByUUIDString": ("6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b",),
    "secretLookupByUsage": (2, "a"),
    "secretDefineXML": (SECRET,),
    "secretRewrap": ("/nowhere",),
    "setValue": (b"v",),
    "domainEventDeregisterAny": (1,),
    "secretEventDeregisterAny": (1,),
    "domainEventDeregister": (print,),
    **dict.fromkeys(("storagePoolEventRegisterAny", "networkEventRegisterAny"), (None, 0, print, None)),
    **dict.fromkeys((f"{each}LookupByUUID" for each in KINDS), (b"0123456789abcdef",)),
    **dict.fromkeys((f"{each}LookupByUUIDString" for each in KINDS), (UUID,)),
    **dict.fromkeys(("nwfilterDefineXML", "nwfilterDefineXMLFlags"), (FILTER,)),
    "setInterfaceParameters": ("vnet0", {}),
    "portCreateXML": ("<networkport/>",),
    "portLookupByUUID": (b"0123456789abcdef",),
    "portLookupByUUIDString": (UUID,),
    "update": (3, 3, -1, "<host name='a' ip='10.0.0.2'/>"),
    "domainListGetStats": ([],),
    "agentSetResponseTimeout": (-2,),
    "fSTrim": (None, 0),
    "pMSuspendForDuration": (0, 0),
    "sendKey": (0, 0, [30], 1),
    "sendProcessSignal": (1, 9),
    "setTime": ({"seconds": 1},),
}


def ways() -> list[tuple[str, str]]:
    """Every method of every class of handles."""
    classes = (getattr(libvirt, name) for name in STILL)
    return [(c.__name__, name) for c in classes for name in calls_of(c) if name not in STILL[c.__name__]]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Handles of a root after its last close."""
    with libvirt.open(uri(tmp_path_factory.mktemp("closed"))) as conn:
        made = [
            *(conn, conn.defineXML(small("a")), conn.secretDefineXML(SECRET), conn.networkDefineXML(NETWORK)),
            *(conn.nwfilterDefineXML(FILTER), conn.storagePoolDefineXML(POOL)),
        ]
    return {type(each).__name__: each for each in made}


def arguments(handle: Any, name: str) -> tuple[Any, ...]:
    """Good ones, so that nothing but the end is left to complain of."""
    if name in ARGUMENTS:
        return ARGUMENTS[name]
    signature = inspect.signature(getattr(handle, name))
    return tuple("a" for each in signature.parameters.values() if each.default is each.empty)


@pytest.mark.parametrize(("cls", "name"), ways())
def test_a_handle_raises_after_the_last_close(closed: dict[str, Any], cls: str, name: str) -> None:
    """InvalidConnection, code 6, from each call."""
    handle = closed[cls]
    with pytest.raises(libvirt.libvirtError) as refused:
        getattr(handle, name)(*arguments(handle, name))
    assert refused.value.get_error_code() == libvirt.VIR_ERR_INVALID_CONN, refused.value


def test_what_a_handle_is_can_be_asked_after_the_close(closed: dict[str, Any]) -> None:
    """Its name and UUID, and that its connection is dead; a second close is no error."""
    assert closed["virDomain"].name() == "a"
    assert len(closed["virDomain"].UUID()) == 16 == len(closed["virSecret"].UUID())
    assert closed["virSecret"].usageID() == "a"
    assert closed["virDomain"].connect() is closed["virConnect"]
    assert closed["virConnect"].isAlive() == 0
    assert closed["virConnect"].close() == 0


def test_one_close_of_two_does_not_disturb_the_other(root: Path) -> None:
    """Handles, callbacks and a subscription of the second go on; the first is closed and says so."""
    first, second = libvirt.open(uri(root)), libvirt.open(uri(root))
    seen: list[tuple[str, int]] = []
    first.domainEventRegister(lambda conn, dom, event, *rest: seen.append(("first", event)), None)
    second.domainEventRegister(lambda conn, dom, event, *rest: seen.append(("second", event)), None)
    domain = second.defineXML(small("a"))
    with watching(second.root) as events:
        assert first.close() == 1
        with pytest.raises(libvirt.libvirtError) as refused:
            first.lookupByName("a")
        assert refused.value.get_error_code() == libvirt.VIR_ERR_INVALID_CONN
        domain.create()
        domain.destroy()
        events.wait(lambda event: isinstance(event, Lifecycle) and event.event == 5)
    wait_until(lambda: ("second", 5) in seen)
    assert second.close() == 0
    assert [event for who, event in seen if who == "second"] == [0, 2, 5]
    assert {event for who, event in seen if who == "first"} <= {0}


def test_a_callback_may_close_and_open_roots(root: Path, tmp_path: Path) -> None:
    """Also while another thread closes the root whose callback it is: nobody waits for ever."""
    conn = libvirt.open(uri(root))
    entered, closing, done = threading.Event(), threading.Event(), threading.Event()

    def callback(*about: object) -> None:
        entered.set()
        closing.wait(SECONDS)
        libvirt.open(uri(tmp_path / "other")).close()
        libvirt.open(uri(root)).close()
        done.set()

    conn.domainEventRegister(callback, None)
    conn.defineXML(small("a"))
    assert entered.wait(SECONDS)
    conn.root.before_close.insert(0, closing.set)
    assert conn.close() == 0
    assert done.wait(SECONDS)
    with libvirt.open(uri(root)) as again:
        assert [domain.name() for domain in again.listAllDomains()] == ["a"]


def test_n06_a_thread_other_than_the_opener_may_use_it_after_the_opener_ended(root: Path) -> None:
    """Root, handles and guest belong to no thread."""
    with ThreadPoolExecutor(1) as pool:
        conn = pool.submit(libvirt.open, uri(root)).result()
        domain = pool.submit(conn.createXML, small("a")).result()
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    domain.suspend()
    domain.destroy()
    conn.close()


def test_l14_a_forked_child_is_told_so_by_every_handle(root: Path) -> None:
    """Look-ups too, which need no message; its own roots work, and the parent's goes on."""
    with libvirt.open(uri(root)) as conn:
        domain, secret = conn.defineXML(small("a")), conn.secretDefineXML(SECRET)
        calls: list[Callable[[], object]] = [domain.state, conn.listAllDomains, domain.create]
        calls += [secret.XMLDesc, secret.value, conn.close, conn.getURI, conn.numOfSecrets]
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.write(writer, "".join(map(_answer, calls)).encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        assert os.read(reader, 100) == b"F" * len(calls)
        os.close(reader)
        assert domain.state()[0] == libvirt.VIR_DOMAIN_SHUTOFF
        secret.setValue(b"v")


def _answer(call: Callable[[], object]) -> str:
    try:
        call()
    except ForkedError:
        return "F"
    except BaseException as error:  # noqa: BLE001 - told to the parent
        return f"({call}: {error!r})"
    return f"({call}: no error)"
