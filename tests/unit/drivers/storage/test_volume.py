"""The XML of volumes: what is filled in, what is not heard, what is refused; all as libvirt 9 answers."""

from __future__ import annotations

import pytest

from embervirt.drivers.storage.model import KINDS, Volume
from embervirt.drivers.storage.postparse import placed, postparse_volume, shown
from embervirt.drivers.storage.reading import read_pool, read_volume
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError

UUID = "e78d4b51-a2af-485f-b0f5-afca709a80f4"
SOURCE = "<host name='h'/><device path='/dev/a'/><dir path='/a'/><adapter name='host0'/><name>source</name>"
SECRET = "<secret type='passphrase' usage='u'/>"
POOLS = {
    kind: read_pool(
        f"<pool type='{kind}'><name>p</name><target><path>/p</path></target>"
        f"<source>{SOURCE}<initiator><iqn name='i'/></initiator></source></pool>"
    )
    for kind in KINDS
}


def volume(target: str = "", more: str = "", name: str = "v", size: str = "<capacity>10</capacity>") -> str:
    """The XML of a volume."""
    return f"<volume><name>{name}</name>{size}<target>{target}</target>{more}</volume>"


def read(xml: str, kind: str = "dir", *, clone: bool = False) -> Volume:
    """A volume of a pool of that kind."""
    return read_volume(xml, POOLS[kind], clone=clone)


@pytest.mark.parametrize(
    ("kind", "format_"),
    [
        *[(kind, "raw") for kind in ("dir", "fs", "netfs", "rbd", "gluster", "vstorage")],
        *[(kind, None) for kind in ("logical", "iscsi", "iscsi-direct", "scsi", "mpath", "sheepdog", "zfs")],
        ("disk", "none"),
    ],
)
def test_a_volume_without_format_has_its_pools(kind: str, format_: str | None) -> None:
    """A device of most kinds has none at all, though another is asked for."""
    found = read(volume(), kind).target.format
    assert (found.type if found else None) == format_
    if format_ is None:
        assert read(volume("<format type='qcow2'/>"), kind).target.format is None


@pytest.mark.parametrize(
    ("size", "capacity", "allocation"),
    [
        ("<capacity unit='G'>5</capacity>", 5 << 30, 5 << 30),
        ("<capacity unit='GB'>10</capacity><allocation unit='MiB'>0</allocation>", 10**10, 0),
        ("<capacity>10</capacity><allocation>20</allocation>", 10, 20),
        ("<capacity unit='KiB'>1</capacity><allocation/><physical>7</physical>", 1024, 1024),
    ],
)
def test_sizes_are_bytes(size: str, capacity: int, allocation: int) -> None:
    """All of a volume is allocated unless its XML says otherwise; how long it is nobody asks."""
    found = read(volume(size=size))
    assert (found.capacity, found.allocation, found.physical) == (capacity, allocation, None)
    assert f"<capacity unit='bytes'>{capacity}</capacity>" in render(found)


def test_features_ask_for_the_version_that_has_them() -> None:
    """Even none of them; a version that is given stays."""
    assert read(volume("<features/>")).target.compat == "1.1"
    assert read(volume("<compat>0.10</compat><features><lazy_refcounts/></features>")).target.compat == "0.10"
    assert read(volume()).target.compat is None


def test_what_only_making_hears_is_not_shown() -> None:
    """Sources and timestamps are not even heard."""
    xml = volume(
        "<nocow/><timestamps><atime>1</atime></timestamps>", "<source><device path='/dev/a'/></source>"
    )
    found = read(xml)
    assert found.target.nocow
    assert "nocow" not in render(shown(found))
    assert (found.source, found.target.timestamps) == (None, None)


def test_a_backing_store_without_path_is_none() -> None:
    """One without a format is raw: it is never guessed."""
    assert read(volume(more="<backingStore/>")).backing is None
    found = read(volume(more="<backingStore><path>/a</path></backingStore>")).backing
    assert found is not None
    assert found.format_name == "raw"


def test_a_volume_is_placed_by_its_name() -> None:
    """Whatever path and key its XML has; a volume of a group is a device."""
    xml = volume("<path>/elsewhere</path>", "<key>k</key>")
    found = placed(read(xml), POOLS["dir"])
    assert (found.path, found.key, found.type) == ("/p/v", "/p/v", "file")
    device = placed(read(xml, "logical"), POOLS["logical"])
    assert (device.path, device.type) == ("/dev/source/v", "block")


@pytest.mark.parametrize("kind", KINDS)
def test_completing_twice_changes_nothing(kind: str) -> None:
    """And what is written reads back as itself."""
    target = f"<clusterSize unit='KiB'>64</clusterSize><encryption format='luks'>{SECRET}</encryption>"
    found = read(volume(target, "<backingStore><path>/a</path></backingStore>"), kind)
    assert postparse_volume(found, POOLS[kind]) == found
    assert read(render(found), kind) == found


