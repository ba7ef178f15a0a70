"""``python -m embervirt.drivers.network.switch CONFIG LOG``."""

from __future__ import annotations

import sys
from pathlib import Path

from embervirt.drivers.network.switch.process import main

main(Path(sys.argv[1]), Path(sys.argv[2]))
