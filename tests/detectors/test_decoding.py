from __future__ import annotations

import base64
import json

import pytest

from callgate.detectors.decoding import MAX_PIECES, document, literals, pieces

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
