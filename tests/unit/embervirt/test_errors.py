"""The root of the error tree: what a message may be."""

from __future__ import annotations

from embervirt.errors import LONGEST, InvalidArgument


def test_a_message_of_megabytes_keeps_its_ends() -> None:
    """What is wrong stands at the beginning or the end, whatever it quotes."""
    name = "x" * 8_000_000
    text = str(InvalidArgument(detail := f"the name '{name}' is too long"))
    assert text.startswith("invalid argument: the name 'xxx") and text.endswith("x' is too long")
    assert f"[{len(detail) - LONGEST} characters left out]" in text
    assert len(text) < LONGEST + 100


def test_an_ordinary_message_is_whole() -> None:
    """Also one with all the lines that a failed program said."""
    said = "\n".join(f"line {number} of it" for number in range(200))
    assert said in str(InvalidArgument(said))
