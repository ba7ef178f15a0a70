"""The XML of a secret: codes, domains and results as libvirt 9 answers."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.secret.model import USAGES, Secret, Usage
from embervirt.drivers.secret.reading import read_secret, row_of
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError

UUID = "f52a81b2-424e-490c-823d-6bd4235bc572"
FULL = f"""\
<secret ephemeral='no' private='yes'>
  <uuid>{UUID}</uuid>
  <description>Ceph secret with space and dot</description>
  <usage type='ceph'>
    <name>client.admin secret</name>
  </usage>
</secret>
"""


def test_what_libvirt_writes_is_written_back() -> None:
    """To the byte."""
    assert render(read_secret(FULL)) == FULL


@pytest.mark.parametrize(("kind", "number"), [(kind, number) for kind, (number, _, _) in USAGES.items()])
def test_every_usage_has_its_number_and_its_id(kind: str, number: int) -> None:
    """In the element libvirt reads it from; type none has no id, and is not written."""
    field = USAGES[kind][1]
    usage = f"<usage type='{kind}'>" + (f"<{field}>for this</{field}>" if field else "") + "</usage>"
    row = row_of(read_secret(f"<secret><uuid>{UUID}</uuid>{usage}</secret>"))
    assert (row.usage_type, row.usage_id) == (number, "for this" if field else "")
    assert ("<usage" in row.xml) == bool(field)


def test_a_missing_uuid_is_made() -> None:
    """Also for an empty element; a new one each time."""
    made = {
        read_secret(xml).uuid
        for xml in ("<secret/>", "<secret><uuid></uuid></secret>", "<secret><uuid/></secret>")
    }
    assert len(made) == 3
    assert all(uuid.UUID(each).version == 4 for each in made)


@pytest.mark.parametrize(
    "spelling", [f" {UUID} ", UUID.upper(), UUID.replace("-", "")], ids=["blanks", "upper", "bare"]
)
def test_a_uuid_is_canonical_inside(spelling: str) -> None:
    """However it was spelled."""
    assert read_secret(f"<secret><uuid>{spelling}</uuid></secret>").uuid == UUID


def test_what_says_nothing_is_not_kept() -> None:
    """An empty description, ids of other types, a second usage, unknown elements."""
    secret = read_secret(
        f"<secret x='1'><uuid>{UUID}</uuid><description/>"
        "<usage type='vtpm'><name>n</name><volume>v</volume></usage>"
        "<usage type='ceph'><name>y</name></usage><unknown/></secret>"
    )
    assert secret == Secret(uuid=UUID, usage=Usage(type="vtpm", name="n"))


@pytest.mark.parametrize(
    ("xml", "code", "domain", "says"),
    [
        ("", 35, 30, "empty"),
        ("junk", 35, 30, "Start tag expected"),
        ("<secret>", 35, 30, "Premature end"),
        ("<a/>", 27, 30, "expecting root element of 'secret', not 'a'"),
        ("<!DOCTYPE a [<!ENTITY e 'x'>]><secret>&e;</secret>", 35, 30, "document type"),
        ("<secret private='maybe'/>", 27, 30, "yes, no"),
        ("<secret ephemeral='1'/>", 27, 30, "yes, no"),
        ("<secret><uuid>zz</uuid></secret>", 1, 30, "a UUID"),
        ("<secret><uuid>1-1-1-1111-1111111111111111111111111a</uuid></secret>", 1, 30, "a UUID"),
        ("<secret><usage/></secret>", 27, 30, "attribute 'type' is missing"),
        ("<secret><usage type='x'/></secret>", 67, 30, "none, volume, ceph, iscsi, tls, vtpm"),
        ("<secret><usage type='ceph'/></secret>", 1, 30, "Ceph usage specified, but name is missing"),
        (
            "<secret><usage type='ceph'><name/></usage></secret>",
            1,
            30,
            "Ceph usage specified, but name is missing",
        ),
        (
            "<secret><usage type='volume'/></secret>",
            1,
            30,
            "volume usage specified, but volume path is missing",
        ),
        ("<secret><usage type='iscsi'/></secret>", 1, 30, "iSCSI usage specified, but target is missing"),
        ("<secret><usage type='tls'/></secret>", 1, 30, "TLS usage specified, but name is missing"),
        ("<secret><usage type='vtpm'/></secret>", 1, 30, "vTPM usage specified, but name is missing"),
    ],
)
def test_a_wrong_definition_is_refused_as_libvirt_does(xml: str, code: int, domain: int, says: str) -> None:
    """Code and domain; the message says what is accepted."""
    with pytest.raises(libvirtError) as caught:
        read_secret(xml)
    assert (caught.value.get_error_code(), caught.value.get_error_domain()) == (code, domain)
    assert says in str(caught.value)


@pytest.mark.parametrize("xml", ["<secret><foo/></secret>", "<secret foo='1'/>"])
def test_strict_reading_refuses_what_it_does_not_know(xml: str) -> None:
    """VIR_SECRET_DEFINE_VALIDATE: code 92."""
    assert read_secret(xml)
    with pytest.raises(libvirtError, match="foo") as caught:
        read_secret(xml, strict=True)
    assert caught.value.get_error_code() == 92


TEXT = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f\ufffe\uffff")
)


@given(st.booleans(), st.booleans(), TEXT, st.sampled_from(sorted(set(USAGES) - {"none"})), TEXT.filter(bool))
def test_what_is_written_is_read_back(
    ephemeral: bool, private: bool, description: str, kind: str, text: str
) -> None:
    """Any definition, any text in it."""
    usage = Usage(type=kind, **{str(USAGES[kind][1]): text})
    flags = {"ephemeral": ephemeral, "private": private}
    secret = Secret(uuid=UUID, description=description or None, usage=usage, **flags)
    assert read_secret(render(secret)) == secret
