"""The certificate authority that clients of this machine trust.

One per machine, made at first use, never in version control. mitmproxy reads
`mitmproxy-ca.pem` (key and certificate); everything here is readable by the owner only.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from callgate import roots
from callgate.errors import SettingsError
from callgate.files import write_private

_VALID = timedelta(days=3650)
_REMEDY = "make a new one: callgate ca new --force"


@dataclass(frozen=True, slots=True)
class Authority:
    """Where the files of the CA lie."""

    folder: Path

    @property
    def key_file(self) -> Path:
        """Private key and certificate, as mitmproxy wants them."""
        return self.folder / "mitmproxy-ca.pem"

    @property
    def certificate(self) -> Path:
        """The certificate alone: what clients and systems are told to trust."""
        return self.folder / "callgate-ca.pem"

    @property
    def bundle(self) -> Path:
        """The certificate and the public roots, for variables that replace a client's roots."""
        return self.folder / "bundle.pem"


def ensure(home: Path) -> Authority:
    """Return the CA of a home folder, making it where there is none.

    Of several processes that start at once one makes it, and all use that one. Raises
    SettingsError when the folder can not be written or the CA can not be used.
    """
    authority = Authority(home / "ca")
    try:
        _make_folders(home, authority.folder)
        if not authority.key_file.exists():
            write_private(authority.key_file, _issue(), replace=False)
        authority.key_file.chmod(0o600)
        certificate = _load(authority.key_file)
        _write_public(authority, certificate)
    except OSError as error:
        raise SettingsError(f"can not use {authority.folder}: {error}") from error
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise SettingsError(f"the CA {authority.key_file} has expired; {_REMEDY}")
    return authority


def create(home: Path) -> Authority:
    """Make a new CA, replacing an older one: every client has to trust it anew.

    Raises OSError when the folder can not be written.
    """
    authority = Authority(home / "ca")
    _make_folders(home, authority.folder)
    write_private(authority.key_file, _issue())
    _write_public(authority, _load(authority.key_file))
    return authority


def _make_folders(home: Path, folder: Path) -> None:
    # the home may be a folder that is there for something else: it keeps its mode
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)


def _load(key_file: Path) -> x509.Certificate:
    pem = key_file.read_bytes()
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{key_file} holds no key and certificate; {_REMEDY}") from error
    if key.public_key() != certificate.public_key():
        raise SettingsError(f"the key in {key_file} is not the certificate's; {_REMEDY}")
    return certificate


def _issue() -> bytes:
    """A new private key and its certificate, PEM."""
    # P-256: signing a leaf costs a tenth of RSA-2048, and every new host needs one
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Callgate"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Callgate CA {socket.gethostname()}"[:64]),
        ]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))  # clocks of clients may be behind
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return secret + _pem(certificate)


def upstream_bundle(authority: Authority, extra: Path | None) -> Path:
    """A file with the public roots and the PEM file `extra`, for checking upstream hosts.

    Raises SettingsError when `extra` holds no certificate.
    """
    if extra is None:
        return Path(certifi.where())
    try:
        content = extra.expanduser().read_bytes()
        x509.load_pem_x509_certificates(content)
    except (OSError, ValueError) as error:
        raise SettingsError(f"upstream_ca: {extra} holds no PEM certificate: {error}") from error
    path = authority.folder / "upstream.pem"
    write_private(path, Path(certifi.where()).read_bytes() + b"\n" + content)
    return path


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_public(authority: Authority, certificate: x509.Certificate) -> None:
    pem = _pem(certificate)
    write_private(authority.certificate, pem)
    write_private(authority.bundle, roots.merged(os.environ, authority.bundle) + pem)
