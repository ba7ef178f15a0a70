"""The operations on secrets, over a real directory."""

from __future__ import annotations

import base64
import errno
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from structlog.testing import capture_logs

from embervirt.actors.fence import Fence, Fenced
from embervirt.actors.table import Table
from embervirt.drivers.root import files
from embervirt.drivers.secret.backend.keys import KeyCallable
from embervirt.drivers.secret.backend.vault import Vault
from embervirt.drivers.secret.errors import InvalidSecret, NoSecret, SecretConflict, WrongKey
from embervirt.drivers.secret.reading import read_secret
from embervirt.drivers.secret.service import LARGEST_VALUE, SecretService
from embervirt.drivers.secret.store import Disk, Memory
from embervirt.drivers.secret.tables import SecretRow
from embervirt.drivers.secret.value import SecretValue
from embervirt.errors import InvalidArgument, SystemError_, libvirtError

KEY = KeyCallable(lambda: b"k" * 32)
UUIDS = [f"00000000-0000-0000-0000-{number:012d}" for number in range(4)]
ONE, TWO = UUIDS[:2]
SPELLED = ("no", "yes")


class Root:
    """A directory, what outlives the actor (memory and table), and the generation at work."""

    def __init__(self, etc: Path, key: KeyCallable = KEY) -> None:
        self.etc, self.key, self.memory = etc, key, Memory()
        self.table: Table[str, SecretRow] = Table()
        self.restart()

    def restart(self) -> SecretService:
        """The next generation of the driver's actor."""
        self.fence = Fence("secret", 1)
        disk = Disk(self.etc, Vault(self.etc, self.key, self.fence), self.fence)
        self.service = SecretService(disk, self.memory, self.table, self.fence)
        self.service.load()
        return self.service

    def define(self, uuid: str, inside: str = "", **flags: str) -> SecretRow:
        """Keep a secret."""
        attributes = "".join(f" {name}='{value}'" for name, value in flags.items())
        return self.service.define(read_secret(f"<secret{attributes}><uuid>{uuid}</uuid>{inside}</secret>"))

    def put(self, uuid: str, value: bytes) -> None:
        """Give it a value."""
        self.service.set_value(uuid, SecretValue(value))

    def value(self, uuid: str) -> bytes | None:
        """Its value as another driver gets it."""
        try:
            return self.service.get_value(uuid, internal=True).reveal()
        except NoSecret:
            return None

    def names(self) -> set[str]:
        """What lies in the directory, but the data key."""
        return {path.name for path in self.etc.iterdir()} - {"data.key"}


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """An empty root."""
    return Root(tmp_path)


def usage(name: str, kind: str = "ceph") -> str:
    """A usage element."""
    return f"<usage type='{kind}'><name>{name}</name></usage>"


def test_a_secret_is_kept_as_libvirt_keeps_it(root: Root) -> None:
    """UUID.xml with what XMLDesc gives, 0600; the next generation finds it."""
    row = root.define(ONE, usage("n"), private="yes")
    file = root.etc / f"{ONE}.xml"
    assert file.read_text() == row.xml
    assert file.stat().st_mode & 0o777 == 0o600
    root.restart()
    assert root.table.values() == [row]


def test_a_value_survives_the_driver(root: Root) -> None:
    """And a change of the definition, but not the secret."""
    root.define(ONE)
    root.put(ONE, b"hello\0world")
    root.define(ONE, "<description>new</description>")
    root.restart()
    assert root.value(ONE) == b"hello\0world"
    assert root.service.undefine(ONE).uuid == ONE
    assert root.names() == set()
    root.define(ONE)
    assert root.value(ONE) is None


def test_a_missing_secret_or_value_is_told_apart(root: Root) -> None:
    """Libvirt's code 66 and words for both."""
    with pytest.raises(NoSecret, match=f"Secret not found: no secret with matching uuid '{ONE}'"):
        root.service.get_value(ONE)
    for call in (root.service.undefine, lambda uuid: root.service.set_value(uuid, SecretValue(b"x"))):
        with pytest.raises(NoSecret):
            call(ONE)
    root.define(ONE)
    with pytest.raises(NoSecret, match=f"Secret not found: secret '{ONE}' does not have a value"):
        root.service.get_value(ONE)


def test_an_empty_value_is_none(root: Root) -> None:
    """As in libvirt."""
    root.define(ONE)
    root.put(ONE, b"x")
    root.put(ONE, b"")
    assert root.value(ONE) is None


