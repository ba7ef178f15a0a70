"""Which secrets a caller asks for."""

from __future__ import annotations

import pytest

from embervirt import constants
from embervirt.drivers.secret import filters
from embervirt.drivers.secret.errors import NoSecret
from embervirt.drivers.secret.tables import SecretRow

ROWS = [
    SecretRow(f"{ephemeral:d}{private:d}", 2, f"{ephemeral:d}{private:d}", "", ephemeral, private)
    for ephemeral in (False, True)
    for private in (False, True)
]


def selected(flags: int) -> list[str]:
    """Ephemeral and private of each that fits, as two digits."""
    return [row.uuid for row in ROWS if filters.matches(row, flags)]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (0, ["00", "01", "10", "11"]),
        (1, ["10", "11"]),
        (2, ["00", "01"]),
        (3, ["00", "01", "10", "11"]),
        (4, ["01", "11"]),
        (8, ["00", "10"]),
        (12, ["00", "01", "10", "11"]),
        (5, ["11"]),
        (6, ["01"]),
        (9, ["10"]),
        (10, ["00"]),
        (7, ["01", "11"]),
        (15, ["00", "01", "10", "11"]),
    ],
)
def test_of_each_pair_of_flags_any_must_fit(flags: int, expected: list[str]) -> None:
    """A pair of which none is set is no question: as libvirt filters."""
    assert selected(flags) == expected


def test_the_flags_are_libvirts() -> None:
    """By their names."""
    assert filters.EPHEMERAL == constants.VIR_CONNECT_LIST_SECRETS_EPHEMERAL
    assert filters.NO_EPHEMERAL == constants.VIR_CONNECT_LIST_SECRETS_NO_EPHEMERAL
    assert filters.PRIVATE == constants.VIR_CONNECT_LIST_SECRETS_PRIVATE
    assert filters.NO_PRIVATE == constants.VIR_CONNECT_LIST_SECRETS_NO_PRIVATE


def test_a_secret_is_found_by_type_and_id_of_its_usage() -> None:
    """Both must fit; a secret without usage is not found by it, as in libvirt."""
    rows = [*ROWS, SecretRow("none", 0, "", "", False, False)]
    assert filters.by_usage(rows, 2, "01").uuid == "01"
    for usage in [(1, "01"), (2, "02"), (0, ""), (9, "01")]:
        with pytest.raises(NoSecret, match=f"no secret with matching usage '{usage[1]}'") as caught:
            filters.by_usage(rows, *usage)
        assert (caught.value.get_error_code(), caught.value.get_error_domain()) == (66, 30)
