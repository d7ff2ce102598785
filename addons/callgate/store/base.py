"""What every store promises: the memory of decisions, the approvals and the records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from callgate.canonical import Json
from callgate.chain import Head, Sealed
from callgate.model import Approval, ApprovalState, CallKey, Decision, ToolCall

type Record = Mapping[str, Json]
"""One line of the audit log; flat keys, no secrets. See `audit.record`."""


@dataclass(frozen=True, slots=True)
class ApprovalItem:
    """A pending or decided approval with what a person needs to decide."""

    approval: Approval
    decision: Decision


@dataclass(frozen=True, slots=True)
class Line:
    """A sealed record as it was signed."""

    seq: int
    instance: str
    number: int
    line: str


@dataclass(frozen=True, slots=True)
class ChainState:
    """Where one chain of the audit log stands."""

    instance: str
    head: Head
    anchor: str | None
    """Signed line that stands for records that were removed."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which records are wanted."""

    kinds: Collection[str] = ()
    """Empty means every kind."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """As in `Store.records`."""
    text: str = ""
    """Stands in one of the record's values, whatever the case."""
    before: int | None = None
    """Only records whose `seq` is smaller."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the records of a search, newest first."""

    records: Sequence[Record]
    older: int | None
    """`Search.before` of the next page; None where there is nothing older."""


class Store(Protocol):
    """Shared memory of all proxies.

    Every method raises StoreError when the store cannot answer; what a method returned
    from is durable against `kill -9`. Raw arguments and results never reach the disk.
    """

    async def get(self, keys: Sequence[CallKey]) -> dict[CallKey, Decision]:
        """Return what is remembered of these calls, approvals as they stand now."""
        ...

    async def find(self, surface: str, origin: str, scope: str) -> list[Decision]:
        """Return every remembered decision of one scope, oldest first."""
        ...

    async def seen(self, surface: str, origin: str, ids: Sequence[str]) -> list[Decision]:
        """Return every remembered decision of these call ids, whatever its scope, oldest first."""
        ...

    def keyed(self, digest: str) -> str:
        """What stands for a call's digest in decisions that `find` and `seen` return."""
        ...

    async def put(
        self, decisions: Sequence[Decision], records: Sequence[Record]
    ) -> dict[CallKey, Decision]:
        """Remember decisions and append records, all or nothing.

        The first writer of a key wins: the mapping returned holds what is remembered now,
        which may be another proxy's decision. A decision's pending approval is stored with it.
        Records of decisions that lost are not appended. A decision that is not final is given
        back and its record appended, but it is not remembered.
        """
        ...

    async def append(self, records: Sequence[Record]) -> None:
        """Append records in order, all or nothing."""
        ...

    async def records(
        self,
        *,
        last: int | None = None,
        filters: Mapping[str, str] | None = None,
        after: int = 0,
    ) -> list[Record]:
        """Return records in order of `seq`: the last N that match, or all after a `seq`.

        A filter matches when the record's value, as text, equals the wanted one without
        regard to case; for a list, when one of its elements does.
        """
        ...

    async def lines(self, *, after: int = 0, many: int = 1000) -> list[Line]:
        """Return sealed records after a `seq`, in order of `seq`, at most so many."""
        ...

    async def following(self, instance: str, number: int) -> list[Sealed]:
        """Return some records of one chain after a number, in order."""
        ...

    async def chains(self) -> list[ChainState]:
        """Return where each chain stands, by name."""
        ...

    async def approval(self, id: str) -> ApprovalItem | None:
        """Return one approval, or None."""
        ...

    async def approvals(self, state: ApprovalState | None = None) -> list[ApprovalItem]:
        """Return approvals, oldest first; a pending one past its time counts as expired."""
        ...

    async def pending(self, ids: Collection[str]) -> frozenset[str]:
        """Tell which of these approvals still wait for a person; quick, however many there are."""
        ...

    async def stirred(self) -> None:
        """Return when it is worth asking `pending` again.

        That is when somebody may have answered, on this proxy or another, and after at most
        a second in any case. Raises StoreError only for a store that is closed.
        """
        ...

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
        """Decide a pending approval and append the record, all or nothing.

        Returns the approval as it now is; None when there is no such id. One that was decided
        before, or has expired, is returned unchanged and nothing is appended.
        """
        ...

    async def standing(self, call: ToolCall) -> ApprovalItem | None:
        """Return the approval, given for a time that is not over, of a call just like this one.

        Just like: the same surface, API, agent, assistant, kind, name and arguments; the one
        that is good for longest.
        """
        ...

    async def search(self, wanted: Search, limit: int) -> Page:
        """Return at most `limit` records, newest first.

        Looks at a bounded number of records: a page may hold fewer, even none, and still tell
        of older ones.
        """
        ...

    async def newer(self, after: int, limit: int) -> list[Record]:
        """Return the next records after a `seq`, oldest first."""
        ...

    async def latest(self, before: datetime | None = None) -> int:
        """Return the highest `seq`, of all or of those written before a time; 0 for none."""
        ...

    async def mark(self, conversation: str, marks: Collection[str]) -> None:
        """Put marks on a conversation, by any of its names, for good.

        Only keyed hashes are stored, of the name and of the marks.
        """
        ...

    async def marked(self, conversation: str, marks: Collection[str]) -> frozenset[str]:
        """Return those of the marks that a conversation has, under this or its first name."""
        ...

    async def join(self, name: str, conversation: str) -> None:
        """Let a name stand for a conversation too; one that already stands for another stays."""
        ...

    async def prune(self, before: datetime) -> bool:
        """Remove decisions, approvals and records older than this, a part of them at a time.

        What waits for a person stays, and so do other proxies' records: each removes its own,
        whose chain begins with a signed anchor then. One of the kind `retention` is appended,
        all or nothing. Returns whether there was something to remove.
        """
        ...

    async def close(self) -> None:
        """Flush and close; idempotent."""
        ...
