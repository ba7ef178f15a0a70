"""A real QEMU takes what a domain compiles to: on its command line, and over QMP when it runs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.backend.protocol import Command, Launched
from embervirt.drivers.qemu.backend.real import RealBackend
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.errors import LaunchFailed
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.parts import (
    KEY_BYTES,
    MASTER_KEY_FILE,
    CompileContext,
    Device,
    Pluggable,
    argv,
    compile,
    encrypt,
    plug,
    unplug,
)
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import parse
from embervirt.supervisor.recorder import reap
from guest.image import INITRD, KERNEL, ensure

QEMU = "/usr/bin/qemu-system-x86_64"
GOLDEN = Path(__file__).resolve().parents[2] / "golden/qemu"
CASES = sorted(path.stem for path in GOLDEN.glob("*.xml"))
LONG = 60.0
"""Seconds that nothing here needs."""

PASSPHRASE = b"correct horse, battery staple"
# With a faster hash qemu-img 7.2 sometimes finds its own clock too coarse to measure it, and gives up.
FAST = "iter-time=10,hash-alg=sha512"
RAWS = tuple(f"{name}.raw" for name in ("base", *"cdefgh"))
IMAGES = ("a,b.raw", "a.raw", "b.raw", "a.qcow2", "luks.raw", "luks.qcow2", *RAWS)


def make_image(path: Path, passphrase: Path) -> None:
    """An empty image; its name says its format and whether it is encrypted."""
    words = ["qemu-img", "create", "-q"]
    secret = ["--object", f"secret,id=s,file={passphrase}"]
    if path.stem != "luks":
        words += ["-f", path.suffix[1:]]
    elif path.suffix == ".raw":
        words += ["-f", "luks", *secret, "-o", f"key-secret=s,{FAST}"]
    else:
        options = f"format=luks,key-secret=s,{FAST}".split(",")
        words += ["-f", "qcow2", *secret, "-o", ",".join(f"encrypt.{option}" for option in options)]
    subprocess.run([*words, str(path), "1M"], check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all that the golden domains name as ``/dir/...``."""
    ensure()
    made = tmp_path_factory.mktemp("dir")
    passphrase = made / "passphrase"
    passphrase.write_bytes(PASSPHRASE)
    for name in IMAGES:
        make_image(made / name, passphrase)
    (made / "vmlinuz").symlink_to(KERNEL)
    (made / "initrd").symlink_to(INITRD)
    return made


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBackend]:
    """Real processes and monitors."""
    made = RealBackend(tmp_path_factory.mktemp("cache"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def real(backend: RealBackend) -> Capabilities:
    """Of the installed QEMU."""
    return backend.probe(QEMU)


class Run:
    """One run of a domain in its own directory."""

    def __init__(self, backend: RealBackend, caps: Capabilities, files: Path, directory: Path) -> None:
        self.backend, self.caps, self.files = backend, caps, files
        self.directory = directory / "domain"
        self.directory.mkdir(0o700)
        self.key = os.urandom(KEY_BYTES)
        self.passphrase = PASSPHRASE
        self.launched: list[Launched] = []
        (self.directory / MASTER_KEY_FILE).write_bytes(self.key)

    def context(self, monitor: int) -> CompileContext:
        """With a memory file and a log of the console in the run's directory."""
        return CompileContext(
            domain_id=1,
            domain_dir=str(self.directory),
            ram_path=str(self.directory),
            monitor_fd=monitor,
            console_log=str(self.directory / "console,log"),
            secret=lambda reference: encrypt(self.passphrase, self.key),
        )

    def domain(self, text: str) -> Domain:
        """The domain with its files, defined."""
        domain = assign(
            postparse(parse(Domain, text.replace("/dir/", f"{self.files}/"), strict=True), self.caps),
            self.caps,
        )
        validate(domain, self.caps)
        return domain

    def start(self, domain: Domain) -> Launched:
        """QEMU up to its greeting."""

        def words(monitor: int) -> list[str]:
            return [self.caps.binary, *argv(compile(domain, self.caps, self.context(monitor)))]

        log, status = self.directory / "log", self.directory / "status"
        command = Command(self.directory, log, status, f"{self.directory}/{MASTER_KEY_FILE}", words)
        started = self.backend.launch(
            command,
            deadline=time.monotonic() + LONG,
            on_event=lambda event: None,
            on_close=lambda cause: None,
        )
        self.launched.append(started)
        return started


@pytest.fixture
def run(backend: RealBackend, real: Capabilities, files: Path, tmp_path: Path) -> Iterator[Run]:
    """A place for one run; whatever was started there is ended in order."""
    made = Run(backend, real, files, tmp_path)
    yield made
    for launched in made.launched:
        launched.monitor.execute("quit", timeout=LONG)
        assert reap(launched.spawned, LONG)


@pytest.mark.parametrize("case", CASES)
def test_qemu_takes_every_golden_domain(case: str, run: Run) -> None:
    """It opens every file, has every device under libvirt's id, and waits to be continued."""
    domain = run.domain((GOLDEN / f"{case}.xml").read_text())
    parts = compile(domain, run.caps, run.context(0))
    launched = run.start(domain)
    assert launched.monitor.execute("query-status", timeout=LONG)["status"] == "prelaunch"
    assert launched.monitor.execute("query-uuid", timeout=LONG)["UUID"] == domain.uuid
    listed = launched.monitor.execute("qom-list", {"path": "/machine/peripheral"}, timeout=LONG)
    made = {entry["name"] for entry in listed if entry["type"].startswith("child<")}
    assert made == {part.id for part in parts if isinstance(part, Device) and part.id}


def test_wrong_passphrase_is_qemus_own_error(run: Run) -> None:
    """The key reaches QEMU: with another one it says so and ends."""
    run.passphrase = b"wrong"
    with pytest.raises(LaunchFailed, match="Invalid password"):
        run.start(run.domain((GOLDEN / "disk-luks.xml").read_text()))


def test_memory_is_where_the_xml_wants_it(run: Run) -> None:
    """A guest with file-backed memory has a file of its size in the directory for such files."""
    run.start(run.domain((GOLDEN / "memory-file.xml").read_text()))
    assert (run.directory / "pc.ram").stat().st_size == 64 << 20


PLUGGED = """\
<domain type='qemu'>
  <name>plug</name>
  <memory unit='MiB'>64</memory>
  <os><type machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>{}<memballoon model='none'/></devices>
</domain>
"""

MORE = {
    "disk": "<disk><source file='/dir/a.raw'/><target dev='vda'/></disk>",
    "encrypted disk": (
        "<disk><driver type='qcow2'/><source file='/dir/luks.qcow2'><encryption format='luks'>"
        "<secret type='passphrase' usage='a'/></encryption></source><target dev='vda'/></disk>"
    ),
    "interface": "<interface type='user'><model type='virtio'/></interface>",
    "rng": "<rng model='virtio'><backend model='builtin'/></rng>",
}


def added(run: Run, xml: str) -> list[Pluggable]:
    """The parts that a domain has more with this device than without, the boot order aside."""
    without, with_ = (compile(run.domain(PLUGGED.format(it)), run.caps, run.context(0)) for it in ("", xml))
    return [part for part in with_ if part not in without and isinstance(part, Pluggable)]


@pytest.mark.parametrize("xml", MORE.values(), ids=MORE.keys())
def test_same_parts_plug_into_a_running_qemu(xml: str, run: Run) -> None:
    """What a device is on the command line is what QMP plugs; what holds no device can be taken out again."""
    launched = run.start(run.domain(PLUGGED.format("")))
    parts = added(run, xml)
    for part in parts:
        name, arguments = plug(part)
        launched.monitor.execute(name, arguments, timeout=LONG)
    listed = launched.monitor.execute("qom-list", {"path": "/machine/peripheral"}, timeout=LONG)
    (device,) = [part for part in parts if isinstance(part, Device)]
    assert device.id in {entry["name"] for entry in listed}


@pytest.mark.parametrize(
    "xml",
    [*MORE.values(), "<serial type='file'><source path='/dir/out'/></serial>"],
    ids=[*MORE.keys(), "serial"],
)
def test_back_ends_unplug_again(xml: str, run: Run) -> None:
    """Everything below the device is added and, in the other direction, removed without a trace."""
    launched = run.start(run.domain(PLUGGED.format("")))
    before = launched.monitor.execute("query-named-block-nodes", timeout=LONG)
    parts = [part for part in added(run, xml) if not isinstance(part, Device)]
    commands = [*map(plug, parts), *map(unplug, reversed(parts))]
    assert [launched.monitor.execute(name, given, timeout=LONG) for name, given in commands]
    assert launched.monitor.execute("query-named-block-nodes", timeout=LONG) == before
