"""Whatever a domain's XML says, the answer is a command line or a libvirtError, never another exception."""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from described import RUN, defined
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.cpu.resolve import resolved
from embervirt.drivers.qemu.model import Domain, model_of
from embervirt.drivers.qemu.parts import argv, compile
from embervirt.drivers.qemu.plugging import kinds
from embervirt.drivers.xml import parse, render
from embervirt.errors import libvirtError
from hostile import schema, seeds
from hostile.examples import examples
from hostile.mutations import damaged, mutated

SOON = 5.0
"""Seconds of the processor that no document takes, whatever its size; most take milliseconds."""


def placed(domain: Domain) -> list[tuple[str, str]]:
    """All that it says, in whatever order: libvirt too sorts controllers again when it reads."""
    lists = domain.devices.lists
    devices = [(name, repr(each)) for name, found in lists.items() for each in found]
    return sorted([*devices, ("domain", repr(domain.__schema__.cls(**_rest(domain))))])


def _rest(domain: Domain) -> dict[str, object]:
    return {name: value for name, value in vars(domain).items() if name != "devices"} | {
        "devices": type(domain.devices)(emulator=domain.devices.emulator)
    }


def assert_compiled_or_refused(text: str, caps: Capabilities) -> None:
    """Defines and compiles it; what was accepted must also be stable."""
    try:
        domain = defined(text, caps, strict=False)
        written = render(domain)
    except libvirtError as error:
        assert error.get_error_code() is not None and error.get_error_message()
        return
    assert model_of(written) == domain
    assert placed(defined(written, caps, strict=False)) == placed(domain)
    try:
        words = argv(compile(resolved(domain, caps), caps, RUN))
    except libvirtError:
        return
    assert all("\0" not in word for word in words)


@settings(max_examples=examples(200))
@given(st.sampled_from(seeds.ALL), st.randoms(use_true_random=False))
def test_mutated_domain_is_compiled_or_refused(caps: Capabilities, valid: str, random: Random) -> None:
    """Changes to the tree of a valid domain end in libvirtError or in a domain that reads back the same."""
    assert_compiled_or_refused(mutated(valid, random), caps)


@settings(max_examples=examples(60))
@given(st.sampled_from(seeds.ALL), st.randoms(use_true_random=False))
def test_damaged_text_is_compiled_or_refused(caps: Capabilities, valid: str, random: Random) -> None:
    """So do changes to its characters."""
    assert_compiled_or_refused(damaged(valid, random), caps)


def test_everything_that_is_declared_stands_in_a_seed() -> None:
    """A new element or attribute needs a valid domain that says it, in ``tests/hostile/seeds``."""
    said = {each for text in seeds.ALL for each in schema.said(parse(Domain, text, strict=True))}
    assert schema.declared() - said == frozenset()


MANY = {
    "disks on virtio": "<disk><target dev='{letters}' bus='virtio'/></disk>",
    "disks on scsi": "<disk><target dev='{letters}' bus='scsi'/></disk>",
    "network cards": "<interface type='user'/>",
    "ports": "<serial type='null'/>",
    "channels": "<channel type='null'><target type='virtio' name='a{number}'/></channel>",
    "consoles": "<console type='null'><target type='virtio'/></console>",
    "scsi controllers": "<controller type='scsi'/>",
    "ich9 controllers": "<controller type='usb' model='ich9-ehci1'/>",
    "bridges": "<controller type='pci' model='pci-bridge'/>",
    "tablets": "<input type='tablet' bus='usb'/>",
    "hubs": "<hub type='usb'/>",
    "unknown": "<nobody/>",
}


@pytest.mark.parametrize("device", MANY.values(), ids=MANY.keys())
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_many_devices_are_soon_placed_or_refused(machine: str, device: str, caps: Capabilities) -> None:
    """Two thousand of a kind take a moment, and not one that grows with their square."""
    devices = "".join(
        device.format(number=n, letters=f"{'v' if 'virtio' in device else 's'}d{_letters(n)}")
        for n in range(2000)
    )
    begun = time.process_time()
    assert_compiled_or_refused(seeds.domain(devices, machine=machine), caps)
    assert time.process_time() - begun < SOON


def _letters(number: int) -> str:
    found = ""
    while number >= 0:
        number, letter = divmod(number, 26)
        found, number = chr(ord("a") + letter) + found, number - 1
    return found


def _vcpus(numbers: str) -> str:
    return f"<vcpu>2147483647</vcpu>{numbers}"


_SCHED = "<vcpusched vcpus='0-16383' scheduler='batch'/>"
_CELL = "<cell memory='1024'/>"
_ATTRIBUTES = " ".join(f"a{number}=''" for number in range(100000))
HUGE = {
    "controller of a disk": seeds.domain(
        "<disk><target dev='sda' bus='scsi'/><address type='drive' controller='4294967295'/></disk>"
    ),
    "name of a disk": seeds.domain("<disk><target dev='sdzzzzzz' bus='scsi'/></disk>"),
    "long name of a disk": seeds.domain(f"<disk><target dev='vd{'z' * 50000}'/></disk>"),
    "ports of a hub": seeds.domain(
        "<controller type='usb' ports='4294967295'/><input type='tablet' bus='usb'/>"
    ),
    "index": seeds.domain("<controller type='scsi' index='4294967295'/>"),
    "vcpus one by one": seeds.domain(more=_vcpus("<vcpus><vcpu id='0' enabled='yes'/></vcpus>")),
    "vcpus in nodes": seeds.domain(more=_vcpus("<cpu><numa><cell memory='1024'/></numa></cpu>")),
    "nodes": seeds.domain(more=f"<cpu><numa>{_CELL * 5000}</numa></cpu>"),
    "iothreads": seeds.domain(more="<iothreads>2147483647</iothreads>"),
    "sets": seeds.domain(more=f"<vcpu cpuset='{'0-16383,' * 100000}1'>1</vcpu>"),
    "schedulers": seeds.domain(more=f"<cputune>{_SCHED * 5000}</cputune>"),
    "attributes": seeds.domain(more=f"<vcpu {_ATTRIBUTES}>1</vcpu>"),
    "text": seeds.domain(more=f"<uuid>{' ' * 9000000}</uuid>"),
    "depth": "<domain>" * 100000,
    "depth that ends": "<domain>" * 250 + "</domain>" * 250,
    "entities": "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><domain><name>&b;</name></domain>",
    "comments": "<!--" * 1000000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_huge_numbers_and_texts_are_soon_answered(text: str, caps: Capabilities) -> None:
    """A number that costs its writer nothing costs us no memory and no time either."""
    begun = time.process_time()
    assert_compiled_or_refused(text, caps)
    assert time.process_time() - begun < SOON


@settings(max_examples=examples(60))
@given(st.sampled_from(seeds.ALL), st.randoms(use_true_random=False))
def test_mutated_device_is_read_or_refused(valid: str, random: Random) -> None:
    """So is the XML of a device alone, and what is no device's."""
    text = mutated(valid, random)
    begin = random.randint(0, len(text))
    for piece in (text, text[text.find("<devices>") + 9 : text.find("</devices>")], text[begin:]):
        try:
            kinds.read(piece)
        except libvirtError as error:
            assert error.get_error_code() is not None
