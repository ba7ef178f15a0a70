"""The operations on secrets: on disk (or in memory) first, then published."""

from __future__ import annotations

from embervirt.actors.fence import Fence
from embervirt.actors.table import Table
from embervirt.drivers.secret.errors import InvalidSecret, NoSecret
from embervirt.drivers.secret.model import USAGES, Secret
from embervirt.drivers.secret.reading import row_of
from embervirt.drivers.secret.store import Place
from embervirt.drivers.secret.tables import SecretRow
from embervirt.drivers.secret.validate import check_redefinition
from embervirt.drivers.secret.value import SecretValue
from embervirt.errors import InvalidArgument

LARGEST_VALUE = 1 << 20
"""Bytes; libvirt's own protocol carries at most 65,536."""


class SecretService:
    """All secrets of one root. ``table`` is what others read; ``fence`` that of the generation at work."""

    def __init__(self, disk: Place, memory: Place, table: Table[str, SecretRow], fence: Fence) -> None:
        self._disk, self._memory, self._table, self._fence = disk, memory, table, fence

    def load(self) -> None:
        """Publish what is there. One that was moved halfway is where it was, or is to be: on disk."""
        rows = {row.uuid: row for row in self._disk.load()}
        for row in self._memory.load():
            if rows.setdefault(row.uuid, row) is not row:
                self._memory.remove(row)
        self._table.replace(self._fence, rows)

    def find(self, uuid: str) -> SecretRow:
        """Raises NoSecret."""
        row = self._table.get(uuid)
        if row is None:
            raise NoSecret(f"no secret with matching uuid '{uuid}'")
        return row

    def define(self, secret: Secret) -> SecretRow:
        """Keep a complete definition: new, or in place of the one with its UUID, whose value stays.

        Raises SecretConflict, SystemError_.
        """
        row = row_of(secret)
        known = self._table.get(row.uuid)
        check_redefinition(secret, known, [other for other in self._table.values() if other.uuid != row.uuid])
        if known is None:
            self._place(row).add(row, None)
        elif known.ephemeral == row.ephemeral:
            self._place(row).replace(row)
        else:
            self._move(known, row)
        self._table.put(self._fence, row.uuid, row)
        return row

    def _move(self, known: SecretRow, row: SecretRow) -> None:
        """From disk to memory or back, with its value."""
        self._place(row).add(row, self._place(known).value(row.uuid))
        try:
            self._place(known).remove(known)
        except BaseException:
            if not self._fence.refuses():  # else a successor has found it
                self._place(row).remove(row)
            raise

    def undefine(self, uuid: str) -> SecretRow:
        """Forget definition and value; answers what it was. Raises NoSecret, SystemError_."""
        row = self.find(uuid)
        self._place(row).remove(row)
        self._table.drop(self._fence, uuid)
        return row

    def set_value(self, uuid: str, value: SecretValue) -> SecretRow:
        """Keep a value; an empty one is none, as in libvirt. Raises NoSecret, InvalidArgument, VaultError."""
        row = self.find(uuid)
        if len(value) > LARGEST_VALUE:
            raise InvalidArgument(
                f"secret {uuid}: value of {len(value)} bytes, at most {LARGEST_VALUE} are accepted"
            )
        self._place(row).set_value(uuid, value if len(value) else None)
        return row

    def get_value(self, uuid: str, *, internal: bool = False, usage_type: int = 0) -> SecretValue:
        """The value. ``internal``: for another driver, which may use a private one.

        ``usage_type``: of another use it is not given. Raises InvalidSecret for a private one, NoSecret when
        there is none or no value, InvalidArgument for another use, VaultError.
        """
        row = self.find(uuid)
        check_use(uuid, row.usage_type, usage_type)
        if row.private and not internal:
            raise InvalidSecret("secret is private")
        value = self._place(row).value(uuid)
        if value is None:
            raise NoSecret(f"secret '{uuid}' does not have a value")
        return value

    def _place(self, row: SecretRow) -> Place:
        return self._memory if row.ephemeral else self._disk


def check_use(uuid: str, usage_type: int, wanted: int) -> None:
    """A secret for no use is for any, and who wants it for none gets any. Raises InvalidArgument."""
    if wanted and usage_type not in (0, wanted):
        names = dict(enumerate(USAGES))
        mine, other = (names.get(number, number) for number in (usage_type, wanted))
        raise InvalidArgument(f"secret with uuid {uuid} is of type '{mine}' not expected '{other}' type")
