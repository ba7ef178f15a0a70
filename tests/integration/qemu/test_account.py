"""QEMU as a user of its own: its rights, its files, and those that it has only while it runs."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.root import sockets
from embervirt.libvirt.connect import virConnect
from guest.account import NOBODY, ONLY_ROOT, owner, public_place, status
from guest.calls import nothing_is_left
from guest.domain import SECONDS, Console, kill, linux, pid_of, qemus, small, uri, wait_until
from guest.host import Host
from guest.image import INITRD, KERNEL, READY, ensure
from guest.shell import says

pytestmark = ONLY_ROOT

ROOTS = (0, 0)
OTHER = (1234, 1234)
USER = {"qemu.user": "nobody"}
PASSPHRASE = b"kT7xQ"
UUID = "5c2f6a5e-0a4f-4f0b-8a53-6a1f6f7d9b10"
LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
SECRET = f"""<secret><uuid>{UUID}</uuid><usage type='volume'><volume>/luks</volume></usage></secret>"""
ENCRYPTION = f"<encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption>"
PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 12
CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
OVMF = Path("/usr/share/OVMF")


@pytest.fixture(autouse=True)
def place() -> Iterator[Path]:
    """A directory that the user can come to; whatever runs in the end is killed."""
    with public_place() as made:
        yield made
        for pid in qemus(made):
            kill(pid)


@pytest.fixture
def conn(place: Path) -> Iterator[virConnect]:
    """A root with that user."""
    with libvirt.open(uri(place / "root"), settings=USER) as made:
        yield made


def image(path: Path, owner: tuple[int, int] = OTHER, kind: str = "raw") -> Path:
    """An image of 1 MiB that only its owner can read."""
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, str(path), "1M"], check=True)
    path.chmod(0o600)
    os.chown(path, *owner)
    return path


def disk(path: Path, dev: str = "vda", *, kind: str = "raw", inside: str = "", more: str = "") -> str:
    """Of a file."""
    return f"""<disk type='file'><driver name='qemu' type='{kind}'/><source file='{path}'>{inside}</source>
      <target dev='{dev}' bus='virtio'/>{more}</disk>"""


def cdrom(path: Path | None) -> str:
    """A drive, with a medium or without."""
    source = f"<source file='{path}'/>" if path else ""
    return f"<disk type='file' device='cdrom'>{source}<target dev='sda' bus='sata'/></disk>"


def ledger(root: Path) -> Path:
    """Where it is written whose the files were."""
    return root / "lib/embervirt/owners.json"


# Rights.


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"qemu.user": "nobody"}, ("65534", "65534")),
        ({"qemu.user": "+12345", "qemu.group": "+54321"}, ("12345", "54321")),
        ({"qemu.group": "+54321"}, ("0", "54321")),
    ],
)
def test_qemu_and_its_recorder_have_that_users_rights(
    place: Path, settings: dict[str, str], expected: tuple[str, str]
) -> None:
    """User, group, no other groups, no capability that it could get back; its end is recorded."""
    root = place / "root"
    with libvirt.open(uri(root), settings=settings) as conn:
        domain = conn.defineXML(small("a"))
        domain.create()
        pid = pid_of(root, "a")
        for each in (pid, psutil.Process(pid).ppid()):
            user, group, groups, could = status(each, "Uid", "Gid", "Groups", "CapBnd")
            assert (set(user.split()), set(group.split())) == ({expected[0]}, {expected[1]})
            assert (groups, int(could, 16)) == (expected[1], 0)
        kill(pid)
        wait_until(lambda: domain.isActive() == 0)
        assert domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]


@pytest.mark.parametrize("settings", [{}, {"qemu.user": "root"}])
def test_without_another_user_nothing_changes(place: Path, settings: dict[str, str]) -> None:
    """QEMU runs as the host program does, directories stay private, and files stay whose they are."""
    root, file = place / "root", image(place / "a")
    with libvirt.open(uri(root), settings=settings) as conn:
        domain = conn.defineXML(small("a", devices=disk(file)))
        domain.create()
        assert status(pid_of(root, "a"), "Uid") == ["0\t0\t0\t0"]
        assert owner(file) == OTHER
        assert {path.stat().st_mode & 0o7777 for path in (root, root / "lib", root / "lib/qemu")} == {0o700}
        domain.destroy()


def test_libvirts_file_of_settings_says_who(place: Path) -> None:
    """A root whose ``etc/qemu.conf`` names a user has its guests run as that one."""
    (place / "root/etc").mkdir(parents=True)
    (place / "root/etc/qemu.conf").write_text('user = "nobody"\ngroup = "+65534"\ndynamic_ownership = 1\n')
    with libvirt.open(uri(place / "root")) as conn:
        domain = conn.createXML(small("a"))
        assert status(pid_of(place / "root", "a"), "Uid", "Gid") == ["\t".join(["65534"] * 4)] * 2
        domain.destroy()


def test_only_the_way_to_its_own_is_open_to_that_user(conn: virConnect, place: Path) -> None:
    """Directories that it must pass are 0711, what is of the run is its own, all else is private."""
    root = place / "root"
    vnc = "<graphics type='vnc'><listen type='socket'/></graphics>"
    memory = "<memoryBacking><source type='file'/><access mode='shared'/></memoryBacking>"
    xml = small("a", devices=vnc + "<console type='pty'/>" + CHANNEL, more=memory)
    domain = conn.createXML(xml)
    run = root / "lib/qemu/domain-1-a"
    own = [run, run / "master-key.aes", run / "vnc.sock", root / "lib/qemu/ram/1-a"]
    own += [root / "log/qemu/a.console", root / "lib/qemu/channel/target/domain-1-a"]
    assert {owner(path) for path in own} == {NOBODY}
    assert {path.stat().st_mode & 0o077 for path in own} == {0}
    mine = [path for path in (root, *root.rglob("*")) if owner(path) == ROOTS and path.is_dir()]
    passed = {str(path.relative_to(root)) for path in mine if path.stat().st_mode & 0o077 == 0o011}
    expected = {".", "lib", "lib/qemu", "lib/qemu/ram", "lib/qemu/channel", "lib/qemu/channel/target"}
    assert passed == expected | {"log", "log/qemu"}
    assert {path.stat().st_mode & 0o066 for path in mine} == {0}
    domain.destroy()
    assert not run.exists()


def test_a_directory_that_libvirt_left_to_that_user_is_ours_again(place: Path) -> None:
    """Libvirt's driver gives it all of ``lib/qemu``: there it could put links in the place of files."""
    root = place / "root"
    (root / "lib/qemu").mkdir(parents=True)
    os.chown(root / "lib/qemu", *NOBODY)
    with libvirt.open(uri(root), settings=USER) as conn:
        domain = conn.createXML(small("a"))
        assert (owner(root / "lib/qemu"), owner(root / "lib/qemu/domain-1-a")) == (ROOTS, NOBODY)
        domain.destroy()


