from __future__ import annotations

import json

import httpx
import pytest

from callgate.annotation import notice
from callgate.console.app import application
from callgate.console.parts import Parts
from callgate.errors import StoreError
from callgate.model import Decision, Effect
from tests.console.seat import judged
from tests.fakes import FakeClock, MemoryStore
from tests.samples import decided, pending, tool_call


async def ask(store: MemoryStore) -> tuple[str, Decision]:
    asked = pending(tool_call(name="refund_order"))
    await judged(store, asked)
    assert asked.approval
    return f"/api/approvals/{asked.approval.id}", asked


async def test_calls_are_listed_filtered_and_paged(
    api: httpx.AsyncClient, store: MemoryStore
) -> None:
    await judged(store, *(decided(Effect.DENY, tool_call(str(n))) for n in range(5)))
    await judged(store, decided(Effect.ALLOW, tool_call("look", name="look")))

    first = (await api.get("/api/calls?decision=deny&limit=3")).json()
    second = (await api.get(f"/api/calls?decision=deny&before={first['older']}")).json()

    assert [call["call"] for call in first["calls"]] == ["4", "3", "2"]
    assert [call["call"] for call in second["calls"]] == ["1", "0"]
    assert second["older"] is None


async def test_call_has_its_notice_and_history(api: httpx.AsyncClient, store: MemoryStore) -> None:
    decision = decided(Effect.DENY)
    await judged(store, decision)

    found = (await api.get(f"/api/calls/{decision.trace}")).json()

    assert found["notice"] == notice(decision)
    assert (found["effect"], found["tool"], found["history"]) == ("DENY", "send_message", [])
    nowhere = await api.get("/api/call")
    assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (404, "no_such_path")
    missing = await api.get("/api/calls/unknown")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "no_such_call")


@pytest.mark.parametrize(("answer", "state"), [("approve", "approved"), ("deny", "denied")])
async def test_approval_is_answered_in_the_name_of_the_token_s_owner(
    api: httpx.AsyncClient, store: MemoryStore, answer: str, state: str
) -> None:
    path, asked = await ask(store)
    assert (await api.get("/api/approvals")).json()["approvals"][0]["state"] == "pending"

    done = await api.post(path, json={"answer": answer, "note": "fine"})

    assert done.status_code == 200
    assert done.json() == (await api.get(path)).json()
    assert (done.json()["state"], done.json()["decided_by"]) == (state, "kim")
    [recorded] = await store.records(filters={"kind": "approval"})
    assert (recorded["by"], recorded["note"]) == ("kim", "fine")
    assert (await api.get("/api/approvals")).json() == {"approvals": []}
    assert len((await api.get(f"/api/approvals?state={state}")).json()["approvals"]) == 1
    assert len((await api.get("/api/approvals?state=all")).json()["approvals"]) == 1
    assert (await api.get(f"/api/calls/{asked.trace}")).json()["state"] == state
    again = await api.post(path, json={"answer": "approve"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not_open")


async def test_approval_may_be_good_for_minutes(api: httpx.AsyncClient, store: MemoryStore) -> None:
    path, _ = await ask(store)

    done = await api.post(path, json={"answer": "approve", "minutes": 5})

    assert done.json()["good_until"] == "2030-01-01T12:05:00.000000Z"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"answer":"approve","answer":"deny"}', 400),
        (b'{"answer":"perhaps"}', 400),
        (b'{"answer":"approve","minutes":true}', 400),
        (b'{"answer":"approve","minutes":"5"}', 400),
        (b'{"answer":"approve","note":1}', 400),
        (b'{"answer":"approve","minutes":99999}', 409),
        (b'{"note":"' + b"x" * 70_000 + b'"}', 413),
    ],
)
async def test_answer_that_is_none_changes_nothing(
    api: httpx.AsyncClient, store: MemoryStore, body: bytes, status: int
) -> None:
    path, _ = await ask(store)

    answer = await api.post(path, content=body)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    [item] = await store.approvals()
    assert item.approval.state == "pending"


@pytest.mark.parametrize(
    "path",
    [
        "/api/calls?limit=0",
        "/api/calls?limit=x",
        "/api/calls?limit=501",
        "/api/approvals?state=open",
    ],
)
async def test_wrong_parameters_are_said(api: httpx.AsyncClient, path: str) -> None:
    assert (await api.get(path)).status_code == 400


async def test_unknown_approval_is_not_found(api: httpx.AsyncClient) -> None:
    for answer in (
        await api.get("/api/approvals/apr_1"),
        await api.post("/api/approvals/apr_1", json={"answer": "deny"}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_such_approval")


@pytest.mark.parametrize(
    "header", ["", "Basic x", "Bearer", "Bearer wrong", "bearer", "Bearer \udcff"]
)
async def test_others_are_told_nothing(
    client: httpx.AsyncClient, store: MemoryStore, header: str
) -> None:
    path, _ = await ask(store)
    headers = {b"authorization": header.encode("utf-8", "surrogateescape")}

    for answer in (
        await client.get("/api/calls", headers=headers),
        await client.post(path, json={"answer": "approve"}, headers=headers),
    ):
        assert answer.status_code == 401
        assert set(answer.json()) == {"error"}


async def test_cookie_of_a_session_is_no_token(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    path, _ = await ask(store)
    await client.post("/sign-in", data={"token": "token-of-kim-" + "0123456789"})

    assert (await client.post(path, json={"answer": "approve"})).status_code == 401


async def test_store_that_does_not_answer_is_said(
    api: httpx.AsyncClient, store: MemoryStore
) -> None:
    store.failure = StoreError("the disk is full")

    answer = await api.get("/api/calls")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")


async def test_odd_names_stay_json(api: httpx.AsyncClient, store: MemoryStore) -> None:
    odd = "a\ud800\x00\u2028"
    await judged(store, pending(tool_call(name=odd, arguments=json.dumps({odd: odd}))))

    [item] = (await api.get("/api/approvals")).json()["approvals"]

    assert item["tool"] == odd


async def test_wrong_tokens_are_counted(client: httpx.AsyncClient, clock: FakeClock) -> None:
    wrong = {"authorization": "Bearer wrong"}
    for _ in range(10):
        assert (await client.get("/api/calls", headers=wrong)).status_code == 401

    answer = await client.get("/api/calls", headers=wrong)

    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_guesses")
    clock.advance(6)
    assert (await client.get("/api/calls", headers=wrong)).status_code == 401


async def test_counters_are_for_operators_where_others_come_from_elsewhere(parts: Parts) -> None:
    transport = httpx.ASGITransport(application(parts), client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        refused = await client.get("/metrics")
        token = {"authorization": "Bearer token-of-kim-" + "0123456789"}
        told = await client.get("/metrics", headers=token)

    assert refused.json()["error"]["code"] == "not_signed_in"
    assert told.status_code == 200
