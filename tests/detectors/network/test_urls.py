from __future__ import annotations

import pytest

from callgate.detectors.network.urls import MAX_WHOLE, decoded, inner, parameters, whole, within


@pytest.mark.parametrize(
    ("text", "scheme", "hosts", "port"),
    [
        ("http://a.example/x", "http", ("a.example",), None),
        ("HTTPS://a.example:8443", "https", ("a.example",), 8443),
        ("http://user:pw@a.example:80/x", "http", ("a.example",), 80),
        ("http://u:p@ss@a.example/", "http", ("ss", "a.example"), None),
        ("http://a.example\\@b.example/", "http", ("a.example", "b.example"), None),
        ("http://a.example#@b.example/", "http", ("a.example", "b.example"), None),
        ("http://a.example?@b.example/", "http", ("a.example", "b.example"), None),
        ("http://a.example?u=x@b.example", "http", ("a.example",), None),
        ("http://10.0.0.1@b.example/", "http", ("10.0.0.1", "b.example"), None),
        ("http://127.1.1.1:80:\\@@127.2.2.2:80/", "http", ("127.1.1.1", "127.2.2.2"), 80),
        ("http://a.example!/", "http", ("a.example",), None),
        ("http:a.example", "http", ("a.example",), None),
        ("http:///a.example/x", "http", ("a.example",), None),
        ("http:\\\\a.example\\x", "http", ("a.example",), None),
        ("jar:http://a.example!/x", "http", ("a.example",), None),
        ("//a.example/x", "", ("a.example",), None),
        ("\\\\a.example\\x", "", ("a.example",), None),
        ("a.example", "", ("a.example",), None),
        ("a.example:80/x", "", ("a.example",), 80),
        ("grafana:3000", "", ("grafana",), 3000),
        ("localhost", "", ("localhost",), None),
        ("u@10.0.0.1", "", ("10.0.0.1",), None),
        ("2130706433", "", ("2130706433",), None),
        ("127.1", "", ("127.1",), None),
        ("[::1]", "", ("[::1]",), None),
        ("[::1]:80", "", ("[::1]",), 80),
        ("http://::1/", "http", ("::1",), None),
        ("http://[::1/", "http", (), None),
        ("http://[::1]:80/", "http", ("[::1]",), 80),
        ("http://%61.example/", "http", ("a.example",), None),
        ("http://ａ。example/", "http", ("a.example",), None),
        (" \tht\ntp://a.exa\rmple ", "http", ("a.example",), None),
        ("file:///etc/passwd", "file", (), None),
    ],
)
def test_whole_text_is_read_as_clients_read_it(
    text: str, scheme: str, hosts: tuple[str, ...], port: int | None
) -> None:
    url = whole(text)

    assert url is not None
    assert (url.scheme, url.hosts, url.port) == (scheme, hosts, port)
    assert (url.start, url.end) == (0, len(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "word",
        "two words",
        "12",
        "1.",
        "mailto:bob@localhost",
        "bob@localhost",
        "tel:12345678",
        "http://a.example/" + "x" * MAX_WHOLE,
    ],
)
def test_other_text_is_no_url(text: str) -> None:
    assert whole(text) is None


@pytest.mark.parametrize(
    ("text", "is_disguised"),
    [
        ("http://a.example/", False),
        ("http://u:p@A.Example/%61", False),
        (" http://a.example ", False),
        ("http://%61.example/", True),
        ("http://a.ex\nample/", True),
        ("http://ａ.example/", True),
        ("http://a.example\\@b.example", True),
    ],
)
def test_spelling_that_hides_the_host_is_told(text: str, is_disguised: bool) -> None:
    url = whole(text)

    assert url is not None
    assert url.is_disguised is is_disguised


def test_file_schemes_are_told() -> None:
    read = whole("file:///etc/passwd")
    other = whole("http://a.example")

    assert read is not None
    assert other is not None
    assert (read.is_local_file, read.rest) == (True, "/etc/passwd")
    assert not other.is_local_file


def test_urls_in_a_text_are_found_with_their_spans() -> None:
    text = "see http://a.example/x, or <https:\\/\\/b.example> and c.example"

    found = list(within(text))

    assert [url.hosts for url in found] == [("a.example",), ("b.example",)]
    assert text[found[0].start : found[0].end] == "http://a.example/x,"
    assert list(within("no url")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a.example/?url=http://b.example/x", [("url", ("b.example",))]),
        ("http://a.example?next=http%253A%252F%252Fb.example", [("next", ("b.example",))]),
        ("http://a.example/http://b.example/", [("", ("b.example",))]),
        ("http://a.example/?to=10.0.0.1/x&q=10.0.0.1", [("to", ("10.0.0.1",))]),
        ("http://a.example/?to=//b.example", []),
        ("http://a.example/?host=b.example:80&id=1", [("host", ("b.example",))]),
        ("http://a.example/?to=home", []),
        ("http://a.example/x", []),
    ],
)
def test_urls_within_urls_are_found(text: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    url = whole(text)

    assert url is not None
    assert [(name, found.hosts) for name, found in inner(url)] == expected


def test_parameters_and_escapes_are_read() -> None:
    assert list(parameters("/x?A=1&b=2;c=&d")) == [("a", "1"), ("b", "2"), ("c", "")]
    assert decoded("%25252e%20") == ". "