def test_a_root_that_the_user_cannot_reach_is_an_error_of_the_start(place: Path) -> None:
    """It names the directory and the mode that would do, and nothing of the start is left."""
    private = place / "private"
    private.mkdir(0o700)
    root, file = private / "root", image(place / "a")
    with libvirt.open(uri(root), settings=USER) as conn:
        domain = conn.defineXML(small("a", devices=disk(file)))
        words = f"may not pass directory '{private}': its mode is 0700, of 0:0; 0701 would do"
        with pytest.raises(libvirt.libvirtError, match=words) as refused:
            domain.create()
        assert refused.value.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR
        assert nothing_is_left(conn, root, before=set())
        assert (owner(file), root.stat().st_mode & 0o777) == (OTHER, 0o700)
        private.chmod(0o701)
        domain.create()
        domain.destroy()


def test_an_access_control_list_opens_the_way_too(place: Path) -> None:
    """What the mode does not say the kernel does."""
    if shutil.which("setfacl") is None:
        pytest.skip("setfacl is not installed")
    private = place / "private"
    private.mkdir(0o700)
    subprocess.run(["setfacl", "-m", "u:nobody:x", str(private)], check=True)
    private.chmod(0o710)
    with libvirt.open(uri(private / "root"), settings=USER) as conn:
        assert conn.createXML(small("a")).destroy() == 0


# Files that are lent.


