"""A network without privilege: a process that joins guests, and is their gateway, DHCP and name server.

It is run as ``python -m embervirt.drivers.network.switch CONFIG LOG``, as dnsmasq is: a program beside the
agent that outlives it. ``config`` is its file, read again at SIGHUP; ``fabric`` says where a frame goes;
``host`` is the network's own host, made of ``dhcp``, ``names`` and what is in ``frames``; ``process`` has the
sockets and the loop. All but the last is pure.
"""
