"""The supervision tree of a root, as data (SUPERVISION 3.4)."""

from __future__ import annotations

from pathlib import Path

from embervirt.actors.bus import EVENTS_ACTOR, Bus
from embervirt.actors.event_log import EventLog
from embervirt.actors.gateway.door import Door
from embervirt.config.settings import Settings
from embervirt.drivers.driver import backoff, child
from embervirt.drivers.root.paths import RootPaths
from embervirt.runtime.gateway import gateway_spec
from embervirt.supervisor.processes import PROCESSES_ACTOR, Processes
from embervirt.supervisor.spec import ChildSpec, Supervision
from embervirt.supervisor.watch import Limits


def limits(settings: Settings) -> Limits:
    """When an operation takes too long, as set."""
    chosen = settings.supervision
    return Limits(
        operation=chosen.operation_limit, grace=chosen.operation_grace, cap=chosen.progress_cap,
        load=chosen.load_factor, zombies=chosen.zombie_limit,
    )  # fmt: skip


def journal_of_events(paths: RootPaths) -> Path:
    """The file in which the events of a root are kept."""
    return paths.own_lib / "events.jsonl"


def root_spec(paths: RootPaths, settings: Settings, bus: Bus, door: Door | None = None) -> ChildSpec:
    """root (rest_for_one): events, processes, drivers (one_for_one), guests (dynamic), outside.

    outside (dynamic, for a budget of its own: what comes from there never ends the root) is the gateway of
    ``door``.
    """
    chosen, delays = settings.supervision, backoff(settings)
    static = Supervision(
        strategy="rest_for_one", intensity=chosen.driver_intensity, period=chosen.driver_period
    )
    drivers = Supervision(
        strategy="one_for_one", intensity=chosen.driver_intensity, period=chosen.driver_period
    )
    guests = Supervision(strategy="dynamic", intensity=chosen.guest_intensity, period=chosen.guest_period)
    journal, keep = journal_of_events(paths), settings.events.journal_size
    children: tuple[ChildSpec, ...] = (
        child(settings, bus, EVENTS_ACTOR, lambda context: EventLog(context, journal, keep)),
        child(settings, bus, PROCESSES_ACTOR, Processes),
        ChildSpec(id="drivers", supervision=drivers, shutdown="infinity", backoff=delays),
        ChildSpec(id="guests", supervision=guests, shutdown="infinity", backoff=delays),
    )
    if door is not None:
        own = Supervision(strategy="dynamic", intensity=chosen.driver_intensity, period=chosen.driver_period)
        gateway = gateway_spec(settings, bus, door, on_give_up="quarantine")
        outside = ChildSpec(
            id="outside", supervision=own, children=(gateway,), shutdown="infinity", backoff=delays
        )
        children = (*children, outside)
    return ChildSpec(id="root", supervision=static, children=children, shutdown="infinity")
