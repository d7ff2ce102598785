"""One reading of every text, one digest of every call."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from callgate.canonical import Json, call_digest, canonical, dump, parse
from callgate.errors import JsonError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


# -- parse ----------------------------------------------------------------------------------


@given(VALUES)
def test_what_json_writes_is_read_as_it_was(value: Json) -> None:
    assert parse(json.dumps(value)) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"   ", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a":1} x', "not JSON"),
        (b'{"a":1}{"a":1}', "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1 /* no */}', "not JSON"),
        (b'{"a":"line\nbreak"}', "not JSON"),
        (b'{"a":"\x00"}', "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":+1}', "not JSON"),
        (b'{"a":.5}', "not JSON"),
        (b'{"a":0x1}', "not JSON"),
        (b'{"a":"\\x41"}', "not JSON"),
        (b'{"a":"\\u00zz"}', "not JSON"),
        (b"\xa0{}", "not UTF-8"),
        ("\xa0{}", "not JSON"),
        (b"NaN", "NaN"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1e400}', "beyond a double"),
        (b'{"a":-1e999999999}', "beyond a double"),
        (b'{"a":' + b"9" * 310 + b"}", "beyond a double"),
        (b'{"a":-' + b"9" * 310 + b"}", "beyond a double"),
        (b'{"a":' + b"9" * 100_000 + b"}", "beyond a double"),
        (b'{"a":1,"a":1}', "duplicate key 'a'"),
        (b'{"a":1,"\\u0061":2}', "duplicate key 'a'"),
        (b'[{"b":{"a":1,"c":2,"a":3}}]', "duplicate key 'a'"),
        (b'\xef\xbb\xbf{"a":1}', "not JSON"),
        ('\ufeff{"a":1}', "not JSON"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        ('{"a":1}'.encode("utf-16-le"), "not JSON"),
        ('{"a":1}'.encode("utf-32-be"), "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":"\xc0\xaf"}', "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a":"caf\xe9"}', "not UTF-8"),
        (b"[" * 201 + b"]" * 201, "nested deeper than 200"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "nested deeper than 200"),
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper than 200"),
        (b"[" * 100_000, "nested deeper than 200"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_text_with_more_than_one_reading_is_refused(raw: bytes | str, why: str) -> None:
    with pytest.raises(JsonError, match=why):
        parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 200 + b"]" * 200,
        b"[" * 200 + b"1" + b"]" * 200,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        json.dumps("[" * 1000).encode(),
        json.dumps(["[{" * 1000]).encode(),
        b"[" + b"[]," * 1000 + b"[]]",
    ],
    ids=["empty", "filled", "objects", "brackets in a string", "and in a list", "side by side"],
)
def test_depth_counts_containers_and_not_brackets(raw: bytes) -> None:
    assert parse(raw) == json.loads(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b" \t\r\n{}\n", {}),
        (b"null", None),
        (b'"text"', "text"),
        (b"-0", 0),
        (b"1e-400", 0.0),
        (b"1" + b"0" * 308, 10**308),
        (b"9007199254740993", 9007199254740993),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\u0000"', "\x00"),
        (b'{"":{"":1}}', {"": {"": 1}}),
        (b'{"a":1,"A":2}', {"a": 1, "A": 2}),
        ('{"\u00e9":1,"e\u0301":2}'.encode(), {"\u00e9": 1, "e\u0301": 2}),
        (b'"\\ud800"', "\ud800"),
    ],
    ids=repr,
)
def test_odd_but_unambiguous_text_is_read(raw: bytes, value: Json) -> None:
    assert parse(raw) == value


def test_a_duplicate_key_that_may_be_a_secret_is_not_said() -> None:
    secret = "AKIA" + "Z" * 12 + "1234"

    with pytest.raises(JsonError) as caught:
        parse(json.dumps({secret: 1})[:-1] + "," + json.dumps({secret: 2})[1:])

    assert secret not in str(caught.value)


def test_many_keys_with_one_duplicate_are_refused_without_delay() -> None:
    keys = ",".join(f'"k{number}":0' for number in range(200_000))
    started = time.process_time()

    with pytest.raises(JsonError, match="duplicate key"):
        parse(f'{{{keys},"k199999":1}}')

    assert time.process_time() - started < 20


# -- dump -----------------------------------------------------------------------------------


@given(VALUES)
def test_what_is_dumped_reads_the_same(value: Json) -> None:
    assert parse(dump(value)) == value


def test_dump_keeps_the_order_of_keys_and_is_compact_utf8() -> None:
    assert dump({"b": [1, 2.0], "a": "é"}) == '{"b":[1,2.0],"a":"é"}'.encode()


def test_dump_escapes_lone_surrogates() -> None:
    assert dump({"a": "é\ud800"}) == b'{"a":"\\u00e9\\ud800"}'


# -- canonical and digest -------------------------------------------------------------------


@given(VALUES)
def test_canonical_form_reads_back_as_the_value(value: Json) -> None:
    # numbers are doubles there: 4e16 is written without exponent
    assert json.loads(canonical(value), parse_int=float) == value


@given(VALUES | st.floats(allow_nan=False, allow_infinity=False) | st.floats(1e-7, 1e-3))
@example([0.0, -0.0, 1.0, 1e16, 1e-4, 9.9e-5, 0.1, 1e21, 123.456, -5e-324])
@example([2**53 - 1, -(2**53) + 1])
@example({"\uffff": 1, "\U00010000": 2, "é": '\x7f\u2028"\\\x00\x1f\b\f', "e": "é\U0001f600"})
def test_canonical_form_is_that_of_the_reference(value: Json) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [{1}, [b"x"], {"a": ...}, {1: 2}], ids=repr)
def test_canonical_refuses_what_is_no_json(value: Any) -> None:
    with pytest.raises(JsonError, match="no canonical form"):
        canonical(value)


@pytest.mark.parametrize("value", [2**53 + 1, [-(2**60)], {"a": "\ud800"}, {"\udfff": 1}], ids=repr)
def test_canonical_refuses_what_rfc_8785_has_no_form_for(value: Json) -> None:
    with pytest.raises(JsonError, match="no canonical form"):
        canonical(value)


SAME = [
    ['{"a":1,"b":[2,"x"]}', ' {"b" : [2, "\\u0078"],\n"a":1} '],
    ['{"n":1}', '{"n":1.0}', '{"n":1e0}', '{"n":10E-1}', '{"n":100e-2}'],
    ['{"n":0}', '{"n":-0}', '{"n":-0.0}', '{"n":0e9}'],
    ['{"n":0.1}', '{"n":1e-1}', '{"n":0.10000000000000000555}'],
    ['"\U0001f600"', '"\\ud83d\\ude00"', '"\\uD83D\\uDE00"'],
    ['"/"', '"\\/"'],
    ["{}", "", " \n", "{ }"],
    ['{"a":9007199254740993,"b":[1]}', '{ "b": [1],\n"a": 9007199254740993}'],
    ['{"\\ud800":1,"b":2}', '{"b": 2, "\\uD800":1}'],
]
DIFFERENT = [
    "{}",
    "[]",
    "null",
    '""',
    '"1"',
    "1",
    "true",
    '"true"',
    '"null"',
    '{"a":1}',
    '{"a":"1"}',
    '{"a":1.5}',
    '{"A":1}',
    '{"a":1,"b":null}',
    '{"a":[1,2]}',
    '{"a":[2,1]}',
    '{"a":1,"a":1}',
    '{"a":1, "a":1}',
    '{"a":NaN}',
    '{"a":9007199254740992}',
    '{"a":9007199254740993}',
    '{"a":9007199254740994}',
    '{"a":1e400}',
    '"\u00e9"',
    '"e\u0301"',
    '"\\ud800"',
    '"\\udfff"',
    "not JSON",
    "not JSON ",
    "{",
]


@pytest.mark.parametrize("spellings", SAME, ids=lambda spellings: spellings[0])
def test_spelling_does_not_change_the_digest(spellings: list[str]) -> None:
    # RFC 8785 makes 1, 1.0 and 1e0 one number, as readers with doubles do: whoever judged the
    # one has judged the other
    assert len({call_digest("function", "f", text) for text in spellings}) == 1


def test_different_arguments_have_different_digests() -> None:
    assert len({call_digest("function", "f", text) for text in DIFFERENT}) == len(DIFFERENT)


@given(VALUES, VALUES)
def test_digests_are_equal_only_for_equal_values(one: Json, other: Json) -> None:
    same = call_digest("function", "f", json.dumps(one)) == call_digest(
        "function", "f", json.dumps(other)
    )
    assert same == (canonical(one) == canonical(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("function", "f", "{}"), ("function", "g", "{}")),
        (("function", "f", "{}"), ("custom", "f", "{}")),
        (("function", 'f","x', "{}"), ("function", "f", "{}")),
        (("a", "b\nc", "{}"), ("a\nb", "c", "{}")),
        (("function", "F", "{}"), ("function", "f", "{}")),
        (("function", "f", '{"a":NaN}'), ("function", "f", 'json:{"a":NaN}')),
    ],
)
def test_kind_name_and_arguments_do_not_run_into_each_other(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert call_digest(*one) != call_digest(*other)


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_every_text_has_a_digest(text: str) -> None:
    assert len(call_digest("function", text, text)) == 64