def test_only_luks_has_algorithms() -> None:
    """Those of another format are not heard, whatever they say."""
    words = f"{SECRET}<cipher name='aes'/><ivgen/>"
    for format_ in ("default", "qcow", "luks2"):
        found = read(volume(f"<encryption format='{format_}'>{words}</encryption>")).target.encryption
        assert found is not None and (found.cipher, found.ivgen) == (None, None)
    with pytest.raises(libvirtError, match="'size'"):
        read(volume(f"<encryption format='luks'>{words}</encryption>"))


def test_a_clone_needs_no_capacity() -> None:
    """Nor does a volume that lies upon another."""
    assert read(volume(size=""), clone=True).allocation is None
    assert read(volume(size="", more="<backingStore><path>/a</path></backingStore>")).capacity is None


CIPHER = "<cipher name='aes' size='256'/>"
REFUSED = [
    (volume(name=""), 27, "missing volume name element"),
    (volume(name="a/b"), 55, "volume name 'a/b' cannot contain '/'"),
    (volume(name=".."), 55, "already exists"),
    (volume(name="."), 55, "already exists"),
    (volume(name="x" * 300), 38, "File name too long"),
    (volume(size=""), 27, "missing capacity element"),
    (volume(size="<capacity>x</capacity>"), 27, "'x' is not accepted"),
    (volume(size="<capacity>-1</capacity>"), 27, "'-1' is not accepted"),
    (volume(size="<capacity unit='q'>1</capacity>"), 8, "'q' is not accepted"),
    (volume(size="<capacity unit='EB'>100</capacity>"), 82, "value too large: 100EB"),
    (volume("<format type='none'/>"), 67, "unknown volume format type none"),
    (volume("<format type='luks'/>"), 67, "unknown volume format type luks"),
    (volume(more="<backingStore><path>a</path><format type='auto'/></backingStore>"), 67, "format type auto"),
    (volume("<compat>2</compat>"), 27, "forbidden characters in 'compat'"),
    (volume("<features><bogus/></features>"), 67, "<bogus>"),
    (volume("<clusterSize>x</clusterSize>"), 27, "'x' is not accepted"),
    (volume("<permissions><mode>9</mode></permissions>"), 27, "malformed octal mode"),
    (volume("<encryption/>"), 27, "unknown volume encryption format"),
    (volume("<encryption format='bogus'/>"), 67, "'bogus' is not accepted"),
    (volume(f"<encryption format='luks' engine='x'>{SECRET}</encryption>"), 27, "'x' is not accepted"),
    (volume("<encryption format='luks'><secret usage='u'/></encryption>"), 27, "encryption secret type"),
    (
        volume("<encryption format='luks'><secret type='passphrase'/></encryption>"),
        27,
        "missing secret uuid or",
    ),
    (volume(f"<encryption format='luks'>{SECRET}<cipher/></encryption>"), 27, "missing 'name' attribute"),
    (volume(f"<encryption format='luks'>{SECRET}<cipher name='aes'/></encryption>"), 27, "attribute 'size'"),
    (
        volume(f"<encryption format='luks'>{SECRET}<ivgen name='e'/></encryption>"),
        27,
        "but cipher is missing",
    ),
    (
        volume(f"<encryption format='luks'>{SECRET}{CIPHER}<ivgen/></encryption>"),
        27,
        "missing ivgen info name",
    ),
    ("<volume type='x'><name>v</name><capacity>1</capacity></volume>", 67, "'x' is not accepted"),
]


@pytest.mark.parametrize(("xml", "code", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_libvirts_code(xml: str, code: int, message: str) -> None:
    """And with its domain, and a message that says what was wrong."""
    with pytest.raises(libvirtError) as caught:
        read(xml)
    assert (caught.value.get_error_code(), caught.value.get_error_domain()) == (code, 18)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["-x", "a,b", "a\nb", "é", "x" * 255, "...", "a b"])
def test_odd_names_are_names_inside_the_pool(name: str) -> None:
    """Its path is the pool's and one component more; of a volume group only what LVM takes."""
    assert placed(read(volume(name=name)), POOLS["dir"]).path == f"/p/{name}"
    if name != "...":
        with pytest.raises(libvirtError, match="no name for LVM"):
            read(volume(name=name), "logical")


@pytest.mark.parametrize("format_", ["raw", "linux2"])
def test_a_partition_has_words_of_its_own(format_: str) -> None:
    """Those of an image are refused for it."""
    with pytest.raises(libvirtError, match=f"unknown volume format type {format_}"):
        read(volume(f"<format type='{format_}'/>"), "disk")
    assert read(volume("<format type='linux'/>"), "disk").format == "linux"
