"""The store in a SQL database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import batched
from typing import Any, Self

from sqlalchemy import Connection, Select, select, update

from callgate.chain import Chain, Sealed
from callgate.errors import StoreError
from callgate.model import Approval, ApprovalState, CallKey, Decision, ToolCall
from callgate.store import chaining, pruning, queries, reading, remembering, tables
from callgate.store import marks as marking
from callgate.store.base import ApprovalItem, ChainState, Line, Page, Record, Search
from callgate.store.connection import Database, announce, rows
from callgate.store.filters import belonging, matches
from callgate.store.keyed import KeyedHash
from callgate.store.outcome import as_of, remembered
from callgate.store.pages import Pages
from callgate.store.rows import (
    Row,
    approval_of,
    decision_of,
    record_row,
    retention_record,
)
from callgate.store.setup import prepare
from callgate.store.writer import Batch, Writer

_KEYS_PER_QUERY = 500


class SqlStore:
    """See `Store`.

    A cancelled caller does not cancel its work: what is under way is finished.
    """

    def __init__(
        self,
        database: Database,
        keyed: KeyedHash,
        *,
        clock: Callable[[], datetime],
        instance: str,
        chain: Chain | None = None,
    ) -> None:
        """Take over the database; `instance` names this process where no chain does."""
        self._chain = chain
        self._database = database
        self._keyed = keyed
        self._clock = clock
        self._instance = instance
        self._writer = Writer(database, chain)
        self._reads: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    @classmethod
    async def open(
        cls,
        database: Database,
        *,
        clock: Callable[[], datetime],
        instance: str,
        should_create: bool = True,
        chain: Chain | None = None,
    ) -> Self:
        """Bring the schema up to date and read the salt; raises StoreError."""
        try:
            salt = await prepare(database, should_create=should_create, chain=chain)
        except StoreError:
            await database.dispose()
            raise
        return cls(database, KeyedHash(salt), clock=clock, instance=instance, chain=chain)

    async def get(self, keys: Sequence[CallKey]) -> dict[CallKey, Decision]:
        """See `Store.get`."""

        def read(connection: Connection) -> dict[CallKey, Decision]:
            return self._load(connection, keys)

        return await self._read(read)

    async def find(self, surface: str, origin: str, scope: str) -> list[Decision]:
        """See `Store.find`; the digest of a call is the keyed one, and good for `get`."""
        wanted = {"scope_key": self._keyed.scope(surface, origin, scope)}

        def read(connection: Connection) -> list[Decision]:
            return [self._decision(row) for row in rows(connection, queries.BY_SCOPE, wanted)]

        return await self._read(read)

    async def seen(self, surface: str, origin: str, ids: Sequence[str]) -> list[Decision]:
        """See `Store.seen`; digests as in `find`."""
        wanted = list(dict.fromkeys(self._keyed.id(surface, origin, id) for id in ids))

        def read(connection: Connection) -> list[Decision]:
            found: list[Decision] = []
            for some in batched(wanted, _KEYS_PER_QUERY):
                listed = rows(connection, queries.BY_IDS, {"ids": some})
                found += [self._decision(row) for row in listed]
            return found

        return await self._read(read)

    def keyed(self, digest: str) -> str:
        """See `Store.keyed`."""
        return self._keyed.digest(digest)

    async def put(
        self, decisions: Sequence[Decision], records: Sequence[Record]
    ) -> dict[CallKey, Decision]:
        """See `Store.put`.

        A record belongs to the decision with its `trace`. A decision that is not final is
        given back and its records are appended, but it is not remembered.
        """

        def write(batch: Batch) -> dict[CallKey, Decision]:
            now = self._clock()
            won = remembering.insert_final(batch.connection, decisions, self._keyed, self._clock())
            known = {d.call.key: remembered(d, now) for d in won}
            others = [d for d in decisions if d.call.key not in known]
            known |= self._load(batch.connection, [d.call.key for d in others])
            for decision in others:
                if decision.call.key not in known:
                    known[decision.call.key] = decision
                    won.append(decision)
            self._append(batch, belonging(records, decisions, won))
            return known

        return await self._write(write)

    async def append(self, records: Sequence[Record]) -> None:
        """See `Store.append`."""

        def write(batch: Batch) -> None:
            self._append(batch, records)

        await self._write(write)

    async def records(
        self,
        *,
        last: int | None = None,
        filters: Mapping[str, str] | None = None,
        after: int = 0,
    ) -> list[Record]:
        """See `Store.records`; with both, the last N of those after.

        What is being written meanwhile comes with the next call: a record that another proxy
        commits later never has a lower `seq` than one that was returned.
        """

        async def read() -> list[Record]:
            pages = Pages(after, await self._database.settled(), is_backwards=last is not None)
            if last and not filters:
                pages.many = min(last, pages.many)
            found: list[Record] = []
            while pages.has_more and (last is None or len(found) < last):
                page = await self._database.read(pages.next)
                found += [record for record in page if matches(record, filters or {})]
            return found if last is None else found[:last][::-1]

        return await self._answered(read())

    async def lines(self, *, after: int = 0, many: int = 1000) -> list[Line]:
        """See `Store.lines`; what is being written meanwhile comes with a later call."""

        async def read() -> list[Line]:
            newest = await self._database.settled()
            return await self._database.read(lambda c: chaining.lines(c, after, newest, many))

        return await self._answered(read())

    async def following(self, instance: str, number: int) -> list[Sealed]:
        """See `Store.following`."""
        return await self._read(lambda c: chaining.following(c, instance, number))

    async def chains(self) -> list[ChainState]:
        """See `Store.chains`."""
        return await self._read(chaining.chains)

    async def approval(self, id: str) -> ApprovalItem | None:
        """See `Store.approval`."""
        items = await self._approvals(queries.ASKED.where(tables.approvals.c.id == id))
        return items[0] if items else None

    async def approvals(self, state: ApprovalState | None = None) -> list[ApprovalItem]:
        """See `Store.approvals`."""
        query = queries.ASKED
        if state is not None:
            # expiry is a matter of the clock: such a row still says pending
            stored = {state.value}
            if state is ApprovalState.EXPIRED:
                stored.add(ApprovalState.PENDING.value)
            query = query.where(tables.approvals.c.state.in_(stored))
        items = await self._approvals(query)
        return [item for item in items if state in (None, item.approval.state)]

    async def pending(self, ids: Collection[str]) -> frozenset[str]:
        """See `Store.pending`."""

        def read(connection: Connection) -> frozenset[str]:
            found: set[str] = set()
            for some in batched(ids, _KEYS_PER_QUERY):
                wanted = {"ids": some, "now": self._clock()}
                found |= {row["id"] for row in rows(connection, queries.PENDING, wanted)}
            return frozenset(found)

        return await self._read(read)

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
        """See `Store.resolve`; raises ValueError for a state that is no answer."""
        if state is ApprovalState.PENDING:
            raise ValueError(f"nobody can answer {state.value}")
        approvals = tables.approvals
        is_open = (
            (approvals.c.id == id)
            & (approvals.c.state == ApprovalState.PENDING.value)
            & (approvals.c.expires_at > at)
        )
        answer = update(approvals).where(is_open)
        answer = answer.values(
            state=state.value, decided_at=at, decided_by=by, note=note, good_until=good_until
        )
        query = select(approvals).where(approvals.c.id == id)

        def write(batch: Batch) -> Approval | None:
            if batch.connection.execute(answer).rowcount:
                self._append(batch, [record])
                announce(batch.connection)
            found = rows(batch.connection, query)
            return as_of(approval_of(found[0]), at) if found else None

        return await self._write(write)

    async def stirred(self) -> None:
        """See `Store.stirred`."""
        self._refuse_when_closed()
        await self._database.stirred()

    async def standing(self, call: ToolCall) -> ApprovalItem | None:
        """See `Store.standing`."""
        query = reading.standing(
            queries.ASKED, call, self._keyed.digest(call.digest), self._clock()
        )
        items = await self._approvals(query)
        return next((item for item in items if reading.is_same_caller(item, call)), None)

    async def search(self, wanted: Search, limit: int) -> Page:
        """See `Store.search`."""
        return await self._read(lambda connection: reading.page(connection, wanted, limit))

    async def newer(self, after: int, limit: int) -> list[Record]:
        """See `Store.newer`; what is being written meanwhile comes with a later call."""

        async def read() -> list[Record]:
            newest = await self._database.settled()
            return await self._database.read(lambda c: reading.newer(c, after, newest, limit))

        return await self._answered(read())

    async def latest(self, before: datetime | None = None) -> int:
        """See `Store.latest`."""

        async def read() -> int:
            newest = await self._database.settled()
            return await self._database.read(lambda c: reading.latest(c, before, newest))

        return await self._answered(read())

    async def mark(self, conversation: str, marks: Collection[str]) -> None:
        """See `Store.mark`."""
        if not marks:
            return
        name, hashed = self._keyed.conversation(conversation), list(map(self._keyed.mark, marks))

        def write(batch: Batch) -> None:
            marking.put(batch.connection, name, hashed)

        await self._write(write)

    async def marked(self, conversation: str, marks: Collection[str]) -> frozenset[str]:
        """See `Store.marked`."""
        name = self._keyed.conversation(conversation)
        plain = {self._keyed.mark(mark): mark for mark in marks}

        def read(connection: Connection) -> set[str]:
            return marking.found(connection, name, plain)

        return frozenset(plain[mark] for mark in await self._read(read))

    async def join(self, name: str, conversation: str) -> None:
        """See `Store.join`."""
        names = self._keyed.conversation(name), self._keyed.conversation(conversation)

        def write(batch: Batch) -> None:
            marking.join(batch.connection, *names)

        await self._write(write)

    async def prune(self, before: datetime) -> bool:
        """See `Store.prune`."""

        def write(batch: Batch) -> bool:
            decisions = pruning.decisions(batch.connection, before, self._clock())
            removed = pruning.records(batch.connection, before, self._chain)
            if removed:
                self._append(batch, [retention_record(before, removed)])
            return bool(decisions or removed)

        return await self._write(write)

    async def close(self) -> None:
        """See `Store.close`."""
        self._is_closed = True
        await self._writer.drained()
        if self._reads:
            await asyncio.wait(self._reads)
        await self._database.dispose()
        if self._chain:
            self._chain.close()

    async def _write[T](self, write: Callable[[Batch], T]) -> T:
        self._refuse_when_closed()
        return await self._writer.run(write)

    async def _read[T](self, read: Callable[[Connection], T]) -> T:
        return await self._answered(self._database.read(read))

    async def _answered[T](self, reading: Coroutine[Any, Any, T]) -> T:
        if self._is_closed:
            reading.close()
        self._refuse_when_closed()
        # a read cut off in the middle would leave its connection in an unknown state
        task = asyncio.ensure_future(reading)
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)
        return await asyncio.shield(task)

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise StoreError(f"store {self._database.name} is closed")

    def _append(self, batch: Batch, records: Sequence[Record]) -> None:
        now = self._clock()
        batch.records += [record_row(record, self._instance, now) for record in records]

    def _load(self, connection: Connection, keys: Sequence[CallKey]) -> dict[CallKey, Decision]:
        wanted: dict[str, list[CallKey]] = {}
        for key in keys:
            wanted.setdefault(self._keyed.call(key), []).append(key)
        loaded: dict[CallKey, Decision] = {}
        for some in batched(wanted, _KEYS_PER_QUERY):
            for row in rows(connection, queries.BY_KEYS, {"keys": some}):
                decision = self._decision(row)
                for key in wanted[row["key"]]:
                    call = replace(decision.call, digest=key.digest)
                    loaded[key] = replace(decision, call=call)
        return loaded

    async def _approvals(self, query: Select[Any]) -> list[ApprovalItem]:
        def read(connection: Connection) -> list[ApprovalItem]:
            decisions = [self._decision(row) for row in rows(connection, query)]
            return [ApprovalItem(d.approval, d) for d in decisions if d.approval]

        return await self._read(read)

    def _decision(self, row: Row) -> Decision:
        decision = decision_of(row)
        if row[f"{queries.APPROVAL}id"] is not None:
            decision = replace(decision, approval=approval_of(row, queries.APPROVAL))
        return remembered(decision, self._clock())
