"""Random lives of trees against what must always hold (O01). Virtual time only."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from embervirt.actors.exits import NORMAL, SHUTDOWN, Exit
from embervirt.supervisor.policy import Decision, GivingUp, Restarting
from embervirt.supervisor.spec import Backoff, ChildSpec
from embervirt.supervisor.state import Child
from embervirt.supervisor.tree import Tree
from unit.supervisor.world import AT_ONCE, ERROR, World, leaf, supervisor

DELAYED = Backoff(initial=1.0, factor=2.0, cap=4.0, jitter=0.0, reset_after=20.0)
PERIOD = 8.0

leaves: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    restart=st.sampled_from(["permanent", "permanent", "transient", "temporary"]),
    backoff=st.sampled_from([AT_ONCE, DELAYED]),
    shutdown=st.sampled_from([1.0, 3.0, "brutal"]),
    start_timeout=st.just(5.0),
    on_give_up=st.sampled_from(["escalate", "escalate", "quarantine"]),
)
strategies = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])
limits = st.integers(0, 4)


class Checked(Tree):
    """Checks every start against who else is alive, and every decision against a count of its own."""

    def __init__(self, spec: ChildSpec, live: dict[str, set[int]]) -> None:
        super().__init__(spec, lambda low, high: 1.0)
        self.live = live
        self.stopped: set[Child] = set()
        self.victims: dict[Child, set[tuple[str, int]]] = defaultdict(set)
        self.counted: dict[Any, list[float]] = defaultdict(list)
        self.clears: dict[Child, int] = defaultdict(int)

    def _begin(self, child: Child, now: float) -> bool:
        """Nobody that was stopped, and in a group only in order, after its last victim is gone."""
        parent = child.parent
        assert child not in self.stopped
        assert not child.quarantined
        if parent is not None:
            assert parent.alive
            if parent.strategy in ("one_for_all", "rest_for_one"):
                siblings = list(parent.children.values())
                before = siblings[: siblings.index(child)]
                assert all(each.phase == "up" for each in before if each.expected)
                alive = {(id_, generation) for id_, all_ in self.live.items() for generation in all_}
                assert not self.victims[parent] & alive
        return super()._begin(child, now)

    def _decision(self, child: Child, parent: Child, *rest: Any) -> Decision:
        """Recounts the window of the scope that the child belongs to."""
        made, flags, now = super()._decision(child, parent, *rest), parent.spec.supervision, rest[-1]
        assert flags is not None
        if isinstance(made, Restarting | GivingUp):
            clears = self.clears[child] if child.dynamic else 0
            counted = self.counted[child if child.dynamic else parent, parent.generation, clears]
            counted.append(now)
            within = sum(now - flags.period < at <= now for at in counted)
            assert isinstance(made, GivingUp) is (within > flags.intensity)
        return made

    def _abandon(self, child: Child, now: float) -> bool:
        """What is fenced counts as gone."""
        self.live.get(child.spec.id, set()).discard(child.generation)
        return super()._abandon(child, now)

    @staticmethod
    def _group(parent: Child) -> set[tuple[str, int]]:
        return {(each.spec.id, each.generation) for each in parent.children.values() if each.recycle}

    def exited(self, child: Child, generation: int, reason: Exit, now: float) -> None:
        """Also notes whom this death takes along."""
        super().exited(child, generation, reason, now)
        if child.parent is not None and self._group(child.parent):
            self.victims[child.parent] = self._group(child.parent)

    def clear(self, child: Child) -> None:
        """Counts from zero again."""
        self.clears[child] += 1
        super().clear(child)

    def stop(self, child: Child) -> None:
        """Never again."""
        self.stopped.add(child)
        super().stop(child)


class TreeMachine(RuleBasedStateMachine):
    """Children answer when they like, die when they like; time passes; the operator adds, stops, clears."""

    world: World
    tree: Checked
    added = 0

    @initialize(
        outer=strategies, inner=strategies, fields=st.lists(leaves, min_size=7, max_size=7),
        intensity=st.tuples(limits, limits, limits),
    )  # fmt: skip
    def build(self, outer: Any, inner: Any, fields: list[Any], intensity: tuple[int, int, int]) -> None:
        """root: a, s (b, c, d), guests (dynamic), e."""
        of = {id_: leaf(id_, **each) for id_, each in zip("abcdefg", fields, strict=True)}
        s = supervisor("s", [of["b"], of["c"], of["d"]], inner, intensity[0], PERIOD)
        guests = supervisor("guests", (), "dynamic", intensity[1], PERIOD)
        children = [of["a"], s, guests, of["e"]]
        live: dict[str, set[int]] = {}
        self.tree = Checked(supervisor("root", children, outer, intensity[2], PERIOD), live)
        self.world = World(self.tree, live, automatic=False)

    def some(self, data: st.DataObject, *phases: str) -> Child | None:
        """A leaf in one of these phases."""
        found = [c.spec.id for c in self.tree.root.walk() if not c.strategy and c.phase in phases]
        return self.world.at(data.draw(st.sampled_from(found))) if found else None

    @rule(data=st.data())
    def comes_up(self, data: st.DataObject) -> None:
        """A start ends well."""
        if (child := self.some(data, "starting")) is not None:
            self.world.ready(child)
            self.world.go()

    @rule()
    def all_come_up(self) -> None:
        """What is starting, and what starts after that."""
        while starting := [c for c in self.tree.root.walk() if not c.strategy and c.phase == "starting"]:
            self.world.ready(starting[0])
            self.world.go()

    @rule(data=st.data(), reason=st.sampled_from([ERROR, ERROR, NORMAL, SHUTDOWN]))
    def dies(self, data: st.DataObject, reason: Exit) -> None:
        """Asked or not."""
        if (child := self.some(data, "starting", "up", "stopping")) is not None:
            self.world.exit(child, reason)
            self.world.go()

    @rule(data=st.data())
    def two_die_together(self, data: st.DataObject) -> None:
        """Before anybody can act on the first."""
        for _ in range(2):
            if (child := self.some(data, "up")) is not None:
                self.world.exit(child)
        self.world.go()

    @rule(data=st.data())
    def obeys(self, data: st.DataObject) -> None:
        """One that was asked to stop does."""
        if (child := self.some(data, "stopping")) is not None:
            self.world.exit(child, SHUTDOWN)
            self.world.go()

    @rule(seconds=st.floats(0.01, 6))
    def time_passes(self, seconds: float) -> None:
        """With the timers on the way."""
        self.world.wait(self.world.now + seconds)

    @rule(data=st.data())
    def the_operator_stops_one(self, data: st.DataObject) -> None:
        """A leaf or the supervisor s."""
        some = [c.spec.id for c in self.tree.root.walk() if c.parent and c.spec.id != "guests"]
        if some:
            self.world.stop(data.draw(st.sampled_from(some)))

    @rule(fields=leaves)
    def the_operator_adds_one(self, fields: Any) -> None:
        """A guest."""
        guests = self.tree.find(("root", "guests"))
        if guests is not None and guests.alive:
            self.added += 1
            self.world.add("guests", leaf(f"g{self.added}", **fields))

    @rule()
    def the_operator_clears_all(self) -> None:
        """Every quarantine ends."""
        for child in list(self.tree.root.walk()):
            if child.quarantined:
                self.world.clear(child.spec.id)

    @precondition(lambda self: self.added > 2)
    @rule()
    def everything_stops(self) -> None:
        """The root is closed."""
        self.world.stop("root")

    @invariant()
    def one_generation_at_a_time(self) -> None:
        """Whoever is neither fenced nor down is the present one."""
        if hasattr(self, "world"):
            assert all(len(generations) <= 1 for generations in self.world.live.values())

    @invariant()
    def temporary_ones_that_are_down_are_gone(self) -> None:
        """B07, whatever ended them."""
        if hasattr(self, "world"):
            for child in self.tree.root.walk():
                gone = child.spec.restart == "temporary" and child.phase == "down" and child.generation > 0
                assert not gone

    @invariant()
    def nothing_more_is_due(self) -> None:
        """All that could be done now was done, and the next wake-up is in the future."""
        if hasattr(self, "world"):
            assert self.tree.plan(self.world.now) == []
            assert self.tree.next_due(self.world.now) > self.world.now

    def teardown(self) -> None:
        """The root stops in bounded time, whoever answers or not."""
        if hasattr(self, "world"):
            self.world.stop("root").wait(self.world.now + 60)
            assert {child.phase for child in self.tree.root.walk()} == {"down"}
            assert not any(self.world.live.values())


def test_o01_random_lives_keep_what_must_always_hold() -> None:
    """Children answer late, die in pairs, never end: order, limits, one generation at a time."""
    chosen = settings(
        max_examples=60, stateful_step_count=40, report_multiple_bugs=False, phases=[Phase.generate]
    )
    run_state_machine_as_test(TreeMachine, settings=chosen)
