"""Notices submitted once, with the app's credentials, and never over the API's objection."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from callgate import settlement as settlement_module
from callgate.annotation import notice
from callgate.canonical import Json
from callgate.errors import StoreError, UpstreamError
from callgate.exchange import Request, Response
from callgate.lookup import Lookup
from callgate.model import Decision, Mode
from callgate.settlement import Settlement
from callgate.turns import notices
from tests.deciding import (
    KEY,
    RUN,
    THREAD,
    Api,
    Bench,
    ScriptedScanner,
    asked,
    at,
    bench,
    call,
    failing,
    reply,
    tool,
)

SCOPE = f"{THREAD}/{RUN}"
WIPE = [tool("wipe")]


class Case:
    """One run whose call is denied."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.bench: Bench = bench(mode=Mode.WITHHOLD, api=api)
        self.settlement = Settlement(self.bench.gate, Lookup(api), api)
        self.denied: list[Decision] = []

    async def settle(self) -> dict[str, Json] | None:
        self.denied = await self.bench.gate.decide([call("wipe")])
        return await self.settlement.settle(at(asked()), asked(), SCOPE, self.denied)


async def test_notices_are_submitted_as_the_app_and_the_run_moves_on() -> None:
    case = Case(Api(WIPE))
    run = await case.settle()

    assert run is not None
    assert run["status"] == "queued"
    assert case.api.submitted == [notices(case.denied)] == [{"call_1": notice(case.denied[0])}]
    assert KEY in case.api.sent[0].headers
    kinds = [(r["kind"], r.get("delivery") or r.get("outcome")) for r in await case.bench.records()]
    assert kinds == [("call", None), ("delivery", "withheld"), ("result", "added")]


@pytest.mark.parametrize("names_calls", [True, False])
async def test_concurrent_polls_submit_once(names_calls: bool) -> None:
    async def slow(_: Request) -> None:
        await asyncio.sleep(0.01)

    case = Case(Api(WIPE, names_calls=names_calls))
    case.api.intercept = slow

    runs = await asyncio.gather(*(case.settle() for _ in range(20)))

    assert case.api.submits == 1
    assert {run and str(run["status"]) for run in runs} == {"queued"}
    assert len(await case.bench.records("result")) == 1


async def test_late_poll_of_what_has_been_answered_does_not_submit_again() -> None:
    case = Case(Api(WIPE))
    await case.settle()

    run = await case.settle()

    assert run is not None
    assert case.api.submits == 1


async def test_same_call_asked_again_is_answered_again() -> None:
    case = Case(Api(WIPE, WIPE))

    assert await case.settle() is None
    run = await case.settle()

    assert run is not None
    assert case.api.submits == 2


async def test_refused_notices_are_looked_after_and_not_repeated() -> None:
    case = Case(Api(WIPE))
    case.api.intercept = failing(400, "submit_tool_outputs")

    assert await case.settle() is None
    assert [request.method for request in case.api.sent] == ["POST", "GET"]
    assert await case.bench.records("result") == []


async def test_run_that_somebody_else_answered_is_shown_as_it_is_now() -> None:
    case = Case(Api())
    run = await case.settle()

    assert run is not None
    assert run["status"] == "queued"


@pytest.mark.parametrize("status", [0, 401, 500])
async def test_api_that_does_not_answer_changes_nothing(status: int) -> None:
    case = Case(Api(WIPE))
    case.api.intercept = failing(status)

    assert await case.settle() is None
    case.api.intercept = None
    assert await case.settle() is not None


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"required_action":{"tool_calls":7}}'])
async def test_answer_that_is_no_run_shows_nothing_but_what_was_done_is_recorded(
    body: bytes,
) -> None:
    async def garbage(request: Request) -> Response | None:
        return Response(200, (), body)

    case = Case(Api(WIPE))
    case.api.intercept = garbage

    assert await case.settle() is None
    assert len(await case.bench.records("result")) == 1


async def test_run_that_waits_without_naming_its_calls_is_asked_for_them() -> None:
    async def always_waits(request: Request) -> Response | None:
        if request.method == "GET":
            return None
        return reply({"id": RUN, "thread_id": THREAD, "status": "requires_action"})

    case = Case(Api(WIPE, names_calls=False))
    case.api.intercept = always_waits

    assert await case.settle() is None


async def test_what_can_not_be_recorded_is_not_submitted() -> None:
    case = Case(Api(WIPE))
    denied = await case.bench.gate.decide([call("wipe")])
    case.bench.store.failure = StoreError("full")  # type: ignore[attr-defined]

    with pytest.raises(StoreError):
        await case.settlement.settle(at(asked()), asked(), SCOPE, denied)
    assert case.api.sent == []


async def test_cancelled_poll_leaves_the_run_to_the_next() -> None:
    case = Case(Api(WIPE))
    first = asyncio.ensure_future(case.settle())
    second = asyncio.ensure_future(case.settle())
    await asyncio.sleep(0)
    first.cancel()

    async with asyncio.timeout(30):
        assert await second is not None


