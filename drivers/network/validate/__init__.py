"""Rules of the XML of networks and ports; each module has one subject."""

from embervirt.drivers.network.validate.conflicts import check_conflicts, check_subnets
from embervirt.drivers.network.validate.definition import validate_definition
from embervirt.drivers.network.validate.network import validate_network
from embervirt.drivers.network.validate.places import Places
from embervirt.drivers.network.validate.port import validate_port

__all__ = [
    "Places",
    "check_conflicts",
    "check_subnets",
    "validate_definition",
    "validate_network",
    "validate_port",
]
