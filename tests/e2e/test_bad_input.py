"""Malformed traffic: as without a proxy, or refused with an error that says what and why.

Never a stack trace to the client, never an unscanned call, never a lost record.
"""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import brotli
import pytest
import zstandard

from tests.e2e.gate import Answer, Gate, StartGate
from tests.e2e.origin import Origin, Reply

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
  - name: assistant 5
    assistant_id: "5"
    actions:
      - {tool: get_weather, effect: deny}
"""

RUN = "/v1/threads/thread_1/runs/run_1"
SUBMIT = f"{RUN}/submit_tool_outputs"
JSON = ("Content-Type", "application/json")

type Encode = Callable[[bytes], bytes]


def call(id: str = "call_1", name: str = "run_shell", arguments: object = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def run_of(*calls: object, **changes: object) -> bytes:
    """A run that waits for these calls."""
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    run = {
        "id": "run_1",
        "object": "thread.run",
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "status": "requires_action",
        "required_action": action,
    }
    return json.dumps({**run, **changes}).encode()


def outputs_of(*ids: object) -> bytes:
    """A submit of one result for each call id."""
    return json.dumps(
        {"tool_outputs": [{"tool_call_id": i, "output": "done"} for i in ids]}
    ).encode()


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body)[2:-4]


ENCODINGS: Mapping[str, tuple[str, Encode]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "GZIP": ("GZIP", gzip.compress),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
}


@dataclass(frozen=True, slots=True)
class Stage:
    gate: Gate
    origin: Origin

    def get(self, body: bytes, *, status: int = 200, target: str = RUN, **more: str) -> Answer:
        """Fetch a run whose answer is this; `more` are headers, `_` for `-`."""
        headers = (JSON, *((name.replace("_", "-"), value) for name, value in more.items()))
        self.origin.answer = lambda _: Reply(body, status, headers)
        return self.gate.request(self.origin.host, "GET", target)

    def submit(self, body: bytes, *, target: str = SUBMIT, **more: str) -> Answer:
        """Submit results while the API shows a run that waits for one denied call."""
        shown = run_of(call(), call("call_2", "get_weather"))
        self.origin.answer = lambda _: Reply(shown)
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        return self.gate.request(self.origin.host, "POST", target, body, headers)

    @property
    def posts(self) -> int:
        """How many POST requests reached the API."""
        return sum(seen.method == "POST" for seen in self.origin.seen)

    def refusals(self) -> list[dict[str, object]]:
        return self.gate.lines("audit", "--last", "1000", "--filter", "kind=refusal")


@pytest.fixture(scope="module")
def stages(start_shared_gate: StartGate, server_context: ssl.SSLContext) -> Iterator[Stage]:
    with Origin(server_context) as origin:
        yield Stage(start_shared_gate(origin.host, policy=POLICY), origin)


@pytest.fixture
def stage(stages: Stage) -> Stage:
    stages.origin.seen.clear()
    return stages


@pytest.fixture(scope="module")
def observing(start_shared_gate: StartGate, server_context: ssl.SSLContext) -> Iterator[Stage]:
    with Origin(server_context) as origin:
        yield Stage(start_shared_gate(origin.host, mode="observe", policy=POLICY), origin)


def assert_refused(answer: Answer, status: int, code: str) -> None:
    """An error in OpenAI's form, which says what is wrong and is not worth a retry."""
    assert answer.status == status, answer.body[:300]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["x-should-retry"] == "false"
    error = answer.error
    assert error["code"] == code
    assert set(error) >= {"message", "type", "param", "code"}
    assert str(error["message"]).startswith("Callgate ")
    assert "Traceback" not in str(error["message"])


# -- responses ----------------------------------------------------------------------------

