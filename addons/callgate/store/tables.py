"""The schema in SQLAlchemy Core; only what SQLite and PostgreSQL both have.

What is made of it in a database is said by the revisions in `migrations`.

Texts, JSON and times are kept in forms of our own: ids may hold NUL and lone surrogates, which
PostgreSQL's text (and the surrogates, SQLite's) cannot carry, and a later hash over a record
must see the very bytes that were written.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from callgate.canonical import Json

UNREVISED_VERSION = "4"
"""The version, in `meta`, of a schema that was written before there were revisions."""


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and `Z`; sorts as text in order of time."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class AnyText(TypeDecorator[str]):
    """Any Python string, kept as the inside of an ASCII JSON string; equality is kept."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape."""
        return None if value is None else json.dumps(value)[1:-1]

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo the escape; raises ValueError for a damaged row."""
        return None if value is None else str(json.loads(f'"{value}"'))


class JsonText(TypeDecorator[Json]):
    """A JSON value as compact ASCII text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Json, dialect: Dialect) -> str:
        """Write."""
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Json:
        """Read; raises ValueError for a damaged row."""
        parsed: Json = json.loads(value or "null")
        return parsed


class Moment(TypeDecorator[datetime]):
    """An aware time, see `timestamp`."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write in UTC."""
        return None if value is None else timestamp(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Read; raises ValueError for a damaged row."""
        return None if value is None else datetime.fromisoformat(value)


# SQLite counts by itself only in columns of the type INTEGER, which has 64 bits there.
_Seq = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

revision = Table(
    "callgate_revision",
    MetaData(),  # Alembic's own
    Column("version_num", String(32), primary_key=True),
)
"""Which revision the schema has, see `migrations`."""

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=True),
    # Keyed hash over surface, origin, scope, call id and digest: ids have no limit, but a
    # B-tree entry of PostgreSQL has (2704 bytes), so the five can not be one index themselves.
    Column("key", String(64), nullable=False, unique=True),
    Column("scope_key", String(64), nullable=False),
    Column("id_key", String(64), nullable=False),
    Column("surface", String(32), nullable=False),
    Column("origin", AnyText, nullable=False),
    Column("scope", AnyText, nullable=False),
    Column("call_id", AnyText, nullable=False),
    Column("digest", String(80), nullable=False),
    Column("effect", String(32), nullable=False),
    Column("at", Moment, nullable=False),
    Column("body", JsonText, nullable=False),
    Index("decisions_scope_key", "scope_key", "seq"),
    Index("decisions_id_key", "id_key", "seq"),
    Index("decisions_at", "at"),
    sqlite_autoincrement=True,
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("decision_key", ForeignKey(decisions.c.key), nullable=False, unique=True),
    Column("state", String(16), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("url", AnyText, nullable=False),
    Column("decided_at", Moment),
    Column("decided_by", AnyText, nullable=False),
    Column("note", AnyText, nullable=False),
    Column("good_until", Moment, index=True),
)

records = Table(
    "records",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=True),
    Column("instance", AnyText, nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("body", JsonText, nullable=False),
    Column("number", _Seq),
    Column("line", Text),
    Index("records_at", "at"),
    Index("records_place", "instance", "number", unique=True),
    # a seq is never given twice, even when old records have been removed
    sqlite_autoincrement=True,
)

"""A sealed record has its place in its chain and its signed line, and no body beside that."""

chains = Table(
    "chains",
    metadata,
    Column("instance", AnyText, primary_key=True),
    Column("number", _Seq, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("key", String(64), nullable=False),
    Column("anchor", Text),
)
"""Where each chain stands, and what it begins with once old records have been removed."""

marks = Table(
    "marks",
    metadata,
    # keyed hashes, both: what people and tools have said is not stored
    Column("conversation", String(64), primary_key=True),
    Column("mark", String(64), primary_key=True),
)

conversations = Table(
    "conversations",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("conversation", String(64), nullable=False),
)
"""Other names of conversations, as answers give them: keyed hashes too."""
