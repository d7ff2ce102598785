from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from callgate.audit.bundle import end_line, last_line, statement, write
from callgate.chain import Head, is_signed
from tests.audit.bundles import FIRST
from tests.fakes import FakeClock

END = end_line({"b": Head(2, "d2", "k"), "a": Head(1, "d1", "k")}, 5, FIRST, FakeClock()())


def test_end_says_where_each_chain_stands() -> None:
    end = json.loads(END)["end"]

    assert [(c["instance"], c["number"], c["digest"]) for c in end["chains"]] == [
        ("a", 1, "d1"),
        ("b", 2, "d2"),
    ]
    assert (end["lines"], end["at"], end["key"]) == (5, "2030-01-01T12:00:00+00:00", FIRST.name)
    assert is_signed(END.encode(), FIRST.private.public_key())


def test_statement_is_read_where_it_is_one() -> None:
    found = statement(END.encode(), "end")

    assert found
    assert (found.text("key"), found.number("lines")) == (FIRST.name, 5)
    assert (found.text("lines"), found.text("none")) == ("", "")
    assert (found.number("key"), found.number("none")) == (-1, -1)
    assert statement(END.encode(), "anchor") is None


@pytest.mark.parametrize(
    "line", [b"", b'{"end":{', b'{"end":{},"end":{}}', b'{"end":{}} x', b'{"end":[]}']
)
def test_line_that_is_no_statement_is_none(line: bytes) -> None:
    assert statement(line, "end") is None


def test_lines_are_written_one_by_one() -> None:
    file = io.BytesIO()

    assert write(file, ["a", "é"]) == 2
    assert file.getvalue() == "a\né\n".encode()


@pytest.mark.parametrize(
    ("content", "last"),
    [(b"a\nb\n", b"b"), (b"a\nb", b"b"), (b"a", b"a"), (b"", b""), (b"a\n" * 2_000_000, b"a")],
)
def test_last_line_of_a_file(tmp_path: Path, content: bytes, last: bytes) -> None:
    (tmp_path / "file").write_bytes(content)

    assert last_line(tmp_path / "file") == last
