"""A reference becomes rules: includes, variables, directions, states; golden files show them as nft text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.network.nwfilter import nftables
from embervirt.drivers.network.nwfilter.bindings import Condition
from embervirt.drivers.network.nwfilter.builtin import builtin
from embervirt.drivers.network.nwfilter.errors import FilterConflict, FilterUnsupported, FilterValue
from embervirt.drivers.network.nwfilter.matching import swapped
from embervirt.drivers.network.nwfilter.model import Filter
from embervirt.drivers.network.nwfilter.protocols import KINDS
from embervirt.drivers.network.nwfilter.reading import read_filter, read_reference
from embervirt.drivers.network.nwfilter.tree import Interface, Rules, instantiate
from embervirt.drivers.network.nwfilter.variables import expanded
from embervirt.drivers.network.nwfilter.ways import Way, ways

GUEST = Interface("tap0", "52:54:00:12:34:56")
SERVER = """
<rule action='accept' direction='in'><tcp dstportstart='22' comment='administration "x"'/></rule>
<rule action='accept' direction='out'><udp dstportstart='53'/></rule>
<rule action='accept' direction='inout'><icmp/></rule>
<rule action='reject' direction='inout' priority='1000'><all/></rule>"""
STATED = """
<rule action='accept' direction='out' priority='100'><all state='ESTABLISHED,RELATED'/></rule>
<rule action='accept' direction='in' priority='200'><tcp dstportstart='21' state='NEW'/></rule>
<rule action='drop' direction='inout' priority='1000'><all/></rule>"""


def rules(body: str, parameters: str = "", guest: Interface = GUEST, head: str = "name='f'") -> Rules:
    """Of a guest with a filter of that body; ``parameters``: NAME=VALUE, blanks between."""
    made = read_filter(f"<filter {head}>{body}</filter>")

    def lookup(name: str) -> Filter | None:
        return made if name == made.name else builtin(name)

    pairs = (each.split("=") for each in parameters.split())
    given_values = "".join(f"<parameter name='{name}' value='{value}'/>" for name, value in pairs)
    reference = f"<filterref filter='{made.name}'>{given_values}</filterref>"
    return instantiate(read_reference(reference), guest, lookup)


def one(action: str, direction: str, what: str, more: str = "") -> tuple[Way, ...]:
    """The ways of one rule."""
    (rule,) = rules(f"<rule action='{action}' direction='{direction}' {more}>{what}</rule>").placed
    return ways(rule)


@pytest.mark.parametrize(
    ("name", "body", "parameters"),
    [
        ("clean-traffic", "<filterref filter='clean-traffic'/>", "IP=10.7.7.5 IP=10.7.7.6"),
        ("clean-traffic-any", "<filterref filter='clean-traffic'/>", ""),
        (
            "clean-traffic-dhcp",
            "<filterref filter='clean-traffic'/>",
            "CTRL_IP_LEARNING=dhcp DHCPSERVER=10.7.7.1",
        ),
        ("server", SERVER, ""),
        ("stated", STATED, ""),
    ],
)
def test_a_filter_has_its_ruleset(
    name: str, body: str, parameters: str, golden: Callable[[str, str], None]
) -> None:
    """As in the golden file."""
    golden(
        f"network/nwfilter/{name}.nft",
        nftables.ruleset(rules(body, parameters), GUEST, "embervirt-00000000-t"),
    )


BEGUN, ANSWERS = ("NEW", "ESTABLISHED"), ("ESTABLISHED",)


def test_a_rule_about_packets_lets_answers_through() -> None:
    """What a side may send, it may be answered; nothing else comes from there."""
    assert one("accept", "in", "<tcp/>") == (
        Way("out", True, ANSWERS, "reply"),
        Way("in", False, BEGUN, "original"),
    )
    assert one("accept", "out", "<tcp/>")[0] == Way("out", False, BEGUN, "original")


def test_a_rule_without_states_looks_both_ways() -> None:
    """Of what is dropped, answers are too; of both directions, everything passes."""
    for found in (
        one("drop", "in", "<tcp/>"),
        one("accept", "inout", "<tcp/>"),
        one("accept", "in", "<tcp/>", "statematch='0'"),
    ):
        assert found == (Way("out", swapped=True), Way("in"))


def test_a_rule_that_says_states_looks_one_way() -> None:
    """Its own; NONE is every state."""
    assert one("accept", "in", "<all state='NEW'/>") == (Way("in", states=("NEW",)),)
    assert one("accept", "out", "<all state='NONE'/>") == (Way("out"),)
    assert one("accept", "in", "<icmp type='8'/>") == (Way("in", states=BEGUN),)


def test_a_rule_about_the_sender_alone_says_nothing_about_answers() -> None:
    """Without the sender's address it would be about every packet."""
    assert one("drop", "in", "<all match='no' srcmacaddr='1:2:3:4:5:6'/>") == (Way("in"),)


def test_a_rule_about_frames_is_turned_around_for_the_guest() -> None:
    """In both directions it is meant as the one to the guest."""
    assert one("drop", "inout", "<ip srcipaddr='1.2.3.4'/>") == (Way("out", swapped=True), Way("in"))
    assert one("drop", "out", "<ip srcipaddr='1.2.3.4'/>") == (Way("out"),)


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_what_is_turned_around_twice_is_as_it_was(protocol: str, data: st.DataObject) -> None:
    """Source and destination change places, and nothing else changes."""
    names = data.draw(st.sets(st.sampled_from(sorted(KINDS[protocol]))))
    values = {name: name for name in names}
    assert swapped(swapped(values)) == values
    assert len(swapped(values)) == len(values)


