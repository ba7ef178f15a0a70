"""The rule that says whether a figure grows."""

from __future__ import annotations

import random

import pytest

from soak.growth import RULES, Sample, growth

NAMES = list(RULES)


def samples(
    per_second: float, *, noise: float = 0.0, per_guest: float = 0.0, count: int = 400
) -> list[Sample]:
    """One a second: 100, more with time and with the guests of the moment, and noise."""
    chooser, made = random.Random(1), list[Sample]()
    for second in range(count):
        guests = chooser.randint(0, 12)
        value = 100 + per_second * second + per_guest * guests + chooser.gauss(0, noise)
        made.append(Sample(float(second), guests, dict.fromkeys(NAMES, value)))
    return made


@pytest.mark.parametrize("name", ["threads", "descriptors", "memory MiB", "zombies", "run files"])
def test_a_leak_is_found_among_guests_that_come_and_go(name: str) -> None:
    """Twenty in two hundred seconds, though twelve guests cost a hundred."""
    grown = growth(name, samples(0.1, noise=1.0, per_guest=8.0))
    assert not grown.flat
    assert grown.grown == pytest.approx(20, abs=2)


@pytest.mark.parametrize("name", NAMES)
def test_what_only_follows_the_guests_is_flat(name: str) -> None:
    """However large the noise."""
    assert growth(name, samples(0.0, noise=5.0, per_guest=8.0)).flat


def test_growth_at_the_beginning_does_not_count() -> None:
    """Caches fill up; only the second half is asked."""
    filling = [
        sample._replace(figures={"memory MiB": min(150.0, 50.0 + second)})
        for second, sample in enumerate(samples(0.0))
    ]
    grown = growth("memory MiB", filling)
    assert grown.flat and grown.first < grown.last


def test_less_than_is_allowed_is_flat() -> None:
    """Five per cent of memory, or a few MiB in a short run."""
    assert growth("memory MiB", samples(0.01)).flat
    assert not growth("memory MiB", samples(0.05)).flat


def test_the_same_number_of_guests_all_the_time_is_fine() -> None:
    """Then there is nothing to take out."""
    constant = [sample._replace(guests=3) for sample in samples(0.1)]
    assert growth("threads", constant).grown == pytest.approx(0.1 * 199)
