"""Where everything of a root lives, and every name that is derived from the root.

The layout is that of libvirt 9's embedded driver, so that either opens what the other defined.
"""

from __future__ import annotations

import hashlib
import os
import string
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from embervirt.errors import ConfigUnsupported, InvalidArgument

SHORT_NAME = 20
"""Characters of a guest's name that go into paths (libvirt's ``virDomainDefGetShortName``)."""

MACHINE_NAME = 64
"""Longest machine name systemd takes, in bytes; it is a host name."""

_HOST_NAME = frozenset(string.ascii_letters + string.digits)


@dataclass(frozen=True)
class RootPaths:
    """Every path under one root. ``path`` becomes the real path: any spelling of a directory is one root.

    Raises ConfigUnsupported (67, as libvirt) for a relative path.
    """

    path: Path

    def __post_init__(self) -> None:
        if not self.path.is_absolute():
            raise ConfigUnsupported(f"root path must be absolute, like /some/directory: '{self.path}' is not")
        object.__setattr__(self, "path", Path(os.path.realpath(self.path)))

    # Definitions and settings: what the user said.

    @property
    def qemu_etc(self) -> Path:
        """Guests as defined: ``NAME.xml``."""
        return self.path / "etc/qemu"

    @property
    def qemu_autostart(self) -> Path:
        """Symbolic links to the guests that start with the driver."""
        return self.path / "etc/qemu/autostart"

    @property
    def networks_etc(self) -> Path:
        """Networks as defined: ``NAME.xml``."""
        return self.path / "etc/qemu/networks"

    @property
    def networks_autostart(self) -> Path:
        """Symbolic links to the networks that start with the driver."""
        return self.networks_etc / "autostart"

    @property
    def tls(self) -> Path:
        """Certificates of this host for QEMU's connections, named as libvirt has them (``ca-cert.pem``)."""
        return self.path / "etc/pki/qemu"

    @property
    def secrets_etc(self) -> Path:
        """Secrets: ``UUID.xml`` and their encrypted values."""
        return self.path / "etc/secrets"

    @property
    def storage_etc(self) -> Path:
        """Storage pools as defined: ``NAME.xml``."""
        return self.path / "etc/storage"

    @property
    def storage_autostart(self) -> Path:
        """Symbolic links to the pools that start with the driver."""
        return self.path / "etc/storage/autostart"

    @property
    def settings_file(self) -> Path:
        """embervirt's own settings."""
        return self.path / "etc/embervirt.toml"

    @property
    def qemu_conf(self) -> Path:
        """Libvirt's settings of its QEMU driver."""
        return self.path / "etc/qemu.conf"

    # State, logs, caches.

    @property
    def qemu_run(self) -> Path:
        """Of running guests: pid files, live status, sockets. Void after a reboot."""
        return self.path / "run/qemu"

    @property
    def secrets_run(self) -> Path:
        """Holds libvirt's lock of its secret driver only."""
        return self.path / "run/secrets"

    @property
    def storage_run(self) -> Path:
        """Of active pools, and of programs that work on volumes. Void after a reboot."""
        return self.path / "run/storage"

    @property
    def networks_run(self) -> Path:
        """Of active networks, and of their ports. Void after a reboot."""
        return self.path / "run/network"

    @property
    def ports(self) -> Path:
        """Sockets of guests on networks without privilege: a short path, for an address holds 107 bytes."""
        return self.path / "run/ports"

    @property
    def dnsmasq(self) -> Path:
        """Configuration and leases of the networks' DHCP and name servers."""
        return self.path / "lib/dnsmasq"

    @property
    def networks_log(self) -> Path:
        """What those servers print: ``NAME.log``."""
        return self.path / "log/network"

    @property
    def qemu_lib(self) -> Path:
        """Guests' own files: domain directories, memory, save images."""
        return self.path / "lib/qemu"

    def managed_save(self, name: str) -> Path:
        """Where libvirt keeps the memory of a guest that is to go on with it at its next start."""
        return below(self.qemu_lib / "save", f"{name}.save")

    @property
    def nvram(self) -> Path:
        """Variables of guests' firmware: ``NAME_VARS.fd``."""
        return self.qemu_lib / "nvram"

    def snapshots(self, name: str) -> Path:
        """Directory of libvirt's descriptions of a guest's snapshots."""
        return self.qemu_lib / "snapshot" / name

    def checkpoints(self, name: str) -> Path:
        """Directory of libvirt's descriptions of a guest's checkpoints."""
        return self.qemu_lib / "checkpoint" / name

    @property
    def autostarted(self) -> Path:
        """Says that the guests which start with the host were started; libvirt's is empty."""
        return self.qemu_run / "autostarted"

    @property
    def dumps(self) -> Path:
        """Images of the memory of guests that crashed."""
        return self.qemu_lib / "dump"

    @property
    def qemu_log(self) -> Path:
        """What QEMU and the guests' consoles print: ``NAME.log``."""
        return self.path / "log/qemu"

    def console_log(self, name: str) -> Path:
        """What the guest's first serial port says in its current run."""
        return below(self.qemu_log, f"{name}.console")

    @property
    def qemu_cache(self) -> Path:
        """Capabilities of QEMU binaries; may be deleted at any time."""
        return self.path / "cache/qemu"

    @property
    def own_lib(self) -> Path:
        """Files that only embervirt has: the journal of events."""
        return self.path / "lib/embervirt"

    @property
    def owners(self) -> Path:
        """Whose the files were that QEMU's user has; there only while it has some."""
        return self.own_lib / "owners.json"

    @property
    def leases(self) -> Path:
        """Which guest uses which image; there only while one does."""
        return self.own_lib / "leases.json"

    @property
    def lock_file(self) -> Path:
        """The root's ``flock``, with a description of its owner."""
        return self.path / "run/embervirt.lock"

    @property
    def gateway_socket(self) -> Path:
        """Where other processes reach the bus, in a directory of its own."""
        return self.path / "run/embervirt/bus.sock"

    @property
    def gateway_key(self) -> Path:
        """The gateway's secret CURVE key, if the settings name no other file."""
        return self.path / "etc/gateway.key"

    @property
    def gateway_clients(self) -> Path:
        """Public CURVE keys of those who may connect, if the settings name no other file."""
        return self.path / "etc/gateway.clients"

    @property
    def libvirt_locks(self) -> tuple[Path, Path]:
        """The files libvirt's embedded QEMU and secret drivers lock."""
        return self.qemu_run / "driver.pid", self.secrets_run / "driver.pid"

    @property
    def directories(self) -> tuple[Path, ...]:
        """What must exist before a driver starts."""
        return (
            *(self.qemu_etc, self.qemu_autostart, self.networks_etc, self.secrets_etc),
            *(self.storage_etc, self.storage_autostart, self.storage_run),
            *(self.networks_autostart, self.networks_run, self.dnsmasq, self.networks_log),
            *(self.qemu_run, self.secrets_run, self.qemu_lib, self.qemu_log, self.qemu_cache, self.own_lib),
        )

    # Names derived from the root.

    @cached_property
    def hash8(self) -> str:
        """First 8 hex digits of SHA-256 of the real path: tells two roots apart on shared ground."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:8]

    def machine_name(self, id: int, name: str) -> str:
        """``qemu-embed-HASH-ID-NAME``, reduced to a legal host name of at most 64 bytes."""
        return (f"qemu-embed-{self.hash8}-{id}-" + _host_name(name))[:MACHINE_NAME].rstrip("-.")

    def domain_dir(self, id: int, name: str) -> Path:
        """Directory of one run of a guest: its monitor socket and master key."""
        return below(self.qemu_lib, f"domain-{id}-{short_name(name)}")

    def passt_dir(self, id: int) -> Path:
        """Of the sockets of one run's passts: a short path, for a socket's has 107 bytes."""
        return below(self.qemu_run / "passt", str(id))

    def ram_path(self, id: int, name: str, memory_backing_dir: str | None) -> Path:
        """Directory of the files that back a guest's memory.

        In the root the plain name is enough. Elsewhere other roots may be at work: the name carries the hash.
        """
        plain = f"{id}-{short_name(name)}"
        if memory_backing_dir is None:
            return below(self.qemu_lib / "ram", plain)
        shared = Path(memory_backing_dir, "libvirt/qemu")
        inside = Path(os.path.realpath(memory_backing_dir)).is_relative_to(self.path)
        return shared / (plain if inside else f"qemu-embed-{self.hash8}-{plain}")


@lru_cache(maxsize=2048)
def below(directory: Path, name: str) -> Path:
    """``directory / name``, made once of what is asked for over and over: see ``supervisor.proc``."""
    return directory / name


def short_name(name: str) -> str:
    """At most 20 characters of ``name``, cut between characters, never inside one's bytes.

    Raises InvalidArgument for a name that cannot be part of a file name.
    """
    if not name or "/" in name or "\0" in name:
        raise InvalidArgument(f"name {name!r} cannot be a file name: expected text without '/' and NUL")
    return name[:SHORT_NAME]


def _host_name(name: str) -> str:
    """``name`` without what no host name has: other characters, leading and repeated '-' or '.'."""
    kept = ""
    for character in name:
        if character in _HOST_NAME or (character in "-." and kept and kept[-1] not in "-."):
            kept += character
    return kept.rstrip("-.")
