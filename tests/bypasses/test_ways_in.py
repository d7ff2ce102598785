"""What a model, or a server between it and the app, could send so that a call is not judged."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from callgate.model import Mode
from tests.bypasses.exchanges import (
    CHAT,
    RESPONSES,
    answered,
    asked,
    code_of,
    decision_in,
    sent,
    streamed,
)
from tests.deciding import RUN_PATH, bench, refused, secret, told, tool
from tests.surfaces import chat_objects as chat
from tests.surfaces import response_objects as responses

type Json = dict[str, Any]

CUT_OFF = '{"command":"rm -rf'


def run(call: Json) -> Json:
    return {
        "id": "run_1",
        "thread_id": "thread_1",
        "status": "requires_action",
        "required_action": {"submit_tool_outputs": {"tool_calls": [call]}},
    }


# -- row 2: another endpoint ----------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    ["/v1/agents/completions", "/v1/fim/completions", "/v1/unheard-of", "/openai/v2/answers"],
)
async def test_call_on_a_path_of_another_maker_is_judged(target: str) -> None:
    document = chat.completion(chat.choice(chat.call(name="wipe")))

    assert decision_in(await answered(bench(), document, target)) == "deny"
    refused(await answered(bench(mode=Mode.WITHHOLD), document, target))


# -- row 5: a secret in pieces --------------------------------------------------------------


async def test_secret_that_comes_in_pieces_is_redacted() -> None:
    arguments = json.dumps({"text": f"key {secret()}"})
    pieces = chat.pieces(chat.call(name="send", arguments=arguments))
    end = chat.chunk(chat.delta(finish="tool_calls"))

    got = await streamed(bench(), chat.stream(*pieces, end))

    [(_, _, shown)] = chat.sdk_calls(await asyncio.to_thread(chat.sdk_stream, got))
    assert secret() not in shown
    assert json.loads(shown)["text"].startswith("key ")


# -- row 7: what two parsers read differently -----------------------------------------------


@pytest.mark.parametrize("target", [CHAT, RESPONSES, RUN_PATH, "/v1/unheard-of"])
async def test_body_with_a_key_twice_is_refused_both_ways(target: str) -> None:
    double = b'{"id":"a","messages":[],"input":[],"\\u0069d":"b"}'
    made = bench()

    assert code_of(await answered(made, double, target)) == "response_not_inspectable"
    if target in (CHAT, RESPONSES):
        assert code_of(await sent(made, double, target)) == "request_not_inspectable"


@pytest.mark.parametrize("target", [CHAT, RESPONSES, f"{RUN_PATH}/cancel", "/v1/unheard-of"])
async def test_event_with_a_key_twice_ends_the_stream(target: str) -> None:
    got = await streamed(bench(), b'data: {"id":"a","id":"b"}\n\n', target)

    assert b"response_not_inspectable" in got
    assert b'"id":"a"' not in got


@pytest.mark.parametrize(
    "arguments", ['{"x":1,"x":2}', '{"x":1,"\\u0078":2}', '{"a":{"x":1,"x":2}}', '{"x":NaN}']
)
async def test_arguments_with_two_readings_are_denied_everywhere(arguments: str) -> None:
    call = tool("look", arguments=arguments)
    item = responses.call(arguments=arguments)
    for document, target in (
        (chat.completion(chat.choice(call)), CHAT),
        (responses.response(item), RESPONSES),
        (run(call), RUN_PATH),
    ):
        assert decision_in(await answered(bench(), document, target)) == "deny"


@pytest.mark.parametrize(
    "odd",
    [
        {"function": {"name": "look", "arguments": "{}", "Name": "wipe"}},
        {"function": {"name": "look", "arguments": "{}", "argument\u017f": '{"x":9}'}},
        {"function": {"name": "look", "arguments": "{}"}, "FUNCTION": {"name": "wipe"}},
        {"function": {"name": "look", "arguments": "{}"}, "ID": "call_9"},
    ],
)
async def test_field_in_other_letters_is_refused(odd: Json) -> None:
    call = {"id": "call_1", "type": "function", **odd}
    choice = chat.completion(chat.choice(call))
    assert code_of(await answered(bench(), choice)) == "response_not_inspectable"
    assert code_of(await answered(bench(), run(call), RUN_PATH)) == "response_not_inspectable"

    chunk = chat.stream(chat.chunk(chat.delta(tool_calls=[{"index": 0, **call}])))
    step = {"id": "step_1", "thread_id": "thread_1", "run_id": "run_1", "status": "in_progress"}
    delta = {"step_details": {"tool_calls": [{"index": 0, **call}]}}
    steps = told("thread.run.step.created", {**step, "step_details": {"tool_calls": []}})
    steps += told("thread.run.step.delta", {"id": "step_1", "delta": delta})
    for raw, target in ((chunk, CHAT), (steps, f"{RUN_PATH}/submit_tool_outputs")):
        assert b"which is not one of the API's" in await streamed(bench(), raw, target)


# -- rows 16, 18: cut off, or ended with another reason --------------------------------------


@pytest.mark.parametrize("reason", ["length", "stop", "content_filter", None])
async def test_call_that_was_cut_off_is_denied_and_recorded(reason: str | None) -> None:
    call = chat.call(arguments=CUT_OFF)
    chunks = [*chat.pieces(call), chat.chunk(chat.delta(finish=reason))]
    for is_streamed in (True, False):
        made = bench()
        if is_streamed:
            assert b"decision=deny" in await streamed(made, chat.stream(*chunks))
        else:
            cut = {**chat.choice(call), "finish_reason": reason}
            assert decision_in(await answered(made, chat.completion(cut))) == "deny"
        [record] = await made.records("call")
        assert record["reasons"] == ["MALFORMED_ARGUMENTS"]


async def test_call_of_an_incomplete_response_is_denied_and_recorded() -> None:
    item = responses.call(arguments=CUT_OFF, status="incomplete")
    made = bench()
    got = await streamed(
        made, responses.stream(*responses.script(item, end="incomplete")), RESPONSES
    )

    assert b"decision=deny" in got
    [record] = await made.records("call")
    assert record["reasons"] == ["MALFORMED_ARGUMENTS"]


# -- rows 22, 30: nothing told before, and nobody known --------------------------------------


async def test_call_of_a_tool_that_no_request_named_is_judged() -> None:
    made = bench()
    request = {"model": "m", "input": "hi", "prompt": {"id": "pmpt_1"}}
    await sent(made, request, RESPONSES)

    document = responses.response(responses.call(name="wipe"))
    assert decision_in(await answered(made, document, RESPONSES)) == "deny"


async def test_app_without_credentials_is_judged_like_any_other() -> None:
    made = bench()
    document = chat.completion(chat.choice(chat.call(name="wipe")))

    assert decision_in(await answered(made, document, key="")) == "deny"
    [record] = await made.records("call")
    assert record["agent"] == "anonymous"


# -- row 25: calls in unusual slots ----------------------------------------------------------


@pytest.mark.parametrize(
    "slot",
    [
        {"provider_specific_fields": {"tool_calls": [tool("wipe")]}},
        {"audio": {"function_call": {"name": "wipe", "arguments": "{}"}}},
        {"content": [{"type": "text", "tool_calls": [tool("wipe")]}]},
        {"Tool_Calls": [tool("wipe")]},
        {"tool_call\u017f": [tool("wipe")]},
    ],
)
async def test_calls_in_a_slot_that_the_api_has_not_are_refused(slot: Json) -> None:
    document = chat.completion(chat.choice(**slot))
    assert code_of(await answered(bench(), document)) == "response_not_inspectable"

    raw = chat.stream(chat.chunk(chat.delta(**slot)))
    assert b"response_not_inspectable" in await streamed(bench(), raw)


@pytest.mark.parametrize("kind", ["Function_Call", "function_call ", "tool_use", "new_tool_call"])
async def test_item_of_a_type_spelled_otherwise_is_an_unknown_call(kind: str) -> None:
    made = bench(mode=Mode.WITHHOLD)
    document = responses.response({**responses.call(name="look"), "type": kind})

    assert decision_in(await answered(made, document, RESPONSES)) == "deny"
    [record] = await made.records("call")
    assert record["reasons"] == ["UNKNOWN_TOOL_TYPE"]


# -- row 26: answers from a cache ------------------------------------------------------------


async def test_cached_answer_is_judged_for_everybody_who_gets_it() -> None:
    policy = f"""
