"""OTP's rules as a plain program: the reference that the tree is compared with (O01).

Written as a supervisor's own code would be, one step after the other, where the tree applies rules until
nothing changes. Children answer at once, and there are no delays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from embervirt.supervisor.spec import ChildSpec

Row = tuple[str, bool, int, bool]
"""Id, whether it is up, generation, whether it is quarantined."""


@dataclass(eq=False)
class Node:
    """A child; a supervisor has ``children``, and ``log`` holds the times of their failures."""

    spec: ChildSpec
    parent: Node | None = None
    up: bool = False
    wanted: bool = True
    quarantined: bool = False
    generation: int = 0
    log: list[float] = field(default_factory=list)
    budget: list[float] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.children = [Node(spec, self) for spec in self.spec.children]

    @property
    def strategy(self) -> str:
        """Of a supervisor."""
        return "" if self.spec.supervision is None else self.spec.supervision.strategy

    @property
    def dynamic(self) -> bool:
        """Whether it was added to a dynamic supervisor."""
        return self.parent is not None and self.parent.strategy == "dynamic"

    @property
    def startable(self) -> bool:
        """Down, and nothing says that it should be."""
        return not self.up and self.wanted and not self.quarantined

    def walk(self) -> Iterator[Node]:
        """This one and all below."""
        yield self
        for child in self.children:
            yield from child.walk()


class Reference:
    """``log`` has ``start a1`` and ``stop a1`` in order; ``failing``: how many starts of an id fail."""

    def __init__(self, spec: ChildSpec) -> None:
        self.now = 0.0
        self.log: list[str] = []
        self.failing: dict[str, int] = {}
        self.root = Node(spec)
        self._start(self.root)

    def find(self, id_: str) -> Node:
        """The child of that id."""
        return next(node for node in self.root.walk() if node.spec.id == id_)

    def rows(self) -> list[Row]:
        """The tree as it stands."""
        return [(each.spec.id, each.up, each.generation, each.quarantined) for each in self.root.walk()]

    # What happens.

    def ends(self, node: Node, *, abnormal: bool) -> None:
        """A child that is up ends by itself."""
        node.up = False
        self._ended(node, abnormal=abnormal)

    def stop(self, node: Node) -> None:
        """By the operator: it never comes back."""
        node.wanted = False
        self._terminate(node)
        if node.dynamic:
            self._drop(node)

    def add(self, parent: Node, spec: ChildSpec) -> None:
        """A new child at the end."""
        parent.children.append(Node(spec, parent))
        self._start(parent.children[-1])

    def clear(self, node: Node) -> None:
        """The end of a quarantine."""
        node.quarantined, node.budget = False, []
        if node.parent and node.parent.up and node.startable and not self._start(node):
            self._ended(node, abnormal=True)

    # How children start and stop.

    def _start(self, node: Node) -> bool:
        node.generation += 1
        if node.spec.supervision is None:
            self.log.append(f"start {node.spec.id}{node.generation}")
            failed = self.failing.get(node.spec.id, 0) > 0
            self.failing[node.spec.id] = self.failing.get(node.spec.id, 0) - failed
            node.up = not failed
        else:
            node.up = self._start_children(node)
        return node.up

    def _start_children(self, node: Node) -> bool:
        """In order; at the first failure those that were started are stopped again."""
        for child in node.children:
            child.budget = []
        for child in list(node.children):
            if child.startable and not self._start(child):
                if child.spec.restart == "temporary":
                    self._drop(child)
                self._terminate_children(node)
                return False
        return True

    def _terminate(self, node: Node) -> None:
        if node.spec.supervision is None and node.up:
            self.log.append(f"stop {node.spec.id}{node.generation}")
        if node.spec.supervision is not None:
            self._terminate_children(node)
        was_up, node.up = node.up, False
        if was_up and node.spec.restart == "temporary":
            self._drop(node)

    def _terminate_children(self, node: Node) -> None:
        node.log = []
        in_order = node.children if node.strategy == "dynamic" else node.children[::-1]
        for child in list(in_order):
            self._terminate(child)

    @staticmethod
    def _drop(node: Node) -> None:
        if node.parent is not None and node in node.parent.children:
            node.parent.children.remove(node)

    # What a supervisor does when a child ended.

    def _ended(self, node: Node, *, abnormal: bool) -> None:
        parent, restart = node.parent, node.spec.restart
        if parent is None:
            node.wanted = False
            return
        if restart == "temporary" or (restart == "transient" and not abnormal):
            node.wanted = False
            if restart == "temporary" or node.dynamic:
                self._drop(node)
        elif self._too_often(node, parent):
            self._give_up(node, parent)
        else:
            self._restart(node, parent)

    def _too_often(self, node: Node, parent: Node) -> bool:
        flags = parent.spec.supervision
        assert flags is not None
        log = node.budget if node.dynamic else parent.log
        log[:] = [at for at in log if at > self.now - flags.period] + [self.now]
        return len(log) > flags.intensity

    def _give_up(self, node: Node, parent: Node) -> None:
        if node.spec.on_give_up == "quarantine":
            node.quarantined = True
            return
        self._terminate_children(parent)
        parent.up = False
        self._ended(parent, abnormal=False)

    def _restart(self, node: Node, parent: Node) -> None:
        """Victims in reverse order, then all that should be up, in order, as far as they start."""
        first = parent.children.index(node)
        if parent.strategy in ("one_for_all", "rest_for_one"):
            victims = parent.children[first if parent.strategy == "rest_for_one" else 0 :]
            for each in reversed(victims):
                if each is not node:
                    self._terminate(each)
            startable = [each for each in parent.children if each.startable]
        else:
            startable = [node]
        for each in startable:
            if parent.up and each.startable and not self._start(each):
                self._ended(each, abnormal=True)  # which restarts it, with the rest of its group, or gives up