def test_a_value_has_a_largest_size(root: Root) -> None:
    """One byte more is refused, and changes nothing."""
    root.define(ONE)
    root.put(ONE, b"x" * LARGEST_VALUE)
    with pytest.raises(InvalidArgument, match=f"value of {LARGEST_VALUE + 1} bytes, at most {LARGEST_VALUE}"):
        root.put(ONE, b"x" * (LARGEST_VALUE + 1))
    assert root.value(ONE) == b"x" * LARGEST_VALUE


def test_a_private_value_is_for_drivers_only(root: Root) -> None:
    """Code 65, whether there is a value or not; it can be set by anyone."""
    root.define(ONE, private="yes")
    for _ in range(2):
        with pytest.raises(InvalidSecret, match="Invalid secret: secret is private") as caught:
            root.service.get_value(ONE)
        assert (caught.value.get_error_code(), caught.value.get_error_domain()) == (65, 30)
        root.put(ONE, b"x")
    assert root.value(ONE) == b"x"


def test_a_value_is_for_one_use(root: Root) -> None:
    """A driver that says for which gets no other; a secret for no use is for any."""
    root.define(ONE, "<usage type='ceph'><name>c</name></usage>")
    root.define(TWO)
    for uuid in (ONE, TWO):
        root.put(uuid, b"x")
    with pytest.raises(InvalidArgument, match="is of type 'ceph' not expected 'volume' type") as caught:
        root.service.get_value(ONE, internal=True, usage_type=1)
    assert caught.value.get_error_code() == 8
    assert root.service.get_value(ONE, internal=True, usage_type=2).reveal() == b"x"
    assert root.service.get_value(TWO, internal=True, usage_type=1).reveal() == b"x"


@pytest.mark.parametrize(
    ("uuid", "inside", "private", "says"),
    [
        (TWO, usage("n"), "yes", f"a secret with UUID {ONE} already defined for use with n"),
        (ONE, usage("m"), "yes", f"a secret with UUID {ONE} is already defined for use with n"),
        (ONE, "", "yes", f"a secret with UUID {ONE} is already defined for use with n"),
        (ONE, usage("n"), "no", f"cannot change private flag on existing secret {ONE}"),
    ],
)
def test_a_definition_that_clashes_is_refused(
    root: Root, uuid: str, inside: str, private: str, says: str
) -> None:
    """Code 1 and libvirt's words; what was there stays."""
    row = root.define(ONE, usage("n"), private="yes")
    with pytest.raises(SecretConflict, match=f"internal error: {says}") as caught:
        root.define(uuid, inside, private=private)
    assert (caught.value.get_error_code(), caught.value.get_error_domain()) == (1, 30)
    assert root.table.values() == [row]
    assert root.names() == {f"{ONE}.xml"}


def test_definitions_that_do_not_clash_are_accepted(root: Root) -> None:
    """The same id for another type, the same again, private from now on, several without usage."""
    root.define(ONE, usage("n"))
    root.define(ONE, usage("n"), private="yes")
    root.define(TWO, usage("n", "tls"))
    root.define(UUIDS[2])
    root.define(UUIDS[3])
    assert len(root.table.values()) == 4


def test_another_type_of_usage_must_be_free_too(root: Root) -> None:
    """A secret that changes the type of its usage cannot take another one's."""
    root.define(ONE, usage("n"))
    root.define(TWO, usage("n", "tls"))
    with pytest.raises(SecretConflict, match=f"{ONE} already defined for use with n"):
        root.define(TWO, usage("n", "ceph"))


# Ephemeral secrets.


def test_an_ephemeral_secret_is_never_on_disk(root: Root) -> None:
    """Neither definition nor value; both outlive the driver's actor, not the root."""
    root.define(ONE, ephemeral="yes")
    root.put(ONE, b"x")
    assert list(root.etc.iterdir()) == []
    root.restart()
    assert root.value(ONE) == b"x"
    assert Root(root.etc).table.values() == []
    root.service.undefine(ONE)
    assert root.restart() and root.table.values() == []


@pytest.mark.parametrize("value", [b"x", None])
def test_a_secret_moves_between_disk_and_memory_with_its_value(root: Root, value: bytes | None) -> None:
    """Nothing stays where it was."""
    root.define(ONE)
    if value:
        root.put(ONE, value)
    root.define(ONE, ephemeral="yes")
    assert root.names() == set()
    assert root.value(ONE) == value
    root.define(ONE, ephemeral="no")
    assert root.memory.load() == []
    root.restart()
    assert root.value(ONE) == value


# What is on disk is not always what we wrote.


def test_a_libvirt_root_is_read_and_upgraded(root: Root) -> None:
    """XML with a comment in front, values in base64; afterwards no file has the value."""
    xml = f"<!--\nWARNING\n-->\n\n<secret><uuid>{ONE}</uuid></secret>"
    (root.etc / f"{ONE}.xml").write_text(xml)
    (root.etc / f"{ONE}.base64").write_bytes(base64.b64encode(b"from libvirt"))
    root.restart()
    assert root.value(ONE) == b"from libvirt"
    assert root.names() == {f"{ONE}.xml", f"{ONE}.value"}


