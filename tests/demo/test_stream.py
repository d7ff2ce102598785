"""Streams as the real SDK and the bytes on the wire show them."""

import gzip
import json
import socket
import ssl
import zlib
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any, override

import brotli
import openai
import pytest
import zstandard
from openai import AssistantEventHandler, OpenAI
from openai.types.beta import AssistantStreamEvent
from openai.types.beta.threads import Run, Text
from openai.types.beta.threads.runs import FunctionToolCall, ToolCall

from callgate.demo.certificates import Certificates
from callgate.demo.events import Style
from callgate.demo.launch import start_server
from callgate.demo.script import Script, Spoken, use
from callgate.demo.server import create_app
from callgate.demo.stream import Encoding
from tests.demo.conftest import Clock, Connect

# the SDK calls the whole Assistants API deprecated, at every use
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WEATHER = use("get_weather", city="Malmö", note='a "quoted" \\ word 😀')
REFUND = use("refund_order", order_id="A-1", amount=5)
SCRIPTS = {
    "one": Script(((WEATHER,), "I saw: {outputs}")),
    "two": Script(((WEATHER, REFUND), "{outputs}")),
    "chain": Script(((WEATHER,), (REFUND,), "{outputs}")),
    "spoken": Script((Spoken("Let me see.", (WEATHER, REFUND)), "{outputs}")),
    "text": Script(("Nothing to do here.",)),
}

# what api.openai.com sent in October 2025: events, repetitions left out, and the fields of each
BEGIN = ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]
STEP = ["thread.run.step.created", "thread.run.step.in_progress"]
MESSAGE = [
    *STEP,
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
]
WAITING = [*STEP, "thread.run.step.delta", "thread.run.requires_action", "done"]
RUN_FIELDS = (
    "id object created_at assistant_id thread_id status started_at expires_at cancelled_at "
    "failed_at completed_at required_action last_error model instructions tools tool_resources "
    "metadata temperature top_p reasoning_effort max_completion_tokens max_prompt_tokens "
    "truncation_strategy incomplete_details usage response_format tool_choice parallel_tool_calls"
)
STEP_FIELDS = (
    "id object created_at run_id assistant_id thread_id type status cancelled_at completed_at "
    "expires_at failed_at last_error step_details usage"
)
MESSAGE_FIELDS = (
    "id object created_at assistant_id thread_id run_id status incomplete_details incomplete_at "
    "completed_at role content attachments metadata"
)
FIELDS = {
    "thread": "id object created_at metadata tool_resources",
    "thread.run": RUN_FIELDS,
    "thread.run.step": STEP_FIELDS,
    "thread.run.step.delta": "id object delta",
    "thread.message": MESSAGE_FIELDS,
    "thread.message.delta": "id object delta",
}

type Frame = tuple[str, Any]


def frames_of(raw: bytes) -> list[Frame]:
    *frames, rest = raw.decode().split("\n\n")
    assert rest == ""
    found = []
    for frame in frames:
        event, data = frame.split("\n")
        text = data.removeprefix("data: ")
        found.append(
            (event.removeprefix("event: "), None if text == "[DONE]" else json.loads(text))
        )
    return found


def order(frames: list[Frame]) -> list[str]:
    return [name for name, _ in groupby(name for name, _ in frames)]


