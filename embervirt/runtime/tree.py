"""The supervision tree of a root, as data (SUPERVISION 3.4)."""

from __future__ import annotations

from embervirt.actors.bus import EVENTS_ACTOR, Bus
from embervirt.actors.event_log import EventLog
from embervirt.config.settings import Settings
from embervirt.drivers.driver import backoff, child
from embervirt.drivers.root.paths import RootPaths
from embervirt.supervisor.processes import PROCESSES_ACTOR, Processes
from embervirt.supervisor.spec import ChildSpec, Supervision


def root_spec(paths: RootPaths, settings: Settings, bus: Bus) -> ChildSpec:
    """root (rest_for_one): events, processes, drivers (one_for_one), guests (dynamic)."""
    chosen, delays = settings.supervision, backoff(settings)
    static = Supervision(
        strategy="rest_for_one", intensity=chosen.driver_intensity, period=chosen.driver_period
    )
    drivers = Supervision(
        strategy="one_for_one", intensity=chosen.driver_intensity, period=chosen.driver_period
    )
    guests = Supervision(
        strategy="dynamic", intensity=chosen.guest_intensity, period=chosen.guest_period
    )
    journal, keep = paths.own_lib / "events.jsonl", settings.events.journal_size
    children = (
        child(settings, bus, EVENTS_ACTOR, lambda context: EventLog(context, journal, keep)),
        child(settings, bus, PROCESSES_ACTOR, Processes),
        ChildSpec(id="drivers", supervision=drivers, shutdown="infinity", backoff=delays),
        ChildSpec(id="guests", supervision=guests, shutdown="infinity", backoff=delays),
    )
    return ChildSpec(id="root", supervision=static, children=children, shutdown="infinity")
