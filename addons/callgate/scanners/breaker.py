"""A circuit breaker: a gateway that is down is not waited for with every call.

Who is refused here is not let through: the scanner could not judge, and the gate fails closed.
The libraries for this count failures alone; here a 429 says itself for how long to stay away,
and one question at a time finds out whether the gateway is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from callgate.errors import ScannerError
from callgate.model import Reason
from callgate.scanners.reading import TooLargeError

_log = logging.getLogger(__name__)

UNTRIED, WELL = "untried", "ok"

_COSTLY = frozenset((Reason.SCANNER_TIMEOUT, Reason.SCANNER_UNREACHABLE, Reason.SCANNER_FAILED))
_FAILURES = 3
"""So many of the costly kind, one after the other, open it."""
_MOMENT_SECONDS = 0.5
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_LONGEST_RETRY_AFTER_SECONDS = 300.0


class Breaker:
    """Asks, unless asking has failed too often; knows how the gateway did last."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`name` is the scanner's, for the log; `clock` counts seconds."""
        self._name = name
        self._clock = clock
        self._state = UNTRIED
        self._last: ScannerError | None = None
        self._failures = 0
        self._pause = _FIRST_PAUSE_SECONDS
        self._open_until: float | None = None
        self._probe: asyncio.Event | None = None
        """Set when the question is answered that finds out whether the gateway is back."""

    @property
    def state(self) -> str:
        """`untried`, `ok`, or the kind of the last failure."""
        return self._state

    async def run[T](self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what `ask` returns; raises ScannerError, without asking while open.

        Who comes while one question finds out whether the gateway is back waits a moment for
        its answer: the calls of one run come together.
        """
        if self._probe:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._probe.wait(), _MOMENT_SECONDS)
        if self._open_until is None:
            return await self._asked(ask, is_probe=False)
        self._refuse_while_open()
        self._probe = probe = asyncio.Event()
        try:
            return await self._asked(ask, is_probe=True)
        finally:
            self._probe = None
            probe.set()

    async def _asked[T](self, ask: Callable[[], Awaitable[T]], *, is_probe: bool) -> T:
        try:
            answer = await ask()
        except TooLargeError:
            # that is about the call, and says nothing about the gateway
            raise
        except ScannerError as error:
            self._failed(error, is_probe)
            raise
        self._answered(is_probe)
        return answer

    def _refuse_while_open(self) -> None:
        left = (self._open_until or 0) - self._clock()
        if self._last and (left > 0 or self._probe):
            when = f"not asked again for {left:.0f} s" if left > 0 else "being asked again now"
            raise ScannerError(self._last.kind, f"{self._last}; {when}", max(left, 0.0))

    def _failed(self, error: ScannerError, is_probe: bool) -> None:
        self._say(error.kind, f"{error}")
        is_late = self._open_until is not None and not is_probe
        if is_late:
            return
        self._last = error
        if error.kind == Reason.SCANNER_RATE_LIMITED:
            said = error.retry_after_seconds
            wanted = _FIRST_PAUSE_SECONDS if said is None else said
            self._open(min(wanted, _LONGEST_RETRY_AFTER_SECONDS))
        elif error.kind in _COSTLY:
            self._failures += 1
            if is_probe or self._failures >= _FAILURES:
                self._open(self._pause)
                self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        else:
            # it answers, and soon: there is nothing to be spared
            self._close()

    def _answered(self, is_probe: bool) -> None:
        if self._open_until is None or is_probe:
            self._close()
            self._say(WELL, "answers again")

    def _open(self, seconds: float) -> None:
        self._open_until = self._clock() + seconds

    def _close(self) -> None:
        self._failures, self._open_until, self._pause = 0, None, _FIRST_PAUSE_SECONDS

    def _say(self, state: str, text: str) -> None:
        if state != self._state and {state, self._state} != {UNTRIED, WELL}:
            level = logging.WARNING if state == WELL else logging.ERROR
            _log.log(level, "scanner %s: %s: %s", self._name, state, text)
        self._state = state
