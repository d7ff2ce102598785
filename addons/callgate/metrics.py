"""Counters of what the gate did, for Prometheus: fed by the records that it stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Info, generate_latest

from callgate import __version__
from callgate.model import Reason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REASONS = frozenset(Reason)


class Metrics:
    """Counters since this process began; every label has few values, whatever the traffic."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._decisions = self._counter(
            "decisions", "Tool calls judged for the first time.", "surface", "decision"
        )
        self._reasons = self._counter("reasons", "Why calls were not simply allowed.", "reason")
        self._deliveries = self._counter(
            "deliveries", "What apps got of calls.", "surface", "delivery"
        )
        self._results = self._counter(
            "results", "Tool results on their way to the API.", "surface", "outcome"
        )
        self._refusals = self._counter("refusals", "Requests and responses refused.", "code")
        self._uninspected = self._counter(
            "not_inspected", "Traffic of gated hosts that passed unread.", "cause"
        )
        Info("callgate", "This release.", registry=self._registry).info({"version": __version__})

    def count(self, record: Mapping[str, Any]) -> None:
        """Count one stored record of the audit log; kinds without a counter are passed over."""
        match record["kind"]:
            case "call":
                self._decisions.labels(record["surface"], record["decision"].lower()).inc()
                for reason in record.get("reasons", ()):
                    # a scanner of the network's may name reasons of its own
                    self._reasons.labels(reason if reason in _REASONS else "other").inc()
            case "delivery":
                self._deliveries.labels(record["surface"], record["delivery"]).inc()
            case "result":
                self._results.labels(record.get("surface", "unknown"), record["outcome"]).inc()
            case "refusal":
                self._refusals.labels(record["code"]).inc()
            case "coverage":
                self._uninspected.labels(record["cause"]).inc()

    def text(self) -> bytes:
        """Everything, in Prometheus' text format of `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(f"callgate_{name}", help, labels, registry=self._registry)
