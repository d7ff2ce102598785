"""The forms that settings have; how faults are told is in tests/test_settings.py."""

from __future__ import annotations

import pytest

from callgate.forms import is_loopback, split_address, split_operator


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("[0:0:0:0:0:0:0:1]:1", ("::1", 1)),
        ("[::]:80", ("::", 80)),
        ("host.example:080", ("host.example", 80)),
    ],
)
def test_an_address_is_host_and_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        ":8080",
        "8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "127.0.0.1:http",
        "127.0.0.1:٨٠",
        "127.0.0.1:²",
        "127.0.0.1:" + "1" * 5000,
        "::1",
        "::1:8080",
        "[::1]",
        "[::1:8080",
        "::1]:8080",
        "[127.0.0.1]:80",
        "[]:80",
        "[a]:80",
        "a b:80",
        "http://127.0.0.1:80",
        "//127.0.0.1:80",
        "user@host:80",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        split_address(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.9.1",
        "::1",
        "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
        "localhost",
        "LocalHost.",
    ],
)
def test_addresses_of_this_machine_alone_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "",
        "10.0.0.1",
        "127.0.0.1.evil.net",
        "127.evil.net",
        "127.1",
        "localhost.net",
    ],
)
def test_other_addresses_are_not(host: str) -> None:
    assert not is_loopback(host)


def test_an_operator_has_a_name_and_a_token() -> None:
    token = "0123456789abcdef"

    assert split_operator(f"maria:{token}") == ("maria", token)
    assert split_operator(token) == ("operator", token)


@pytest.mark.parametrize(
    "value", ["", "maria:short", "ma ria:0123456789abcdef", "maria:0123456789 abcdef"]
)
def test_another_form_of_an_operator_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"expected NAME:TOKEN|at least 16"):
        split_operator(value)
