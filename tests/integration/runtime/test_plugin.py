"""Another package adds a driver by its entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from embervirt.errors import InternalError
from guest.domain import SECONDS, reports

PLUGIN = '''
from embervirt.actors.actor import Actor, handles
from embervirt.actors.messages import Request
from embervirt.drivers.driver import Driver, Part


class Greet(Request[str], frozen=True):
    name: str


class Clock(Actor):
    @handles(Greet)
    def greet(self, request):
        if request.name == "nobody":
            raise ZeroDivisionError("a bug")
        return f"hello {request.name} from generation {self.context.generation}"


class Broken(Clock):
    def setup(self):
        raise RuntimeError("no hands")


def open_clock(environment):
    return Part(environment.child("clock", Clock), "its face")


def open_broken(environment):
    return Part(environment.child("broken", Broken))


CLOCK, BROKEN = Driver("clock", open_clock), Driver("broken", open_broken)
'''

USER = """
import json, sys
import embervirt as libvirt
from embervirt.errors import InternalError
from plugged.driver import Greet


def refusal(driver, root):
    try:
        libvirt.open(f"{driver}:///embed?root={root}")
    except libvirt.libvirtError as error:
        return str(error)


broken = refusal("broken", sys.argv[2])
with libvirt.open(f"clock:///embed?root={sys.argv[1]}") as conn:
    first = conn.root.call("clock", Greet("you"))
    try:
        conn.root.call("clock", Greet("nobody"))
    except libvirt.libvirtError as error:
        code = error.get_error_code()
    second = conn.root.call("clock", Greet("again"))
    children = [each.id for each in conn.root.tree().children[2].children]
    face = conn.root.part("clock").face
    refused = refusal("broken", sys.argv[1])
    third = conn.root.call("clock", Greet("you"))
unknown = refusal("cloud", sys.argv[1])
names = ("first", "second", "third", "code", "children", "face", "broken", "refused", "unknown")
print(json.dumps({name: globals()[name] for name in names}))
"""


def test_a_driver_of_another_package_is_found_and_supervised(tmp_path: Path) -> None:
    """By its entry point: it answers, its crash reaches the caller typed, and its successor answers again.

    A driver that cannot start is an error, leaves nothing of a fresh root and does not disturb an open one.
    """
    site = tmp_path / "site"
    (site / "plugged").mkdir(parents=True)
    (site / "plugged/__init__.py").write_text("")
    (site / "plugged/driver.py").write_text(PLUGIN)
    info = site / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    points = "clock = plugged.driver:CLOCK\nbroken = plugged.driver:BROKEN\n"
    (info / "entry_points.txt").write_text("[embervirt.drivers]\n" + points)
    env = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", USER, str(tmp_path / "root"), str(tmp_path / "new/root")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    said = reports(done.stdout)
    assert said["first"] == "hello you from generation 1"
    assert said["code"] == InternalError.code
    assert said["second"] == "hello again from generation 2"
    assert (said["children"], said["face"]) == (["clock"], "its face")
    assert "broken, clock, network, qemu, secret" in str(said["unknown"])
    assert "no hands" in str(said["broken"]) and "no hands" in str(said["refused"])
    assert said["third"] == "hello you from generation 2"
    assert not (tmp_path / "new").exists()
