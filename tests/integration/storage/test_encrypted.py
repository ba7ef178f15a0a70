"""Volumes in LUKS, raw and in qcow2, with passphrases from the secret driver."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

import embervirt as libvirt
from embervirt.drivers.storage.service.handing import UNLUCKY
from guest.calls import began
from guest.domain import uri
from integration.storage.conftest import PROMPT, Storage, pool_xml, volume_xml
from integration.storage.test_pools import refusal

MIB = 1 << 20
PASSPHRASE = f"correct horse battery {uuid4()}"
"""Of this process: the programs of another test's may have theirs among their arguments."""

WORDS = PASSPHRASE.encode()


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """With secrets, which only a connection to all drivers has."""
    with libvirt.open(uri(tmp_path / "root"), settings=PROMPT) as conn:
        folder = tmp_path / "images"
        pool = conn.storagePoolDefineXML(pool_xml("images", folder))
        pool.build()
        pool.create()
        yield Storage(conn, pool, folder)


def secret(
    storage: Storage, usage: str, value: bytes | None = WORDS, kind: str = "volume", more: str = ""
) -> str:
    """The UUID of a new one."""
    inner = "volume" if kind == "volume" else "name"
    named = f"<usage type='{kind}'><{inner}>{usage}</{inner}></usage>" if kind != "none" else ""
    made = storage.conn.secretDefineXML(f"<secret {more}>{named}</secret>")
    if value is not None:
        made.setValue(value)
    return made.UUIDString()


def encrypted(name: str, reference: str, capacity: int = 4 * MIB, format: str = "raw") -> str:
    """XML of a volume with that <secret>."""
    with_key = f"<encryption format='luks'>{reference}</encryption></target>"
    return volume_xml(name, capacity, format=format).replace("</target>", with_key)


def by_uuid(uuid: str) -> str:
    """The reference to a secret."""
    return f"<secret type='passphrase' uuid='{uuid}'/>"


def quick(storage: Storage, name: str, format: str, data: int | None = None) -> libvirt.virStorageVol:
    """An image of 4 MiB with the passphrase whose key costs nothing to derive, which only a test may have."""
    path, before = storage.folder / name, "encrypt." if format == "qcow2" else ""
    options = f"{before}key-secret=k,{before}iter-time=10" + (",encrypt.format=luks" if before else "")
    given = ["--object", f"secret,id=k,data={PASSPHRASE}"]
    make = ["qemu-img", "create", "-q", "-f", format, *given, "-o", options, str(path), "4M"]
    while UNLUCKY in (said := subprocess.run(make, capture_output=True, text=True, check=False).stderr):
        pass
    assert said == ""
    if data is not None:
        io(path, format, f"write -P {data} 1M 64k")
    storage.pool.refresh()
    return storage.pool.storageVolLookupByName(name)


def io(path: Path | str, format: str, *commands: str, key: bool = True) -> str:
    """What qemu-io says of an image, which it opens with the passphrase."""
    option = ("encrypt." if format == "qcow2" else "") + "key-secret=k"
    opts = f"driver={format},file.filename={path}" + (f",{option}" if key else "")
    words = [word for command in commands for word in ("-c", command)]
    run = ["qemu-io", "--object", f"secret,id=k,data={PASSPHRASE}", "--image-opts", opts, *words]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("format", "driver"), [("raw", "luks"), ("qcow2", "qcow2")])
def test_a_volume_is_made_encrypted_and_a_guest_opens_it(storage: Storage, format: str, driver: str) -> None:
    """With its key; the passphrase is in no argument, file or record of ours, meanwhile and afterwards."""
    uuid = secret(storage, "for it", more="private='yes'")
    making = began(lambda: storage.pool.createXML(encrypted("v", by_uuid(uuid), format=format)))
    seen = set()
    while not making.done():
        seen |= {pid for pid, argv in arguments() if WORDS in argv}
    made = making.result()
    assert seen == set()
    said = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", made.path()]))
    assert (said["format"], said["encrypted"]) == (driver, True)
    assert made.info()[1] == 4 * MIB
    assert "read 65536/65536" in io(made.path(), driver, "read 0 64k")
    assert f"<encryption format='luks'>\n      {by_uuid(uuid)}" in made.XMLDesc()
    domain = storage.conn.createXML(guest(made.path(), format, uuid), libvirt.VIR_DOMAIN_START_PAUSED)
    assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    domain.destroy()
    assert [str(path) for path in storage.folder.parent.rglob("*") if path.is_file() and holds(path)] == []


def arguments() -> Iterator[tuple[str, bytes]]:
    """Of all processes."""
    for pid in filter(str.isdigit, (each.name for each in Path("/proc").iterdir())):
        try:
            yield pid, Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue


