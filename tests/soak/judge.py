"""Reads what happened as it happens, and says what nothing explains."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from soak.explain import (
    GRACE,
    SETTLES,
    Process,
    Story,
    ended_for_a_reason,
    explained,
    kills,
    meets_destroy,
    operations,
)
from soak.history import Begun, Call, Ended, Fault, Line, Told, Wrong
from soak.linear import Domain, Unexplained

REMEMBERED = GRACE + SETTLES + 60.0
"""Seconds that a call or fault may explain what comes later; 60 is the longest deadline of a call."""

AROUND = {"create", "create paused", "undefine", "destroy"}
"""Calls that change what another one may answer that meets them."""


@dataclass
class Judge:
    """``judge`` after each feeding; ``problems`` is empty as long as everything is explained."""

    names: list[str]
    problems: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    story: Story = field(default_factory=Story)
    runs: dict[str, int] = field(default_factory=dict)
    """By domain, the answer of the last call that asked for its id."""

    def __post_init__(self) -> None:
        self._domains = {name: Domain(name) for name in self.names}
        self._begun: dict[int, Begun] = {}
        self._fresh: list[Call] = []
        self._calls: list[Call] = []
        self._faults: list[Fault] = []
        self._gone: list[Process] = []
        self._heard = 0.0

    # What comes in.

    def hear(self, lines: Iterable[Line]) -> None:
        """Lines of the program that works now."""
        for line in lines:
            self._hear(line)

    def _hear(self, line: Line) -> None:
        match line:
            case Begun():
                self._begun[line.id] = line
            case Ended():
                self._over(Call(self._begun.pop(line.id), line))
            case Told():
                self.problems += self.story.hear([line])
                self.counts["events"] += 1
            case Fault():
                self.fault(line)
            case Wrong():
                self.problems.append(line.what)
        self._heard = line.at

    def _over(self, call: Call) -> None:
        assert call.ended is not None
        op, errors = call.begun.op, call.ended.errors
        self.counts["calls"] += 1
        self.outcomes[errors[0] if errors else "success"] += 1
        self.slowest[op] = max(self.slowest[op], call.until - call.begun.at)
        if op == "id" and not errors and isinstance(call.ended.value, int):
            self.runs[call.begun.domain] = call.ended.value
        self._fresh.append(call)

    def fault(self, fault: Fault) -> None:
        """Of any program; one that lasts is told once it is over, too."""
        self._faults.append(fault)
        if fault.kind != "reopen" or fault.until == fault.at:
            self.counts[fault.kind] += 1
        if fault.kind == "kill":
            self._domains[fault.target].add(kills([fault], fault.target))

    def gone(self, processes: Iterable[Process]) -> None:
        """QEMUs that ended."""
        self._gone += processes

    # What comes out.

    def program_ended(self, at: float, *, killed: bool, left: int = 0) -> None:
        """After its last line: whatever it had begun may have happened. ``left``: its last event's number."""
        if killed:
            self.fault(Fault("end", "", at, at))
            self.story.program_killed(left)
        elif self._begun:
            self.problems += [f"{Call(begun, None)} never ended" for begun in self._begun.values()]
        self._fresh += [Call(begun, None) for begun in self._begun.values()]
        self._begun.clear()
        self._heard = at
        self.judge(at)

    def judge(self, over: float | None = None) -> None:
        """Everything that began before the first call that is still under way."""
        cut = min([self._heard, *(begun.at for begun in self._begun.values())])
        ready = [call for call in self._fresh if call.begun.at < cut]
        self._fresh = [call for call in self._fresh if call.begun.at >= cut]
        self._calls += ready
        known = [*self._calls, *self._fresh, *(Call(begun, None) for begun in self._begun.values())]
        self.problems += self._unexplained(ready, known)
        around = [call for call in known if call.begun.op in AROUND]
        for name, domain in list(self._domains.items()):
            domain.add(operations(ready, around, name, over or cut))
            self._order(name, domain, cut)
        self._endings(known, cut)
        self._forget(cut - REMEMBERED)

    def _unexplained(self, calls: list[Call], known: list[Call]) -> Iterator[str]:
        for call in calls:
            failed = call.ended is not None and call.ended.errors
            if failed and not explained(call, self._faults) and not meets_destroy(call, known):
                yield f"no fault explains this error: {call}"

    def _order(self, name: str, domain: Domain, cut: float) -> None:
        try:
            domain.advance(cut)
        except Unexplained as problem:
            told = [str(each) for each in sorted(self._about(name), key=_time)][-40:]
            self.problems.append("\n  ".join([f"no order of the calls explains {problem}", *told]))
            del self._domains[name]

    def _about(self, name: str) -> list[Call | Fault]:
        calls = [call for call in (*self._calls, *self._fresh) if call.begun.domain in (name, "")]
        return [*calls, *(fault for fault in self._faults if fault.target in (name, ""))]

    def _endings(self, known: list[Call], cut: float) -> None:
        for process in [each for each in self._gone if each.ended < cut]:
            if not ended_for_a_reason(process, known, self._faults):
                self.problems.append(f"nobody ended {process}, which is gone")
        self._gone = [each for each in self._gone if each.ended >= cut]

    def _forget(self, before: float) -> None:
        self._calls = [call for call in self._calls if call.until >= before]
        self._faults = [fault for fault in self._faults if fault.until >= before]

    def finish(self, alive: dict[str, int]) -> None:
        """After the last program: what embervirt said runs is what runs. ``alive``: run by domain.

        Of a guest that no later program told of the end may have died with the one that was killed.
        """
        said = {name: run for name, run in self.runs.items() if run > 0}
        if said != alive:
            self.problems.append(f"embervirt says that {said} run; what runs is {alive}")
        known = {run: event for run, event in self.story.runs.items() if event is not None}
        untold = {run: event for run, event in known.items() if run not in alive.values()}
        if untold:
            self.problems.append(f"no event tells of the end of the guests {untold}")
        self._heard = float("inf")
        self.judge()


def _time(item: Call | Fault) -> float:
    return item.at if isinstance(item, Fault) else item.begun.at
