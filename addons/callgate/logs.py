"""What goes to standard error."""

from __future__ import annotations

import logging
import sys

from callgate.settings import Settings


def configure(settings: Settings, process: str = "") -> None:
    """Send logs to standard error; other libraries' only where they tell of a failure.

    `process` says whose lines they are, where several processes write there.
    """
    level = getattr(logging, settings.log_level.upper())
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format=f"%(asctime)s %(levelname)s {process and process + ' '}%(name)s: %(message)s",
    )
    logging.getLogger("callgate").setLevel(level)
