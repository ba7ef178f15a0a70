"""swtpm, the program behind an emulated TPM: made once, started for each run, gone with its guest."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from embervirt import disk
from embervirt.config.accounts import Account
from embervirt.drivers.qemu.errors import LaunchFailed
from embervirt.drivers.root import sockets
from embervirt.drivers.root.files import appending, make_directories, write
from embervirt.supervisor.identity import Process, identify
from embervirt.supervisor.processes import Watched
from embervirt.supervisor.recorder import Spawned, kill, spawn

CIPHER = "aes-256-cbc"
STATE = {"2.0": "tpm2", "1.2": "tpm1.2"}
"""Directory of the state, by version, as libvirt names it."""

LEAVING = 1.0
"""Seconds for a swtpm whose QEMU is gone: it ends by itself, within milliseconds."""

KILLED = 5.0
"""Seconds the kernel may need to end a process that was sent SIGKILL."""

CONFIG = """\
create_certs_tool = {tool}
create_certs_tool_config = {directory}/swtpm-localca.conf
create_certs_tool_options = {directory}/swtpm-localca.options
active_pcr_banks = sha256
"""
CA = """\
statedir = {directory}
signingkey = {directory}/signkey.pem
issuercert = {directory}/issuercert.pem
certserial = {directory}/certserial
"""
OPTIONS = "--platform-manufacturer embervirt\n--platform-version 1.0\n--platform-model QEMU\n"


@dataclass(frozen=True)
class Swtpm:
    """One guest's TPM in one run.

    ``state`` is the guest's, for all versions; ``authority`` the root's own certificate authority. ``run`` is
    the run's directory: a file in it on the command line tells this swtpm from every other one. With an
    ``account`` it runs as that user, as QEMU does, and ``state`` and ``authority`` are that user's.
    """

    owner: str
    version: str
    state: Path
    authority: Path
    log: Path
    socket: Path
    run: Path
    banks: tuple[str, ...] = ()
    key: bytes | None = field(default=None, repr=False)
    account: Account | None = None

    @property
    def directory(self) -> Path:
        """Of the state of this version."""
        return self.state / STATE[self.version]

    @property
    def _new(self) -> Path:
        """State that is not complete; of this run, for the start of an earlier one may go on beside it."""
        return self.state / f"{STATE[self.version]}-{self.run.name}.new"

    @property
    def nonce(self) -> str:
        """What only its command line has."""
        return nonce(self.run)

    def manufacture(self, seconds: float) -> None:
        """Keys and certificates, if it has none yet. Raises LaunchFailed; then there is no state."""
        if self.directory.is_dir():
            self._give(self.directory)
            return
        for left in self.state.glob(f"{STATE[self.version]}-*.new"):
            disk.remove_tree(left)  # of a program that was killed while it did this
        make_directories([self._new, self.authority])
        self._configure()
        self._give(self._new, self.authority)
        try:
            self._set_up(seconds)
            disk.rename(self._new, self.directory)
        except BaseException:
            disk.remove_tree(self._new)
            raise

    def _give(self, *directories: Path) -> None:
        if self.account is not None:
            for each in directories:
                disk.give_tree(each, *self.account.owner)

    def _configure(self) -> None:
        """swtpm-localca would keep its keys outside of the root."""
        tool = shutil.which("swtpm_localca") or "swtpm_localca"
        texts = {"swtpm_setup.conf": CONFIG, "swtpm-localca.conf": CA, "swtpm-localca.options": OPTIONS}
        for name, text in texts.items():
            made = text.format(tool=tool, directory=self.authority)
            write(self.authority / name, made.encode(), durable=False)
            if self.account is not None:
                disk.give(self.authority / name, *self.account.owner)

    def _set_up(self, seconds: float) -> None:
        rights = [] if self.account is None else self.account.prefix
        with _secret(self.key) as descriptor, appending(self.log) as log:
            key = [] if descriptor is None else ["--pwdfile-fd", str(descriptor), "--cipher", CIPHER]
            try:
                done = subprocess.run(
                    [*rights, _program("swtpm_setup"), *self._setup_options(), *key],
                    stdin=subprocess.DEVNULL,
                    stdout=log.descriptor,
                    stderr=log.descriptor,
                    pass_fds=[] if descriptor is None else [descriptor],
                    cwd="/",
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                    timeout=seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired as late:
                raise LaunchFailed(f"swtpm_setup did not end within {seconds:g} s; see {self.log}") from late
        if done.returncode:
            raise LaunchFailed(f"Could not run 'swtpm_setup'. exitstatus: {done.returncode}; see {self.log}")

    def _setup_options(self) -> list[str]:
        two = ["--tpm2"] if self.version == "2.0" else []
        banks = ["--pcr-banks", ",".join(self.banks)] if self.banks else []
        root = os.geteuid() == 0 and self.account is None
        user = ["--runas", pwd.getpwuid(os.geteuid()).pw_name] if root else []
        made = ["--createek", "--create-ek-cert", "--create-platform-cert", "--lock-nvram", "--not-overwrite"]
        where = ["--tpm-state", str(self._new), "--config", str(self.authority / "swtpm_setup.conf")]
        return [*two, *user, *where, "--vmid", self.owner, *made, *banks]

    def start(self) -> Spawned:
        """It listens when this returns. Raises LaunchFailed, OSError."""
        disk.unlink(self.socket, missing_ok=True)
        with (
            _secret(self.key) as descriptor,
            sockets.listen(self.socket) as listening,
            appending(self.log) as log,
        ):
            if self.account is not None:
                disk.give(self.socket, *self.account.owner)
            key = [] if descriptor is None else ["--key", f"pwdfd={descriptor},mode={CIPHER}"]
            argv = [
                *(_program("swtpm"), "socket", "--ctrl", f"type=unixio,fd={listening.fileno()}"),
                *("--tpmstate", f"dir={self.directory},mode=0600", "--log", f"fd={log.descriptor}"),
                *("--pid", self.nonce, "--terminate", *(["--tpm2"] if self.version == "2.0" else []), *key),
            ]
            passed = [listening.fileno(), log.descriptor, *([] if descriptor is None else [descriptor])]
            status = self.run / "swtpm-status"
            return spawn(
                argv, status_file=status, log_fd=log.descriptor, pass_fds=passed, account=self.account
            )

    def watched(self, spawned: Spawned) -> Watched:
        """Who it is, once it has answered. Raises LaunchFailed when it is gone."""
        identity = identify(spawned.pid, self.nonce)
        if identity is None:
            raise LaunchFailed(f"swtpm of '{self.owner}' ended; see {self.log}")
        return Watched(identity, spawned, str(self.run / "swtpm-status"))


def nonce(run: Path) -> str:
    """What the command line of the swtpm of a run has, and no other's."""
    return f"file={run / 'swtpm.pid'}"


def stop(watched: Watched) -> None:
    """Its QEMU is gone: it ends now, by itself or not."""
    process = Process.attach(watched.identity)
    if process is not None:
        with process:
            if not process.wait(LEAVING):
                process.signal(signal.SIGKILL)
                process.wait(KILLED)
    watched.status()


def abandon(spawned: Spawned) -> None:
    """Undo of a start."""
    kill(spawned, KILLED)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise LaunchFailed(f"Unable to find '{name}' binary in $PATH")
    return found


@contextlib.contextmanager
def _secret(value: bytes | None) -> Iterator[int | None]:
    """A descriptor to read the value from; it is in no file and on no command line."""
    if value is None:
        yield None
        return
    descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, value)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
