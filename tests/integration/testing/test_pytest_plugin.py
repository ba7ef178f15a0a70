"""What the pytest plugin promises, seen in a pytest run of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from embervirt.testing.cleanup import of_root

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "testing.md"
LIFE = '''
import embervirt
from embervirt.testing import waits

XML = """<domain type='qemu'><name>a</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""

def test_life(embervirt_connection, embervirt_root, fake_qemu):
    domain = embervirt_connection.defineXML(XML)
    domain.create()
    assert domain.state() == [embervirt.VIR_DOMAIN_RUNNING, embervirt.VIR_DOMAIN_RUNNING_BOOTED]
    assert fake_qemu.commands("a")[-1] == "cont"
    assert embervirt_connection.root.paths.path == embervirt_root

def test_each_test_has_its_own(embervirt_connection, fake_qemu):
    assert embervirt_connection.listAllDomains() == []
    assert fake_qemu.log() == []
'''
LEAVES = f"""
import os, threading
import embervirt
from pathlib import Path
{LIFE.split("def ", maxsplit=1)[0]}
def uri(root):
    return f"qemu:///embed?root={{root}}"

def test_leaves_real_and_fake_ones(embervirt_root, fake_qemu, tmp_path):
    Path(os.environ["ROOT"]).write_text(str(embervirt_root))
    with embervirt.open(uri(embervirt_root)) as conn:
        conn.createXML(XML)
    settings = {{"qemu.emulator": str(fake_qemu.emulator)}}
    with embervirt.open(uri(embervirt_root), settings=settings) as conn:
        conn.createXML(XML.replace("<name>a", "<name>b"))
        fake_qemu.on("SIGTERM", waits(1000))

def test_leaves_a_connection(embervirt_root, fake_qemu):
    global conn
    conn = embervirt.open(uri(embervirt_root), settings={{"qemu.emulator": str(fake_qemu.emulator)}})
    conn.createXML(XML)

def test_left_nothing(embervirt_root):
    import psutil
    assert psutil.Process().children(recursive=True) == []
    assert not os.path.exists(Path(os.environ["ROOT"]).read_text())
    for thread in set(threading.enumerate()) - {{threading.current_thread()}}:
        thread.join(60)  # one that has told its end
    assert threading.active_count() == 1
"""
LIGHT = """
import sys

def test_light():
    heavy = {"zmq", "pykka", "lxml", "psutil", "msgspec", "embervirt.runtime", "embervirt.testing.fake"}
    assert heavy & set(sys.modules) == set()
"""


def run(folder: Path, module: str, *options: str) -> str:
    """What pytest says of that test module, with no plugin but ours."""
    (folder / "test_planted.py").write_text(module)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    env = {
        "PATH": "/usr/bin:/bin",
        "ROOT": str(folder / "root-of-the-test"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command += ["-p", "embervirt.testing.plugin", *options, str(folder)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


def test_it_is_found_by_its_entry_point(tmp_path: Path) -> None:
    """Its fixtures are there in every pytest run, each with a line that says what it is."""
    command = [sys.executable, "-m", "pytest", "--fixtures", "-q", str(tmp_path)]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    for name in ("fake_qemu", "embervirt_root", "embervirt_connection"):
        assert f"\n{name}" in said


def test_a_life_in_the_fake_qemu(tmp_path: Path) -> None:
    """Root, emulator and connection fit together, and are new for each test."""
    assert "2 passed" in run(tmp_path, LIFE)


def test_the_example_of_the_documentation_runs(tmp_path: Path) -> None:
    """As it stands there."""
    [example] = re.findall(
        r"^```python\n(import queue.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL
    )
    assert "4 passed" in run(tmp_path, example)


def test_what_a_test_leaves_is_ended(tmp_path: Path) -> None:
    """Guests that still run, real or fake, and their recorders are gone, and the root with them."""
    assert "3 passed" in run(tmp_path, LEAVES)
    root = Path((tmp_path / "root-of-the-test").read_text())
    assert of_root(root) == {}


def test_it_costs_next_to_nothing_until_it_is_used(tmp_path: Path) -> None:
    """Nothing heavy is imported for a run that uses no fixture."""
    assert "1 passed" in run(tmp_path, LIGHT)