def test_a_guest_with_an_encrypted_disk_a_plugged_one_and_a_medium(conn: virConnect, place: Path) -> None:
    """Linux boots and is typed to; each file is QEMU's while it is used, and then whose it was again."""
    ensure()
    for file in (KERNEL, INITRD):
        shutil.copy(file, place / file.name)
        (place / file.name).chmod(0o600)
    key, luks = place / "key", place / "luks"
    key.write_bytes(PASSPHRASE)
    fast = "encrypt.iter-time=10,encrypt.hash-alg=sha512"
    options = ["-o", f"encrypt.format=luks,encrypt.key-secret=key,{fast}"]
    secret = ["--object", f"secret,id=key,file={key}"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *secret, *options, luks, "8M"], check=True)
    os.chown(luks, *OTHER)
    conn.secretDefineXML(SECRET).setValue(PASSPHRASE)
    iso, iso2, plug = (image(place / name) for name in ("iso", "iso2", "plug"))
    devices = disk(luks, kind="qcow2", inside=ENCRYPTION) + cdrom(iso)
    devices += PORTS
    xml = linux("a", devices=devices).replace(str(KERNEL.parent), str(place))
    domain = conn.createXML(xml)
    booted = [place / KERNEL.name, place / INITRD.name]
    assert {owner(each) for each in (luks, iso, *booted)} == {NOBODY}
    Console(place / "root", "a").until(READY)
    assert "16384" in says(domain, place / "root", "cat /sys/block/vda/size")
    domain.attachDeviceFlags(disk(plug, "vdb"), LIVE)
    assert owner(plug) == NOBODY
    domain.detachDeviceFlags(disk(plug, "vdb"), LIVE)
    wait_until(lambda: owner(plug) == OTHER)
    domain.updateDeviceFlags(cdrom(iso2), LIVE)
    assert (owner(iso), owner(iso2)) == (OTHER, NOBODY)
    domain.destroy()
    assert {owner(each) for each in (luks, iso, iso2, plug)} == {OTHER}
    assert {owner(each) for each in booted} == {ROOTS}
    assert not ledger(place / "root").exists()


def test_the_variables_of_a_firmware_and_its_tpm_are_that_users(conn: virConnect, place: Path) -> None:
    """They were made for it, and it keeps them."""
    if not OVMF.is_dir() or shutil.which("swtpm") is None:
        pytest.skip("OVMF and swtpm are not installed")
    loader = f"<loader readonly='yes' type='pflash'>{OVMF}/OVMF_CODE_4M.fd</loader>"
    tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
    more = "<features><acpi/></features>"
    boots = f"{loader}<nvram template='{OVMF}/OVMF_VARS_4M.fd'/></os>"
    xml = small("a", devices=tpm, more=more).replace("</os>", boots)
    domain = conn.defineXML(xml)
    for _ in range(2):
        domain.create()
        uids = [each.uids().real for each in psutil.process_iter(["cmdline"]) if _of(place, each)]
        assert uids == [NOBODY[0]] * 4
        domain.destroy()
    state = place / "root/lib/swtpm" / domain.UUIDString() / "tpm2"
    assert owner(place / "root/lib/qemu/nvram/a_VARS.fd") == owner(state) == NOBODY


def _of(place: Path, process: psutil.Process) -> bool:
    """QEMU, swtpm or the recorder of one."""
    words = process.info["cmdline"] or []
    programs = ("qemu-system-x86_64", "swtpm", "bash")
    return any(str(place) in word for word in words) and words[0].endswith(programs)


def test_an_image_with_all_below_it_goes_back_with_its_last_guest(conn: virConnect, place: Path) -> None:
    """Two guests share a base and a disk; who ends first leaves them to the other."""
    base, shared = image(place / "base", kind="qcow2"), image(place / "shared")
    tops = [place / name for name in ("one", "two")]
    for top in tops:
        made = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(top)]
        subprocess.run(made, check=True)
    domains = [
        conn.createXML(
            small(top.name, devices=disk(top, kind="qcow2") + disk(shared, "vdb", more="<shareable/>"))
        )
        for top in tops
    ]
    assert {owner(each) for each in (base, shared, *tops)} == {NOBODY}
    domains[0].destroy()
    assert [owner(each) for each in (tops[0], tops[1], base, shared)] == [ROOTS, NOBODY, NOBODY, NOBODY]
    kill(pid_of(place / "root", "two"))
    wait_until(lambda: [owner(each) for each in (base, shared, tops[1])] == [OTHER, OTHER, ROOTS])


def test_what_is_everybodys_stays_so(conn: virConnect, place: Path) -> None:
    """The host's source of entropy and /dev/null are nobody's to give; a file of a port is."""
    devices = f"""<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
      <serial type='file'><source path='/dev/null'/></serial>
      <serial type='file'><source path='{place}/port'/></serial>"""
    before = [owner(Path(path)) for path in ("/dev/urandom", "/dev/null")]
    domain = conn.createXML(small("a", devices=devices))
    assert [owner(Path(path)) for path in ("/dev/urandom", "/dev/null")] == before
    assert owner(place / "port") == NOBODY
    domain.destroy()
    assert owner(place / "port") == ROOTS


def test_a_socket_is_where_that_user_could_make_none(conn: virConnect, place: Path) -> None:
    """QEMU is handed one that listens, in the place of one that was left; it is gone after the guest."""
    path = place / "port"
    sockets.listen(path).close()
    port = f"<serial type='unix'><source mode='bind' path='{path}'/></serial>"
    domain = conn.createXML(small("a", devices=port))
    assert (owner(place), owner(path)) == (ROOTS, NOBODY)
    with sockets.connect(path):
        domain.destroy()
    assert not path.exists()


