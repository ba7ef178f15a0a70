"""What qemu-img, mount, LVM and parted are told; compared with what libvirt 9 was seen to run."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.storage.images import (
    How,
    Keys,
    check_without_program,
    create,
    fill,
    groups,
    how,
    partitions,
    pools,
    resize,
    secret_id,
    wiping,
    with_progress,
)
from embervirt.drivers.storage.model import Volume
from embervirt.drivers.storage.postparse import placed
from embervirt.drivers.storage.reading import read_pool, read_volume
from embervirt.drivers.xml import replace
from embervirt.errors import libvirtError

POOL = read_pool("<pool type='dir'><name>p</name><target><path>/p</path></target></pool>")
GROUP = read_pool("<pool type='logical'><name>vg</name><source><device path='/dev/a'/></source></pool>")
LUKS = "<encryption format='luks'><secret type='passphrase' usage='u'/></encryption>"
CIPHER = "<cipher name='serpent' size='256' mode='cbc' hash='sha256'/><ivgen name='plain64' hash='sha256'/>"
SERPENT = ",".join(
    f"{{0}}{option}"
    for option in (
        *("cipher-alg=serpent-256", "cipher-mode=cbc", "hash-alg=sha256", "ivgen-alg=plain64"),
        "ivgen-hash-alg=sha256",
    )
)
KEYS = Keys("/k", "/s")
BACKED = "<backingStore><path>/p/q</path><format type='qcow2'/></backingStore>"


def volume(
    format_: str = "raw", target: str = "", more: str = "", name: str = "v", size: str = "2"
) -> Volume:
    """A volume of MiB."""
    capacity = f"<capacity unit='M'>{size}</capacity>" if size else ""
    inner = f"<target><format type='{format_}'/>{target}</target>"
    xml = f"<volume><name>{name}</name>{capacity}{inner}{more}</volume>"
    return placed(read_volume(xml, POOL, clone=True), POOL)


def run(*commands: list[str]) -> list[str]:
    """As a shell would have them."""
    return [shlex.join(command) for command in commands]


MADE = [
    (volume("qcow2"), "qemu-img create -f qcow2 -o compat=0.10 /p/v 2048K"),
    (volume("qcow2", "<compat>1.1</compat>"), "qemu-img create -f qcow2 -o compat=1.1 /p/v 2048K"),
    (
        volume(
            "qcow2",
            "<features><lazy_refcounts/><extended_l2/></features><nocow/>"
            "<clusterSize unit='KiB'>128</clusterSize>",
        ),
        "qemu-img create -f qcow2"
        " -o nocow=on,compat=1.1,cluster_size=131072,lazy_refcounts,extended_l2=on /p/v 2048K",
    ),
    (
        volume("qcow2", more=BACKED),
        "qemu-img create -f qcow2 -b /p/q -o backing_fmt=qcow2,compat=0.10 /p/v 2048K",
    ),
    (
        volume("qcow2", more=BACKED, size=""),
        "qemu-img create -f qcow2 -b /p/q -o backing_fmt=qcow2,compat=0.10 /p/v",
    ),
    (volume("qed", more=BACKED), "qemu-img create -f qed -b /p/q -o backing_fmt=qcow2 /p/v 2048K"),
    (volume("iso"), "qemu-img create -f raw /p/v 2048K"),
    (
        volume("qed", "<clusterSize unit='KiB'>4</clusterSize>"),
        "qemu-img create -f qed -o cluster_size=4096 /p/v 2048K",
    ),
    *[
        (volume(each), f"qemu-img create -f {each} /p/v 2048K")
        for each in ("vpc", "vdi", "qcow", "qed", "vmdk")
    ],
    (
        volume("raw", LUKS),
        "qemu-img create -f luks --object secret,id=v_encrypt0,file=/k -o key-secret=v_encrypt0 /p/v 2048K",
    ),
    (
        volume("raw", LUKS.replace("</", f"{CIPHER}</")),
        "qemu-img create -f luks --object secret,id=v_encrypt0,file=/k"
        f" -o key-secret=v_encrypt0,{SERPENT.format('')} /p/v 2048K",
    ),
    (
        volume("qcow2", LUKS.replace("</", f"{CIPHER}</")),
        "qemu-img create -f qcow2 --object secret,id=v_encrypt0,file=/k -o encrypt.format=luks,"
        f"encrypt.key-secret=v_encrypt0,{SERPENT.format('encrypt.')},compat=0.10 /p/v 2048K",
    ),
    (volume("qcow2", name="a,b=c"), "qemu-img create -f qcow2 -o compat=0.10 /p/a,b=c 2048K"),
]


@pytest.mark.parametrize(("wanted", "command"), MADE)
def test_a_volume_is_made_by_one_command(wanted: Volume, command: str) -> None:
    """As libvirt 9 runs it."""
    assert run(*create(wanted, keys=KEYS)) == [command]
    assert how(wanted) is How.QEMU_IMG


@pytest.mark.parametrize(("allocation", "word"), [("", "falloc"), ("<allocation>0</allocation>", "metadata")])
def test_metadata_is_preallocated_for_an_image_that_is_to_be_sparse(allocation: str, word: str) -> None:
    """One that is to use all of its capacity is allocated as a whole."""
    found = create(volume("qcow2", more=allocation), metadata=True)
    assert run(*found) == [f"qemu-img create -f qcow2 -o preallocation={word},compat=0.10 /p/v 2048K"]


CLONES = [
    ("raw", "", "raw", "", [], How.COPY),
    ("qcow2", "", "raw", "", ["qemu-img convert -f raw -O qcow2 -o compat=0.10 /p/s /p/v"], How.QEMU_IMG),
    ("raw", "", "qcow2", "", ["qemu-img convert -f qcow2 -O raw /p/s /p/v"], How.QEMU_IMG),
    ("vmdk", "", "qcow2", "", ["qemu-img convert -f qcow2 -O vmdk /p/s /p/v"], How.QEMU_IMG),
    (
        *("raw", LUKS, "qcow2", ""),
        [
            "qemu-img create -f luks --object secret,id=v_encrypt0,file=/k"
            " -o key-secret=v_encrypt0 /p/v 2048K",
            "qemu-img convert --image-opts -n --target-image-opts --object secret,id=v_encrypt0,file=/k"
            " driver=qcow2,file.filename=/p/s driver=luks,file.filename=/p/v,key-secret=v_encrypt0",
        ],
        How.QEMU_IMG,
    ),
    (
        *("qcow2", "", "raw", LUKS),
        [
            "qemu-img create -f qcow2 -o compat=0.10 /p/v 2048K",
            "qemu-img convert --image-opts -n --target-image-opts --object secret,id=s_encrypt0,file=/s"
            " driver=luks,file.filename=/p/s,key-secret=s_encrypt0 driver=qcow2,file.filename=/p/v",
        ],
        How.QEMU_IMG,
    ),
]


@pytest.mark.parametrize(("to", "to_target", "of", "of_target", "commands", "who"), CLONES)
def test_a_clone_is_converted(
    to: str, to_target: str, of: str, of_target: str, commands: list[str], who: How
) -> None:
    """With a key on either side in two steps; a raw one from a raw one by nobody but us.

    A copy lies upon nothing, whatever its XML says.
    """
    wanted, source = volume(to, to_target), volume(of, of_target, name="s")
    assert how(wanted, source) is who
    if commands:
        assert run(*create(wanted, source=source, keys=KEYS)) == commands
    if to != "raw":
        layered = replace(wanted, backing=volume(more=BACKED).backing)
        assert run(*create(layered, source=source, keys=KEYS)) == commands
        both = replace(source, backing=volume(more=BACKED.replace("/p/", "")).backing)
        assert run(*create(layered, source=both, keys=KEYS)) == commands


def test_progress_is_told_by_conversions() -> None:
    """qemu-img create has none."""
    convert, made = ["qemu-img", "convert", "a", "b"], ["qemu-img", "create", "a"]
    assert with_progress(convert) == ["qemu-img", "convert", "-p", "a", "b"]
    assert with_progress(made) == made


IMPOSSIBLE = [
    (volume(), {"metadata": True}, 67, "metadata preallocation is not supported for raw volumes"),
    (volume("raw", LUKS), {"metadata": True}, 67, "only available with qcow2"),
    (volume("qcow2", more=BACKED), {"metadata": True}, 67, "conflicts with backing store"),
    (volume("raw", more=BACKED), {}, 67, "cannot set backing store for raw volume"),
    (volume("iso", more=BACKED), {}, 67, "cannot set backing store for raw volume"),
    (volume("raw", more=BACKED), {"source": volume("qcow2")}, 67, "cannot set backing store for raw volume"),
    (
        volume("qcow2", more=BACKED),
        {"source": volume("raw"), "metadata": True},
        67,
        "conflicts with backing store",
    ),
    (
        volume("qcow2", more=BACKED.replace("/q", "/x")),
        {"source": volume("qcow2", more=BACKED)},
        1,
        "a different backing store cannot be specified",
    ),
    (volume("raw", LUKS, BACKED), {}, 67, "cannot set backing store for raw volume"),
    (volume("vdi", more=BACKED), {}, 1, "backing storage not supported for vdi volumes"),
    (volume("vmdk", "<compat>1.1</compat>"), {}, 67, "compatibility option only available with qcow2"),
    (volume("bochs", "<features/>"), {}, 67, "compatibility option only available with qcow2"),
    (
        volume("qcow2", more="<backingStore><path>nbd:h:1</path></backingStore>"),
        {},
        67,
        "is no path of a file",
    ),
    (volume("bochs"), {}, 1, "images of format 'bochs' are not made"),
    (volume("ploop"), {}, 1, "images of format 'ploop' are not made"),
    (volume("iso", LUKS.replace("luks", "qcow")), {}, 1, "Only luks encryption is supported for raw files"),
    (volume("vmdk", "<encryption format='luks'/>"), {"metadata": True}, 8, "A single <secret"),
    (volume("vmdk", LUKS), {}, 67, "volume encryption unsupported with format vmdk"),
    (
        volume("qcow2", LUKS.replace("luks", "qcow")),
        {},
        67,
        "creation of qcow2 encrypted image is not supported",
    ),
    (volume("raw", LUKS.replace("luks", "luks2")), {}, 1, "Only luks encryption is supported for raw files"),
    (volume("raw", "<encryption format='luks'/>"), {}, 8, "A single <secret type='passphrase'...>"),
    (
        volume("qcow2", "<compat>0.10</compat><features><lazy_refcounts/></features>"),
        {},
        67,
        "lazy_refcounts not supported with compat level 0.10",
    ),
    (
        volume("qcow2", "<compat>0.10</compat><features><extended_l2/></features>"),
        {},
        67,
        "'extended_l2' not supported with compat level 0.10",
    ),
]


@pytest.mark.parametrize(("wanted", "flags", "code", "message"), IMPOSSIBLE)
def test_what_no_image_can_be_is_refused(
    wanted: Volume, flags: dict[str, Any], code: int, message: str
) -> None:
    """Before any program runs, with libvirt's code."""
    with pytest.raises(libvirtError) as caught:
        create(wanted, **flags)
    assert caught.value.get_error_code() == code
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "metadata", "code"),
    [
        (volume(more=BACKED), False, 3),
        (volume("dir", more=BACKED), False, 3),
        (volume(), True, 67),
        (volume("dir"), True, 8),
    ],
)
def test_what_no_file_or_directory_can_be_is_refused(wanted: Volume, metadata: bool, code: int) -> None:
    """Of those that no program makes, with libvirt's codes, which are others than of images."""
    with pytest.raises(libvirtError) as caught:
        check_without_program(wanted, metadata=metadata)
    assert caught.value.get_error_code() == code
    check_without_program(volume("raw", "<compat>1.1</compat><clusterSize>5</clusterSize>"))


