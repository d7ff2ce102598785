"""The certificate authority that clients of this machine trust.

One per machine, made at first use, never in version control. mitmproxy reads
`mitmproxy-ca.pem` (key and certificate); everything here is readable by the owner only.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from callgate import certificates, roots
from callgate.errors import SettingsError
from callgate.files import write_private

_log = logging.getLogger(__name__)

_OVERLAP = timedelta(days=30)
"""How long a proxy may run on with the CA from before a switch."""
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
    def next_key_file(self) -> Path:
        """Key and certificate of the CA that will follow; there only while one is prepared."""
        return self.folder / "next-ca.pem"

    @property
    def previous(self) -> Path:
        """The certificate that was in use before the last switch."""
        return self.folder / "previous-ca.pem"

    @property
    def bundle(self) -> Path:
        """The certificate and the public roots, for variables that replace a client's roots."""
        return self.folder / "bundle.pem"


def ensure(home: Path, hosts: Sequence[str] | None = None) -> Authority:
    """Return the CA of a home folder, making it where there is none.

    The CA is limited to the patterns of `hosts`; None makes one without limits, and asks for
    nothing of one that is there. One that is limited to less is made anew with the same key: who
    trusts it already goes on to, for the hosts it had, and has to be told for the others.

    Of several processes that start at once one makes it, and all use that one. Raises
    SettingsError when the folder can not be written or the CA can not be used.
    """
    authority = Authority(home / "ca")
    try:
        _make_folders(home, authority.folder)
        with _locked(authority.folder):
            if not authority.key_file.exists():
                write_private(authority.key_file, _issue(hosts))
            authority.key_file.chmod(0o600)
            certificate = _widened(authority, hosts or ())
            _write_public(authority, certificate)
    except OSError as error:
        raise SettingsError(f"can not use {authority.folder}: {error}") from error
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise SettingsError(f"the CA {authority.key_file} has expired; {_REMEDY}")
    return authority


def create(home: Path, hosts: Sequence[str] | None = None) -> Authority:
    """Make a new CA, replacing an older one at once: every client has to trust it anew.

    Raises OSError when the folder can not be written.
    """
    authority = Authority(home / "ca")
    _make_folders(home, authority.folder)
    with _locked(authority.folder):
        write_private(authority.key_file, _issue(hosts))
        for path in (authority.next_key_file, authority.previous):
            path.unlink(missing_ok=True)
        _write_public(authority, _load(authority.key_file)[0])
    return authority


def prepare(home: Path, hosts: Sequence[str] | None = None) -> Authority:
    """Make the CA that will follow: clients can trust it beside the one in use, until `switch`.

    One that was prepared before is replaced. Raises SettingsError as `ensure` does.
    """
    authority = ensure(home, hosts)
    try:
        with _locked(authority.folder):
            write_private(authority.next_key_file, _issue(hosts))
            _write_public(authority, _load(authority.key_file)[0])
    except OSError as error:
        raise SettingsError(f"can not use {authority.folder}: {error}") from error
    return authority


def switch(home: Path) -> Authority:
    """Put the prepared CA into use: proxies sign with it from their next start.

    The one before stays trusted by what reads the bundle, without its key, for as long as proxies
    may still run with it. Raises SettingsError where none was prepared.
    """
    authority = Authority(home / "ca")
    if not authority.next_key_file.exists():
        raise SettingsError("no CA is prepared; make one: callgate ca new --overlap")
    try:
        with _locked(authority.folder):
            old, _ = _load(authority.key_file)
            new, _ = _load(authority.next_key_file)
            write_private(authority.previous, certificates.pem(old))
            authority.next_key_file.replace(authority.key_file)
            _write_public(authority, new)
    except OSError as error:
        raise SettingsError(f"can not use {authority.folder}: {error}") from error
    return authority


def _make_folders(home: Path, folder: Path) -> None:
    # the home may be a folder that is there for something else: it keeps its mode
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time reads what is there and writes what follows from it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _load(key_file: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    pem = key_file.read_bytes()
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{key_file} holds no key and certificate; {_REMEDY}") from error
    if key.public_key() != certificate.public_key():
        raise SettingsError(f"the key in {key_file} is not the certificate's; {_REMEDY}")
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SettingsError(f"the key in {key_file} is not of an elliptic curve; {_REMEDY}")
    return certificate, key


def _issue(hosts: Sequence[str] | None) -> bytes:
    """A new private key and its certificate, PEM."""
    key = certificates.new_key()
    name = certificates.authority_name(socket.gethostname())
    certificate = certificates.authority(key, name, hosts)
    return certificates.key_pem(key) + certificates.pem(certificate)


def _widened(authority: Authority, hosts: Sequence[str]) -> x509.Certificate:
    """The certificate in use, made anew where its limits leave out one of the hosts."""
    certificate, key = _load(authority.key_file)
    added = certificates.lacking(certificate, hosts)
    if not added:
        return certificate
    names = [*(certificates.permitted(certificate) or ()), *added]
    certificate = certificates.authority(key, certificate.subject, names)
    write_private(authority.key_file, certificates.key_pem(key) + certificates.pem(certificate))
    _log.warning(
        "the CA now signs for %s, too: clients that were told to trust it by hand "
        "have to be told again (callgate ca trust)",
        ", ".join(added),
    )
    return certificate


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


def _write_public(authority: Authority, certificate: x509.Certificate) -> None:
    pem = certificates.pem(certificate)
    others = b"".join(certificates.pem(one) for one in _others(authority))
    known = roots.merged(os.environ, authority.bundle)
    write_private(authority.certificate, pem + others)
    write_private(authority.bundle, known + others + pem)


def _others(authority: Authority) -> Iterator[x509.Certificate]:
    """What clients have to trust beside the CA in use: the one to come, and the one before."""
    if authority.next_key_file.exists():
        yield _load(authority.next_key_file)[0]
    if authority.previous.exists():
        switched = datetime.fromtimestamp(authority.previous.stat().st_mtime, UTC)
        if datetime.now(UTC) - switched < _OVERLAP:
            yield x509.load_pem_x509_certificate(authority.previous.read_bytes())
