from __future__ import annotations

from datetime import timedelta

import pytest

from callgate.canonical import Json
from callgate.console import tally as tally_module
from callgate.console.tally import DAY, OTHERS, Counts, Tally, Times
from tests.fakes import FakeClock, MemoryStore
from tests.samples import NOON


def call(decision: str = "ALLOW", **more: Json) -> dict[str, Json]:
    verdict: dict[str, Json] = {"scanner": "local", "effect": decision, "took_ms": 2.0}
    return {
        "kind": "call",
        "surface": "chat",
        "decision": decision,
        "agent": "kim",
        "tool": "pay",
        "verdicts": [{**verdict, "rule": "shop/pay (f:1)"}],
        **more,
    }


@pytest.fixture
def tally(store: MemoryStore, clock: FakeClock) -> Tally:
    return Tally(store, clock)


async def test_records_are_counted_once_whenever_they_come(
    tally: Tally, store: MemoryStore
) -> None:
    await store.append([call(), call("DENY")])
    await tally.refresh()
    await tally.refresh()
    await store.append([call("DENY")])
    await tally.refresh()

    total = tally.total()
    assert total.decisions == {"ALLOW": 1, "DENY": 2}
    assert total.surfaces["chat", "DENY"] == 2
    assert total.rules["shop/pay (f:1)", "DENY"] == 2
    assert total.agents["kim", "ALLOW"] == 1
    assert total.tools["kim", "pay"] == 3
    assert tally.last_seen("kim") == NOON
    assert tally.last_seen("robin") is None


async def test_what_is_older_than_a_day_is_left_out_and_forgotten(
    tally: Tally, store: MemoryStore, clock: FakeClock
) -> None:
    await store.append([call()])
    clock.advance(DAY.total_seconds() + 60)
    await store.append([call("DENY")])
    await tally.refresh()
    assert tally.total().decisions == {"DENY": 1}

    clock.advance(DAY.total_seconds() + 60)
    await tally.refresh()

    assert tally.total().decisions == {}
    assert tally._minutes == {}


async def test_reading_of_the_past_is_bounded(
    tally: Tally, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_module, "MOST_READ", 3)
    await store.append([call() for _ in range(10)])
    await tally.refresh()

    assert tally.total().decisions == {"ALLOW": 3}


async def test_series_has_equal_parts_up_to_now(
    tally: Tally, store: MemoryStore, clock: FakeClock
) -> None:
    await store.append([call()])
    clock.advance(90 * 60)
    await store.append([call("DENY")])
    await tally.refresh()

    parts = tally.series(timedelta(hours=2), 4)

    counted = [(f"{begin:%H:%M}", dict(counts.decisions)) for begin, counts in parts]
    assert counted == [
        ("12:00", {"ALLOW": 1}),
        ("12:30", {}),
        ("13:00", {}),
        ("13:30", {"DENY": 1}),
    ]
    assert tally.total(timedelta(minutes=30)).decisions == {"DENY": 1}


def test_every_kind_of_record_is_counted_or_passed_over() -> None:
    counts = Counts()
    for record in (
        {"kind": "delivery", "surface": "chat", "delivery": "withheld"},
        {"kind": "result", "surface": "chat", "outcome": "refused"},
        {"kind": "result", "outcome": "refused"},
        {"kind": "coverage", "cause": "body"},
        {"kind": "coverage"},
        {"kind": "refusal", "code": "tool_call_denied"},
        {"kind": "start"},
    ):
        counts.count(record)

    assert counts.surfaces == {
        ("chat", "withheld"): 1,
        ("chat", "result refused"): 1,
        ("", "result refused"): 1,
    }
    assert counts.causes == {"body": 1, "": 1}
    assert counts.refusals == {"tool_call_denied": 1}


def test_scanners_health_is_told_by_their_verdicts() -> None:
    counts = Counts()
    failed: Json = {"scanner": "aegis", "effect": "DENY", "reasons": ["SCANNER_UNAVAILABLE"]}
    well: Json = {"scanner": "local", "effect": "ALLOW", "took_ms": 4.0}
    slow: Json = {"scanner": "aegis", "effect": "ALLOW", "took_ms": 300.0}
    counts.count(call(verdicts=[well, slow]))
    counts.count(call(verdicts=[well, failed]))

    assert counts.asked == {"local": 2, "aegis": 2}
    assert (counts.failed["local"], counts.failed["aegis"]) == (0, 1)
    assert counts.took["aegis"].quantile(0.5) == pytest.approx(300, rel=0.11)
    assert counts.took[""].quantile(0.95) == pytest.approx(300, rel=0.11)


def test_made_up_names_do_not_fill_memory() -> None:
    counts = Counts()
    for number in range(800):
        counts.count(call(agent=f"agent {number}"))
    counts.count(call(agent="agent 1"))

    assert len(counts.agents) == 501
    assert counts.agents[OTHERS, OTHERS] == 300
    assert counts.agents["agent 1", "ALLOW"] == 2


def test_quantiles_are_right_to_ten_percent() -> None:
    times = Times()
    assert times.quantile(0.5) is None
    for ms in range(1, 1001):
        times.add(ms)
    times.add(0)

    for share in (0.01, 0.5, 0.95, 1.0):
        assert times.quantile(share) == pytest.approx(1000 * share, rel=0.11)
