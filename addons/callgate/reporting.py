"""Results of allowed calls, told to the gateways that judged them; nothing waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from callgate.audit import record
from callgate.errors import ScannerError, StoreError
from callgate.gate import Gate
from callgate.model import Decision, Verdict
from callgate.scanners.base import Classification, Classifier

_log = logging.getLogger(__name__)

_MOST_WAITING = 1000
_AT_ONCE = 4
_STATUS = 200
"""A result that comes by is what the app got for its call, and gives on."""


class Reports:
    """Tells, in the background, and records what the gateways saw."""

    def __init__(self, gate: Gate, classifiers: Mapping[str, Classifier]) -> None:
        """`classifiers` by the names that their verdicts carry."""
        self._gate = gate
        self._classifiers = classifiers
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, decision: Decision, body: object) -> None:
        """Report a result that has passed; returns at once."""
        for verdict in decision.verdicts:
            if verdict.is_final and verdict.scanner in self._classifiers:
                if len(self._tasks) >= _MOST_WAITING:
                    _log.error("scanner %s: too many results wait to be told", verdict.scanner)
                    return
                task = asyncio.ensure_future(self._tell(decision, verdict, body))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up on what still waits."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, decision: Decision, verdict: Verdict, body: object) -> None:
        found, why = Classification(()), ""
        try:
            async with self._at_once:
                found = await self._classifiers[verdict.scanner].classify(
                    verdict.trace, body, _STATUS
                )
        except ScannerError as error:
            _log.warning("scanner %s: result: %s: %s", verdict.scanner, error.kind, error)
            why = f"{error.kind}: {error}"
        try:
            await self._gate.append(
                [
                    record.classification_record(
                        decision,
                        verdict.scanner,
                        self._gate.mode,
                        classes=found.classes,
                        redacted=found.redacted,
                        fingerprint=found.fingerprint,
                        why=why,
                    )
                ]
            )
        except StoreError as error:
            _log.error("store: %s", error)
