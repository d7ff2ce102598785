"""Keyed hashes under which calls are remembered."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass

from callgate.model import CallKey

_PREFIX = "hmac:"


@dataclass(frozen=True, slots=True)
class KeyedHash:
    """HMAC-SHA256 with the store's own salt.

    Arguments are often easy to guess (an amount, a name, a yes or no): a plain SHA-256 of
    them in a stolen file could be looked up in a table made beforehand.
    """

    salt: bytes

    def digest(self, digest: str) -> str:
        """`hmac:` and the keyed hash of a call's digest; what is in that form stays as it is.

        So a decision that comes back from a scope or an approval, where the plain digest is
        not known any more, still has a key that finds it.
        """
        if digest.startswith(_PREFIX):
            return digest
        return _PREFIX + self._hash(digest)

    def call(self, key: CallKey) -> str:
        """One text of 64 characters for all parts of a key."""
        digest = self.digest(key.digest)
        parts = [key.surface, key.origin, key.scope, key.id, digest, key.agent]
        return self._hash(json.dumps(parts))

    def scope(self, surface: str, origin: str, scope: str) -> str:
        """One text of 64 characters for a scope."""
        return self._hash(json.dumps([surface, origin, scope]))

    def id(self, surface: str, origin: str, id: str) -> str:
        """One text of 64 characters for a call's id, whatever its scope."""
        return self._hash(json.dumps(["id", surface, origin, id]))

    def conversation(self, name: str) -> str:
        """One text of 64 characters for a name of a conversation."""
        return self._hash(json.dumps(["conversation", name]))

    def mark(self, mark: str) -> str:
        """One text of 64 characters for a mark of a conversation."""
        return self._hash(json.dumps(["mark", mark]))

    def _hash(self, text: str) -> str:
        return hmac.digest(self.salt, text.encode(), "sha256").hex()
