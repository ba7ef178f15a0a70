"""What is wrong with a domain's XML is said when it is defined, under the code libvirt 9 has for it."""

from __future__ import annotations

import errno

import msgspec
import pytest

from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import parse
from embervirt.errors import libvirtError

SECRET = "7f1f0ab2-0000-4000-8000-0000000000aa"
WITHOUT_PCI = "<controller type='usb' model='none'/><memballoon model='none'/>"
INTERNAL, XML_ERROR, UNSUPPORTED = 1, 27, 67


def domain(
    devices: str = "",
    body: str = "",
    name: str = "a",
    memory: str = "<memory>65536</memory>",
    os: str = "",
    **type_: str,
) -> str:
    """A domain's XML with this in it; ``type_``: type, arch, machine."""
    machine = f"arch='{type_.get('arch', 'x86_64')}' machine='{type_.get('machine', 'pc')}'"
    return (
        f"<domain type='{type_.get('type', 'qemu')}'><name>{name}</name>{memory}{body}"
        f"<os><type {machine}>hvm</type>{os}</os><devices>{devices}</devices></domain>"
    )


def disk(
    *,
    dev: str = "vda",
    bus: str = "virtio",
    file: str = "/a",
    driver: str = "",
    more: str = "",
    device: str = "disk",
    inside: str = "",
) -> str:
    """A disk's XML."""
    source = f"<source file='{file}'>{inside}</source>" if file else ""
    target = f"<target dev='{dev}'" + (f" bus='{bus}'/>" if bus else "/>") if dev else ""
    return f"<disk type='file' device='{device}'>{driver}{source}{target}{more}</disk>"


def luks(*secrets: str, format_: str = "luks") -> str:
    """An encryption's XML with these attributes of its secrets."""
    return f"<encryption format='{format_}'>{''.join(f'<secret {item}/>' for item in secrets)}</encryption>"


def define(text: str, caps: Capabilities) -> Domain:
    """As the driver does it."""
    made = assign(postparse(parse(Domain, text), caps), caps)
    validate(made, caps)
    return made


NAMES = {
    "no name": ("", 21, "missing name information"),
    "slash": ("a/b", XML_ERROR, "name a/b cannot contain '/'"),
    "dot": (".", XML_ERROR, "that of a directory"),
    "two dots": ("..", XML_ERROR, "that of a directory"),
    "newline": ("a\nb", 35, "invalid char in name"),
    "NUL": ("a&#0;b", 35, "invalid xmlChar value 0"),
    "300 characters": ("n" * 300, 38, "too long: 300 bytes"),
    "300 bytes": ("\u00e9" * 150, 38, "too long: 300 bytes"),
}

