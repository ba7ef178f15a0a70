"""What a disk becomes: its block nodes, its device, its limits. Expected values are libvirt 9's answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from described import defined
from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Disk
from embervirt.drivers.qemu.parts import CompileContext, EncryptedSecret, Known, argv, plug, throttle, unplug
from embervirt.drivers.qemu.parts import disk as disks
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.part import Option
from embervirt.errors import libvirtError

XML = """<domain type='qemu'><name>g</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
<memory>131072</memory><iothreads>2</iothreads><os><type machine='{}'>hvm</type></os><devices>{}
<memballoon model='none'/></devices></domain>"""
FILE = "<source file='/a'/>"
FLEXIBLE = {"auto-read-only": True, "discard": "unmap"}


def secret(reference: Any) -> EncryptedSecret:
    """A value that says what was asked for."""
    if isinstance(reference, Known):
        return EncryptedSecret(data=reference.value.decode(), iv="iv")
    return EncryptedSecret(data=f"{reference.type}:{reference.uuid or reference.usage}", iv="iv")


RUN = CompileContext(7, "/run", "/ram", 3, None, secret, tls_dir="/certificates")


def built(devices: str, caps: Capabilities, machine: str = "pc") -> Build:
    """A guest with these devices, defined and named."""
    return Build(named(defined(XML.format(machine, devices), caps)), caps, RUN)


def disk(inner: str, caps: Capabilities, dev: str = "vda", bus: str = "virtio", **attributes: str) -> Any:
    """The parts of one disk, as JSON of the command line: nodes and objects by their name, and the device."""
    words = " ".join(f"{name}='{value}'" for name, value in attributes.items())
    xml = f"<disk {words}>{inner}<target dev='{dev}' bus='{bus}'/></disk>"
    build = built(xml, caps)
    (made,) = build.domain.devices.disks
    found = [json.loads(word) for word in argv(disks.parts(made, build)) if word.startswith("{")]
    nodes = {each.get("node-name") or each["id"]: each for each in found[:-1]}
    return nodes, found[-1]


STORAGE = {
    FILE: {"driver": "file", "filename": "/a"},
    "<driver io='io_uring'/>" + FILE: {"driver": "file", "filename": "/a", "aio": "io_uring"},
    "<source protocol='nbd' name='x'><host name='h'/></source>": {
        "driver": "nbd",
        "server": {"type": "inet", "host": "h", "port": "10809"},
        "export": "x",
    },
    "<source protocol='nbd' tls='yes' tlsHostname='t'><host transport='unix' socket='/s'/></source>": {
        "driver": "nbd",
        "server": {"type": "unix", "path": "/s"},
        "tls-creds": "objlibvirt-1-storage_tls0",
        "tls-hostname": "t",
    },
    "<source protocol='http' name='a b/c%d' query='e=f'><host name='::1'/><readahead size='9'/></source>": {
        "driver": "http",
        "url": "http://[::1]:80/a%20b/c%25d?e=f",
        "readahead": 9,
    },
    "<source protocol='https' name='x'><host name='h' port='1'/><ssl verify='no'/><timeout seconds='4'/>"
    "<auth username='u'><secret type='iscsi' usage='v'/></auth></source>": {
        "driver": "https",
        "url": "https://h:1/x",
        "sslverify": False,
        "timeout": 4,
        "username": "u",
        "password-secret": "libvirt-1-storage-auth-secret0",
    },
    "<source protocol='ssh' name='/x'><host name='h'/></source>": {
        "driver": "ssh",
        "path": "/x",
        "server": {"host": "h", "port": "22"},
    },
    "<source protocol='iscsi' name='iqn'><host name='h'/><initiator><iqn name='i'/></initiator></source>": {
        "driver": "iscsi",
        "portal": "h:3260",
        "target": "iqn",
        "lun": 0,
        "transport": "tcp",
        "initiator-name": "i",
    },
    "<source protocol='rbd' name='p/ns/i'><host name='m'/><snapshot name='s'/><config file='/c'/></source>": {
        "driver": "rbd",
        "pool": "p",
        "image": "ns/i",
        "snapshot": "s",
        "conf": "/c",
        "server": [{"host": "m", "port": "0"}],
    },
    "<source protocol='gluster' name='v/i/j'><host name='h'/></source>": {
        "driver": "gluster",
        "volume": "v",
        "path": "i/j",
        "server": [{"type": "inet", "host": "h", "port": "24007"}],
        "debug": 4,
    },
    "<source protocol='nbd' tlsHostname='t'><host name='h'/></source>": {
        "driver": "nbd",
        "server": {"type": "inet", "host": "h", "port": "10809"},
        "tls-hostname": "t",
    },
    "<source protocol='ssh' name='/y'><host name='h'/><auth username='u'><secret type='iscsi' usage='v'/>"
    "</auth></source>": {
        "driver": "ssh",
        "path": "/y",
        "server": {"host": "h", "port": "22"},
        "user": "u",
    },
    "<source protocol='http' name='y'><host name='h'/><cookies><cookie name='a'>b</cookie></cookies>"
    "</source>": {
        "driver": "http",
        "url": "http://h:80/y",
        "cookie-secret": "libvirt-1-storage-httpcookie-secret0",
    },
    "<source protocol='iscsi' name='iqn/3'><host name='fe80::1'/></source>": {
        "driver": "iscsi",
        "portal": "[fe80::1]:3260",
        "target": "iqn",
        "lun": 3,
        "transport": "tcp",
    },
    "<source protocol='nfs' name='/y'><host name='h'/><identity user='root' group='root'/></source>": {
        "driver": "nfs",
        "server": {"host": "h", "type": "inet"},
        "path": "/y",
        "user": 0,
        "group": 0,
    },
    "<source protocol='nfs' name='/x'><host name='h'/><identity user='+5' group='6'/></source>": {
        "driver": "nfs",
        "server": {"host": "h", "type": "inet"},
        "path": "/x",
        "user": 5,
        "group": 6,
    },
}


@pytest.mark.parametrize(("source", "expected"), STORAGE.items())
def test_source_is_a_storage_node(source: str, expected: dict[str, Any], caps: Capabilities) -> None:
    """Each kind of source is opened by the driver, with the properties, that libvirt 9 gives."""
    nodes, _ = disk(source, caps, type="network" if "protocol" in source else "file")
    assert nodes["libvirt-1-storage"] == {**expected, "node-name": "libvirt-1-storage", **FLEXIBLE}


def test_block_device_is_a_host_device(caps: Capabilities) -> None:
    """A source of type block is no file."""
    nodes, _ = disk("<source dev='/dev/a' file='/ignored'/>", caps, type="block")
    assert nodes["libvirt-1-storage"]["driver"] == "host_device"
    assert nodes["libvirt-1-storage"]["filename"] == "/dev/a"


FORMATS: dict[str, dict[str, Any]] = {
    FILE: {"driver": "raw"},
    "<driver type='vhd'/>" + FILE: {"driver": "vhdx"},
    "<driver type='ploop'/>" + FILE: {"driver": "parallels"},
    "<driver type='qcow2'/>" + FILE: {"driver": "qcow2"},
    "<driver type='qcow2'/>" + FILE + "<backingStore/>": {"driver": "qcow2", "backing": None},
    FILE + "<backingStore/>": {"driver": "raw"},
    "<driver cache='unsafe'/>" + FILE: {"driver": "raw", "cache": {"direct": False, "no-flush": True}},
    FILE + "<shareable/>": {"driver": "raw", "cache": {"direct": True, "no-flush": False}},
    FILE + "<shareable/><readonly/>": {"driver": "raw", "read-only": True},
    "<driver detect_zeroes='unmap'/>" + FILE: {"driver": "raw", "detect-zeroes": "on"},
    "<driver discard='unmap' detect_zeroes='unmap'/>" + FILE: {
        "driver": "raw",
        "discard": "unmap",
        "detect-zeroes": "unmap",
    },
    "<driver type='qcow2'><metadata_cache><max_size unit='KiB'>3</max_size></metadata_cache></driver>"
    + FILE: {
        "driver": "qcow2",
        "cache-size": 3072,
    },
    "<source file='/a'><slices><slice type='storage' offset='5' size='6'/></slices></source>": {
        "driver": "raw",
        "offset": 5,
        "size": 6,
    },
}


@pytest.mark.parametrize(("inner", "expected"), FORMATS.items())
def test_driver_is_a_format_node(inner: str, expected: dict[str, Any], caps: Capabilities) -> None:
    """The format, its cache and what becomes of zeroes are the upper node's."""
    nodes, _ = disk(inner, caps)
    common = {"node-name": "libvirt-1-format", "read-only": False, "file": "libvirt-1-storage"}
    assert nodes["libvirt-1-format"] == {**common, **expected}


