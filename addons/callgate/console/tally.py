"""What happened in the last day, counted minute by minute from the records.

The records of the store are read once each, whichever proxy wrote them, and only when
somebody looks.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from callgate.model import Reason
from callgate.store.base import Record, Store

DAY = timedelta(days=1)
MOST_READ = 50_000
"""Records read of the past when the first page is looked at."""

_BATCH = 500
_STEP = 1.1
_MOST_KEYS = 500
OTHERS = "(others)"


class Times:
    """Durations in classes that are 10 % wide."""

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()

    def add(self, ms: float) -> None:
        """Count one, in milliseconds."""
        self._classes[math.ceil(math.log(max(ms, 0.1), _STEP))] += 1

    def join(self, other: Times) -> None:
        """Count the other's too."""
        self._classes.update(other._classes)

    def quantile(self, share: float) -> float | None:
        """The duration that this share of all did not exceed; None where there are none."""
        wanted = share * self._classes.total()
        for number, count in sorted(self._classes.items()):
            wanted -= count
            if wanted <= 1e-9:
                return float(_STEP**number)
        return None


@dataclass(slots=True)
class Counts:
    """Everything counted of some minutes."""

    decisions: Counter[str] = field(default_factory=Counter)
    surfaces: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By surface and what was decided or delivered."""
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By rule and the effect of the verdict it was part of."""
    agents: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By agent and decision."""
    tools: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By agent and tool."""
    causes: Counter[str] = field(default_factory=Counter)
    """Why something was not inspected."""
    refusals: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    """By scanner."""
    failed: Counter[str] = field(default_factory=Counter)
    took: dict[str, Times] = field(default_factory=dict)
    """By scanner; under the empty name, whole calls."""

    def join(self, other: Counts) -> None:
        """Count the other's too."""
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for scanner, times in other.took.items():
            self.took.setdefault(scanner, Times()).join(times)

    def count(self, record: Mapping[str, Any]) -> None:
        """Count one record."""
        match record["kind"]:
            case "call":
                self._count_call(record)
            case "delivery":
                self.surfaces[record["surface"], record["delivery"]] += 1
            case "result":
                self.surfaces[record.get("surface", ""), f"result {record['outcome']}"] += 1
            case "coverage":
                self.causes[record.get("cause", "")] += 1
            case "refusal":
                self.refusals[record["code"]] += 1

    def _count_call(self, record: Mapping[str, Any]) -> None:
        decision = record["decision"]
        self.decisions[decision] += 1
        self.surfaces[record["surface"], decision] += 1
        agent = record.get("agent", "")
        _bounded(self.agents, agent, decision)
        _bounded(self.tools, agent, record.get("tool", ""))
        slowest = 0.0
        for verdict in record.get("verdicts", ()):
            scanner, took = verdict["scanner"], verdict.get("took_ms", 0.0)
            self.asked[scanner] += 1
            self.failed[scanner] += Reason.SCANNER_UNAVAILABLE in verdict.get("reasons", ())
            if rule := verdict.get("rule"):
                _bounded(self.rules, rule, verdict["effect"])
            if took:
                self.took.setdefault(scanner, Times()).add(took)
                slowest = max(slowest, took)
        if slowest:
            self.took.setdefault("", Times()).add(slowest)


_COUNTERS = (
    "decisions",
    "surfaces",
    "rules",
    "agents",
    "tools",
    "causes",
    "refusals",
    "asked",
    "failed",
)


def _bounded(counter: Counter[tuple[str, str]], key: str, value: str) -> None:
    """Names come from models: however many they make up, memory stays small."""
    is_known = (key, value) in counter or len(counter) < _MOST_KEYS
    counter[(key, value) if is_known else (OTHERS, OTHERS)] += 1


class Tally:
    """Counts by minute, of at most a day."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._minutes: dict[datetime, Counts] = {}
        self._seq: int | None = None
        self._last_seen: dict[str, datetime] = {}
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Read what is new in the store; raises StoreError."""
        async with self._lock:
            oldest = self._clock() - DAY
            if self._seq is None:
                latest = await self._store.latest()
                self._seq = max(await self._store.latest(oldest), latest - MOST_READ)
            while records := await self._store.newer(self._seq, _BATCH):
                self._count(records)
                self._seq = int(str(records[-1]["seq"]))
            for minute in [minute for minute in self._minutes if minute < oldest]:
                del self._minutes[minute]

    def total(self, since: timedelta = DAY) -> Counts:
        """Everything of the last hours put together."""
        begin, total = self._clock() - since, Counts()
        for minute, counts in self._minutes.items():
            if minute >= begin:
                total.join(counts)
        return total

    def series(self, since: timedelta, parts: int) -> Sequence[tuple[datetime, Counts]]:
        """The last hours in equal parts, oldest first, each with its beginning."""
        width = since / parts
        seconds = width.total_seconds()
        now = self._clock()
        end = now - timedelta(seconds=now.timestamp() % seconds) + width
        begins = [end - width * (parts - number) for number in range(parts)]
        found = [Counts() for _ in begins]
        for minute, counts in self._minutes.items():
            number = int((minute - begins[0]) / width)
            if begins[0] <= minute < end:
                found[number].join(counts)
        return list(zip(begins, found, strict=True))

    def last_seen(self, agent: str) -> datetime | None:
        """When an agent last made a call."""
        return self._last_seen.get(agent)

    def _count(self, records: Iterable[Record]) -> None:
        for record in records:
            at = datetime.fromisoformat(str(record["at"]))
            minute = at.replace(second=0, microsecond=0)
            self._minutes.setdefault(minute, Counts()).count(record)
            agent = str(record.get("agent", ""))
            is_known = agent in self._last_seen or len(self._last_seen) < _MOST_KEYS
            if record["kind"] == "call" and is_known:
                self._last_seen[agent] = at
