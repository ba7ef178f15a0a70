"""What a guest's state allows, what QEMU's RunState means, what an ending was: tables and their rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.errors import DomainNotRunning
from embervirt.drivers.qemu.states import State, check, ending, found, happened
from embervirt.errors import OperationInvalid

ANY = st.builds(State, st.sampled_from([0, 1, 3, 4, 6]), st.integers(0, 12))
RUN_STATES = st.one_of(st.sampled_from(sorted(states.BY_RUN_STATE)), st.text(max_size=20))


@given(RUN_STATES, ANY)
def test_what_is_known_keeps_its_reason_while_the_state_is_the_same(run_state: str, known: State) -> None:
    """QEMU knows no reasons; in another state it is the table's, and a RunState nobody listed is a pause."""
    now = found(run_state, known)
    expected = states.BY_RUN_STATE.get(run_state, states.PAUSED_UNKNOWN)
    assert now.state == expected.state
    assert now == (known if known.state == now.state else expected)


@pytest.mark.parametrize(
    ("run_state", "known", "expected"),
    [
        ("running", states.BOOTED, states.BOOTED),
        ("running", states.PAUSED_BY_USER, states.ADOPTED),
        ("paused", states.PAUSED_IO_ERROR, states.PAUSED_IO_ERROR),
        ("paused", states.BOOTED, states.PAUSED_BY_USER),
        ("prelaunch", states.BOOTED, states.PAUSED_STARTING),
        ("shutdown", states.BOOTED, states.GUEST_SHUTDOWN),
        ("guest-panicked", states.BOOTED, states.GUEST_CRASHED),
        ("suspended", states.BOOTED, states.GUEST_SUSPENDED),
        ("watchdog", states.BOOTED, states.PAUSED_WATCHDOG),
        ("internal-error", states.BOOTED, states.PAUSED_UNKNOWN),
        ("running", states.NO_STATE, states.ADOPTED),
    ],
)
def test_run_states(run_state: str, known: State, expected: State) -> None:
    """As libvirt has them."""
    assert found(run_state, known) == expected


@pytest.mark.parametrize(
    ("change", "state", "did"),
    [
        ("suspend", states.PAUSED, True),
        ("suspend", states.RUNNING, False),
        ("suspend", states.SHUTDOWN, False),
        ("resume", states.RUNNING, True),
        ("resume", states.PAUSED, False),
        ("restart", states.RUNNING, True),
        ("restart", states.SHUTDOWN, False),
        ("start", states.PAUSED, True),
        ("start", states.RUNNING, True),
    ],
)
def test_whether_a_change_happened_is_seen_from_the_state(change: str, state: int, did: bool) -> None:
    """A start that is recorded has happened, whatever state it led to."""
    assert happened(change, state) is did


@pytest.mark.parametrize(
    ("destroyed", "shut_down", "status", "expected"),
    [
        (True, False, -9, states.ENDED_DESTROYED),
        (True, True, 0, states.ENDED_DESTROYED),
        (False, True, -15, states.ENDED_SHUTDOWN),
        (False, False, 0, states.ENDED_SHUTDOWN),
        (False, False, 1, states.ENDED_CRASHED),
        (False, False, -9, states.ENDED_CRASHED),
        (False, False, None, states.ENDED_CRASHED),
    ],
)
def test_endings(destroyed: bool, shut_down: bool, status: int | None, expected: states.Ending) -> None:
    """What was asked for, then what QEMU announced, then its status; an unknown one is a crash."""
    assert ending(destroyed=destroyed, shut_down=shut_down, status=status) == expected


@given(ANY)
def test_a_request_fits_a_state_or_is_refused_as_invalid(state: State) -> None:
    """Nothing else is raised; what the table does not list fits every state of a guest."""
    for request, allowed in states.ALLOWED.items():
        if state.state in allowed:
            assert check(request, state) == state
        else:
            with pytest.raises(OperationInvalid):
                check(request, state)
    assert check("destroy", state) == state
    with pytest.raises(DomainNotRunning):
        check("destroy", None)


def test_every_state_that_is_missed_has_its_event() -> None:
    """What is found instead of what was known is told."""
    assert states.MISSED[states.RUNNING] == states.RESUMED_UNPAUSED
    assert states.MISSED[states.PAUSED] == states.SUSPENDED_PAUSED
    assert states.MISSED[states.SHUTDOWN] == states.SHUTDOWN_FINISHED
