"""Two places for secrets: the root's disk, in libvirt's layout, and memory for ephemeral ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from embervirt.drivers.root import files
from embervirt.drivers.root.files import Fence
from embervirt.drivers.secret.backend.vault import Vault
from embervirt.drivers.secret.errors import SecretRejected
from embervirt.drivers.secret.reading import read_secret, row_of
from embervirt.drivers.secret.tables import SecretRow
from embervirt.drivers.secret.value import SecretValue
from embervirt.errors import libvirtError
from embervirt.log import get_logger


class Place(Protocol):
    """Keeps secrets with their values. A call either happened or changed nothing, and raises SystemError_."""

    def load(self) -> Iterable[SecretRow]:
        """All that are there."""

    def add(self, row: SecretRow, value: SecretValue | None) -> None:
        """Keep one that is not there."""

    def replace(self, row: SecretRow) -> None:
        """Change a definition; the value stays."""

    def remove(self, row: SecretRow) -> None:
        """Forget definition and value."""

    def value(self, uuid: str) -> SecretValue | None:
        """None when it has none."""

    def set_value(self, uuid: str, value: SecretValue | None) -> None:
        """Keep a value, or forget it."""


class Disk:
    """``UUID.xml`` as libvirt 9 writes it, the value in the vault. A secret is there when its XML is."""

    def __init__(self, directory: Path, vault: Vault, fence: Fence | None = None) -> None:
        self._directory, self._vault, self._fence = directory, vault, fence
        self._log = get_logger(driver="secret")

    def load(self) -> Iterator[SecretRow]:
        """Every definition that can be read; one that cannot is reported and left as it is, for inspection.

        Also finishes what a crash interrupted: values without a secret go, libvirt's are taken over.
        """
        files.sweep(self._directory)
        known = set()
        for path in sorted(self._directory.glob("*.xml")):
            known.add(path.stem)
            try:
                yield self._read(path)
            except (libvirtError, UnicodeDecodeError) as error:
                self._log.error("secret is not usable and was left aside", file=str(path), error=str(error))
        for uuid in set(self._vault.uuids()):
            self._settle(uuid, uuid in known)

    def _read(self, path: Path) -> SecretRow:
        row = row_of(read_secret(files.read(path)))
        if row.uuid != path.stem:
            raise SecretRejected(f"<uuid> does not match secret file name '{path.name}'")
        return row

    def _settle(self, uuid: str, known: bool) -> None:
        try:
            self._vault.upgrade(uuid) if known else self._vault.remove(uuid)
        except libvirtError as error:
            self._log.error("value of a secret is not usable", secret=uuid, error=str(error))

    def add(self, row: SecretRow, value: SecretValue | None) -> None:
        """The definition last: it is what makes the secret exist."""
        self.set_value(row.uuid, value)
        try:
            self.replace(row)
        except libvirtError:
            self._vault.remove(row.uuid)
            raise

    def replace(self, row: SecretRow) -> None:
        """Durable when this returns."""
        files.write(self._path(row), row.xml.encode(), durable=True, fence=self._fence)

    def remove(self, row: SecretRow) -> None:
        """The definition first; it comes back when the value cannot be removed."""
        files.remove(self._path(row), durable=True, fence=self._fence)
        try:
            self._vault.remove(row.uuid)
        except libvirtError:
            self.replace(row)
            raise

    def value(self, uuid: str) -> SecretValue | None:
        """Decrypted each time: no plain value stays in memory."""
        return self._vault.get(uuid)

    def set_value(self, uuid: str, value: SecretValue | None) -> None:
        """Durable when this returns."""
        if value is None:
            self._vault.remove(uuid)
        else:
            self._vault.put(uuid, value)

    def _path(self, row: SecretRow) -> Path:
        return self._directory / f"{row.uuid}.xml"


class Memory:
    """Ephemeral secrets: never on disk. Made once for a root, so that they outlive the driver's actor."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[SecretRow, SecretValue | None]] = {}

    def load(self) -> list[SecretRow]:
        """All there are."""
        return [row for row, _ in self._kept.values()]

    def add(self, row: SecretRow, value: SecretValue | None) -> None:
        """One assignment: whole or not at all."""
        self._kept[row.uuid] = (row, value)

    def replace(self, row: SecretRow) -> None:
        """The value stays."""
        self._kept[row.uuid] = (row, self.value(row.uuid))

    def remove(self, row: SecretRow) -> None:
        """Definition and value."""
        self._kept.pop(row.uuid, None)

    def value(self, uuid: str) -> SecretValue | None:
        """None when it has none."""
        return self._kept[uuid][1]

    def set_value(self, uuid: str, value: SecretValue | None) -> None:
        """The definition stays."""
        self._kept[uuid] = (self._kept[uuid][0], value)