class Desk:
    """A client with an assistant and a thread on a server of its own."""

    def __init__(self, connect: Connect, **options: Any) -> None:
        self.client: OpenAI = connect(create_app(SCRIPTS, **{"think_seconds": 0, **options}))
        self.threads = self.client.beta.threads
        self.runs = self.threads.runs
        self.assistant = self.client.beta.assistants.create(model="one").id
        self.thread = self.threads.create(messages=[{"role": "user", "content": "go"}]).id

    def post(self, path: str, body: dict[str, Any], **headers: str) -> bytes:
        """Bytes of a whole stream, decompressed."""
        return self.client.post(
            f"/threads/{path}",
            body={**body, "stream": True},
            cast_to=openai.HttpxBinaryResponseContent,
            options={"headers": {"OpenAI-Beta": "assistants=v2", **headers}},
        ).content

    def start(self, model: str) -> list[Frame]:
        body = {"assistant_id": self.assistant, "model": model}
        return frames_of(self.post(f"{self.thread}/runs", body))

    def submit(self, waiting: dict[str, Any]) -> list[Frame]:
        outputs = [
            {"tool_call_id": call["id"], "output": f"output of {call['function']['name']}"}
            for call in waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
        ]
        path = f"{self.thread}/runs/{waiting['id']}/submit_tool_outputs"
        return frames_of(self.post(path, {"tool_outputs": outputs}))

    def texts(self) -> list[str]:
        page = self.threads.messages.list(self.thread, order="asc")
        return [part.text.value for m in page for part in m.content if part.type == "text"]


