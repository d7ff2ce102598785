"""What Callgate signs, and what a client that trusts its CA takes from it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from callgate import certificates

KEY = certificates.new_key()
NAME = certificates.authority_name("machine")
GATED = ("api.openai.com", "*.openai.azure.com", "10.1.2.3:8443", "[2001:db8::1]:443")


def authority(hosts: Sequence[str] | None = GATED) -> x509.Certificate:
    return certificates.authority(KEY, NAME, hosts)


def is_accepted(issuer: x509.Certificate, host: str, folder: Path) -> bool:
    """Whether OpenSSL, as strict as it gets, takes a leaf for the host from this CA."""
    key = certificates.new_key()
    leaf = certificates.leaf(host, key.public_key(), issuer, KEY)
    (folder / "leaf.pem").write_bytes(certificates.pem(leaf) + certificates.key_pem(key))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "leaf.pem")
    trusting = ssl.create_default_context(cadata=certificates.pem(issuer).decode())
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            serving.wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        trusting.wrap_socket(near, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        if "permitted subtree violation" not in str(error):
            raise
        return False
    finally:
        near.close()
        thread.join(30)
    return True


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "eu.api.openai.com",
        "me.openai.azure.com",
        "10.1.2.3",
        "2001:db8::1",
        "localhost",
        "127.0.0.1",
        "127.8.8.8",
        "::1",
    ],
)
def test_client_accepts_gated_hosts_and_this_machine(host: str, tmp_path: Path) -> None:
    assert is_accepted(authority(), host, tmp_path)


@pytest.mark.parametrize(
    "host",
    ["example.org", "openai.com", "notapi.openai.com", "azure.com", "10.1.2.4", "2001:db8::2"],
)
def test_client_accepts_no_other_host_whoever_holds_the_key(host: str, tmp_path: Path) -> None:
    assert not is_accepted(authority(), host, tmp_path)
    assert is_accepted(authority(None), host, tmp_path)


def test_limits_are_critical_and_can_be_read() -> None:
    limits = authority().extensions.get_extension_for_class(x509.NameConstraints)

    assert limits.critical
    assert certificates.permitted(authority()) == [
        "api.openai.com",
        "openai.azure.com",
        "10.1.2.3/32",
        "2001:db8::1/128",
        "localhost",
        "127.0.0.0/8",
        "::1/128",
    ]
    assert certificates.permitted(authority(None)) is None


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (GATED, []),
        (("eu.api.openai.com:443", "127.0.0.9:1", "[::1]:1", "localhost:1"), []),
        (("llm.internal", "*.openai.com", "10.1.2.9"), ["llm.internal", "openai.com", "10.1.2.9"]),
        (("xapi.openai.com",), ["xapi.openai.com"]),
    ],
)
def test_hosts_that_a_ca_can_not_sign_for_are_named(
    hosts: tuple[str, ...], found: list[str]
) -> None:
    assert certificates.lacking(authority(), hosts) == found
    assert certificates.lacking(authority(None), hosts) == []


def test_what_was_permitted_can_be_permitted_again() -> None:
    again = certificates.authority(KEY, NAME, certificates.permitted(authority()))

    assert certificates.permitted(again) == certificates.permitted(authority())


def test_leaf_is_short_lived_and_for_one_name() -> None:
    leaf = certificates.leaf("api.openai.com", KEY.public_key(), authority(), KEY)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert list(names) == [x509.DNSName("api.openai.com")]
    assert leaf.not_valid_after_utc - datetime.now(UTC) <= timedelta(hours=24)
    assert leaf.not_valid_before_utc < datetime.now(UTC) - timedelta(hours=11)


def test_name_that_is_long_or_not_ascii_can_be_signed() -> None:
    for host in ("a" * 60 + ".example.org", "bücher.example.org"):
        leaf = certificates.leaf(host, KEY.public_key(), authority(None), KEY)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert names.value.get_values_for_type(x509.DNSName) == [
            host.encode("idna").decode("ascii")
        ]
