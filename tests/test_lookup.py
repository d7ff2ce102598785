"""Asking the API which calls a run waits for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from callgate.errors import BodyError, UpstreamError
from callgate.exchange import Request, Response
from callgate.lookup import Lookup, calls_of
from callgate.surfaces import endpoint_for
from callgate.surfaces.base import Endpoint

RUN = "/v1/threads/t/runs/r"
STEPS = f"{RUN}/steps?limit=100"

type Answer = tuple[int, object] | UpstreamError


class ScriptedUpstream:
    """Answers by target; keeps what it was asked."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.requests: list[Request] = []
        self._answers = answers

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self._answers[request.target]
        if isinstance(answer, UpstreamError):
            raise answer
        status, body = answer
        return Response(status, (), body if isinstance(body, bytes) else json.dumps(body).encode())

    async def close(self) -> None:
        pass

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.requests]


def call(id: str) -> dict[str, object]:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}


def run(*ids: str, status: str = "requires_action") -> dict[str, object]:
    action = {"type": "submit_tool_outputs"}
    outputs = {"tool_calls": [call(id) for id in ids]}
    return {
        "id": "r",
        "thread_id": "t",
        "status": status,
        "required_action": {**action, "submit_tool_outputs": outputs} if ids else None,
    }


def steps(*rounds: Sequence[str], status: str = "in_progress") -> dict[str, object]:
    listed = [
        {
            "id": f"step_{number}",
            "run_id": "r",
            "thread_id": "t",
            "status": status,
            "step_details": {"type": "tool_calls", "tool_calls": [call(id) for id in ids]},
        }
        for number, ids in enumerate(rounds)
    ]
    return {"object": "list", "data": listed}


def submit() -> tuple[Endpoint, Request]:
    headers = (("authorization", "Bearer k"),)
    target = f"{RUN}/submit_tool_outputs"
    request = Request("POST", "https", "api.openai.com", 443, target, headers, b"{}")
    endpoint = endpoint_for("POST", ("v1", "threads", "t", "runs", "r", "submit_tool_outputs"))
    assert endpoint is not None
    return endpoint, request


async def ids_found(upstream: ScriptedUpstream, wanted: Sequence[str] = ()) -> list[str]:
    endpoint, request = submit()
    turns = await Lookup(upstream).turns(endpoint, request, "t/r", wanted)
    return [call.id for call in calls_of(turns)]


# -- turns ----------------------------------------------------------------------------------


async def test_the_run_is_asked_with_the_app_s_own_credentials() -> None:
    upstream = ScriptedUpstream({RUN: (200, run("a", "b"))})

    assert await ids_found(upstream) == ["a", "b"]
    [asked] = upstream.requests
    assert (asked.method, asked.target, asked.body) == ("GET", RUN, b"")
    assert asked.header("authorization") == "Bearer k"


async def test_steps_are_asked_where_the_run_names_no_calls() -> None:
    upstream = ScriptedUpstream({RUN: (200, run()), STEPS: (200, steps(["a"]))})

    assert await ids_found(upstream) == ["a"]
    assert upstream.targets == [RUN, STEPS]


async def test_a_call_of_an_earlier_round_is_looked_for_in_the_steps() -> None:
    answers = {RUN: (200, run("b")), STEPS: (200, steps(["b"], ["a"]))}

    assert await ids_found(ScriptedUpstream(answers), ["b"]) == ["b"]
    assert await ids_found(ScriptedUpstream(answers), ["a"]) == ["b", "a"]
    assert await ids_found(ScriptedUpstream(answers), ["a", "nowhere"]) == ["b", "a"]


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_a_run_that_the_api_does_not_know_has_no_calls(status: int) -> None:
    error = (status, {"error": {"message": "No run found"}})

    assert await ids_found(ScriptedUpstream({RUN: error, STEPS: error})) == []


