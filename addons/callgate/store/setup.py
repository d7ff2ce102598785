"""Makes the schema in a new database and checks it in an old one."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, insert, inspect, select

from callgate.errors import StoreError
from callgate.store import tables
from callgate.store.connection import connected, rows
from callgate.store.sqlite import Engines


async def prepare(engines: Engines) -> bytes:
    """Make the schema where there is none; return the salt.

    Safe in several processes at once. Raises StoreError for another schema version, for a
    database of something else, and for a file that is no database.
    """
    async with connected(engines.reader, engines.name) as connection:
        has_schema = await connection.run_sync(lambda c: inspect(c).has_table("meta"))
    if not has_schema:
        async with connected(engines.writer, engines.name) as connection, connection.begin():
            await connection.run_sync(_create)
    async with connected(engines.reader, engines.name) as connection:
        found = await rows(connection, select(tables.meta))
        meta = {row["key"]: row["value"] for row in found}
        version = int(meta.get("schema_version", "0"))
        if version != tables.SCHEMA_VERSION:
            raise StoreError(
                f"store {engines.name} has schema version {version}, this Callgate knows "
                f"{tables.SCHEMA_VERSION}: use the Callgate that wrote it, or a newer one"
            )
        return bytes.fromhex(meta.get("salt", "no salt"))


def _create(connection: Connection) -> None:
    present = inspect(connection).get_table_names()
    if "meta" in present:  # another process was faster
        return
    if present:
        raise StoreError(
            "the database belongs to something else: it has the tables "
            + ", ".join(sorted(present))[:80]
        )
    tables.metadata.create_all(connection)
    values = [
        {"key": "schema_version", "value": str(tables.SCHEMA_VERSION)},
        {"key": "salt", "value": secrets.token_bytes(32).hex()},
    ]
    connection.execute(insert(tables.meta), values)
