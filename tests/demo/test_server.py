import json
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.beta.assistant import Assistant
from openai.types.beta.thread import Thread
from openai.types.beta.threads.run import Run
from openai.types.beta.threads.runs import FunctionToolCall, RunStep, ToolCallsStepDetails

from callgate.demo.certificates import Certificates
from callgate.demo.launch import serve, start_server
from callgate.demo.script import Script, use
from callgate.demo.server import create_app
from callgate.demo.story import STORY
from tests.demo.conftest import Clock, Connect

# the SDK calls the whole Assistants API deprecated, at every use
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WEATHER = use("get_weather", city="Oslo")
REFUND = use("refund_order", order_id="A-1", amount=5)
SCRIPTS = {
    "one": Script(((WEATHER,), "I saw: {outputs}")),
    "two": Script(((WEATHER, REFUND), "{outputs}")),
    "chain": Script(((WEATHER,), (REFUND,), "{outputs}")),
    "text": Script(("Hello.",)),
}


class Desk:
    """A client, an assistant and a thread on a server whose clock is told the time."""

    def __init__(self, connect: Connect, **options: Any) -> None:
        self.clock = Clock()
        options = {"think_seconds": 10, **options}
        self.app = create_app(SCRIPTS, clock=self.clock, **options)
        self.client = connect(self.app)
        self.runs = self.client.beta.threads.runs
        self.assistant: Assistant = self.client.beta.assistants.create(model="one")
        self.thread: Thread = self.client.beta.threads.create(
            messages=[{"role": "user", "content": "go"}]
        )

    def start(self, model: str = "one") -> Run:
        return self.runs.create(self.thread.id, assistant_id=self.assistant.id, model=model)

    def get(self, run: Run, *, later: float = 0) -> Run:
        self.clock.now += later
        return self.runs.retrieve(run.id, thread_id=self.thread.id)

    def start_waiting(self, model: str = "one") -> Run:
        return self.get(self.start(model), later=20)

    def submit(self, run: Run, outputs: dict[str, str]) -> Run:
        return self.runs.submit_tool_outputs(
            run.id,
            thread_id=self.thread.id,
            tool_outputs=[{"tool_call_id": id, "output": text} for id, text in outputs.items()],
        )

    def steps(self, run: Run) -> list[RunStep]:
        page = self.runs.steps.list(run.id, thread_id=self.thread.id, order="asc")
        return page.data

    def texts(self) -> list[str]:
        page = self.client.beta.threads.messages.list(self.thread.id, order="asc")
        return [part.text.value for m in page for part in m.content if part.type == "text"]


@pytest.fixture
def desk(connect: Connect) -> Desk:
    return Desk(connect)


def calls_of(run: Run) -> list[str]:
    assert run.required_action
    return [call.id for call in run.required_action.submit_tool_outputs.tool_calls]


def call_in(step: RunStep) -> FunctionToolCall:
    assert isinstance(step.step_details, ToolCallsStepDetails)
    call = step.step_details.tool_calls[0]
    assert isinstance(call, FunctionToolCall)
    return call


def fault(error: openai.APIStatusError) -> str:
    assert isinstance(error.body, dict)
    assert error.body["type"] == "invalid_request_error"
    return str(error.body["message"])


def test_run_passes_through_openais_states(desk: Desk) -> None:
    run = desk.start()
    seen = [run.status, desk.get(run).status, desk.get(run, later=10).status]
    waiting = desk.get(run, later=10)
    submitted = desk.submit(waiting, {calls_of(waiting)[0]: "rain"})
    seen += [waiting.status, submitted.status]
    seen += [desk.get(run, later=10).status, desk.get(run, later=10).status]
    assert seen == [
        "queued",
        "queued",
        "in_progress",
        "requires_action",
        "queued",
        "in_progress",
        "completed",
    ]


def test_run_object_has_the_fields_and_times_of_openai(desk: Desk) -> None:
    run = desk.start()
    created = int(desk.clock.now)
    assert (run.created_at, run.expires_at, run.started_at) == (created, created + 600, None)
    assert run.required_action is None
    assert run.id.startswith("run_")
    assert len(run.id) == 28
    waiting = desk.get(run, later=20)
    assert waiting.started_at == created + 10
    assert waiting.usage is None
    assert calls_of(waiting)[0].startswith("call_")
    assert waiting.to_dict()["truncation_strategy"] == {"type": "auto", "last_messages": None}
    desk.submit(waiting, {calls_of(waiting)[0]: "rain"})
    done = desk.get(run, later=20)
    assert (done.expires_at, done.completed_at) == (None, created + 40)
    assert done.usage


