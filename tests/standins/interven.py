"""Interven's gateway as its SDK sees it (`aif_sdk/scan.py`, `types.py`): HTTP and Bearer keys.

`python -m tests.standins.interven SECONDS` serves one that allows every call after that long,
and prints its port.
"""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Mapping
from typing import Any, Self

from tests.standins.gateway import Asked, Reply, StandIn

KEY = "iv_" + "live_" + "test"


class IntervenGateway:
    """Decides by the `url` of a scan, or by what stands in its body; keeps approvals.

    A decision is the JSON that `/v1/scan` answers with; `trace_id` and ids are added.
    """

    def __init__(self, *, latency_seconds: float = 0, port: int = 0) -> None:
        self.http = StandIn(self._answer, latency_seconds=latency_seconds, port=port)
        self.decisions: dict[str, Mapping[str, Any]] = {}
        """What to decide, by a piece of the URL; everything else is allowed."""
        self.fault: Reply | None = None
        """Answers every scan instead."""
        self.approvals: dict[str, str] = {}
        """Status by approval id."""
        self.too_often: list[str] = []
        """Approvals that were asked for more than once in two seconds."""
        self.classes: list[str] = []
        """What it sees in every result."""
        self._polled: dict[str, float] = {}
        self._urls: dict[str, str] = {}
        self._granted: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.__exit__()

    @property
    def url(self) -> str:
        return self.http.url

    @property
    def environment(self) -> dict[str, str]:
        return {"INTERVEN_API_KEY": KEY, "INTERVEN_GATEWAY_URL": self.url}

    @property
    def scans(self) -> list[Asked]:
        return self.http.to("/v1/scan")

    @property
    def results(self) -> list[Asked]:
        return self.http.to("/v1/scan/response")

    def decide(self, id: str, status: str) -> None:
        """A person answers at the gateway."""
        self.approvals[id] = status

    def _answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return Reply(401, {"error": "invalid key"})
        with self._lock:
            match asked.method, asked.path:
                case "POST", "/v1/scan":
                    return self.fault or Reply(body=self._scan(asked.body))
                case "POST", "/v1/scan/response":
                    return self._classify(asked.body)
                case "GET", path if path.startswith("/v1/approvals/") and path.endswith("/status"):
                    return self._status(path.split("/")[3], asked.at)
        return Reply(404, {"error": "not found"})

    def _scan(self, question: Mapping[str, Any]) -> dict[str, Any]:
        said = next(
            (d for piece, d in self.decisions.items() if piece in question["url"]),
            {"decision": "ALLOW", "risk_score": 0.1, "risk_band": "LOW", "reason_codes": []},
        )
        answer = {"trace_id": str(uuid.uuid4()), **said}
        if said.get("decision") == "REQUIRE_APPROVAL":
            if question["url"] in self._granted:
                granted = {"decision": "ALLOW", "reason_codes": ["RECENT_APPROVAL_GRANT"]}
                return {**answer, **granted, "approval_id": None}
            id = answer.setdefault("approval_id", f"appr-{uuid.uuid4().hex[:12]}")
            self.approvals[id] = "pending"
            answer.setdefault("approval_url", f"https://app.example/approvals/{id}")
            self._urls[id] = question["url"]
        return answer

    def _status(self, id: str, at: float) -> Reply:
        if id not in self.approvals:
            return Reply(404, {"error": "no such approval"})
        if at - self._polled.get(id, at - 2) < 2:
            self.too_often.append(id)
            return Reply(429, {"error": "too often"}, {"Retry-After": "2"})
        self._polled[id] = at
        status = self.approvals[id]
        if status == "approved":
            self._granted.add(self._urls[id])
        return Reply(body={"approval_id": id, "status": status, "remaining_seconds": 3600})

    def _classify(self, question: Mapping[str, Any]) -> Reply:
        return Reply(
            body={
                "trace_id": question["trace_id"],
                "data_classes": self.classes,
                "fields_redacted_count": len(self.classes),
                "content_fingerprint": "sha256:0123",
            }
        )


if __name__ == "__main__":
    with IntervenGateway(latency_seconds=float(sys.argv[1])) as gateway:
        sys.stdout.write(f"{gateway.http.port}\n")
        sys.stdout.flush()
        threading.Event().wait()