LUKS = "<encryption format='luks'><secret type='passphrase' usage='/k'/></encryption>"


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        ("raw", {"driver": "luks", "key-secret": "libvirt-1-format-encryption-secret0"}),
        (
            "qcow2",
            {
                "driver": "qcow2",
                "encrypt": {"format": "luks", "key-secret": "libvirt-1-format-encryption-secret0"},
            },
        ),
    ],
)
def test_encrypted_image_has_its_key(format_: str, expected: dict[str, Any], caps: Capabilities) -> None:
    """The key is an object before the node that names it, wherever the encryption stands."""
    for inner in (FILE + LUKS, f"<source file='/a'>{LUKS}</source>"):
        nodes, _ = disk(f"<driver type='{format_}'/>{inner}", caps)
        assert next(iter(nodes)) == "libvirt-1-format-encryption-secret0"
        assert nodes["libvirt-1-format-encryption-secret0"]["data"] == "passphrase:/k"
        assert expected.items() <= nodes["libvirt-1-format"].items()


def test_cookies_are_a_secret(caps: Capabilities) -> None:
    """What a web server gave stands encrypted in an object, as it would in the header."""
    cookies = "<cookies><cookie name='a'>b</cookie><cookie name='c'>d</cookie></cookies>"
    source = f"<source protocol='https' name='x'><host name='h'/>{cookies}</source>"
    nodes, _ = disk(source, caps, type="network")
    assert nodes["libvirt-1-storage-httpcookie-secret0"]["data"] == "a=b; c=d"


