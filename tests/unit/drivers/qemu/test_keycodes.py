"""Key codes of libvirt's codesets as QEMU's."""

from __future__ import annotations

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.service.keycodes import CODESETS, MOST, table, translated

LINUX, XT, USB, WIN32, QNUM = (
    libvirt.VIR_KEYCODE_SET_LINUX,
    libvirt.VIR_KEYCODE_SET_XT,
    libvirt.VIR_KEYCODE_SET_USB,
    libvirt.VIR_KEYCODE_SET_WIN32,
    libvirt.VIR_KEYCODE_SET_QNUM,
)


@pytest.mark.parametrize(
    ("codeset", "code", "qnum"),
    [
        (LINUX, 28, 28),  # Enter
        (LINUX, 111, 211),  # Delete
        (XT, 28, 28),
        (USB, 40, 28),
        (WIN32, 13, 28),
        (QNUM, 211, 211),
    ],
)
def test_a_key_has_one_number_whatever_set_names_it(codeset: int, code: int, qnum: int) -> None:
    """What libvirt 9 was seen to send."""
    assert translated(codeset, [code]) == [qnum]


def test_every_table_is_of_numbers_that_qemu_has() -> None:
    """A qnum has one byte for the key and one bit for the extended ones."""
    for codeset in CODESETS[:-1]:
        assert all(0 <= qnum <= 0xFF for qnum in table(codeset).values())
        assert len(table(codeset)) > 100


@pytest.mark.parametrize(
    ("codeset", "codes", "text", "number"),
    [
        (LINUX, [28, 999], "cannot translate keycode 999 of linux codeset to qnum keycode", 1),
        (LINUX, [], "nkeycodes in virDomainSendKey must be greater than zero", 8),
        (LINUX, list(range(1, MOST + 2)), "must be less than or equal to 16", 8),
        (17, [3], "Unsupported codeset '17'", 8),
    ],
)
def test_what_is_no_key_is_refused_in_libvirts_words(
    codeset: int, codes: list[int], text: str, number: int
) -> None:
    """With its code, too."""
    with pytest.raises(libvirt.libvirtError, match=text) as refused:
        translated(codeset, codes)
    assert refused.value.get_error_code() == number
