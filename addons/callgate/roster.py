"""Which scanners are asked: by their names, and what they need of the environment."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from callgate import upstream
from callgate.errors import SettingsError
from callgate.forms import is_loopback
from callgate.scanners import aegis, interven
from callgate.scanners.base import Classifier, Gateway, Scanner
from callgate.settings import Settings

_log = logging.getLogger(__name__)

GATEWAYS = ("interven", "aegis")
"""Scanners that are asked over the network."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_BASE = re.compile(r"https?://[^\s@?#\\]+")
_SHARE_OF_TIME = 0.9
"""A gateway's own timeout comes before the gate's, which does not know what was waited for."""


@dataclass(frozen=True, slots=True)
class Roster:
    """The scanners, in the order in which their verdicts stand in records."""

    scanners: Sequence[Scanner]
    gateways: Mapping[str, Gateway]
    classifiers: Mapping[str, Classifier]
    advisory: frozenset[str]

    def states(self) -> dict[str, str]:
        """How each gateway did last; see `Gateway.state`."""
        return {name: gateway.state for name, gateway in self.gateways.items()}


def roster(
    settings: Settings, environ: Mapping[str, str], local: Callable[[], Scanner], roots: Path
) -> Roster:
    """Make the scanners that the settings name.

    `roots` is a PEM file of trusted CAs. Raises SettingsError for an unknown name, a missing
    key or extra, and where every scanner would be advisory.
    """
    advisory = frozenset(settings.advisory_scanner)
    if advisory.issuperset(settings.scanner):
        raise SettingsError("advisory_scanner: at least one scanner has to decide")
    scanners: list[Scanner] = []
    gateways: dict[str, Gateway] = {}
    classifiers: dict[str, Classifier] = {}
    timeout = settings.scan_timeout_seconds * _SHARE_OF_TIME
    for name in dict.fromkeys((*settings.scanner, *settings.advisory_scanner)):
        match name:
            case "local":
                scanners.append(local())
            case "interven":
                made = _interven(environ, timeout, roots)
                gateways[name] = classifiers[name] = made
                scanners.append(made)
            case "aegis":
                gateways[name] = _aegis(environ, timeout, roots)
                scanners.append(gateways[name])
            case _:
                raise SettingsError(
                    f"scanner: {name!r} is not in this release; there are: local, interven, aegis"
                )
    return Roster(scanners, gateways, classifiers, advisory)


def _interven(environ: Mapping[str, str], timeout: float, roots: Path) -> interven.Interven:
    return interven.Interven(
        _key(environ, "interven", "INTERVEN_API_KEY"),
        _url(environ, "INTERVEN_GATEWAY_URL", interven.DEFAULT_URL),
        _value(environ, "INTERVEN_AGENT_ID"),
        timeout_seconds=timeout,
        roots=str(roots),
    )


def _aegis(environ: Mapping[str, str], timeout: float, roots: Path) -> aegis.Aegis:
    try:
        trust = upstream.trust(str(roots))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"upstream_ca: {roots} can not be used: {error}") from error
    return aegis.Aegis(
        _key(environ, "aegis", "AEGIS_API_KEY"),
        _url(environ, "AEGIS_URL", aegis.DEFAULT_URL),
        _value(environ, "AEGIS_TENANT_ID"),
        _value(environ, "AEGIS_AGENT_ID") or aegis.DEFAULT_AGENT,
        timeout_seconds=timeout,
        trust=trust,
    )


def _key(environ: Mapping[str, str], scanner: str, name: str) -> str:
    if not (key := _value(environ, name)):
        raise SettingsError(f"the scanner {scanner!r} needs {name} in the environment")
    return key


def _value(environ: Mapping[str, str], name: str) -> str:
    """A variable that goes into a header."""
    value = environ.get(name, "").strip()
    if value and not _TOKEN.fullmatch(value):
        raise SettingsError(f"{name}: has characters that can not be sent in a header")
    return value


def _url(environ: Mapping[str, str], name: str, default: str) -> str:
    url = environ.get(name, "").strip() or default
    host = _host(url)
    if not host:
        raise SettingsError(f"{name}: expected http(s)://HOST[:PORT][/PATH], without a login")
    if url.startswith("http:") and not is_loopback(host):
        _log.warning("%s: the key and all arguments go to %s unencrypted", name, host)
    return url.rstrip("/")


def _host(url: str) -> str:
    """The host of a base URL; empty where it is none."""
    if not url.isascii() or not _BASE.fullmatch(url):
        return ""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") if parts.port != 0 else ""
    except ValueError:
        return ""
