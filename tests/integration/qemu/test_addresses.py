"""Addresses beside the installed libvirt 9: what its answers in the golden file are, and ours to new sets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import peer
from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.backend import probe
from embervirt.drivers.qemu.backend.monitor import MonitorLoop
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import parse, render
from embervirt.errors import libvirtError
from unit.drivers.qemu.addresses.sets import GOLDEN, SEEDS, TABLE, DeviceSet, answer, random_set, refusal

NEW = range(100_000, 100_120)
LIBVIRT = """
import json, os, sys, threading, libvirt
libvirt.registerErrorHandler(lambda context, error: None, None)
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)], daemon=True).start()
connection = libvirt.open("qemu:///embed?root=" + sys.argv[1])
for xml in json.load(sys.stdin):
    try:
        domain = connection.defineXML(xml)
        print(json.dumps(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)), flush=True)
        domain.undefine()
    except libvirt.libvirtError as error:
        print(json.dumps(error.get_error_code()), flush=True)
os._exit(0)
"""
Ask = Callable[[list[DeviceSet]], list[list[str]]]


@pytest.fixture
def libvirt(tmp_path: Path) -> Ask:
    """Asks an embedded libvirt 9 for its answers; it needs an init that reaps, or its probes hang."""
    if not shutil.which("tini"):
        pytest.skip("needs tini: libvirt's probes of QEMU hang where nobody reaps orphans")
    if lacks := peer.lacks(qemu=True):
        pytest.skip(lacks)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/qemu.conf").write_text('user = "root"\ngroup = "root"\n')

    def ask(sets: list[DeviceSet]) -> list[list[str]]:
        done = subprocess.run(
            ["tini", "-s", "--", peer.PYTHON, "-c", LIBVIRT, str(tmp_path)],
            input=json.dumps([each.xml for each in sets]),
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        )
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return [refusal(each) if isinstance(each, int) else answer(each) for each in found]

    return ask


@pytest.fixture(scope="module")
def caps() -> Capabilities:
    """Of the QEMU that libvirt asks too."""
    with MonitorLoop() as loop:
        return probe.probe("/usr/bin/qemu-system-x86_64", loop)


def ours(each: DeviceSet, caps: Capabilities) -> list[str]:
    """Our answer."""
    try:
        domain = assign(postparse(parse(Domain, each.xml), caps), caps)
        validate(domain, caps)
    except libvirtError as error:
        return refusal(error.get_error_code() or 0)
    return answer(render(domain))


def test_the_golden_answers_are_those_of_the_installed_libvirt(
    libvirt: Ask, request: pytest.FixtureRequest
) -> None:
    """The file by which the rules are held without libvirt says what libvirt says."""
    sets = [*TABLE, *map(random_set, SEEDS)]
    rows = [
        {"machine": each.machine, "devices": each.devices, "answer": said}
        for each, said in zip(sets, libvirt(sets), strict=True)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if request.config.getoption("--rewrite-golden"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_new_random_sets_are_placed_as_the_installed_libvirt_places_them(
    libvirt: Ask, caps: Capabilities
) -> None:
    """Sets that are in no file get the same addresses, controllers and hubs, or the same refusal."""
    sets = [random_set(seed) for seed in NEW]
    for each, said in zip(sets, libvirt(sets), strict=True):
        assert ours(each, caps) == said, f"{each.machine}: {each.devices}"
