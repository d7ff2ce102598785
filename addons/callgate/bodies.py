"""Undo a Content-Encoding without letting a small body become a huge one."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping

import brotli
import zstandard

from callgate.errors import BodyError

_STEP = 1 << 20

_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']*)", re.ASCII | re.IGNORECASE)
_LIKE_ASCII = re.compile(
    r"(?:utf-?8|us-ascii|ascii|(?:iso-?8859-|latin-?)\d{1,2}|(?:windows-|cp)125\d)?", re.ASCII
)
"""Charsets in which what structures JSON has its own bytes, and no other bytes mean it."""


def decode(raw: bytes, encoding: str, limit: int) -> bytes:
    """Return the content behind `encoding` (a Content-Encoding value), at most `limit` bytes.

    Raises BodyError for an unknown or combined encoding, corrupt or cut-off data, data after
    its end, and content beyond the limit. Clients differ there: of a gzip body with two members
    httpx reads the first, undici both; so what is returned here is what every client reads.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        content = raw
    elif name in _DECODERS:
        try:
            content = _DECODERS[name](raw, limit) if raw else b""
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            raise BodyError(f"the {name} content encoding is corrupt") from error
    else:
        raise BodyError(f"unknown content encoding {encoding[:40]!r}")
    if len(content) > limit:
        raise BodyError(f"larger than {limit >> 20} MiB")
    return content


def refuse_charset(content_type: str) -> None:
    """Raise BodyError for JSON that a Content-Type says to be written otherwise than ASCII is.

    JSON is UTF-8 (RFC 8259 8.1), and so most clients read it; httpx before 0.25, which openai 1
    takes, and OkHttp go by the charset: in UTF-7 the same bytes are other JSON.
    """
    for name in _CHARSET.findall(content_type):
        if not _LIKE_ASCII.fullmatch(name.lower()):
            raise BodyError(f"JSON in the charset {name[:40]!r}")


def _zlib(raw: bytes, limit: int, window: int) -> bytes:
    decoder = zlib.decompressobj(window)
    content = decoder.decompress(raw, limit + 1)
    if len(content) <= limit:
        if not decoder.eof:
            raise BodyError("the content is cut off")
        if decoder.unused_data:
            raise BodyError("there is data after the compressed content")
    return content


def _gzip(raw: bytes, limit: int) -> bytes:
    return _zlib(raw, limit, 16 + zlib.MAX_WBITS)


def _deflate(raw: bytes, limit: int) -> bytes:
    # RFC 9110 8.4.1.2 means zlib; some servers send the bare stream, and clients take both
    try:
        return _zlib(raw, limit, zlib.MAX_WBITS)
    except zlib.error:
        return _zlib(raw, limit, -zlib.MAX_WBITS)


def _brotli(raw: bytes, limit: int) -> bytes:
    decoder = brotli.Decompressor()
    content = bytearray(decoder.process(raw, output_buffer_limit=_STEP))
    while not decoder.is_finished() and len(content) <= limit:
        # the decoder holds output back without saying so: it is at its end when nothing comes
        step = decoder.process(b"", output_buffer_limit=_STEP)
        if not step and not decoder.is_finished():
            raise BodyError("the content is cut off")
        content += step
    return bytes(content)


def _zstd(raw: bytes, limit: int) -> bytes:
    content = bytearray()
    frame = _zstd_frame()
    # RLE blocks turn 4 bytes into 128 KiB: small steps bound what one call can yield
    for start in range(0, len(raw), 512):
        rest = raw[start : start + 512]
        while rest:
            if frame.eof:
                frame = _zstd_frame()
            content += frame.decompress(rest)
            rest = frame.unused_data if frame.eof else b""
        if len(content) > limit:
            return bytes(content)
    if not frame.eof:
        raise BodyError("the content is cut off")
    return bytes(content)


def _zstd_frame() -> zstandard.ZstdDecompressionObj:
    return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()


_DECODERS = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


class Decoder:
    """Undoes a Content-Encoding of a stream, piece by piece as the server flushed it."""

    def __init__(self, encoding: str) -> None:
        """Raises BodyError for an unknown or combined encoding."""
        name = encoding.strip().lower()
        if name not in _STREAM_DECODERS:
            raise BodyError(f"unknown content encoding {encoding[:40]!r}")
        self._decompress, self._is_whole = _STREAM_DECODERS[name]()
        self._name = name
        self._has_begun = False

    def feed(self, raw: bytes) -> bytes:
        """Return what can be told now; raises BodyError for corrupt data and for bombs."""
        self._has_begun = self._has_begun or bool(raw)
        try:
            content = self._decompress(raw)
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            raise BodyError(f"the {self._name} content encoding is corrupt") from error
        if len(content) > _MAX_PIECE:
            raise BodyError("a compressed piece is too large")
        return content

    def finish(self) -> None:
        """The stream has ended; raises BodyError where its content has not."""
        if self._has_begun and not self._is_whole():
            raise BodyError("the content is cut off")


_MAX_PIECE = 16 << 20

type _Undo = tuple[Callable[[bytes], bytes], Callable[[], bool]]
"""Decodes the next piece; tells whether the content is whole."""


def _stream_zlib(window: int) -> _Undo:
    decoder = zlib.decompressobj(window)

    def decompress(raw: bytes) -> bytes:
        content = decoder.decompress(raw, _MAX_PIECE + 1)
        _check_rest(decoder.unused_data)
        return content

    return decompress, lambda: decoder.eof


def _check_rest(rest: bytes) -> None:
    if rest:
        raise BodyError("there is data after the compressed content")


def _stream_gzip() -> _Undo:
    return _stream_zlib(16 + zlib.MAX_WBITS)


def _stream_deflate() -> _Undo:
    return _stream_zlib(zlib.MAX_WBITS)


def _stream_brotli() -> _Undo:
    decoder = brotli.Decompressor()

    def decompress(raw: bytes) -> bytes:
        content = bytearray(decoder.process(raw, output_buffer_limit=_STEP))
        while len(content) <= _MAX_PIECE and (
            step := decoder.process(b"", output_buffer_limit=_STEP)
        ):
            content += step
        return bytes(content)

    return decompress, decoder.is_finished


def _stream_zstd() -> _Undo:
    decoder = _zstd_frame()

    def decompress(raw: bytes) -> bytes:
        content = bytearray()
        for start in range(0, len(raw), 512):
            content += decoder.decompress(raw[start : start + 512])
            _check_rest(decoder.unused_data)
            if len(content) > _MAX_PIECE:
                break
        return bytes(content)

    return decompress, lambda: decoder.eof


def _stream_plain() -> _Undo:
    return bytes, lambda: True


_STREAM_DECODERS: Mapping[str, Callable[[], _Undo]] = {
    "": _stream_plain,
    "identity": _stream_plain,
    "gzip": _stream_gzip,
    "x-gzip": _stream_gzip,
    "deflate": _stream_deflate,
    "br": _stream_brotli,
    "zstd": _stream_zstd,
}
