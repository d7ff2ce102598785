"""What the tests of the deciding layers share: a gate of real parts, and an API in memory.

The API is strict as OpenAI's: all outputs of a round in one request, or an error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from callgate.approvals import Approvals
from callgate.assembly import redactor, result_inspector
from callgate.canonical import call_digest
from callgate.conversations import Conversations
from callgate.delivery import Delivery
from callgate.detectors import DETECTORS, Inspector
from callgate.detectors.instructions import Instructions
from callgate.enforcement import Enforcement
from callgate.errors import UpstreamError
from callgate.exchange import Request, Response, segments
from callgate.gate import Gate, Rules
from callgate.lookup import Lookup
from callgate.model import Decision, Effect, Mode, SurfaceName, ToolCall, Verdict
from callgate.outcome import Choices, Forward, Outcome, Refuse
from callgate.policy import Policy
from callgate.release import Releases
from callgate.scanners.base import Scanner
from callgate.scanners.flow import Flow
from callgate.scanners.local import Local
from callgate.settlement import Settlement
from callgate.store.base import ApprovalItem, Record, Store
from callgate.surfaces import endpoint_for
from callgate.surfaces.base import Endpoint
from callgate.toolbox import Toolbox
from callgate.wayback import Report, WayBack
from tests.fakes import FakeClock, MemoryStore

type Json = dict[str, Any]

POLICY = """\
version: 1
default: allow
policies:
  - name: rules
    actions:
      - tool: wipe
        effect: deny
      - tool: pay
        effect: require_approval
