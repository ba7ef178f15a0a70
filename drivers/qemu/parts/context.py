"""What compiling needs beside the domain and the capabilities: the facts of one run."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from embervirt.drivers.qemu.model import EncryptionSecret

KEY_BYTES = 32
"""Length of a guest's master key: AES-256."""


@dataclass(frozen=True)
class EncryptedSecret:
    """A secret's value, AES-256-CBC under the guest's master key; ``data`` and ``iv`` are base64."""

    data: str = field(repr=False)
    iv: str = field(repr=False)


def encrypt(value: bytes, master_key: bytes) -> EncryptedSecret:
    """``value`` for QEMU's ``secret`` object with ``keyid``: padded as PKCS#7, a new random IV each time."""
    iv = os.urandom(16)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES256(master_key), modes.CBC(iv)).encryptor()
    data = encryptor.update(padder.update(value) + padder.finalize()) + encryptor.finalize()
    return EncryptedSecret(base64.b64encode(data).decode(), base64.b64encode(iv).decode())


@dataclass(frozen=True)
class Known:
    """A secret that is in the description itself."""

    value: bytes = field(repr=False)


@dataclass(frozen=True)
class Net:
    """The host's side of one network card in a run.

    ``fds``, ``vhost_fds``: one a queue, numbers that QEMU has, or names that it was given them under;
    ``local`` and ``remote``: sockets of a ``dgram`` port, which has none; ``socket``: of a passt.
    """

    fds: tuple[str, ...] = ()
    vhost_fds: tuple[str, ...] = ()
    local: str = ""
    remote: str = ""
    socket: str = ""


@dataclass(frozen=True)
class CompileContext:
    """One run of a guest.

    ``domain_dir`` holds ``master-key.aes``; ``ram_path`` is the directory for memory files, ``monitor_fd``
    the inherited listening socket of the monitor, or None for one that QEMU makes itself; ``console_log``
    a log file for the first serial port if that is a pty without a ``<log>``; ``secret`` gives a disk's
    secret, encrypted (and may raise). ``huge_page_dirs``: a directory for the guest in the host's hugetlbfs,
    by KiB of a page, and under 0 the one of the default size; ``now``: the host's time, seconds of the epoch;
    ``tls_dir``: certificates for servers that are asked with TLS;
    ``vsock_fd``: of the host's end of the vsock; ``socket_fds``: listening sockets by path;
    ``tpm_socket``: of the swtpm that was started for the run; ``nets``: of cards whose host's side is made
    for the run, by alias; ``passt_dir``: where a command line that is only shown has the sockets of passt.
    """

    domain_id: int
    domain_dir: str
    ram_path: str
    monitor_fd: int | None
    console_log: str | None
    secret: Callable[[EncryptionSecret | Known], EncryptedSecret]
    huge_page_dirs: Mapping[int, str] = field(default_factory=dict)
    now: float = 0.0
    tls_dir: str = "/etc/pki/qemu"
    vsock_fd: int = -1
    socket_fds: Mapping[str, int] = field(default_factory=dict)
    tpm_socket: str | None = None
    nets: Mapping[str, Net] = field(default_factory=dict)
    passt_dir: str = "/var/run/libvirt/qemu/passt"

    @property
    def runs(self) -> bool:
        """Whether a QEMU is started with it; else its command line is only shown."""
        return self.monitor_fd is not None
