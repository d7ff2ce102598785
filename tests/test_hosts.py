"""Which connections are gated, and which NO_PROXY entries lead around the gate."""

from __future__ import annotations

import re

import pytest

from callgate.hosts import Hosts, Pattern
from callgate.settings import Settings

DEFAULT = Hosts(Settings().gated_hosts)


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "API.OpenAI.COM",
        "api.openai.com.",
        "eu.api.openai.com",
        "us.api.openai.com",
        "a.b.api.openai.com",
        "my-resource.openai.azure.com",
        "My-Resource.OpenAI.Azure.com.",
        "my-foundry.services.ai.azure.com",
        "my.cognitiveservices.azure.com",
    ],
)
@pytest.mark.parametrize("port", [443, 8443])
def test_hosts_of_the_api_are_gated_at_every_port(host: str, port: int) -> None:
    assert DEFAULT.match(host, port)
    assert any(re.search(e, f"{host}:{port}", re.IGNORECASE) for e in DEFAULT.expressions)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "openai.com",
        "platform.openai.com",
        "notapi.openai.com",
        "evil-api.openai.com.attacker.net",
        "api.openai.com.attacker.net",
        "api.openai.com:443.attacker.net",
        "api-openai.com",
        "apiXopenai.com",
        "openai.azure.com",
        ".openai.azure.com",
        "openai.azure.com.evil.net",
        "xopenai.azure.com",
        "attacker.net/api.openai.com",
        "api.openai.com\n",
        "127.0.0.1",
    ],
)
def test_other_hosts_are_not_gated(host: str | None) -> None:
    assert not DEFAULT.match(host, 443)


@pytest.mark.parametrize(
    ("pattern", "host", "port", "is_gated"),
    [
        ("gw.example", "gw.example", 443, True),
        ("gw.example.", "gw.example", 443, True),
        ("GW.Example:9443", "gw.example", 9443, True),
        ("gw.example:9443", "gw.example", 443, False),
        ("gw.example:443", "gw.example", 4430, False),
        ("gw.example:443", "gw.example", 1443, False),
        ("*.gw.example", "a.gw.example", 1, True),
        ("*.gw.example", "gw.example", 1, False),
        ("*.gw.example:80", "a.b.gw.example", 80, True),
        ("localhost:8000", "localhost", 8000, True),
        ("my_host", "my_host", 80, True),
        ("127.0.0.1:9443", "127.0.0.1", 9443, True),
        ("127.0.0.1", "127.0.0.10", 80, False),
        ("127.0.0.1", "127x0x0x1", 80, False),
        ("::1", "::1", 443, True),
        ("[::1]", "::1", 443, True),
        ("[::1]:443", "[::1]", 443, True),
        ("[::1]:443", "::1", 444, False),
        ("[2001:DB8::1]:443", "2001:db8::1", 443, True),
        ("2001:db8::1", "2001:db8::1:443", 443, False),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", 443, True),
    ],
)
def test_further_hosts_are_gated_as_given(
    pattern: str, host: str, port: int, is_gated: bool
) -> None:
    assert Hosts([pattern]).match(host, port) is is_gated


@pytest.mark.parametrize("url", ["https://a.example", "http://a.example:8000/v1"])
def test_a_url_is_told_to_be_none(url: str) -> None:
    with pytest.raises(ValueError, match="is not HOST or HOST:PORT but a URL"):
        Pattern.parse(url)