def test_ceph_decrypts_its_own_image(caps: Capabilities) -> None:
    """With the engine of Ceph's library the node of the server has the key, and that of the format none."""
    key = "<encryption format='luks2' engine='librbd'><secret type='passphrase' usage='/k'/></encryption>"
    part = "<slices><slice type='storage' offset='1' size='2'/></slices>"
    nodes, _ = disk(f"<source protocol='rbd' name='p/i'>{key}{part}</source>", caps, type="network")
    secret_ = "libvirt-1-format-encryption-secret0"
    assert nodes["libvirt-1-storage"]["encrypt"] == {"format": "luks2", "key-secret": secret_}
    assert nodes["libvirt-1-format"]["driver"] == "raw"
    assert nodes["libvirt-1-format"]["offset"] == 1


@pytest.mark.parametrize("model", ["am53c974", "dc390", "lsilogic"])
def test_narrow_bus_counts_targets(model: str, caps: Capabilities) -> None:
    """On a parallel SCSI bus the unit of the address is the target, and nothing else is said."""
    build = built(
        f"<controller type='scsi' model='{model}'/><disk>{FILE}<target dev='sdc'/></disk>", caps, "pc"
    )
    props = disks.device(build.domain.devices.disks[0], build).props
    assert (props["scsi-id"], "lun" in props, "channel" in props) == (2, False, False)


def test_slice_of_an_encrypted_image_has_a_node_between(caps: Capabilities) -> None:
    """Only a raw image takes offset and size itself."""
    source = "<source file='/a'><slices><slice type='storage' offset='5' size='6'/></slices></source>"
    nodes, _ = disk(source + LUKS, caps)
    assert nodes["libvirt-1-slice-sto"] == {
        "driver": "raw",
        "node-name": "libvirt-1-slice-sto",
        "offset": 5,
        "size": 6,
        "file": "libvirt-1-storage",
        **FLEXIBLE,
    }
    assert nodes["libvirt-1-format"]["file"] == "libvirt-1-slice-sto"


def layer(format_: str, path: str, inner: str = "") -> str:
    """An image below another."""
    return (
        f"<backingStore type='file'><format type='{format_}'/><source file='{path}'/>{inner}</backingStore>"
    )


