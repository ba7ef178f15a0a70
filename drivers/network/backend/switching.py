"""The switch of a network without privilege, as a program beside the agent."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from embervirt.drivers.network.backend.server import Server

PROGRAM = "embervirt.drivers.network.switch"


@dataclass(frozen=True)
class SwitchServer(Server):
    """This Python with what this program can import."""

    name: ClassVar[str] = "switch"
    rereads: ClassVar[bool] = True

    @property
    def nonce(self) -> str:
        """See ``Server``."""
        return str(self.conf)

    @property
    def argv(self) -> list[str]:
        """Its files are the configuration, and where it writes once it serves."""
        return [sys.executable, "-m", PROGRAM, str(self.conf), str(self.log)]

    @property
    def environment(self) -> Mapping[str, str]:
        """Where its code is, which may be no place of the interpreter's own."""
        return {
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