UNREADABLE: Mapping[str, bytes] = {
    "not JSON": b"<html>hello</html>",
    "truncated": run_of(call())[:-20],
    "something after the JSON": run_of(call()) + b"{}",
    "duplicate keys": run_of(call()).replace(b'"status"', b'"status":"completed","status"'),
    "NaN": b'{"id": NaN}',
    "invalid UTF-8": run_of(call()).replace(b"run_shell", b"run\xff\xfeshell"),
    "UTF-16": run_of(call()).decode().encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + run_of(call()),
    "nested too deeply": b"[" * 100_000 + b"]" * 100_000,
    "tool_calls is an object": run_of(
        required_action={"submit_tool_outputs": {"tool_calls": {"0": call()}}}
    ),
    "required_action is text": run_of(required_action="run_shell"),
    "call is text": run_of("run_shell"),
    "call is null": run_of(None),
    "call without id": run_of({"type": "function", "function": call()["function"]}),
    "call id is an object": run_of({**call(), "id": {}}),
    "function without name": run_of({**call(), "function": {"arguments": "{}"}}),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_response_that_can_not_be_read_is_refused(stage: Stage, case: str) -> None:
    assert_refused(stage.get(UNREADABLE[case]), 502, "response_not_inspectable")


@pytest.mark.parametrize("case", UNREADABLE)
def test_response_that_can_not_be_read_passes_in_observe(observing: Stage, case: str) -> None:
    answer = observing.get(UNREADABLE[case])

    assert (answer.status, answer.body) == (200, UNREADABLE[case])


@pytest.mark.parametrize("name", ENCODINGS)
def test_encoded_response_is_judged_and_unchanged(stage: Stage, name: str) -> None:
    encoding, encode = ENCODINGS[name]
    body = encode(run_of(call()))

    answer = stage.get(body, Content_Encoding=encoding)

    assert answer.calls["call_1"]["decision"] == "deny"
    assert answer.body == body


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("snappy", run_of(call())),
        ("gzip, br", brotli.compress(gzip.compress(run_of(call()), mtime=0))),
        ("gzip", run_of(call())),
        ("gzip", gzip.compress(run_of(call()), mtime=0)[:-12]),
        ("br", brotli.compress(run_of(call()))[:-3]),
        ("zstd", zstandard.compress(run_of(call()))[:-3]),
        ("gzip", gzip.compress(bytes(50 << 20), mtime=0)),
        ("br", brotli.compress(bytes(50 << 20), quality=1)),
        ("zstd", zstandard.compress(bytes(50 << 20))),
    ],
)
def test_response_that_can_not_be_decoded_is_refused(
    stage: Stage, encoding: str, body: bytes
) -> None:
    answer = stage.get(body, Content_Encoding=encoding)

    assert_refused(answer, 502, "response_not_inspectable")


def test_response_of_50_mb_is_refused(stage: Stage) -> None:
    answer = stage.get(run_of(call(), instructions="x" * (50 << 20)))

    assert_refused(answer, 502, "response_not_inspectable")
    assert "32 MiB" in str(answer.error["message"])


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"<html>Internal Server Error</html>"),
        (404, b'{"error":{"message":"No run found","type":"invalid_request_error"}}'),
        (429, b""),
        (502, b"upstream connect error"),
    ],
)
def test_error_of_the_api_passes_unchanged(stage: Stage, status: int, body: bytes) -> None:
    answer = stage.get(body, status=status, Retry_After="1")

    assert (answer.status, answer.body) == (status, body)
    assert answer.headers["Retry-After"] == "1"


def test_response_cut_on_the_wire_gives_no_part_of_a_call(stage: Stage) -> None:
    body = run_of(call())
    stage.origin.answer = lambda _: Reply(body, promised_length=len(body) + 10)
    try:
        answer = stage.gate.request(stage.origin.host, "GET", RUN)
    except (http.client.HTTPException, ConnectionError):
        return
    assert answer.status == 502
    assert b"run_shell" not in answer.body
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "arguments", ["not JSON", '{"a":1', '{"a":1,"a":2}', "{'a': 1}", '{"a":NaN}', "[" * 100_000]
)
def test_call_whose_arguments_are_no_clear_json_is_denied(stage: Stage, arguments: str) -> None:
    id = f"call_{zlib.crc32(arguments.encode())}"
    body = run_of(call(id, "get_weather", arguments))

    answer = stage.get(body)

    assert answer.calls[id]["decision"] == "deny"
    assert answer.calls[id]["reason"] == "MALFORMED_ARGUMENTS"
    assert answer.body == body


