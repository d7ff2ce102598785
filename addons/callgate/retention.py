"""Forgets what is older than the operator wants kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from callgate.errors import StoreError
from callgate.store.base import Store

_log = logging.getLogger(__name__)

_ROUND_SECONDS = 3600.0


class Retention:
    """Removes old calls, approvals and records, at start and every hour."""

    def __init__(self, store: Store, clock: Callable[[], datetime], days: int) -> None:
        """Keep `days` of everything; several proxies may do so on one store."""
        self._store = store
        self._clock = clock
        self._kept = timedelta(days=days)

    async def run(self) -> None:
        """Go on until cancelled; a store that does not answer is tried again in the next round."""
        while True:
            try:
                await self.once()
            except StoreError as error:
                _log.error("retention: %s", error)
            await asyncio.sleep(_ROUND_SECONDS)

    async def once(self) -> None:
        """Remove all that is too old now; raises StoreError."""
        before = self._clock() - self._kept
        has_more = True
        while has_more:  # in parts: others write in between
            has_more = await self._store.prune(before)