def test_reply_quotes_the_output_that_reached_the_model(desk: Desk) -> None:
    waiting = desk.start_waiting()
    call = calls_of(waiting)[0]
    desk.submit(waiting, {call: "rain"})
    desk.get(waiting, later=20)
    assert desk.texts() == ["go", f"I saw: get_weather ({call}): rain"]


def test_parallel_calls_wait_together_and_are_answered_in_any_order(desk: Desk) -> None:
    waiting = desk.start_waiting("two")
    first, second = calls_of(waiting)
    desk.submit(waiting, {second: "paid", first: "rain"})
    assert desk.get(waiting, later=20).status == "completed"
    assert desk.texts()[-1] == f"get_weather ({first}): rain\nrefund_order ({second}): paid"


def test_chained_rounds_wait_again(desk: Desk) -> None:
    waiting = desk.start_waiting("chain")
    first = calls_of(waiting)
    desk.submit(waiting, {first[0]: "rain"})
    again = desk.get(waiting, later=20)
    second = calls_of(again)
    assert second != first
    desk.submit(again, {second[0]: "paid"})
    assert desk.get(again, later=20).status == "completed"
    assert desk.texts()[-1] == f"refund_order ({second[0]}): paid"


def test_128_parallel_calls_and_broken_arguments_arrive_as_scripted(connect: Connect) -> None:
    client = connect(create_app())
    many = _run_to_action(client, "demo-many")
    assert len(set(calls_of(many))) == 128
    broken = _run_to_action(client, "demo-not-json")
    assert broken.required_action
    call = broken.required_action.submit_tool_outputs.tool_calls[0]
    assert call.function.arguments == '{"city": "Os'


def _run_to_action(client: OpenAI, model: str) -> Run:
    assistant = client.beta.assistants.create(model=model)
    return client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "go"}]}
    )


def test_sdk_polling_helpers_run_to_the_end(connect: Connect) -> None:
    client = connect(create_app(STORY))
    assistant = client.beta.assistants.create(model="gpt-4o")
    thread = client.beta.threads.create(
        messages=[{"role": "user", "content": "What is the weather today?"}]
    )
    runs = client.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "requires_action"
    run = runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=thread.id,
        tool_outputs=[{"tool_call_id": calls_of(run)[0], "output": "sun"}],
    )
    assert run.status == "completed"


def test_function_as_scripts_gets_model_and_last_user_message(connect: Connect) -> None:
    asked: list[tuple[str, str]] = []

    def choose(model: str, text: str) -> Script:
        asked.append((model, text))
        return SCRIPTS["text"]

    client = connect(create_app(choose))
    assert _run_to_action(client, "mine").status == "completed"
    assert asked == [("mine", "go")]


def test_steps_show_calls_while_waiting_and_outputs_afterwards(desk: Desk) -> None:
    waiting = desk.start_waiting()
    (step,) = desk.steps(waiting)
    assert (step.type, step.status, step.usage) == ("tool_calls", "in_progress", None)
    assert call_in(step).function.output is None
    assert call_in(step).id == calls_of(waiting)[0]
    desk.submit(waiting, {calls_of(waiting)[0]: "rain"})
    (answered,) = desk.steps(waiting)
    assert (answered.status, call_in(answered).function.output) == ("completed", "rain")
    desk.clock.now += 20
    last = desk.steps(waiting)[-1]
    assert (last.type, last.status) == ("message_creation", "completed")
    one = desk.runs.steps.retrieve(step.id, thread_id=desk.thread.id, run_id=waiting.id)
    assert one == answered


