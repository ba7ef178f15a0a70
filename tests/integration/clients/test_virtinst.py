"""virt-install, virt-xml and virt-clone as Debian has them, with embervirt in libvirt's place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import uri

PYTHON = "/usr/bin/python3"
SECONDS = 200
Run = Callable[..., str]


def why_not() -> str:
    """Why they cannot run here; empty when they can."""
    if shutil.which("virt-install") is None:
        return "virt-install is not installed"
    asked = [PYTHON, "-c", "import sys; print(*sys.version_info[:2])"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    ours = [str(number) for number in sys.version_info[:2]]
    return (
        ""
        if version == ours
        else f"{PYTHON} is {'.'.join(version)}, so it cannot load what is built for ours"
    )


pytestmark = [pytest.mark.skipif(bool(why_not()), reason=why_not()), pytest.mark.timeout(900)]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs one of them on the root of the test; what it said. No guest is left."""
    (tmp_path / "libvirt.py").write_text("import sys, embervirt\nsys.modules['libvirt'] = embervirt\n")
    path = [str(tmp_path), str(Path(libvirt.__file__).parents[1]), sysconfig.get_path("purelib")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "HOME": str(tmp_path)}

    def run(program: str, *arguments: str) -> str:
        command = [PYTHON, f"/usr/bin/{program}", "--connect", uri(tmp_path / "root"), *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield run
    with libvirt.open(uri(tmp_path / "root")) as conn:
        for domain in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            domain.destroy()


PLAIN = ("--memory", "64", "--import", "--virt-type", "qemu", "--osinfo", "linux2020", "--noautoconsole")
"""A guest without an installer under TCG."""


def test_a_guest_is_installed_changed_and_cloned(run: Run, tmp_path: Path) -> None:
    """Its disk is made in a pool; it runs on when the program ends, and the next one finds it."""
    (tmp_path / "images").mkdir()
    disk = f"path={tmp_path}/images/a.qcow2,size=0.1,format=qcow2"
    graphics = ("--graphics", "vnc", "--network", "user")
    assert "creation completed" in run("virt-install", "--name", "a", "--disk", disk, *graphics, *PLAIN)
    with libvirt.open(uri(tmp_path / "root")) as conn:
        domain = conn.lookupByName("a")
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        assert conn.storagePoolLookupByName("images").listVolumes() == ["a.qcow2"]
    assert "defined successfully" in run("virt-xml", "a", "--edit", "--memory", "96", "--define")
    with libvirt.open(uri(tmp_path / "root")) as conn:
        domain = conn.lookupByName("a")
        domain.destroy()
        assert domain.maxMemory() == 96 << 10
    assert "'b' created successfully" in run("virt-clone", "-o", "a", "-n", "b", "--auto-clone")
    with libvirt.open(uri(tmp_path / "root")) as conn:
        assert sorted(domain.name() for domain in conn.listAllDomains()) == ["a", "b"]
        pool = conn.storagePoolLookupByName("images")
        assert sorted(pool.listVolumes()) == ["a.qcow2", "b.qcow2"]
        xml = conn.lookupByName("b").XMLDesc()
        assert f"file='{tmp_path}/images/b.qcow2'" in xml
        assert xml.count("52:54:00:") == 1 and conn.lookupByName("a").XMLDesc().count("52:54:00:") == 1
        assert conn.lookupByName("b").create() == 0
        conn.lookupByName("b").destroy()


def test_devices_come_and_go_while_the_guest_runs(run: Run, tmp_path: Path) -> None:
    """virt-xml plugs and changes what it is told to, in the guest and in its definition."""
    plain = ("--disk", "none", "--graphics", "none", "--network", "none")
    run("virt-install", "--name", "a", "--machine", "pc", *plain, *PLAIN)
    assert "hotplug successful" in run("virt-xml", "a", "--add-device", "--rng", "/dev/random", "--update")
    run("virt-xml", "a", "--edit", "--metadata", "title=changed", "--define")
    with libvirt.open(uri(tmp_path / "root")) as conn:
        domain = conn.lookupByName("a")
        live, stored = domain.XMLDesc(), domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert live.count("<backend model='random'>/dev/random</backend>") == 1
    assert stored.count("<backend model='random'>/dev/random</backend>") == 1
    assert "<title>changed</title>" in stored
