"""Tells pages that something has changed, by server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from callgate.errors import StoreError

_LOOK_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 15.0
_MOST_WATCHERS = 100


class Feed:
    """Watches the store for all who look, and not at all while nobody does."""

    def __init__(self, latest: Callable[[], Awaitable[int]]) -> None:
        """`latest` gives the number of the newest record; it may raise StoreError."""
        self._latest = latest
        self._seq = 0
        self._is_closed = False
        self._watchers: set[asyncio.Event] = set()
        self._stirred = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    def stir(self) -> None:
        """Look now: something was just recorded here."""
        self._stirred.set()

    @property
    def is_crowded(self) -> bool:
        """As many watch as may."""
        return len(self._watchers) >= _MOST_WATCHERS

    async def events(self, is_welcome: Callable[[], bool]) -> AsyncIterator[bytes]:
        """`changed` with the newest record's number, at once and whenever there is another.

        Ends when the feed is closed or `is_welcome` is false; a comment keeps it alive.
        """
        changed = asyncio.Event()
        changed.set()  # between the page and this stream something may have happened
        self._watchers.add(changed)
        try:
            if self._watching is None or self._watching.done():
                self._watching = asyncio.ensure_future(self._watch())
            yield b"retry: 2000\n\n"
            while not self._is_closed and is_welcome():
                try:
                    await asyncio.wait_for(changed.wait(), _KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                changed.clear()
                if not self._is_closed:
                    yield b"event: changed\ndata: %d\n\n" % self._seq
        finally:
            self._watchers.discard(changed)

    async def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for watcher in self._watchers:
            watcher.set()
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _watch(self) -> None:
        while self._watchers:
            try:
                seq = await self._latest()
            except StoreError:
                seq = self._seq  # the pages say that it does not answer
            if seq != self._seq:
                self._seq = seq
                for watcher in self._watchers:
                    watcher.set()
            self._stirred.clear()
            try:
                await asyncio.wait_for(self._stirred.wait(), _LOOK_SECONDS)
            except TimeoutError:
                continue
