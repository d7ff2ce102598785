"""Database clients: the statements that they are handed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.pattern import pattern
from callgate.detectors.shell.programs.base import Danger, Rule, always, has, operands
from callgate.detectors.sql import dangers as sql_dangers

_DROP_CALL = pattern(r"\.(?:dropDatabase|drop|deleteMany|remove)\s*\(\s*(?:\{\s*\})?\s*\)")


def _database(arguments: Sequence[str]) -> Danger | None:
    for position, word in enumerate(arguments):
        if position or " " in word:
            for found in sql_dangers(_after_flag(word)):
                return Danger(found.kind, found.explanation, found.confidence)
    return None


def _after_flag(word: str) -> str:
    return re.sub(r"^(?:-[ceqQ]|--(?:command|execute|query)=)(?=\w)", "", word)


def _mysqladmin(arguments: Sequence[str]) -> Danger | None:
    words = set(operands(arguments))
    if words & {"drop", "shutdown"}:
        return Danger("DROP_DATABASE", "drops or stops a database")
    return None


def _restore(arguments: Sequence[str]) -> Danger | None:
    if has(arguments, "c", "--clean"):
        return Danger("DROP_DATABASE", "drops before it restores", 0.7)
    return None


def _redis(arguments: Sequence[str]) -> Danger | None:
    words = {word.upper() for word in arguments}
    if words & {"FLUSHALL", "FLUSHDB", "SHUTDOWN"}:
        return Danger("DROP_DATABASE", "empties the store")
    return None


def _mongo(arguments: Sequence[str]) -> Danger | None:
    code = " ".join(arguments)
    if _DROP_CALL.search(code):
        return Danger("DROP_DATABASE", "drops a database or all of a collection")
    return Danger("DROP_DATABASE", "drops before it restores") if "--drop" in arguments else None


STORES = frozenset(("redis-cli", "valkey-cli"))
"""Clients whose input is words, not statements."""

RULES: dict[str, Rule] = {
    "bq": _database,
    "clickhouse-client": _database,
    "cockroach": _database,
    "cqlsh": _database,
    "dropdb": always("DROP_DATABASE", "drops a database"),
    "dropuser": always("DELETE_USER", "drops a database role"),
    "duckdb": _database,
    "mariadb": _database,
    "mongo": _mongo,
    "mongorestore": _mongo,
    "mongosh": _mongo,
    "mysql": _database,
    "mysqladmin": _mysqladmin,
    "pg_restore": _restore,
    "psql": _database,
    "valkey-cli": _redis,
    "redis-cli": _redis,
    "sqlcmd": _database,
    "sqlite3": _database,
}
