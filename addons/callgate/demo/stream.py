"""Sends the events of a run as they happen: frames, compressed, cut into chunks."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import brotli
import zstandard
from starlette.responses import StreamingResponse

from callgate.demo.api import Watched

type Encoding = Literal["gzip", "br", "zstd"]
"""Content codings that a stream can have."""

_LOOK_SECONDS = 0.02
"""The longest sleep: another request, or a clock that is told the time, may move the run."""


class Encoder(Protocol):
    """Compresses a stream."""

    def feed(self, data: bytes) -> bytes:
        """Return bytes from which all of `data` can be decoded."""
        ...

    def finish(self) -> bytes:
        """Return what ends the stream."""
        ...


@dataclass(frozen=True, slots=True)
class Stream:
    """How streams travel."""

    clock: Callable[[], float]
    """Seconds since 1970."""
    chunk_bytes: int | None
    """Size of the chunks; None makes each event a chunk."""
    encoding: Encoding | None
    """For clients that accept it."""

    def __post_init__(self) -> None:
        """Raise ValueError for chunks that would hold nothing."""
        if self.chunk_bytes is not None and self.chunk_bytes < 1:
            raise ValueError(f"chunk_bytes must be at least 1, not {self.chunk_bytes}")

    def answer(
        self, watched: Watched, asked: Mapping[str, str], headers: Mapping[str, str]
    ) -> StreamingResponse:
        """Return the answer that tells of a run until it waits or is over.

        When the client goes away, the run goes on.
        """
        accepted = {
            item.split(";")[0].strip() for item in asked.get("accept-encoding", "").split(",")
        }
        encoding = self.encoding if self.encoding in accepted else None
        if encoding is not None:
            headers = {**headers, "content-encoding": encoding}
        return StreamingResponse(
            self._chunks(watched, _encoder(encoding)),
            headers={**headers, "content-type": "text/event-stream; charset=utf-8"},
        )

    async def _chunks(self, watched: Watched, encoder: Encoder) -> AsyncIterator[bytes]:
        async for frames in self._frames(watched):
            for chunk in self._cut([encoder.feed(frame) for frame in frames]):
                yield chunk
        if end := encoder.finish():
            for chunk in self._cut([end]):
                yield chunk

    async def _frames(self, watched: Watched) -> AsyncIterator[list[bytes]]:
        run, log, told = watched.run, watched.log, 0
        while True:
            now = self.clock()
            run.advance(now)
            fresh = log.events[told:]
            told += len(fresh)
            if fresh:
                yield [event.frame() for event in fresh]
            if log.is_over and told == len(log.events):
                return
            await asyncio.sleep(min(max(run.due - now, 0), _LOOK_SECONDS))

    def _cut(self, parts: list[bytes]) -> Iterable[bytes]:
        return parts if self.chunk_bytes is None else _slices(b"".join(parts), self.chunk_bytes)


def _slices(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


class _Identity:
    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Gzip:
    def __init__(self) -> None:
        self._compressor = zlib.compressobj(wbits=31)

    def feed(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _Brotli:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor(quality=4)

    def feed(self, data: bytes) -> bytes:
        return bytes(self._compressor.process(data) + self._compressor.flush())

    def finish(self) -> bytes:
        return bytes(self._compressor.finish())


class _Zstandard:
    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor().compressobj()

    def feed(self, data: bytes) -> bytes:
        compressed = self._compressor.compress(data)
        return compressed + self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._compressor.flush()


_ENCODERS: Mapping[Encoding, type[Encoder]] = {"gzip": _Gzip, "br": _Brotli, "zstd": _Zstandard}


def _encoder(encoding: Encoding | None) -> Encoder:
    return _Identity() if encoding is None else _ENCODERS[encoding]()
