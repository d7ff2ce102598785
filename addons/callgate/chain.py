"""How the audit log hangs together: signed lines, each with the hash of the one before.

A line is the RFC 8785 form of an object whose last member is `signature`: ed25519 over the
form of the same object without it. What is signed begins with the name of what it is
(`chain`, `checkpoint`, `anchor`, `end`), so that no line can pass for another kind of line.
Pure; the whole format is in docs/audit-log.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from callgate.canonical import Json, canonical

START = "0" * 64
"""Stands for the line before the first one."""

_BEFORE, _AFTER = b',"signature":"', b'"}'
_TAIL_BYTES = len(_BEFORE) + 88 + len(_AFTER)

_LINK = re.compile(
    rb'\{"chain":\{"instance":"([A-Za-z0-9._-]{1,200})","key":"([A-Za-z0-9+/]{43}=)",'
    rb'"number":([1-9][0-9]{0,15}),"previous":"([0-9a-f]{64})"\},"record":\{'
)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands."""

    number: int
    """Of its last record; 0 before the first."""
    digest: str
    """Of its last line."""
    key: str
    """Public key that the next record must be signed with, see `key_name`."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record as a line of a chain."""

    number: int
    line: str


@dataclass(frozen=True, slots=True)
class Link:
    """What a line says of its place."""

    instance: str
    key: str
    number: int
    previous: str


class Chain(Protocol):
    """Seals the records of one proxy; a store calls it inside the transaction that keeps them."""

    @property
    def instance(self) -> str:
        """Name of the chain in this store; `bind` comes first."""
        ...

    def bind(self, salt: bytes) -> None:
        """Learn which store this is: another store has another chain."""
        ...

    def seal(
        self, records: Sequence[Mapping[str, Json]], head: Head | None
    ) -> tuple[list[Sealed], Head]:
        """Continue the chain; raises StoreError where it can not be continued."""
        ...

    def anchor(self, head: Head, current: Head) -> str:
        """A signed line for the start of a chain whose records up to `head` are removed.

        It is signed with the key in use at `current`; raises StoreError.
        """
        ...

    def committed(self, head: Head) -> None:
        """Told once the lines up to `head` are durable."""
        ...

    def remembered(self) -> Head | None:
        """The last head that this home has signed for this store, kept outside of it."""
        ...

    def contradicted(self, why: str) -> None:
        """Told when the store does not hold what `remembered` says."""
        ...

    def close(self) -> None:
        """Write what is still to be written; idempotent."""
        ...


def key_name(key: Ed25519PublicKey) -> str:
    """Base64 of the raw public key: what lines call a key by."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def public_key(name: str) -> Ed25519PublicKey:
    """The key of a `key_name`; raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(name, validate=True))


def sign(statement: Mapping[str, Json], key: Ed25519PrivateKey) -> str:
    """A line; raises JsonError where the statement has no canonical form."""
    body = canonical(dict(statement))
    signature = base64.b64encode(key.sign(body))
    return (body[:-1] + _BEFORE + signature + _AFTER).decode()


def is_signed(line: bytes, key: Ed25519PublicKey) -> bool:
    """Tell whether a line bears this key's signature."""
    tail = line[-_TAIL_BYTES:]
    if not (tail.startswith(_BEFORE) and tail.endswith(_AFTER)):
        return False
    try:
        encoded = tail[len(_BEFORE) : -len(_AFTER)]
        signature = base64.b64decode(encoded, validate=True)
        key.verify(signature, line[:-_TAIL_BYTES] + b"}")
    except (binascii.Error, InvalidSignature):
        return False
    # base64 has bits to spare: only one of the spellings is the line that was written
    return base64.b64encode(signature) == encoded


def digest(line: bytes) -> str:
    """What the next line calls this one by: SHA-256 of all its bytes, signature included."""
    return hashlib.sha256(line).hexdigest()


def link_of(line: bytes) -> Link | None:
    """The place that a record's line claims; None where it is not such a line."""
    found = _LINK.match(line)
    if found is None:
        return None
    instance, key, number, previous = found.groups()
    return Link(instance.decode(), key.decode(), int(number), previous.decode())
