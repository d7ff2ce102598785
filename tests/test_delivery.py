"""What the app gets: untouched, annotated, redacted, or without what it must not see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from callgate.annotation import notice
from callgate.exchange import Request, Response, header
from callgate.model import Effect, Mode, Verdict
from callgate.outcome import Forward
from callgate.store.base import Record
from tests.deciding import (
    POLICY,
    RUN,
    RUN_PATH,
    THREAD,
    Api,
    Bench,
    Json,
    ScriptedScanner,
    asked,
    at,
    bench,
    failing,
    forwarded,
    refused,
    reply,
    secret,
    shown,
    tool,
)

ASK_ABOUT_SECRETS = POLICY + "detectors: {secrets: require_approval}\n"
RUNS_PATH = f"/v1/threads/{THREAD}/runs"
STEPS_PATH = RUN_PATH + "/steps"
CHAT_PATH = "/v1/chat/completions"
LOOK, WIPE, PAY = tool("look", "call_a"), tool("wipe", "call_d"), tool("pay", "call_p")
REDACTED = '{"text":"[REDACTED:AWS_ACCESS_KEY]"}'


def leak(id: str = "call_s", name: str = "send") -> Json:
    return tool(name, id, json.dumps({"text": secret()}))


def told(outcome: Forward) -> tuple[str, str]:
    return header(outcome.headers, "callgate-mode"), header(outcome.headers, "callgate-decision")


async def delivered(at: Bench) -> list[tuple[Any, Any]]:
    return [(r["call"], r["delivery"]) for r in await at.records("delivery")]


async def approve(at: Bench, *, is_good: bool = True) -> None:
    for item in await at.approvals.pending():
        answer = at.approvals.approve if is_good else at.approvals.deny
        await answer(item.approval.id, "kim")


def arguments(run: Json) -> list[str]:
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return [item["function"]["arguments"] for item in calls]


# -- every mode ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
async def test_allowed_body_is_not_touched(mode: Mode) -> None:
    at = bench([LOOK, tool("look", "call_b")], mode=mode)

    outcome, _ = await at.respond(at.api.run())

    assert forwarded(outcome).body is None
    assert told(forwarded(outcome)) == (mode.value, "allow")
    assert await delivered(at) == [("call_a", "delivered"), ("call_b", "delivered")]


@pytest.mark.parametrize("mode", Mode)
async def test_body_without_calls_is_not_touched(mode: Mode) -> None:
    at = bench(mode=mode)

    outcome, _ = await at.respond(at.api.run())

    assert forwarded(outcome).body is None
    assert told(forwarded(outcome)) == (mode.value, "")
    assert await at.records() == []


@pytest.mark.parametrize("mode", Mode)
async def test_hundred_polls_leave_one_record_of_each_kind(mode: Mode) -> None:
    at = bench([LOOK, leak(), PAY], mode=mode)

    await asyncio.gather(*(at.poll() for _ in range(50)))
    for _ in range(50):
        await at.poll()

    assert len(await at.records("call")) == 3
    assert len(await at.records("delivery")) == 3
    assert secret() not in json.dumps(await at.records())


# -- observe and enforce ------------------------------------------------------------------


async def test_observe_changes_nothing_and_records_all() -> None:
    at = bench([LOOK, WIPE, PAY, leak()], mode=Mode.OBSERVE)

    outcome, _ = await at.respond(at.api.run())

    assert forwarded(outcome).body is None
    assert told(forwarded(outcome)) == ("observe", "deny")
    assert {kind for _, kind in await delivered(at)} == {"delivered"}
    assert [r["decision"] for r in await at.records("call")] == [
        "ALLOW",
        "DENY",
        "REQUIRE_APPROVAL",
        "SANITIZE",
    ]


async def test_enforce_delivers_denied_and_pending_calls_annotated() -> None:
    at = bench([LOOK, WIPE, PAY])

    outcome, _ = await at.respond(at.api.run())

    assert forwarded(outcome).body is None
    calls = header(forwarded(outcome).headers, "callgate-calls")
    assert '"call_d";decision=deny;reason="POLICY_DENIED"' in calls
    assert "approval-url=" in calls


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.WITHHOLD])
async def test_sanitized_arguments_take_the_place_of_the_raw_ones_alone(mode: Mode) -> None:
    at = bench([LOOK, leak()], mode=mode)

    run = await at.poll()

    assert arguments(run) == ['{"x":1}', REDACTED]
    assert set(await delivered(at)) == {("call_s", "sanitized"), ("call_a", "delivered")}


async def test_steps_show_sanitized_arguments_too() -> None:
    at = bench([leak()])

    _, steps = await at.respond(at.api.steps(), STEPS_PATH)

    assert secret() not in json.dumps(steps)


async def test_pending_call_is_delivered_redacted_as_it_would_be_approved() -> None:
    at = bench([leak("call_p", "pay")])

    before = await at.poll()
    await approve(at)
    after = await at.poll()

    assert arguments(before) == arguments(after) == [REDACTED]


@pytest.mark.parametrize("other", [leak("call_1"), tool("wipe", "call_1")], ids=["leak", "wipe"])
@pytest.mark.parametrize("mode", Mode)
async def test_two_calls_under_one_id_are_not_let_through(mode: Mode, other: Json) -> None:
    at = bench([tool("look", "call_1"), other], mode=mode)

    outcome, _ = await at.respond(at.api.run())

    if mode is Mode.OBSERVE:
        assert forwarded(outcome).body is None
        assert [r["kind"] for r in await at.records()] == ["coverage"]
    else:
        assert refused(outcome).error.code == "response_not_inspectable"


# -- withhold -----------------------------------------------------------------------------


async def test_denied_call_leaves_and_its_siblings_stay() -> None:
    at = bench([LOOK, WIPE, leak()], mode=Mode.WITHHOLD)

    run = await at.poll()

    assert shown(run) == ["look", "send"]
    assert arguments(run)[1] == REDACTED
    assert run["status"] == "requires_action"
    assert await delivered(at) == [
        ("call_d", "withheld"),
        ("call_s", "sanitized"),
        ("call_a", "delivered"),
    ]


async def test_run_with_nothing_but_denied_calls_is_answered_and_moves_on() -> None:
    at = bench([WIPE], mode=Mode.WITHHOLD)

    outcome, run = await at.respond(at.api.run())

    assert run["status"] == "queued"
    assert run["required_action"] is None
    assert at.api.submits == 1
    assert told(forwarded(outcome)) == ("withhold", "deny")
    assert await delivered(at) == [("call_d", "withheld")]
    assert [r["outcome"] for r in await at.records("result")] == ["added"]


async def test_concurrent_polls_of_a_denied_run_submit_once() -> None:
    async def slow(_: Request) -> None:
        await asyncio.sleep(0.01)

    at = bench([WIPE], mode=Mode.WITHHOLD)
    at.api.intercept = slow
    document = at.api.run()

    runs = await asyncio.gather(*(at.respond(json.loads(json.dumps(document))) for _ in range(20)))

    assert at.api.submits == 1
    assert {run["status"] for _, run in runs} == {"queued"}


async def test_chain_of_denied_rounds_is_answered_in_one_poll() -> None:
    rounds: Sequence[Sequence[Json]] = [[tool("wipe", f"call_{n}")] for n in range(3)]
    at = bench(*rounds, mode=Mode.WITHHOLD)

    run = await at.poll()

    assert run["status"] == "queued"
    assert [list(outputs) for outputs in at.api.submitted] == [["call_0"], ["call_1"], ["call_2"]]


@pytest.mark.parametrize(
    "after", [[LOOK], [LOOK, WIPE], [leak(), LOOK]], ids=["allowed", "mixed", "secret"]
)
async def test_round_after_a_denied_one_is_judged_like_any_other(after: list[Json]) -> None:
    at = bench([tool("wipe", "call_1")], after, mode=Mode.WITHHOLD)

    run = await at.poll()

    assert "wipe" not in shown(run)
    assert "look" in shown(run)
    assert secret() not in json.dumps(run)
    assert "call_1" not in json.dumps(run)


async def test_round_after_a_denied_one_may_wait_for_a_person() -> None:
    at = bench([WIPE], [PAY], mode=Mode.WITHHOLD)

    run = await at.poll()

    assert (run["status"], run["required_action"]) == ("in_progress", None)
    assert at.api.submits == 1


async def test_endless_chain_of_denied_rounds_goes_on_with_the_next_poll() -> None:
    at = bench(*([tool("wipe", f"call_{n}")] for n in range(12)), mode=Mode.WITHHOLD)

    first, second = await at.poll(), await at.poll()

    assert (first["status"], first["required_action"]) == ("in_progress", None)
    assert second["status"] == "queued"
    assert at.api.submits == 12


@pytest.mark.parametrize("status", [0, 400, 401, 429, 503])
async def test_denied_run_that_can_not_be_answered_is_in_progress_until_it_can(status: int) -> None:
    at = bench([WIPE], mode=Mode.WITHHOLD)
    at.api.intercept = failing(status)

    failed = await at.poll()
    at.api.intercept = None
    healed = await at.poll()

    assert (failed["status"], failed["required_action"]) == ("in_progress", None)
    assert healed["status"] == "queued"


async def test_refused_notices_are_not_repeated_within_a_poll() -> None:
    at = bench([WIPE], mode=Mode.WITHHOLD)
    at.api.intercept = failing(400, "/submit_tool_outputs")

    await at.poll()

    assert at.api.submits == 1
    assert await at.records("result") == []


async def test_answer_that_shows_several_runs_is_refused() -> None:
    async def several(request: Request) -> Response | None:
        run = Api([LOOK]).run()
        return (
            reply({**run, "data": [{**run, "id": "run_2"}]}) if request.method == "POST" else None
        )

    at = bench([WIPE], mode=Mode.WITHHOLD)
    at.api.intercept = several

    outcome, _ = await at.respond(at.api.run())

    assert refused(outcome).error.code == "response_not_inspectable"


async def test_pending_call_holds_its_run_until_a_person_decides() -> None:
    at = bench([LOOK, PAY, WIPE], mode=Mode.WITHHOLD)

    held = await at.poll()
    await approve(at)
    free = await at.poll()

    assert (held["status"], held["required_action"]) == ("in_progress", None)
    assert shown(free) == ["look", "pay"]
    assert await delivered(at) == [
        ("call_d", "withheld"),
        ("call_a", "held"),
        ("call_p", "held"),
        ("call_a", "delivered"),
        ("call_p", "delivered"),
    ]


async def test_pending_call_that_a_person_denies_leaves() -> None:
    at = bench([LOOK, PAY], mode=Mode.WITHHOLD)
    await at.poll()
    await approve(at, is_good=False)

    assert shown(await at.poll()) == ["look"]


async def test_pending_call_that_nobody_decides_on_is_answered_with_a_notice() -> None:
    at = bench([PAY], mode=Mode.WITHHOLD)
    await at.poll()
    at.clock.advance(601)

    run = await at.poll()

    assert run["status"] == "queued"
    assert "APPROVAL_EXPIRED" in str(at.api.submitted)


class Foundry(Api):
    """A run of Azure AI Foundry that asks for consent to calls of an MCP server."""

    def run(self) -> Json:
        run = super().run()
        if run["required_action"]:
            listed = [
                {"type": "mcp", "server_label": "shop", "id": one["id"], **one["function"]}
                for one in self.rounds[0]
            ]
            run["required_action"] = {
                "type": "submit_tool_approval",
                "submit_tool_approval": {"tool_calls": listed},
            }
        return run

    def submit(self, request: Request) -> Response:
        said = json.loads(request.body)
        if set(said) - {"stream"} != {"tool_approvals"}:
            return Response(400, (), b'{"error":{"message":"it waits for approvals"}}')
        self.submitted += [{one["tool_call_id"]: one["approve"] for one in said["tool_approvals"]}]
        self.done.append(self.rounds.pop(0))
        return reply(self.run())


async def test_consent_to_denied_calls_alone_is_declined_so_that_the_run_goes_on() -> None:
    api = Foundry([WIPE, tool("wipe", "call_e")])
    at = bench(mode=Mode.WITHHOLD, api=api)

    run = await at.poll()

    assert run["status"] == "queued"
    assert api.submitted == [{"call_d": False, "call_e": False}]


async def test_consent_is_to_the_arguments_as_the_api_knows_them() -> None:
    # taken out of what the app sees, a secret would still reach the server that the API calls
    outcome, _ = await bench(api=Foundry([leak()])).respond(Foundry([leak()]).run())

    assert told(forwarded(outcome)) == ("enforce", "deny")


async def test_approved_call_is_delivered_redacted() -> None:
    at = bench([leak("call_p", "pay")], mode=Mode.WITHHOLD)
    await at.poll()
    await approve(at)

    run = await at.poll()

    assert arguments(run) == [REDACTED]
    assert ("call_p", "sanitized") in await delivered(at)


@pytest.mark.parametrize("other", [LOOK, WIPE], ids=["allowed", "denied"])
async def test_call_that_could_not_be_judged_is_held_and_never_settled(other: Json) -> None:
    undecided = RuntimeError("down")
    deny = Verdict("s", Effect.DENY, ("R",))
    first = Verdict("s", Effect.ALLOW) if other is LOOK else deny
    at = bench([other, PAY], mode=Mode.WITHHOLD, scanners=[ScriptedScanner(first, undecided, deny)])

    held = await at.poll()
    submits = at.api.submits
    healed = await at.poll()

    assert (held["status"], submits) == ("in_progress", 0)
    assert shown(healed) == (["look"] if other is LOOK else [])
    assert at.api.submits == (0 if other is LOOK else 1)


async def test_failed_scanner_that_counts_as_allow_does_not_hold_the_run() -> None:
    at = bench(
        [LOOK],
        mode=Mode.WITHHOLD,
        scanners=[ScriptedScanner(RuntimeError("down"))],
        on_scanner_error=Effect.ALLOW,
    )

    assert shown(await at.poll()) == ["look"]


# -- answers that an app gets once --------------------------------------------------------


def completion(*calls: Json) -> Json:
    message = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]}


async def held(at: Bench, *calls: Json) -> asyncio.Task[Json]:
    """The answer that the app will get; it waits for a person now."""

    async def answer() -> Json:
        _, got = await at.respond(completion(*calls), CHAT_PATH, "POST")
        choice: Json = got["choices"][0]
        return choice

    waiting = asyncio.ensure_future(answer())
    await at.pending()
    assert not waiting.done()
    return waiting


@pytest.mark.parametrize(("is_good", "ids"), [(True, ["call_a", "call_p"]), (False, ["call_a"])])
async def test_answer_that_is_given_once_is_held_until_a_person_decides(
    is_good: bool, ids: list[str]
) -> None:
    at = bench(mode=Mode.WITHHOLD)
    waiting = await held(at, LOOK, PAY)

    await approve(at, is_good=is_good)
    choice = await asyncio.wait_for(waiting, 30)

    assert ("call_p", "held") in await delivered(at)
    assert [item["id"] for item in choice["message"]["tool_calls"]] == ids
    assert choice["finish_reason"] == "tool_calls"


async def test_held_answer_tells_when_nobody_has_decided_in_time() -> None:
    at = bench(mode=Mode.WITHHOLD)
    waiting = await held(at, PAY)

    at.clock.advance(601)
    choice = await asyncio.wait_for(waiting, 30)

    assert "tool_calls" not in choice["message"]
    assert "APPROVAL_EXPIRED" in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"


async def test_answer_that_is_given_once_does_not_wait_for_a_scanner_that_fails() -> None:
    scanner = ScriptedScanner(RuntimeError("down"))
    at = bench(mode=Mode.WITHHOLD, scanners=[scanner])

    async with asyncio.timeout(30):
        _, answer = await at.respond(completion(LOOK), CHAT_PATH, "POST")

    assert "SCANNER_UNAVAILABLE" in answer["choices"][0]["message"]["content"]
    assert "tool_calls" not in answer["choices"][0]["message"]
    assert len(scanner.asked) == 1


# -- runs that do not name their calls ----------------------------------------------------


def unnamed(*rounds: Sequence[Json], **options: Any) -> Bench:
    return bench(mode=Mode.WITHHOLD, api=Api(*rounds, names_calls=False), **options)


async def test_unnamed_denied_calls_are_found_and_answered() -> None:
    at = unnamed([WIPE])

    assert (await at.poll())["status"] == "queued"
    assert list(at.api.submitted[0]) == ["call_d"]


async def test_unnamed_pending_calls_hold_the_run_and_its_steps() -> None:
    at = unnamed([PAY, LOOK])

    run = await at.poll()
    _, steps = await at.respond(at.api.steps(), STEPS_PATH)

    assert run["status"] == "in_progress"
    assert steps["data"][0]["step_details"]["tool_calls"] == []


async def test_unnamed_allowed_calls_pass_untouched() -> None:
    at = unnamed([LOOK])

    for document, path in ((at.api.run(), RUN_PATH), (at.api.steps(), STEPS_PATH)):
        outcome, _ = await at.respond(document, path)
        assert forwarded(outcome).body is None


@pytest.mark.parametrize("broken", ["", "/steps", f"/{RUN}"])
@pytest.mark.parametrize("status", [0, 503])
async def test_unnamed_calls_that_can_not_be_read_are_not_let_through(
    broken: str, status: int
) -> None:
    at = unnamed([WIPE])
    at.api.intercept = failing(status, broken)

    failed = await at.poll()
    at.api.intercept = None
    healed = await at.poll()

    assert failed["status"] in (("in_progress", "queued") if broken else ("in_progress",))
    assert healed["status"] == "queued"


async def test_unnamed_calls_in_a_malformed_answer_are_not_let_through() -> None:
    async def garbage(request: Request) -> Response | None:
        return Response(200, (), b"<html>") if request.target.endswith("limit=100") else None

    at = unnamed([WIPE])
    at.api.intercept = garbage

    assert (await at.poll())["status"] == "in_progress"


async def test_waiting_run_without_any_calls_is_passed_as_it_is() -> None:
    at = unnamed([])

    outcome, _ = await at.respond(at.api.run())

    assert forwarded(outcome).body is None


# -- the same picture everywhere ----------------------------------------------------------


async def test_lists_of_runs_show_what_each_run_shows() -> None:
    at = bench([PAY], mode=Mode.WITHHOLD)
    pending = at.api.run()
    mixed = {**Api([LOOK, WIPE]).run(), "id": "run_2"}
    allowed = {**Api([LOOK]).run(), "id": "run_3"}

    _, listed = await at.respond({"data": [pending, mixed, allowed]}, RUNS_PATH)

    assert [run["status"] for run in listed["data"]] == [
        "in_progress",
        "requires_action",
        "requires_action",
    ]
    assert [shown(run) for run in listed["data"]] == [[], ["look"], ["look"]]


async def test_denied_run_in_a_list_is_answered() -> None:
    at = bench([WIPE], mode=Mode.WITHHOLD)

    _, listed = await at.respond({"data": [at.api.run()]}, RUNS_PATH)

    assert listed["data"][0]["status"] == "queued"
    assert at.api.submits == 1


async def test_steps_show_what_the_run_shows() -> None:
    at = bench([WIPE], [LOOK, WIPE], mode=Mode.WITHHOLD)
    at.api.done.append(at.api.rounds.pop(0))

    _, steps = await at.respond(at.api.steps(), STEPS_PATH)

    assert [
        [item["function"]["name"] for item in step["step_details"]["tool_calls"]]
        for step in steps["data"]
    ] == [["look"], []]


async def test_one_id_with_other_arguments_in_run_and_step_is_judged_twice() -> None:
    at = bench([tool("send", "call_1")], mode=Mode.WITHHOLD)
    steps = at.api.steps()
    steps["data"][0]["step_details"]["tool_calls"] = [leak("call_1")]
    _, run = await at.respond(at.api.run())
    _, seen = await at.respond(steps, STEPS_PATH)

    assert shown(run) == ["send"]
    assert secret() not in json.dumps(seen)
    assert len(await at.records("call")) == 2


async def test_runs_of_another_thread_than_the_paths_are_still_judged() -> None:
    at = bench(mode=Mode.WITHHOLD)
    alien = {**Api([LOOK, WIPE]).run(), "thread_id": "thread_x"}

    _, listed = await at.respond({"data": [alien]}, RUNS_PATH)

    assert shown(listed["data"][0]) == ["look"]


async def test_calls_that_no_longer_wait_are_hidden_and_nobody_is_asked_to_answer() -> None:
    at = bench(mode=Mode.WITHHOLD)
    cancelled = {**Api([WIPE, PAY]).run(), "status": "cancelled"}

    run = (await at.respond(cancelled))[1]

    assert shown(run) == []
    assert run["status"] == "cancelled"
    assert at.api.submits == 0


@pytest.mark.parametrize("mode", Mode)
async def test_records_say_the_mode_and_hold_no_secret(mode: Mode) -> None:
    at = bench([LOOK, WIPE, leak(), leak("call_p", "pay")], mode=mode, policy=ASK_ABOUT_SECRETS)
    await at.poll()
    records: list[Record] = await at.records()

    assert {record["mode"] for record in records} == {mode.value}
    assert secret() not in json.dumps(records)


async def test_notice_in_the_header_is_the_one_that_is_submitted() -> None:
    at = bench([WIPE], mode=Mode.WITHHOLD)
    outcome, _ = await at.respond(at.api.run())
    [decision] = await at.gate.known("assistants", "api.openai.com:443", f"{THREAD}/{RUN}")

    assert at.api.submitted == [{"call_d": notice(decision)}]
    assert decision.trace in header(forwarded(outcome).headers, "callgate-calls")


async def test_answer_is_held_and_its_name_leads_to_its_conversation() -> None:
    made = bench(mode=Mode.WITHHOLD)
    request = replace(asked("POST", "/v1/responses"), conversation="responses/resp_0")
    await made.store.mark(
        json.dumps(["responses", "api.openai.com:443", "responses/resp_0"]), ["sensitive"]
    )
    call = {"type": "function_call", "call_id": "call_p", "name": "pay", "arguments": "{}"}
    document: dict[str, Any] = {"id": "resp_1", "object": "response", "output": [call]}
    answer = asyncio.ensure_future(made.delivery.apply(at(request), request, document))
    for _ in range(20):
        await asyncio.sleep(0)
    [waiting] = await made.approvals.pending()
    await made.approvals.approve(waiting.approval.id, by="kim")

    assert (await answer).body is None
    name = json.dumps(["responses", "api.openai.com:443", "responses/resp_1"])
    assert await made.store.marked(name, ["sensitive"])
