"""What names a destination, in one spelling."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.canonical import Json
from callgate.detectors.identifiers import (
    MOST,
    covering,
    host_of,
    identifiers_in,
    mentions,
)


def found(value: Json) -> frozenset[str]:
    return identifiers_in(value).found


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("Mail Bob.Smith@Example.COM.", "mail:bob.smith@example.com"),
        ("<bob@example.com>", "mail:bob@example.com"),
        ("ｂｏｂ＠example.com", "mail:bob@example.com"),
        ("bob@exam\u200bple.com", "mail:bob@example.com"),
        ("see https://Example.com:8443/a/B/?q=1#x.", "url:example.com/a/b"),
        ("see https://example.com/a.", "site:example.com"),
        ("see https://user:pw@example.com", "host:example.com"),
        ("see http://www.example.com?x=1", "host:example.com"),
        ("http:\\\\example.com\\a", "host:example.com"),
        ("https://[2001:db8::1]/in", "site:[2001:db8::1]"),
        ("(www.secure-systems-252.rocks)", "host:secure-systems-252.rocks"),
        ("look at example.com/page, please", "url:example.com/page"),
        ("pay DE89370400440532013000 now", "account:de89370400440532013000"),
        ("pay GB29 NWBK 6016 1331 9268 19 NOW", "account:gb29nwbk60161331926819"),
        ("wallet 0x52908400098527886E0F7030069857D2", "account:0x52908400098527886e0f7030069857d2"),
        ("card 4111-1111-1111-1111", "number:4111111111111111"),
        ("call +1 (555) 123-4567", "number:15551234567"),
        ("call +1 (555) 123-4567", "number:5551234567"),
        ("1234567 7654321", "number:7654321"),
        ("/etc/passwd", "path:/etc/passwd"),
        ('"~/.ssh/id_rsa"', "path:~/.ssh/id_rsa"),
        (r"C:\Users\Kim\a.txt", "path:c:/users/kim/a.txt"),
        ("open ./src/main.py", "path:src/main.py"),
        ("in report.PDF", "path:report.pdf"),
        ("ask @alice_b.", "handle:alice_b"),
        ("in #general, please", "handle:general"),
    ],
)
def test_identifier_is_found_in_one_spelling(text: str, identifier: str) -> None:
    assert identifier in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing to see here, and/or nothing to do.",
        "on 2024-05-15 or 20240515",
        "about 123456 of them",
        "version 1.2.3",
        "e.g. this",
        "internationalisation",
    ],
)
def test_ordinary_words_and_dates_are_none(text: str) -> None:
    assert found(text) == frozenset()


def test_json_inside_of_strings_is_read_as_it_is_meant() -> None:
    inner = '{"text": "reply to\\nbob@example.com", "link": "\\/etc\\/a"}'
    outer: Json = {"result": json.dumps([inner]), "bob@other.example": [12345678, True, None, 1.5]}

    assert {"mail:bob@example.com", "path:/etc/a"} <= found(outer)
    assert {"mail:bob@other.example", "number:12345678"} <= found(outer)
    assert "mail:nbob@example.com" not in found(outer)


def test_escapes_in_what_is_no_json_are_undone_too() -> None:
    text = '{"cut off: \\nbob\\u0040example.com https:\\/\\/example.com\\/a'

    assert {"mail:bob@example.com", "url:example.com/a"} <= found(text)


def test_number_that_no_text_holds_is_passed_over() -> None:
    assert found([10**50]) == frozenset()


def test_text_with_too_many_is_cut_and_says_so() -> None:
    many = identifiers_in(" ".join(f"u{n}@example.com" for n in range(MOST + 10)))

    assert many.is_cut
    assert len(many.found) == MOST + 1
    assert not identifiers_in("u1@example.com").is_cut


def test_lone_surrogates_hide_nothing() -> None:
    assert found("\ud800 bob@example.com \udfff") == {"mail:bob@example.com"}


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner, max_size=3)))
def test_any_value_is_read_without_an_error(value: Json) -> None:
    identifiers_in(value)
    identifiers_in(json.dumps(value))


def test_link_covers_what_lies_below_it_and_not_its_host() -> None:
    assert list(covering("url:a.com/x/y")) == ["url:a.com/x/y", "url:a.com/x", "host:a.com"]
    assert "site:a.com" not in list(covering("url:a.com/x"))
    assert list(covering("site:a.com")) == ["host:a.com"]
    assert list(covering("mail:b@a.com")) == ["mail:b@a.com"]


def test_folder_covers_its_files_and_a_name_any_place() -> None:
    covered = list(covering("path:/repo/src/main.py"))

    assert covered == ["path:/repo/src/main.py", "path:main.py", "path:/repo/src", "path:/repo"]
    assert list(covering("path:/etc")) == ["path:/etc"]
    assert list(covering("path:~/x")) == ["path:~/x"]


def test_result_that_names_a_host_names_all_links_to_it() -> None:
    assert list(mentions("url:a.com/x")) == ["url:a.com/x", "site:a.com", "host:a.com"]
    assert list(mentions("mail:b@a.com")) == ["mail:b@a.com"]
    assert list(mentions("number:1234567")) == ["number:1234567"]


@pytest.mark.parametrize(
    ("identifier", "host"),
    [
        ("mail:b@a.com", "a.com"),
        ("url:a.com/x/y", "a.com"),
        ("site:a.com", "a.com"),
        ("host:a.com", "a.com"),
        ("path:/a.com/x", ""),
    ],
)
def test_host_of_an_identifier(identifier: str, host: str) -> None:
    assert host_of(identifier) == host
