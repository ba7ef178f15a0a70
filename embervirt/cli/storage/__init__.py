"""Commands about storage pools and volumes, with virsh's names."""

from __future__ import annotations

import click

from embervirt.cli.storage.events import COMMANDS as EVENTS
from embervirt.cli.storage.making import COMMANDS as MAKING
from embervirt.cli.storage.pools import COMMANDS as POOLS
from embervirt.cli.storage.sources import COMMANDS as SOURCES
from embervirt.cli.storage.streaming import COMMANDS as STREAMING
from embervirt.cli.storage.volumes import COMMANDS as VOLUMES

COMMANDS: list[click.Command] = [*POOLS, *SOURCES, *EVENTS, *MAKING, *VOLUMES, *STREAMING]
