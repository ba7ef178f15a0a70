"""As whom QEMU runs: a user and a group as libvirt's ``qemu.conf`` names them, looked up on this host."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass

from embervirt.errors import SettingsError

SETPRIV = "/usr/bin/setpriv"
LAST = 2**32 - 2
"""The highest number of a user or group: the next one stands for none (chown(2))."""


@dataclass(frozen=True)
class Account:
    """Whose rights a program gets. ``groups``: all of them, the first one too; ``name`` is for people."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str

    @property
    def owner(self) -> tuple[int, int]:
        """Of what belongs to it."""
        return self.uid, self.gid

    @property
    def prefix(self) -> list[str]:
        """What a command line begins with so that its program has these rights, and never gets any back."""
        groups = ",".join(map(str, self.groups))
        ids = [f"--reuid={self.uid}", f"--regid={self.gid}", f"--groups={groups}"]
        return [SETPRIV, *ids, "--inh-caps=-all", "--bounding-set=-all", "--"]


def chosen(user: str | None, group: str | None, sources: dict[str, str] | None = None) -> Account | None:
    """The account that these settings mean; None when a program is to have what this one has.

    That is so without both, and in a program that is not root: like libvirt's session driver, it cannot
    give its own rights up, and these settings have no meaning. A group alone is one for this program's user.
    ``sources`` say where ``qemu.user`` and ``qemu.group`` come from. Raises SettingsError for a name that
    nobody has, and for a number without a group that nobody knows the group of.
    """
    if os.geteuid() != 0 or (user is None and group is None):
        return None
    where = sources or {}
    uid = os.geteuid() if user is None else _number("user", user, where)
    gid = _primary(uid, user, where) if group is None else _number("group", group, where)
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return None
    name = _name(uid)
    others = os.getgrouplist(name, gid) if name else []
    return Account(uid, gid, tuple(dict.fromkeys([gid, *others])), name or f"+{uid}")


def owner(label: str) -> tuple[int, int]:
    """User and group of a domain's DAC label, ``qemu:qemu`` or ``+107:+107``. Raises SettingsError."""
    user, _, group = label.partition(":")
    where = dict.fromkeys(("qemu.user", "qemu.group"), f"seclabel {label!r}")
    return _number("user", user, where), _number("group", group, where)


def _number(what: str, name: str, where: dict[str, str]) -> int:
    """Libvirt's rule: ``+107`` is a number, ``107`` the user of that name or else a number."""
    number = name.removeprefix("+")
    try:
        if not name.startswith("+"):
            return pwd.getpwnam(name).pw_uid if what == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        pass
    if number.isascii() and number.isdigit() and int(number) <= LAST:
        return int(number)
    wish = f"the name of a {what} of this host, or a number such as +107"
    raise _refused(what, name, where, f"is not accepted: expected {wish}")


def _primary(uid: int, user: str | None, where: dict[str, str]) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        text = "is a number of nobody's on this host: expected a group beside it"
        raise _refused("user", user or "", where, text) from None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _refused(what: str, name: str, where: dict[str, str], text: str) -> SettingsError:
    place = where.get(f"qemu.{what}", "settings")
    return SettingsError(f"{place}: {what} = {name!r} {text}")
