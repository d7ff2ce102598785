"""Cases as files."""

from __future__ import annotations

import gzip

import pytest

from tests.fuzz.case import Case

RAW = b"POST /v1/responses\ncontent-type: text/plain\n:status: 205\n:cuts: 2 3 900\n\nabcdef\n\n"


def test_case_that_was_written_is_read_alike() -> None:
    case = Case.read(RAW)
    assert case is not None
    assert case.written() == RAW
    assert (case.method, case.target, case.status) == ("POST", "/v1/responses", 205)
    assert case.sent_headers == {"content-type": "text/plain"}
    assert case.chunks == [b"ab", b"c", b"def\n\n"]


@pytest.mark.parametrize(
    "raw", [b"", b"POST /v1/x", b"POST /x\n\n", b"\xff /v1/x\n\n", b"A b c\n\n"]
)
def test_bytes_that_tell_no_request_line_are_no_case(raw: bytes) -> None:
    assert Case.read(raw) is None


def test_body_is_packed_as_told() -> None:
    case = Case("GET", "/v1/x", ((":encoded", "gzip"),), b"hello")
    assert gzip.decompress(case.sent_body) == b"hello"


def test_messages_are_lines_of_either_side() -> None:
    case = Case("GET", "/v1/realtime?", (), b"< 1\nnoise\n>2\n")
    assert case.messages == [(True, b"1"), (False, b"2")]
