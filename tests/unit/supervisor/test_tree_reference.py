"""The tree and a reference model of OTP's rules live the same random life, and are compared at every step."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
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
from embervirt.supervisor.spec import ChildSpec
from embervirt.supervisor.state import Child
from unit.supervisor.reference import Node, Reference
from unit.supervisor.world import ERROR, World, leaf, supervisor

PERIOD = 5.0
STATIC = "abcdefg"

leaves: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    restart=st.sampled_from(["permanent", "permanent", "transient", "temporary"]),
    on_give_up=st.sampled_from(["escalate", "escalate", "quarantine"]),
)
strategies = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])


class Twins(RuleBasedStateMachine):
    """What is done to one is done to the other."""

    world: World
    model: Reference
    added = 0

    @initialize(
        outer=strategies,
        inner=strategies,
        fields=st.lists(leaves, min_size=len(STATIC), max_size=len(STATIC)),
        intensity=st.tuples(*[st.integers(0, 3)] * 3),
    )
    def build(self, outer: Any, inner: Any, fields: list[Any], intensity: tuple[int, ...]) -> None:
        """root: a, s (b, c, d), guests (dynamic), t (e, f), g."""
        of = {id_: leaf(id_, **each) for id_, each in zip(STATIC, fields, strict=True)}
        children = [
            of["a"],
            supervisor("s", [of["b"], of["c"], of["d"]], inner, intensity[0], PERIOD),
            supervisor("guests", (), "dynamic", intensity[1], PERIOD),
            supervisor("t", [of["e"], of["f"]], "one_for_one", intensity[0], PERIOD),
            of["g"],
        ]
        spec: ChildSpec = supervisor("root", children, outer, intensity[2], PERIOD)
        self.world, self.model = World(spec), Reference(spec)

    def one(self, data: st.DataObject, *, up: bool = True) -> tuple[Child, Node] | None:
        """A leaf, in both."""
        ids = [each.spec.id for each in self.model.root.walk() if not each.strategy and each.up is up]
        if not ids:
            return None
        id_ = data.draw(st.sampled_from(ids))
        return self.world.at(id_), self.model.find(id_)

    @rule(data=st.data(), reason=st.sampled_from([ERROR, ERROR, ERROR, NORMAL, SHUTDOWN]))
    def dies(self, data: st.DataObject, reason: Exit) -> None:
        """By itself."""
        if (pair := self.one(data)) is not None:
            self.world.exit(pair[0], reason)
            self.world.go()
            self.model.ends(pair[1], abnormal=reason.abnormal)

    @rule(id_=st.sampled_from(STATIC), times=st.integers(1, 3))
    def will_fail_to_start(self, id_: str, times: int) -> None:
        """The next few attempts."""
        self.world.failing[id_] = self.model.failing[id_] = times

    @rule(seconds=st.sampled_from([0.5, 1.0, PERIOD - 0.5, PERIOD]))
    def time_passes(self, seconds: float) -> None:
        """Windows slide."""
        self.world.wait(self.world.now + seconds)
        self.model.now = self.world.now

    @rule(data=st.data())
    def the_operator_stops_one(self, data: st.DataObject) -> None:
        """A leaf or a supervisor below the root."""
        ids = [each.spec.id for each in self.model.root.walk() if each.parent and each.spec.id != "guests"]
        if ids:
            id_ = data.draw(st.sampled_from(ids))
            self.world.stop(id_)
            self.model.stop(self.model.find(id_))

    @precondition(lambda self: self.model.find("guests").up)
    @rule(fields=leaves)
    def the_operator_adds_a_guest(self, fields: Any) -> None:
        """It starts at once."""
        self.added += 1
        spec = leaf(f"x{self.added}-", **fields)
        self.world.add("guests", spec)
        self.model.add(self.model.find("guests"), spec)

    @rule(data=st.data())
    def the_operator_clears_one(self, data: st.DataObject) -> None:
        """That is in quarantine."""
        ids = [each.spec.id for each in self.model.root.walk() if each.quarantined]
        if ids:
            id_ = data.draw(st.sampled_from(ids))
            self.world.clear(id_)
            self.model.clear(self.model.find(id_))

    @invariant()
    def they_did_the_same_in_the_same_order(self) -> None:
        """Every start and stop, with its generation."""
        if hasattr(self, "world"):
            said, self.model.log = self.model.log, []
            assert self.world.said() == said

    @invariant()
    def they_are_the_same_tree(self) -> None:
        """The same children in the same places, up or down or in quarantine, in the same generation."""
        if hasattr(self, "world"):
            tree = self.world.tree.root
            assert self.model.rows() == [
                (each.spec.id, each.phase == "up", each.generation, bool(each.quarantined))
                for each in tree.walk()
            ]

    @invariant()
    def they_counted_the_same(self) -> None:
        """Restarts within each window."""
        if hasattr(self, "world"):
            for node in self.model.root.walk():
                child = self.world.at(node.spec.id)
                assert (list(child.log), list(child.budget)) == (node.log, node.budget), node.spec.id


def test_o01_a_tree_does_what_a_reference_model_of_otp_does() -> None:
    """Whatever dies, fails to start, is stopped, added or cleared: same tree, same order, same counts."""
    run_state_machine_as_test(
        Twins, settings=settings(max_examples=150, stateful_step_count=30, deadline=None)
    )