@pytest.mark.parametrize("arguments", ["", " ", "\n {  \n }", '\n {  \n  "city": "Zürich"}', "{}"])
def test_unusual_but_clear_arguments_are_allowed(stage: Stage, arguments: str) -> None:
    id = f"call_{zlib.crc32(arguments.encode())}"
    body = run_of(call(id, "get_weather", arguments))

    answer = stage.get(body)

    assert (answer.calls[id]["decision"], answer.body) == ("allow", body)


def test_call_of_an_unknown_type_is_denied(stage: Stage) -> None:
    answer = stage.get(run_of({"id": "call_x", "type": "shell", "shell": {"command": "ls"}}))

    assert answer.calls["call_x"]["decision"] == "deny"
    assert "UNKNOWN_TOOL_TYPE" in str(answer.calls["call_x"]["reason"])


def test_128_parallel_calls_are_all_judged(stage: Stage) -> None:
    names = ["run_shell" if n == 100 else "get_weather" for n in range(128)]
    body = run_of(*(call(f"call_many_{n}", name) for n, name in enumerate(names)))

    answer = stage.get(body)

    assert answer.body == body
    header = sum(len(k) + len(v) + 4 for k, v in answer.headers.items() if "Callgate" in k)
    assert header <= 4096
    assert answer.calls["call_many_100"]["decision"] == "deny"
    shown = len(answer.calls) - 1
    assert answer.calls["..."]["truncated"] == str(128 - shown)
    judged = {r["call"] for r in stage.gate.lines("audit", "--last", "2000") if r["kind"] == "call"}
    assert judged >= {f"call_many_{n}" for n in range(128)}


@pytest.mark.parametrize("id", ["c" * 400, "call ü ☃", 'call "quoted"\\', " ", "call\n1"])
def test_odd_call_id_is_annotated_and_its_result_refused(stage: Stage, id: str) -> None:
    body = run_of(call(id))

    answer = stage.get(body)

    assert answer.calls[id]["decision"] == "deny"
    refused = stage.gate.request(stage.origin.host, "POST", SUBMIT, outputs_of(id))
    assert_refused(refused, 403, "tool_call_denied")
    assert stage.posts == 0


def test_header_written_by_the_api_is_not_believed(stage: Stage) -> None:
    answer = stage.get(run_of(call()), Callgate_Calls='"call_1";decision=allow')

    assert answer.headers.get_all("Callgate-Calls") is not None
    assert len(answer.headers.get_all("Callgate-Calls") or ()) == 1
    assert answer.calls["call_1"]["decision"] == "deny"


# -- paths --------------------------------------------------------------------------------

PATHS = [
    "/v1/threads/thread_1/runs/run_1",
    "//v1//threads/thread_1/runs//run_1",
    "/v1/threads/thread_1/runs/run_1/",
    "/v1/%74hreads/thread_1/%72uns/run_1",
    "/V1/THREADS/thread_1/Runs/run_1",
    "/v1/threads/thread%5F1/runs/run%5f1",
    "/openai/threads/thread_1/runs/run_1?api-version=2024-05-01-preview",
    "/api/projects/p/threads/thread_1/runs/run_1?api-version=v1",
    "/threads/thread_1/runs/run_1",
    "/v1/threads/thread_1/runs/run_1?x=%2F",
]


AMBIGUOUS = [
    "/v1/./threads/thread_1/runs/run_1",
    "/v1/x/../threads/thread_1/runs/run_1",
    "/v1/threads;a=b/thread_1/runs/run_1",
    "/v1/threads/x%2Fy/runs/run_1",
    "/v1/threads/thread_1/runs/a%2Frun_1",
    "/v1/threads//runs/run_1",
    "/v1/threads/%2e/runs/run_1",
    "/v1/threads/thread_1/runs/%2e%2e",
    "/v1/threads/thread_1/runs/run_1/submit_tool_outputs/..",
    "/v1/threads/thread_1/runs/run_1/submit_tool_outputs%3Fx",
    "/v1/threads/thread_1/runs/run_1/submit_tool_outputs%20",
    "/v1/threads/thread_1/runs/run_1/submit_tool_outputs.json",
    "/v1/threads/thread_1/runs/run_1/submit%255Ftool_outputs",
    "/v1/%2574hreads/thread_1/runs/run_1",
]


