"""``virNetwork``, ``virNetworkPort``, ``virNWFilter`` and the connection's calls for them."""

from embervirt.libvirt.network.calls import NetworkCalls
from embervirt.libvirt.network.network import virNetwork
from embervirt.libvirt.network.nwfilter import FilterCalls, virNWFilter
from embervirt.libvirt.network.port import virNetworkPort

__all__ = ["FilterCalls", "NetworkCalls", "virNWFilter", "virNetwork", "virNetworkPort"]
