"""Ask the API itself which calls it waits for, with the app's own credentials."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import UpstreamError
from callgate.exchange import Request, Response
from callgate.model import ToolCall
from callgate.surfaces.base import Endpoint, Outgoing, Turn
from callgate.upstream import Upstream

_NOT_THERE = frozenset((400, 404, 405, 410, 422, 501))
"""Statuses that say that there is no such run, or no such operation; others say nothing."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose tools a request inherits."""

    document: Json
    outgoing: Outgoing


class Lookup:
    """Finds the calls of a scope at the API."""

    def __init__(self, upstream: Upstream) -> None:
        """Requests go out through `upstream`."""
        self._upstream = upstream

    async def turns(
        self, endpoint: Endpoint, request: Request, scope: str, wanted: Collection[str] = ()
    ) -> list[Turn]:
        """Return what the API shows of a scope, until the `wanted` call ids have been seen.

        With nothing wanted it stops at the first answer that shows calls. Raises
        UpstreamError when they were not seen and some answer was not usable, BodyError when
        one is malformed.
        """
        found: list[Turn] = []
        failures: list[str] = []
        for where, lookup in endpoint.surface.lookups(request, scope):
            try:
                answer = await self._upstream.send(lookup)
            except UpstreamError as error:
                failures.append(str(error))
                continue
            if answer.status < 300:
                document = canonical.parse(answer.body)
                found += endpoint.surface.read_response(where, lookup, document)
                ids = {call.id for call in calls_of(found)}
                if ids and ids.issuperset(wanted):
                    return found
            elif answer.status not in _NOT_THERE:
                failures.append(_answered(lookup, answer))
        if failures:
            # what was not shown may stand in the answer that did not come
            raise UpstreamError("; ".join(failures))
        return found

    async def owner(self, endpoint: Endpoint, request: Request, id: str) -> Owner | None:
        """Return the assistant whose tools a request inherits, None when there is none.

        Raises UpstreamError when the API does not say, BodyError when its answer is malformed.
        """
        where, lookup = endpoint.surface.owner(request, id)
        answer = await self._upstream.send(lookup)
        if answer.status == 404:
            return None
        if answer.status >= 300:
            raise UpstreamError(_answered(lookup, answer))
        document = canonical.parse(answer.body)
        return Owner(document, where.surface.read_request(where, lookup, document))

    async def waiting(self, endpoint: Endpoint, request: Request, scope: str) -> list[ToolCall]:
        """Return the calls whose results the API waits for now; errors as in `turns`.

        Those that no notice can answer are left out: nobody here could.
        """
        turns = await self.turns(endpoint, request, scope)
        unanswerable = {id for turn in turns for id in turn.unanswerable}
        calls = calls_of([turn for turn in turns if turn.is_waiting])
        return [call for call in calls if call.id not in unanswerable]


def calls_of(turns: Collection[Turn]) -> list[ToolCall]:
    """All calls of some turns, each once."""
    return list({call.key: call for turn in turns for call in turn.calls}.values())


def _answered(request: Request, answer: Response) -> str:
    # the query may carry a key
    return f"{request.method} {request.target.partition('?')[0]} answered {answer.status}"
