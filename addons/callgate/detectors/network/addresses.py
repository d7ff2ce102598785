"""Where a host leads, however it is spelled: to the world, or inside.

Takes hosts alone: what a URL is, and where it may stand, is known elsewhere. Clients read
spellings differently (`inet_aton`, the WHATWG, Java, Go): what any of them reads as inside counts.
Nothing is looked up.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import unquote

METADATA = "METADATA_SERVICE"
LOOPBACK = "LOOPBACK_ADDRESS"
PRIVATE = "PRIVATE_ADDRESS"
LINK_LOCAL = "LINK_LOCAL_ADDRESS"
RESERVED = "RESERVED_ADDRESS"
INTERNAL_NAME = "INTERNAL_NAME"
REBINDING_NAME = "REBINDING_NAME"

MAX_HOST = 1000
"""Characters; no host is longer, and no client takes more."""

_EXPLANATIONS = {
    METADATA: "leads to a cloud's metadata service, which hands out credentials",
    LOOPBACK: "leads to the machine itself",
    PRIVATE: "leads into a private network",
    LINK_LOCAL: "leads to a link-local address",
    RESERVED: "leads to an address that no public host has",
    INTERNAL_NAME: "names a host that only an internal network knows",
    REBINDING_NAME: "names a host that public DNS resolves to an inside address",
}
_METADATA_ADDRESSES = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # nearly every cloud
            "169.254.170.2",  # Amazon ECS
            "169.254.170.23",  # Amazon EKS
            "169.254.0.23",  # Tencent
            "169.254.42.42",  # Scaleway
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure's wire server, a public address by its number
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",  # Google
            "fd00:c1::a9fe:a9fe",  # Oracle
            "fe80::a9fe:a9fe",  # OpenStack
        ),
    )
)
_METADATA_NAMES = frozenset(
    str.split(
        "metadata metadata.google.internal metadata.goog metadata.internal instance-data "
        "instance-data.ec2.internal metadata.azure.internal metadata.tencentyun.com "
        "metadata.platformequinix.com metadata.packet.net rancher-metadata"
    )
)
_LOOPBACK_NAMES = frozenset(
    str.split("localhost localhost.localdomain localhost6 ip6-localhost ip6-loopback loopback")
)
_INTERNAL_SUFFIXES = tuple(
    str.split(
        ".internal .local .localdomain .lan .intranet .corp .home .private .home.arpa .svc "
        ".cluster.local .consul .docker"
    )
)
_INTERNAL_NAMES = frozenset(("kubernetes.default", "home.arpa"))
_REBINDING_SUFFIXES = tuple(
    str.split(
        ".1u.ms .rbndr.us .localtest.me .lvh.me .vcap.me .lacolhost.com .lcl.host .localho.st "
        ".bugbounty.dod.network .spoofed.burpcollaborator.net .127-0-0-1.org.uk"
    )
)
"""Each name below these resolves inside, or to one address now and another later."""

_ADDRESS_SUFFIXES = tuple(
    str.split(".nip.io .sslip.io .xip.io .traefik.me .backname.io .ip.addr.tools .nip.lv")
)
"""Names below these resolve to the address that they hold."""

# (network, what it is), the first that holds the address counts.
_NETWORKS_4 = tuple(
    (ipaddress.IPv4Network(network), kind)
    for network, kind in (
        ("127.0.0.0/8", LOOPBACK),
        ("0.0.0.0/8", LOOPBACK),  # `this host`: connecting to it reaches the machine itself
        ("10.0.0.0/8", PRIVATE),
        ("172.16.0.0/12", PRIVATE),
        ("192.168.0.0/16", PRIVATE),
        ("100.64.0.0/10", PRIVATE),
        ("169.254.0.0/16", LINK_LOCAL),
        ("192.0.0.0/24", RESERVED),
        ("198.18.0.0/15", RESERVED),
        ("224.0.0.0/3", RESERVED),
    )
)
_NETWORKS_6 = tuple(
    (ipaddress.IPv6Network(network), kind)
    for network, kind in (
        ("::/127", LOOPBACK),
        ("fc00::/7", PRIVATE),
        ("fec0::/10", PRIVATE),
        ("fe80::/10", LINK_LOCAL),
        ("ff00::/8", RESERVED),
        ("100::/64", RESERVED),
    )
)
# Networks whose addresses stand for an IPv4 address, and how many bits lie to the right of it.
_CARRYING_NETWORKS = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (
        ("::ffff:0:0/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("64:ff9b::/96", 0),
        ("64:ff9b:1::/48", 0),
        ("2002::/16", 80),
        ("::/96", 0),
    )
)
_TEREDO = ipaddress.IPv6Network("2001::/32")
_ISATAP = frozenset((0x00005EFE, 0x02005EFE))

_IGNORED = re.compile("[\u00ad\u034f\u180b-\u180e\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_DOTS = re.compile("[\u3002\uff0e\uff61]")
_NUMBER = re.compile(r"0x([0-9a-f]*)|([0-9]+)")
_OCTAL = re.compile(r"0[0-7]*")
_QUAD = re.compile(
    r"(?<![0-9])(?=([0-9]{1,3})([.-])([0-9]{1,3})\2([0-9]{1,3})\2([0-9]{1,3})(?![0-9]))"
)
_HEX_QUAD = re.compile(r"(?<![0-9a-z])[0-9a-f]{8}(?![0-9a-z])")


@dataclass(frozen=True, slots=True)
class Inside:
    """What a host leads to, where that is not the open internet."""

    kind: str
    """One of this module's constants."""
    explanation: str
    is_disguised: bool = False
    """The spelling is not one that people write; it hides where the host leads."""