default: allow
policies:
  - name: boss
    agent: "{asked(CHAT, key="boss").caller()}"
    actions: [{{tool: wipe, effect: allow}}]
  - name: all
    actions: [{{tool: wipe, effect: deny}}]
"""
    made = bench(policy=policy)
    document = chat.completion(chat.choice(chat.call(name="wipe")))

    assert decision_in(await answered(made, document, key="boss")) == "allow"
    assert decision_in(await answered(made, document, key="app")) == "deny"
    assert decision_in(await answered(made, document, key="boss")) == "allow"


# -- row 45: hostile sizes --------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        '{"x":' + "9" * 100_000 + "}",
        '{"x":' + "9" * 250 + "}",
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 150 + "1" + "}" * 150,
        json.dumps({"text": "(a+)+$" * 20_000 + "!"}),
        json.dumps({"text": "a" * 100_000 + "@" * 1000}),
        json.dumps({str(number): number for number in range(20_000)}),
    ],
    ids=["digits", "integer", "nested", "objects", "groups", "runs", "fields"],
)
async def test_hostile_arguments_are_decided_soon_and_never_allowed_by_a_limit(
    arguments: str,
) -> None:
    policy = """
default: deny
policies:
  - name: limits
    actions:
      - {tool: look, effect: allow, when: "args.x < 5 && matches(args.text, '^(b+)+$')"}
      - {tool: "*?*?*?*?*k", effect: allow, constraints: {max_x: 5, x_pattern: "**/*a*a*a*a*b"}}
"""
    made = bench(policy=policy, scan_timeout_seconds=60)
    document = chat.completion(chat.choice(chat.call(arguments=arguments)))
    begun = time.process_time()

    assert decision_in(await answered(made, document)) == "deny"
    assert time.process_time() - begun < 20
