"""What commands about pools, networks and filters share: find one, do something with it, answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import XML, Refused, Session, command, name_of, pass_session, text_of
from embervirt.errors import libvirtError

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect

INVALID = 8
"""``VIR_ERR_INVALID_ARG``: 36 characters that are no UUID."""

Run = Callable[..., None]
Word = Callable[[Callable[..., Any]], Callable[..., Any]]
Change = Callable[..., object]
"""Gets the object, and the values of the command's other words."""

xpath_option = click.option("--xpath", metavar="EXPRESSION", help="Only what this finds in it.")
wrap_option = click.option("--wrap", is_flag=True, help="All that is found in one element.")
inactive_option = click.option("--inactive", is_flag=True, help="What its next start begins with.")
validate_option = click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
name_option = click.option("--name", "only", multiple=True, flag_value="name", help="Only names, one a line.")
uuid_option = click.option("--uuid", "only", multiple=True, flag_value="uuid", help="Only UUIDs, one a line.")


def at_once(_: virConnect, work: Callable[[], object]) -> object:
    """Of what does not take long."""
    return work()


@dataclass(frozen=True)
class Kind:
    """Objects that have a name, a UUID and XML.

    ``word`` is what commands call one, ``title`` how answers begin, ``prefix`` how commands' names do.
    ``calls``: how the connection's calls for them begin. ``absent``: the error code when there is none such.
    ``carry_out`` does what may take long.
    """

    word: str
    title: str
    prefix: str
    driver: str
    calls: str
    absent: int
    carry_out: Callable[[virConnect, Callable[[], Any]], Any] = at_once

    def find(self, conn: virConnect, wanted: str) -> Any:
        """By UUID or name. Raises the error of ``absent``."""
        if len(wanted) == 36:
            try:
                return getattr(conn, f"{self.calls}LookupByUUIDString")(wanted)
            except libvirtError as error:
                if error.get_error_code() not in (self.absent, INVALID):
                    raise
        return getattr(conn, f"{self.calls}LookupByName")(wanted)

    def command(self, name: str) -> Callable[[Run], click.Command]:
        """Of one: the function gets the session, the object, and the values of its other words."""

        def made(function: Run) -> click.Command:
            @wraps(function)
            def run(session: Session, /, **words: Any) -> None:
                wanted = words.pop(self.word)
                with session.connect(self.driver) as conn:
                    function(session, self.find(conn, wanted), **words)

            finished: click.Command = command(name)(click.argument(self.word)(pass_session(run)))
            return finished

        return made

    def changing(self, name: str, how: str, help_: str, change: Change, *words: Word) -> click.Command:
        """A command that changes one: ``Network NAME HOW``."""

        def run(session: Session, found: Any, **given: Any) -> None:
            self.carry_out(found.connect(), lambda: change(found, **given))
            session.answer(f"{self.title} {found.name()} {how}", name=found.name(), uuid=found.UUIDString())

        return self._own(name, run, help_, *words)

    def making(self, name: str, how: str, help_: str, make: Change, *words: Word) -> click.Command:
        """A command that makes one out of FILE: ``Network NAME HOW from FILE``.

        ``make`` gets the connection, the XML, and the values of ``words``.
        """

        def run(session: Session, file: Any, **given: Any) -> None:
            xml = text_of(file)
            with session.connect(self.driver, make=True) as conn:
                made = self.carry_out(conn, lambda: make(conn, xml, **given))
                text = f"{self.title} {made.name()} {how} from {name_of(file)}"
                session.answer(text, name=made.name(), uuid=made.UUIDString())

        explained = _explained(run, help_, (click.argument("file", type=XML), pass_session, *words))
        finished: click.Command = command(f"{self.prefix}-{name}")(explained)
        return finished

    def autostarting(self) -> click.Command:
        """``PREFIX-autostart``."""

        def run(session: Session, found: Any, disable: bool) -> None:
            found.setAutostart(int(not disable))
            how = "unmarked as autostarted" if disable else "marked as autostarted"
            session.answer(f"{self.title} {found.name()} {how}", name=found.name(), uuid=found.UUIDString())

        disable = click.option("--disable", is_flag=True, help="No longer.")
        help_ = f"Start a {self.word} with the host from now on."
        return self._own("autostart", run, help_, disable)

    def dumping(self, *words: Word) -> click.Command:
        """``PREFIX-dumpxml``; ``words``: ``inactive_option`` for what may be active."""

        def run(session: Session, found: Any, xpath: str | None, wrap: bool, inactive: bool = False) -> None:
            xml = found.XMLDesc(int(inactive))
            session.answer(part_of(xml, xpath, wrap), uuid=found.UUIDString(), xml=xml)

        help_ = f"Print the XML of a {self.word}."
        return self._own("dumpxml", run, help_, *words, xpath_option, wrap_option)

    def editing(self, text_to_edit: Callable[[Any], str]) -> click.Command:
        """``PREFIX-edit``."""

        def run(session: Session, found: Any) -> None:
            what, before = f"{self.title} {found.name()} XML configuration", text_to_edit(found)
            define = getattr(found.connect(), f"{self.calls}DefineXML")
            changed = edited(before, define, f"{self.word} {found.name()}")
            session.answer(f"{what} {'edited' if changed else 'not changed'}.", changed=changed)

        return self._own("edit", run, f"Change the definition of a {self.word} in $VISUAL or $EDITOR.")

    def telling(self) -> list[click.Command]:
        """``PREFIX-name`` and ``PREFIX-uuid``."""

        def name(session: Session, found: Any) -> None:
            session.answer(found.name(), name=found.name())

        def uuid(session: Session, found: Any) -> None:
            session.answer(found.UUIDString(), uuid=found.UUIDString())

        return [
            self._own("name", name, f"Print the name of a {self.word}."),
            self._own("uuid", uuid, f"Print the UUID of a {self.word}."),
        ]

    def _own(self, name: str, run: Run, help_: str, *words: Word) -> click.Command:
        return self.command(f"{self.prefix}-{name}")(_explained(run, help_, words))


