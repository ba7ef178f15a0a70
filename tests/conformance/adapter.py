"""This project as a candidate of the conformance suite: a function for a corpus, on one root for all cases.

``run.py --cmd adapter --path tests/conformance``: a case's input goes in, what libvirt would answer comes
out, with ``@ROOT@`` for the root's path; a refusal is the library's own error. No guest is ever started.
"""

from __future__ import annotations

import atexit
import functools
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import firewalls  # type: ignore[import-not-found]  # beside this file, which run.py puts on the path

import embervirt as libvirt
from embervirt.drivers.network.nwfilter.model import FilterRef, Parameter
from embervirt.drivers.network.nwfilter.reading import read_filter
from embervirt.drivers.network.nwfilter.tree import Interface, instantiate
from embervirt.drivers.network.reading import read_network
from embervirt.drivers.network.render import dnsmasq
from embervirt.drivers.network.updating import COMMANDS, SECTIONS, changed
from embervirt.drivers.storage.images import Keys, create
from embervirt.drivers.storage.images.pools import start
from embervirt.drivers.storage.postparse import shown
from embervirt.drivers.storage.reading import read_pool, read_volume
from embervirt.drivers.xml import render

LEAVE = (
    libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
    | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
)
COMMON = ("LC_ALL", "PATH", "HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
"""Variables that every command line has, and that no case is about."""

SECRET_KINDS = {"passphrase": "volume"}
SECRET_TAGS = {"ceph": "name", "iscsi": "target", "vtpm": "name", "tls": "name"}
VALUE = b"AQCVn5hO6HzFAhAAq0NCv8jtJcIcE+HOBlMQ1A"

DNSMASQ = "/var/lib/libvirt/dnsmasq"
TAP = Interface("vnet0", "00:11:22:33:44:55")
LISTS = {
    "A": ("1.1.1.1", "2.2.2.2", "3.3.3.3", "3.3.3.3"),
    "B": ("80", "90", "80", "80"),
    "C": ("1080", "1090", "1100", "1110"),
}
"""Variables that libvirt's own test gives to every filter; a case has only the filter."""

_made: set[str] = set()


@functools.cache
def _root() -> Path:
    made = Path(tempfile.mkdtemp(prefix="conformance-"))
    atexit.register(shutil.rmtree, made, True)
    return made


@functools.cache
def _conn() -> libvirt.virConnect:
    conn = libvirt.open(f"qemu:///embed?root={_root()}")
    atexit.register(conn.close)
    return conn


def _hidden(text: str) -> str:
    return text.replace(str(_root()), "@ROOT@")


def prepare(needs: Mapping[str, Any]) -> None:
    """Make the secrets that a case's domain names, with any value; an impossible one is left out."""
    for secret in needs.get("secrets", []):
        if str(secret) not in _made:
            _made.add(str(secret))
            _make_secret(secret)


def _make_secret(secret: Mapping[str, str]) -> None:
    kind = SECRET_KINDS.get(secret["type"], secret["type"])
    tag = SECRET_TAGS.get(kind, kind)
    usage = f"<usage type='{kind}'><{tag}>{escape(secret.get('usage', ''))}</{tag}></usage>"
    body = f"<uuid>{secret['uuid']}</uuid>" if "uuid" in secret else usage
    try:
        _conn().secretDefineXML(f"<secret ephemeral='no' private='no'>{body}</secret>").setValue(VALUE)
    except libvirt.libvirtError as error:
        print(f"secret {secret} cannot be made: {error}")  # noqa: T201 - a negative case may want just that


def domain_argv(xml: str) -> list[str]:
    """What ``domainXMLToNative`` gives: the variables that not every command line has, and the arguments."""
    words = shlex.split(_hidden(_conn().domainXMLToNative("qemu-argv", xml)))
    return [word for word in words if word.partition("=")[0] not in COMMON]


def domain_xml(xml: str) -> str:
    """The inactive XML of a domain that was defined so."""
    domain = _conn().defineXML(xml)
    try:
        return _hidden(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
    finally:
        domain.undefineFlags(LEAVE)


domain_define = generic_xml = domain_xml


def domain_reject(xml: str) -> list[str]:
    """Refused when it is defined or, failing that, when its command line is built."""
    domain_xml(xml)
    return domain_argv(xml)


generic_reject = domain_reject


def domaincaps(question: Mapping[str, Any]) -> str:
    """What domains of an emulator, architecture, machine and type can have."""
    words = (question["emulator"], question["arch"], question["machine"], question["virttype"])
    return _hidden(_conn().getDomainCapabilities(*words))


def secret_xml(xml: str) -> str:
    """The XML of a secret that was defined so."""
    secret = _conn().secretDefineXML(xml)
    try:
        return secret.XMLDesc()
    finally:
        secret.undefine()


def pool_xml(xml: str) -> str:
    """The XML of a pool that was defined so; pure, for not every kind is run."""
    return render(read_pool(xml))


def vol_xml(case: Mapping[str, Any]) -> str:
    """The XML of a volume of a pool, as it was read."""
    return render(shown(read_volume(case["vol"], read_pool(case["pool"]))))


def vol_argv(case: Mapping[str, Any]) -> list[list[str]]:
    """What qemu-img is told to make a volume, from another when the case has one."""
    given, source = case.get("input_vol"), None
    if given:
        source = read_volume(given, read_pool(case["input_pool"] or case["pool"]))
    volume = read_volume(case["vol"], read_pool(case["pool"]), clone=bool(given))
    keys = Keys("/path/to/secretFile", "/path/to/inputSecretFile")
    return create(volume, source=source, metadata=case["prealloc_metadata"], keys=keys)


def pool_argv(xml: str) -> list[list[str]]:
    """What is run to start a pool."""
    return start(read_pool(xml))


def network_xml(xml: str) -> str:
    """The XML of a network, as it was read; pure, for not every kind can be run here."""
    return render(read_network(xml))


def network_update(case: Mapping[str, Any]) -> str:
    """The XML of a network after one change; as in libvirt's own test, only the change itself is checked."""
    command, section = COMMANDS[case["command"]], SECTIONS[case["section"]]
    network = read_network(case["network"])
    return render(changed(network, command, section, case["parent_index"], case["update"]))


def network_conf(xml: str) -> str:
    """dnsmasq.conf of a network."""
    network = read_network(xml)
    files = (f"{DNSMASQ}/{network.name}.{kind}" for kind in ("hostsfile", "addnhosts"))
    return dnsmasq.configuration(network, *files)


def network_firewall(xml: str | None) -> list[list[str]]:
    """A network's rules, or without one the chains that they hang on, as libvirt's commands."""
    found: list[list[str]]
    found = firewalls.network_commands(read_network(xml)) if xml else firewalls.base_chains()
    return found


def nwfilter_xml(xml: str) -> str:
    """The XML of a filter, as it was read."""
    return render(read_filter(xml))


def nwfilter_firewall(xml: str) -> list[list[str]]:
    """A filter's rules for a guest's tap, as libvirt's commands."""
    given = read_filter(xml)
    parameters = tuple(Parameter(name=name, value=each) for name, found in LISTS.items() for each in found)
    reference = FilterRef(filter=given.name, parameters=parameters)
    rules = instantiate(reference, TAP, {given.name: given}.get)
    found: list[list[str]] = firewalls.filter_commands(rules, TAP.tap)
    return found
