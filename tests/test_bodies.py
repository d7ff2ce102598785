"""Content-Encodings undone: one reading, bounded, nothing left over."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from callgate.bodies import Decoder, decode, refuse_charset
from callgate.errors import BodyError

MIB = 1 << 20
TEXT = b'{"id":"run_1","status":"requires_action"}' * 40


def raw_deflate(content: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(content) + encoder.flush()


def zstd_stream(content: bytes) -> bytes:
    """Without the content's size in the frame, as servers send it."""
    encoder = zstandard.ZstdCompressor().compressobj()
    return encoder.compress(content) + encoder.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "zstd stream": ("zstd", zstd_stream),
}
SKIPPABLE = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"

encoders = pytest.mark.parametrize(("name", "encode"), ENCODERS.values(), ids=ENCODERS.keys())


@encoders
@given(content=st.binary(max_size=5000))
def test_content_comes_back(name: str, encode: Callable[[bytes], bytes], content: bytes) -> None:
    assert decode(encode(content), name, MIB) == content


@encoders
def test_content_beyond_one_step_comes_back(name: str, encode: Callable[[bytes], bytes]) -> None:
    for content in (bytes(range(256)) * 10_000, random.Random(1).randbytes(2_500_000)):
        assert decode(encode(content), name, len(content)) == content


@pytest.mark.parametrize("name", ["", "identity", "Identity", " IDENTITY "])
def test_plain_content_stays_as_it_is(name: str) -> None:
    assert decode(TEXT, name, MIB) == TEXT


@pytest.mark.parametrize("name", ["GZIP", " gzip ", "\tGzip"])
def test_names_of_encodings_have_no_case_and_no_spaces_around(name: str) -> None:
    assert decode(gzip.compress(TEXT, mtime=0), name, MIB) == TEXT


@pytest.mark.parametrize(
    "name",
    [
        "gzip, gzip",
        "gzip, br",
        "br,gzip",
        "gzip,",
        "utf-8",
        "none",
        "gzip;q=1",
        "compress",
        "\udcff",
    ],
)
def test_unknown_and_combined_encodings_are_refused(name: str) -> None:
    with pytest.raises(BodyError, match="unknown content encoding"):
        decode(gzip.compress(TEXT, mtime=0), name, MIB)


@encoders
def test_an_empty_body_is_empty_in_every_encoding(
    name: str, encode: Callable[[bytes], bytes]
) -> None:
    assert decode(b"", name, MIB) == b""
    assert decode(encode(b""), name, MIB) == b""


@encoders
def test_a_body_cut_anywhere_is_refused(name: str, encode: Callable[[bytes], bytes]) -> None:
    whole = encode(TEXT)

    for end in range(1, len(whole)):
        with pytest.raises(BodyError, match=r"cut off|corrupt"):
            decode(whole[:end], name, MIB)


@encoders
@pytest.mark.parametrize("tail", [b"\0", b"\n", b"junk" * 200, TEXT], ids=repr)
def test_data_after_the_content_is_refused(
    name: str, encode: Callable[[bytes], bytes], tail: bytes
) -> None:
    with pytest.raises(BodyError):
        decode(encode(TEXT) + tail, name, MIB)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("raw", [TEXT, b"\0" * 50, b"\xff" * 50, b"{"], ids=repr)
def test_what_is_not_encoded_as_it_says_is_refused(name: str, raw: bytes) -> None:
    with pytest.raises(BodyError):
        decode(raw, name, MIB)


@encoders
def test_a_damaged_byte_is_noticed_or_harmless(name: str, encode: Callable[[bytes], bytes]) -> None:
    whole = encode(TEXT)

    for at in range(len(whole)):
        damaged = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        try:
            content = decode(damaged, name, MIB)
        except BodyError:
            continue
        client = httpx.Response(200, headers={"content-encoding": name}, content=damaged)
        assert name == "x-gzip" or client.content == content


def test_gzip_members_after_the_first_are_refused_as_clients_differ_on_them() -> None:
    two = gzip.compress(b"1", mtime=0) + gzip.compress(b"2", mtime=0)
    client = httpx.Response(200, headers={"content-encoding": "gzip"}, content=two)

    assert (gzip.decompress(two), client.content) == (b"12", b"1")
    with pytest.raises(BodyError, match="after the compressed content"):
        decode(two, "gzip", MIB)


@pytest.mark.parametrize(
    "raw",
    [
        zstandard.compress(TEXT[:100]) + zstandard.compress(TEXT[100:]),
        SKIPPABLE + zstandard.compress(TEXT),
        zstandard.compress(TEXT) + SKIPPABLE,
    ],
    ids=["two frames", "skippable first", "skippable last"],
)
def test_zstd_frames_are_read_as_clients_read_them(raw: bytes) -> None:
    client = httpx.Response(200, headers={"content-encoding": "zstd"}, content=raw)

    assert decode(raw, "zstd", MIB) == client.content == TEXT


