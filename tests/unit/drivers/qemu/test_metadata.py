"""``<metadata>``: each application's element is found, put and removed by its namespace; the others stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from embervirt.drivers.qemu.model.metadata import find, put
from embervirt.errors import InternalError, XmlDetail

TWO = "<metadata><a:x xmlns:a='http://a'><a:y>1</a:y></a:x><b:x xmlns:b='http://b'/></metadata>"
LETTERS = st.text("abcxyz", min_size=1, max_size=6)


def test_an_element_is_read_without_its_namespace() -> None:
    """Tags and attributes of that namespace lose it; those of others keep theirs; None when there is none."""
    own = "<p:a xmlns:p='http://y' p:z='1' q='2'><p:b/><d xmlns='u2'/></p:a>"
    found = find(f"<metadata>{own}</metadata>", "http://y")
    assert found is not None
    root = etree.fromstring(found)
    assert (root.tag, sorted(root.attrib.items())) == ("a", [("q", "2"), ("z", "1")])
    assert [child.tag for child in root] == ["b", "{u2}d"]
    assert find(TWO, "http://c") is None
    assert find(None, "http://a") is None


def test_text_of_an_element_is_left_as_it_is() -> None:
    """No blank is added where there are words, and entities stay entities."""
    told = put(None, "http://y", "k", "<a><b>x</b>\n  <c>&lt;&amp;é</c></a>")
    assert find(told, "http://y") == "<a><b>x</b>\n  <c>&lt;&amp;é</c></a>"


def test_an_element_is_put_in_libvirts_look() -> None:
    """Elements without a namespace get the one given, under the prefix given, as deep as they stand."""
    told = put("<metadata><k:a xmlns:k='http://x'/></metadata>", "http://y", "k", "<a b='1'><c>t</c></a>")
    assert told == (
        '<metadata>\n    <k:a xmlns:k="http://x"/>\n    <k:a xmlns:k="http://y" b="1">\n'
        "      <k:c>t</k:c>\n    </k:a>\n  </metadata>"
    )


def test_only_the_element_of_that_namespace_goes() -> None:
    """Removing the last leaves no metadata at all; removing what is not there changes nothing else."""
    without = put(TWO, "http://a", "", None)
    assert find(without, "http://a") is None
    assert find(without, "http://b") == "<x/>"
    assert put(without, "http://b", "", None) is None
    assert find(put(TWO, "http://c", "", None), "http://b") == "<x/>"


@pytest.mark.parametrize("text", ["", "bad<", "<a/><b/>", "<!DOCTYPE a><a/>", "\udcff<a/>", "<a>&x;</a>"])
def test_what_is_no_element_is_refused(text: str) -> None:
    """With libvirt's code, and never another exception."""
    with pytest.raises(XmlDetail):
        put(TWO, "http://a", "k", text)


def test_a_prefix_that_is_none_is_refused() -> None:
    """XML names begin with a letter."""
    with pytest.raises(InternalError, match="prefix"):
        put(None, "http://a", "1 bad", "<a/>")


@given(tag=LETTERS, text=LETTERS, uris=st.lists(LETTERS, min_size=1, max_size=4, unique=True))
def test_what_was_put_is_found(tag: str, text: str, uris: list[str]) -> None:
    """Whatever else is there, each namespace gives back its own element."""
    told = None
    for uri in uris:
        told = put(told, f"http://{uri}", "p", f"<{tag}>{text}{uri}</{tag}>")
    assert [find(told, f"http://{uri}") for uri in uris] == [f"<{tag}>{text}{uri}</{tag}>" for uri in uris]
