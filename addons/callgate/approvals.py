"""Approvals: what is asked of a person, and the one answer to it.

An approval belongs to one remembered call, arguments included, so it is good once by
construction: another call, or the same one with other arguments, asks again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

from callgate.audit.record import approval_record
from callgate.bounded import trim
from callgate.canonical import Json
from callgate.errors import CallgateError, StoreError
from callgate.model import Approval, ApprovalState, Decision, ToolCall
from callgate.store.base import ApprovalItem, Store
from callgate.store.outcome import settle
from callgate.store.tables import timestamp

MOST_MINUTES = 24 * 60
"""For longer than a day, a policy is the place to say it."""

_SHORTEST_PREFIX = 8
_GATEWAY_TTL = timedelta(minutes=60)
"""How long gateways keep a question open (`interven`: `ApprovalExpiredError`)."""
_GIVEN = 10_000


class ApprovalError(CallgateError):
    """There is no such approval, or it can not be answered any more."""


class Approvals:
    """The one book of approvals for every front: gate, command line, console."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        ttl_seconds: float = 3600,
        *,
        url: Callable[[str], str],
    ) -> None:
        """`url` makes the address, for people, of an approval with a given id."""
        self._store = store
        self._clock = clock
        self._ttl = timedelta(seconds=ttl_seconds)
        self._url = url
        self._awaited: Counter[str] = Counter()
        self._given: OrderedDict[str, None] = OrderedDict()
        """Gateways' ids that approvals of this process have."""
        self._looking: asyncio.Task[frozenset[str]] | None = None

    def now(self) -> datetime:
        """The time that approvals, and what waits for them, are measured by."""
        return self._clock()

    def ask(self, call: ToolCall) -> Approval:
        """A new pending approval for a call.

        It counts once it is put into the store with the decision on this call; that is what
        binds the two. Of the call nothing else is needed: the id is random, so that nobody
        can find it from what the model wrote.
        """
        id = "apr_" + secrets.token_hex(16)
        now = self._clock()
        return Approval(id, ApprovalState.PENDING, now, now + self._ttl, self._url(id))

    async def ask_for(self, decision: Decision) -> Approval:
        """A new pending approval for what a decision asks; raises StoreError.

        Where a gateway alone asks, the approval has the gateway's id and address, so that
        people find it on both sides under one name; a gateway that gives an id twice gets one
        of ours, because an approval is for one call only.
        """
        approval = self.ask(decision.call)
        if any(verdict.approval_id for verdict in decision.asking):
            latest = approval.created_at + _GATEWAY_TTL
            approval = replace(approval, expires_at=min(approval.expires_at, latest))
        if len(decision.asking) != 1 or not (id := decision.asking[0].approval_id):
            return approval
        url = decision.asking[0].approval_url
        if await self._is_free(id):
            approval = replace(approval, id=id, url=self._url(id))
        return replace(approval, url=url or approval.url)

    async def _is_free(self, id: str) -> bool:
        if id in self._given:
            return False
        self._given[id] = None
        trim(self._given, _GIVEN)
        try:
            return await self._store.approval(id) is None
        except StoreError:
            del self._given[id]
            raise

    async def standing(self, decision: Decision) -> Approval | None:
        """The approval of a call like one that a person has let through until some later time.

        None where nobody has, where this call asks for reasons that the person did not know
        of, and where a gateway asks, which wants its own answer. Raises StoreError.
        """
        if any(verdict.approval_id for verdict in decision.asking):
            return None
        item = await self._store.standing(decision.call)
        if item is None or not set(decision.reasons) <= set(item.decision.reasons):
            return None
        given, asked = item.approval, self.ask(decision.call)
        return replace(
            asked,
            state=ApprovalState.APPROVED,
            decided_at=asked.created_at,
            decided_by=given.decided_by,
            note=f"the same call was approved until {given.good_until:%H:%M} UTC ({given.id})",
        )

    async def pending(self) -> list[ApprovalItem]:
        """What waits for a person, oldest first; raises StoreError."""
        return await self._store.approvals(ApprovalState.PENDING)

    async def decided(self, ids: Collection[str]) -> None:
        """Return as soon as one of these approvals is not pending any more; raises StoreError.

        However many wait, the store is asked once when it stirs, and only about what is waited
        for: approvals that nobody waits for any more may be many.
        """
        wanted = frozenset(ids)
        self._awaited.update(wanted)
        try:
            while True:
                if self._looking is None or self._looking.done():
                    self._looking = asyncio.ensure_future(self._look())
                if wanted & await asyncio.shield(self._looking):
                    return
        finally:
            self._awaited -= Counter(wanted)

    async def _look(self) -> frozenset[str]:
        """Which of the awaited approvals are not pending any more."""
        await self._store.stirred()
        asked = frozenset(self._awaited)
        return asked - await self._store.pending(asked)

    async def approve(self, id: str, by: str, note: str = "", minutes: int = 0) -> Approval:
        """Let the call go ahead, and for some minutes every one like it.

        Like it: of the same agent, with the same arguments, asking for no further reason.
        Raises ApprovalError, also for more than `MOST_MINUTES`, and StoreError.
        """
        if not 0 <= minutes <= MOST_MINUTES:
            raise ApprovalError(f"a call can be approved for at most {MOST_MINUTES} minutes")
        good_for = timedelta(minutes=minutes) if minutes else None
        return await self._resolve(id, ApprovalState.APPROVED, by, note, good_for)

    async def deny(self, id: str, by: str, note: str = "") -> Approval:
        """Refuse the call; raises ApprovalError, StoreError."""
        return await self._resolve(id, ApprovalState.DENIED, by, note)

    async def expire(self, id: str, by: str, note: str = "") -> Approval:
        """Close it because a gateway did; raises ApprovalError, StoreError."""
        return await self._resolve(id, ApprovalState.EXPIRED, by, note)

    async def find(self, wanted: str) -> ApprovalItem:
        """Find by id, by a prefix of it that only one has, or by trace id.

        Raises ApprovalError when there is none, or more than one; StoreError.
        """
        if item := await self._store.approval(wanted):
            return item
        found = [item for item in await self._store.approvals() if _is_meant(item, wanted)]
        if not found and len(wanted) < _SHORTEST_PREFIX:
            least = f"the first {_SHORTEST_PREFIX} characters of its id"
            raise ApprovalError(f"no approval {wanted!r}: give at least {least}")
        if not found:
            raise ApprovalError(_unknown(wanted))
        if len(found) > 1:
            raise ApprovalError(f"{len(found)} approvals begin with {wanted!r}: give more of it")
        return found[0]

    async def _resolve(
        self,
        id: str,
        state: ApprovalState,
        by: str,
        note: str,
        good_for: timedelta | None = None,
    ) -> Approval:
        item = await self._store.approval(id)
        if item is None:
            raise ApprovalError(_unknown(id))
        now = self._clock()
        until = now + good_for if good_for else None
        answer = replace(
            item.approval,
            state=state,
            decided_at=now,
            decided_by=by,
            note=note,
            good_until=until,
        )
        record = approval_record(settle(item.decision, answer))
        resolved = await self._store.resolve(
            id, state, by=by, note=note, at=now, record=record, good_until=until
        )
        if resolved is None:
            raise ApprovalError(_unknown(id))
        if resolved != answer:
            raise ApprovalError(_too_late(resolved))
        return resolved