"""
HOSTED = POLICY + "      - {tool: code_interpreter, effect: deny}\n"
THREAD, RUN = "thread_1", "run_1"
RUN_PATH = f"/v1/threads/{THREAD}/runs/{RUN}"
ASSISTANT = "asst_1"
KEY = ("authorization", "Bearer " + "app-credentials")


def secret() -> str:
    return "AKIA" + "Q3EGRZ7XKWN2PLVT"


def tool(name: str, id: str = "call_1", arguments: str = '{"x":1}') -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def call(
    name: str = "look", id: str = "call_1", arguments: str = '{"x":1}', kind: str = "function"
) -> ToolCall:
    return ToolCall(
        surface=SurfaceName.ASSISTANTS,
        origin="api.openai.com:443",
        scope=f"{THREAD}/{RUN}",
        id=id,
        name=name,
        arguments=arguments,
        digest=call_digest(kind, name, arguments),
        kind=kind,
        agent="kim",
    )


def allow(scanner: str = "scripted", **fields: Any) -> Verdict:
    return Verdict(scanner, Effect.ALLOW, trace="trace-of-" + scanner, **fields)


class ScriptedScanner:
    """Answers what it is told, as often as it is asked; the last answer stays."""

    def __init__(self, *answers: object, name: str = "scripted") -> None:
        self.name = name
        self.asked: list[ToolCall] = []
        self.most_at_once = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._answers = list(answers) or [allow(name)]
        self._at_once = 0

    async def scan(self, call: ToolCall) -> Verdict:
        self.asked.append(call)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0)
            await self.may_answer.wait()
        finally:
            self._at_once -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[return-value]  # nonsense is an answer too

    async def close(self) -> None:
        pass


class Api:
    """One run with rounds of calls, as the API keeps it."""

    def __init__(self, *rounds: Sequence[Json], names_calls: bool = True) -> None:
        self.rounds = list(rounds)
        self.names_calls = names_calls
        self.done: list[Sequence[Json]] = []
        self.sent: list[Request] = []
        self.submitted: list[dict[str, object]] = []
        self.assistants: dict[str, Json] = {}
        self.intercept: Callable[[Request], Awaitable[Response | None]] | None = None

    @property
    def is_waiting(self) -> bool:
        return bool(self.rounds)

    def run(self) -> Json:
        action = None
        if self.is_waiting and self.names_calls:
            listed = json.loads(json.dumps(list(self.rounds[0])))
            action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": listed}}
        return {
            "id": RUN,
            "object": "thread.run",
            "thread_id": THREAD,
            "assistant_id": ASSISTANT,
            "status": "requires_action" if self.is_waiting else "queued",
            "required_action": action,
        }

    def steps(self) -> Json:
        rounds = [("completed", calls) for calls in self.done]
        rounds += [("in_progress", calls) for calls in self.rounds[:1]]
        return {
            "object": "list",
            "data": [
                {
                    "id": f"step_{number}",
                    "run_id": RUN,
                    "thread_id": THREAD,
                    "status": status,
                    "step_details": {"type": "tool_calls", "tool_calls": list(calls)},
                }
                for number, (status, calls) in reversed(list(enumerate(rounds)))
            ],
        }

    @property
    def submits(self) -> int:
        return sum(request.method == "POST" for request in self.sent)

    async def send(self, request: Request) -> Response:
        self.sent.append(request)
        await asyncio.sleep(0)
        if self.intercept and (answer := await self.intercept(request)):
            return answer
        return self.answer(request)

    def answer(self, request: Request) -> Response:
        path = segments(request.target)
        if path[-2:-1] == ("assistants",):
            found = self.assistants.get(path[-1])
            return reply(found) if found else Response(404, (), b'{"error":{"message":"no"}}')
        if path[:5] != ("v1", "threads", THREAD, "runs", RUN):
            return Response(404, (), b'{"error":{"message":"no run"}}')
        if path[-1] == "steps":
            return reply(self.steps())
        return self.submit(request) if path[-1] == "submit_tool_outputs" else reply(self.run())

    def submit(self, request: Request) -> Response:
        outputs = {o["tool_call_id"]: o["output"] for o in json.loads(request.body)["tool_outputs"]}
        if not self.is_waiting or set(outputs) != {c["id"] for c in self.rounds[0]}:
            return Response(400, (), b'{"error":{"message":"not these","type":"invalid"}}')
        self.submitted.append(outputs)
        self.done.append(self.rounds.pop(0))
        return reply(self.run())

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[AsyncIterator[bytes]]:
        answer = await self.send(request)
        if answer.status >= 300:
            raise UpstreamError(f"the API answered {answer.status}")

        async def chunks() -> AsyncIterator[bytes]:
            for event in self.events():
                yield event

        yield chunks()

    def events(self) -> list[bytes]:
        """The stream of what the run does now: asks for its next calls, or says a word."""
        if not self.is_waiting:
            said = {"delta": {"content": [{"text": {"value": "hello"}}]}}
            done = {**self.run(), "status": "completed"}
            return [
                told("thread.message.delta", said),
                told("thread.run.completed", done),
                DONE,
            ]
        return [told("thread.run.requires_action", self.run()), DONE]

    async def close(self) -> None:
        pass


DONE = b"event: done\ndata: [DONE]\n\n"


def told(name: str, data: object) -> bytes:
    """One event of a stream."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def reply(document: object, status: int = 200) -> Response:
    return Response(status, (("content-type", "application/json"),), json.dumps(document).encode())


def failing(
    status: int = 0, ends_with: str = ""
) -> Callable[[Request], Awaitable[Response | None]]:
    """Fail requests whose path ends so: with a status, or without any answer."""

    async def intercept(request: Request) -> Response | None:
        if not request.target.partition("?")[0].endswith(ends_with):
            return None
        if not status:
            raise UpstreamError("the network is down")
        return Response(status, (), b'{"error":{"message":"no"}}')

    return intercept


@dataclass
class Bench:
    """A gate and all that belongs to it."""

    store: Store
    clock: FakeClock
    api: Api
    gate: Gate
    approvals: Approvals
    enforcement: Enforcement
    delivery: Delivery
    told: list[Record] = field(default_factory=list)
    waiting: list[Decision] = field(default_factory=list)
    """Decisions that the gate has told as waiting for a person."""

    async def records(self, kind: str = "") -> list[Record]:
        return await self.store.records(filters={"kind": kind} if kind else None)

    async def pending(self) -> list[ApprovalItem]:
        """What a person is asked, as soon as that is anything."""
        async with asyncio.timeout(30):
            while True:
                if items := await self.approvals.pending():
                    return items
                await asyncio.sleep(0.01)

    async def respond(
        self, document: object, target: str = RUN_PATH, method: str = "GET"
    ) -> tuple[Outcome, Json]:
        """Let a response through; its outcome, and the body as the app gets it."""
        request = asked(method, target)
        outcome = await self.enforcement.check_response(at(request), request, reply(document))
        if isinstance(outcome, Refuse):
            return outcome, outcome.error.as_json()
        got: Json = json.loads(outcome.body) if outcome.body else json.loads(json.dumps(document))
        return outcome, got

    async def poll(self) -> Json:
        return (await self.respond(self.api.run()))[1]

    async def submit(self, *outputs: Json, target: str = RUN_PATH, **extra: object) -> Outcome:
        return await self.send({"tool_outputs": list(outputs), **extra}, target)

    async def send(
        self,
        document: object,
        target: str = RUN_PATH,
        operation: str = "/submit_tool_outputs",
    ) -> Outcome:
        request = replace(asked("POST", target + operation), body=json.dumps(document).encode())
        return await self.enforcement.check_request(at(request), request)