@pytest.mark.parametrize("path", AMBIGUOUS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_path_that_servers_may_read_differently_is_refused(
    stage: Stage, path: str, method: str
) -> None:
    stage.origin.answer = lambda _: Reply(run_of(call()))
    body = json.dumps({"tool_outputs": [{"tool_call_id": "call_1", "output": "x"}]}).encode()
    answer = stage.gate.request(stage.origin.host, method, path, body, {})

    assert_refused(answer, 403, "request_not_inspectable")
    assert stage.origin.seen == []


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
def test_result_of_a_denied_call_is_refused_with_any_verb(stage: Stage, method: str) -> None:
    stage.origin.answer = lambda _: Reply(run_of(call()))
    body = json.dumps({"tool_outputs": [{"tool_call_id": "call_1", "output": "x"}]}).encode()
    answer = stage.gate.request(stage.origin.host, method, SUBMIT, body, {})

    assert_refused(answer, 403, "tool_call_denied")


@pytest.mark.parametrize(
    "body",
    [
        {"Tool_Outputs": [{"tool_call_id": "call_1", "output": "x"}]},
        {"tool_outputs": [], "outputs": [{"tool_call_id": "call_1", "output": "x"}]},
        {"tool_outputs": [{"tool_call_id": "call_1", "output": "x", "content": "y"}]},
    ],
)
def test_result_in_an_unknown_place_is_refused(stage: Stage, body: object) -> None:
    answer = stage.submit(json.dumps(body).encode())

    assert_refused(answer, 403, "request_not_inspectable")
    assert stage.posts == 0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda run: {"data": [[run]]},
        lambda run: {"data": run},
        lambda run: {"run": run},
        lambda run: {"Status": "requires_action", "Required_Action": run["required_action"]},
        lambda run: {**run, "required_action": {**run["required_action"], "other": {"calls": [1]}}},
    ],
)
def test_call_in_an_unknown_place_is_withheld(
    stage: Stage, wrap: Callable[[dict[str, object]], object]
) -> None:
    run = json.loads(run_of(call()))
    answer = stage.get(json.dumps(wrap(run)).encode())

    assert_refused(answer, 502, "response_not_inspectable")


def test_numeric_assistant_is_the_assistant_of_its_policy(stage: Stage) -> None:
    run = {**json.loads(run_of(call("call_n", "get_weather"))), "assistant_id": 5}
    assert stage.get(json.dumps(run).encode()).calls["call_n"]["decision"] == "deny"


@pytest.mark.parametrize("path", PATHS)
def test_odd_path_is_gated_and_sent_as_it_is(stage: Stage, path: str) -> None:
    answer = stage.get(run_of(call()), target=path)

    assert answer.calls["call_1"]["decision"] == "deny"
    assert [seen.target for seen in stage.origin.seen] == [path]


@pytest.mark.parametrize("path", PATHS)
def test_result_of_a_denied_call_is_refused_on_an_odd_path(stage: Stage, path: str) -> None:
    base, _, query = path.partition("?")
    target = f"{base}/submit_tool_outputs" + (f"?{query}" if query else "")

    answer = stage.submit(outputs_of("call_1"), target=target)

    assert_refused(answer, 403, "tool_call_denied")
    assert stage.posts == 0


# -- requests -----------------------------------------------------------------------------

UNREADABLE_REQUESTS: Mapping[str, bytes] = {
    "not JSON": b"tool_outputs=1",
    "truncated": outputs_of("call_2")[:-4],
    "duplicate keys": b'{"tool_outputs":[],' + outputs_of("call_2")[1:],
    "invalid UTF-8": outputs_of("call_2").replace(b"done", b"d\xffne"),
    "a list": b"[]",
    "a number": b"1",
    "tool_outputs is an object": b'{"tool_outputs":{"tool_call_id":"call_2","output":"x"}}',
    "output is text": b'{"tool_outputs":["call_2"]}',
    "call id is an object": outputs_of({}),
    "call id is missing": b'{"tool_outputs":[{"output":"x"}]}',
    "50 MB": json.dumps(
        {"tool_outputs": [{"tool_call_id": "call_2", "output": "x" * (50 << 20)}]}
    ).encode(),
}


