"""Disks that libvirt 9 refuses, with its codes; what it fills in; how block nodes are numbered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Disk, Domain
from embervirt.drivers.qemu.nodes import highest, numbered, unnumbered
from embervirt.drivers.qemu.postparse import disk as postparse_disk
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import parse, render
from embervirt.errors import libvirtError

XML = """<domain type='qemu'><name>g</name><memory>131072</memory><iothreads>2</iothreads>
<os><type machine='pc'>hvm</type></os><devices>{}<memballoon model='none'/></devices></domain>"""
FILE, VDA, SDA = "<source file='/a'/>", "<target dev='vda'/>", "<target dev='sda'/>"
SATA = "<target dev='{}' bus='sata'/>"
HOST = "<host name='h'/>"
SECRET = "<secret type='passphrase' usage='/k'/>"
LUKS = f"<encryption format='luks'>{SECRET}</encryption>"
TUNE = "<iotune>{}<group_name>a</group_name></iotune>"
OTHER = TUNE.format("<total_bytes_sec>2</total_bytes_sec>")
AUTH = "<auth username='u'><secret type='iscsi' usage='x'/></auth>"


def nbd(inner: str, name: str = "x") -> str:
    """A disk that a server has."""
    return f"<disk type='network'><source protocol='nbd' name='{name}'>{inner}</source>{VDA}</disk>"


def plain(inner: str, target: str = VDA, attributes: str = "") -> str:
    """A disk in a file."""
    return f"<disk {attributes}>{inner}{FILE}{target}</disk>"


def lun(inner: str = "", bus: str = "scsi") -> str:
    """A device of the host."""
    return (
        f"<disk type='block' device='lun'><source dev='/dev/a'/>{inner}<target dev='sda' bus='{bus}'/></disk>"
    )


REFUSED = [
    (67, plain("", attributes="device='lun'", target=SDA)),
    (67, plain("", "<target dev='vdb1'/>")),
    (27, plain("", "<target dev='foo'/>")),
    (1, plain("<address type='drive'/>", "<target dev='foo' bus='sata'/>")),
    (1, plain("<address type='drive'/>", "<target dev='foo' bus='fdc'/>", "device='floppy'")),
    (67, plain("<address type='drive'/>", "<target dev='foo' bus='sata'/>", "device='cdrom'")),
    (27, nbd(HOST + AUTH.replace("'u'", "''")).replace("nbd", "http")),
    (20, f"<disk>{FILE}</disk>"),
    (20, f"<disk>{FILE}<target/></disk>"),
    (19, f"<disk>{VDA}</disk>"),
    (19, f"<disk type='block'>{FILE}{VDA}</disk>"),
    (67, plain("", VDA, "device='cdrom'")),
    (1, plain("", "<target dev='fda' bus='usb'/>", "device='floppy'")),
    (1, plain("", "<target dev='fda' bus='fdc'/>")),
    (1, plain("", "<target dev='fda' bus='virtio'/>")),
    (67, plain("", SDA, "model='virtio'")),
    (67, plain("", "<target dev='vda' bus='xen'/>")),
    (67, plain("", VDA, "rawio='yes'")),
    (67, plain("", VDA, "sgio='filtered'")),
    (67, lun("", "ide")),
    (67, lun("<serial>x</serial>")),
    (67, lun("<wwn>5000c50015ea71ac</wwn>")),
    (67, lun("<vendor>A</vendor>")),
    (67, lun("<driver type='qcow2'/>")),
    (67, lun("<driver copy_on_read='on'/>")),
    (27, plain("", "<target dev='sda' bus='scsi' removable='on'/>")),
    (67, plain("", "<target dev='vda' tray='open'/>")),
    (1, plain("", "<target dev='vda' rotation_rate='1'/>")),
    (67, plain("<wwn>5000c50015ea71ac</wwn>", "<target dev='sda' bus='sata'/>")),
    (1, plain("<wwn>5000c50015ea71a</wwn>", SDA)),
    (1, plain("<serial>a/b</serial>")),
    (67, plain("<vendor>A</vendor>")),
    (67, plain("<vendor>ABCDEFGHI</vendor>", SDA)),
    (67, plain("<product>ABCDEFGHIJKLMNOPQ</product>", SDA)),
    (67, plain("<geometry cyls='1' heads='2' secs='3'/>", "<target dev='sda' bus='usb'/>")),
    (67, plain("<geometry cyls='1' heads='2' secs='3' trans='lba'/>")),
    (67, plain("<readonly/>", "<target dev='hda'/>")),
    (67, plain("<transient/>")),
    (27, plain("<driver cache='foo'/>")),
    (67, plain("<driver type='iso'/>")),
    (67, plain("<driver type='foo'/>")),
    (67, plain("<driver name='tap'/>")),
    (67, plain("<driver io='native'/>")),
    (67, plain("<driver event_idx='on'/>", SDA)),
    (67, plain("<driver queues='4'/>", SDA)),
    (67, plain("<driver ats='on'/>", SDA)),
    (27, plain("<driver iothread='0'/>")),
    (67, plain("<driver iothread='9'/>")),
    (67, plain("<driver iothread='1'/>", SDA)),
    (67, plain("<driver copy_on_read='on'/><readonly/>")),
    (67, plain("<driver><metadata_cache><max_size>1</max_size></metadata_cache></driver>")),
    (67, plain("<driver rerror_policy='enospace'/>")),
    (67, plain("<driver type='qcow2'/><shareable/>")),
    (27, plain("<iotune><total_bytes_sec>1</total_bytes_sec><read_bytes_sec>1</read_bytes_sec></iotune>")),
    (74, plain("<iotune><total_bytes_sec>1000000000000001</total_bytes_sec></iotune>")),
    (67, plain("<iotune><group_name>g</group_name></iotune>")),
    (27, plain("<iotune><total_bytes_sec>x</total_bytes_sec></iotune>")),
    (1, nbd("")),
    (1, nbd(HOST + HOST)),
    (27, nbd("<host transport='unix'/>")),
    (27, nbd("<host port='1'/>")),
    (8, nbd("<host name='h' port='http'/>")),
    (8, nbd("<host name='h' port='70000'/>")),
    (67, nbd("<host name='h' transport='rdma'/>")),
    (27, nbd(HOST).replace("nbd", "foo")),
    (67, nbd(HOST).replace("nbd", "sheepdog")),
    (27, nbd(HOST, name="").replace("nbd", "http")),
    (27, nbd(HOST).replace("nbd", "rbd")),
    (27, nbd(HOST).replace("'x'", "'x' startupPolicy='optional'")),
    (27, plain("").replace("/a'", "/a' startupPolicy='requisite'")),
    (67, plain("<encryption format='qcow'>" + SECRET + "</encryption>")),
    (67, plain("<driver type='vdi'/><encryption format='luks'>" + SECRET + "</encryption>")),
    (67, plain(f"<encryption format='luks'>{SECRET}<cipher name='aes'/></encryption>")),
    (27, plain("<encryption format='luks'><secret type='passphrase'/></encryption>")),
    (1, plain("<encryption format='luks'/>")),
    (67, plain(LUKS.replace("'luks'", "'luks2'"))),
    (67, plain(TUNE.format("<total_bytes_sec>1</total_bytes_sec>")) + plain(OTHER, SDA)),
    (74, plain("<iotune><total_bytes_sec>18446744073709551615</total_bytes_sec></iotune>")),
    (1, plain("", "<target dev='hdb' bus='fdc'/>", "device='floppy'")),
    (67, plain(LUKS.replace("'luks'", "'luks' engine='librbd'"))),
    (67, f"<disk type='volume'><source pool='p' volume='v'>{LUKS}</source>{VDA}</disk>"),
    (67, lun(LUKS)),
    (67, f"<disk type='volume'><source pool='p' volume='v'/>{VDA}<shareable/></disk>"),
    (67, lun().replace("/>", "><slices><slice type='storage' offset='1' size='2'/></slices></source>", 1)),
    (67, plain("<driver copy_on_read='on'/>", "<target dev='fda'/>", "device='floppy'")),
    (67, plain("<address type='drive' target='1'/>", SDA)),
    (67, plain("<boot order='1'/>") + plain("<boot order='1'/>", SDA)),
    (27, f"<disk type='network'><source/>{VDA}</disk>"),
    (27, f"<disk type='network' device='cdrom'><source/>{SDA}</disk>"),
    (67, nbd(HOST + AUTH)),
    (67, nbd(HOST + AUTH, name="a/b").replace("nbd", "rbd")),
    (67, nbd(HOST + AUTH.replace("'iscsi'", "'ceph'")).replace("nbd", "iscsi")),
    (67, nbd(HOST, name="a/b").replace("nbd'", "gluster' tlsHostname='t'")),
    (67, nbd(HOST + HOST).replace("nbd", "nfs")),
    (1, nbd("<host transport='unix' socket='/s'/>").replace("nbd", "ssh")),
    (27, nbd(HOST + "<cookies><cookie name='a'>b c</cookie></cookies>").replace("nbd", "http")),
    (27, nbd(HOST + "<cookies><cookie name='a'/></cookies>").replace("nbd", "http")),
    (27, nbd(HOST + "<cookies><cookie name='a;'>b</cookie></cookies>").replace("nbd", "http")),
    (27, nbd(HOST + "<cookies>" + 2 * "<cookie name='a'>b</cookie>" + "</cookies>").replace("nbd", "http")),
    (67, plain("<auth username='u'><secret type='iscsi' usage='x'/></auth>")),
    (27, plain("<driver type='qcow2'/><backingStore type='file'><source file='/b'/></backingStore>")),
    (27, plain("<driver type='qcow2'/><backingStore type='file'><format type='raw'/></backingStore>")),
    (67, plain("<address type='drive'/>")),
    (67, plain("<address type='drive' bus='1'/>", "<target dev='sda' bus='sata'/>")),
    (67, "<disk type='nvme'/>"),
    (27, "<disk type='volume'><source pool='p'/><target dev='vda'/></disk>"),
    (27, "<disk type='volume'><source volume='v'/><target dev='vda'/></disk>"),
    (67, "<disk type='volume'><source pool='p' volume='v' mode='x'/><target dev='vda'/></disk>"),
    (67, plain("", SATA.format("sda")) + plain("<address type='drive'/>", SATA.format("sdb"))),
    (27, plain("") + plain("")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "devices"), REFUSED)
def test_disk_is_refused_as_libvirt_does(code: int, devices: str, caps: Capabilities) -> None:
    """A definition with such a disk ends in the error that libvirt 9 gives, and is otherwise fine."""
    with pytest.raises(libvirtError) as refused:
        domain = assign(postparse(parse(Domain, XML.format(devices)), caps), caps)
        validate(domain, caps)
    assert refused.value.get_error_code() == code, refused.value


ACCEPTED = [
    plain("<driver type='qcow2'/><shareable/><readonly/>"),
    plain("<geometry cyls='1' heads='2' secs='3'/>", SATA.format("sda")),
    plain("<driver queue_size='128'/>", SDA),
    plain("<driver type='qcow2'/>", "<target dev='fda' bus='scsi'/>", "device='cdrom'"),
    plain("<address type='drive' target='1'/>", SDA) + "<controller type='scsi' model='am53c974'/>",
    plain(OTHER) + plain(TUNE.format(""), SDA),
    plain("") + "<controller index='0'/>",
    f"<disk type='network' device='floppy'>{AUTH}<target dev='fda'/></disk>",
]


@pytest.mark.parametrize("devices", ACCEPTED)
def test_disk_is_accepted_as_by_libvirt(devices: str, caps: Capabilities) -> None:
    """What libvirt 9 takes and QEMU can do is not refused."""
    domain = assign(postparse(parse(Domain, XML.format(devices)), caps), caps)
    validate(domain, caps)
    assert domain.devices.disks


def test_only_an_image_of_its_own_says_which_unit_of_a_target_it_is() -> None:
    """The name of an iSCSI target that is below another image stays as it is written."""
    source = "<source protocol='iscsi' name='i'><host name='h'/></source>"
    below = f"<backingStore type='network'><format type='raw'/>{source}</backingStore>"
    done = render(
        postparse_disk.complete(
            parse(Disk, f"<disk type='network'>{source}{below}<target dev='vda'/></disk>")
        )
    )
    assert (done.count("name='i/0'"), done.count("name='i'")) == (1, 1)


COMPLETED = {
    "<disk><source file='/a'/><target dev='sda'/></disk>": "<target dev='sda' bus='scsi'/>",
    "<disk device='floppy'><target dev='fda'/></disk>": "bus='fdc'",
    "<disk device='cdrom'><target dev='hda'/></disk>": "<readonly/>",
    f"<disk type='network'><source protocol='nbd'>{HOST}</source><target dev='vda'/></disk>": "port='10809'",
    "<disk type='network'><source protocol='iscsi' name='i'/><target dev='vda'/></disk>": "name='i/0'",
    "<disk><source file='/a'/><target dev='ioemu:hda'/></disk>": "<target dev='hda' bus='ide'/>",
    "<disk><source file='/a'/><target dev='vda'/><backenddomain name='d'/></disk>": "name='d'/>",
    "<disk type='block' device='cdrom'><target dev='hda'/></disk>": "type='file'",
    "<disk device='cdrom'><source><seclabel relabel='no'/></source><target dev='hda'/></disk>": "<seclabel",
}  # fmt: skip


@pytest.mark.parametrize(("xml", "expected"), COMPLETED.items())
def test_disk_is_completed(xml: str, expected: str) -> None:
    """What libvirt fills in stands in the definition, and completing it again changes nothing."""
    done = postparse_disk.complete(parse(Disk, xml))
    assert expected in render(done)
    assert postparse_disk.complete(done) == done


DROPPED = {
    "<source file='/a' index='5'/>": "index",
    "<driver queues='0' queue_size='0'/><source file='/a'/>": "queue",
    "<source file='/a' dev='/b' protocol='nbd'/>": "/b",
    "<source file='/a'/><iotune><total_bytes_sec>0</total_bytes_sec></iotune>": "iotune",
    "<source file='/a'/><blockio logical_block_size='0'/>": "blockio",
    "<source file='/a'/><geometry cyls='1'/>": "geometry",
    "<source file='/a'><slices/></source>": "slices",
    "<source file='/a'/><backingStore><source file='/b'/></backingStore>": "/b",
    "<source file='/a'/><readonly/>": "snapshot",
    "<driver cache='default'/><source file='/a'/>": "cache",
    "<source file='/a'/><backenddomain/>": "backenddomain",
    "<source file='/a'/><backingStore type='network'><format type='raw'/><source protocol='http' name='b'>"
    "<host name='h'/><identity user='1'/></source></backingStore>": "identity",
    "<source file='/a'/><backingStore type='network'><format type='raw'/><source protocol='http' name='b'>"
    "<host name='h'/><ssl verify='no'/><seclabel relabel='no'/></source></backingStore>": "label",
    "<source file='/a'><cookies><cookie name='c'>d</cookie></cookies></source>": "cookie",
    "<source file='/a'/><backingStore type='file'><format type='raw'/><source file='/b'"
    " startupPolicy='optional'/></backingStore>": "optional",
}


@pytest.mark.parametrize(("inner", "word"), DROPPED.items())
def test_what_says_nothing_is_dropped(inner: str, word: str) -> None:
    """As libvirt's own definition, it does not repeat numbers of a run, zeroes and what another type has."""
    xml = f"<disk snapshot='no'>{inner}<target dev='vda'/></disk>"
    done = render(unnumbered(postparse_disk.complete(parse(Disk, xml))))
    assert word not in done
    assert "/a" in done


