"""Our log, as a guest in the host program: structlog's own set-up if the host made one, else ``logging``.

Nothing is configured on import. A host that does neither sees warnings and errors on stderr, as
``logging`` does by itself.
"""

from __future__ import annotations

import logging
from typing import Any

import structlog

NAME = "embervirt"
PROCESSORS: list[Any] = [
    structlog.stdlib.filter_by_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.format_exc_info,
    structlog.processors.KeyValueRenderer(key_order=["event"]),
]


def get_logger(**bound: Any) -> Any:
    """A logger with these fields on every line."""
    if structlog.is_configured():
        return structlog.get_logger(NAME).bind(**bound)
    logger = structlog.wrap_logger(
        logging.getLogger(NAME), processors=PROCESSORS, wrapper_class=structlog.stdlib.BoundLogger
    )
    return logger.bind(**bound)
