"""Changes to a valid document: what is there goes, comes twice, moves, or says something else.

All chance comes from one ``Random``, so a number is enough to repeat a change.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random

from lxml import etree

from hostile import schema

Node = etree._Element
MOST_NODES = 3000
"""A document does not grow above this many elements."""

NUMBERS = (
    *("0", "1", "-1", "2", "7", "31", "32", "64", "127", "255", "256", "1023", "4096", "65535", "65536"),
    *("2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807"),
    *("9223372036854775808", "18446744073709551615", "18446744073709551616", "1" + "0" * 40),
    *("-2147483648", "-9223372036854775808", "0x0", "0x1f", "0xffffffff", "0X10", "1e3", "1.5", "+1", " 3 "),
)
TEXTS = (
    *("", " ", "\t\n", ",", "a,b", "a,,b=c", "id=x", "'", '"', "\\", "%s%n", "$(id)", "`id`", "{}", "[]"),
    *("json:{}", "\u20ac", "\U0001f600", "\u202e", "\u00a0", "\ufffd", "\u0130", "e\u0301", "a\nb", "a\rb"),
    *("..", ".", "/", "//", "../x", "../../etc/passwd", "/proc/self/mem", "/dev/zero", "/dev/full", "-"),
    *("--help", "-S", "file", "nbd://x", "x" * 200, "x" * 5000, "\u20ac" * 120, "ua-x", "a/b", "a b", "a:b"),
    *("sda", "sdz", "vda", "vdzzzzzz", "hda", "hdz", "fda", "fdz", "0-1023", "0,2,^1", "^0", "1-0", "0-"),
    *("52:54:00:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "127.0.0.1", "::1", "1.2.3.4.5"),
    *("00000000-0000-0000-0000-000000000000", "c7a5fdbd-edaf-9455-926a-d65c16db1809", "KiB", "TiB", "bytes"),
)
UNWRITABLE = ("&#0;", "&#1;", "&#x1f;", "&#xD800;", "&#xFFFE;", "\x00", "\x1b", "&bogus;", "<", "]]>")
"""What can stand in a text that is XML's own mistake."""


def mutated(text: str, random: Random, most: int = 6) -> str:
    """The document with one to ``most`` changes."""
    root = etree.fromstring(text)
    for _ in range(random.randint(1, most)):
        random.choice(_CHANGES)(root, random)
    if random.random() < 0.02:
        return damaged(str(etree.tostring(root, encoding="unicode")), random)
    return str(etree.tostring(root, encoding="unicode"))


def damaged(text: str, random: Random) -> str:
    """The text with one of its characters' runs replaced, XML or not."""
    begin = random.randint(0, len(text))
    end = min(len(text), begin + random.choice((0, 0, 1, 5, 40)))
    new = random.choice((*UNWRITABLE, *TEXTS[:20], "</a>", "<a>", "<!-- -->", "<?x y?>", "<![CDATA[x]]>"))
    return text[:begin] + new + text[end:]


def value(root: Node, random: Random) -> str:
    """A word, a number, something odd, or what stands elsewhere in the document."""
    match random.randrange(5):
        case 0:
            return random.choice(NUMBERS)
        case 1:
            return random.choice(schema.words())
        case 2:
            return random.choice(TEXTS)
        case 3:
            values = [str(word) for node in _nodes(root) for word in node.attrib.values()]
            return random.choice([*values, "x"])
        case _:
            texts = [node.text or "" for node in _nodes(root) if (node.text or "").strip()]
            return random.choice([*texts, "x"])


def _nodes(root: Node) -> list[Node]:
    return [node for node in root.iter() if isinstance(node.tag, str)]


def _node(root: Node, random: Random) -> Node:
    return random.choice(_nodes(root))


def _below(root: Node, random: Random) -> Node:
    nodes = _nodes(root)
    return random.choice(nodes[1:] or nodes)


def _with_attribute(root: Node, random: Random) -> tuple[Node, str] | None:
    found = [(node, str(name)) for node in _nodes(root) for name in node.attrib]
    return random.choice(found) if found else None


def _drop(root: Node, random: Random) -> None:
    node = _below(root, random)
    parent = node.getparent()
    if parent is not None:
        parent.remove(node)


def _repeat(root: Node, random: Random) -> None:
    node = _below(root, random)
    parent = node.getparent()
    times = random.choice((1, 1, 2, 5, 33))
    if parent is not None and len(_nodes(root)) + times * len(_nodes(node)) < MOST_NODES:
        for _ in range(times):
            parent.insert(random.randint(0, len(parent)), copy.deepcopy(node))


def _move(root: Node, random: Random) -> None:
    node, other = _below(root, random), _node(root, random)
    if len(_nodes(root)) + len(_nodes(node)) < MOST_NODES:
        other.append(copy.deepcopy(node))


def _exchange(root: Node, random: Random) -> None:
    """Two elements change places."""
    one, other = _below(root, random), _below(root, random)
    copies = copy.deepcopy(one), copy.deepcopy(other)
    for node, new in zip((one, other), reversed(copies), strict=True):
        parent = node.getparent()
        if parent is not None:
            parent.replace(node, new)


def _nest(root: Node, random: Random) -> None:
    """An element in itself, and so on."""
    node = _below(root, random)
    for _ in range(random.choice((1, 2, 10, 60))):
        if len(_nodes(root)) + len(_nodes(node)) < MOST_NODES // 4:
            node.append(copy.deepcopy(node))


def _rename(root: Node, random: Random) -> None:
    _below(root, random).tag = random.choice(schema.tags())


def _add(root: Node, random: Random) -> None:
    node = etree.SubElement(_node(root, random), random.choice(schema.tags()))
    for _ in range(random.randint(0, 3)):
        node.set(random.choice(schema.attributes()), value(root, random))


def _unset(root: Node, random: Random) -> None:
    found = _with_attribute(root, random)
    if found:
        del found[0].attrib[found[1]]


def _set_known(root: Node, random: Random) -> None:
    found = _with_attribute(root, random)
    if found:
        found[0].set(found[1], value(root, random))


def _set_any(root: Node, random: Random) -> None:
    _node(root, random).set(random.choice(schema.attributes()), value(root, random))


def _swap_values(root: Node, random: Random) -> None:
    one, other = _with_attribute(root, random), _with_attribute(root, random)
    if one and other:
        first, second = one[0].get(one[1], ""), other[0].get(other[1], "")
        one[0].set(one[1], second)
        other[0].set(other[1], first)


def _text(root: Node, random: Random) -> None:
    found = [node for node in _nodes(root) if (node.text or "").strip()] or _nodes(root)
    random.choice(found).text = value(root, random)


def _text_anywhere(root: Node, random: Random) -> None:
    _node(root, random).text = value(root, random)


def _shuffle(root: Node, random: Random) -> None:
    node = _node(root, random)
    kids = list(node)
    random.shuffle(kids)
    node[:] = kids


_CHANGES: tuple[Callable[[Node, Random], None], ...] = (
    *(_drop, _repeat, _move, _exchange, _nest, _rename, _add, _unset, _set_any, _swap_values),
    *(_set_known, _set_known, _set_known, _set_known, _text, _text, _text_anywhere, _shuffle),
)
