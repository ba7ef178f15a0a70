"""The XML of pools: what is filled in, what is not heard, what is refused; all as libvirt 9 answers."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.storage.model import KINDS, Pool
from embervirt.drivers.storage.postparse import postparse_pool, sanitized
from embervirt.drivers.storage.reading import read_pool
from embervirt.drivers.storage.validate import served
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError

UUID = "70a7eb15-6c34-ee9c-bf57-69e8e5ff3fb2"
HOST, DEVICE, DIRECTORY = "<host name='h'/>", "<device path='/dev/sda'/>", "<dir path='/a//b/'/>"
EVERYTHING = (
    f"<host name='h' port='77'/><device path='/dev/sda'><freeExtent start='1' end='2'/></device>{DIRECTORY}"
    "<adapter name='host0'/><name>source</name><initiator><iqn name='iqn.x'/></initiator><vendor name='v'/>"
)
FS = "xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'"
RBD = "xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'"
TARGET = "<target><path>///tmp//x/</path></target>"

KEPT = {
    "dir": "",
    "fs": "device format=auto",
    "netfs": "host dir format=auto",
    "logical": "device name format=lvm2",
    "disk": "device format=unknown",
    "iscsi": "host device initiator",
    "iscsi-direct": "host device initiator",
    "scsi": "adapter",
    "mpath": "",
    "rbd": "host name",
    "sheepdog": "host name",
    "gluster": "host dir name",
    "zfs": "device name",
    "vstorage": "name",
}
"""What each kind keeps of a source that has everything, and the format that it gets."""

PATHS = {
    "logical": "/dev/source",
    "zfs": "/dev/zvol/source",
    **dict.fromkeys(("iscsi-direct", "rbd", "sheepdog", "gluster"), ""),
}


def pool(
    kind: str = "dir", source: str = "", more: str = TARGET, name: str = "p", attributes: str = ""
) -> str:
    """A definition."""
    named = f"<name>{name}</name>" if name else ""
    return f"<pool type='{kind}' {attributes}>{named}<source>{source}</source>{more}</pool>"


def refusal(xml: str) -> tuple[int | None, int | None, str]:
    """Code, domain and message of what reading it raises."""
    with pytest.raises(libvirtError) as caught:
        read_pool(xml)
    return caught.value.get_error_code(), caught.value.get_error_domain(), str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_keeps_its_part_of_a_source(kind: str) -> None:
    """What another kind has is not heard; a vendor every kind has."""
    found = read_pool(pool(kind, EVERYTHING))
    tags = re.findall(r"^    <(\w+)", render(found).partition("<source>")[2].partition("</source>")[0], re.M)
    words = [f"format={found.format}" if tag == "format" else tag for tag in tags]
    assert words == [*KEPT[kind].split(), "vendor"]
    assert found.path == PATHS.get(kind, "/tmp/x")
    assert "freeExtent" not in render(found)


def test_what_a_definition_says_of_space_is_not_heard() -> None:
    """Only a refresh knows; a UUID is made when there is none."""
    xml = pool(more=f"<capacity unit='KiB'>5</capacity><allocation>3</allocation>{TARGET}")
    found = read_pool(xml)
    assert (found.capacity, found.allocation, found.available) == (0, 0, 0)
    assert str(uuid.UUID(found.uuid)) == found.uuid != read_pool(xml).uuid


@pytest.mark.parametrize(
    ("kind", "name"), [("logical", "vg"), ("zfs", "vg"), ("gluster", "vg"), ("rbd", "vg")]
)
def test_a_pool_takes_the_name_of_its_source(kind: str, name: str) -> None:
    """When it has none; and of some kinds the source that of the pool."""
    assert read_pool(pool(kind, HOST + f"<name>{name}</name>", name="")).name == name
    if kind != "rbd":
        assert read_pool(pool(kind, HOST, name=name)).source.name == name


def test_owners_of_minus_one_say_nothing() -> None:
    """An owner is decimal whatever it looks like, a mode octal; what says nothing is not written."""
    given_ = "<permissions><mode>0700</mode><owner>-1</owner><group>4294967295</group></permissions>"
    target = "<target><path>/x</path>{}</target>"
    found = read_pool(pool(more=target.format(given_)))
    assert (found.permissions.mode, found.permissions.owner, found.permissions.group) == (0o700, None, None)
    nothing = read_pool(pool(more=target.format("<permissions><owner>-1</owner></permissions>")))
    assert "<permissions" not in render(nothing)
    octal = "<permissions><mode>0</mode><owner>0744</owner></permissions>"
    assert "<mode>00</mode>\n      <owner>744</owner>" in render(read_pool(pool(more=target.format(octal))))


def test_options_of_a_mount_are_kept_where_there_is_a_mount() -> None:
    """Of file systems only, in their order, an empty list not at all."""
    options = "<fs:mount_opts><fs:option name='sync'/><fs:option name='b=c'/></fs:mount_opts>"
    found = read_pool(pool("fs", DEVICE, TARGET + options, attributes=FS))
    assert found.mount_options == ("sync", "b=c")
    assert read_pool(render(found)) == found
    assert read_pool(pool("dir", "", TARGET + options, attributes=FS)).foreign == ()
    assert read_pool(pool("fs", DEVICE, TARGET + "<fs:mount_opts/>", attributes=FS)).foreign == ()


REFUSED = [
    (pool(name="a/b"), 27, "XML error: name a/b cannot contain '/'"),
    (pool(name="a\nb"), 35, "invalid char in name"),
    (pool(name="x" * 300), 38, "File name too long"),
    (pool(name="x" * 251), 38, "File name too long"),
    (pool(name="é" * 126), 38, "File name too long"),
    (pool(name=""), 27, "missing pool source name element"),
    (pool(more=""), 27, "missing storage pool target path"),
    (pool(more="<target><path>rel/x</path></target>"), 27, "is relative"),
    (pool("bogus"), 27, "'bogus' is not accepted"),
    (pool("fs"), 27, "missing storage pool source device name"),
    (pool("fs", "<device/>"), 27, "missing storage pool source device path"),
    (pool("fs", "<device path='-x'/>"), 27, "begins with '-'"),
    (pool("disk"), 27, "missing storage pool source device name"),
    (pool("netfs"), 27, "missing storage pool source host name"),
    (pool("netfs", f"<host/>{DIRECTORY}"), 27, "missing storage pool host name"),
    (pool("netfs", f"<host name='-h'/>{DIRECTORY}"), 27, "begins with '-'"),
    (pool("netfs", HOST), 27, "missing storage pool source path"),
    (pool("netfs", f"{HOST}{DIRECTORY}<format type='ext4'/>"), 67, "unknown pool format type ext4"),
    (pool("netfs", f"{HOST}{DIRECTORY}<protocol ver='3,ro'/>"), 35, "must not contain ','"),
    (
        pool("netfs", f"{HOST}{DIRECTORY}<format type='cifs'/><protocol ver='3'/>"),
        67,
        "protocol ver unsupported",
    ),
    (pool("logical", "<name>-vg</name>"), 55, "no name for LVM"),
    (pool("logical", "<name>../x</name>"), 55, "no name for LVM"),
    (pool("scsi", "<adapter/>"), 27, "missing storage pool source adapter"),
    (pool("scsi", "<adapter type='scsi_host'/>"), 27, "Either 'name' or 'parent' must be specified"),
    (
        pool("scsi", "<adapter type='fc_host' wwnn='20000000c9831b4b'/>"),
        27,
        "'wwnn' and 'wwpn' must be specified",
    ),
    (pool("scsi", "<adapter type='fc_host' wwnn='x' wwpn='y'/>"), 1, "Malformed wwn"),
    (pool("scsi", "<adapter parent='p' name='host1'/>"), 27, "requires use of the adapter 'type'"),
    (
        pool("scsi", "<adapter name='h'><parentaddr unique_id='1'/></adapter>"),
        27,
        "Use of 'parentaddr' element",
    ),
    (pool("scsi", "<adapter type='scsi_host'><parentaddr/></adapter>"), 27, "'unique_id' value"),
    (pool("iscsi-direct", HOST + DEVICE), 67, "missing initiator IQN"),
    (pool("rbd", HOST), 27, "element 'name' is mandatory for RBD pool"),
    (pool("rbd", f"{HOST}<name>n</name><auth/>"), 27, "missing username for auth"),
    (pool("rbd", f"{HOST}<name>n</name><auth username='u'/>"), 27, "Missing <secret> element in auth"),
    (
        pool("rbd", f"{HOST}<name>n</name><auth username='u'><secret/></auth>"),
        27,
        "missing secret uuid or usage",
    ),
    (
        pool("rbd", f"{HOST}<name>n</name><auth username='u'><secret usage='a' uuid='{UUID}'/></auth>"),
        27,
        "either secret uuid or usage expected",
    ),
    (
        pool("rbd", f"{HOST}<name>n</name><auth username='u'><secret usage='a'/></auth>"),
        67,
        "storage pool missing auth type",
    ),
    (pool("rbd", f"{HOST}<name>n</name><auth type='x' username='u'/>"), 67, "'x' is not accepted"),
    (
        pool(
            "rbd",
            f"{HOST}<name>n</name>",
            "<rbd:config_opts><rbd:option name='a'/></rbd:config_opts>",
            attributes=RBD,
        ),
        27,
        "no rbd option value specified",
    ),
    (
        pool("fs", DEVICE, f"{TARGET}<fs:mount_opts><fs:option/></fs:mount_opts>", attributes=FS),
        27,
        "no fs mount option name specified",
    ),
    (
        pool("netfs", HOST + DIRECTORY, f"{TARGET}<features><cow state='no'/></features>"),
        3,
        "cow feature may only",
    ),
    (pool(more=f"{TARGET}<refresh><volume allocation='x'/></refresh>"), 67, "'x' is not accepted"),
    (
        pool(more="<target><path>/x</path><permissions><mode>1777</mode></permissions></target>"),
        27,
        "malformed octal",
    ),
    (pool(more="<target><path>/x</path><permissions><owner>-2</owner></permissions></target>"), 27, "'-2'"),
    (pool(more=f"<uuid>x</uuid>{TARGET}"), 27, "'x' is not accepted"),
]


@pytest.mark.parametrize(("xml", "code", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_libvirts_code(xml: str, code: int, message: str) -> None:
    """And with its domain, and a message that says what was wrong."""
    found, domain, text = refusal(xml)
    assert (found, domain) == (code, 18)
    assert message in text


@pytest.mark.parametrize("name", ["..", ".", "-x", "a,b", "  ", "é", "x" * 250])
def test_odd_names_are_names(name: str) -> None:
    """Of a file with an end of its own, so none is a way."""
    assert read_pool(pool(name=name)).name == name


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_not_run_is_refused_by_name(kind: str) -> None:
    """When it is defined: its XML is fine."""
    found = read_pool(pool(kind, EVERYTHING))
    if kind in ("dir", "fs", "netfs", "logical", "disk"):
        served(found)
    else:
        with pytest.raises(libvirtError, match=f"'{kind}' are not served") as caught:
            served(found)
        assert caught.value.get_error_code() == 3


@pytest.mark.parametrize("kind", KINDS)
def test_completing_twice_changes_nothing(kind: str) -> None:
    """And what is written reads back as itself."""
    found = read_pool(pool(kind, EVERYTHING))
    assert postparse_pool(found) == found
    assert read_pool(render(found)) == found


@given(st.lists(st.sampled_from(["/", "//", "a", ".."]), max_size=8).map("".join))
def test_a_sanitized_path_has_no_repeated_slash(path: str) -> None:
    """But two at its start, and none at its end but the root's own; doing it twice changes nothing."""
    found = sanitized(path)
    assert "//" not in found[1:]
    assert len(found) < 3 or not found.endswith("/")
    assert sanitized(found) == found
    assert found.startswith("//") == (path.startswith("//") and not path.startswith("///"))


def test_a_pool_without_xml_is_a_pool() -> None:
    """Made in code, as finding sources does."""
    assert render(Pool(type="dir")) == "<pool type='dir'>\n  <source/>\n</pool>\n"
