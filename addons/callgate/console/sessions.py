"""Who is signed in: sessions in memory, so that a restart signs everybody out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from callgate.bounded import trim

LIFETIME = timedelta(hours=12)
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser."""

    operator: str
    csrf: str
    """Stands in every form; who can not read a page does not know it."""
    ends_at: datetime

    def has_csrf(self, given: str) -> bool:
        """Tell whether a form came from a page of this session."""
        return hmac.compare_digest(self.csrf.encode(), given.encode("utf-8", "surrogatepass"))


class Sessions:
    """Sessions by the hash of the secret in the cookie."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def begin(self, operator: str) -> str:
        """Sign somebody in; returns what the cookie holds."""
        cookie = secrets.token_urlsafe(32)
        ends_at = self._clock() + LIFETIME
        self._sessions[_key(cookie)] = Session(operator, secrets.token_urlsafe(24), ends_at)
        trim(self._sessions, _MOST)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, where it has not ended."""
        session = self._sessions.get(_key(cookie))
        if session is not None and session.ends_at <= self._clock():
            self.end(cookie)
            return None
        return session

    def end(self, cookie: str) -> None:
        """Sign out."""
        self._sessions.pop(_key(cookie), None)


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