def test_partial_wrong_and_repeated_ids_are_refused_in_openais_words(desk: Desk) -> None:
    waiting = desk.start_waiting("two")
    first, second = calls_of(waiting)
    for got in ({first: "x"}, {first: "x", "call_other": "y"}, {}):
        with pytest.raises(openai.BadRequestError) as error:
            desk.submit(waiting, got)
        assert fault(error.value) == (
            f"Expected tool outputs for call_ids ['{first}', '{second}'], got {list(got)}"
        )
    with pytest.raises(openai.BadRequestError, match="Expected tool outputs"):
        desk.runs.submit_tool_outputs(
            waiting.id,
            thread_id=desk.thread.id,
            tool_outputs=[{"tool_call_id": first, "output": "x"} for _ in range(2)],
        )
    assert desk.get(waiting).status == "requires_action"


@pytest.mark.parametrize(
    ("later", "status"), [(0, "queued"), (10, "in_progress"), (700, "expired")]
)
def test_outputs_in_another_state_are_refused(desk: Desk, later: float, status: str) -> None:
    run = desk.start()
    desk.clock.now += later
    with pytest.raises(openai.BadRequestError) as error:
        desk.submit(run, {"call_1": "x"})
    assert fault(error.value) == f'Runs in status "{status}" do not accept tool outputs.'


def test_active_run_locks_its_thread_until_cancelled(desk: Desk) -> None:
    run = desk.start_waiting()
    with pytest.raises(openai.BadRequestError) as error:
        desk.start()
    assert fault(error.value) == f"Thread {desk.thread.id} already has an active run {run.id}."
    with pytest.raises(openai.BadRequestError) as error:
        desk.client.beta.threads.messages.create(desk.thread.id, role="user", content="and?")
    assert fault(error.value) == (
        f"Can't add messages to {desk.thread.id} while a run {run.id} is active."
    )
    assert desk.runs.cancel(run.id, thread_id=desk.thread.id).status == "cancelling"
    with pytest.raises(openai.BadRequestError, match="already has an active run"):
        desk.start()
    cancelled = desk.get(run, later=10)
    assert cancelled.status == "cancelled"
    assert cancelled.cancelled_at == int(desk.clock.now)
    assert cancelled.required_action is None
    assert desk.steps(run)[0].status == "cancelled"
    desk.client.beta.threads.messages.create(desk.thread.id, role="user", content="and?")
    assert desk.start().status == "queued"


def test_run_expires_and_frees_its_thread(connect: Connect) -> None:
    desk = Desk(connect, run_seconds=60)
    run = desk.start_waiting()
    assert desk.get(run, later=39).status == "requires_action"
    expired = desk.get(run, later=1)
    assert (expired.status, expired.required_action) == ("expired", None)
    assert desk.steps(run)[0].status == "expired"
    assert desk.start().status == "queued"


def test_finished_run_can_not_be_cancelled(desk: Desk) -> None:
    run = desk.start("text")
    desk.clock.now += 20
    with pytest.raises(openai.BadRequestError) as error:
        desk.runs.cancel(run.id, thread_id=desk.thread.id)
    assert fault(error.value) == "Cannot cancel run with status 'completed'."


def test_metadata_of_a_waiting_run_can_be_changed_but_not_of_a_working_one(desk: Desk) -> None:
    run = desk.start()
    desk.clock.now += 10
    with pytest.raises(openai.BadRequestError) as error:
        desk.runs.update(run.id, thread_id=desk.thread.id, metadata={"a": "b"})
    assert fault(error.value) == "Cannot update run with status 'in_progress'."
    desk.clock.now += 10
    changed = desk.runs.update(run.id, thread_id=desk.thread.id, metadata={"a": "ü"})
    assert changed.metadata == {"a": "ü"}
    assert calls_of(changed)


def test_missing_objects_are_404_in_openais_words(desk: Desk) -> None:
    run = desk.start()
    thread = desk.thread.id
    asked: dict[str, Callable[[], object]] = {
        "No assistant found with id 'asst_x'.": lambda: desk.client.beta.assistants.retrieve(
            "asst_x"
        ),
        "No thread found with id 'thread_x'.": lambda: desk.client.beta.threads.retrieve(
            "thread_x"
        ),
        "No run found with id 'run_x'.": lambda: desk.runs.retrieve("run_x", thread_id=thread),
        "No run step found with id 'step_123'.": lambda: desk.runs.steps.retrieve(
            "step_123", thread_id=thread, run_id=run.id
        ),
    }
    for message, ask in asked.items():
        with pytest.raises(openai.NotFoundError) as error:
            ask()
        assert fault(error.value) == message