def test_a_larger_copy_is_written_to_an_image_that_is_there() -> None:
    """Which was made so large: not every format can be resized."""
    wanted, source = volume("vmdk"), volume("qcow2", name="s")
    command = "qemu-img convert -n --target-is-zero -f qcow2 -O vmdk /p/s /p/v"
    assert run(fill(wanted, source)) == [command]


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/<>&\ufffe\uffff"), min_size=1)
)
def test_a_name_never_ends_an_option(name: str) -> None:
    """Its commas are doubled wherever options are listed, and its secret's id is one that QEMU takes."""
    if name.strip(".") == "" or len(name.encode()) > 255:
        return
    wanted = volume("raw", LUKS, name=name.replace("'", ""), size="1") if name.replace("'", "") else volume()
    made = secret_id(wanted)
    assert made[0].isalpha() and made.isascii() and set("-._").issuperset(c for c in made if not c.isalnum())
    last = create(wanted, source=volume("qcow2", name="s"), keys=KEYS)[-1][-1]
    options = last.replace(",,", "\0").split(",")
    assert len(options) == (3 if wanted.target.encryption else 1)


def test_an_image_is_resized_by_its_format() -> None:
    """Which is never guessed; a raw one needs no program. To whole sectors: qcow2 takes nothing else."""
    assert resize(volume(), 5) == []
    for wanted, rounded in ((512, 512), (513, 1024), (0, 0)):
        command = f"qemu-img resize --shrink -f qcow2 /p/v {rounded}"
        assert run(*resize(volume("qcow2"), wanted, shrink=True)) == [command]
    assert run(*resize(volume("raw", LUKS), 5, key="/k")) == [
        "qemu-img resize --object secret,id=v_encrypt0,file=/k --image-opts"
        " driver=luks,file.filename=/p/v,key-secret=v_encrypt0 512"
    ]
    for each in (volume("qcow2"), volume("raw", LUKS), volume("iso")):
        with pytest.raises(libvirtError, match="preallocate is only supported") as caught:
            resize(each, 5, allocate=True)
        assert caught.value.get_error_code() == 84