FAILURES: list[Answer] = [
    UpstreamError("down"),
    *((status, b"") for status in (301, 302, 401, 403, 408, 409, 429, 500, 502, 503)),
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_a_failure_is_no_answer(failure: Answer) -> None:
    upstream = ScriptedUpstream({RUN: failure, STEPS: failure})

    with pytest.raises(UpstreamError) as caught:
        await ids_found(upstream)

    assert str(caught.value).count("; ") == 1
    assert upstream.targets == [RUN, STEPS]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_calls_that_one_answer_shows_are_found_without_the_other(failure: Answer) -> None:
    answers = {RUN: failure, STEPS: (200, steps(["a"]))}

    assert await ids_found(ScriptedUpstream(answers)) == ["a"]
    assert await ids_found(ScriptedUpstream(answers), ["a"]) == ["a"]
    assert await ids_found(ScriptedUpstream({RUN: (200, run("a")), STEPS: failure}), ["a"]) == ["a"]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_what_is_not_found_is_not_taken_for_unknown_after_a_failure(failure: Answer) -> None:
    for answers in (
        {RUN: (200, run()), STEPS: failure},
        {RUN: failure, STEPS: (200, steps())},
        {RUN: (200, run("b")), STEPS: failure},
    ):
        with pytest.raises(UpstreamError):
            await ids_found(ScriptedUpstream(answers), ["a"])


@pytest.mark.parametrize("status", [400, 404, 405, 501])
async def test_a_server_without_steps_leaves_what_the_run_shows(status: int) -> None:
    answers: dict[str, Answer] = {RUN: (200, run("b")), STEPS: (status, b"")}

    assert await ids_found(ScriptedUpstream(answers), ["a"]) == ["b"]


async def test_a_failure_is_told_without_the_query() -> None:
    endpoint, request = submit()
    request = request.with_target("POST", f"{RUN}/submit_tool_outputs?api-key=secret", b"{}")
    failure: Answer = (500, b"")
    answers = {f"{RUN}?api-key=secret": failure, f"{RUN}/steps?api-key=secret&limit=100": failure}

    with pytest.raises(UpstreamError) as caught:
        await Lookup(ScriptedUpstream(answers)).turns(endpoint, request, "t/r")

    assert str(caught.value) == f"GET {RUN} answered 500; GET {RUN}/steps answered 500"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"status":"completed","status":"requires_action"}',
        {
            "status": "requires_action",
            "required_action": {"submit_tool_outputs": {"tool_calls": 1}},
        },
    ],
)
async def test_an_answer_that_can_not_be_read_is_a_body_error(body: object) -> None:
    upstream = ScriptedUpstream({RUN: (200, body)})

    with pytest.raises(BodyError):
        await ids_found(upstream)


# -- waiting --------------------------------------------------------------------------------


async def waiting(answers: Mapping[str, Answer]) -> list[str]:
    endpoint, request = submit()
    found = await Lookup(ScriptedUpstream(answers)).waiting(endpoint, request, "t/r")
    return [call.id for call in found]


async def test_calls_wait_while_the_run_requires_action() -> None:
    assert await waiting({RUN: (200, run("a"))}) == ["a"]
    assert await waiting({RUN: (200, run()), STEPS: (200, steps(["a"]))}) == ["a"]


async def test_answered_calls_do_not_wait() -> None:
    completed = steps(["a"], status="completed")

    assert await waiting({RUN: (200, run(status="completed")), STEPS: (200, completed)}) == []
    assert await waiting({RUN: (200, run("a", status="expired")), STEPS: (200, completed)}) == []


async def test_a_call_shown_twice_counts_once() -> None:
    assert await waiting({RUN: (200, run()), STEPS: (200, steps(["a"], ["a", "b"]))}) == ["a", "b"]


# -- owner ----------------------------------------------------------------------------------


def create() -> tuple[Endpoint, Request]:
    request = Request("POST", "https", "api.openai.com", 443, "/v1/threads/t/runs?api-version=1")
    endpoint = endpoint_for("POST", ("v1", "threads", "t", "runs"))
    assert endpoint is not None
    return endpoint, request


ASSISTANT = "/v1/assistants/asst_1?api-version=1"


async def test_the_assistant_tells_which_hosted_tools_a_run_inherits() -> None:
    document = {"id": "asst_1", "tools": [{"type": "code_interpreter"}, {"type": "function"}]}
    upstream = ScriptedUpstream({ASSISTANT: (200, document)})

    owner = await Lookup(upstream).owner(*create(), "asst_1")

    assert owner is not None
    assert owner.document == document
    assert [tool.name for tool in owner.outgoing.hosted_tools] == ["code_interpreter"]
    assert upstream.requests[0].method == "GET"


async def test_an_assistant_that_is_not_there_owns_nothing() -> None:
    upstream = ScriptedUpstream({ASSISTANT: (404, b"")})

    assert await Lookup(upstream).owner(*create(), "asst_1") is None


@pytest.mark.parametrize("answer", [(302, b""), (401, b""), (500, b""), UpstreamError("down")])
async def test_an_assistant_that_is_not_shown_is_an_upstream_error(answer: Answer) -> None:
    with pytest.raises(UpstreamError):
        await Lookup(ScriptedUpstream({ASSISTANT: answer})).owner(*create(), "asst_1")


@pytest.mark.parametrize("body", [b"", b"[]", {"tools": "all"}, {"tools": [{"type": 1}]}])
async def test_an_assistant_that_can_not_be_read_is_a_body_error(body: object) -> None:
    with pytest.raises(BodyError):
        await Lookup(ScriptedUpstream({ASSISTANT: (200, body)})).owner(*create(), "asst_1")