MACHINE = {
    "no type": (
        "<domain><name>a</name></domain>",
        XML_ERROR,
        "attribute 'type' is missing; expected one of: qemu, kvm",
    ),
    "other type": (domain(type="foo"), UNSUPPORTED, "'foo' is not accepted; expected one of: qemu, kvm"),
    "no os": ("<domain type='qemu'><name>a</name></domain>", XML_ERROR, "element <os> is missing"),
    "other os": (domain().replace("hvm", "xen"), UNSUPPORTED, "'xen' is not accepted; expected one of: hvm"),
    "other arch": (domain(arch="foo"), UNSUPPORTED, "arch 'foo'"),
    "other machine": (
        domain(machine="foo", devices=WITHOUT_PCI),
        UNSUPPORTED,
        "does not support machine type 'foo'; it has: .*q35",
    ),
    "machine of another kind": (
        domain(machine="isapc", devices=WITHOUT_PCI),
        UNSUPPORTED,
        "'isapc' is not served; expected pc or q35",
    ),
    "machine without PCI": (domain(machine="foo"), XML_ERROR, "No PCI buses available .* 'foo'"),
    "no memory": (domain(memory=""), XML_ERROR, "Memory size must be specified via <memory>"),
    "zero memory": (domain(memory="<memory>0</memory>"), XML_ERROR, "Memory size must be specified"),
    "negative memory": (domain(memory="<memory>-1</memory>"), XML_ERROR, "/domain/memory, line 1: '-1'"),
    "memory in stones": (domain(memory="<memory unit='stone'>1</memory>"), 8, "'stone' is not accepted"),
    "too much memory": (domain(memory="<memory unit='EiB'>9999999</memory>"), 82, "value too large"),
    "uuid": (domain(body="<uuid>zz</uuid>"), XML_ERROR, "/domain/uuid, line 1: 'zz'"),
    "no vcpu": (domain(body="<vcpu>0</vcpu>"), INTERNAL, "<vcpu> says 0"),
    "half a vcpu": (domain(body="<vcpu>0.5</vcpu>"), XML_ERROR, "/domain/vcpu, line 1: '0.5'"),
    "too many vcpus": (domain(body="<vcpu>256</vcpu>"), UNSUPPORTED, "machine type limit 255"),
    "more vcpus than interrupts reach": (
        domain(machine="q35", body="<vcpu>256</vcpu>"),
        *(UNSUPPORTED, "more than 255 vCPUs require extended interrupt mode"),
    ),
    "more vcpus than there are": (domain(body="<vcpu current='3'>2</vcpu>"), UNSUPPORTED, "must not be less"),
    "pinned to nothing": (
        domain(body="<vcpu cpuset='0,^0'>1</vcpu>"),
        UNSUPPORTED,
        "/domain/vcpu/@cpuset, line 1: '0,\\^0'",
    ),
    "topology": (
        domain(body="<vcpu>3</vcpu><cpu><topology sockets='1' cores='2' threads='2'/></cpu>"),
        *(UNSUPPORTED, "topology doesn't match maximum vcpu count: 4 CPUs, <vcpu> has 3"),
    ),
    "clusters": (
        domain(body="<cpu><topology sockets='1' clusters='1' cores='1' threads='2'/></cpu>"),
        *(UNSUPPORTED, "topology doesn't match"),
    ),
    "title": (domain(body="<title>a\nb</title>"), XML_ERROR, "title can't contain newlines"),
    "clock": (domain(body="<clock offset='foo'/>"), UNSUPPORTED, "/domain/clock/@offset, line 1: 'foo'"),
    "timer": (domain(body="<clock><timer name='platform'/></clock>"), UNSUPPORTED, "unsupported timer type"),
    "feature": (
        domain(body="<features><foo/></features>"),
        UNSUPPORTED,
        "<features> accepts: acpi, apic, pae",
    ),
    "action": (domain(body="<on_reboot>foo</on_reboot>"), UNSUPPORTED, "/domain/on_reboot, line 1: 'foo'"),
    "crash action": (
        domain(body="<on_reboot>coredump-destroy</on_reboot>"),
        UNSUPPORTED,
        "'coredump-destroy'",
    ),
    "rename": (domain(body="<on_crash>rename-restart</on_crash>"), UNSUPPORTED, "'rename-restart' action"),
    "preserve": (domain(body="<on_poweroff>preserve</on_poweroff>"), UNSUPPORTED, "'preserve' action"),
    "actions": (
        domain(body="<on_poweroff>restart</on_poweroff><on_reboot>destroy</on_reboot>"),
        *(UNSUPPORTED, "on_reboot 'destroy' with on_poweroff 'restart'"),
    ),
    "boot": (domain(os="<boot dev='foo'/>"), XML_ERROR, "/domain/os/boot/@dev, line 1: 'foo'"),
    "firmware": (domain(os="<loader type='rom'/>"), 35, "no loader path specified"),
    "memory source": (
        domain(body="<memoryBacking><source type='foo'/></memoryBacking>"),
        *(UNSUPPORTED, "expected one of: file, anonymous, memfd"),
    ),
    "command line": (
        domain(
            body="<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg/></q:commandline>"
        ),
        *(INTERNAL, "No qemu command-line argument specified"),
    ),
}

