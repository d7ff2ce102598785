"""The border: what can not be read is refused, and only observe mode lets it pass."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from callgate.enforcement import content_matters
from callgate.errors import BodyError, JsonError, StoreError
from callgate.exchange import Response, header, segments
from callgate.model import Mode
from callgate.outcome import Forward, Outcome, Refuse
from callgate.surfaces import endpoint_for
from tests.deciding import (
    HOSTED,
    RUN_PATH,
    THREAD,
    Api,
    Bench,
    asked,
    at,
    bench,
    failing,
    forwarded,
    output,
    refused,
    reply,
    secret,
    tool,
)

SUBMIT = RUN_PATH + "/submit_tool_outputs"
RUN_JSON = json.dumps(Api([tool("wipe")]).run()).encode()
FULL = StoreError("the disk is full")
LIMIT = {"max_bytes": 1 << 20}
REALTIME_PATH = "/v1/realtime?model=gpt-realtime"
NOT_READABLE = [
    pytest.param(b"not json", "", id="no-json"),
    pytest.param(RUN_JSON[:-9], "", id="cut-off"),
    pytest.param(b'{"id":1,"id":2}', "", id="duplicate-keys"),
    pytest.param(b"\xff\xfe{}", "", id="no-utf8"),
    pytest.param(b'{"a":NaN}', "", id="nan"),
    pytest.param(b"[" * 1000, "", id="deep"),
    pytest.param(RUN_JSON, "gzip", id="not-gzip"),
    pytest.param(RUN_JSON, "compress", id="unknown-encoding"),
    pytest.param(RUN_JSON, "gzip, br", id="two-encodings"),
    pytest.param(gzip.compress(RUN_JSON, mtime=0)[:-9], "gzip", id="cut-off-gzip"),
    pytest.param(gzip.compress(b" " * (1 << 21), mtime=0), "gzip", id="bomb"),
    pytest.param(b'{"x":"' + b"y" * (1 << 20) + b'"}', "", id="too-large"),
]
MALFORMED = [
    {"status": "requires_action", "required_action": 7},
    {"status": "requires_action", "required_action": {"tool_calls": [7]}},
    {"status": "requires_action", "required_action": {"tool_calls": [{"function": {}}]}},
]


async def sent(made: Bench, body: bytes, encoding: str = "", path: str = SUBMIT) -> Outcome:
    request = asked("POST", path)
    headers = (*request.headers, ("Content-Encoding", encoding)) if encoding else request.headers
    request = replace(request, body=body, headers=headers)
    return await made.enforcement.check_request(at(request), request)


async def got(made: Bench, body: bytes, encoding: str = "", status: int = 200) -> Outcome:
    headers = (("content-encoding", encoding),) if encoding else ()
    response = Response(status, headers, body)
    return await made.enforcement.check_response(at(asked()), asked(), response)


def code_of(outcome: Outcome) -> str:
    return refused(outcome).error.code


# -- bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "encoding"), NOT_READABLE)
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.WITHHOLD])
async def test_body_that_can_not_be_read_is_refused(mode: Mode, body: bytes, encoding: str) -> None:
    made = bench(mode=mode, choices=LIMIT)

    request, response = await sent(made, body, encoding), await got(made, body, encoding)

    assert (refused(request).error.code, refused(request).error.status) == (
        "request_not_inspectable",
        403,
    )
    assert (refused(response).error.code, refused(response).error.status) == (
        "response_not_inspectable",
        502,
    )
    assert [r["kind"] for r in await made.records()] == ["refusal", "refusal"]
    assert made.api.sent == []


@pytest.mark.parametrize(("body", "encoding"), NOT_READABLE)
async def test_body_that_can_not_be_read_passes_in_observe_mode_and_is_recorded(
    body: bytes, encoding: str
) -> None:
    made = bench(mode=Mode.OBSERVE, choices=LIMIT)

    for outcome in (await sent(made, body, encoding), await got(made, body, encoding)):
        assert forwarded(outcome).body is None
        assert header(forwarded(outcome).headers, "callgate-mode") == "observe"
    assert [r["kind"] for r in await made.records()] == ["coverage", "coverage"]
    assert all(r["why"] for r in await made.records())


@pytest.mark.parametrize("document", MALFORMED, ids=json.dumps)
async def test_calls_that_can_not_be_told_are_refused_and_observed(document: object) -> None:
    body = json.dumps(document).encode()
    made, observed = bench(), bench(mode=Mode.OBSERVE)

    assert refused(await got(made, body)).error.code == "response_not_inspectable"
    assert forwarded(await got(observed, body)).body is None
    assert [r["kind"] for r in await observed.records()] == ["coverage"]


async def test_results_that_can_not_be_told_are_refused_with_their_place() -> None:
    outcome = refused(await sent(bench(), b'{"tool_outputs":[{"output":"x"}]}'))

    assert outcome.error.param == "tool_outputs[0].tool_call_id"


async def test_refusal_is_recorded_with_the_call_that_is_to_blame() -> None:
    made = bench([tool("wipe")])
    await sent(made, json.dumps({"tool_outputs": [output("call_1")]}).encode())

    [refusal] = await made.records("refusal")
    assert (refusal["call"], refusal["tool"], refusal["decision"]) == ("call_1", "wipe", "DENY")


async def test_compressed_bodies_are_read() -> None:
    made = bench([tool("wipe")])

    await got(made, gzip.compress(RUN_JSON, mtime=0), "gzip")
    outcome = await sent(
        made,
        gzip.compress(json.dumps({"tool_outputs": [output("call_1")]}).encode(), mtime=0),
        "gzip",
    )

    assert refused(outcome).error.code == "tool_call_denied"


@pytest.mark.parametrize("body", [b"", b" \n"])
async def test_request_without_a_body_carries_nothing(body: bytes) -> None:
    assert forwarded(await sent(bench(), body)).body is None


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b""), (205, b""), (202, b"")])
async def test_success_without_a_body_carries_no_call(status: int, body: bytes) -> None:
    made = bench(mode=Mode.WITHHOLD)

    outcome = forwarded(await got(made, body, status=status))

    assert outcome == Forward(headers=(("Callgate-Mode", "withhold"),))
    assert await made.records() == []


async def test_body_in_a_charset_that_makes_other_json_of_it_is_refused() -> None:
    made, headers = bench(), (("content-type", "application/json; charset=utf-7"),)
    response = Response(200, headers, b'{"object":"list","data":[]}')

    outcome = await made.enforcement.check_response(at(asked()), asked(), response)

    assert code_of(outcome) == "response_not_inspectable"


@pytest.mark.parametrize(("charset", "is_refused"), [("utf-7", True), ("utf-8", False)])
async def test_request_in_a_charset_that_servers_go_by_is_refused(
    charset: str, is_refused: bool
) -> None:
    made = bench([tool("look")])
    await got(made, json.dumps(made.api.run()).encode())
    request = asked("POST", f"{RUN_PATH}/submit_tool_outputs")
    request = replace(
        request,
        headers=(*request.headers, ("content-type", f"application/json; charset={charset}")),
        body=b'{"tool_outputs":[{"tool_call_id":"call_1","output":"done"}]}',
    )

    outcome = await made.enforcement.check_request(at(request), request)

    assert isinstance(outcome, Refuse) is is_refused
    if is_refused:
        assert code_of(outcome) == "request_not_inspectable"


@pytest.mark.parametrize("status", [301, 400, 404, 502])
async def test_error_page_that_is_no_json_passes(status: int) -> None:
    assert forwarded(await got(bench(), b"<html>", status=status)).body is None


async def test_calls_under_an_error_status_are_judged_all_the_same() -> None:
    made = bench([tool("look"), tool("wipe", "call_2")], mode=Mode.WITHHOLD)
    body = json.dumps(made.api.run()).encode()

    assert b"wipe" not in (forwarded(await got(made, body, status=400)).body or b"wipe")


@pytest.mark.parametrize(
    ("method", "status", "body", "error", "matters"),
    [
        ("POST", 200, b"x", JsonError("no"), True),
        ("POST", 200, b"", JsonError("no"), False),
        ("POST", 204, b"x", JsonError("no"), True),
        ("POST", 205, b"x", JsonError("no"), True),
        ("POST", 299, b"x", BodyError("no"), True),
        ("POST", 300, b"x", JsonError("no"), False),
        ("POST", 404, b"x", BodyError("unknown encoding"), True),
        ("OPTIONS", 200, b"OK", JsonError("no"), False),
        ("OPTIONS", 200, b"x", BodyError("unknown encoding"), True),
    ],
)
def test_unreadable_body_matters_where_an_sdk_could_show_a_call(
    method: str, status: int, body: bytes, error: BodyError, matters: bool
) -> None:
    assert content_matters(asked(method), Response(status, (), body), error) is matters


async def test_answer_to_a_preflight_passes_and_calls_in_it_are_judged() -> None:
    made, request = bench([tool("wipe")], mode=Mode.WITHHOLD), asked("OPTIONS")
    plain, run = b"OK", json.dumps(made.api.run()).encode()

    passed = await made.enforcement.check_response(at(request), request, Response(200, (), plain))
    judged = await made.enforcement.check_response(at(request), request, Response(200, (), run))

    assert forwarded(passed).body is None
    assert b"wipe" not in (forwarded(judged).body or b"wipe")


# -- bodies that never came whole ---------------------------------------------------------


@pytest.mark.parametrize(
    ("is_request", "code"),
    [(True, "request_not_inspectable"), (False, "response_not_inspectable")],
)
async def test_message_that_never_came_whole_is_refused(is_request: bool, code: str) -> None:
    made, observed = bench(), bench(mode=Mode.OBSERVE)

    outcome = await made.enforcement.refuse_body(asked(), "too large", is_request=is_request)
    passed = await observed.enforcement.refuse_body(asked(), "too large", is_request=is_request)

    assert refused(outcome).error.code == code
    assert "too large" in refused(outcome).error.message
    assert isinstance(passed, Forward)
    assert (await observed.records("coverage"))[0]["why"] == "too large"


async def test_what_passed_unread_is_recorded_without_its_query() -> None:
    made = bench()
    await made.enforcement.passes_upgraded(asked(target=f"{RUN_PATH}?key={secret()}"))

    [coverage] = await made.records()
    assert (coverage["path"], coverage["cause"], coverage["mode"]) == (
        RUN_PATH,
        "upgrade",
        "enforce",
    )
    assert secret() not in json.dumps(await made.records())


async def test_api_that_is_not_gated_is_recorded_each_time_and_said_once_for_each_origin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = bench()
    request = asked("POST", "/v1/batches")

    for _ in range(3):
        await made.enforcement.passes_unread(request)
    await made.enforcement.passes_unread(replace(request, host="eu.api.openai.com"))
    await made.enforcement.passes_unread(asked("GET", "/v1/models"))

    coverage = await made.records("coverage")
    assert [r["origin"] for r in coverage] == [
        *["api.openai.com:443"] * 3,
        "eu.api.openai.com:443",
    ]
    assert {r["cause"] for r in coverage} == {"api"}
    assert len(caplog.messages) == 2


async def test_api_that_is_not_gated_is_refused_while_it_can_not_be_recorded() -> None:
    made = bench()
    made.store.failure = FULL  # type: ignore[attr-defined]
    with pytest.raises(StoreError):
        await made.enforcement.passes_unread(asked("POST", "/v1/batches"))


# -- what fails ---------------------------------------------------------------------------


async def everything(made: Bench) -> list[Outcome]:
    """Every way in and out, good and bad."""
    request = json.dumps({"tool_outputs": [output("call_1")]}).encode()
    return [
        await sent(made, request),
        await sent(made, b"not json"),
        await sent(made, b'{"stream":true}', path=f"/v1/threads/{THREAD}/runs"),
        await sent(made, b'{"assistant_id":"asst_1"}', path=f"/v1/threads/{THREAD}/runs"),
        await sent(
            made, b'{"tools":[{"type":"code_interpreter"}]}', path=f"/v1/threads/{THREAD}/runs"
        ),
        await got(made, RUN_JSON),
        await got(made, b"not json"),
        await got(made, json.dumps(MALFORMED[0]).encode()),
        await made.enforcement.refuse_body(asked(), "too large", is_request=True),
        await made.enforcement.refuse_body(asked(), "too large", is_request=False),
    ]


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize("disk", [True, False])
async def test_observe_never_refuses_and_never_changes_whatever_fails(
    network: bool, disk: bool
) -> None:
    made = bench([tool("wipe")], mode=Mode.OBSERVE, policy=HOSTED)
    made.api.intercept = None if network else failing(0)
    made.store.failure = None if disk else FULL  # type: ignore[attr-defined]

    outcomes = await everything(made)
    await made.enforcement.passes_upgraded(asked())

    assert all(isinstance(o, Forward) and o.body is None for o in outcomes)
    assert all(request.method == "GET" for request in made.api.sent)
    made.store.failure = None  # type: ignore[attr-defined]
    assert bool(await made.records()) is disk


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.WITHHOLD])
async def test_everything_is_refused_while_the_store_is_down(mode: Mode) -> None:
    made = bench([tool("wipe")], mode=mode, policy=HOSTED)
    made.store.failure = FULL  # type: ignore[attr-defined]

    outcomes = await everything(made)
    with pytest.raises(StoreError):
        await made.enforcement.passes_upgraded(asked())

    # an assistant that the API does not know is the API's to refuse, and a request without
    # any body carries nothing: neither is remembered
    stopped = [o for o in outcomes if isinstance(o, Refuse)]
    assert len(stopped) == len(outcomes) - 2
    assert {o.error.code for o in stopped} == {"callgate_unavailable"}
    assert {o.error.status for o in stopped} == {503}


async def test_refusal_that_can_not_be_recorded_is_a_refusal_still() -> None:
    made = bench()
    made.store.failure = FULL  # type: ignore[attr-defined]

    assert refused(await sent(made, b"not json")).error.code == "callgate_unavailable"


@pytest.mark.parametrize("mode", Mode)
async def test_no_secret_of_a_message_reaches_a_record(mode: Mode) -> None:
    made = bench([tool("wipe")], mode=mode, choices={"results": "redact"})
    wrong = f'{{"tool_outputs":[{{"tool_call_id":"call_1","output":"{secret()}"}}]}}'.encode()
    key = ("authorization", f"Bearer {secret()}")
    request = replace(
        asked("POST", RUN_PATH + f"/submit_tool_outputs?key={secret()}"), body=wrong, headers=(key,)
    )

    await got(made, RUN_JSON.replace(b'{\\"x\\":1}', json.dumps(secret()).encode()[1:-1]))
    await made.enforcement.check_request(at(request), request)
    await sent(made, wrong[:-1])

    assert len(await made.records()) >= 3
    assert secret() not in json.dumps(await made.records())


def test_endpoint_is_told_by_the_request_line() -> None:
    enforcement = bench().enforcement

    found = enforcement.endpoint("GET", RUN_PATH + "?limit=1")
    assert found is not None
    assert found.operation == "runs.retrieve"
    assert enforcement.endpoint("GET", "/v1/models") is None


@pytest.mark.parametrize("mode", Mode)
def test_mode_is_the_gates(mode: Mode) -> None:
    enforcement = bench(mode=mode).enforcement

    assert enforcement.mode is mode
    assert enforcement.observes is (mode is Mode.OBSERVE)
    assert enforcement.holds is (mode is Mode.WITHHOLD)


@pytest.mark.parametrize("mode", Mode)
async def test_path_that_may_mean_a_run_or_not_is_refused_but_observed(mode: Mode) -> None:
    made = bench(mode=mode)
    plain, odd = asked(), asked("GET", "/v1/threads/thread_1/runs/%2e%2e")
    other = asked("GET", "/v1/models;x/..")

    assert forwarded(await made.enforcement.check_path(at(plain), plain))
    assert forwarded(await made.enforcement.check_path(None, other))
    outcome = await made.enforcement.check_path(None, odd)

    assert isinstance(outcome, Refuse) is (mode is not Mode.OBSERVE)


def test_stream_of_an_unknown_encoding_is_not_opened() -> None:
    made = bench()
    request = asked("POST", "/v1/threads/thread_1/runs")
    assert made.enforcement.open_stream(at(request), request, "gzip").take() == b""
    with pytest.raises(BodyError):
        made.enforcement.open_stream(at(request), request, "rot13")


# -- WebSockets -----------------------------------------------------------------------------


def realtime_call(name: str) -> bytes:
    """The message that tells a call whole."""
    item = {"id": "item_1", "type": "function_call", "call_id": "call_1", "name": name}
    item["arguments"] = "{}"
    return json.dumps({"type": "response.output_item.done", "item": item}).encode()


async def connected(made: Bench, *messages: bytes) -> list[bytes]:
    """What the app gets on a connection whose session is `sess_1`."""
    upgrade = asked("GET", REALTIME_PATH)
    stream = made.enforcement.open_socket(at(upgrade), upgrade)
    stream.feed(b'{"type":"session.created","session":{"id":"sess_1"}}')
    for message in messages:
        stream.feed(message)
    got = stream.take_events()
    async with asyncio.timeout(30):
        while stream.is_holding:
            await stream.wait(30)
            got += stream.take_events()
    return got[1:]


async def test_denied_call_reaches_an_app_by_websocket_only_where_nothing_is_withheld() -> None:
    message = realtime_call("wipe")

    assert await connected(bench(), message) == [message]
    withheld = await connected(bench(mode=Mode.WITHHOLD), message)
    assert b"function_call" not in b"".join(withheld)
    assert b"Tool call blocked by Callgate" in b"".join(withheld)


@pytest.mark.parametrize(
    ("name", "scope", "code"),
    [
        ("look", "sessions/sess_1", None),
        ("wipe", "sessions/sess_1", "tool_call_denied"),
        ("look", "sessions/sess_2", "tool_call_unknown"),
    ],
)
async def test_message_of_the_app_is_judged_by_what_its_own_session_asked(
    name: str, scope: str, code: str | None
) -> None:
    made = bench()
    await connected(made, realtime_call(name))
    # another key: of what its agent was given in other sessions it knows nothing
    headers = (("authorization", "Bearer other"), ("Content-Encoding", "gzip"))
    upgrade = replace(asked("GET", REALTIME_PATH), headers=headers)
    item = {"type": "function_call_output", "call_id": "call_1", "output": "done"}
    message = json.dumps({"type": "conversation.item.create", "item": item}).encode()

    outcome = await made.enforcement.check_message(at(upgrade), upgrade, message, scope)

    if code:
        assert code_of(outcome) == code
    else:
        assert forwarded(outcome).body is None


# -- what is out of sight, and what is unknown ----------------------------------------------


@pytest.mark.parametrize("path", ["/v1/realtime/calls", "/v1/realtime/client_secrets"])
async def test_sessions_that_no_proxy_sees_are_refused(path: str) -> None:
    made = bench()
    request = asked("POST", path)
    outcome = await made.enforcement.check_setup(at(request), request)

    assert code_of(outcome) == "realtime_uninspectable"
    assert "WebSocket" in refused(outcome).error.message


@pytest.mark.parametrize(
    "options", [{"mode": Mode.OBSERVE}, {"choices": {"realtime_uninspectable": "allow"}}]
)
async def test_sessions_that_no_proxy_sees_may_be_let_through_and_are_recorded(
    options: Any,
) -> None:
    made = bench(**options)
    request = asked("POST", "/v1/realtime/calls")
    outcome = await made.enforcement.check_setup(at(request), request)

    assert isinstance(outcome, Forward)
    assert "WebRTC" in str((await made.records("coverage"))[0]["why"])


@pytest.mark.parametrize(
    ("method", "path", "is_refused"),
    [
        ("POST", "/v1/unheard-of", True),
        ("POST", "/v1beta/models/x:generateContent", True),
        ("POST", "/v1/messages", True),
        ("POST", "/engines/v1/messages", True),
        ("POST", "/api/projects/p/agents/a/invocations", True),
        ("POST", "/v1/models/ft:gpt-4o:team::id", False),
        ("GET", "/v1/models/llama3:latest", False),
        ("DELETE", "/v1/conversations/conv_1", False),
        ("POST", "/api/projects/p/files", False),
        ("POST", "/v1/embeddings", False),
        ("POST", RUN_PATH, False),
    ],
)
async def test_unknown_endpoints_may_be_refused(method: str, path: str, is_refused: bool) -> None:
    request = asked(method, path)
    endpoint = endpoint_for(method, segments(path))
    strict = bench(choices={"unknown_endpoints": "refuse"})
    outcome = await strict.enforcement.check_setup(endpoint, request)
    assert isinstance(outcome, Refuse) is is_refused
    if is_refused:
        assert code_of(outcome) == "unknown_endpoint"
    assert isinstance(await bench().enforcement.check_setup(endpoint, request), Forward)

    observing = bench(mode=Mode.OBSERVE, choices={"unknown_endpoints": "refuse"})
    assert isinstance(await observing.enforcement.check_setup(endpoint, request), Forward)
    assert len(await observing.records("coverage")) == is_refused


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":{"content":"Hi"}}\n{"done":true}\n',
        b'{"message":{"tool_calls":[{"function":{"name":"look","arguments":{}}}]}}',
    ],
    ids=["lines", "call without an id"],
)
async def test_what_can_not_be_read_on_an_unknown_path_is_refused(body: bytes) -> None:
    made, request = bench(), asked("POST", "/api/chat")
    endpoint = made.enforcement.elsewhere(request)
    assert endpoint is not None

    outcome = await made.enforcement.check_response(endpoint, request, Response(200, (), body))

    assert code_of(outcome) == "response_not_inspectable"


async def test_calls_on_an_unknown_path_are_judged() -> None:
    document = {"result": {"tool_calls": [tool("wipe")]}}
    request = asked("POST", "/v1/unheard-of")
    for mode, is_refused in (
        (Mode.OBSERVE, False),
        (Mode.ENFORCE, False),
        (Mode.WITHHOLD, True),
    ):
        made = bench(mode=mode)
        endpoint = made.enforcement.elsewhere(request)
        assert endpoint is not None
        outcome = await made.enforcement.check_response(endpoint, request, reply(document))
        assert isinstance(outcome, Refuse) is is_refused
        [record] = await made.records("call")
        assert (record["tool"], record["decision"]) == ("wipe", "DENY")
    assert made.enforcement.elsewhere(asked("GET", "/v1/models")) is None


async def test_denied_call_that_nothing_can_stand_in_for_refuses_the_response() -> None:
    item = {
        "type": "function_call",
        "call_id": "call_1",
        "name": "wipe",
        "arguments": "{}",
        "caller": {"type": "program", "caller_id": "prog_1"},
    }
    document = {"id": "resp_1", "object": "response", "output": [item]}
    made = bench(mode=Mode.WITHHOLD)
    outcome, _ = await made.respond(document, "/v1/responses", "POST")

    assert code_of(outcome) == "tool_call_denied"


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"a":1,"a":2}'])
async def test_what_is_only_overheard_passes_as_it_is(body: bytes) -> None:
    made = bench()
    request = replace(asked("POST", "/v1/threads"), body=body)

    assert await made.enforcement.check_request(at(request), request) == Forward()
    answer = await made.enforcement.check_response(at(request), request, Response(200, (), body))
    assert forwarded(answer).body is None
    assert await made.records() == []


async def test_thread_that_is_made_belongs_to_who_said_what_in_it() -> None:
    made = bench()
    said = {"messages": [{"role": "user", "content": "pay bob@x.example"}]}
    request = replace(asked("POST", "/v1/threads"), body=json.dumps(said).encode())
    heard = forwarded(await made.enforcement.check_request(at(request), request))
    assert heard.conversation
    request = replace(request, conversation=heard.conversation)
    thread = {"id": "t", "object": "thread"}
    await made.enforcement.check_response(at(request), request, reply(thread))

    name = json.dumps(["assistants", "api.openai.com:443", "thread/t"])
    assert await made.store.marked(name, ["said:mail:bob@x.example"])
