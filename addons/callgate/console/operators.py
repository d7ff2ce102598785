"""Who may use the console: tokens of operators, and how often anybody may guess."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from callgate.bounded import trim

_GUESSES = 10
_GUESS_BACK_SECONDS = 6.0
_ADDRESSES = 1000


class Operators:
    """Names of people by their tokens, of which only hashes are kept."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        """`tokens` by name."""
        self._hashes = {name: _hash(token) for name, token in tokens.items()}

    def name_of(self, token: str) -> str | None:
        """The owner of a token; takes as long whether there is one or not."""
        given, found = _hash(token), None
        for name, known in self._hashes.items():
            if hmac.compare_digest(given, known):
                found = name
        return found


class Guesses:
    """Ten wrong tokens at once from an address, then one every six seconds."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` never go back: who has to wait does not wait for a clock that was wrong."""
        self._seconds = seconds
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When an address will have all its guesses back."""

    def wait_seconds(self, address: str) -> int:
        """How long an address has to wait before its next try; 0 where it need not."""
        owed = self._full_at.get(address, 0) - self._seconds()
        over = owed - (_GUESSES - 1) * _GUESS_BACK_SECONDS
        return max(0, int(over + 0.999))

    def count(self, address: str) -> None:
        """Count a wrong token."""
        now = self._seconds()
        begin = max(now, self._full_at.pop(address, 0))
        self._full_at[address] = begin + _GUESS_BACK_SECONDS
        trim(self._full_at, _ADDRESSES)


def new_token() -> str:
    """A token nobody can guess."""
    return secrets.token_urlsafe(24)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