DISKS = {
    "kind": (disk(device="foo"), XML_ERROR, "/domain/devices/disk/@device, line 1: 'foo' .*: disk, cdrom"),
    "kind that comes later": (disk(device="floppy"), 1, "Invalid bus type 'virtio' for floppy"),
    "type": ("<disk type='foo'/>", XML_ERROR, "/domain/devices/disk/@type, line 1: 'foo'"),
    "type that comes later": ("<disk type='nvme'/>", UNSUPPORTED, "'nvme' is not accepted"),
    "no target": (disk(dev=""), 20, "missing target information for device: /a"),
    "no source": (disk(file=""), 19, "missing source information for device: vda"),
    "target": (disk(dev="xyz", bus=""), XML_ERROR, "Unknown disk name 'xyz'"),
    "partition": (disk(dev="vda1"), UNSUPPORTED, "partitions can't appear in disk targets"),
    "same target": (disk() + disk(file="/b"), XML_ERROR, "'vda' duplicated for disk sources '/a' and '/b'"),
    "bus": (disk(bus="foo"), XML_ERROR, "/@bus, line 1: 'foo' is not accepted; .*: virtio, sata, scsi"),
    "bus of the name": (disk(dev="xvda", bus=""), UNSUPPORTED, "bus 'xen' is not served"),
    "ejectable": (disk(device="cdrom"), UNSUPPORTED, "'vda' does not support ejectable media"),
    "same place": (
        disk(dev="hda", bus="ide") + disk(dev="sda", bus="ide"),
        UNSUPPORTED,
        "duplicate drive address",
    ),
    "place of another kind": (
        disk(more="<address type='drive'/>"),
        UNSUPPORTED,
        "virtio disk cannot have an address of type 'drive'",
    ),
    "format": (
        disk(driver="<driver type='foo'/>"),
        UNSUPPORTED,
        "/driver/@type, line 1: 'foo' .*: raw, qcow2",
    ),
    "driver": (disk(driver="<driver name='tap'/>"), UNSUPPORTED, "unsupported driver name 'tap'"),
    "cache": (disk(driver="<driver cache='foo'/>"), XML_ERROR, "/driver/@cache, line 1: 'foo'"),
    "native": (disk(driver="<driver io='native'/>"), UNSUPPORTED, "no disk cache or directsync"),
    "shared": (
        disk(driver="<driver type='qcow2'/>", more="<shareable/>"),
        UNSUPPORTED,
        "storage format: raw",
    ),
    "serial": (disk(more="<serial>a,b</serial>"), 1, "/disk/serial, line 1: 'a,b'"),
    "one run only": (disk(more="<transient/>"), UNSUPPORTED, "<transient> is not supported"),
    "backing chain": (
        disk(more="<backingStore type='file'/>"),
        XML_ERROR,
        "missing disk backing store format",
    ),
    "encryption": (disk(inside=luks(format_="qcow")), UNSUPPORTED, "/@format, line 1: 'qcow'"),
    "no secret": (disk(inside=luks()), INTERNAL, "missing secret info for 'luks'"),
    "two secrets": (
        disk(inside=luks(*["type='passphrase' usage='a'"] * 2)),
        XML_ERROR,
        "needs one <secret>, 2",
    ),
    "kind of secret": (disk(inside=luks("type='foo'")), UNSUPPORTED, "/secret/@type, line 1: 'foo'"),
    "nameless secret": (disk(inside=luks("type='passphrase'")), XML_ERROR, "missing secret uuid or usage"),
    "secret named twice": (
        disk(inside=luks(f"type='passphrase' usage='a' uuid='{SECRET}'")),
        *(XML_ERROR, "either secret uuid or usage expected"),
    ),
}

