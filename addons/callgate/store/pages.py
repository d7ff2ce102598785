"""Records, page by page, so that a long log is neither one statement nor one answer."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from callgate.store import tables
from callgate.store.base import Record
from callgate.store.connection import rows
from callgate.store.rows import record_of

RECORDS_PER_PAGE = 1000


@dataclass(slots=True)
class Pages:
    """What is left to read of the records with `after < seq <= newest`."""

    after: int
    newest: int
    is_backwards: bool = False
    """Newest first."""
    many: int = RECORDS_PER_PAGE

    @property
    def has_more(self) -> bool:
        """Whether another page is worth reading."""
        return self.after < self.newest

    def next(self, connection: Connection) -> list[Record]:
        """Read the next page; raises ValueError for a damaged row."""
        seq = tables.records.c.seq
        query = select(tables.records).where(seq > self.after, seq <= self.newest)
        query = query.order_by(seq.desc() if self.is_backwards else seq)
        found = rows(connection, query.limit(self.many))
        if len(found) < self.many:
            self.after = self.newest
        elif self.is_backwards:
            self.newest = found[-1]["seq"] - 1
        else:
            self.after = found[-1]["seq"]
        return [record_of(row) for row in found]
