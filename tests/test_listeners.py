"""Reverse listeners, and the proxy behind this one, as they are written in settings."""

from __future__ import annotations

import socket

import pytest

from callgate.listeners import Reverse, UpstreamProxy, why_not


@pytest.mark.parametrize(
    ("text", "upstream", "host"),
    [
        (
            "127.0.0.1:9000=https://api.openai.com",
            "https://api.openai.com:443",
            "api.openai.com:443",
        ),
        ("[::1]:0=https://Api.OpenAI.com/", "https://api.openai.com:443", "api.openai.com:443"),
        ("localhost:1=http://10.0.0.1:8000", "http://10.0.0.1:8000", "10.0.0.1:8000"),
        ("localhost:1=http://[2001:db8::1]", "http://[2001:db8::1]:80", "[2001:db8::1]:80"),
    ],
)
def test_reverse_listener_names_its_api(text: str, upstream: str, host: str) -> None:
    found = Reverse.parse(text)

    assert found.listen == text.partition("=")[0]
    assert found.upstream == upstream
    assert found.host == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:9000",
        "127.0.0.1:9000=",
        "127.0.0.1:9000=api.openai.com",
        "127.0.0.1:9000=ftp://api.openai.com",
        "127.0.0.1:9000=https://",
        "127.0.0.1:9000=https://api.openai.com/v1",
        "127.0.0.1:9000=https://api.openai.com?x=1",
        "127.0.0.1:9000=https://user:word@api.openai.com",
        "127.0.0.1:9000=https://api.openai.com:0",
        "127.0.0.1:9000=https://api.openai.com:70000",
        "127.0.0.1:9000=https://bad host",
        "127.0.0.1:9000=https://a@b@c",
    ],
)
def test_what_is_no_reverse_listener_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Reverse.parse(text)


@pytest.mark.parametrize(
    ("text", "url", "credentials"),
    [
        ("http://proxy", "http://proxy:80", ""),
        ("https://proxy.example:3128/", "https://proxy.example:3128", ""),
        ("http://ann:pa:ss@proxy:3128", "http://proxy:3128", "ann:pa:ss"),
        ("http://ann:p@ss@[::1]:3128", "http://[::1]:3128", "ann:p@ss"),
        ("http://a%40b:p%2F@proxy", "http://proxy:80", "a@b:p/"),
    ],
)
def test_proxy_behind_is_told_from_its_credentials(text: str, url: str, credentials: str) -> None:
    assert UpstreamProxy.parse(text) == UpstreamProxy(url, credentials)


@pytest.mark.parametrize(
    "text", ["proxy:3128", "socks5://proxy", "http://", "http://ann@proxy", "http://proxy/path"]
)
def test_what_is_no_proxy_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        UpstreamProxy.parse(text)


def test_reason_of_a_port_that_can_not_be_had_is_the_systems_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="in use") as used:
            socket.create_server(taken.getsockname())
        assert why_not(used.value) == "Address already in use"
    with pytest.raises(socket.gaierror) as unknown:
        socket.getaddrinfo("no-such-host.invalid", 1)
    assert why_not(unknown.value) == unknown.value.strerror
    assert why_not(OSError("odd")) == "odd"