DEVICES = {
    "mac": (
        "<interface type='user'><mac address='zz'/></interface>",
        XML_ERROR,
        "/mac/@address, line 1: 'zz'",
    ),
    "multicast": (
        "<interface type='user'><mac address='01:00:00:00:00:01'/></interface>",
        *(XML_ERROR, "found multicast '01:00:00:00:00:01'"),
    ),
    "network": ("<interface type='foo'/>", XML_ERROR, "/interface/@type, line 1: 'foo' .*: user"),
    "network that comes later": ("<interface type='hostdev'/>", UNSUPPORTED, "'hostdev' is not accepted"),
    "network without a source": ("<interface type='bridge'/>", XML_ERROR, "requires a 'source' element"),
    "card": (
        "<interface type='user'><model type='foo'/></interface>",
        UNSUPPORTED,
        "no network card 'foo'",
    ),
    "card QEMU lacks": (
        "<interface type='user'><model type='e1000e'/></interface>",
        UNSUPPORTED,
        "no network card",
    ),
    "port": ("<serial type='foo'/>", UNSUPPORTED, "/serial/@type, line 1: 'foo' .*: pty, file, unix"),
    "port without file": ("<serial type='file'/>", INTERNAL, "Missing source path attribute"),
    "kind of port": ("<serial><target type='foo'/></serial>", UNSUPPORTED, "/target/@type, line 1: 'foo'"),
    "consoles": ("<console/><console/>", UNSUPPORTED, "Only the first console can be a serial port"),
    "rng": ("<rng><backend model='builtin'/></rng>", XML_ERROR, "attribute 'model' is missing"),
    "rng without backend": ("<rng model='virtio'/>", XML_ERROR, "element <backend> is missing"),
    "rng backend": (
        "<rng model='virtio'><backend model='foo'/></rng>",
        UNSUPPORTED,
        "'foo' .*: random, builtin",
    ),
    "balloon": (
        "<memballoon model='foo'/>",
        XML_ERROR,
        "/memballoon/@model, line 1: 'foo' .*: virtio, .*none",
    ),
    "balloons": ("<memballoon model='none'/>" * 2, INTERNAL, "only a single memory balloon"),
    "controller": (
        "<controller type='usb' model='foo'/>",
        UNSUPPORTED,
        "Unknown model type 'foo' of controller 'usb'; expected: piix3-uhci, .*none",
    ),
    "controllers": (
        "<controller type='usb' index='0' model='none'/>" * 2,
        XML_ERROR,
        "Multiple 'usb' controllers",
    ),
    "redirection": (
        "<redirdev type='tcp'/>",
        UNSUPPORTED,
        "<redirdev> is not supported; <devices> accepts: .*disk",
    ),
    "address": (
        "<memballoon model='virtio'><address type='pci' slot='x'/></memballoon>",
        *(XML_ERROR, "/address/@slot, line 1: 'x'"),
    ),
    "same alias": (
        "<rng model='virtio'><backend model='builtin'/><alias name='ua-a'/></rng>" * 2,
        *(UNSUPPORTED, "non unique alias detected: ua-a"),
    ),
}

CASES = {
    **{f"name: {key}": (domain(name=name), code, words) for key, (name, code, words) in NAMES.items()},
    **{f"machine: {key}": case for key, case in MACHINE.items()},
    **{f"disk: {key}": (domain(xml), code, words) for key, (xml, code, words) in DISKS.items()},
    **{f"device: {key}": (domain(xml), code, words) for key, (xml, code, words) in DEVICES.items()},
}


@pytest.mark.parametrize(("text", "code", "message"), CASES.values(), ids=CASES.keys())
def test_bad_domain_is_refused(text: str, code: int, message: str, caps: Capabilities) -> None:
    """With libvirt's code, and a message that names the place and what would be accepted."""
    with pytest.raises(libvirtError, match=message) as caught:
        define(text, caps)
    assert caught.value.get_error_code() == code


def test_long_name_is_an_error_of_the_file_system(caps: Capabilities) -> None:
    """As with libvirt, whose file could not be made; the longest name that can be is taken."""
    with pytest.raises(libvirtError) as caught:
        define(domain(name="n" * 248), caps)
    assert caught.value.get_int1() == errno.ENAMETOOLONG
    assert define(domain(name="n" * 247), caps).name == "n" * 247


def test_kvm_needs_a_host_with_kvm(caps: Capabilities) -> None:
    """A domain for KVM is refused where KVM does not open, and taken where it does."""
    assert define(domain(type="kvm"), caps).type == "kvm"
    with pytest.raises(libvirtError, match="virt type 'kvm'"):
        define(domain(type="kvm"), msgspec.structs.replace(caps, kvm=False))
