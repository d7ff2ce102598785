"""Leaf certificates as mitmproxy asks for them: one name, a key of their own, and not for long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from mitmproxy import certs
from mitmproxy.addons import tlsconfig
from mitmproxy.proxy import context

from callgate import certificates

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class _Made:
    entry: certs.CertStoreEntry
    made_at: datetime

    def is_good(self, now: datetime) -> bool:
        """For half a life; of a clock that has been put back, it is not known how long."""
        return self.made_at <= now < self.made_at + certificates.LEAF_VALID / 2


class ShortLived(tlsconfig.TlsConfig):
    """Signs for the one name that the client asked for, for a day, and anew after half of it.

    mitmproxy would also put in the address that was dialled and the names of the API's own
    certificate, which a CA limited to gated hosts can not sign for, and use the CA's key for all.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """`clock` gives aware times."""
        self._clock = clock
        self._made: dict[str, _Made] = {}
        self._key = certificates.new_key()

    def get_cert(self, conn_context: context.Context) -> certs.CertStoreEntry:
        """The certificate for a connection."""
        client, server = conn_context.client, conn_context.server
        host = client.sni or (server.address or client.sockname)[0]
        now = self._clock()
        made = self._made.get(host)
        if made is None or not made.is_good(now):
            made = _Made(self._sign(host), now)
            if len(self._made) >= _KEPT:
                self._made.clear()
            self._made[host] = made
        return made.entry

    def _sign(self, host: str) -> certs.CertStoreEntry:
        issuer: x509.Certificate = self.certstore.default_ca.to_cryptography()
        key: object = self.certstore.default_privatekey
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the CA's key is not of an elliptic curve: callgate ca new --force")
        made = certificates.leaf(host, self._key.public_key(), issuer, key)
        return certs.CertStoreEntry(
            certs.Cert(made),
            self._key,  # type: ignore[arg-type]  # pyOpenSSL takes any key
            self.certstore.default_chain_file,
            self.certstore.default_chain_certs,
        )
