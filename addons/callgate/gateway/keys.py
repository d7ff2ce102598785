"""Keys of the gateway's clients: whose is this one?

A key's name becomes the agent in policies and records. Several keys may have one name, so that
a key can be exchanged for another while both are good.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from callgate.errors import SettingsError

_log = logging.getLogger(__name__)

_LINE = re.compile(r"(?:(?P<name>[A-Za-z0-9_.@-]{1,64})[ \t]+)?(?P<key>[!-~]+)")
_SHORTEST = 20
_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    secret: bytes = field(repr=False)

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.secret).digest()


class Keys:
    """Every key that is good now; comparing takes as long for a wrong key as for a right one."""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        """Pairs of name and key; an empty name becomes the key's fingerprint."""
        self._keys = [_Key(name or fingerprint(key), key.encode()) for name, key in keys]

    def owner(self, key: str) -> str | None:
        """Name of the client that has this key; None when nobody has."""
        asked = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        return _first([k.name for k in self._keys if hmac.compare_digest(k.digest, asked)])

    def signer(self, body: bytes, signature: str) -> str | None:
        """Name of the client whose key has signed: HMAC-SHA256 in base64 (aif_sdk/auth.py)."""
        asked = signature.encode("utf-8", "surrogateescape")
        return _first(
            [k.name for k in self._keys if hmac.compare_digest(_signature(body, k), asked)]
        )


class KeyFile:
    """A file of keys that can be read again while the process runs."""

    def __init__(self, path: Path) -> None:
        """Read it; raises SettingsError."""
        self._path = path
        self.current = load(path)

    def reload(self) -> None:
        """Read it again; a broken file keeps the keys that were good, and is said."""
        try:
            self.current = load(self._path)
        except SettingsError as error:
            _log.error("the keys in force stay, the new ones are broken:\n%s", error)


def fingerprint(key: str) -> str:
    """What stands for a key without a name."""
    return "key:" + hashlib.sha256(key.encode()).hexdigest()[:12]


def load(path: Path) -> Keys:
    """Read a file of keys: `NAME KEY` or `KEY` a line, `#` begins a comment line.

    Raises SettingsError that names every line that is wrong, and never a key.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"keys: {path} can not be read: {error}") from error
    if mode & _OTHERS:
        raise SettingsError(f"keys: others can read {path}: chmod 600 it, and change the keys")
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    found = [(n, _LINE.fullmatch(line)) for n, line in lines]
    faults = [f"{path}:{n}: expected `NAME KEY` or `KEY`" for n, match in found if not match]
    keys = {match["key"]: (n, match["name"] or "") for n, match in reversed(found) if match}
    faults += [
        f"{path}:{n}: shorter than {_SHORTEST} characters: take a random one"
        for key, (n, _) in keys.items()
        if len(key) < _SHORTEST
    ]
    faults += [
        f"{path}:{n}: the same key as on line {keys[match['key']][0]}"
        for n, match in found
        if match and keys[match["key"]][0] != n
    ]
    if not keys and not faults:
        faults.append(f"{path}: no key in it: add a line `NAME KEY`")
    if faults:
        raise SettingsError("\n".join(faults))
    return Keys([(name, key) for key, (_, name) in reversed(keys.items())])


def make(path: Path) -> str:
    """Write a file with one new key, named `default`, and return the key.

    Raises SettingsError; a file that is there already is not touched.
    """
    key = "cg_" + secrets.token_urlsafe(32)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"# NAME KEY, one a line; the name becomes the agent\ndefault {key}\n")
    except OSError as error:
        raise SettingsError(f"keys: {path} can not be written: {error}") from error
    return key


def _signature(body: bytes, key: _Key) -> bytes:
    return base64.b64encode(hmac.digest(key.secret, body, "sha256"))


def _first(names: Sequence[str]) -> str | None:
    return names[0] if names else None
