"""Names that the whole host sees."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.network import names

HASH = "0123abcd"


@given(st.sets(st.integers(0, 200)), st.sampled_from([names.bridge, names.tap, names.macvtap]))
def test_the_first_free_number_is_given(taken: set[int], make: object) -> None:
    """With the root's hash, short enough for a link, and unlike libvirt's."""
    assert callable(make)
    prefix = make(HASH, set()).removesuffix("0")
    name = make(HASH, {f"{prefix}{number}" for number in taken})
    number = int(name.removeprefix(prefix))
    assert number not in taken and all(each in taken for each in range(number))
    assert HASH[:6] in name and len(name) <= 15 and not name.startswith(("virbr", "vnet", "macvtap"))


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/:"), min_size=1))
def test_tables_of_two_links_are_never_one(link: str) -> None:
    """And nft can read their names."""
    table = names.policing_table(HASH, link)
    assert set(table) <= names.PLAIN | {"/"}
    assert table != names.policing_table(HASH, link + "a") and table != names.filter_table(HASH, link)


def test_a_template_is_filled_in() -> None:
    """As libvirt accepts it."""
    assert names.templated("br%dx", {"br0x", "br1x"}) == "br2x"


def test_networks_whose_uuids_begin_alike_have_tables_of_their_own() -> None:
    """As people make UUIDs up."""
    uuids = [f"11111111-0000-4000-8000-00000000000{number}" for number in range(3)]
    assert len({names.network_table(HASH, each) for each in uuids}) == 3
    assert names.tables(HASH, uuids[0], "br0") == {
        ("inet", f"embervirt-{HASH}-{uuids[0]}"),
        ("netdev", f"embervirt-{HASH}-in-br0"),
    }
