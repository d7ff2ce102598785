"""Certificates that Callgate makes: its CA, limited to the gated hosts, and a leaf for each host.

The limits are name constraints (RFC 5280, 4.2.1.10): a client that trusts the CA takes from it the
hosts named in it and this machine's own, nothing else. Whoever steals the key can not be anybody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from callgate.hosts import Pattern

_CA_VALID = timedelta(days=3650)
_CLOCKS_BEHIND = timedelta(days=2)
LEAF_VALID = timedelta(hours=24)
"""How long a leaf can be used from the time of its making."""

_HERE = ("localhost", "127.0.0.0/8", "::1/128")
"""Always permitted: whoever can answer for them is on the machine already."""

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new private key; P-256, whose signature costs a tenth of RSA-2048's."""
    return ec.generate_private_key(ec.SECP256R1())


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private key as PEM (PKCS #8), not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def authority(
    key: ec.EllipticCurvePrivateKey, name: x509.Name, hosts: Sequence[str] | None
) -> x509.Certificate:
    """A CA certificate limited to patterns of hosts (`hosts.Pattern`) or networks; None: to none.

    A name stands for its subdomains as well. Raises ValueError for what is no pattern.
    """
    now = datetime.now(UTC)
    builder = (
        _builder(name, name, key.public_key(), now - _CLOCKS_BEHIND, now + _CA_VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if hosts is not None:
        trees = dict.fromkeys(_subtree(text) for text in (*_names(hosts), *_HERE))
        builder = builder.add_extension(x509.NameConstraints(list(trees), None), critical=True)
    return builder.sign(key, hashes.SHA256())


def authority_name(machine: str) -> x509.Name:
    """What a CA of this machine is called."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Callgate"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Callgate CA {machine}"[:64]),
        ]
    )


def leaf(
    host: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """A server's certificate for one name or address, good for `LEAF_VALID`.

    Raises ValueError for what is neither.
    """
    now = datetime.now(UTC)
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    # OpenSSL holds an address in the common name to the limits of names
    is_common = len(host) <= 64 and _network(host) is None
    common = [x509.NameAttribute(NameOID.COMMON_NAME, host)] if is_common else []
    return (
        _builder(x509.Name(common), issuer.subject, key, now - _CLOCKS_BEHIND / 4, now + LEAF_VALID)
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=not common)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


def permitted(certificate: x509.Certificate) -> list[str] | None:
    """Names and networks that a CA is limited to; None where it is not limited."""
    try:
        limits = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
    return [str(one.value) for one in limits.permitted_subtrees or ()]


def lacking(certificate: x509.Certificate, hosts: Sequence[str]) -> list[str]:
    """Which of these patterns of hosts a CA could not sign for."""
    names = permitted(certificate)
    if names is None:
        return []
    return [text for text in _names(hosts) if not any(_holds(name, text) for name in names)]


def _names(hosts: Sequence[str]) -> Iterator[str]:
    return (text if "/" in text else Pattern.parse(text).name for text in hosts)


def _holds(name: str, host: str) -> bool:
    network, address = _network(name), _network(host)
    if network is None or address is None:
        return network is address and (host == name or host.endswith(f".{name}"))
    return network.version == address.version and address.network_address in network


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _subtree(text: str) -> x509.GeneralName:
    network = _network(text)
    return x509.IPAddress(network) if network is not None else x509.DNSName(text)


def _general_name(host: str) -> x509.GeneralName:
    network = _network(host)
    if network is None:
        return x509.DNSName(host.encode("idna").decode("ascii"))
    return x509.IPAddress(network.network_address)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
