from __future__ import annotations

import base64
import gzip
import json
from urllib.parse import quote

import pytest

from callgate.detectors.decoding import (
    MAX_PIECES,
    decoded_whole,
    document,
    literals,
    pieces,
)

WORDS = base64.b64encode(b"sixteen letters and more").decode()


@pytest.mark.parametrize(
    "text", ["", "text", '{"a": 1', '"text"', '{"a": 1, "a": 2}', "[NaN]", "[" * 5000]
)
def test_what_is_no_unambiguous_object_or_array_is_no_document(text: str) -> None:
    assert document(text) is None


def test_literals_stand_in_the_order_of_the_text_with_their_spans() -> None:
    text = json.dumps({"k": ["a\nb", "ü"], "n": 1})
    assert [piece.text for piece in literals(text)] == ["k", "a\nb", "ü", "n"]
    assert text[literals(text)[0].start : literals(text)[0].end] == "k"


def test_base64_of_text_is_decoded_with_its_span() -> None:
    (piece,) = pieces(f"see {WORDS}.")
    assert (piece.text, piece.start) == ("sixteen letters and more", 4)


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(bytes(range(128, 160))).decode(),
        "lowercaselettersonlyhere",
        "short",
        "100% of 50% off",
    ],
)
def test_binary_data_and_plain_words_are_not_decoded(text: str) -> None:
    assert list(pieces(text)) == []


def test_percent_encoding_is_undone_piece_by_piece() -> None:
    assert [p.text for p in pieces("go a%20b and c%2Fd")] == ["a b", "c/d"]


def test_number_of_pieces_is_bounded() -> None:
    assert len(list(pieces(f"{WORDS} %41 " * 500))) == 2 * MAX_PIECES


PLAIN = "rm -rf /data/all"


@pytest.mark.parametrize(
    "encoded",
    [
        base64.b64encode(PLAIN.encode()).decode(),
        base64.urlsafe_b64encode(b"rm -rf /data/all >>>???").decode().rstrip("="),
        base64.b64encode(PLAIN.encode("utf-16-le")).decode(),
        base64.b64encode(gzip.compress(PLAIN.encode(), mtime=0)).decode(),
        PLAIN.encode().hex(),
        "0x" + PLAIN.encode().hex(),
        PLAIN.encode().hex(":"),
        quote(PLAIN, safe=""),
        "".join(f"&#{ord(c)};" for c in PLAIN),
        "".join(f"&#x{ord(c):x};" for c in PLAIN),
        "".join(f"\\u{ord(c):04x}" for c in PLAIN),
        "".join(f"\\u{{{ord(c):x}}}" for c in PLAIN),
        "".join(f"\\x{ord(c):02x}" for c in PLAIN),
        "".join(f"\\{ord(c):03o}" for c in PLAIN),
        "".join(f"={ord(c):02X}" for c in PLAIN),
    ],
)
def test_encoding_is_undone(encoded: str) -> None:
    assert any(piece.text.startswith(PLAIN) for piece in pieces(encoded))


def test_base64_over_several_lines_is_one_piece() -> None:
    packed = base64.encodebytes(PLAIN.encode() * 8).decode()
    assert PLAIN * 8 in {piece.text for piece in pieces(packed)}


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "550e8400-e29b-41d4-a716-446655440000",
        "d41d8cd98f00b204e9800998ecf8427e",
        "a & b; c",
        "\\a\\b\\c",
        "a=b=c=d",
        "=\xc3=\xc3=\xc3",
        base64.b64encode(b"\x1f\x8bnot compressed").decode(),
        "A" * 17,
        "gr\u00f6\u00dfe",
    ],
)
def test_ordinary_text_is_not_taken_for_encoded(text: str) -> None:
    assert list(pieces(text)) == []


def test_folded_text_keeps_its_spans() -> None:
    (piece,) = pieces("see \uff52\uff4d")
    assert piece.text == "see rm"
    assert piece.locate(4, 6) == (4, 6)


def test_json_encoded_twice_is_a_document() -> None:
    assert document(json.dumps(json.dumps({"a": 1}))) == '{"a": 1}'
    assert document('"plain"') is None
    assert document('"\\x"') is None


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("%72m -rf %2Fdata", "rm -rf /data"),
        ("&#114;m -rf &#47;", "rm -rf /"),
        ("\\u0072\\u006d -rf \\u002f", "rm -rf /"),
        ("cm0gLXJmIC8=", "rm -rf /"),
    ],
)
def test_command_is_decoded_as_a_whole(text: str, plain: str) -> None:
    assert [piece.text for piece in decoded_whole(text)] == [plain]


@pytest.mark.parametrize("text", ["", "rm -rf /", "100 % & more;", "abcdefghij", "a\\b\\c\\d"])
def test_command_that_is_not_encoded_is_left(text: str) -> None:
    assert list(decoded_whole(text)) == []