@pytest.mark.parametrize("case", UNREADABLE_REQUESTS)
def test_request_that_can_not_be_read_is_refused_and_recorded(stage: Stage, case: str) -> None:
    answer = stage.submit(UNREADABLE_REQUESTS[case])

    assert_refused(answer, 403, "request_not_inspectable")
    assert stage.posts == 0


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("snappy", outputs_of("call_2")),
        ("gzip, gzip", gzip.compress(gzip.compress(outputs_of("call_2"), mtime=0), mtime=0)),
        ("gzip", outputs_of("call_2")),
        ("gzip", gzip.compress(outputs_of("call_2"), mtime=0)[:-12]),
        ("gzip", gzip.compress(b'{"tool_outputs":[]}' + b" " * (50 << 20), mtime=0)),
    ],
)
def test_request_that_can_not_be_decoded_is_refused(
    stage: Stage, encoding: str, body: bytes
) -> None:
    answer = stage.submit(body, Content_Encoding=encoding)

    assert_refused(answer, 403, "request_not_inspectable")
    assert stage.posts == 0


@pytest.mark.parametrize("name", ENCODINGS)
def test_encoded_result_of_an_allowed_call_passes_byte_for_byte(stage: Stage, name: str) -> None:
    encoding, encode = ENCODINGS[name]
    body = encode(outputs_of("call_2", "call_2"))
    stage.origin.answer = lambda _: Reply(run_of(call("call_2", "get_weather")))
    host = stage.origin.host
    target = f"/v1/threads/thread_1/runs/run_{len(name)}/submit_tool_outputs"

    answer = stage.gate.request(host, "POST", target, body, {"Content-Encoding": encoding})

    assert answer.status == 200, answer.body
    [sent] = [seen for seen in stage.origin.seen if seen.method == "POST"]
    assert sent.body == body
    assert sent.header("Content-Encoding") == encoding


@pytest.mark.parametrize("name", ENCODINGS)
def test_encoded_result_of_a_denied_call_is_refused(stage: Stage, name: str) -> None:
    encoding, encode = ENCODINGS[name]

    answer = stage.submit(encode(outputs_of("call_2", "call_1")), Content_Encoding=encoding)

    assert_refused(answer, 403, "tool_call_denied")
    assert answer.error["param"] == "tool_outputs[1].output"
    assert stage.posts == 0


@pytest.mark.parametrize("id", ["call_of_nobody", 2, ""])
def test_result_of_a_call_that_nobody_knows_is_refused(stage: Stage, id: str | int) -> None:
    answer = stage.submit(outputs_of(id))

    assert_refused(answer, 403, "tool_call_unknown")
    assert stage.posts == 0


def test_request_cut_on_the_wire_never_reaches_the_api(stage: Stage) -> None:
    stage.origin.answer = lambda _: Reply(run_of(call()))
    connection = stage.gate.connect(stage.origin.host)
    connection.putrequest("POST", SUBMIT)
    connection.putheader("Content-Length", "1000")
    connection.endheaders(outputs_of("call_2"))
    connection.close()

    assert stage.get(run_of(call())).status == 200
    assert stage.posts == 0


def test_header_of_the_app_is_not_passed_on(stage: Stage) -> None:
    stage.submit(outputs_of("call_2"), Callgate_Decision="allow")

    assert not [s for s in stage.origin.seen if s.header("Callgate-Decision")]


def test_every_refusal_is_recorded(stage: Stage) -> None:
    before = len(stage.refusals())

    stage.submit(b"not JSON")
    stage.submit(outputs_of("call_1"))
    stage.get(b"not JSON")

    codes = [str(record["code"]) for record in stage.refusals()[before:]]
    assert codes == ["request_not_inspectable", "tool_call_denied", "response_not_inspectable"]
