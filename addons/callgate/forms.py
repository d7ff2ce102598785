"""The forms that settings have, each checked as it is read: addresses, files, lists, tokens."""

from __future__ import annotations

import base64
import binascii
import contextlib
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from callgate.hosts import Pattern
from callgate.listeners import Reverse, UpstreamProxy

_HOST = re.compile(r"[A-Za-z0-9._-]+")
_PORT = re.compile(r"[0-9]{1,5}")
_OPERATOR = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_TOKEN = re.compile(r"[!-~]{16,512}")


def _listed(value: object) -> object:
    """Environment variables carry lists as `a,b`."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _address(value: str) -> str:
    split_address(value)
    return value


def _address_or_off(value: str) -> str:
    return value if value == "off" else _address(value)


def _operator(value: str) -> str:
    split_operator(value)
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("expected an address that begins with https:// or http://")
    return value.rstrip("/")


def _signing_key(value: str) -> str:
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("expected whsec_ and base64") from error
    if value and not 24 <= len(key) <= 64:
        raise ValueError("expected whsec_ and base64 of 24 to 64 bytes")
    return value


def _syslog(value: str) -> str:
    if value and not value.startswith("/"):
        split_address(value)
    return value


def _reverse(value: str) -> str:
    split_address(Reverse.parse(value).listen)
    return value


def _proxy(value: str) -> str:
    if value:
        UpstreamProxy.parse(value)
    return value


def _address_or_none(value: str) -> str:
    return _address(value) if value else value


def _host_pattern(value: str) -> str:
    Pattern.parse(value)
    return value


def _file(value: Path) -> Path:
    if not value.expanduser().is_file():
        raise ValueError("no such file")
    return value


type Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
type HostPatterns = Annotated[
    tuple[Annotated[str, AfterValidator(_host_pattern)], ...], BeforeValidator(_listed)
]
type Address = Annotated[str, AfterValidator(_address)]
type Reverses = Annotated[
    tuple[Annotated[str, AfterValidator(_reverse)], ...], BeforeValidator(_listed)
]
type AddressOrOff = Annotated[str, AfterValidator(_address_or_off)]
type Operators = Annotated[
    tuple[Annotated[str, AfterValidator(_operator)], ...], BeforeValidator(_listed)
]
type WebAddress = Annotated[str, AfterValidator(_web_address)]
type SigningKey = Annotated[str, AfterValidator(_signing_key)]
type Occasions = Annotated[tuple[Literal["approvals", "denials"], ...], BeforeValidator(_listed)]
type AddressOrNone = Annotated[str, AfterValidator(_address_or_none)]
type ProxyAddress = Annotated[str, AfterValidator(_proxy)]
type SyslogAddress = Annotated[str, AfterValidator(_syslog)]
type File = Annotated[Path, AfterValidator(_file)]
type Mib = Annotated[int, Field(ge=1, le=1024)]


def split_operator(value: str) -> tuple[str, str]:
    """`NAME:TOKEN` or `TOKEN` of one called `operator`; raises ValueError for anything else."""
    name, token = value.split(":", 1) if ":" in value else ("operator", value)
    if not _OPERATOR.fullmatch(name):
        raise ValueError("expected NAME:TOKEN with letters, digits and . _ @ - in the name")
    if not _TOKEN.fullmatch(token):
        raise ValueError("a token has at least 16 visible ASCII characters, and no comma")
    return name, token


def split_address(address: str) -> tuple[str, int]:
    """`HOST:PORT` or `[V6]:PORT`; raises ValueError for anything else."""
    host, _, port = address.rpartition(":")
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("expected HOST:PORT with a port from 0 to 65535")
    if _HOST.fullmatch(host):
        return host, int(port)
    if host.startswith("[") and host.endswith("]"):
        with contextlib.suppress(ValueError):
            return str(ipaddress.IPv6Address(host[1:-1])), int(port)
    raise ValueError("expected HOST:PORT; an IPv6 address needs brackets")


def is_loopback(host: str) -> bool:
    """True for names and addresses that only this machine reaches."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
