"""Whatever a domain's XML says: a libvirtError, or a domain that QEMU starts; and nothing stays of either.

``HOSTILE_EXAMPLES`` is the number of mutations of each family (a few by default, for they start real guests);
``HOSTILE_SEED`` another seed than that of every other run.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

import embervirt as libvirt
from embervirt.libvirt.connect import virConnect
from guest.calls import guests
from guest.domain import opened, qemus, wait_until
from guest.namespace import apart
from hostile import seeds
from hostile.containment import contained
from hostile.examples import examples
from hostile.files import make
from hostile.mutations import mutated

EXAMPLES = examples(6)
SEED = os.environ.get("HOSTILE_SEED", "1")
SECONDS = 45.0
"""For one example: QEMU's start, which may end at its time limit, and all around it."""

MEMORY = 4 << 30
"""Bytes of address space: a guest that asks for more is QEMU's own error, and not the host's end."""

LEAVE = (
    libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
)
KEPT = {"driver.pid", "autostarted", "ram", "nvram"}
"""In run/ and lib/, whatever ran."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the seeds' files."""
    made = tmp_path_factory.mktemp("hostile")
    make(made)
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the driver; a start that hangs in QEMU ends soon."""
    made = tmp_path_factory.mktemp("h") / "root"
    (made / "etc").mkdir(parents=True)
    (made / "etc/embervirt.toml").write_text("[qemu]\nstart_timeout = 15.0\n")
    return made


@pytest.fixture(scope="module")
def conn(root: Path) -> Iterator[virConnect]:
    """Open, away from the machine's networks, with little memory for it and its guests."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    try:
        with apart(), opened(root) as made:
            yield made
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def tried(conn: virConnect, text: str) -> str:
    """What became of it: ``refused``, ``not started``, ``started``. Any other exception is the test's end."""
    try:
        domain = conn.defineXML(text)
    except libvirt.libvirtError as error:
        assert error.get_error_code() is not None and error.get_error_message()
        return "refused"
    try:
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
        again = conn.defineXML(xml).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
        assert unordered(again) == unordered(xml)
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    except libvirt.libvirtError:
        return "not started"
    else:
        assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
        domain.XMLDesc(0)
        domain.destroy()
        return "started"
    finally:
        domain.undefineFlags(LEAVE)


def unordered(xml: str) -> list[bytes]:
    """All elements: as with libvirt, one that is read again may have its controllers in another order."""
    tree = etree.fromstring(xml)
    listed = [kid for node in tree for kid in (node if node.tag == "devices" else [node])]
    return sorted(etree.tostring(kid, with_tail=False) for kid in listed)


def left(root: Path) -> set[str]:
    """Files of a run, definitions and processes that are still there."""
    found = {
        str(path.relative_to(root))
        for name in ("run/qemu", "lib/qemu", "etc/qemu")
        for path in (root / name).rglob("*")
        if path.name not in KEPT and not (path.is_dir() and not name.startswith(("run", "lib")))
    }
    return found - {"etc/qemu/autostart", "etc/qemu/networks"} | {str(pid) for pid in qemus(root)}


def owners(place: Path) -> dict[str, tuple[int, int, int]]:
    """Who has the files, and who may use them."""
    found = {name: (place / name).stat() for name in seeds.FILES}
    return {name: (each.st_uid, each.st_gid, each.st_mode) for name, each in found.items()}


@pytest.mark.timeout(120 + EXAMPLES * 45)
@pytest.mark.parametrize("family", seeds.FAMILIES)
def test_mutations_end_in_an_error_or_a_guest(family: str, conn: virConnect, root: Path, place: Path) -> None:
    """Every mutation is refused, also by QEMU, or starts; in time; no file, process or owner changes."""
    owned, became = owners(place), {"refused": 0, "not started": 0, "started": 0}
    for number in range(EXAMPLES):
        chance = random.Random(f"{SEED}/{family}/{number}")
        text = contained(mutated(chance.choice(seeds.FAMILIES[family]), chance, most=3), place)
        begun = time.monotonic()
        became[tried(conn, text)] += 1
        assert time.monotonic() - begun < SECONDS, text
        wait_until(lambda: guests(conn) == [])
        assert left(root) == set(), text
        assert conn.listAllDomains() == [], text
        assert owners(place) == owned, text
    print(family, became)  # noqa: T201 - what a run of many has seen


@pytest.mark.timeout(300)
@pytest.mark.parametrize("family", [name for name in seeds.FAMILIES if name != "refused"])
def test_seeds_themselves_are_defined(family: str, conn: virConnect, place: Path) -> None:
    """What is mutated is valid: each seed can be defined."""
    for text in seeds.FAMILIES[family]:
        domain = conn.defineXML(contained(text, place))
        assert domain.isPersistent()
        domain.undefineFlags(LEAVE)
