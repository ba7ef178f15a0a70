"""Directories that another user must pass on the way to what is its own in a root."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from pathlib import Path

from embervirt import disk
from embervirt.config.accounts import Account
from embervirt.drivers.root.files import explained
from embervirt.errors import SystemError_

PASS = 0o011
"""Of a directory's mode: group and others may go through it, and not look around."""

SEARCH = ("/usr/bin/test", "-x")


def check(directory: Path, account: Account) -> None:
    """That ``account`` can pass ``directory`` and all above it.

    Raises SystemError_ (``int1`` EACCES) naming the one that it cannot, and the mode that would do.
    """
    for each in (*reversed(directory.parents), directory):
        found = each.stat()
        bit = _bit(found, account)
        if found.st_mode & bit or _searches(each, account):
            continue
        who = f"user '{account.name}' ({account.uid}:{account.gid}), who is to run QEMU,"
        mode = stat.S_IMODE(found.st_mode)
        is_ = f"its mode is {mode:04o}, of {found.st_uid}:{found.st_gid}; {mode | bit:04o} would do"
        text = f"{who} cannot reach '{directory}': it may not pass directory '{each}': {is_}"
        raise SystemError_(text, int1=errno.EACCES)


def open_way(top: Path, target: Path, user: int) -> None:
    """Let everybody pass ``top`` and each directory below it that leads to ``target``: 0711 from 0700.

    They are a root's own: one below ``top`` that is ``user``'s, as libvirt leaves ``lib/qemu``, becomes ours,
    for who has it could put anything in the place of what is in it. Raises SystemError_.
    """
    between = [each for each in reversed(target.parents) if each == top or each.is_relative_to(top)]
    for directory in between:
        with explained("let pass", directory):
            found = directory.stat()
            mode = stat.S_IMODE(found.st_mode)
            if found.st_uid == user != os.geteuid() and directory != top:
                disk.give(directory, os.geteuid(), os.getegid())
            if mode & PASS != PASS:
                disk.set_mode(directory, mode | PASS)


def _bit(found: os.stat_result, account: Account) -> int:
    """Which bit of the mode says whether it may be passed."""
    if found.st_uid == account.uid:
        return stat.S_IXUSR
    return stat.S_IXGRP if found.st_gid in account.groups else stat.S_IXOTH


def _searches(directory: Path, account: Account) -> bool:
    """An access control list may allow what the mode does not: only the kernel knows."""
    asked = [*account.prefix, *SEARCH, str(directory)]
    return subprocess.run(asked, stderr=subprocess.DEVNULL, cwd="/", check=False).returncode == 0
