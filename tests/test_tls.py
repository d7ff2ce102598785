"""Leaf certificates as mitmproxy asks for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from mitmproxy import certs
from mitmproxy.connection import Client, Server
from mitmproxy.proxy.context import Context
from mitmproxy.test import taddons

from callgate import ca
from callgate.tls import ShortLived


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def asking(context: Context, sni: str | None, host: str) -> Context:
    client = Client(peername=("10.0.0.9", 1), sockname=("10.0.0.1", 2), timestamp_start=0)
    client.sni = sni
    made = Context(client, context.options)
    made.server = Server(address=(host, 443))
    return made


def names(entry: certs.CertStoreEntry) -> list[str]:
    found = entry.cert.to_cryptography().extensions
    return [str(n.value) for n in found.get_extension_for_class(x509.SubjectAlternativeName).value]


@pytest.mark.parametrize(
    ("sni", "host", "name"),
    [
        ("api.openai.com", "api.openai.com", "api.openai.com"),
        ("api.openai.com", "192.0.2.7", "api.openai.com"),
        (None, "127.0.0.1", "127.0.0.1"),
    ],
)
def test_leaf_is_for_the_name_of_the_handshake_alone(
    tmp_path: Path, sni: str | None, host: str, name: str
) -> None:
    authority = ca.ensure(tmp_path, ["api.openai.com"])
    tls = ShortLived(Clock())
    with taddons.context(tls) as context:
        context.configure(tls, confdir=str(authority.folder))
        entry = tls.get_cert(asking(context, sni, host))

    assert names(entry) == [name]
    key = x509.load_pem_x509_certificate(authority.certificate.read_bytes()).public_key()
    assert entry.privatekey.public_key() != key


def test_leaf_is_kept_for_half_its_life_and_then_made_anew(tmp_path: Path) -> None:
    clock = Clock()
    tls = ShortLived(clock)
    with taddons.context(tls) as context:
        context.configure(tls, confdir=str(ca.ensure(tmp_path).folder))
        asked = asking(context, "api.openai.com", "api.openai.com")
        first = tls.get_cert(asked).cert
        clock.now += timedelta(hours=11)
        assert tls.get_cert(asked).cert == first
        clock.now += timedelta(hours=2)
        assert tls.get_cert(asked).cert != first


def test_leaf_of_a_clock_that_was_ahead_is_made_anew(tmp_path: Path) -> None:
    clock = Clock()
    clock.now += timedelta(days=400)
    tls = ShortLived(clock)
    with taddons.context(tls) as context:
        context.configure(tls, confdir=str(ca.ensure(tmp_path).folder))
        asked = asking(context, "api.openai.com", "api.openai.com")
        first = tls.get_cert(asked).cert
        clock.now -= timedelta(days=400)
        assert tls.get_cert(asked).cert != first


def test_many_names_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callgate.tls._KEPT", 3)
    tls = ShortLived(Clock())
    with taddons.context(tls) as context:
        context.configure(tls, confdir=str(ca.ensure(tmp_path).folder))
        for number in range(10):
            tls.get_cert(asking(context, f"h{number}.example.org", "192.0.2.7"))

    assert len(tls._made) <= 3


def test_ca_of_another_kind_signs_nothing(tmp_path: Path) -> None:
    tls = ShortLived(Clock())
    with taddons.context(tls) as context:
        context.configure(tls, confdir=str(tmp_path))  # mitmproxy makes one of its own
        assert isinstance(tls.certstore.default_privatekey, rsa.RSAPrivateKey)
        with pytest.raises(TypeError, match="elliptic"):
            tls.get_cert(asking(context, "api.openai.com", "api.openai.com"))
