"""virsh's words for libvirt's numbers."""

from __future__ import annotations

import re

import pytest

from embervirt import constants
from embervirt.cli import words

NUMBERS = {name: value for name, value in vars(constants).items() if isinstance(value, int)}

REASONS = ["NOSTATE", "RUNNING", "BLOCKED", "PAUSED", "SHUTDOWN", "SHUTOFF", "CRASHED", "PMSUSPENDED"]
DETAILS = [
    "DEFINED", "UNDEFINED", "STARTED", "SUSPENDED", "RESUMED", "STOPPED", "SHUTDOWN", "PMSUSPENDED",
    "CRASHED",
]  # fmt: skip
NOT_REASONS = re.compile(
    r"_SHUTDOWN_(DEFAULT|ACPI|GUEST|INITCTL|SIGNAL|PARAVIRT)|_PAUSED_SHUTTING$|PMSUSPENDED_DISK_"
)


@pytest.mark.parametrize(("state", "prefix"), list(enumerate(REASONS)))
def test_states_and_reasons_cover_libvirts_constants(state: int, prefix: str) -> None:
    """Every reason that libvirt numbers for a state has a word."""
    assert NUMBERS[f"VIR_DOMAIN_{prefix}"] == state < len(words.STATES)
    numbers = {
        value
        for name, value in NUMBERS.items()
        if name.startswith(f"VIR_DOMAIN_{prefix}_") and not NOT_REASONS.search(name)
    }
    assert numbers <= set(range(len(words.REASONS[state]))), prefix


@pytest.mark.parametrize(("event", "prefix"), list(enumerate(DETAILS)))
def test_events_and_details_cover_libvirts_constants(event: int, prefix: str) -> None:
    """Every detail that libvirt numbers for a lifecycle event has a word."""
    assert NUMBERS[f"VIR_DOMAIN_EVENT_{prefix}"] == event
    numbers = {value for name, value in NUMBERS.items() if name.startswith(f"VIR_DOMAIN_EVENT_{prefix}_")}
    assert numbers == set(range(len(words.DETAILS[event]))), prefix


@pytest.mark.parametrize(
    ("number", "usage"), [(0, "none"), (1, "volume"), (2, "ceph"), (3, "iscsi"), (4, "tls"), (5, "vtpm")]
)
def test_usage_types_have_their_names(number: int, usage: str) -> None:
    """The word for a usage type is the name of libvirt's constant."""
    assert words.word(words.USAGES, number) == usage
    assert NUMBERS[f"VIR_SECRET_USAGE_TYPE_{usage.upper()}"] == number


def test_a_number_without_a_word_is_shown_as_it_is() -> None:
    """A state, reason or event of a newer libvirt is shown by its number."""
    assert words.reason(99, 1) == "1"
    assert words.reason(1, 99) == "99"
    assert words.lifecycle(5, 99) == "Stopped 99"
    assert words.lifecycle(99, 2) == "99 2"