@pytest.mark.parametrize(("algorithm", "count"), list(enumerate([1, 3, 3, 9, 35, 7, 7, 33, 1])))
def test_an_algorithm_has_its_passes(algorithm: int, count: int) -> None:
    """nnsa's and dod's fourth is a verification."""
    found = wiping(algorithm)
    assert len(found.passes) == count
    assert found.verify == (algorithm in (1, 2))


@pytest.mark.parametrize(("algorithm", "code"), [(9, 74), (10, 8), (-1, 8)])
def test_other_algorithms_are_refused(algorithm: int, code: int) -> None:
    """trim is known and not served."""
    with pytest.raises(libvirtError, match="not supported") as caught:
        wiping(algorithm)
    assert caught.value.get_error_code() == code


FS = "xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'"
OPTIONS = "<fs:mount_opts><fs:option name='a'/><fs:option name='b=c'/></fs:mount_opts>"
EXPORT = "<host name='h'/><dir path='/e'/>"
MOUNTS = [
    ("netfs", EXPORT, "mount -o nodev,nosuid,noexec,a,b=c h:/e /m"),
    ("netfs", f"{EXPORT}<format type='nfs'/>", "mount -o nodev,nosuid,noexec,a,b=c -t nfs h:/e /m"),
    (
        *("netfs", f"{EXPORT}<format type='glusterfs'/>"),
        "mount -o nodev,nosuid,noexec,direct-io-mode=1,a,b=c -t glusterfs h:/e /m",
    ),
    (
        *("netfs", "<host name='h'/><dir path='e/'/><format type='cifs'/>"),
        "mount -o nodev,nosuid,noexec,guest,a,b=c -t cifs //h/e /m",
    ),
    ("netfs", f"{EXPORT}<protocol ver='4.1'/>", "mount -o nodev,nosuid,noexec,nfsvers=4.1,a,b=c h:/e /m"),
    (
        *("netfs", "<host name='::1'/><dir path='/e'/>"),
        "mount -o nodev,nosuid,noexec,a,b=c '[::1]:/e' /m",
    ),
    ("fs", "<device path='/d'/>", "mount -o nodev,nosuid,noexec,a,b=c -t auto /d /m"),
    ("fs", "<device path='/d'/><format type='ext4'/>", "mount -o nodev,nosuid,noexec,a,b=c -t ext4 /d /m"),
]


