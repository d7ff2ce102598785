"""Results told to gateways: in the background, and what came of it in the record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from callgate import reporting
from callgate.errors import ScannerError, StoreError
from callgate.model import Decision, Effect, Reason, Verdict
from callgate.reporting import Reports
from callgate.scanners.base import Classification
from tests.deciding import Bench, bench
from tests.samples import decided


class FakeClassifier:
    name = "interven"

    def __init__(self) -> None:
        self.told: list[tuple[str, object, int]] = []
        self.error: ScannerError | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.at_once = self.most_at_once = 0

    async def classify(self, trace: str, body: object, status: int) -> Classification:
        self.told.append((trace, body, status))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_answer.wait()
        self.at_once -= 1
        if self.error:
            raise self.error
        return Classification(["PII"], 1, "sha256:1")


def let_through(trace: str = "theirs", *, is_final: bool = True) -> Decision:
    verdicts = (
        Verdict("local", Effect.ALLOW, trace="ours"),
        Verdict("interven", Effect.ALLOW, trace=trace, is_final=is_final),
    )
    return replace(decided(Effect.ALLOW), verdicts=verdicts)


@pytest.fixture
def at() -> Bench:
    return bench()


@pytest.fixture
def gateway() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
async def reports(at: Bench, gateway: FakeClassifier) -> AsyncIterator[Reports]:
    made = Reports(at.gate, {"interven": gateway})
    yield made
    await made.close()


async def turns(count: int = 30) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_result_is_told_under_the_scanners_own_trace_and_recorded(
    reports: Reports, gateway: FakeClassifier, at: Bench
) -> None:
    decision = let_through()
    reports.tell(decision, {"mail": "x"})
    assert gateway.told == []
    await turns()

    assert gateway.told == [("theirs", {"mail": "x"}, 200)]
    (record,) = await at.records("classification")
    assert (record["trace"], record["scanner"]) == (decision.trace, "interven")
    assert (record["classes"], record["redacted"]) == (["PII"], 1)
    assert record["fingerprint"] == "sha256:1"
    assert "why" not in record


async def test_who_did_not_judge_the_call_is_not_told(
    reports: Reports, gateway: FakeClassifier
) -> None:
    reports.tell(decided(Effect.ALLOW), "x")
    reports.tell(let_through(is_final=False), "x")
    await turns()

    assert gateway.told == []


async def test_gateway_that_fails_is_recorded(
    reports: Reports, gateway: FakeClassifier, at: Bench
) -> None:
    gateway.error = ScannerError(Reason.SCANNER_TIMEOUT, "did not answer in time")
    reports.tell(let_through(), "x")
    await turns()

    (record,) = await at.records("classification")
    assert record["why"] == "SCANNER_TIMEOUT: did not answer in time"
    assert "classes" not in record


async def test_store_that_fails_harms_nobody(
    reports: Reports, at: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    at.store.failure = StoreError("down")  # type: ignore[attr-defined]
    reports.tell(let_through(), "x")
    await turns()

    assert "store: down" in caplog.text


async def test_few_are_told_at_once_and_not_for_ever(
    reports: Reports,
    gateway: FakeClassifier,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(reporting, "_MOST_WAITING", 6)
    gateway.may_answer.clear()
    for _ in range(8):
        reports.tell(let_through(), "x")
    await turns()
    assert len(gateway.told) == gateway.most_at_once == 4
    gateway.may_answer.set()
    await turns(100)

    assert len(gateway.told) == 6
    assert "scanner interven: too many results wait to be told" in caplog.text


async def test_closing_gives_up(reports: Reports, gateway: FakeClassifier, at: Bench) -> None:
    gateway.may_answer.clear()
    reports.tell(let_through(), "x")
    await turns()
    await reports.close()

    assert await at.records("classification") == []