# -- size -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "gzip", "deflate", "br", "zstd"])
def test_the_limit_itself_is_allowed_and_one_byte_more_is_not(name: str) -> None:
    encode = ENCODERS[name][1] if name else bytes
    content = b"x" * (2 * MIB)

    assert decode(encode(content), name, 2 * MIB) == content
    with pytest.raises(BodyError, match="larger than 2 MiB"):
        decode(encode(content + b"x"), name, 2 * MIB)


@encoders
def test_a_bomb_is_refused_without_being_unpacked(
    name: str, encode: Callable[[bytes], bytes]
) -> None:
    packed = encode(b"\0" * (64 * MIB))
    assert len(packed) < MIB
    tracemalloc.start()
    try:
        with pytest.raises(BodyError, match="larger than 4 MiB"):
            decode(packed, name, 4 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 40 * MIB


def test_many_small_zstd_frames_are_bounded_too() -> None:
    frame = zstandard.compress(b"\0" * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(BodyError, match="larger than 4 MiB"):
            decode(frame * 2000, "zstd", 4 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 60 * MIB


def test_a_zstd_window_beyond_what_clients_allow_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, compression_level=1)
    encoder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    with pytest.raises(BodyError, match="corrupt"):
        decode(encoder.compress(TEXT) + encoder.flush(), "zstd", MIB)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd"]))
def test_any_bytes_give_content_or_a_body_error(raw: bytes, name: str) -> None:
    try:
        content = decode(raw, name, 1000)
    except BodyError:
        return
    assert len(content) <= 1000


# -- streams ------------------------------------------------------------------------------

STREAM_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "X-GZIP": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd_stream,
}


@pytest.mark.parametrize("encoding", STREAM_ENCODERS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_stream_is_told_piece_by_piece(encoding: str, size: int) -> None:
    packed = STREAM_ENCODERS[encoding](TEXT)
    decoder = Decoder(encoding)
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert b"".join(map(decoder.feed, pieces)) == TEXT
    decoder.finish()


ENCODED = pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])


@ENCODED
def test_stream_that_is_cut_off_is_noticed_at_its_end(encoding: str) -> None:
    packed = STREAM_ENCODERS[encoding](TEXT)
    for size in range(1, len(packed)):
        decoder = Decoder(encoding)
        decoder.feed(packed[:size])
        with pytest.raises(BodyError, match="cut off"):
            decoder.finish()


@ENCODED
@pytest.mark.parametrize("is_one_piece", [True, False])
def test_data_behind_an_encoded_stream_is_refused(encoding: str, is_one_piece: bool) -> None:
    packed = STREAM_ENCODERS[encoding](TEXT)
    decoder = Decoder(encoding)
    if not is_one_piece:
        decoder.feed(packed)
    with pytest.raises(BodyError):
        decoder.feed(packed + b"data" if is_one_piece else b"data")


@pytest.mark.parametrize("encoding", STREAM_ENCODERS)
def test_stream_without_a_byte_is_empty_in_every_encoding(encoding: str) -> None:
    decoder = Decoder(encoding)
    assert decoder.feed(b"") == b""
    decoder.finish()


@pytest.mark.parametrize("encoding", ["gzip, gzip", "snappy", "gzip,"])
def test_stream_of_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(BodyError, match="unknown content encoding"):
        Decoder(encoding)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_corrupt_stream_is_refused(encoding: str) -> None:
    with pytest.raises(BodyError, match="corrupt"):
        Decoder(encoding).feed(b"\x01\x02\x03 no such data" * 20)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_piece_of_a_stream_that_becomes_huge_is_refused(encoding: str) -> None:
    bomb = STREAM_ENCODERS[encoding](bytes(64 * MIB))
    tracemalloc.start()
    with pytest.raises(BodyError, match="too large"):
        Decoder(encoding).feed(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * MIB


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/json; charset=utf-8",
        'a/b;CHARSET="UTF8"',
        "a/b; charset=",
        "text/html; charset=iso-8859-1",
    ],
)
def test_charset_that_keeps_ascii_is_read(content_type: str) -> None:
    refuse_charset(content_type)


@pytest.mark.parametrize("name", ["utf-7", "UTF-16", "unicode_escape", "cp037", "hz", "shift_jis"])
def test_charset_in_which_the_same_bytes_are_other_json_is_refused(name: str) -> None:
    with pytest.raises(BodyError, match="charset"):
        refuse_charset(f"application/json ; charset = {name}; x=y")
