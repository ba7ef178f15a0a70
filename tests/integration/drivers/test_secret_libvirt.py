"""Secrets of a root that the real libvirt 9 made, and the other way round."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import peer
from embervirt.actors.fence import Fence
from embervirt.actors.table import Table
from embervirt.drivers.root.paths import RootPaths
from embervirt.drivers.secret.backend.keys import KeyFile
from embervirt.drivers.secret.backend.vault import Vault
from embervirt.drivers.secret.reading import read_secret
from embervirt.drivers.secret.service import SecretService
from embervirt.drivers.secret.store import Disk, Memory
from embervirt.drivers.secret.tables import SecretRow
from embervirt.drivers.secret.value import SecretValue

UUID = "00000000-0000-0000-0000-00000000000"
SECRETS = {
    f"<secret><uuid>{UUID}1</uuid><usage type='ceph'><name>a&amp;&lt;'\u00e9</name></usage></secret>": "one",
    f"<secret><uuid>{UUID}2</uuid><description> two\n lines </description></secret>": "",
    f"<secret><uuid>{UUID}3</uuid><usage type='volume'><volume>/dev/x</volume></usage></secret>": "three",
    f"<secret><uuid>{UUID}4</uuid><usage type='iscsi'><target>t</target></usage></secret>": "four",
    f"<secret><uuid>{UUID}5</uuid><usage type='tls'><name>t</name></usage></secret>": "",
    f"<secret><uuid>{UUID}6</uuid><usage type='vtpm'><name>t</name></usage></secret>": "six",
}
LIBVIRT = """
import json, sys, libvirt
libvirt.registerErrorHandler(lambda context, error: None, None)
libvirt.virEventRegisterDefaultImpl()
connection = libvirt.open("secret:///embed?root=" + sys.argv[1])
for xml, value in json.loads(sys.argv[2]).items():
    secret = connection.secretDefineXML(xml)
    if value:
        secret.setValue(value.encode())
print(json.dumps({s.UUIDString(): s.XMLDesc() for s in connection.listAllSecrets()}))
"""


def libvirt(root: Path, make: dict[str, str]) -> dict[str, str]:
    """Make secrets in a root with libvirt 9; the XML of all that it then has."""
    command = [peer.PYTHON, "-c", LIBVIRT, str(root), json.dumps(make)]
    if lacks := peer.lacks():
        pytest.skip(lacks)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def ours(root: Path) -> tuple[SecretService, Table[str, SecretRow]]:
    """Our driver's service over the same root."""
    etc = RootPaths(root).secrets_etc
    etc.mkdir(parents=True, exist_ok=True)
    table: Table[str, SecretRow] = Table()
    fence = Fence("secret", 1)
    service = SecretService(
        Disk(etc, Vault(etc, KeyFile(etc / "master.key"), fence), fence), Memory(), table, fence
    )
    service.load()
    return service, table


def test_a_root_of_libvirts_opens_with_all_its_values(tmp_path: Path) -> None:
    """The same XML to the byte; afterwards no base64 is left, and libvirt still reads the definitions."""
    theirs = libvirt(tmp_path, SECRETS)
    service, table = ours(tmp_path)
    assert {row.uuid: row.xml for row in table.values()} == theirs
    for number, value in enumerate(SECRETS.values(), 1):
        if value:
            assert service.get_value(f"{UUID}{number}").reveal() == value.encode()
    assert not list(tmp_path.rglob("*.base64"))
    assert libvirt(tmp_path, {}) == theirs


def test_a_root_of_ours_opens_in_libvirt(tmp_path: Path) -> None:
    """It reads the same definitions, and files on disk equal those it would write."""
    service, table = ours(tmp_path)
    for xml, value in SECRETS.items():
        row = service.define(read_secret(xml))
        service.set_value(row.uuid, SecretValue(value.encode()))
    assert libvirt(tmp_path, {}) == {row.uuid: row.xml for row in table.values()}
    libvirt(tmp_path / "theirs", SECRETS)
    for file in (tmp_path / "theirs/etc/secrets").glob("*.xml"):
        assert (tmp_path / "etc/secrets" / file.name).read_bytes() == file.read_bytes()


def test_a_value_that_libvirt_set_later_is_the_one(tmp_path: Path) -> None:
    """A root may change hands more than once."""
    xml = f"<secret><uuid>{UUID}1</uuid></secret>"
    service, _ = ours(tmp_path)
    service.define(read_secret(xml))
    service.set_value(f"{UUID}1", SecretValue(b"ours"))
    libvirt(tmp_path, {xml: "theirs"})
    service, _ = ours(tmp_path)
    assert service.get_value(f"{UUID}1").reveal() == b"theirs"