def holds(path: Path) -> bool:
    """Whether the passphrase is in a file."""
    return WORDS in path.read_bytes()


def guest(path: str, format: str, uuid: str) -> str:
    """One with that disk."""
    return f"""<domain type='qemu'><name>g</name><memory unit='MiB'>32</memory>
      <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
      <disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{path}'>
      <encryption format='luks'>{by_uuid(uuid)}</encryption></source><target dev='vda' bus='virtio'/></disk>
      </devices></domain>"""


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_an_encrypted_volume_is_resized_copied_and_wiped(storage: Storage, format: str) -> None:
    """By the secret for its path, when nobody said another; larger and smaller, and copied to plain ones."""
    driver = "luks" if format == "raw" else format
    made = quick(storage, "v", driver, data=7)
    assert made.info()[1] == 4 * MIB
    assert "<secret" not in made.XMLDesc()
    code, domain, text = refusal(made.resize, 8 * MIB)
    assert (code, domain) == (libvirt.VIR_ERR_XML_ERROR, 18)
    assert "no secret provided for luks encryption" in text and made.path() in text
    secret(storage, made.path())
    assert f"<secret type='passphrase' usage='{made.path()}'/>" in made.XMLDesc()
    made.resize(8 * MIB)
    made.resize(6 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK)
    assert made.info()[1] == 6 * MIB
    for target in ("raw", "qcow2"):
        copy = storage.pool.createXMLFrom(volume_xml(f"plain-{target}", 0, format=target), made)
        assert copy.info()[1] == 6 * MIB
        assert "verification failed" not in io(copy.path(), target, "read -P 7 1M 64k", key=False)
    made.wipe()
    storage.pool.refresh()
    again = storage.pool.storageVolLookupByName("v")
    assert "<encryption" not in again.XMLDesc() and not any((storage.folder / "v").read_bytes())


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("source", "target"), [("raw", "raw"), ("qcow2", "qcow2"), ("luks", "raw")])
def test_a_copy_is_encrypted(storage: Storage, source: str, target: str) -> None:
    """Of a plain volume or of one with the same key, under a new one; its data is the same."""
    if source == "luks":
        original = quick(storage, "a", "luks", data=7)
        secret(storage, original.path())
    else:
        original = storage.make("a", 4 * MIB, format=source)
        io(original.path(), source, "write -P 7 1M 64k", key=False)
    reference = f"<secret type='passphrase' usage='{secret_for(storage)}'/>"
    copy = storage.pool.createXMLFrom(encrypted("b", reference, 0, target), original)
    zeroes = [] if source == "luks" else ["read -P 0 2M 1M"]  # where nobody wrote, a key makes noise of them
    said = io(copy.path(), "luks" if target == "raw" else target, "read -P 7 1M 64k", *zeroes)
    assert "verification failed" not in said
    assert copy.info()[1] == 4 * MIB
    assert storage.files() == ["a", "b"]


def secret_for(storage: Storage) -> str:
    """The usage of a new secret."""
    secret(storage, "of the copy")
    return "of the copy"


def test_a_secret_that_cannot_be_used_is_told(storage: Storage) -> None:
    """Libvirt's codes and words, before anything is made; an ephemeral one is as good as any."""
    unknown = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
    empty, ceph = secret(storage, "empty", None), secret(storage, "account", kind="ceph")
    cases = (
        (by_uuid(unknown), 66, f"no secret with matching uuid '{unknown}'"),
        ("<secret type='passphrase' usage='/x'/>", 66, "no secret with matching usage '/x'"),
        (by_uuid(empty), 66, f"secret '{empty}' does not have a value"),
        (by_uuid(ceph), 8, f"secret with uuid {ceph} is of type 'ceph' not expected 'volume' type"),
        ("", 8, "A single <secret type='passphrase'...> element is expected"),
        (by_uuid(ceph) * 2, 8, "A single <secret type='passphrase'...> element is expected"),
    )
    for reference, code, text in cases:
        refused = refusal(storage.pool.createXML, encrypted("v", reference))
        assert (refused[0], text in refused[2]) == (code, True), refused
    assert storage.files() == []


def test_a_wrong_passphrase_is_qemu_imgs_to_tell(storage: Storage) -> None:
    """In its own words, with the volume's path and not that of a descriptor; nothing is changed."""
    made = quick(storage, "v", "luks")
    secret(storage, made.path(), b"another")
    said = refusal(made.resize, 8 * MIB)[2]
    assert "Invalid password, cannot unlock any keyslot" in said
    assert made.path() in said and "/proc/self" not in said and "another" not in said
    assert made.info()[1] == 4 * MIB
