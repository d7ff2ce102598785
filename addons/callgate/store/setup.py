"""Makes the schema in a new database, and brings an old one to what this Callgate knows."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path

from alembic.command import upgrade
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from callgate.chain import Chain
from callgate.errors import StoreError
from callgate.store import chaining, tables
from callgate.store.connection import Database, insert_new, rows

MIGRATIONS = Path(__file__).with_name("migrations")

# Any number: what is locked with it in PostgreSQL is bringing a schema up to date.
_LOCK = 0x63616C6C67617465

_MIGRATION_SECONDS = 600.0


class StoreMissingError(StoreError):
    """There is no database yet, and none was to be made."""


async def prepare(
    database: Database, *, should_create: bool = True, chain: Chain | None = None
) -> bytes:
    """Bring the schema up to date; return the salt.

    Tells the chain where the store does not hold what was signed. Safe in several processes
    at once. Raises StoreMissingError where there is no schema and none is to be made,
    StoreError for a schema that a newer Callgate wrote, for a database of something else, and
    for a file that is no database.
    """
    revision = await database.read(_revision)
    if revision is None and not should_create:
        raise StoreMissingError(f"store {database.name} has nothing in it yet")
    if revision != newest_revision():
        await database.write(_migrate, seconds=_MIGRATION_SECONDS)
    salt = await database.read(_salt)
    if chain:
        chain.bind(salt)
        await database.read(partial(chaining.check, chain=chain))
    return salt


def newest_revision() -> str:
    """The schema that this Callgate knows."""
    return str(ScriptDirectory(str(MIGRATIONS)).get_current_head())


def _revision(connection: Connection) -> str | None:
    """Which schema the database has; None where there is none, "" for one before revisions."""
    present = set(inspect(connection).get_table_names())
    if tables.revision.name in present:
        return "".join(row["version_num"] for row in rows(connection, select(tables.revision)))
    if tables.meta.name in present:
        return ""
    if present:
        raise ValueError(
            f"it belongs to something else, with the tables {', '.join(sorted(present))[:80]}"
        )
    return None


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    before = _revision(connection)
    script = ScriptDirectory(str(MIGRATIONS))
    if before == "":
        _adopt(connection, script.get_base() or "")
    elif before is not None and before not in {r.revision for r in script.walk_revisions()}:
        raise ValueError(
            f"its schema is {before!r}, this Callgate knows {script.get_current_head()!r}: "
            "use the Callgate that wrote it, or a newer one"
        )
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    upgrade(config, "head")
    salt = {"key": "salt", "value": secrets.token_bytes(32).hex()}
    connection.execute(insert_new(connection, tables.meta), salt)


def _adopt(connection: Connection, first: str) -> None:
    """Take over a schema that was written before there were revisions."""
    found = {row["key"]: row["value"] for row in rows(connection, select(tables.meta))}
    if (version := found.get("schema_version")) != tables.UNREVISED_VERSION:
        raise ValueError(
            f"its schema version is {version}, older than what can be brought up to date"
        )
    tables.revision.create(connection)
    connection.execute(tables.revision.insert(), {"version_num": first})


def _salt(connection: Connection) -> bytes:
    meta = {row["key"]: row["value"] for row in rows(connection, select(tables.meta))}
    return bytes.fromhex(meta.get("salt", "no salt"))
