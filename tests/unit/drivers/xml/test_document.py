"""Reading XML: bounded, without entities, and with errors that say where; writing it in libvirt's look."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.xml import (
    MAX_SIZE,
    Element,
    SchemaError,
    attr,
    child,
    children,
    choice,
    content,
    flag,
    foreign,
    parse,
    raw,
    read,
    render,
    size,
    text,
    yes_no,
)
from embervirt.drivers.xml.errors import NumericalOverflow
from embervirt.errors import ConfigUnsupported, InvalidArgument, XmlDetail, XmlError, libvirtError


class Wheel(Element, tag="wheel", refuse=("@bent",)):
    side: str = attr("side", choice("left", "right", later=("middle",)))
    label: str | None = content(default=None)


class Parts(Element, tag="parts", closed=True):
    bell: bool = flag("bell", default=False)


class Cart(Element, tag="cart", refuse=("horse", "{urn:known}trailer")):
    fast: bool = attr("fast", yes_no, default=False)
    name: str | None = text("name", default=None)
    load: int | None = size("load", default=None)
    metadata: str | None = raw("metadata", default=None)
    parts: Parts | None = child(Parts, default=None)
    wheels: tuple[Wheel, ...] = children(Wheel, default=())
    others: tuple[str, ...] = foreign(default=())


FULL = """\
<cart fast='yes'>
  <name>a &lt;b&gt; &amp; &apos;c&apos; &quot;d&quot;</name>
  <load unit='KiB'>2048</load>
  <metadata><x:note xmlns:x="urn:x">
 kept <b/> as is</x:note></metadata>
  <parts>
    <bell/>
  </parts>
  <wheel side='left'/>
  <wheel side='right'>spare</wheel>
  <y:other xmlns:y="urn:y" a="1"/>
</cart>
"""


def test_what_is_written_is_what_was_read() -> None:
    """A document in libvirt's look comes back to the byte, with every kind of field in it."""
    assert render(parse(Cart, FULL)) == FULL


def test_every_kind_of_field_is_read() -> None:
    """Attributes, texts, sizes, children, flags and verbatim parts arrive in their fields."""
    cart = parse(Cart, FULL.encode())
    assert (cart.fast, cart.name, cart.load) == (True, "a <b> & 'c' \"d\"", 2048)
    assert [(wheel.side, wheel.label) for wheel in cart.wheels] == [("left", None), ("right", "spare")]
    assert cart.parts == Parts(bell=True)
    assert cart.others == ('<y:other xmlns:y="urn:y" a="1"/>',)


def test_objects_are_frozen() -> None:
    """What was read cannot be changed, only replaced."""
    cart = Cart(name="a")
    with pytest.raises(AttributeError):
        cart.name = "b"  # type: ignore[misc]
    assert cart.name == "a"


@pytest.mark.parametrize("nothing", [None, 5, ["<cart/>"]])
def test_what_is_no_text_is_an_invalid_argument(nothing: Any) -> None:
    """The caller is told what it gave instead of text."""
    with pytest.raises(InvalidArgument, match=f"must be a str, not {type(nothing).__name__}"):
        parse(Cart, nothing)


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ("", r"\(cart_definition\):1: Document is empty"),
        ("   ", r"\(cart_definition\):1: "),
        ("cart", r"\(cart_definition\):1: Start tag expected"),
        ("<cart>\n<name>", r"\(cart_definition\):2: "),
        ("<cart>\n<name>\0</name></cart>", r"\(cart_definition\):2: .*0x0"),
        ("<cart><name>&#0;</name></cart>", r"\(cart_definition\):1: .*invalid xmlChar value 0"),
        ("<cart/>\0", r"\(cart_definition\):1: Extra content"),
        ("<cart><name>&nothing;</name></cart>", r"\(cart_definition\):1: .*'nothing' not defined"),
        ("<cart><name>\ud800</name></cart>", "not UTF-8"),
        (b"<cart>\xff</cart>", "not UTF-8"),
        ("<a>" * 3000, r"\(cart_definition\):1: Excessive depth"),
        ("<cart fast='no' fast='yes'/>", r"\(cart_definition\):1: Attribute fast redefined"),
        ("<cart><u:a/></cart>", r"\(cart_definition\):1: .*prefix u"),
    ],
)
def test_what_is_no_xml_says_where(document: str | bytes, where: str) -> None:
    """The parser's own words, with the line, under libvirt's code 35."""
    with pytest.raises(XmlDetail, match=where) as caught:
        parse(Cart, document)
    assert caught.value.get_error_code() == 35


