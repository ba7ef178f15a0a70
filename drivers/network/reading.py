"""From XML to checked, complete networks and ports; pure, for any thread."""

from __future__ import annotations

from embervirt.drivers.network.errors import VIR_FROM_NETWORK
from embervirt.drivers.network.model import Network, NetworkPort
from embervirt.drivers.network.postparse import postparse_network, postparse_port
from embervirt.drivers.network.validate import Places, validate_definition, validate_network, validate_port
from embervirt.drivers.xml import parse
from embervirt.errors import errors_of


def read_network(xml: str | bytes, *, strict: bool = False) -> Network:
    """A complete network, with a new UUID when it names none; any that libvirt can read, from its file too.

    ``strict``: unknown elements and attributes are errors. Raises XmlError and its leaves, the errors of
    ``validate_network``, SchemaError.
    """
    with errors_of(VIR_FROM_NETWORK):
        network = postparse_network(parse(Network, xml, strict=strict))
        validate_network(network, Places(xml))
        return network


def read_definition(xml: str | bytes, *, strict: bool = False) -> Network:
    """As ``read_network``, one that a user wants defined or started: what clashes in it is refused too.

    Raises as ``read_network`` and ``validate_definition``.
    """
    network = read_network(xml, strict=strict)
    with errors_of(VIR_FROM_NETWORK):
        validate_definition(network, Places(xml))
    return network


def read_port(xml: str | bytes, *, strict: bool = False) -> NetworkPort:
    """A complete port. Raises XmlError and its leaves, the errors of ``validate_port``, SchemaError."""
    with errors_of(VIR_FROM_NETWORK):
        port = postparse_port(parse(NetworkPort, xml, strict=strict))
        validate_port(port, Places(xml))
        return port
