"""The way in for other processes: JSON over ZeroMQ, checked, bounded, forwarded as messages of the bus.

``protocol`` is what travels and what is refused, ``door`` the sockets, which outlive the actor as the
exchange does, ``calls`` what was forwarded and has no answer yet, ``feed`` the events, ``actor`` joins them,
``zap`` says who may connect by TCP. ``docs/gateway.md`` describes the wire.
"""
