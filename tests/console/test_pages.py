from __future__ import annotations

import re

import pytest

from callgate.audit.record import coverage_record, delivery_record, refusal_record
from callgate.exchange import ApiError
from callgate.model import Effect, Mode
from tests.console.seat import Seat, judged
from tests.fakes import MemoryStore
from tests.samples import decided, pending, tool_call


def tools(text: str) -> list[str]:
    return re.findall(r'<a href="/calls/[^"]+">([^<]+)</a> <span class="snippet"', text)


async def fill(store: MemoryStore) -> None:
    await judged(
        store,
        decided(Effect.ALLOW, tool_call("1", name="look")),
        decided(Effect.DENY, tool_call("2", name="wipe", scope="thread_2/run_1")),
        pending(tool_call("3", name="pay", arguments='{"amount":5000}')),
    )


async def test_first_page_says_what_to_do_next(seat: Seat) -> None:
    text = await seat.text("/")

    assert "No tool call yet" in text
    assert "callgate run" in text


async def test_activity_lists_calls_newest_first(seat: Seat, store: MemoryStore) -> None:
    await fill(store)
    text = await seat.text("/")

    assert tools(text) == ["pay", "wipe", "look"]
    assert "waiting" in text
    assert '<span class="count">1<' in text
    assert "SECRET_DETECTED" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tool=WIPE", ["wipe"]),
        ("decision=ALLOW", ["look"]),
        ("thread=thread_2", ["wipe"]),
        ("reason=secret_detected", ["pay", "wipe", "look"]),
        ("agent=kim&tool=pay", ["pay"]),
        ("assistant=asst_1&surface=assistants", ["pay", "wipe", "look"]),
        ("q=amount", ["pay"]),
        ("agent=nobody", []),
        ("span=day&before=3", ["wipe", "look"]),
    ],
)
async def test_filters_narrow_the_list(
    seat: Seat, store: MemoryStore, query: str, found: list[str]
) -> None:
    await fill(store)
    text = await seat.text(f"/?{query}")

    assert tools(text) == found
    assert ("No call matches" in text) is not bool(found)


async def test_filters_stay_in_their_fields_and_older_pages_keep_them(
    seat: Seat, store: MemoryStore
) -> None:
    await judged(store, *(decided(Effect.ALLOW, tool_call(str(n), name="look")) for n in range(60)))
    text = await seat.text('/?tool=look&q="hello"')

    assert 'name="tool" value="look"' in text
    assert 'value="&#34;hello&#34;"' in text
    [older] = re.findall(r'href="\?([^"]+)" rel="next"', text)
    assert len(tools(await seat.text("/?" + older.replace("&amp;", "&")))) == 10


async def test_call_tells_everything(seat: Seat, store: MemoryStore) -> None:
    decision = decided(Effect.DENY, secret="AKIA" + "IOSFODNN7EXAMPLE")
    await judged(store, decision)
    await store.append(
        [
            delivery_record(decision, "withheld", Mode.WITHHOLD),
            refusal_record(
                ApiError(
                    status=403,
                    code="tool_call_denied",
                    message="no",
                    param="tool_outputs[0].output",
                ),
                "POST",
                "/v1/x",
                Mode.WITHHOLD,
                decision=decision,
            ),
        ]
    )
    text = await seat.text(f"/calls/{decision.trace}")

    for said in (
        "[REDACTED:AWS_ACCESS_KEY]",
        "a key in $.text",
        "90 %",
        "thread_1",
        "withheld from the app",
        "tool_call_denied",
        "tool_outputs[0].output",
        "0.90 critical",
        f"Tool call blocked by Callgate: SECRET_DETECTED (trace {decision.trace})",
        "asst_1",
    ):
        assert said in text, said
    assert "IOSFODNN7" not in text


async def test_call_that_waits_leads_to_its_approval(seat: Seat, store: MemoryStore) -> None:
    asked = pending()
    await judged(store, asked)
    assert asked.approval

    assert f'href="/approvals/{asked.approval.id}"' in await seat.text(f"/calls/{asked.trace}")


async def test_unknown_call_is_not_found(seat: Seat) -> None:
    assert "No such call" in await seat.text("/calls/%3Cscript%3E", 404)


async def test_path_that_leads_nowhere_is_a_page_that_leads_back(seat: Seat) -> None:
    text = await seat.text("/activity/today", 404)
    assert "No such page" in text
    assert "another store" not in text


async def test_coverage_tells_what_was_and_was_not_looked_at(
    seat: Seat, store: MemoryStore
) -> None:
    assert "No scanner was asked" in await seat.text("/coverage")
    await fill(store)
    await store.append(
        [coverage_record("endpoint", "nobody knows this path", "POST", "/v1/odd?key=1")]
    )
    text = await seat.text("/coverage")

    assert "nobody knows this path" in text
    assert "/v1/odd" in text
    assert "local" in text
    assert re.search(r'<td>assistants</td><td class="num sum">3</td>', text)


async def test_agents_are_told_apart(seat: Seat, store: MemoryStore) -> None:
    assert "No agent has called yet" in await seat.text("/agents")
    await fill(store)
    text = await seat.text("/agents")

    assert 'href="/?agent=kim"' in text
    assert "<code>look</code>" in text
    assert '<td class="num is-denied" data-label="denied">1</td>' in text