def test_run_of_an_unknown_assistant_leaves_the_thread_free(desk: Desk) -> None:
    with pytest.raises(openai.NotFoundError, match="No assistant found with id 'asst_x'"):
        desk.runs.create(desk.thread.id, assistant_id="asst_x")
    assert desk.start().status == "queued"


def test_thread_without_user_message_has_nothing_to_run(desk: Desk) -> None:
    empty = desk.client.beta.threads.create()
    with pytest.raises(openai.BadRequestError) as error:
        desk.runs.create(empty.id, assistant_id=desk.assistant.id)
    assert fault(error.value).startswith("Run creation requires a Thread with a user message")
    assert error.value.code == "invalid_thread"
    run = desk.runs.create(
        empty.id,
        assistant_id=desk.assistant.id,
        additional_messages=[{"role": "user", "content": [{"type": "text", "text": "go"}]}],
    )
    assert run.status == "queued"


def test_lists_are_paged_by_cursor(desk: Desk) -> None:
    texts = [str(n) for n in range(25)]
    thread = desk.client.beta.threads.create(
        messages=[{"role": "user", "content": text} for text in texts]
    )
    messages = desk.client.beta.threads.messages
    seen = [
        part.text.value
        for message in messages.list(thread.id, order="asc", limit=10)
        for part in message.content
        if part.type == "text"
    ]
    assert seen == texts
    page = messages.list(thread.id, limit=3)
    shown = page.to_dict()
    assert shown["object"] == "list"
    assert shown["has_more"] is True
    assert (shown["first_id"], shown["last_id"]) == (page.data[0].id, page.data[-1].id)
    with pytest.raises(openai.BadRequestError) as error:
        messages.list(thread.id, limit=101)
    assert error.value.code == "integer_above_max_value"


def test_runs_and_assistants_are_listed_newest_first(desk: Desk) -> None:
    first = desk.start("text")
    desk.clock.now += 20
    second = desk.start("text")
    listed = desk.runs.list(desk.thread.id)
    assert [run.id for run in listed] == [second.id, first.id]
    other = desk.client.beta.assistants.create(model="two", instructions="x")
    assert [a.id for a in desk.client.beta.assistants.list()] == [other.id, desk.assistant.id]
    changed = desk.client.beta.assistants.update(other.id, name="new")
    assert (changed.name, changed.model) == ("new", "two")


def test_answers_carry_openais_headers_and_compression(desk: Desk) -> None:
    run = desk.start()
    answer = desk.runs.with_raw_response.retrieve(run.id, thread_id=desk.thread.id)
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["openai-poll-after-ms"] == "50"
    assert answer.headers["content-encoding"] == "gzip"
    assert str(answer.headers["x-request-id"]).startswith("req_")


def test_neighbours_work_and_uploads_are_counted(desk: Desk, tmp_path: Path) -> None:
    assert {model.id for model in desk.client.models.list()} == set(SCRIPTS)
    made = desk.client.embeddings.create(model="e", input=["a", "b"])
    assert [len(item.embedding) for item in made.data] == [8, 8]
    as_numbers = desk.client.embeddings.create(model="e", input="a", encoding_format="float")
    assert as_numbers.data[0].embedding == pytest.approx(made.data[0].embedding)
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(3_000_000))
    uploaded = desk.client.files.create(file=path, purpose="assistants")
    noted = desk.app.state.received[-1]
    assert 3_000_000 < uploaded.bytes < 3_001_000
    assert noted.body["bytes"] == uploaded.bytes


def test_received_requests_are_listed_without_credentials(desk: Desk, trust: Path) -> None:
    run = desk.start()
    received = desk.app.state.received
    noted = received[-1]
    assert (noted.method, noted.path) == ("POST", f"/v1/threads/{desk.thread.id}/runs")
    assert noted.body["assistant_id"] == run.assistant_id
    assert "authorization" not in noted.headers
    root = str(desk.client.base_url).removesuffix("/v1/")
    shown = _fetch(root, trust, "GET", "/_received")
    assert shown["requests"][-1]["path"] == noted.path
    assert len(shown["requests"]) == len(received)