def test_disk_that_only_names_a_group_has_its_limits() -> None:
    """Whichever stands first, a disk without numbers of its own takes those of its group."""
    named, other, own = (plain(inner, VDA) for inner in (TUNE.format(""), "", OTHER))
    disks = [parse(Disk, xml) for xml in (named, other, own)]
    first, second, last = postparse_disk.limited(disks)
    assert first.iotune == last.iotune == disks[2].iotune
    assert second.iotune is None


CHAIN = """<backingStore type='file'><format type='qcow2'/><source file='/b'/><backingStore type='file'>
<format type='raw'/><source file='/c'/><backingStore/></backingStore></backingStore>"""


def disk(dev: str, chain: str = "", source: str = FILE) -> Disk:
    """One of a guest's."""
    return parse(Disk, f"<disk>{source}{chain}<target dev='{dev}'/></disk>")


def test_nodes_are_numbered_as_libvirt_does() -> None:
    """The last disk first, the top of a chain before what is below; an empty drive has its number too."""
    first, empty, last = numbered((disk("vda", CHAIN), disk("vdb", source=""), disk("vdc")))
    assert last.source is not None
    assert last.source.index == "1"
    assert empty.source is None
    assert first.source is not None
    assert [first.source.index, *(each.index for each in first.backing)] == ["3", "4", "5", None]


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 50))
def test_new_numbers_are_above_all_there(chains: list[bool], above: int) -> None:
    """What is plugged later gets numbers that no node of the run has; numbers that are there stay."""
    before = numbered(tuple(disk("vda", CHAIN if chain else "") for chain in chains))
    after = numbered((*before, disk("vdz", CHAIN)), above)
    assert after[:-1] == before
    fresh = [number for number in range(highest(after) + 1) if number > max(above, highest(before))]
    assert len(fresh) == 3
    assert numbered(after) == after
    assert [unnumbered(each) for each in after[:-1]] == [unnumbered(each) for each in before]


def test_disks_stand_in_libvirts_order(caps: Capabilities) -> None:
    """Those whose bus nobody named are in one order, before it is known; a bus that is named has its own."""
    names = ("vdb", "hda", "vda", "fda")
    mixed = "".join(
        f"<disk device='{'floppy' if name == 'fda' else 'disk'}'>{FILE}<target dev='{name}'/></disk>"
        for name in names
    )
    named = plain("", "<target dev='vdd' bus='virtio'/>") + plain("", "<target dev='vdc' bus='virtio'/>")
    domain = postparse(parse(Domain, XML.format(mixed + named)), caps)
    assert [each.dev for each in domain.devices.disks] == ["hda", "vda", "fda", "vdb", "vdc", "vdd"]


def test_chain_of_any_depth_reads_back() -> None:
    """No recursion: as many images below each other as the reader of XML takes."""
    begin = "<backingStore type='file'><format type='qcow2'/><source file='/b'/>"
    depth = 200
    deep = parse(Disk, f"<disk>{FILE}{begin * depth}{'</backingStore>' * depth}{VDA}</disk>")
    assert len(deep.backing) == depth
    assert parse(Disk, render(deep)) == deep
