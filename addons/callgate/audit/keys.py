"""Keys that sign the audit log: `audit-….key`, one file each, and `audit.pub`, the one in use."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from callgate.chain import key_name
from callgate.errors import SettingsError
from callgate.files import write_private

_NO_KEY = "holds no ed25519 key in PEM"
_PUBLIC = "audit.pub"
_HOME = "instance"


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key."""

    private: Ed25519PrivateKey

    @property
    def name(self) -> str:
        """What lines call it by, see `chain.key_name`."""
        return key_name(self.private.public_key())

    @property
    def file_name(self) -> str:
        """Name of its file."""
        return f"audit-{hashlib.sha256(self.name.encode()).hexdigest()[:16]}.key"


class Keys:
    """The keys of one home folder, 0600 in a folder of 0700."""

    def __init__(self, folder: Path) -> None:
        """Make the folder and the first key where there is none; raises SettingsError."""
        self._folder = folder
        self._known: dict[str, Key] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            if not self.public_file.exists():
                self._make_first()
            for file in self._files():
                # that of a process which was not the first may be gone again
                with contextlib.suppress(FileNotFoundError):
                    file.chmod(0o600)
            self.home = self._home()
            self.current = self._current()
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SettingsError(f"keys: can not use {folder}: {error}") from error

    @property
    def public_file(self) -> Path:
        """PEM file of the key in use, for those who verify."""
        return self._folder / _PUBLIC

    @property
    def head_file(self) -> Path:
        """Where the heads that were signed are kept, see `audit.heads`."""
        return self._folder / "audit.head"

    def named(self, name: str) -> Key | None:
        """A key of this home, looked for anew where another process may have made it."""
        if name not in self._known:
            self._read()
        return self._known.get(name)

    def make(self) -> Key:
        """Make a key that is not in use yet; raises OSError."""
        key = Key(Ed25519PrivateKey.generate())
        pem = key.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_private(self._folder / key.file_name, pem)
        self._known[key.name] = key
        return key

    def use(self, name: str) -> None:
        """Let `audit.pub` be the key of this name; raises OSError."""
        key = self.named(name)
        if key is not None and name != self.current.name:
            self._publish(key, replace=True)
            self.current = key

    def _make_first(self) -> None:
        key = self.make()
        self._publish(key, replace=False)
        if self._current().name != key.name:  # another process was faster
            (self._folder / key.file_name).unlink()

    def _publish(self, key: Key, *, replace: bool) -> None:
        pem = key.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(self.public_file, pem, replace=replace)

    def _current(self) -> Key:
        name = key_name(read_public(self.public_file))
        key = self.named(name)
        if key is None:
            raise ValueError(f"no private key for {_PUBLIC}")
        return key

    def _read(self) -> None:
        for file in self._files():
            try:
                pem = file.read_bytes()
            except FileNotFoundError:
                continue
            try:
                private = serialization.load_pem_private_key(pem, None)
            except (ValueError, TypeError, UnsupportedAlgorithm) as error:
                raise ValueError(f"{file.name} {_NO_KEY}") from error
            if not isinstance(private, Ed25519PrivateKey):
                raise TypeError(f"{file.name} {_NO_KEY}")
            self._known[Key(private).name] = Key(private)

    def _files(self) -> Iterable[Path]:
        return sorted(self._folder.glob("audit-*.key"))

    def _home(self) -> str:
        file = self._folder / _HOME
        host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]
        write_private(file, f"{host}-{secrets.token_hex(4)}".encode(), replace=False)
        name = file.read_text()
        if not re.fullmatch(r"[A-Za-z0-9-]{1,60}", name):
            raise ValueError(f"{_HOME} holds no name")
        return name


def read_public(file: Path) -> Ed25519PublicKey:
    """The ed25519 key of a PEM file; raises OSError, ValueError."""
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{file} {_NO_KEY}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{file} {_NO_KEY}")
    return key