def _fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"garbage"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text("<secret>"),
        lambda path: path.write_text(f"<secret><uuid>{ONE}</uuid></secret>"),
        lambda path: path.write_bytes(b"<secret>" + b" " * (17 << 20)),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.mkdir(),
        _fifo,
    ],
    ids=["garbage", "empty", "binary", "truncated", "other uuid", "huge", "symlink", "directory", "fifo"],
)
def test_a_file_that_cannot_be_read_costs_that_secret_only(root: Root, make: Callable[[Path], Any]) -> None:
    """It is reported by name and left where it is, with its value; the others work."""
    root.define(ONE)
    root.put(ONE, b"x")
    make(root.etc / f"{TWO}.xml")
    (root.etc / f"{TWO}.value").write_bytes(b"kept")
    with capture_logs() as logs:
        root.restart()
    assert [row.uuid for row in root.table.values()] == [ONE]
    assert root.value(ONE) == b"x"
    assert [log["file"] for log in logs if "aside" in log["event"]] == [str(root.etc / f"{TWO}.xml")]
    assert {f"{TWO}.xml", f"{TWO}.value"} <= root.names()


def test_what_a_crash_left_is_cleaned_at_the_start(root: Root) -> None:
    """Temporary files, and values whose secret is gone."""
    root.define(ONE)
    root.put(ONE, b"x")
    (root.etc / f"{TWO}.value").write_bytes(b"orphan")
    (root.etc / ".embervirt-0123456789abcdef.tmp").write_bytes(b"half")
    root.restart()
    assert root.names() == {f"{ONE}.xml", f"{ONE}.value"}


def test_a_new_secret_has_no_value_of_an_older_one(root: Root) -> None:
    """Even if a removal that failed twice left it behind."""
    root.define(ONE)
    root.put(ONE, b"x")
    left = (root.etc / f"{ONE}.value").read_bytes()
    root.service.undefine(ONE)
    (root.etc / f"{ONE}.value").write_bytes(left)
    root.define(ONE)
    assert root.value(ONE) is None


def test_without_the_right_key_only_values_are_lost(root: Root) -> None:
    """Definitions are listed, made and changed; each value says what is wrong, and none is overwritten."""
    root.define(ONE)
    root.put(ONE, b"x")
    (root.etc / f"{TWO}.xml").write_text(f"<secret><uuid>{TWO}</uuid></secret>")
    (root.etc / f"{TWO}.base64").write_bytes(base64.b64encode(b"y"))
    other = Root(root.etc, KeyCallable(lambda: b"z" * 32))
    assert {row.uuid for row in other.table.values()} == {ONE, TWO}
    for use in (other.value, lambda uuid: other.put(uuid, b"new")):
        for uuid in (ONE, TWO):
            with pytest.raises(WrongKey):
                use(uuid)
    other.define(ONE, "<description>d</description>")
    root.restart()
    assert (root.value(ONE), root.value(TWO)) == (b"x", b"y")


def test_a_fenced_generation_changes_nothing(root: Root) -> None:
    """Its successor owns files and table."""
    root.define(ONE)
    root.put(ONE, b"x")
    zombie = root.service
    root.fence.close()
    root.restart()
    before = root.table.rows
    calls: list[Callable[[], object]] = [
        lambda: zombie.define(read_secret(f"<secret><uuid>{TWO}</uuid></secret>")),
        lambda: zombie.set_value(ONE, SecretValue(b"zombie")),
        lambda: zombie.undefine(ONE),
    ]
    for call in calls:
        with pytest.raises(Fenced):
            call()
    assert root.table.rows is before
    assert root.value(ONE) == b"x"
    assert root.names() == {f"{ONE}.xml", f"{ONE}.value"}


# A disk that fails.


