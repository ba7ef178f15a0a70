"""Interfaces of ``<forward>``, and port groups."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkInvalid, NetworkXml
from embervirt.drivers.network.model import Forward, ForwardInterface, Network, PortGroup
from embervirt.drivers.network.postparse import postparse_portgroup
from embervirt.drivers.network.updating.commands import (
    DELETE,
    MODIFY,
    added,
    check_command,
    only_whole,
    without,
)
from embervirt.drivers.network.validate import Places
from embervirt.drivers.network.validate.traffic import check_portgroup
from embervirt.drivers.xml import parse, replace


def change_interface(network: Network, command: int, parent: int, xml: str) -> Network:
    """``<interface>`` of ``<forward>``. Raises NetworkInvalid, XmlError."""
    interface = replace(parse(ForwardInterface, xml), connections=None)
    only_whole(command, "forward interface entries")
    check_command(command)
    if interface.dev is None:
        raise NetworkXml(f"missing dev attribute in <interface> element: {Places(xml)('/interface')}")
    forward = network.forward or Forward(mode="none")
    same = [each for each in forward.interfaces if each.dev == interface.dev]
    if command == DELETE:
        if not same:
            text = f"couldn't find an interface entry in network '{network.name}'"
            raise NetworkInvalid(f"{text} matching <interface dev='{interface.dev}'>")
        kept = without(forward.interfaces, same[0])
    elif same:
        text = f"there is an existing interface entry in network '{network.name}'"
        raise NetworkInvalid(f"{text} that matches \"<interface dev='{interface.dev}'>\"")
    else:
        kept = added(forward.interfaces, interface, command)
    return replace(network, forward=replace(forward, interfaces=kept, dev=kept[0].dev if kept else None))


def change_portgroup(network: Network, command: int, parent: int, xml: str) -> Network:
    """``<portgroup>``, known by its name. Raises NetworkInvalid, XmlError."""
    group = postparse_portgroup(parse(PortGroup, xml))
    check_portgroup(group, "/portgroup", Places(xml))
    check_command(command)
    groups, name = network.portgroups, f"<portgroup name='{group.name}'>"
    same = next((each for each in groups if each.name == group.name), None)
    if command in (MODIFY, DELETE) and same is None:
        text = f"couldn't find a portgroup entry in network '{network.name}' matching {name}"
        raise NetworkInvalid(text)
    if command == DELETE:
        return replace(network, portgroups=tuple(each for each in groups if each is not same))
    if command != MODIFY and same is not None:
        text = f"there is an existing portgroup entry in network '{network.name}' that matches \"{name}\""
        raise NetworkInvalid(text)
    default = [each.name for each in groups if each.default and each is not same]
    if group.default and default:
        text = f"a different portgroup entry in network '{network.name}' is already set as the default"
        raise NetworkInvalid(f"{text}. Only one default is allowed: it is '{default[0]}'")
    if command == MODIFY:
        return replace(network, portgroups=tuple(group if each is same else each for each in groups))
    return replace(network, portgroups=added(groups, group, command))
