"""Stand-ins that keep the promises of the real parts."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from callgate.chain import Sealed
from callgate.errors import StoreError
from callgate.model import Approval, ApprovalState, CallKey, Decision, ToolCall
from callgate.store.base import ApprovalItem, ChainState, Line, Page, Record, Search
from callgate.store.filters import belonging, matches
from callgate.store.keyed import KeyedHash
from callgate.store.outcome import as_of, remembered
from callgate.store.reading import is_same_caller, is_wanted
from callgate.store.tables import timestamp

NEVER = datetime.min.replace(tzinfo=UTC)


class FakeClock:
    """A clock that is told the time."""

    def __init__(self, now: datetime = datetime(2030, 1, 1, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class MemoryStore:
    """A store without a disk; `failure` makes every method raise it."""

    def __init__(self, clock: FakeClock | None = None, instance: str = "memory") -> None:
        self.failure: StoreError | None = None
        self._clock = clock or FakeClock()
        self._instance = instance
        self._keyed = KeyedHash(b"salt")
        self._decisions: dict[str, Decision] = {}
        self._records: list[Record] = []
        self.marks: dict[str, set[str]] = {}
        """By the first name of the conversation, in plain text."""
        self._names: dict[str, str] = {}
        self._is_closed = False

    async def get(self, keys: Sequence[CallKey]) -> dict[CallKey, Decision]:
        self._check()
        found = {key: self._decisions.get(self._keyed.call(key)) for key in keys}
        return {
            key: self._shown(replace(d, call=replace(d.call, digest=key.digest)))
            for key, d in found.items()
            if d is not None
        }

    async def find(self, surface: str, origin: str, scope: str) -> list[Decision]:
        self._check()
        return [
            self._shown(decision)
            for decision in self._decisions.values()
            if (decision.call.surface, decision.call.origin, decision.call.scope)
            == (surface, origin, scope)
        ]

    async def seen(self, surface: str, origin: str, ids: Sequence[str]) -> list[Decision]:
        self._check()
        return [
            self._shown(decision)
            for decision in self._decisions.values()
            if (decision.call.surface, decision.call.origin) == (surface, origin)
            and decision.call.id in ids
        ]

    def keyed(self, digest: str) -> str:
        return self._keyed.digest(digest)

    async def put(
        self, decisions: Sequence[Decision], records: Sequence[Record]
    ) -> dict[CallKey, Decision]:
        self._check()
        won = [decision for decision in decisions if self._remember(decision)]
        known = await self.get([decision.call.key for decision in decisions])
        for decision in decisions:
            if decision.call.key not in known:
                known[decision.call.key] = decision
                won.append(decision)
        await self.append(belonging(records, decisions, won))
        return known

    def _remember(self, decision: Decision) -> bool:
        key = self._keyed.call(decision.call.key)
        if not decision.is_final or key in self._decisions:
            return False
        call = replace(decision.call, digest=self._keyed.digest(decision.call.digest))
        self._decisions[key] = replace(decision, call=call)
        return True

    async def append(self, records: Sequence[Record]) -> None:
        self._check()
        at = timestamp(self._clock())
        for record in records:
            seq = len(self._records) + 1
            self._records.append({**record, "seq": seq, "at": at, "instance": self._instance})

    async def records(
        self,
        *,
        last: int | None = None,
        filters: Mapping[str, str] | None = None,
        after: int = 0,
    ) -> list[Record]:
        self._check()
        found = [record for record in self._records[after:] if matches(record, filters or {})]
        return found if last is None else found[len(found) - min(last, len(found)) :]

    async def lines(self, *, after: int = 0, many: int = 1000) -> list[Line]:
        self._check()
        return []

    async def following(self, instance: str, number: int) -> list[Sealed]:
        self._check()
        return []

    async def chains(self) -> list[ChainState]:
        self._check()
        return []

    async def cut(self, seq: int) -> int:
        raise ValueError("only a proxy cuts its own chain")

    async def approval(self, id: str) -> ApprovalItem | None:
        found = [item for item in await self.approvals() if item.approval.id == id]
        return found[0] if found else None

    async def approvals(self, state: ApprovalState | None = None) -> list[ApprovalItem]:
        self._check()
        shown = [self._shown(decision) for decision in self._decisions.values()]
        items = [ApprovalItem(d.approval, d) for d in shown if d.approval]
        items.sort(key=lambda item: item.approval.created_at)
        return [item for item in items if state in (None, item.approval.state)]

    async def pending(self, ids: Collection[str]) -> frozenset[str]:
        waiting = await self.approvals(ApprovalState.PENDING)
        return frozenset(item.approval.id for item in waiting if item.approval.id in ids)

    async def stirred(self) -> None:
        self._check()
        await asyncio.sleep(0.05)

    async def resolve(
        self,
        id: str,
        state: ApprovalState,
        *,
        by: str,
        note: str,
        at: datetime,
        record: Record,
        good_until: datetime | None = None,
    ) -> Approval | None:
        self._check()
        if state is ApprovalState.PENDING:
            raise ValueError(f"nobody can answer {state.value}")
        for key, decision in self._decisions.items():
            approval = decision.approval
            if approval is None or approval.id != id:
                continue
            approval = as_of(approval, at)
            if approval.state is not ApprovalState.PENDING:
                return approval
            answer = replace(
                approval,
                state=state,
                decided_at=at,
                decided_by=by,
                note=note,
                good_until=good_until,
            )
            self._decisions[key] = replace(decision, approval=answer)
            await self.append([record])
            return answer
        return None

    async def standing(self, call: ToolCall) -> ApprovalItem | None:
        digest = self._keyed.digest(call.digest)
        items = [
            item
            for item in await self.approvals(ApprovalState.APPROVED)
            if item.approval.good_until
            and item.approval.good_until > self._clock()
            and item.decision.call.digest == digest
            and (item.decision.call.surface, item.decision.call.origin)
            == (call.surface, call.origin)
            and is_same_caller(item, call)
        ]
        return max(items, key=lambda i: i.approval.good_until or NEVER, default=None)

    async def search(self, wanted: Search, limit: int) -> Page:
        self._check()
        newest = self._records[: None if wanted.before is None else wanted.before - 1][::-1]
        found = [record for record in newest if is_wanted(record, wanted)]
        older = int(str(found[limit - 1]["seq"])) if len(found) > limit else None
        return Page(found[:limit], older)

    async def newer(self, after: int, limit: int) -> list[Record]:
        self._check()
        return self._records[after : after + limit]

    async def latest(self, before: datetime | None = None) -> int:
        self._check()
        if before is None:
            return len(self._records)
        return sum(str(record["at"]) < timestamp(before) for record in self._records)

    async def mark(self, conversation: str, marks: Collection[str]) -> None:
        self._check()
        self.marks.setdefault(self._first(conversation), set()).update(marks)

    async def marked(self, conversation: str, marks: Collection[str]) -> frozenset[str]:
        self._check()
        names = {conversation, self._first(conversation)}
        return frozenset(
            mark for mark in marks if any(mark in self.marks.get(n, ()) for n in names)
        )

    async def join(self, name: str, conversation: str) -> None:
        self._check()
        if name != (first := self._first(conversation)):
            self._names.setdefault(name, first)

    def _first(self, conversation: str) -> str:
        return self._names.get(conversation, conversation)

    async def prune(self, before: datetime) -> bool:
        self._check()
        old = [record for record in self._records if str(record["at"]) < timestamp(before)]
        self._records = self._records[len(old) :]
        return bool(old)

    async def close(self) -> None:
        self._is_closed = True

    def _check(self) -> None:
        if self._is_closed:
            raise StoreError("store memory is closed")
        if self.failure:
            raise self.failure

    def _shown(self, decision: Decision) -> Decision:
        return remembered(decision, self._clock())
