"""Commands about networks, their ports, and network filters, with virsh's names."""

from __future__ import annotations

import click

from embervirt.cli.network.events import COMMANDS as EVENTS
from embervirt.cli.network.filters import COMMANDS as FILTERS
from embervirt.cli.network.networks import COMMANDS as NETWORKS
from embervirt.cli.network.ports import COMMANDS as PORTS
from embervirt.cli.network.updates import COMMANDS as UPDATES

COMMANDS: list[click.Command] = [*NETWORKS, *UPDATES, *PORTS, *EVENTS, *FILTERS]