def test_chain_is_built_from_its_deepest_image(caps: Capabilities) -> None:
    """Images below are read-only, have the caching of the top, and each names the node it lies upon."""
    driver = "<driver type='qcow2' cache='none' io='native' discard='unmap' detect_zeroes='on'/>"
    chain = layer("qcow2", "/b", layer("raw", "/c", "<backingStore/>"))
    nodes, device = disk(driver + FILE + chain, caps)
    order = [name for name in nodes if name.endswith("format")]
    assert order == ["libvirt-3-format", "libvirt-2-format", "libvirt-1-format"]
    deepest, middle, top = (nodes[name] for name in order)
    assert [each["read-only"] for each in (deepest, middle, top)] == [True, True, False]
    assert [each.get("backing") for each in (deepest, middle, top)] == [None, order[0], order[1]]
    assert [each.get("detect-zeroes") for each in (deepest, middle, top)] == [None, None, "on"]
    assert {each["discard"] for each in (deepest, middle, top)} == {"unmap"}
    assert {nodes[f"libvirt-{number}-storage"]["aio"] for number in (1, 2, 3)} == {"native"}
    assert "backing" not in deepest, "raw has no image below"
    assert device["drive"] == order[-1]


def test_raw_image_lies_upon_nothing(caps: Capabilities) -> None:
    """A chain below a format that has none is refused when the guest is built."""
    with pytest.raises(libvirtError, match="'raw' does not support backing store"):
        disk(FILE + layer("raw", "/b", "<backingStore/>"), caps)


def test_copy_on_read_is_a_node_on_top(caps: Capabilities) -> None:
    """The device has the filter, the filter the image."""
    nodes, device = disk("<driver copy_on_read='on'/>" + FILE, caps)
    assert nodes["libvirt-CoR-vda"]["file"] == "libvirt-1-format"
    assert device["drive"] == "libvirt-CoR-vda"


def test_descriptors_that_nobody_gave_are_refused(caps: Capabilities) -> None:
    """A source that names a group of descriptors has none here."""
    with pytest.raises(libvirtError, match="group 'x' was not associated"):
        disk("<source file='/a' fdgroup='x'/>", caps)


DEVICES = [
    ("vda", "virtio", {}, FILE, {"driver": "virtio-blk-pci", "id": "virtio-disk0"}),
    ("vdc", "virtio", {"model": "virtio-transitional"}, FILE, {"driver": "virtio-blk-pci-transitional"}),
    (
        *("vda", "virtio", {}),
        "<driver iothread='2' ioeventfd='off' event_idx='on' queues='4' queue_size='64' iommu='on'/>" + FILE,
        {
            "iothread": "iothread2",
            "ioeventfd": False,
            "event_idx": True,
            "num-queues": 4,
            "queue-size": 64,
            "iommu_platform": True,
        },
    ),
    ("sdb", "scsi", {}, FILE, {"driver": "scsi-hd", "bus": "scsi0.0", "scsi-id": 1, "id": "scsi0-0-1"}),
    ("sda", "scsi", {"device": "cdrom"}, "", {"driver": "scsi-cd", "device_id": "drive-scsi0-0-0"}),
    ("sda", "scsi", {}, FILE + "<serial>a b</serial>", {"device_id": "a b", "serial": "a\\ b"}),
    (
        "hdd",
        "ide",
        {"device": "cdrom"},
        "",
        {"driver": "ide-cd", "bus": "ide.1", "unit": 1, "id": "ide0-1-1"},
    ),
    ("sda", "sata", {}, FILE, {"driver": "ide-hd", "bus": "sata0.0", "id": "sata0-0-0"}),
    ("sdc", "usb", {}, FILE, {"driver": "usb-storage", "removable": False, "id": "usb-disk2"}),
    ("fdb", "fdc", {"device": "floppy"}, FILE, {"driver": "floppy", "unit": 1, "id": "fdc0-0-1"}),
    ("hda", "ide", {}, FILE + "<wwn>5000c50015ea71ac</wwn>", {"wwn": 0x5000C50015EA71AC}),
    ("vda", "virtio", {}, "<driver error_policy='enospace'/>" + FILE, {"werror": "enospc"}),
    ("vda", "virtio", {}, "<driver error_policy='stop'/>" + FILE, {"werror": "stop", "rerror": "stop"}),
    ("vda", "virtio", {}, "<driver rerror_policy='ignore'/>" + FILE, {"rerror": "ignore"}),
    ("vda", "virtio", {}, "<driver cache='writethrough'/>" + FILE, {"write-cache": "off"}),
    ("hda", "ide", {"device": "cdrom"}, "<driver cache='none'/>", {"write-cache": "on"}),
    ("vda", "virtio", {}, FILE + "<shareable/>", {"share-rw": True, "write-cache": "on"}),
    ("vda", "virtio", {}, FILE + "<boot order='3'/>", {"bootindex": 3}),
    (
        *("hda", "ide", {}),
        FILE + "<geometry cyls='1' heads='2' secs='3' trans='auto'/><blockio logical_block_size='512'/>",
        {"cyls": 1, "heads": 2, "secs": 3, "bios-chs-trans": "auto", "logical_block_size": 512},
    ),
]


