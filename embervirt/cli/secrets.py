"""Commands about secrets, with virsh's names. Values come from files, a prompt or standard input."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli import words
from embervirt.cli.session import XML, Refused, Session, command, name_of, pass_session, text_of

if TYPE_CHECKING:
    from embervirt.libvirt.secrets import virSecret

uuid_argument = click.argument("uuid", metavar="SECRET")
"""A secret's UUID."""


@command("secret-define")
@click.argument("file", type=XML)
@click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
@pass_session
def secret_define(session: Session, file: Any, validate: bool) -> None:
    """Keep the secret that FILE describes; its value is set apart."""
    xml = text_of(file)
    with session.connect("secret", make=True) as conn:
        uuid = conn.secretDefineXML(xml, int(validate)).UUIDString()
        session.answer(f"Secret {uuid} created", uuid=uuid)


@command("secret-list")
@click.option("--ephemeral", "flags", multiple=True, flag_value=1, help="Only ephemeral ones.")
@click.option("--no-ephemeral", "flags", multiple=True, flag_value=2, help="Only those kept on disk.")
@click.option("--private", "flags", multiple=True, flag_value=4, help="Only private ones.")
@click.option("--no-private", "flags", multiple=True, flag_value=8, help="Only readable ones.")
@pass_session
def secret_list(session: Session, flags: tuple[int, ...]) -> None:
    """List the secrets; their values are never shown."""
    from embervirt.cli import output

    with session.connect("secret") as conn:
        rows = [_row(each) for each in conn.listAllSecrets(sum(set(flags)))]
    if session.json:
        click.echo(output.document(rows))
    else:
        cells = ((row["uuid"], f"{row['usage_type']} {row['usage_id']}".strip()) for row in rows)
        output.show_table(["UUID", "Usage"], cells)


def _row(secret: virSecret) -> dict[str, str]:
    kind = words.word(words.USAGES, secret.usageType())
    return {"uuid": secret.UUIDString(), "usage_type": kind, "usage_id": secret.usageID()}


@command("secret-dumpxml")
@uuid_argument
@pass_session
def secret_dumpxml(session: Session, uuid: str) -> None:
    """Print a secret's XML; its value is not in it."""
    with session.connect("secret") as conn:
        found = conn.secretLookupByUUIDString(uuid)
        xml = found.XMLDesc()
        session.answer(xml.rstrip("\n"), uuid=found.UUIDString(), xml=xml)


@command("secret-set-value")
@uuid_argument
@click.argument("text", metavar="[BASE64]", required=False)
@click.option("--file", type=click.File("rb"), help="Read the value from a file, - for standard input.")
@click.option("--plain", is_flag=True, help="With --file: the file is the value itself, not its base64.")
@click.option("--interactive", is_flag=True, help="Ask for the value on the terminal, without echo.")
@pass_session
def secret_set_value(
    session: Session, uuid: str, text: str | None, file: Any, plain: bool, interactive: bool
) -> None:
    """Set a secret's value, from exactly one of --file, --interactive and BASE64.

    Any user of this machine can read BASE64 in the list of processes while the command runs.
    """
    if [text is not None, file is not None, interactive].count(True) != 1:
        raise click.UsageError("give exactly one of --file FILE, --interactive and BASE64")
    if plain and file is None:
        raise click.UsageError("--plain goes with --file FILE")
    if text is not None:
        click.echo("warning: a value given as an argument is visible in the list of processes", err=True)
    with session.connect("secret") as conn:
        secret = conn.secretLookupByUUIDString(uuid)
        secret.setValue(_value(text, file, plain))
        session.answer("Secret value set", uuid=secret.UUIDString())


def _value(text: str | None, file: Any, plain: bool) -> bytes:
    if text is None and file is None:
        typed: str = click.prompt("Enter new value for secret", hide_input=True, err=True)
        return typed.encode()
    if text is not None:
        return decoded(text.encode(), "BASE64")
    content: bytes = file.read()
    return content if plain else decoded(content, name_of(file))


def decoded(content: bytes, where: str) -> bytes:
    """The value that base64 stands for, line ends passed over. Raises Refused, without the value."""
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        raise Refused(f"{where}: not base64; --plain takes a file as it is") from None


@command("secret-get-value")
@uuid_argument
@click.option("--plain", is_flag=True, help="The value itself, not its base64.")
@pass_session
def secret_get_value(session: Session, uuid: str, plain: bool) -> None:
    """Print a secret's value as base64."""
    with session.connect("secret") as conn:
        secret = conn.secretLookupByUUIDString(uuid)
        value = secret.value()
        if plain and not session.json:
            click.echo(value, nl=False)
            return
        text = base64.b64encode(value).decode()
        session.answer(text, uuid=secret.UUIDString(), value=text)


@command("secret-undefine")
@uuid_argument
@pass_session
def secret_undefine(session: Session, uuid: str) -> None:
    """Forget a secret and its value."""
    with session.connect("secret") as conn:
        secret = conn.secretLookupByUUIDString(uuid)
        secret.undefine()
        session.answer(f"Secret {secret.UUIDString()} deleted", uuid=secret.UUIDString())


@command("secret-rewrap")
@click.option(
    "--key-file", required=True, type=click.Path(resolve_path=True), help="32 bytes, readable by you alone."
)
@pass_session
def secret_rewrap(session: Session, key_file: str) -> None:
    """Protect the values by another key. From then on the setting secret.key_file must name its file."""
    with session.connect("secret") as conn:
        conn.secretRewrap(key_file)
    text = f"Values are protected by {key_file} now; set secret.key_file to it before the next open"
    session.answer(text, key_file=key_file)


COMMANDS: list[click.Command] = [
    secret_define,
    secret_list,
    secret_dumpxml,
    secret_set_value,
    secret_get_value,
    secret_undefine,
    secret_rewrap,
]
