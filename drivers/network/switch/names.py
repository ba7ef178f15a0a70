"""A name server for the names of one network, pure: a query comes in, an answer goes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, ip_address

from dns import exception, flags, message, name, rcode, rdatatype, reversename, rrset

TTL = 0
"""Seconds that an answer may be remembered: guests come and go."""

Addresses = Mapping[str, Sequence[str]]


def answer(query: bytes, domain: str, addresses: Addresses, texts: Mapping[str, str]) -> bytes | None:
    """Names without a dot are also found in ``domain``; None for what is no query.

    Who is not known is NXDOMAIN: there is nobody to ask outside.
    """
    try:
        asked = message.from_wire(query)
    except exception.DNSException:
        return None
    if asked.flags & flags.QR or len(asked.question) != 1:
        return None
    reply = message.make_response(asked)
    reply.flags |= flags.AA | flags.RA
    found, known = _records(asked.question[0], domain, addresses, texts)
    reply.answer.extend(found)
    if not known:
        reply.set_rcode(rcode.NXDOMAIN)
    return reply.to_wire()


def _records(
    question: rrset.RRset, domain: str, addresses: Addresses, texts: Mapping[str, str]
) -> tuple[list[rrset.RRset], bool]:
    """The records, and whether the name is known at all."""
    asked = question.name
    if question.rdtype == rdatatype.PTR:
        owners = list(_owners(asked, domain, addresses))
        return _set(asked, rdatatype.PTR, owners), bool(owners)
    key = _key(asked, domain)
    if question.rdtype == rdatatype.TXT and key in texts:
        quoted = texts[key].replace("\\", "\\\\").replace('"', '\\"')
        return _set(asked, rdatatype.TXT, [f'"{quoted}"']), True
    mine = addresses.get(key, ())
    version = {rdatatype.A: 4, rdatatype.AAAA: 6}.get(question.rdtype)
    return (
        _set(asked, question.rdtype, [each for each in mine if ip_address(each).version == version]),
        bool(mine) or key in texts,
    )


def _set(asked: name.Name, kind: rdatatype.RdataType, values: Sequence[str]) -> list[rrset.RRset]:
    return [rrset.from_text(asked, TTL, "IN", kind, *values)] if values else []


def _key(asked: name.Name, domain: str) -> str:
    """The name as it is known here: in lower case, without this network's domain."""
    plain = asked.to_text(omit_final_dot=True).lower()
    return plain.removesuffix(f".{domain.lower()}") if domain else plain


def _owners(asked: name.Name, domain: str, addresses: Addresses) -> Iterator[str]:
    try:
        wanted = str(IPv4Address(reversename.to_address(asked)))
    except (exception.DNSException, ValueError):
        return
    for owner, found in addresses.items():
        if wanted in found:
            yield f"{owner}.{domain}." if domain and "." not in owner else f"{owner}."
