"""Work that is done once for a key, however many ask for it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

type Tell[K, V] = Callable[[Mapping[K, V]], None]
type Work[K, A, V] = Callable[[dict[K, A], Tell[K, V]], Awaitable[None]]
"""Works on some keys and tells the answer of each, as soon as it is there."""


class Once[K, A, V]:
    """Shares work between those who ask while it is under way; remembers nothing after it.

    When the one who does the work fails or is cancelled, one of those who wait begins anew.
    """

    def __init__(self, work: Work[K, A, V]) -> None:
        """`work` must tell an answer for every key it is given, or raise."""
        self._work = work
        self._under_way: dict[K, asyncio.Future[V]] = {}

    def __contains__(self, key: K) -> bool:
        """Work for a key is under way."""
        return key in self._under_way

    async def run(self, wanted: Mapping[K, A]) -> dict[K, V]:
        """Return the answers for all keys; raises what the work raised, if it was done here."""
        found: dict[K, V] = {}
        while left := {key: value for key, value in wanted.items() if key not in found}:
            found |= await self._attempt(left)
        return found

    async def _attempt(self, wanted: Mapping[K, A]) -> dict[K, V]:
        loop = asyncio.get_running_loop()
        theirs = {key: self._under_way[key] for key in wanted if key in self._under_way}
        mine: dict[K, asyncio.Future[V]] = {
            key: loop.create_future() for key in wanted if key not in theirs
        }
        self._under_way |= mine

        def tell(answers: Mapping[K, V]) -> None:
            for key, answer in answers.items():
                # who asks from now on gets an answer that is not older than the question
                del self._under_way[key]
                mine[key].set_result(answer)

        try:
            if mine:
                await self._work({key: wanted[key] for key in mine}, tell)
            found = {key: future.result() for key, future in mine.items()}
        finally:
            for key, future in mine.items():
                if future.cancel():
                    del self._under_way[key]
        if theirs:
            # not gather(): if this one is cancelled, the work of the others goes on
            await asyncio.wait(theirs.values())
        return found | {key: f.result() for key, f in theirs.items() if not f.cancelled()}
