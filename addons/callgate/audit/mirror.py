"""Copies of one chain in other places: a file of lines, syslog.

A mirror follows what the store has committed, so it is never in the way of a verdict, and what
it missed, in an outage or a crash, it catches up with.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import logging.handlers
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from callgate.audit.bundle import last_line
from callgate.chain import Sealed, link_of
from callgate.errors import StoreError

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_CLOSE_SECONDS = 5.0

type Following = Callable[[int], Awaitable[Sequence[Sealed]]]
"""Some of the chain's lines after a number, in order; none where there are no more."""


class Sink(Protocol):
    """Where lines go; runs in a thread, raises OSError."""

    name: str

    def position(self) -> int | None:
        """Number of the last line that is there; None where only new ones are wanted."""
        ...

    def write(self, lines: Sequence[Sealed]) -> None:
        """Append lines that follow the last one."""
        ...


class Mirror:
    """Keeps a sink as the chain is; its failure is said once, and so is its return."""

    def __init__(self, sink: Sink, following: Following, newest: int) -> None:
        """`newest` is the last number at start."""
        self._sink = sink
        self._following = following
        self._newest = newest
        self._number: int | None = None
        self._is_failing = False
        self._changed = asyncio.Event()
        self._is_closed = False
        self._task = asyncio.ensure_future(self._run())

    def wake(self) -> None:
        """There are new lines."""
        self._changed.set()

    async def close(self) -> None:
        """Catch up, for some seconds at most, and stop."""
        self._is_closed = True
        self._changed.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._task, _CLOSE_SECONDS)

    async def _run(self) -> None:
        while not self._is_closed:
            self._changed.clear()
            if await self._catch_up():
                await self._changed.wait()
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _RETRY_SECONDS)
        await self._catch_up()

    async def _catch_up(self) -> bool:
        try:
            await self._follow()
        except (OSError, StoreError) as error:
            # the sink may have changed meanwhile: look again where it stands
            self._number = None
            if not self._is_failing:
                _log.error("%s: %s; records stay in the store until it works", self._name, error)
            self._is_failing = True
            return False
        if self._is_failing:
            _log.warning("%s works again and has caught up", self._name)
        self._is_failing = False
        return True

    @property
    def _name(self) -> str:
        return self._sink.name

    async def _follow(self) -> None:
        if self._number is None:
            found = await asyncio.to_thread(self._sink.position)
            self._number = self._newest if found is None else found
        while lines := await self._following(self._number):
            await asyncio.to_thread(self._sink.write, lines)
            self._number = self._newest = lines[-1].number


class FileSink:
    """A file of one line each, as in a bundle; a last line that a crash tore is taken off."""

    name = "audit_file"

    def __init__(self, path: Path, instance: str) -> None:
        """Made 0600 where it is not there; several processes of a home may share it."""
        self._path = path
        self._instance = instance

    def position(self) -> int:
        """See `Sink.position`."""
        with self._locked() as file:
            return self._last(file)

    def write(self, lines: Sequence[Sealed]) -> None:
        """See `Sink.write`; what another process has written meanwhile is left out."""
        with self._locked() as file:
            last = self._last(file)
            new = [one.line for one in lines if one.number > last]
            file.seek(0, os.SEEK_END)
            file.write("".join(f"{line}\n" for line in new).encode())
            file.flush()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with open(self._path, "a+b", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _last(self, file: BinaryIO) -> int:
        self._mend(file)
        link = link_of(last_line(self._path))
        if link and link.instance == self._instance:
            return link.number
        file.seek(0)
        links = (link_of(line) for line in file)
        mine = [found.number for found in links if found and found.instance == self._instance]
        return max(mine, default=0)

    def _mend(self, file: BinaryIO) -> None:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        torn = len(last_line(self._path))
        file.truncate(size - torn)
        _log.warning(
            "%s: the last line was torn, as by a crash; %s bytes are taken off and written anew",
            self._path,
            torn,
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class SyslogSink:
    """Syslog, at a socket like `/dev/log` or at `HOST:PORT` over UDP; from now on only."""

    name = "audit_syslog"

    def __init__(self, address: str) -> None:
        """The socket is opened with the first line."""
        host, colon, port = address.rpartition(":")
        self._address = (host, int(port)) if colon else address

    def position(self) -> None:
        """See `Sink.position`: syslog can not be asked."""

    def write(self, lines: Sequence[Sealed]) -> None:
        """See `Sink.write`; one that is too long for a datagram is said and left out."""
        with contextlib.closing(_Handler(self._address)) as handler:
            for one in lines:
                try:
                    handler.emit(_message(one.line))
                except OSError as error:
                    if error.errno != errno.EMSGSIZE:
                        raise
                    _log.error("%s: record %s is too long", self.name, one.number)


class _Handler(logging.handlers.SysLogHandler):
    ident = "callgate: "

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        raise


def _message(line: str) -> logging.LogRecord:
    return logging.LogRecord("callgate.audit", logging.INFO, "", 0, line, None, None)