@pytest.mark.parametrize("call", ["define", "redefine", "undefine", "set", "to memory", "to disk"])
def test_an_operation_that_fails_changed_nothing(
    root: Root, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its writes and removals fails: files, table and value are as before."""
    root.define(ONE)
    root.put(ONE, b"x")
    root.define(TWO, ephemeral="yes")
    root.put(TWO, b"y")
    work: dict[str, Callable[[], object]] = {
        "define": lambda: root.define(UUIDS[2]),
        "redefine": lambda: root.define(ONE, "<description>d</description>"),
        "undefine": lambda: root.service.undefine(ONE),
        "set": lambda: root.put(ONE, b"new"),
        "to memory": lambda: root.define(ONE, ephemeral="yes"),
        "to disk": lambda: root.define(TWO, ephemeral="no"),
    }
    steps = {name: getattr(files, name) for name in ("write", "remove")}
    before = root.names(), dict(root.table.rows)
    for number in range(10):
        left = [number]

        def fail(name: str, left: list[int] = left) -> Callable[..., None]:
            def step(*args: Any, **kwargs: Any) -> None:
                left[0] -= 1
                if left[0] == -1:
                    raise SystemError_("no space", int1=errno.ENOSPC)
                steps[name](*args, **kwargs)

            return step

        for name in steps:
            monkeypatch.setattr(files, name, fail(name))
        try:
            work[call]()
        except SystemError_:
            monkeypatch.undo()
            for _ in range(2):
                assert (root.names(), dict(root.table.rows)) == before
                assert (root.value(ONE), root.value(TWO)) == (b"x", b"y")
                root.restart()
        else:
            monkeypatch.undo()
            assert number > 0
            return
    pytest.fail("the operation never came to its end")


# Any sequence of operations.


class Secrets(RuleBasedStateMachine):
    """The service against a dictionary, with restarts in between."""

    base: ClassVar[Path]
    uuids = st.sampled_from(UUIDS)

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(mkdtemp(dir=self.base))
        self.root = Root(self.directory)
        self.model: dict[str, tuple[bool, bool, str, bytes]] = {}

    @rule(uuid=uuids, ephemeral=st.booleans(), private=st.booleans(), name=st.sampled_from(["", "a", "b"]))
    def define(self, uuid: str, ephemeral: bool, private: bool, name: str) -> None:
        """Accepted exactly when the rules say so."""
        known = self.model.get(uuid)
        taken = name and any(other[2] == name for key, other in self.model.items() if key != uuid)
        allowed = not taken and (known is None or (known[2] == name and private >= known[1]))
        flags = {"ephemeral": SPELLED[ephemeral], "private": SPELLED[private]}
        try:
            self.root.define(uuid, usage(name) if name else "", **flags)
            assert allowed
        except SecretConflict:
            assert not allowed
        else:
            self.model[uuid] = (ephemeral, private, name, known[3] if known else b"")

    @rule(uuid=uuids, value=st.binary(max_size=5))
    def set_value(self, uuid: str, value: bytes) -> None:
        """Only of one that is there."""
        try:
            self.root.put(uuid, value)
            self.model[uuid] = (*self.model[uuid][:3], value)
        except NoSecret:
            assert uuid not in self.model

    @rule(uuid=uuids)
    def undefine(self, uuid: str) -> None:
        """Only one that is there."""
        try:
            self.root.service.undefine(uuid)
            del self.model[uuid]
        except NoSecret:
            assert uuid not in self.model

    @rule()
    def restart(self) -> None:
        """Loses nothing."""
        self.root.restart()

    @precondition(lambda self: any(row[0] for row in self.model.values()))
    @rule()
    def reopen(self) -> None:
        """Loses what is ephemeral."""
        self.root = Root(self.directory)
        self.model = {uuid: row for uuid, row in self.model.items() if not row[0]}

    @invariant()
    def as_modelled(self) -> None:
        """Table, values, files."""
        rows = {row.uuid: (row.ephemeral, row.private, row.usage_id) for row in self.root.table.values()}
        assert rows == {uuid: row[:3] for uuid, row in self.model.items()}
        for uuid, row in self.model.items():
            assert (self.root.value(uuid) or b"") == row[3]
        kept = {uuid: row for uuid, row in self.model.items() if not row[0]}
        names = {f"{uuid}.xml" for uuid in kept} | {f"{uuid}.value" for uuid, row in kept.items() if row[3]}
        assert self.root.names() == names


def test_any_sequence_of_operations_does_what_a_dictionary_would(tmp_path: Path) -> None:
    """Definitions, values, files and refusals, over restarts."""
    machine = type("Here", (Secrets,), {"base": tmp_path})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=30, stateful_step_count=20, deadline=None)
    )


def test_no_error_or_log_shows_a_value(root: Root) -> None:
    """Whatever goes wrong with it."""
    shown: list[str] = []
    root.define(ONE, private="yes")
    with capture_logs() as logs:
        for value in (b"hunter2", b"hunter2" * LARGEST_VALUE):
            for use in (
                lambda v=value: root.put(ONE, v),
                lambda: root.service.get_value(ONE),
                lambda: root.put(TWO, b"hunter2"),
            ):
                try:
                    use()
                except libvirtError as error:
                    shown.append(f"{error!r} {error} {error.err}")
        root.restart()
    assert len(shown) == 5
    assert "hunter2" not in "".join(shown) + str(logs) + repr(vars(root.memory)) + repr(root.table.rows)
