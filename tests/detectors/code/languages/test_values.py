from __future__ import annotations

import ast
import base64
import zlib

import pytest

from callgate.detectors.code.languages.base import MAX_TEXT, UNKNOWN
from callgate.detectors.code.languages.values import (
    FUNCTIONS,
    METHODS,
    Value,
    arithmetic,
    joined,
    plain,
    tried,
)

TEXT = b"rm -rf /"


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("decode", [TEXT], "rm -rf /"),
        ("decode", ["726d", "hex"], b"rm"),
        ("decode", ["ez", "rot13"], "rm"),
        ("decode", [base64.b64encode(TEXT), "base64"], TEXT),
        ("encode", ["rm"], b"rm"),
        ("encode", [["x"]], b""),
        ("encode", [7], None),
        ("format", ["{} {1}", "rm", None], "rm " + UNKNOWN),
        ("hex", [b"r"], "72"),
        ("join", [" ", ["rm", "/"]], "rm /"),
        ("join", [" ", None], UNKNOWN),
        ("joinpath", ["/a", "b", None], "/a/b/" + UNKNOWN),
        ("lower", ["RM"], "rm"),
        ("lower", [None], None),
        ("replace", ["rXm", "X", ""], "rm"),
        ("replace", ["x" * 1000, "x", "y" * 5000], None),
        ("replace", ["x"], None),
        ("split", ["a b"], ["a", "b"]),
        ("split", ["a,b", ","], ["a", "b"]),
        ("strip", [" a "], "a"),
    ],
)
def test_method_gives_its_value(name: str, given: list[Value | None], value: Value | None) -> None:
    assert tried(METHODS[name], given) == value


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("Path", [], "."),
        ("Path", ["/a", "b"], "/a/b"),
        ("home", [], "~"),
        ("getenv", ["HOME"], "~"),
        ("environ.get", ["X"], None),
        ("str", [TEXT], "rm -rf /"),
        ("bytes", [[114, 109]], b"rm"),
        ("chr", [114], "r"),
        ("chr", ["x"], None),
        ("chr", [-1], None),
        ("ord", ["r"], 114),
        ("ord", [1], None),
        ("int", [1], 1),
        ("int", ["1"], None),
        ("reversed", ["mr"], "rm"),
        ("reversed", [1], None),
        ("shlex.split", ["a b"], ["a", "b"]),
        ("b64decode", [base64.urlsafe_b64encode(TEXT).rstrip(b"=")], TEXT),
        ("b32decode", [base64.b32encode(TEXT)], TEXT),
        ("b16decode", [base64.b16encode(TEXT)], TEXT),
        ("b85decode", [base64.b85encode(TEXT)], TEXT),
        ("unhexlify", [TEXT.hex()], TEXT),
        ("fromhex", [TEXT.hex()], TEXT),
        ("fromhex", ["no"], None),
        ("decompress", [zlib.compress(TEXT)], TEXT),
        ("decompress", [b"no"], None),
    ],
)
def test_function_gives_its_value(
    name: str, given: list[Value | None], value: Value | None
) -> None:
    assert tried(FUNCTIONS[name], given) == value


def test_function_without_arguments_has_no_value() -> None:
    assert [name for name, function in FUNCTIONS.items() if tried(function, []) is not None] == [
        "Path",
        "home",
    ]


@pytest.mark.parametrize(
    ("op", "value"), [(ast.Add(), 9), (ast.Sub(), 5), (ast.BitXor(), 5), (ast.Pow(), None)]
)
def test_characters_are_computed(op: ast.operator, value: int | None) -> None:
    assert arithmetic(7, op, 2) == value
    assert arithmetic(1 << 70, op, 2) is None


def test_value_is_written_as_text() -> None:
    assert plain(["a", b"\xff", 1, [2]]) == "a\ufffd12"
    assert plain(10**20) == UNKNOWN


def test_joined_text_is_bounded() -> None:
    assert joined(["a", "b"], ",") == "a,b"
    with pytest.raises(OverflowError):
        joined(["x" * MAX_TEXT, "x"])


def test_decompressed_text_is_bounded() -> None:
    value = tried(FUNCTIONS["decompress"], [zlib.compress(b"x" * 10_000_000)])
    assert isinstance(value, bytes)
    assert len(value) <= MAX_TEXT