def told(item: ApprovalItem) -> dict[str, Json]:
    """An approval with its call as one JSON object, for scripts."""
    approval, decision = item.approval, item.decision
    return {
        "id": approval.id,
        "state": approval.state.value,
        "tool": decision.call.name,
        "arguments": decision.redacted_arguments,
        "agent": decision.call.agent,
        "assistant": decision.call.assistant,
        "reasons": list(decision.reasons),
        "trace": decision.trace,
        "created_at": timestamp(approval.created_at),
        "expires_at": timestamp(approval.expires_at),
        "url": approval.url,
        "decided_at": _moment(approval.decided_at),
        "decided_by": approval.decided_by,
        "note": approval.note,
        "good_until": _moment(approval.good_until),
    }


def _moment(when: datetime | None) -> str | None:
    return timestamp(when) if when else None


def _is_meant(item: ApprovalItem, wanted: str) -> bool:
    if item.decision.trace == wanted:
        return True
    return len(wanted) >= _SHORTEST_PREFIX and item.approval.id.startswith(wanted)


def _unknown(wanted: str) -> str:
    return f"no approval {wanted[:80]!r}: `callgate approvals list --all` shows what there is"


def _too_late(approval: Approval) -> str:
    when = f"{approval.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if approval.state is ApprovalState.EXPIRED:
        return f"approval {approval.id} expired at {when}; the call counts as denied"
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    return f"approval {approval.id} was already {approval.state}{by}"