@pytest.mark.parametrize("encoding", ["latin1", "UTF-16", "no-such-encoding"])
def test_declared_encoding_does_not_matter(encoding: str) -> None:
    """A str is text already, whatever its declaration says."""
    document = f"<?xml version='1.0' encoding='{encoding}'?><cart><name>\u20ac</name></cart>"
    assert parse(Cart, document).name == "\u20ac"


LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12))
BOMBS = {
    "billion laughs": f"<!DOCTYPE c [<!ENTITY l0 'ha'>{LAUGHS}]><cart><name>&l11;</name></cart>",
    "bomb in an attribute": f"<!DOCTYPE c [<!ENTITY l0 'ha'>{LAUGHS}]><cart fast='&l11;'/>",
    "external entity": "<!DOCTYPE c [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><cart><name>&x;</name></cart>",
    "external DTD": "<!DOCTYPE c SYSTEM 'http://192.0.2.1/x.dtd'><cart/>",
    "parameter entity": "<!DOCTYPE c [<!ENTITY % x SYSTEM 'file:///dev/zero'>%x;]><cart/>",
    "behind comments": "<?xml version='1.0'?>\n<!-- <!-> -->\n<?pi <!?>" + " <!DOCTYPE c><cart/>",
    "behind a byte order mark": "\ufeff<!DOCTYPE c><cart/>",
}


@pytest.mark.parametrize("document", BOMBS.values(), ids=BOMBS.keys())
def test_document_type_is_refused(document: str) -> None:
    """No document that declares anything is read: no entity is expanded, no file or host is asked."""
    begun = time.process_time()
    with pytest.raises(XmlError, match=r"\(cart_definition\):\d+: a document type declaration"):
        parse(Cart, document)
    assert time.process_time() - begun < 1


def test_looking_for_a_document_type_is_linear() -> None:
    """A long prolog of comments and instructions is passed over once."""
    prolog = "<?a?><!-- b -->" * 20_000
    begun = time.process_time()
    assert parse(Cart, prolog + "<cart/>") == Cart()
    with pytest.raises(XmlError):
        parse(Cart, prolog + "<!DOCTYPE c><cart/>")
    assert time.process_time() - begun < 2


def test_text_that_looks_like_a_document_type_is_text() -> None:
    """Behind the root element the words are just words."""
    assert parse(Cart, "<cart><name><![CDATA[<!DOCTYPE c>]]></name></cart>").name == "<!DOCTYPE c>"


def test_size_is_limited() -> None:
    """100 MB are refused at once, by a message with the limit."""
    document = "<cart>" + " " * 100_000_000 + "</cart>"
    begun = time.process_time()
    with pytest.raises(XmlError, match=f"at most {MAX_SIZE} are accepted"):
        parse(Cart, document)
    assert time.process_time() - begun < 0.1


def test_many_unknown_elements_are_read_in_linear_time() -> None:
    """A document full of what nobody knows costs no more than its length; the first fifty are named."""
    begun = time.process_time()
    cart, unknown = read(Cart, "<cart>" + "<x/>" * 100_000 + "<name>a</name></cart>")
    assert (cart.name, len(unknown)) == ("a", 50)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("document", ["<wagon/>", "<cart xmlns='urn:other'/>", "<x:cart xmlns:x='urn:x'/>"])
def test_root_element_must_be_the_right_one(document: str) -> None:
    """In libvirt's words and code."""
    with pytest.raises(
        XmlError, match=r"XML error: expecting root element of 'cart', not '.*(wagon|cart)'"
    ) as caught:
        parse(Cart, document)
    assert caught.value.get_error_code() == 27