class Watcher(AssistantEventHandler):
    """Notes what an app's handler is told."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.text = ""
        self.texts: list[str] = []
        self.calls: list[FunctionToolCall] = []

    @override
    def on_event(self, event: AssistantStreamEvent) -> None:
        self.events.append(event.event)

    @override
    def on_text_delta(self, delta: Any, snapshot: Text) -> None:
        self.text += delta.value or ""

    @override
    def on_text_done(self, text: Text) -> None:
        self.texts.append(text.value)

    @override
    def on_tool_call_done(self, tool_call: ToolCall) -> None:
        assert isinstance(tool_call, FunctionToolCall)
        self.calls.append(tool_call.model_copy(deep=True))

    @property
    def run(self) -> Run:
        assert self.current_run
        return self.current_run


def play(desk: Desk, model: str) -> list[Watcher]:
    """Run to the end as an app does: a handler for each request."""
    watchers = [Watcher()]
    with desk.runs.stream(
        thread_id=desk.thread,
        assistant_id=desk.assistant,
        model=model,
        event_handler=watchers[-1],
    ) as stream:
        stream.until_done()
    while watchers[-1].run.status == "requires_action":
        run = watchers[-1].run
        assert run.required_action
        calls = run.required_action.submit_tool_outputs.tool_calls
        watchers.append(Watcher())
        with desk.runs.submit_tool_outputs_stream(
            thread_id=desk.thread,
            run_id=run.id,
            tool_outputs=[{"tool_call_id": call.id, "output": "ok"} for call in calls],
            event_handler=watchers[-1],
        ) as stream:
            stream.until_done()
    return watchers


def test_order_and_fields_are_those_of_recorded_streams(connect: Connect) -> None:
    desk = Desk(connect)
    body = {
        "assistant_id": desk.assistant,
        "thread": {"messages": [{"role": "user", "content": "go"}]},
    }
    created = frames_of(desk.post("runs", body))
    assert order(created) == ["thread.created", *BEGIN, *WAITING]
    waiting = created[-2][1]
    desk.thread = waiting["thread_id"]
    done = desk.submit(waiting)
    assert order(done) == [
        "thread.run.step.completed",
        *BEGIN[1:],
        *MESSAGE,
        "thread.run.completed",
        "done",
    ]
    for _, data in [*created[:-1], *done[:-1]]:
        assert " ".join(data) == FIELDS[data["object"]]


def test_text_and_chained_rounds_keep_the_order(connect: Connect) -> None:
    desk = Desk(connect)
    assert order(desk.start("text")) == [*BEGIN, *MESSAGE, "thread.run.completed", "done"]
    first = desk.start("chain")
    assert order(first) == [*BEGIN, *WAITING]
    second = desk.submit(first[-2][1])
    assert order(second) == ["thread.run.step.completed", *BEGIN[1:], *WAITING]
    third = desk.submit(second[-2][1])
    assert order(third)[-2:] == ["thread.run.completed", "done"]
    assert desk.texts()[-1].endswith("output of refund_order")


def test_answer_has_openais_content_type_and_no_poll_header(connect: Connect) -> None:
    desk = Desk(connect)
    answer = desk.runs.with_raw_response.create(
        desk.thread, assistant_id=desk.assistant, stream=True
    )
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["openai-version"] == "2020-10-01"
    assert str(answer.headers["x-request-id"]).startswith("req_")
    assert "openai-poll-after-ms" not in answer.headers
    answer.http_response.read()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunk_bytes": 1},
        {"chunk_bytes": 7, "stream_encoding": "gzip"},
        {"chunk_bytes": 100_000},
        {"event_seconds": 0.001, "think_seconds": 0.01},
        {"prefix": "/v1", "stream_encoding": "br"},
    ],
    ids=str,
)
def test_event_handler_sees_calls_and_text(connect: Connect, options: dict[str, Any]) -> None:
    first, last = play(Desk(connect, **options), "two")
    assert [(call.function.name, call.function.arguments) for call in first.calls] == [
        (call.name, call.arguments) for call in (WEATHER, REFUND)
    ]
    assert first.run.required_action
    waiting = first.run.required_action.submit_tool_outputs.tool_calls
    assert [call.id for call in first.calls] == [call.id for call in waiting]
    ids = [call.id for call in waiting]
    assert last.text == f"get_weather ({ids[0]}): ok\nrefund_order ({ids[1]}): ok"
    assert last.texts == [last.text]
    assert last.run.status == "completed"


def test_event_handler_sees_chained_rounds_and_text_before_calls(connect: Connect) -> None:
    desk = Desk(connect)
    assert [len(watcher.calls) for watcher in play(desk, "chain")] == [1, 1, 0]
    first, last = play(desk, "spoken")
    assert (first.texts, len(first.calls)) == (["Let me see."], 2)
    assert last.run.status == "completed"


@pytest.mark.parametrize("style", ["full-step", "new-ids", "no-required-action"])
def test_sdk_reads_streams_of_deviating_servers(connect: Connect, style: Style) -> None:
    desk = Desk(connect, style=style)
    watcher = Watcher()
    with desk.runs.stream(
        thread_id=desk.thread, assistant_id=desk.assistant, model="two", event_handler=watcher
    ) as stream:
        stream.until_done()
    assert watcher.run.status == "requires_action"
    assert (watcher.run.required_action is None) == (style == "no-required-action")
    (step,) = desk.runs.steps.list(watcher.run.id, thread_id=desk.thread)
    assert step.step_details.type == "tool_calls"
    calls = step.step_details.tool_calls
    outputs = [{"tool_call_id": call.id, "output": "ok"} for call in calls]
    path = f"{desk.thread}/runs/{watcher.run.id}/submit_tool_outputs"
    assert frames_of(desk.post(path, {"tool_outputs": outputs}))[-2][0] == "thread.run.completed"


def test_plain_event_iterator_and_polling_helpers_work(connect: Connect) -> None:
    desk = Desk(connect)
    with desk.runs.create(
        desk.thread, assistant_id=desk.assistant, model="text", stream=True
    ) as stream:
        seen = [event.event for event in stream]
    assert seen[-1] == "thread.run.completed"
    run = desk.runs.create_and_poll(thread_id=desk.thread, assistant_id=desk.assistant)
    assert run.required_action
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    run = desk.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=desk.thread,
        tool_outputs=[{"tool_call_id": call.id, "output": "rain"}],
    )
    assert run.status == "completed"
    with desk.threads.create_and_run_stream(
        assistant_id=desk.assistant, thread={"messages": [{"role": "user", "content": "go"}]}
    ) as events:
        assert next(iter(events)).event == "thread.created"
        events.until_done()


def test_process_streams_as_its_flags_say(certificates: Certificates, trust: Path) -> None:
    flags = ["--style", "full-step", "--chunk-bytes", "9", "--stream-encoding", "gzip"]
    flags += ["--event-seconds", "0.001", "--script", "demo-text-then-calls"]
    with (
        start_server(certificates, options=flags) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="any") as client,
    ):
        assistant = client.beta.assistants.create(model="m")
        with client.beta.threads.create_and_run_stream(
            assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "go"}]}
        ) as stream:
            seen = [name for name, _ in groupby(event.event for event in stream)]
    assert seen == ["thread.created", *BEGIN, *MESSAGE, *STEP, "thread.run.requires_action"]


def test_chunks_without_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="chunk_bytes must be at least 1, not 0"):
        create_app(chunk_bytes=0)


def _unknown_assistant(desk: Desk, run: Run) -> None:
    desk.runs.create(desk.thread, assistant_id="asst_x", stream=True)


def _second_run(desk: Desk, run: Run) -> None:
    desk.runs.create(desk.thread, assistant_id=desk.assistant, stream=True)


def _wrong_outputs(desk: Desk, run: Run) -> None:
    desk.runs.submit_tool_outputs(run.id, thread_id=desk.thread, tool_outputs=[], stream=True)


def _stream_of_wrong_type(desk: Desk, run: Run) -> None:
    desk.client.post(
        f"/threads/{desk.thread}/runs",
        body={"assistant_id": desk.assistant, "stream": "yes"},
        cast_to=object,
        options={"headers": {"OpenAI-Beta": "assistants=v2"}},
    )


@pytest.mark.parametrize(
    ("ask", "status", "message"),
    [
        (_unknown_assistant, 404, "No assistant found with id 'asst_x'."),
        (_second_run, 400, "already has an active run"),
        (_wrong_outputs, 400, "Expected tool outputs for call_ids ['call_"),
        (_stream_of_wrong_type, 400, "Invalid type for 'stream': expected a boolean"),
    ],
)
def test_errors_before_the_stream_are_plain_json(
    connect: Connect, ask: Callable[[Desk, Run], None], status: int, message: str
) -> None:
    desk = Desk(connect)
    run = desk.runs.create_and_poll(thread_id=desk.thread, assistant_id=desk.assistant)
    with pytest.raises(openai.APIStatusError) as error:
        ask(desk, run)
    assert error.value.status_code == status
    assert error.value.response.headers["content-type"] == "application/json"
    assert message in str(error.value)
    assert desk.runs.retrieve(run.id, thread_id=desk.thread).status == "requires_action"


def test_streamed_run_can_be_polled_and_cancelled_meanwhile(connect: Connect) -> None:
    clock = Clock()
    desk = Desk(connect, clock=clock, event_seconds=10)
    with desk.runs.create(
        desk.thread, assistant_id=desk.assistant, model="text", stream=True
    ) as stream:
        events = iter(stream)
        seen = [next(events).event for _ in range(4)]
        (run,) = desk.runs.list(desk.thread)
        assert run.status == "in_progress"
        clock.now += 40
        seen += [next(events).event for _ in range(4)]
        assert desk.runs.cancel(run.id, thread_id=desk.thread).status == "cancelling"
        seen += [event.event for event in events]
    assert seen == [
        *BEGIN,
        *MESSAGE[:5],
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]
    assert desk.texts() == ["go", "Nothing"]


def test_streamed_run_expires_with_a_clear_end(connect: Connect) -> None:
    clock = Clock()
    desk = Desk(connect, clock=clock, event_seconds=10, run_seconds=15)
    with desk.runs.create(desk.thread, assistant_id=desk.assistant, stream=True) as stream:
        events = iter(stream)
        seen = [next(events).event for _ in range(4)]
        clock.now += 15
        seen += [event.event for event in events]
    assert seen == [*BEGIN, *STEP, "thread.run.step.expired", "thread.run.expired"]


def test_run_goes_on_when_its_listener_leaves(connect: Connect) -> None:
    clock = Clock()
    desk = Desk(connect, clock=clock, event_seconds=10)
    with desk.runs.create(
        desk.thread, assistant_id=desk.assistant, model="text", stream=True
    ) as stream:
        next(iter(stream))
    clock.now += 200
    (run,) = desk.runs.list(desk.thread)
    assert run.status == "completed"
    assert desk.texts()[-1] == "Nothing to do here."


def test_events_arrive_when_they_happen(connect: Connect) -> None:
    clock = Clock()
    desk = Desk(connect, clock=clock, event_seconds=10)
    with desk.runs.create(
        desk.thread, assistant_id=desk.assistant, model="text", stream=True
    ) as stream:
        events = iter(stream)
        seen = [next(events).event for _ in BEGIN]
        for _ in range(2):
            clock.now += 10
            seen.append(next(events).event)
        (run,) = desk.runs.list(desk.thread)
        assert run.status == "in_progress"
        clock.now += 200
        seen += [event.event for event in events]
    assert [name for name, _ in groupby(seen)] == [*BEGIN, *MESSAGE, "thread.run.completed"]


def exchange(desk: Desk, ca: Path, accepts: str) -> tuple[bytes, list[bytes]]:
    """Head and chunks of a streamed answer, as they are on the wire."""
    url = desk.client.base_url
    body = json.dumps({"assistant_id": desk.assistant, "model": "text", "stream": True}).encode()
    request = (
        f"POST /v1/threads/{desk.thread}/runs HTTP/1.1\r\nHost: {url.host}\r\n"
        f"Authorization: Bearer any\r\nOpenAI-Beta: assistants=v2\r\nAccept-Encoding: {accepts}\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    context = ssl.create_default_context(cafile=str(ca))
    assert url.port
    with (
        socket.create_connection((url.host, url.port)) as plain,
        context.wrap_socket(plain, server_hostname=url.host) as connection,
    ):
        connection.sendall(request + body)
        raw = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, rest = raw.partition(b"\r\n\r\n")
    chunks: list[bytes] = []
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return head, chunks
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]


def test_each_event_is_a_chunk_by_default(connect: Connect, trust: Path) -> None:
    _, chunks = exchange(Desk(connect), trust, "identity")
    assert all(
        chunk.startswith(b"event: ") and chunk.count(b"\n\n") == 1 and chunk.endswith(b"\n\n")
        for chunk in chunks
    )


def test_chunks_are_cut_to_size_across_events(connect: Connect, trust: Path) -> None:
    _, chunks = exchange(Desk(connect, chunk_bytes=100), trust, "identity")
    assert {len(chunk) for chunk in chunks[:-1]} == {100}
    assert b"\n\nevent" in b"".join(chunks[1:-1])
    assert order(frames_of(b"".join(chunks)))[-1] == "done"


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_stream_is_compressed_for_those_who_accept_it(
    connect: Connect, trust: Path, encoding: Encoding
) -> None:
    desk = Desk(connect, stream_encoding=encoding)
    head, chunks = exchange(desk, trust, f"deflate, {encoding};q=0.9")
    assert f"content-encoding: {encoding}".encode() in head.lower()
    raw = b"".join(chunks)
    match encoding:
        case "gzip":
            raw = gzip.decompress(raw)
        case "br":
            raw = brotli.decompress(raw)
        case "zstd":
            raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    assert order(frames_of(raw)) == [*BEGIN, *MESSAGE, "thread.run.completed", "done"]
    head, chunks = exchange(desk, trust, "deflate")
    assert b"content-encoding" not in head.lower()
    assert order(frames_of(b"".join(chunks)))[-1] == "done"


def test_compressed_events_can_be_read_as_they_come(connect: Connect, trust: Path) -> None:
    _, chunks = exchange(Desk(connect, stream_encoding="gzip"), trust, "gzip")
    decoder = zlib.decompressobj(wbits=31)
    decoded = [decoder.decompress(chunk) for chunk in chunks]
    assert all(frame.startswith(b"event: ") for frame in decoded[:-1])
    assert decoder.eof
