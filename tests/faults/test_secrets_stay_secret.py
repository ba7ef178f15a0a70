"""A secret's value is nowhere but in its encrypted file and in the hands that asked for it."""

from __future__ import annotations

import base64
import logging
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from embervirt.libvirt.connect import virConnect
from guest.domain import crash

OPERATIONS = 100
SECRET = "<secret><usage type='ceph'><name>s{}</name></usage></secret>"


def spellings(value: bytes) -> list[bytes]:
    """How a value might show: as it is, in hex, in base64, as Python prints it."""
    return [value, value.hex().encode(), base64.b64encode(value).rstrip(b"="), repr(value)[2:-1].encode()]


def found_in(haystack: bytes, values: list[bytes]) -> bool:
    """Whether any spelling of any value is there."""
    return any(spelling in haystack for value in values for spelling in spellings(value))


@pytest.fixture
def values() -> list[bytes]:
    """Values that nothing else contains."""
    return [b"tell nobody " + secrets.token_hex(16).encode() for _ in range(5)]


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[virConnect]:
    """A root with a QEMU and a secret driver."""
    with libvirt.open(f"qemu:///embed?root={tmp_path}/root") as opened:
        yield opened


def luks_guest(image: Path, uuid: str) -> str:
    """A guest that cannot boot, with a disk whose key is a secret."""
    return f"""
    <domain type='qemu'><name>luks</name><memory unit='MiB'>32</memory>
      <os><type arch='x86_64' machine='q35'>hvm</type></os>
      <devices><disk type='file' device='disk'><driver name='qemu' type='raw'/>
        <source file='{image}'><encryption format='luks'>
          <secret type='passphrase' uuid='{uuid}'/></encryption></source>
        <target dev='vda' bus='virtio'/></disk></devices>
    </domain>"""


def exercise(conn: virConnect, values: list[bytes], directory: Path) -> None:
    """A hundred operations on secrets, a crash of the actor in the middle, and a guest that uses one."""
    made = [conn.secretDefineXML(SECRET.format(n)) for n in range(5)]
    for number in range(OPERATIONS):
        secret, value = made[number % 5], values[number % 5]
        secret.setValue(value)
        assert secret.value() == value
        if number == OPERATIONS // 2:
            crash(conn.root, "drivers/secret")
    image = directory / "luks.img"
    key = directory / "passphrase"
    key.write_bytes(values[0])
    arguments = ["--object", f"secret,id=k,file={key}", "-o", "key-secret=k,iter-time=100,hash-alg=sha512"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "luks", *arguments, image, "1M"], check=True)
    key.unlink()
    conn.createXML(luks_guest(image, made[0].UUIDString()))


def test_no_value_reaches_a_log_an_event_a_trace_an_argv_or_a_file(
    conn: virConnect, values: list[bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After 100 operations, a crash and a LUKS guest, a scan of everything finds no value in any spelling."""
    caplog.set_level(logging.DEBUG)
    trace = conn.root.bus.trace()
    exercise(conn, values, tmp_path)
    domain = conn.lookupByName("luks")
    pid = int((conn.root.paths.qemu_run / "luks.pid").read_text())
    process = psutil.Process(pid)
    assert "masterKey0" in " ".join(process.cmdline())
    assert not found_in(Path(f"/proc/{pid}/cmdline").read_bytes(), values)
    assert not found_in(Path(f"/proc/{pid}/environ").read_bytes(), values)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".value"]) == 5
    assert [path for path in files if found_in(path.read_bytes(), values)] == []
    messages = 0
    while trace.poll(100):
        messages += 1
        assert not found_in(b"\0".join(trace.recv_multipart()), values)
    assert messages > 4 * OPERATIONS
    conn.root.bus.release(trace)
    assert "child failed" in caplog.text
    assert not found_in(caplog.text.encode(errors="surrogateescape"), values)
    domain.destroy()


def test_no_value_reaches_a_traceback(
    conn: virConnect, values: list[bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The report of a crash with a value in hand does not show it."""
    secret = conn.secretDefineXML(SECRET.format("crash"))

    def broken(*arguments: object, **named: object) -> None:
        raise RuntimeError(f"a bug with {arguments} {named}")

    monkeypatch.setattr("embervirt.drivers.secret.service.SecretService.set_value", broken)
    with pytest.raises(libvirt.libvirtError) as caught:
        secret.setValue(values[0])
    assert caught.value.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR
    with conn.root.subscribe(since=0) as events:
        while "ChildFailed" not in (line := str(events.get(5))):
            assert not found_in(line.encode(), values)
    conn.close()  # the log line may come after the event, but before the supervisor's end
    assert "a bug with" in caplog.text
    assert not found_in(caplog.text.encode(), values)


def test_no_value_is_in_the_exit_of_the_program(values: list[bytes], tmp_path: Path) -> None:
    """A program that dies of its own error after using a value prints nothing of it."""
    program = f"""
import embervirt as libvirt, os
conn = libvirt.open("secret:///embed?root={tmp_path}/root")
secret = conn.secretDefineXML("<secret><usage type='ceph'><name>x</name></usage></secret>")
secret.setValue(os.read(0, 1000))
print(secret, secret.value() and "had it")
secret.setValue(secret)
"""
    ended = subprocess.run([sys.executable, "-c", program], input=values[0], capture_output=True)
    assert b"had it" in ended.stdout
    assert b"TypeError" in ended.stderr
    assert not found_in(ended.stdout + ended.stderr, values)
