"""Ways in and out: reverse listeners, the proxy behind this one, and why a port can not be had."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Reverse:
    """An address of this machine that stands for one API, for apps that are given a base URL."""

    listen: str
    """`HOST:PORT`."""
    upstream: str
    """`https://HOST[:PORT]`."""

    @classmethod
    def parse(cls, text: str) -> Reverse:
        """Read `HOST:PORT=https://HOST[:PORT]`; raises ValueError for anything else."""
        listen, separator, url = text.partition("=")
        parts = _split(url)
        if not separator or parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("expected HOST:PORT=https://HOST[:PORT]")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("give the API's host alone: paths stay as the app sends them")
        return cls(listen, f"{parts.scheme}://{_authority(parts)}")

    @property
    def host(self) -> str:
        """The API's `HOST:PORT`, as a pattern of a gated host."""
        return _authority(_split(self.upstream))


@dataclass(frozen=True, slots=True)
class UpstreamProxy:
    """The proxy that this one sends everything through."""

    url: str
    """Without user and password."""
    credentials: str
    """`USER:PASSWORD`, or empty."""

    @classmethod
    def parse(cls, text: str) -> UpstreamProxy:
        """Read `http[s]://[USER:PASSWORD@]HOST[:PORT]`; raises ValueError for anything else."""
        parts = _split(text)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("expected http[s]://[USER:PASSWORD@]HOST[:PORT]")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("a proxy's URL has no path")
        named = unquote(parts.netloc.rpartition("@")[0])
        if named and ":" not in named:
            raise ValueError("a user needs a password: USER:PASSWORD@HOST")
        return cls(f"{parts.scheme}://{_authority(parts)}", named)


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.port == 0 or not (_HOST.fullmatch(host) or _is_v6(host)):  # port raises ValueError
        raise ValueError("expected a URL with a host")
    return parts


def _is_v6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _authority(parts: SplitResult) -> str:
    host = str(parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{parts.port or _PORTS[parts.scheme]}"


def why_not(error: OSError) -> str:
    """What the system says of a port that can not be had: `Address already in use`.

    Without the words that Python puts around it; the resolver has numbers below 0 and words of
    its own.
    """
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)
