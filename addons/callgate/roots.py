"""The roots that a machine's clients trust: the public ones, the system's, and those of variables.

Variables that name a CA file replace a client's own roots. Whoever sets them anew for a client
has to carry over what the old ones named, or hosts behind a company's CA are lost to it.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

import certifi

VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "DENO_CERT",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
)
"""Variables that name a file of CA certificates, for one client or another."""

_MARK = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"

SYSTEM = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Arch, Alpine
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora, RHEL
    Path("/etc/ssl/ca-bundle.pem"),  # SUSE
    Path("/etc/ssl/cert.pem"),  # macOS, BSD
)
"""Where systems keep their roots; the first that exists counts."""


def merged(environ: Mapping[str, str], own: Path, system: Iterable[Path] = SYSTEM) -> bytes:
    """PEM of every root that a client trusted so far, each once.

    `SSL_CERT_FILE` takes the place of the public and the system's roots, as it does in clients;
    the other variables add to that. A file that is missing or holds no certificate counts as not
    named, and `own`, the file that is about to be written, is never read.
    """
    read = functools.cache(lambda name: _read(name, own))  # most machines name one file often
    base = read(environ.get("SSL_CERT_FILE", "")) or [
        *_split(Path(certifi.where()).read_bytes()),
        *next(filter(None, (read(str(path)) for path in system)), []),
    ]
    added = (read(environ.get(name, "")) for name in VARIABLES)
    found = [*base, *(one for more in added for one in more)]
    return b"".join(dict.fromkeys(found))


def certificates(pem: bytes) -> list[bytes]:
    """Each certificate of a PEM text in one normal form, what stands between them left out.

    Raises ValueError for a text that holds none, ssl.SSLError (an OSError) for a broken one.
    """
    found = _split(pem)
    # one that OpenSSL can not read would take all others of a bundle with it
    whole = b"".join(found).decode("ascii")
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=whole)
    return found


def _split(pem: bytes) -> list[bytes]:
    blocks = [_MARK + part.partition(_END)[0] + _END for part in pem.split(_MARK)[1:]]
    if not blocks:
        raise ValueError("no PEM certificate")
    return [_normal(block.decode("ascii")) for block in blocks]


def _normal(block: str) -> bytes:
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(block)).encode()


def _read(name: str, own: Path) -> list[bytes]:
    path = Path(name)
    try:
        if not name or path.resolve() == own.resolve():
            return []
        return certificates(path.read_bytes())
    except (OSError, ValueError):
        return []
