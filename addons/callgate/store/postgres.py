"""PostgreSQL's side of the store: connections, time limits, notifications."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from callgate.errors import SettingsError, StoreError
from callgate.store.connection import newest, reported
from callgate.store.listening import Listener

_SCHEMES = ("postgresql://", "postgres://")
_READERS = 8
_TRIES = 3

# Two transactions waited for each other, or the order of commits did not suit one of them.
_TRY_AGAIN = frozenset({"40P01", "40001"})


def is_postgres(url: str) -> bool:
    """Whether a store's URL means PostgreSQL."""
    return url.startswith(_SCHEMES)


class PostgresDatabase:
    """See `Database`.

    One connection writes, so that the records of this process are in order; a few read. The
    server gives up a statement, or a transaction that is left alone, after the time given.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        """Connect to nothing yet; raises SettingsError for a bad URL and without psycopg."""
        address = _parsed(url)
        self.name = _without_secrets(address)
        self._timeout = timeout_seconds
        try:
            self._reader = self._engine(
                address,
                pool_size=_READERS,
                isolation_level="AUTOCOMMIT",
                skip_autocommit_rollback=True,
            )
        except ImportError as error:
            raise SettingsError(
                "store: PostgreSQL needs an extra: pip install 'callgate[postgres]'"
            ) from error
        self._writer = self._engine(address, pool_size=1)
        psycopg: Any = self._reader.dialect.loaded_dbapi.psycopg
        _, given = self._reader.dialect.create_connect_args(address)
        options = {**given, **_limits(address, timeout_seconds)}

        async def connect() -> Any:
            return await psycopg.AsyncConnection.connect(**options, autocommit=True)

        self._listener = Listener(connect, psycopg.Error, self.name)

    async def read[T](self, work: Callable[[Connection], T]) -> T:
        """See `Database.read`."""
        return await self._bounded(self._reader, work, None)

    async def write[T](self, work: Callable[[Connection], T], *, seconds: float | None = None) -> T:
        """See `Database.write`.

        Where the connection breaks during the commit nobody knows whether it was made, and
        StoreError says that nothing was acknowledged.
        """
        return await self._bounded(self._writer, work, seconds)

    async def settled(self) -> int:
        """See `Database.settled`.

        A `seq` is drawn before its transaction commits, so a higher one may be seen first. All
        that were drawn are settled when nobody inserts: the lock waits for those who do.
        """

        def locked(connection: Connection) -> int:
            connection.execute(text("LOCK TABLE records IN SHARE MODE"))
            return newest(connection)

        return await self._bounded(self._writer, locked, None)

    async def stirred(self) -> None:
        """See `Database.stirred`."""
        await self._listener.stirred()

    async def dispose(self) -> None:
        """See `Database.dispose`."""
        await self._listener.close()
        for engine in (self._reader, self._writer):
            await engine.dispose()

    async def _bounded[T](
        self, engine: AsyncEngine, work: Callable[[Connection], T], seconds: float | None
    ) -> T:
        # the server's own limits come first and say more; a server that hangs says nothing
        seconds = seconds or 2 * self._timeout + 2
        task = asyncio.ensure_future(self._tried(engine, work))
        done, _ = await asyncio.wait([task], timeout=seconds)
        if not done:
            task.cancel()  # it may take the server's coming back to end
            raise StoreError(f"store {self.name}: no answer within {seconds:g} s")
        return await task

    async def _tried[T](self, engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
        """Run work; again when the server asks for it, or had left a connection before."""
        with reported(self.name):
            for left in reversed(range(_TRIES)):
                try:
                    return await self._once(engine, work)
                except _Unkept as failure:
                    if not left:
                        raise failure.cause from None
        raise AssertionError("the last try returns or raises")

    async def _once[T](self, engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
        async with _lent(engine) as connection:
            try:
                result = await connection.run_sync(work)
            except DBAPIError as error:
                if error.connection_invalidated or _code(error) in _TRY_AGAIN:
                    raise _Unkept(error) from error
                raise
            await connection.commit()
            return result

    def _engine(self, address: URL, **options: Any) -> AsyncEngine:
        engine = create_async_engine(
            address,
            max_overflow=0,
            pool_timeout=self._timeout,
            hide_parameters=True,
            connect_args=_limits(address, self._timeout),
            **options,
        )
        milliseconds = math.ceil(self._timeout * 1000)

        def on_connect(connection: Any, _entry: Any) -> None:
            cursor = connection.cursor()
            cursor.execute(
                f"SELECT set_config('statement_timeout', '{milliseconds}', false),"
                f" set_config('idle_in_transaction_session_timeout', '{milliseconds}', false)"
            )
            cursor.close()
            connection.commit()

        event.listen(engine.sync_engine, "connect", on_connect)
        return engine


def _limits(address: URL, timeout_seconds: float) -> dict[str, Any]:
    """Limits for connecting, and a kernel that finds out when a peer is gone without a word."""
    seconds = math.ceil(timeout_seconds)
    limits = {
        "connect_timeout": seconds,
        "application_name": "callgate",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 1000 * seconds,
    }
    return {name: limit for name, limit in limits.items() if name not in address.query}


class _Unkept(Exception):  # noqa: N818 - not an error before the last try
    """Nothing of the work was kept: it may be run again."""

    def __init__(self, cause: DBAPIError) -> None:
        super().__init__()
        self.cause = cause


@asynccontextmanager
async def _lent(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        try:
            yield connection
        except (SQLAlchemyError, _Unkept):
            # thrown away, so that work goes on as soon as the cause is gone
            await connection.invalidate()
            raise


def _code(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _parsed(url: str) -> URL:
    try:
        address = make_url(url)
        address.port  # noqa: B018 - a port that is no number shows here
    except (ArgumentError, ValueError):
        address = None
    if address is None or not address.database:
        # the URL is not quoted: it may hold a password
        raise SettingsError("store: not a PostgreSQL URL; use postgresql://USER@HOST:PORT/DATABASE")
    return address.set(drivername="postgresql+psycopg")


def _without_secrets(address: URL) -> str:
    return str(URL.create("postgresql", None, None, address.host, address.port, address.database))