@pytest.mark.parametrize(("kind", "source", "command"), MOUNTS)
def test_a_file_system_is_mounted_without_devices_and_programs(kind: str, source: str, command: str) -> None:
    """And unmounted by its directory; options of the XML come last."""
    target = "<target><path>/m</path></target>"
    xml = f"<pool type='{kind}' {FS}><name>p</name><source>{source}</source>{target}{OPTIONS}</pool>"
    found = read_pool(xml)
    assert run(*pools.start(found)) == [command]
    assert pools.stop(found) == [["umount", "/m"]]


@pytest.mark.parametrize(
    ("format_", "flag"), [("ext4", " -F"), ("xfs", " -f"), ("vfat", " -I"), ("ocfs2", ""), ("hfs+", "")]
)
def test_a_file_system_is_made(format_: str, flag: str) -> None:
    """Which one the XML says."""
    source = f"<source><device path='/d'/><format type='{format_}'/></source>"
    found = read_pool(f"<pool type='fs'><name>p</name>{source}<target><path>/m</path></target></pool>")
    assert run(*pools.build(found, overwrite=True)) == [f"mkfs -t {format_}{flag} /d"]


def test_a_file_system_of_any_type_is_not_made() -> None:
    """It would be a guess."""
    source = "<source><device path='/d'/></source>"
    found = read_pool(f"<pool type='fs'><name>p</name>{source}<target><path>/m</path></target></pool>")
    with pytest.raises(libvirtError, match="which file system to make"):
        pools.build(found)