def test_rules_are_in_the_order_of_their_priorities() -> None:
    """Those of included filters among them; of one priority as they are written."""
    body = (
        "<rule action='drop' direction='in'/><filterref filter='no-mac-spoofing'/>"
        "<rule action='accept' direction='in' priority='-5'/>"
    )
    assert [each.priority for each in rules(body).placed] == [-5, 500, 500, 500]
    assert [each.chain for each in rules(body).placed] == ["root", "root", "mac", "mac"]


def test_values_of_further_out_count() -> None:
    """A guest's own address stands before the one that an included reference names."""
    body = "<filterref filter='no-arp-ip-spoofing'><parameter name='IP' value='9.9.9.9'/></filterref>"
    for parameters, address in (("IP=10.0.0.1", "10.0.0.1"), ("CTRL_IP_LEARNING=none", "9.9.9.9")):
        first = rules(body, parameters).placed[0].condition
        assert first is not None and first.values["arpsrcipaddr"] == address


def test_lists_of_one_iterator_go_in_step_and_of_two_in_every_combination() -> None:
    """The first named fastest; no combination twice."""
    values = {"A": ("1.1.1.1", "2.2.2.2", "2.2.2.2"), "B": ("80", "90", "90")}
    step = expanded(Condition("tcp", {"srcipaddr": "$A", "srcportstart": "$B"}), values)
    assert [tuple(each.values.values()) for each in step] == [("1.1.1.1", "80"), ("2.2.2.2", "90")]
    both = expanded(Condition("tcp", {"srcipaddr": "$A[@1]", "srcportstart": "$B[@2]"}), values)
    assert [tuple(each.values.values()) for each in both] == [
        ("1.1.1.1", "80"),
        ("2.2.2.2", "80"),
        ("1.1.1.1", "90"),
        ("2.2.2.2", "90"),
    ]


@pytest.mark.parametrize(
    ("attributes", "parameters", "words"),
    [
        ("srcipaddr='$A[9]'", "A=1.1.1.1", "unavailable list elements: A.9"),
        ("srcipaddr='$NOPE'", "", "unavailable list elements: NOPE"),
        ("srcipaddr='$A' srcportstart='$B'", "A=1.1.1.1 A=1.1.1.2 B=1", "A has 2, B has 1"),
        ("srcipaddr='$A'", "A=name", "srcipaddr has illegal value name"),
        ("srcipaddr='$IP'", "CTRL_IP_LEARNING=none", "unavailable list elements: IP"),
    ],
)
def test_variables_that_cannot_be_filled_in_are_refused(attributes: str, parameters: str, words: str) -> None:
    """When a guest is to have the filter."""
    with pytest.raises(FilterValue, match=words):
        rules(f"<rule action='accept' direction='out'><tcp {attributes}/></rule>", parameters)


def test_an_address_that_is_known_is_not_learned() -> None:
    """Neither one of a parameter, nor one that the guest is known to have."""
    body = "<filterref filter='clean-traffic'/>"
    assert rules(body).learn == "any"
    assert rules(body, "IP=10.0.0.1").learn == ""
    assert rules(body, guest=Interface("tap0", GUEST.mac, ("10.0.0.9",))).learn == ""


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("<arp gratuitous='true'/>", "gratuitous"),
        ("<tcp connlimit-above='3'/>", "connlimit-above"),
        ("<all ipset='x' ipsetflags='src'/>", "ipset"),
        ("<tcp dstportend='3'/>", "dstportstart is missing"),
        ("<tcp dstportstart='5' dstportend='3'/>", "the end of a range"),
        ("<all srcipfrom='1.2.3.4'/>", "srcipto is missing"),
    ],
)
def test_what_nftables_cannot_ask_is_refused_by_name(what: str, words: str) -> None:
    """Never left out: a rule without it would be another."""
    made = rules(f"<rule action='accept' direction='inout'>{what}</rule>")
    with pytest.raises(FilterUnsupported, match=words):
        nftables.ruleset(made, GUEST, "t")


def test_filters_that_include_each_other_are_refused() -> None:
    """With the way around."""
    with pytest.raises(FilterConflict, match="loop: f > f"):
        rules("<filterref filter='f'/>")


def test_a_filter_that_is_missing_is_named() -> None:
    """The one that is included, not the one that includes it."""
    with pytest.raises(FilterValue, match="referenced filter 'nope' is missing"):
        rules("<filterref filter='nope'/>")


def test_an_unknown_way_of_learning_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(FilterUnsupported, match="expected one of any, dhcp, none"):
        rules("", "CTRL_IP_LEARNING=guess")


def test_a_comment_cannot_end_the_string_that_it_is_in() -> None:
    """Quotes and line breaks are left out of it."""
    made = rules("<rule action='drop' direction='in'><all comment='a\" drop&#10;b\\'/></rule>")
    text = nftables.ruleset(made, GUEST, "t")
    assert 'comment "a dropb"' in text
