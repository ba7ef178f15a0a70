"""Notices of the kernel that a link went (rtnetlink(7)), without a look at what they say of it."""

from __future__ import annotations

import errno
import socket
import struct

from embervirt.drivers.network.errors import told

RTMGRP_LINK = 1
RTM_DELLINK = 17
LONGEST = 65536
_HEADER = struct.Struct("=LHHLL")


class Notices:
    """A descriptor that is readable when something happened to links."""

    def __init__(self) -> None:
        with told("open a netlink socket"):
            flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_NETLINK, flags, socket.NETLINK_ROUTE)
            self._socket.bind((0, RTMGRP_LINK))

    def fileno(self) -> int:
        """For a poll of many."""
        return self._socket.fileno()

    def close(self) -> None:
        """Once."""
        self._socket.close()

    def gone(self) -> bool:
        """Read them all: whether a link went. When too many came, one may have."""
        found = False
        while True:
            try:
                data = self._socket.recv(LONGEST)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found = True
                continue
            found = found or tells(data)


def tells(data: bytes) -> bool:
    """Whether one of these messages says that a link went."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if kind == RTM_DELLINK:
            return True
        at += max(length + 3 & ~3, _HEADER.size)
    return False