async def test_memory_of_settled_turns_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement_module, "_REMEMBERED", 1)
    case = Case(Api(WIPE, WIPE))
    await case.settle()
    first = list(case.settlement._settled)
    decisions = await case.bench.gate.decide([call("wipe", arguments="{}", id="call_2")])
    case.api.rounds = [[tool("wipe", "call_2", "{}")]]
    await case.settlement.settle(at(asked()), asked(), SCOPE, decisions)

    assert len(case.settlement._settled) == 1
    assert list(case.settlement._settled) != first


async def test_run_goes_on_in_a_stream_when_it_was_streamed() -> None:
    case = Case(Api(WIPE))
    case.denied = await case.bench.gate.decide([call("wipe")])
    asking = asked("POST")
    async with case.settlement.continued(at(asking), asking, SCOPE, case.denied) as chunks:
        raw = b"".join([chunk async for chunk in chunks])
    assert raw.endswith(b"[DONE]\n\n")
    assert case.api.submitted == [notices(case.denied)]
    assert b'"stream":true' in case.api.sent[-1].body
    kinds = [(r["kind"], r.get("delivery") or r.get("outcome")) for r in await case.bench.records()]
    assert kinds[-2:] == [("delivery", "withheld"), ("result", "added")]


async def test_stream_that_the_api_does_not_open_is_an_error() -> None:
    case = Case(Api(WIPE))
    case.api.intercept = failing(400)
    case.denied = await case.bench.gate.decide([call("wipe")])
    with pytest.raises(UpstreamError):
        async with case.settlement.continued(at(asked()), asked(), SCOPE, case.denied):
            pass
    assert "added" not in [r.get("outcome") for r in await case.bench.records()]


# -- call by call ---------------------------------------------------------------------------

SESSION_PATH = "/v1/agents/sessions/sess_1"


class EachCase:
    """A session that waits for one denied call; its API answers with `statuses`, then 202."""

    def __init__(self, *statuses: int) -> None:
        self.api = Api()
        self.api.intercept = self._take
        self.bench: Bench = bench(mode=Mode.WITHHOLD, api=self.api)
        self.settlement = Settlement(self.bench.gate, Lookup(self.api), self.api)
        self.submitted: list[object] = []
        self._statuses = list(statuses)

    async def _take(self, request: Request) -> Response | None:
        self.submitted += json.loads(request.body)["events"]
        status = self._statuses.pop(0) if self._statuses else 202
        if not status:
            raise UpstreamError("the network is down")
        return Response(status)

    async def settle(self, **changes: object) -> Decision:
        request = asked("GET", SESSION_PATH)
        about: dict[str, Json] = {"type": "function_call", "call_id": "call_1", "turn_id": "turn_1"}
        action: Json = {**about, "name": "wipe", "arguments": "{}"}
        document: Json = {"id": "sess_1", "required_actions": [action]}
        [turn] = at(request).surface.read_response(at(request), request, document)
        turn = replace(turn, **changes)  # type: ignore[arg-type]
        [decision] = await self.bench.gate.decide(turn.calls)
        await self.settlement.settle_each(at(request), request, [turn], [decision])
        return decision


async def test_denied_call_of_a_session_is_answered_once() -> None:
    case = EachCase()
    decision = await case.settle()
    await case.settle()

    about = {"type": "agent.session.input.tool_result", "turn_id": "turn_1", "call_id": "call_1"}
    assert case.submitted == [{**about, "success": False, "error": notice(decision)}]
    assert len(await case.bench.records("result")) == 1


async def test_answer_that_comes_before_the_api_waits_is_given_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settlement_module, "_EARLY_SECONDS", (0.0, 0.0))
    case = EachCase(400, 400)
    await case.settle()
    assert len(case.submitted) == 3
    assert len(await case.bench.records("result")) == 1

    stubborn = EachCase(400, 400, 400)
    await stubborn.settle()
    assert len(stubborn.submitted) == 3
    assert await stubborn.bench.records("result") == []


@pytest.mark.parametrize("status", [0, 403])
async def test_answer_that_the_api_does_not_take_is_given_at_the_next_look(status: int) -> None:
    case = EachCase(status)
    await case.settle()
    assert (len(case.submitted), await case.bench.records("result")) == (1, [])
    await case.settle()
    assert len(case.submitted) == 2


async def test_turn_that_is_not_answered_call_by_call_is_left_alone() -> None:
    case = EachCase()
    await case.settle(settles_each=False)
    assert case.submitted == []


async def test_undecided_call_is_answered_only_where_nobody_asks_again() -> None:
    case = EachCase()
    case.bench = bench(mode=Mode.WITHHOLD, api=case.api, scanners=[ScriptedScanner(OSError())])
    case.settlement = Settlement(case.bench.gate, Lookup(case.api), case.api)
    assert not (await case.settle()).is_final
    assert case.submitted == []
    await case.settle(is_polled=False)
    assert len(case.submitted) == 1