def fold(text: str) -> str:
    """Return what clients make of a host's characters: percent signs, full width, case."""
    for _ in range(2):
        if "%" in text:
            text = unquote(text)
    if not text.isascii():
        plain = unicodedata.normalize("NFKC", _IGNORED.sub("", text))
        text = _DOTS.sub(".", plain)
    return text.lower()


@lru_cache(maxsize=4096)
def inside(host: str) -> Inside | None:
    """Tell where a host leads if that is inside; None for public hosts and for no hosts at all.

    Takes names, IPv4 in every spelling of `inet_aton`, IPv6 with or without brackets; a single
    label is no inside name by itself. Documentation addresses lead nowhere and count as public.
    """
    if len(host) > MAX_HOST:
        return None
    plain = fold(host)
    is_folded = plain != host.lower()
    plain = plain.strip("[]").rstrip(".")
    if ":" in plain:
        found = _inside_6(plain)
    else:
        found = _inside_4(plain) if any(_readings(plain)) else _inside_name(plain)
    return replace(found, is_disguised=True) if found and is_folded else found


def is_address(host: str) -> bool:
    """Tell whether a host is an address, in any spelling, rather than a name."""
    plain = fold(host[:MAX_HOST]).strip("[]").rstrip(".")
    return _ipv6(plain) is not None if ":" in plain else any(_readings(plain))


def _inside(kind: str, is_disguised: bool = False) -> Inside:
    return Inside(kind, _EXPLANATIONS[kind], is_disguised)


def _kind_of(address: IPv4Address | IPv6Address) -> str | None:
    if address in _METADATA_ADDRESSES:
        return METADATA
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _NETWORKS_4 if address in network), None)
    return next((kind for network, kind in _NETWORKS_6 if address in network), None)


def _inside_4(text: str) -> Inside | None:
    for address in _readings(text):
        if kind := _kind_of(address):
            return _inside(kind, is_disguised=str(address) != text)
    return None


def _readings(text: str) -> Iterator[IPv4Address]:
    """Every IPv4 address that some client reads in a text."""
    parts = text.split(".")
    numbers = [_NUMBER.fullmatch(part) for part in parts]
    if len(parts) > 4 or not all(numbers):
        return
    values = [_value(part) for part in parts]
    *heads, last = values
    room = 1 << 8 * (4 - len(heads))
    packed = sum(head << 8 * (3 - index) for index, head in enumerate(heads))
    if all(head < 256 for head in heads) and last < room:
        yield IPv4Address(packed + last)
    elif not heads or (len(parts) == 4 and min(values) > 255):
        # some clients drop the bits that are too many
        packed = sum((head & 255) << 8 * (3 - index) for index, head in enumerate(heads))
        yield IPv4Address(packed + last % room)
    if any(part[0] == "0" and part.isdigit() and len(part) > 1 for part in parts):
        # and some read octal numbers as decimal ones
        decimal = [int(part) for part in parts if part.isdigit()]
        if len(decimal) == 4 and max(decimal) < 256:
            yield IPv4Address(bytes(decimal))


def _value(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if _OCTAL.fullmatch(part) else int(part)


def _ipv6(text: str) -> IPv6Address | None:
    try:
        return IPv6Address(text.partition("%")[0])
    except ValueError:
        return None


def _inside_6(text: str) -> Inside | None:
    address = _ipv6(text)
    if address is None:
        return None
    if kind := _kind_of(address):
        return _inside(kind)
    for carried in _carried(address):
        if kind := _kind_of(carried):
            return _inside(kind, is_disguised=True)
    return None


def _carried(address: IPv6Address) -> Iterator[IPv4Address]:
    """IPv4 addresses that an IPv6 address stands for: mapped, translated, tunnelled."""
    number = int(address)
    for network, shift in _CARRYING_NETWORKS:
        if address in network:
            yield IPv4Address(number >> shift & 0xFFFFFFFF)
    if address in _TEREDO:
        yield IPv4Address(~number & 0xFFFFFFFF)
    if number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)


def _inside_name(name: str) -> Inside | None:
    if name in _METADATA_NAMES:
        return _inside(METADATA)
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return _inside(LOOPBACK)
    dotted = "." + name
    if name in _INTERNAL_NAMES or ("." in name and name.endswith(_INTERNAL_SUFFIXES)):
        return _inside(INTERNAL_NAME)
    if dotted.endswith(_REBINDING_SUFFIXES):
        return _inside(REBINDING_NAME, is_disguised=True)
    if name.endswith(".in-addr.arpa"):
        return None
    is_resolver = dotted.endswith(_ADDRESS_SUFFIXES)
    for address in _held(name, is_resolver):
        if kind := _kind_of(address):
            return _inside(METADATA if kind == METADATA else REBINDING_NAME, is_disguised=True)
    return None


def _held(name: str, is_resolver: bool) -> Iterator[IPv4Address | IPv6Address]:
    """Addresses within a name; only a resolver of such names is known to mean dashes by them."""
    for match in _QUAD.finditer(name):
        numbers = [int(match[group]) for group in (1, 3, 4, 5)]
        if max(numbers) < 256 and (is_resolver or match[2] == "."):
            yield IPv4Address(bytes(numbers))
    if is_resolver:
        for match in _HEX_QUAD.finditer(name):
            yield IPv4Address(int(match[0], 16))
        for label in name.split(".")[:-2]:
            if (address := _ipv6(label.replace("-", ":"))) is not None:
                yield address
                yield from _carried(address)
