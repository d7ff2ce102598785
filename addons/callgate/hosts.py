"""Which hosts are gated: patterns `HOST`, `HOST:PORT`, `*.HOST`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)

_REST = r"[\w.~!$&'()*+,;=:@/?#%-]*"
_RELATIVE = re.compile(rf"(?:/(?!/){_REST})?", re.ASCII)
_ABSOLUTE = re.compile(
    r"(?P<scheme>https?)://(?P<host>[\w.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    rf"(?:[/?#]{_REST})?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One name or address, a name with all its subdomains, or either at one port."""

    name: str
    """Lower case, without `*.`, brackets and trailing dot."""
    is_wildcard: bool = False
    port: int | None = None
    """None covers every port."""

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read `HOST`, `HOST:PORT`, `*.HOST`, `[V6]:PORT`; raises ValueError for anything else."""
        if "/" in text:
            raise ValueError(f"{text!r} is not HOST or HOST:PORT but a URL: leave out the rest")
        is_wildcard = text.startswith("*.")
        name, port = _split(text.removeprefix("*."))
        name = name.lower().removesuffix(".")
        if not (_NAME.fullmatch(name) or (_is_address(name) and not is_wildcard)):
            raise ValueError(f"{text!r} is not HOST, HOST:PORT or *.HOST")
        if port is None:
            return cls(name, is_wildcard)
        if not _PORT.fullmatch(port) or int(port) > 65535:
            raise ValueError(f"{text!r} has no port from 1 to 65535 after the colon")
        return cls(name, is_wildcard, int(port))

    @property
    def expression(self) -> str:
        """An anchored expression over `host:port`; mitmproxy's `allow_hosts` takes it as well."""
        labels = r"(?:[^.:/]+\.)+" if self.is_wildcard else ""
        return rf"^\[?{labels}{re.escape(self.name)}\.?\]?:{self.port or r'\d+'}$"

    def meets(self, entry: str, port: int | None) -> bool:
        """Tell whether a `NO_PROXY` entry covers a host that this pattern gates, too."""
        if port and self.port and port != self.port:
            return False
        if _is_address(self.name):
            return self.name == entry or _holds(entry, self.name)
        # some clients compare without regard to labels: `ai.com` takes `openai.com` around
        return self.name.endswith(entry) or (self.is_wildcard and entry.endswith("." + self.name))


class Hosts:
    """Matches names without regard to case or a trailing dot."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """A pattern without a port covers every port; `*.` covers subdomains of any depth.

        Raises ValueError for what `Pattern.parse` can not read.
        """
        self._patterns = tuple(Pattern.parse(pattern) for pattern in patterns)
        self.expressions = tuple(pattern.expression for pattern in self._patterns)
        self._compiled = re.compile("|".join(self.expressions) or "(?!)", re.IGNORECASE)

    def match(self, host: str | None, port: int) -> bool:
        """Tell whether one name or address of a connection is gated."""
        if not host:
            return False
        return self._compiled.search(f"{host.rstrip('.').strip('[]')}:{port}") is not None

    def leads_inside(self, location: str) -> bool:
        """Tell whether a `Location` leads to a gated host, whichever client reads it.

        Only the plainest forms do: clients differ on backslashes, blanks, user names and slashes.
        """
        if _RELATIVE.fullmatch(location):
            return True
        absolute = _ABSOLUTE.fullmatch(location)
        if absolute is None:
            return False
        port = absolute["port"] or ("443" if absolute["scheme"].lower() == "https" else "80")
        return self.match(absolute["host"], int(port))

    def covers(self, entry: str, port: int | None) -> bool:
        """Tell whether a `NO_PROXY` entry would take a gated host around the proxy.

        Clients read entries differently (suffixes, networks, wildcards): the widest counts.
        """
        name = entry.lower().strip("[]").strip(".")
        if "*" in name:
            return True
        return any(pattern.meets(name, port) for pattern in self._patterns)


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("[") and "]" in text:
        name, _, rest = text[1:].partition("]")
        return (name, rest[1:]) if rest.startswith(":") else (name + rest, None)
    if text.count(":") == 1:
        name, _, port = text.partition(":")
        return name, port
    return text, None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _holds(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
