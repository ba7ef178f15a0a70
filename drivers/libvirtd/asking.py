"""What an actor asks a libvirtd with: it goes on with other messages meanwhile, and never waits for ever."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from embervirt import world
from embervirt.actors.actor import Actor
from embervirt.actors.messages import Message, Request
from embervirt.actors.work import Work
from embervirt.drivers.libvirtd.connection import Libvirtd, Operation
from embervirt.errors import NotSupported, OperationTimeout

SHARE = 0.9
"""Of the time that a caller has; in the rest the caller is told why, and takes back what it began."""


def elsewhere(driver: str, uri: str) -> NotSupported:
    """For whoever wants of a root what only that libvirtd has."""
    text = f"this root's {driver} driver is that of {uri} (setting qemu.{driver}_uri)"
    return NotSupported(f"{text}: open {uri} with libvirt-python for it")


def requests(contract: ModuleType) -> frozenset[type[Message]]:
    """All that a driver's messages have."""
    found = (each for each in vars(contract).values() if isinstance(each, type) and issubclass(each, Request))
    return frozenset(each for each in found if each.__module__ == contract.__name__)


class Asking(Actor):
    """An actor that asks ``libvirtd``, which outlives its generations, in place of being ``driver``.

    ``refused``: what programs want of that driver, and have to ask the libvirtd for.
    """

    driver: ClassVar[str]
    refused: ClassVar[frozenset[type[Message]]]
    libvirtd: Libvirtd

    def handle(self, message: Message) -> Any:
        """Raises NotSupported for what is refused."""
        if type(message) in self.refused:
            raise elsewhere(self.driver, self.libvirtd.uri)
        return super().handle(message)

    def ask(self, operation: Operation, undo: Operation | None = None) -> Work[Any]:
        """What ``operation`` returns for the connection; ``undo`` takes back what came too late.

        Raises OperationTimeout, the driver's errors, those of the tree.
        """
        asked = self.libvirtd.begin(operation, undo)
        seconds = self._patience()
        try:
            done = yield self.within(asked.future, seconds)
        except GeneratorExit:  # this generation has ended
            if not asked.give_up() and undo is not None:
                self.libvirtd.begin(undo)
            raise
        if not done and asked.give_up():
            text = f"{self.libvirtd.uri} gave no answer within {seconds:.1f} s: its libvirtd hangs or is busy"
            raise OperationTimeout(text)
        return asked.future.result()

    def _patience(self) -> float:
        """Never so long that whoever waits for this actor seems to hang."""
        left = self.bus.seconds
        if self.activity.deadline:
            left = min(left, self.activity.deadline - world.monotonic())
        return max(0.0, left * SHARE)