def test_nothing_is_gated_without_patterns() -> None:
    assert not Hosts([]).match("api.openai.com", 443)
    assert not Hosts([]).covers("api.openai.com", 443)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        " ",
        "*",
        "*.",
        "**.a.example",
        "*a.example",
        "a.*.example",
        "*.*.example",
        "api.*",
        "a b.example",
        "a..example",
        ".a.example",
        "-a.example",
        "https://a.example",
        "a.example/v1",
        "user@a.example",
        "a.example:",
        "a.example:0",
        "a.example:http",
        "a.example:65536",
        "a.example:08",
        "a.example:(",
        "a.example:٣",
        "bücher.example",
        "a.example\n",
        "[::1",
        "[::1]x",
        "[::1]:",
        "*.[::1]",
        "*.127.0.0.1:x",
        "1:2:3",
        "a" * 64 + ".example",
    ],
    ids=repr,
)
def test_a_pattern_that_would_never_match_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is not HOST|no port"):
        Pattern.parse(pattern)
    with pytest.raises(ValueError, match=r"is not HOST|no port"):
        Hosts([pattern])


@pytest.mark.parametrize(
    "entry",
    [
        "api.openai.com",
        "API.openai.com.",
        "openai.com",
        ".openai.com",
        "com",
        "ai.com",  # requests compares ends, not labels
        "eu.api.openai.com",
        "openai.azure.com",
        "azure.com",
        "my-resource.openai.azure.com",
        "x.y.openai.azure.com",
        "",
        ".",
        "api.*",
        "*openai*",
        "10.1.2.3",
        "10.1.0.0/16",
        "10.1.2.200/8",
        "0.0.0.0/0",
        "[fd00::1]",
        "fd00::/8",
    ],
)
def test_a_no_proxy_entry_that_some_client_takes_for_a_gated_host_is_found(entry: str) -> None:
    hosts = Hosts([*Settings().gated_hosts, "10.1.2.3", "fd00::1"])

    assert hosts.covers(entry, None)


@pytest.mark.parametrize(
    "entry",
    [
        "localhost",
        "example.com",
        "platform.openai.com",
        "api.openai.com.example",
        "notapi.openai.com",
        "notopenai.com",
        "x.example",
        "10.2.0.0/16",
        "10.1.2",
        "0.1.2.3",
        "fd01::/16",
        "127.0.0.1",
        "::1",
    ],
)
def test_other_no_proxy_entries_are_kept(entry: str) -> None:
    hosts = Hosts(["api.openai.com", "*.openai.azure.com", "10.1.2.3", "fd00::1"])

    assert not hosts.covers(entry, None)


def test_ports_of_no_proxy_entries_count() -> None:
    hosts = Hosts(["gw.example:9443", "[::1]:9443"])

    assert hosts.covers("gw.example", None)
    assert hosts.covers("gw.example", 9443)
    assert not hosts.covers("gw.example", 443)
    assert hosts.covers("::1", 9443)
    assert not hosts.covers("::1", 80)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/v1/responses/resp_1?x=1#y",
        "https://api.openai.com/v1/models",
        "HTTPS://EU.API.OPENAI.COM:8443",
        "http://api.openai.com.?x",
    ],
)
def test_redirect_to_a_gated_host_stays_inside(location: str) -> None:
    assert DEFAULT.leads_inside(location)


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/v1/chat/completions",
        "//evil.example/x",
        "/\\evil.example/x",
        "\\\\evil.example/x",
        "https:///evil.example/x",
        "https:evil.example",
        "https:/evil.example",
        "https://api.openai.com@evil.example/",
        "https://evil.example\\@api.openai.com/",
        "https://evil.example#@api.openai.com/",
        "https://api.openai.com.evil.example/",
        "/\t/evil.example",
        " https://evil.example",
        "ftp://api.openai.com/",
        "javascript:x",
        "relative/path",
        "https://[2001:db8::1]/",
        "https://\uff41pi.openai.com/",
    ],
)
def test_redirect_that_some_client_may_follow_elsewhere_does_not(location: str) -> None:
    assert not DEFAULT.leads_inside(location)


def test_redirect_is_inside_at_the_gated_port_only() -> None:
    hosts = Hosts(["localhost:9000", "[::1]:443"])
    assert hosts.leads_inside("http://localhost:9000/x")
    assert not hosts.leads_inside("http://localhost/x")
    assert hosts.leads_inside("https://[::1]/x")
    assert not hosts.leads_inside("http://[::1]/x")