def test_a_link_of_somebody_gives_nothing_away_that_is_not_his(conn: virConnect, place: Path) -> None:
    """A link to one's own file is followed, as is one of root; one to a file of another user is refused."""
    theirs, roots = image(place / "theirs"), image(place / "roots", ROOTS)
    link = place / "link"
    link.symlink_to(theirs)
    os.chown(link, *OTHER, follow_symlinks=False)
    domain = conn.defineXML(small("a", devices=disk(link)))
    domain.create()
    assert (owner(theirs), owner(link)) == (NOBODY, OTHER)
    domain.destroy()
    assert owner(theirs) == OTHER
    link.unlink()
    link.symlink_to(roots)
    os.chown(link, *OTHER, follow_symlinks=False)
    with pytest.raises(libvirt.libvirtError, match=f"'{link}' leads through a symbolic link of user 1234"):
        domain.create()
    assert owner(roots) == ROOTS
    assert nothing_is_left(conn, place / "root", before={"a.log"})


def test_a_start_that_fails_gives_everything_back(conn: virConnect, place: Path) -> None:
    """QEMU refuses another device: the image is whose it was, and nothing is noted."""
    file = image(place / "a")
    bad = "<serial type='file'><source path='/nowhere/at/all'/></serial>"
    domain = conn.defineXML(small("a", devices=disk(file) + bad))
    with pytest.raises(libvirt.libvirtError, match="nowhere"):
        domain.create()
    assert owner(file) == OTHER
    assert not ledger(place / "root").exists()


def test_a_plugged_disk_that_qemu_refuses_goes_back(conn: virConnect, place: Path) -> None:
    """No port is free for it."""
    file = image(place / "a", kind="raw")
    domain = conn.createXML(small("a"))
    with pytest.raises(libvirt.libvirtError, match="qcow2"):
        domain.attachDeviceFlags(disk(file, "vdb", kind="qcow2"), LIVE)
    assert owner(file) == OTHER
    domain.destroy()


def test_without_dynamic_ownership_files_stay_whose_they_are(place: Path) -> None:
    """QEMU says what it cannot open; what its user has it can."""
    settings = {**USER, "qemu.dynamic_ownership": False}
    theirs, its = image(place / "theirs"), image(place / "its", NOBODY)
    with libvirt.open(uri(place / "root"), settings=settings) as conn:
        with pytest.raises(libvirt.libvirtError, match="Permission denied"):
            conn.createXML(small("a", devices=disk(theirs)))
        conn.createXML(small("a", devices=disk(its))).destroy()
    assert (owner(theirs), owner(its)) == (OTHER, NOBODY)


def test_a_file_whose_owner_is_not_remembered_is_roots(place: Path) -> None:
    """Libvirt's ``remember_owner = 0``; and a source with a label of its own has its own owner, or none."""
    forgotten, own, kept = (image(place / name) for name in ("forgotten", "own", "kept"))
    label = "<seclabel model='dac' relabel='yes'><label>+77:+78</label></seclabel>"
    stays = "<seclabel model='dac' relabel='no'/>"
    devices = disk(forgotten) + disk(own, "vdb", inside=label)
    with libvirt.open(uri(place / "root"), settings={**USER, "qemu.remember_owner": False}) as conn:
        own.chmod(0o666)
        kept.chmod(0o666)
        domain = conn.createXML(small("a", devices=devices + disk(kept, "vdc", inside=stays)))
        assert [owner(each) for each in (forgotten, own, kept)] == [NOBODY, (77, 78), OTHER]
        domain.destroy()
    assert [owner(each) for each in (forgotten, own, kept)] == [ROOTS, ROOTS, OTHER]


# Agents that die.

STARTS = """
conn = libvirt.open(uri(ROOT), settings={"qemu.user": "nobody"})
conn.createXML(sys.stdin.readline())
say(up=True)
sys.stdin.readline()
"""


DIES = """
from embervirt import faults
fault = faults.inject("file.given", faults.kill(), after={})
fault.__enter__()
"""
GIVEN = 5
"""Of a guest with three images: its key, its directory, and those."""