def _fetch(
    root: str,
    ca: Path,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Any:
    request = urllib.request.Request(
        root + path, method=method, headers=headers or {}, data=body or None
    )
    try:
        with urllib.request.urlopen(
            request, context=ssl.create_default_context(cafile=ca)
        ) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return {"status": error.code, **json.load(error)}


@pytest.fixture(scope="module")
def root(certificates: Certificates) -> Iterator[str]:
    with serve(create_app(SCRIPTS), certificates) as url:
        yield url


KEY = {"Authorization": "Bearer any", "OpenAI-Beta": "assistants=v2"}
JSON = {**KEY, "Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "message"),
    [
        ("GET", "/v1/models", {}, b"", 401, "You didn't provide an API key."),
        ("GET", "/v1/models", {"Authorization": "Basic x"}, b"", 401, "You didn't provide"),
        ("POST", "/v1/files", {}, b"x", 401, "You didn't provide an API key."),
        ("POST", "/v1/threads", {"api-key": "x"}, b"{}", 400, "You must provide the 'OpenAI-Beta'"),
        ("GET", "/v1/thread", KEY, b"", 404, "Invalid URL (GET /v1/thread)"),
        ("GET", "/v1/models/", KEY, b"", 404, "Invalid URL (GET /v1/models/)"),
        ("PUT", "/v1/threads", JSON, b"{}", 405, "Not allowed to PUT on /v1/threads."),
        ("POST", "/v1/threads", JSON, b'{"a"', 400, "We could not parse the JSON body"),
        ("POST", "/v1/threads", JSON, b'{"metadata":"\xff"}', 400, "We could not parse the JSON"),
        ("POST", "/v1/threads", JSON, b"[" * 100_000, 400, "We could not parse the JSON body"),
        ("POST", "/v1/threads", JSON, b"[]", 400, "Invalid type: expected an object, but got an a"),
        ("POST", "/v1/threads", JSON, b'{"no":1}', 400, "Unknown parameter: 'no'."),
        ("POST", "/v1/embeddings", JSON, rb'{"model":"\ud800"}', 400, "Missing required parameter"),
        (
            "POST",
            "/v1/threads",
            JSON,
            b'{"metadata":{"a":true}}',
            400,
            "Invalid type for 'metadata.a",
        ),
    ],
)
def test_bad_requests_get_openais_errors(
    root: str,
    certificates: Certificates,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
    message: str,
) -> None:
    answer = _fetch(root, certificates.ca, method, path, headers, body)
    assert answer["status"] == status
    assert answer["error"]["message"].startswith(message)
    assert answer["error"]["type"] == "invalid_request_error"


def test_lone_surrogate_is_answered_as_its_escape(root: str, certificates: Certificates) -> None:
    answer = _fetch(
        root, certificates.ca, "POST", "/v1/threads", JSON, rb'{"metadata":{"a":"\ud800"}}'
    )
    assert answer["metadata"] == {"a": "\ud800"}


def test_prefix_and_ids_can_be_those_of_a_compatible_server(
    certificates: Certificates, connect: Connect
) -> None:
    numbers = iter(range(1000))
    app = create_app(SCRIPTS, prefix="/v1/api", new_id=lambda kind: str(next(numbers)) * 400)
    client = connect(app)
    client.base_url = str(client.base_url) + "api/"
    run = _run_to_action(client, "one")
    assert len(calls_of(run)[0]) >= 400


def test_process_says_where_it_listens_and_stops_cleanly(certificates: Certificates) -> None:
    command = [sys.executable, "-m", "callgate.demo.server"]
    command += ["--cert", str(certificates.cert), "--key", str(certificates.key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        assert it.stdout
        assert it.stderr
        assert it.stdout.readline().startswith("demo server ready url=https://127.0.0.1:")
        it.send_signal(signal.SIGTERM)
        assert it.wait(30) == 0
        assert (it.stdout.read(), it.stderr.read()) == ("", "")


def test_process_plays_one_script_for_everything_when_told(
    certificates: Certificates, trust: Path
) -> None:
    with (
        start_server(certificates, options=["--script", "demo-parallel"]) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="any") as client,
    ):
        assert len(calls_of(_run_to_action(client, "gpt-4o"))) == 3