@pytest.mark.parametrize(
    ("inside", "error", "message"),
    [
        (
            "<wheel side='left'/>\n<wheel side='up'/>",
            XmlError,
            r"/cart/wheel\[2\]/@side, line 3: 'up' is not accepted; expected one of: left, right",
        ),
        ("<wheel/>", XmlError, r"/cart/wheel, line 2: attribute 'side' is missing; expected one of"),
        ("<wheel side='middle'/>", ConfigUnsupported, r"/cart/wheel/@side, line 2: 'middle'"),
        (
            "<wheel side='left' bent='yes'/>",
            ConfigUnsupported,
            r"/cart/wheel/@bent, line 2: attribute 'bent' is not supported; <wheel> accepts: side",
        ),
        (
            "<horse/>",
            ConfigUnsupported,
            r"/cart/horse, line 2: <horse> is not supported; <cart> accepts: name",
        ),
        ("<t:trailer xmlns:t='urn:known'/>", ConfigUnsupported, r"trailer"),
        ("<parts><light/></parts>", ConfigUnsupported, r"<light> is not supported; <parts> accepts: bell"),
        ("<load>1x</load>", XmlError, r"/cart/load, line 2: '1x' is not accepted; expected a decimal number"),
        ("<load>-1</load>", XmlError, r"'-1' is not accepted"),
        ("<load/>", XmlError, r"/cart/load, line 2: '' is not accepted"),
        ("<load unit='stone'>1</load>", InvalidArgument, r"/cart/load/@unit, line 2: 'stone' .*KiB, MB"),
        ("<load unit='EiB'>8</load>", NumericalOverflow, r"/cart/load, line 2: value too large: 8EiB"),
        ("<load>" + "9" * 6000 + "</load>", XmlError, r"'9{100}\.\.\.' is not accepted"),
    ],
)
def test_bad_value_says_where_what_and_what_else(
    inside: str, error: type[libvirtError], message: str
) -> None:
    """Path, line, the value (not too much of it) and what is accepted, as the error libvirt would raise."""
    with pytest.raises(error, match=message):
        parse(Cart, f"<cart>\n{inside}</cart>")


def test_unknown_is_dropped_or_an_error_when_strict() -> None:
    """Unknown elements and attributes do not matter, unless the caller asks for validation (code 92)."""
    document = "<cart colour='red'>\n<name lang='en'>a<b/></name>\n<seat/></cart>"
    cart, unknown = read(Cart, document)
    assert parse(Cart, document) == cart == Cart(name="a")
    assert {str(item) for item in unknown} == {
        "/cart/@colour (line 1)",
        "/cart/name/@lang (line 2)",
        "/cart/name/b (line 2)",
        "/cart/seat (line 3)",
    }
    with pytest.raises(SchemaError, match=r"/cart/seat \(line 3\)") as caught:
        parse(Cart, document, strict=True)
    assert caught.value.get_error_code() == 92
    assert parse(Cart, FULL, strict=True) == parse(Cart, FULL)


def test_first_of_repeated_elements_counts() -> None:
    """As with libvirt, where one is expected the others are not looked at; an empty text is no text."""
    assert parse(Cart, "<cart><name>a</name><name>b</name></cart>").name == "a"
    assert parse(Cart, "<cart><name/></cart>").name is None


def test_comments_are_no_content() -> None:
    """Comments and instructions may stand anywhere, and neither end a text nor belong to it."""
    document = "<!-- a --><cart><!-- b --><name>o<!-- c -->n<?d e?>e</name></cart><!-- f -->"
    assert parse(Cart, document, strict=True) == Cart(name="one")


@given(st.text())
def test_any_text_is_an_object_or_a_libvirt_error(document: str) -> None:
    """Nothing but libvirtError comes out of reading, whatever goes in."""
    try:
        assert isinstance(parse(Cart, document), Cart)
    except libvirtError as error:
        assert error.get_error_code() in (8, 27, 35, 67)


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_any_value_is_written_whole_or_refused(name: str) -> None:
    """A value that was written reads back as itself; one that XML cannot hold is refused."""
    try:
        document = render(Cart(name=name, wheels=(Wheel(side="left", label=name),)))
    except XmlError as error:
        assert "cannot be written in XML" in str(error)
        return
    cart = parse(Cart, document)
    assert (cart.name, cart.wheels[0].label) == (name, name)