@pytest.mark.parametrize(("dev", "bus", "attributes", "inner", "expected"), DEVICES)
def test_disk_is_a_device(
    dev: str, bus: str, attributes: dict[str, str], inner: str, expected: dict[str, Any], caps: Capabilities
) -> None:
    """On each bus the device has the driver, the place and the properties that libvirt 9 gives."""
    _, device = disk(inner, caps, dev, bus, **attributes)
    assert expected.items() <= device.items()
    assert ("drive" in device) == ("<source" in inner)
    if "error_policy='enospace'" in inner:
        assert "rerror" not in device


def test_lun_is_the_hosts_own_device(caps: Capabilities) -> None:
    """On virtio-scsi it is passed through, without a name or a cache of QEMU's."""
    scsi = "<controller type='scsi' index='0' model='virtio-scsi'/>"
    inner = "<driver cache='none'/><source dev='/dev/a'/><target dev='sda'/>"
    build = built(f"{scsi}<disk type='block' device='lun'>{inner}</disk>", caps)
    made = disks.device(build.domain.devices.disks[0], build)
    assert (made.driver, made.id) == ("scsi-block", "scsi0-0-0-0")
    assert dict(made.props) == {
        "bus": "scsi0.0",
        "channel": 0,
        "scsi-id": 0,
        "lun": 0,
        "drive": "libvirt-1-format",
        "bootindex": 1,
    }


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("pc", [Option("global", "isa-fdc.bootindexB=1")]), ("q35", [("isa-fdc", {"bootindexB": 1})])],
)
def test_floppies_boot_by_their_controller(machine: str, expected: list[Any], caps: Capabilities) -> None:
    """The order is a property of the controller, which a q35 does not have by itself."""
    xml = f"<disk device='floppy'>{FILE}<target dev='fdb'/><boot order='1'/></disk>"
    made = list(disks.floppy_controller(built(xml, caps, machine)))
    assert [part if isinstance(part, Option) else (part.driver, part.props) for part in made] == expected  # type: ignore[union-attr]


def test_medium_and_device_are_apart(caps: Capabilities) -> None:
    """Media are changed under a device that stays: ``parts`` is the one and then the other."""
    build = built(f"<disk device='cdrom'>{FILE}<target dev='sda' bus='sata'/></disk>", caps)
    (made,) = build.domain.devices.disks
    nodes = disks.medium(made, build)
    assert [*nodes, disks.device(made, build)] == list(disks.parts(made, build))
    assert disks.top(made, build) == "libvirt-1-format"
    assert [plug(node)[0] for node in nodes] == ["blockdev-add", "blockdev-add"]
    assert unplug(nodes[-1])[1] == {"node-name": "libvirt-1-format"}


def test_limits_are_told_by_a_command(caps: Capabilities) -> None:
    """All six must be there, with the others that are given; the name is that of what has the nodes."""
    tune = "<iotune><read_iops_sec>5</read_iops_sec><group_name>g</group_name></iotune>"
    build = built(f"<disk>{FILE}<target dev='vda'/>{tune}</disk>", caps)
    ((command, told),) = throttle.commands(build.domain.devices.disks[0])
    assert command == "block_set_io_throttle"
    rest = {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_wr": 0}
    assert told == {
        "id": "/machine/peripheral/virtio-disk0/virtio-backend",
        "iops_rd": 5,
        "group": "g",
        **rest,
    }


def test_empty_drive_has_no_nodes(caps: Capabilities) -> None:
    """Whatever type it is said to have."""
    build = built("<disk type='network' device='cdrom'><target dev='hda'/></disk>", caps)
    (made,) = build.domain.devices.disks
    assert isinstance(made, Disk)
    assert (disks.medium(made, build), disks.top(made, build), made.type) == ([], None, "file")