def test_a_volume_group_lives_by_lvms_programs() -> None:
    """Built of its devices, activated on this host, and removed with them."""
    assert run(*pools.build(GROUP, overwrite=True)) == [
        *("wipefs --all /dev/a", "pvcreate --yes /dev/a", "vgcreate vg /dev/a"),
    ]
    assert run(*pools.start(GROUP), *pools.stop(GROUP)) == ["vgchange -aly vg", "vgchange -aln vg"]
    assert run(*pools.delete(GROUP)) == ["vgremove -f vg", "pvremove /dev/a"]
    assert pools.start(POOL) == pools.stop(POOL) == pools.build(POOL) == pools.delete(POOL) == []


@pytest.mark.parametrize(
    ("inner", "command"),
    [
        ("", "-L 8192K vg"),
        ("<allocation>0</allocation>", "-L 1K --type snapshot --virtualsize 8192K vg"),
        ("<allocation unit='M'>4</allocation>", "-L 4096K --type snapshot --virtualsize 8192K vg"),
        ("<backingStore><path>/dev/vg/a</path></backingStore>", "-L 8192K -s /dev/vg/a"),
        (f"<target>{LUKS}</target>", "-L 10240K vg"),
    ],
)
def test_a_logical_volume_is_made(inner: str, command: str) -> None:
    """Sparse as a snapshot of nothing; with room for the header of LUKS."""
    xml = f"<volume><name>lv</name><capacity unit='M'>8</capacity>{inner}</volume>"
    found = placed(read_volume(xml, GROUP), GROUP)
    assert run(groups.create(found, GROUP)) == [f"lvcreate --name lv {command} --yes"]
    assert run(groups.remove(found)) == ["lvremove -f /dev/vg/lv"]
    assert how(found) is (How.QEMU_IMG if "encryption" in inner else How.DEVICE)


def test_lvms_reports_are_read() -> None:
    """A line for each segment; a physical volume without a group does not count."""
    line = "  lv#[base]#r4xkCv#/dev/sda1(3),/dev/sdb1(0)#striped#2#8388608#4194304#8388608#-wi-a-----\n\n"
    (found,) = groups.reported(line)
    assert (found.name, found.origin, found.size, found.hidden) == ("lv", "base", 8388608, False)
    assert found.origins == (("/dev/sda1", 3 * 4194304), ("/dev/sdb1", 0))
    assert groups.scanned("  /dev/a vg\n  /dev/b vg\n  /dev/c\n") == {"vg": ("/dev/a", "/dev/b")}
    assert groups.spaced("  67108864:33554432\n") == (67108864, 33554432)
    for wrong in ("lv#x", line.replace("#2#", "#two#")):
        with pytest.raises(libvirtError, match=r"expected 10|no number"):
            groups.reported(wrong)


def test_partitions_are_parteds() -> None:
    """By bytes; a label and a partition in its words."""
    xml = "<pool type='disk'><name>p</name><source><device path='/dev/d'/></source>{}</pool>"
    found = read_pool(xml.format("<target><path>/dev</path></target>"))
    assert run(*pools.build(found)) == ["parted /dev/d mklabel --script msdos"]
    assert run(partitions.create(found, "linux-swap", 1024, 2047), partitions.remove(found, 1)) == [
        "parted /dev/d mkpart --script primary linux-swap 1024B 2047B",
        "parted /dev/d rm --script 1",
    ]