def _explained(run: Run, help_: str, words: Iterable[Word]) -> Run:
    run.__doc__ = help_
    for word in reversed(list(words)):
        run = word(run)
    return run


def edited(before: str, define: Callable[[str], object], what: str) -> bool:
    """Whether an editor made it another that could be defined. Raises Refused when it is given up."""
    text = before
    while True:
        new = click.edit(text, extension=".xml")
        if new is None or new == before:
            return False
        try:
            define(new)
        except libvirtError as error:
            click.echo(f"error: {error}", err=True)
            if not click.confirm("Edit it again", err=True):
                raise Refused(f"{what} is as it was") from error
            text = new
        else:
            return True


def show_rows(session: Session, rows: list[dict[str, Any]], only: tuple[str, ...], show: Run) -> None:
    """A list as JSON, as UUIDs, names or both, or as ``show`` has it."""
    from embervirt.cli import output

    if session.json:
        click.echo(output.document(rows))
    elif only:
        for row in rows:
            click.echo(" ".join(row[key] for key in sorted(set(only), reverse=True)))
    else:
        show(rows)


def show_lines(lines: dict[str, str]) -> None:
    """``Name:           x``, as virsh shows information."""
    for key, value in lines.items():
        click.echo(f"{key + ':':<16}{value}")


def yes(value: object) -> str:
    """``yes`` or ``no``."""
    return "yes" if value else "no"


def part_of(xml: str, xpath: str | None, wrap: bool) -> str:
    """The XML, or what ``xpath`` finds in it, one after the other or in one element as virsh has it."""
    if xpath is None:
        return xml.rstrip("\n")
    from lxml import etree

    try:
        found = etree.fromstring(xml).xpath(xpath)
    except etree.XPathError as error:
        raise Refused(f"'{xpath}' is no XPath expression: {error}") from error
    nodes = found if isinstance(found, list) else [found]
    texts = [
        etree.tostring(each, encoding="unicode", with_tail=False) if etree.iselement(each) else str(each)
        for each in nodes
    ]
    if not texts:
        raise Refused(f"'{xpath}' finds nothing")
    text = "\n".join(texts)
    return f"<nodes>\n{text}\n</nodes>" if wrap else text
