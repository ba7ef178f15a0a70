"""How many changed documents a test tries: ``HOSTILE_EXAMPLES``, else what it says itself."""

from __future__ import annotations

import os


def examples(usual: int) -> int:
    """``usual`` is what fits into a run of all tests; who changes what reads documents asks for many more."""
    return int(os.environ.get("HOSTILE_EXAMPLES", usual))