def line(xml: str) -> str:
    """An XML in one line."""
    return " ".join(xml.split()) + "\n"


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("guest", ["lives", "ends"])
def test_who_opens_the_root_next_gives_the_files_back(place: Path, guest: str) -> None:
    """The agent was killed: its guest is found, and has its files until it ends; or had, if it is gone."""
    root, file, more = place / "root", image(place / "a"), image(place / "b")
    host = Host(root, STARTS)
    assert host.process.stdin is not None
    host.process.stdin.write(line(small("a", devices=disk(file) + PORTS)))
    host.process.stdin.flush()
    assert host.hear() == {"up": True}
    host.process.kill()
    host.process.communicate()
    assert owner(file) == NOBODY
    if guest == "ends":
        kill(pid_of(root, "a"))
    with libvirt.open(uri(root)) as conn:  # the setting is gone: the guest is that user's all the same
        if guest == "lives":
            domain = conn.lookupByName("a")
            assert owner(file) == NOBODY
            domain.attachDeviceFlags(disk(more, "vdb"), LIVE)
            assert owner(more) == NOBODY
            domain.destroy()
        wait_until(lambda: not ledger(root).exists())  # which is noted when all are back
        assert (owner(file), owner(more)) == (OTHER, OTHER)


@pytest.mark.parametrize("at", range(GIVEN))
def test_an_agent_that_dies_between_two_files_leaves_none_away(place: Path, at: int) -> None:
    """Wherever it dies while files change hands, the next one gives back what did, and ends what runs."""
    root, files = place / "root", [image(place / name) for name in "abc"]
    devices = "".join(disk(file, f"vd{file.name}") for file in files)
    host = Host(root, DIES.format(at) + STARTS)
    assert host.process.stdin is not None
    host.process.stdin.write(line(small("a", devices=devices)))
    host.process.stdin.flush()
    assert host.process.wait(SECONDS) == -9
    with libvirt.open(uri(root), settings=USER) as conn:
        wait_until(lambda: {owner(file) for file in files} == {OTHER})
        assert nothing_is_left(conn, root, before={path.name for path in (root / "log/qemu").iterdir()})
        assert not ledger(root).exists()
        conn.createXML(small("a", devices=devices)).destroy()
    assert {owner(file) for file in files} == {OTHER}


@pytest.mark.parametrize("at", range(GIVEN))
def test_a_file_that_cannot_be_given_fails_the_start_and_nothing_else(
    conn: virConnect, place: Path, at: int
) -> None:
    """The disk fails at any one of them: all are whose they were, and the next start succeeds."""
    files = [image(place / name) for name in "abc"]
    domain = conn.defineXML(small("a", devices="".join(disk(file, f"vd{file.name}") for file in files)))
    with faults.inject("file.given", faults.error(errno.EIO), after=at, times=1) as broken:
        with pytest.raises(libvirt.libvirtError, match="Input/output error"):
            domain.create()
        assert broken.hits == 1
        assert {owner(file) for file in files} == {OTHER}
        assert nothing_is_left(conn, place / "root", before=set())
        assert not ledger(place / "root").exists()
        domain.create()
        assert {owner(file) for file in files} == {NOBODY}
        domain.destroy()
    assert {owner(file) for file in files} == {OTHER}


def test_a_disk_that_hangs_holds_up_only_who_needs_it(conn: virConnect, place: Path) -> None:
    """Another guest starts and ends meanwhile, with files of its own; the first goes on in the end."""
    slow, fast = image(place / "slow"), image(place / "fast")
    waiting, other = (conn.defineXML(small(file.name, devices=disk(file))) for file in (slow, fast))
    with faults.inject("file.given", faults.hang(), times=1, where={"path": str(slow)}) as hung:
        starting = threading.Thread(target=waiting.create)
        starting.start()
        hung.wait()
        other.create()
        assert owner(fast) == NOBODY
        other.destroy()
        assert (owner(fast), owner(slow)) == (OTHER, OTHER)
        hung.release()
        starting.join()
    assert (waiting.isActive(), owner(slow)) == (1, NOBODY)
    waiting.destroy()
    assert owner(slow) == OTHER


@pytest.mark.usefixtures("patient")
def test_an_orphan_of_that_user_is_known_as_its(place: Path) -> None:
    """Its record is lost, and the setting too: what is plugged after its adoption is that user's."""
    root, file, more = place / "root", image(place / "a"), image(place / "b")
    xml = small("a", devices=disk(file) + PORTS)
    with libvirt.open(uri(root), settings=USER) as conn:
        conn.defineXML(xml).create()
    (root / "run/qemu/a.json").unlink()
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        assert owner(file) == NOBODY
        domain.adopt(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        domain.attachDeviceFlags(disk(more, "vdb"), LIVE)
        assert owner(more) == NOBODY
        domain.destroy()
    assert (owner(file), owner(more)) == (OTHER, OTHER)