def asked(method: str = "GET", target: str = RUN_PATH) -> Request:
    return Request(method, "https", "api.openai.com", 443, target, (KEY,))


def at(request: Request) -> Endpoint:
    endpoint = endpoint_for(request.method, segments(request.target))
    assert endpoint is not None
    return endpoint


def output(id: str, text: object = "done") -> Json:
    return {"tool_call_id": id, "output": text}


def bench(
    *rounds: Sequence[Json],
    mode: Mode = Mode.ENFORCE,
    scanners: Sequence[Scanner] | None = None,
    policy: str = POLICY,
    store: Store | None = None,
    clock: FakeClock | None = None,
    api: Api | None = None,
    on_scanner_error: Effect = Effect.DENY,
    scan_timeout_seconds: float = 5.0,
    advisory: Collection[str] = (),
    choices: Mapping[str, Any] | None = None,
    report: Report | None = None,
    looks_first: bool = True,
) -> Bench:
    clock = clock or FakeClock()
    store = store or MemoryStore(clock)
    api = api or Api(*rounds)
    detectors = [make() for make in DETECTORS.values()]
    inspector, of_results = Inspector(detectors), Inspector([*detectors, Instructions()])
    parsed = Policy.parse(policy, "callgate.yaml")
    heard: list[Record] = []
    waiting: list[Decision] = []
    approvals = Approvals(store, clock, 600, url=lambda id: f"http://127.0.0.1:8081/approvals/{id}")
    conversations, toolbox = Conversations(store), Toolbox()
    flow = Flow(lambda: parsed, conversations.marks)
    gate = Gate(
        Rules(mode, on_scanner_error, scan_timeout_seconds, frozenset(advisory)),
        store,
        [Local(lambda: parsed, inspector), flow] if scanners is None else scanners,
        approvals,
        redactor(inspector),
        lambda: parsed.digest,
        heard.append,
        waiting.append,
        looks_first=looks_first,
    )
    chosen = Choices(**choices or {})
    lookup = Lookup(api)
    settlement = Settlement(gate, lookup, api)
    delivery = Delivery(gate, lookup, settlement, conversations, toolbox)
    wayback = WayBack(
        gate,
        lookup,
        lambda: parsed,
        result_inspector(of_results),
        conversations,
        toolbox,
        chosen,
        report,
    )
    releases = Releases(gate, lookup, settlement, conversations, toolbox, chosen.max_bytes)
    enforcement = Enforcement(gate, wayback, delivery, releases, chosen)
    return Bench(store, clock, api, gate, approvals, enforcement, delivery, heard, waiting)


def forwarded(outcome: Outcome) -> Forward:
    assert isinstance(outcome, Forward), outcome
    return outcome


def sent_on(outcome: Outcome) -> Json:
    """The body that a changed request goes on with."""
    body = forwarded(outcome).body
    assert body is not None
    parsed: Json = json.loads(body)
    return parsed


def refused(outcome: Outcome) -> Refuse:
    assert isinstance(outcome, Refuse), outcome
    return outcome


def shown(run: Json) -> list[str]:
    """Names of the calls that a run shows; None of them where it says that it still works."""
    action = run["required_action"]
    if action is None:
        return []
    return [item["function"]["name"] for item in action["submit_tool_outputs"]["tool_calls"]]
