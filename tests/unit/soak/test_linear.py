"""The check of histories: hand-made ones that must be explained, and ones that must not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak.linear import Configuration, Domain, Maybe, Op, Unexplained
from soak.model import CHANGES, INVALID, NO_DOMAIN, OFF, OK, PAUSED, READS, RUNNING, State

SHUTOFF = State(persistent=True)
RUNS = State(persistent=True, phase=RUNNING)


def check(*items: Op | Maybe, begin: State = SHUTOFF) -> set[State]:
    """The states in which a history may have ended. Raises Unexplained."""
    domain = Domain("d", {Configuration(begin)})
    domain.add(items)
    domain.advance(math.inf)
    return {way.state for way in domain.ways}


def call(number: int, op: str, begun: float, ended: float, code: int = OK, value: int = 0) -> Op:
    """One call."""
    return Op(number, op, begun, ended, code, value)


EXPLAINED: dict[str, list[Op | Maybe]] = {
    "one after the other": [
        call(1, "create", 0, 1),
        call(2, "suspend", 2, 3),
        call(3, "state", 4, 5, value=PAUSED),
        call(4, "resume", 6, 7),
        call(5, "destroy", 8, 9),
        call(6, "state", 10, 11, value=OFF),
    ],
    "of two starts at once one is refused": [call(1, "create", 0, 3), call(2, "create", 1, 4, INVALID)],
    "a read sees a call that has not answered yet": [
        call(1, "create", 0, 9),
        call(2, "state", 1, 2, value=RUNNING),
        call(3, "state", 3, 4, value=RUNNING),
    ],
    "what may have happened did": [Maybe(1, "create", 0, 9), call(2, "state", 1, 2, value=RUNNING)],
    "what may have happened did not": [Maybe(1, "create", 0, 9), call(2, "state", 10, 11, value=OFF)],
    "what may have happened did, and was seen long after": [
        Maybe(1, "create", 0, 9),
        call(2, "state", 10, 11, value=RUNNING),
    ],
    "what may have happened did so later": [
        Maybe(1, "create", 0, 9),
        call(2, "state", 1, 2, value=OFF),
        call(3, "state", 3, 4, value=RUNNING),
    ],
    "a start broken off leaves it paused": [Maybe(1, "create", 0, 9), call(2, "state", 1, 2, value=PAUSED)],
    "a killed guest is off": [
        call(1, "create", 0, 1),
        call(2, "id", 2, 3, value=7),
        Maybe(-7, "kill", 4, 9, 7),
        call(3, "suspend", 5, 6, INVALID),
    ],
    "a killed guest that was destroyed at once": [
        call(1, "create", 0, 1),
        Maybe(-7, "kill", 2, 9, 7),
        call(2, "destroy", 3, 4),
        call(3, "create", 5, 6),
        call(4, "id", 7, 8, value=8),
        call(5, "state", 20, 21, value=RUNNING),
    ],
    "a transient domain is gone with its guest": [
        call(1, "create", 0, 1),
        call(2, "undefine", 2, 3),
        call(3, "persistent", 4, 5, value=0),
        call(4, "destroy", 6, 7),
        call(5, "state", 8, 9, NO_DOMAIN),
        call(6, "listed", 8, 9, value=0),
    ],
    "one that waited for a transient domain": [
        call(1, "create", 0, 1),
        call(2, "undefine", 2, 3),
        call(3, "suspend", 4, 7, INVALID),
        call(4, "destroy", 4, 6),
    ],
    "a start whose definition is taken away": [
        call(1, "create while undefined", 0, 9),
        call(2, "undefine", 1, 2),
        call(3, "state", 3, 4, NO_DOMAIN),
        call(4, "state", 5, 10, value=RUNNING),
    ],
    "a destroy that meets another": [
        call(1, "create", 0, 1),
        call(2, "destroy joined", 2, 4),
        call(3, "destroy joined", 3, 5),
    ],
}

NOT_EXPLAINED: dict[str, list[Op | Maybe]] = {
    "a guest that nobody hit is gone": [call(1, "create", 0, 1), call(2, "state", 2, 3, value=OFF)],
    "a read sees what is not there yet": [call(1, "state", 0, 1, value=RUNNING), call(2, "create", 2, 3)],
    "reads go back in time": [
        call(1, "create", 0, 9),
        call(2, "state", 1, 2, value=RUNNING),
        call(3, "state", 3, 4, value=OFF),
    ],
    "two starts both succeed": [call(1, "create", 0, 3), call(2, "create", 1, 4)],
    "refused without reason": [call(1, "create", 0, 1, INVALID)],
    "suspended and still running": [
        call(1, "create", 0, 1),
        call(2, "suspend", 2, 3),
        call(3, "ask", 4, 5, value=RUNNING),
    ],
    "what may have happened did so twice": [
        Maybe(1, "create", 0, 99),
        call(2, "destroy", 1, 2),
        call(3, "state", 3, 4, value=RUNNING),
    ],
    "what may have happened did so too late": [
        Maybe(1, "create", 0, 9),
        call(2, "state", 10, 11, value=OFF),
        call(3, "state", 12, 13, value=RUNNING),
    ],
    "a guest that was not the killed one is gone": [
        call(1, "create", 0, 1),
        call(2, "id", 2, 3, value=8),
        Maybe(-7, "kill", 4, 9, 7),
        call(3, "state", 5, 6, value=OFF),
    ],
    "a killed guest that goes on": [
        call(1, "create", 0, 1),
        call(2, "id", 2, 3, value=7),
        Maybe(-7, "kill", 4, 9, 7),
        call(3, "state", 10, 11, value=RUNNING),
    ],
    "an id is given twice": [
        call(1, "create", 0, 1),
        call(2, "id", 2, 3, value=7),
        call(3, "destroy", 4, 5),
        call(4, "create", 6, 7),
        call(5, "id", 8, 9, value=7),
    ],
    "a definition is lost": [call(1, "persistent", 0, 1, value=0)],
    "an undefined domain is back": [call(1, "undefine", 0, 1), call(2, "listed", 2, 3, value=1)],
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_history_that_can_have_been_is_explained(name: str) -> None:
    """Some order of its calls, and of what may have happened, gives every answer."""
    assert check(*EXPLAINED[name])


@pytest.mark.parametrize("name", NOT_EXPLAINED)
def test_a_history_that_cannot_have_been_is_not_explained(name: str) -> None:
    """No order gives every answer."""
    with pytest.raises(Unexplained):
        check(*NOT_EXPLAINED[name])


def test_it_goes_on_where_it_stopped() -> None:
    """A call that ends after a judgement, and what may still happen then, are not forgotten."""
    domain = Domain("d", {Configuration(SHUTOFF)})
    domain.add([call(1, "create", 0, 5), Maybe(2, "suspend", 1, 9)])
    domain.advance(3)
    domain.add([call(3, "state", 6, 7, value=PAUSED), call(4, "state", 10, 11, value=PAUSED)])
    domain.advance(math.inf)
    assert {way.state.phase for way in domain.ways} == {PAUSED}


def test_the_message_says_what_was_expected() -> None:
    """Which answer, and in which state the domain was."""
    with pytest.raises(Unexplained, match=r"state d -> 1: it was one of \[State\(persistent=True, phase=5"):
        check(call(1, "state", 0, 1, value=RUNNING))


STEPS = st.lists(
    st.tuples(st.sampled_from([*CHANGES, *READS]), st.floats(0, 3), st.floats(0, 3), st.booleans()),
    max_size=25,
)


def made(steps: list[tuple[str, float, float, bool]]) -> list[Op | Maybe]:
    """What a domain that does one thing after the other would answer to calls that overlap around it."""
    state, items = SHUTOFF, list[Op | Maybe]()
    for number, (op, before, behind, known) in enumerate(steps):
        begun, ended = number - before, number + behind
        if op in READS:
            code, after, value = OK, state, READS[op](state)
            if not state.known and op not in ("listed", "listed active", "ask", "persistent"):
                code, value = NO_DOMAIN, 0
        else:
            (code, after), value = CHANGES[op](state), 0
        if known or op in READS:
            items.append(Op(number, op, begun, ended, code, value))
            state = after
        else:
            items.append(Maybe(number, op, begun, ended))
            state = after if number % 2 else state
    return items


@given(STEPS)
def test_whatever_really_happened_is_explained(steps: list[tuple[str, float, float, bool]]) -> None:
    """Calls that overlap, some with an unknown end that happened or not, made by a real state machine."""
    assert check(*made(steps))


@given(STEPS)
def test_a_state_that_never_was_is_not_explained(steps: list[tuple[str, float, float, bool]]) -> None:
    """After any history whose ends are all known, a read of another state than the last is refused."""
    items = made([(op, 0, 0, True) for op, *_ in steps])
    (last,) = check(*items)
    other = next(phase for phase in (OFF, RUNNING, PAUSED) if phase != last.phase)
    with pytest.raises(Unexplained):
        check(*items, call(99, "ask", 100, 101, value=other))
