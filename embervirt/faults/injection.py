"""One effect at one point: which passes of the point it is for, and how often it has happened."""

from __future__ import annotations

from fnmatch import fnmatchcase
from random import Random
from typing import Any

from embervirt import world
from embervirt.faults.effects import Effect
from embervirt.faults.points import POINTS


class Injection:
    """Made by ``inject``. ``hits``: how often it happened. For any thread."""

    def __init__(
        self,
        point: str,
        effect: Effect,
        after: int = 0,
        times: int | None = None,
        where: dict[str, str] | None = None,
        probability: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.point, self.effect, self.hits = point, effect, 0
        self._where = where or {}
        _check(point, effect, self._where)
        self._after, self._times = after, times
        self._probability, self._random = probability, Random(seed)
        self._changed = world.Condition()
        self._released = False

    def fires(self, about: dict[str, Any]) -> bool:
        """Whether this pass is one that it is for; then it is counted."""
        if not all(fnmatchcase(str(about.get(name)), glob) for name, glob in self._where.items()):
            return False
        with self._changed:
            if self._after > 0:
                self._after -= 1
                return False
            spent = self._times is not None and self.hits >= self._times
            if spent or (self._probability < 1 and self._random.random() >= self._probability):
                return False
            self.hits += 1
            self._changed.notify_all()
            return True

    def wait(self, hits: int = 1, timeout: float = 30.0) -> None:
        """Until it has happened so often. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.hits >= hits, timeout):
                raise TimeoutError(f"{self.point} was hit {self.hits} times in {timeout:g} s, not {hits}")

    def pause(self, seconds: float | None) -> None:
        """Hold the thread that is here, for so long or until ``release``."""
        with self._changed:
            self._changed.wait_for(lambda: self._released, seconds)

    def release(self) -> None:
        """Whoever it holds goes on; from now on it holds nobody."""
        with self._changed:
            self._released = True
            self._changed.notify_all()


def _check(point: str, effect: Effect, where: dict[str, str]) -> None:
    known = POINTS.get(point)
    if known is None:
        near = [name for name in POINTS if name.split(".")[0] == point.split(".")[0]] or list(POINTS)
        raise ValueError(f"no fault point is called {point!r}: expected one of {', '.join(near)}")
    if effect.kind not in known.effects:
        accepted = ", ".join(known.effects)
        raise ValueError(f"{effect.kind} cannot be injected at {point}: expected one of {accepted}")
    for name in where:
        if name not in known.about:
            accepted = ", ".join(known.about)
            raise ValueError(f"{point} knows nothing called {name!r} for where=: expected one of {accepted}")
