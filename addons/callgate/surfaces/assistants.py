"""Assistants (`/threads/…/runs`): runs in `requires_action` and their steps.

Source: openai SDK `resources/beta/threads/runs`, `types/beta/threads/run.py`; Azure AI Foundry
adds `tool_approvals`. Servers differ in base path, id shapes and in whether a waiting run names
its calls: some leave `required_action` null and show them in the steps only. Paths and
requests are read here, runs and steps in `runs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request, segments
from callgate.model import CONSENTED, SurfaceName, ToolResult
from callgate.surfaces import runs
from callgate.surfaces.base import (
    Endpoint,
    Frame,
    Hidden,
    HostedTool,
    Outgoing,
    Substitute,
    Surface,
    Turn,
)
from callgate.surfaces.fields import Object
from callgate.surfaces.paths import Operations, locate, query_of, quoted, with_query
from callgate.surfaces.run_events import RunEvents
from callgate.surfaces.said import said_in


class Assistants(Surface):
    """See `Surface`; the scope of a call is `THREAD/RUN`."""

    name = SurfaceName.ASSISTANTS
    words = ("threads", "runs")

    def endpoint(self, method: str, segments: Sequence[str]) -> Endpoint | None:
        """See `Surface.endpoint`; matches by the end of the path, whatever stands before."""
        place = locate(_OPERATIONS, method, segments)
        if place is None or place.operation in _UNREAD:
            return None
        return self._endpoint(place.operation, place.ids)

    def _endpoint(self, operation: str, ids: Sequence[str]) -> Endpoint:
        is_assistant = operation.startswith("assistants.")
        parameters = dict(
            zip(("assistant",) if is_assistant else ("thread", "run", "step"), ids, strict=False)
        )
        has_run = "run" in parameters
        return Endpoint(
            surface=self,
            operation=operation,
            scope=f"{parameters['thread']}/{parameters['run']}" if has_run else "",
            reads_request=operation in _READS_REQUEST,
            reads_response=not is_assistant and operation != "messages.create",
            parameters=parameters,
            is_overheard=operation in _OVERHEARD,
        )

    def read_request(self, endpoint: Endpoint, request: Request, document: Json) -> Outgoing:
        """See `Surface.read_request`."""
        if not isinstance(document, dict):
            raise BodyError("the body must be a JSON object")
        thread = endpoint.parameters.get("thread")
        conversation = runs.conversation_of(thread) if thread else ""
        if endpoint.operation == "runs.submit_tool_outputs":
            _refuse_unknown(document, _SUBMIT_KEYS, "")
            return Outgoing(
                results=list(_results(document)),
                answers=endpoint.scope,
                is_streaming=_streams(document),
                conversation=conversation,
            )
        if endpoint.is_overheard:
            return Outgoing(said=tuple(_said(document)), conversation=conversation)
        is_run = not endpoint.operation.startswith("assistants.")
        tools = document.get("tools")
        return Outgoing(
            hosted_tools=[] if tools is None else _hosted_tools(tools),
            is_streaming=_streams(document),
            inherits_tools_of=_assistant(document) if is_run and tools is None else "",
            said=tuple(_said(document)) if is_run else (),
            conversation=conversation,
        )

    def read_response(self, endpoint: Endpoint, request: Request, document: Json) -> list[Turn]:
        """See `Surface.read_response`: a run, a step, or a list of either."""
        if endpoint.is_overheard:
            return []
        nodes = document if isinstance(document, list) else [document]
        listed = document.get("data") if isinstance(document, dict) else None
        if isinstance(listed, list):
            nodes = [*nodes, *listed]
        found = (runs.turn_of(endpoint, request, n) for n in nodes if isinstance(n, dict))
        turns = [turn for turn in found if turn]
        runs.refuse_strays(document, [turn.node for turn in turns])
        return turns

    def begins(self, endpoint: Endpoint, document: Json) -> str:
        """See `Surface.begins`: a new thread, with a run or without one."""
        is_new = endpoint.operation in ("threads.create", "threads.create_and_run")
        told = runs.threads_in(document) if is_new and isinstance(document, dict) else []
        return told[0] if told else ""

    def open_events(self, endpoint: Endpoint, request: Request, frame: Frame) -> RunEvents:
        """See `Surface.open_events`."""
        return RunEvents(endpoint, request, frame)

    def error_event(self, error: Mapping[str, Json], frame: Frame, cause: Json = None) -> bytes:
        """See `Surface.error_event`; SDKs raise only for an error that is wrapped once more."""
        return frame("error", canonical.dump({"error": dict(error)}).decode())

    def replace_arguments(self, turn: Turn, arguments: Mapping[str, str]) -> None:
        """See `Surface.replace_arguments`; an arguments object stays an object."""
        for item in runs.executables(turn.node):
            new = arguments.get(runs.id_of(item))
            if new is None:
                continue
            holder = runs.holder_of(item)
            is_text = isinstance(holder.get("arguments"), str)
            holder["arguments"] = new if is_text else canonical.parse(new)

    def withhold(self, turn: Turn, hidden: Hidden) -> None:
        """See `Surface.withhold`; a run left without calls is reported `in_progress`."""
        waits = turn.is_waiting and not runs.is_step(turn.node)
        hides_all = bool(hidden.pending) or not hidden.denied
        # a run may wait for calls that only its steps name: then it names none from the start
        names_calls = any(True for _ in runs.executables(turn.node))
        if not (waits and hides_all):
            for listing in runs.listings(turn.node):
                listing.calls[:] = [
                    item
                    for item in listing.calls
                    if not (
                        isinstance(item, dict)
                        and listing.is_executable(item)
                        and (hidden.pending or runs.id_of(item) in hidden.denied)
                    )
                ]
        is_left_empty = names_calls and not any(True for _ in runs.executables(turn.node))
        if waits and (hides_all or is_left_empty):
            turn.node["status"] = "in_progress"
            turn.node["required_action"] = None

    def replace_results(self, document: Json, outputs: Sequence[Substitute]) -> None:
        """See `Surface.replace_results`; an approval becomes a refusal."""
        if not isinstance(document, dict):
            raise BodyError("the body must be a JSON object")
        texts = {output.call_id: output.text for output in outputs}
        missing = dict(texts)
        for answer in _answers(document):
            if answer.id in texts:
                missing.pop(answer.id, None)
                answer.item.update(_instead(answer.key, texts[answer.id]))
        # a run waits for outputs or for approvals, never for both
        approves = document.get("tool_approvals") and not document.get("tool_outputs")
        key = "tool_approvals" if approves else "tool_outputs"
        added = [{"tool_call_id": id, **_instead(key, text)} for id, text in missing.items()]
        if added:
            listed = document.get(key)
            document[key] = [*(listed if isinstance(listed, list) else ()), *added]

    def remove_hosted_tools(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.remove_hosted_tools`."""
        if isinstance(document, dict) and isinstance(tools := document.get("tools"), list):
            document["tools"] = [
                tool for tool in tools if not (isinstance(tool, dict) and tool.get("type") in names)
            ]

    def ask_before(self, document: Json, names: Sequence[str]) -> None:
        """See `Surface.ask_before`; no hosted tool of this API can ask."""

    def owner(self, request: Request, id: str) -> tuple[Endpoint, Request]:
        """See `Surface.owner`: the assistant."""
        path = f"{_base(request)}/assistants/{quoted(id)}"
        return (
            self._endpoint("assistants.modify", (id,)),
            request.with_target("GET", with_query(path, query_of(request.query))),
        )

    def inherit_tools(self, document: Json, owner: Json) -> None:
        """See `Surface.inherit_tools`."""
        if isinstance(document, dict) and isinstance(owner, dict):
            document["tools"] = owner.get("tools")

    def lookups(self, request: Request, scope: str) -> list[tuple[Endpoint, Request]]:
        """See `Surface.lookups`: the run, then its steps."""
        thread, _, run = scope.partition("/")
        path = f"{_base(request)}/threads/{quoted(thread)}/runs/{quoted(run)}"
        query = query_of(request.query)
        return [
            (
                self._endpoint("runs.retrieve", (thread, run)),
                request.with_target("GET", with_query(path, query)),
            ),
            (
                self._endpoint("steps.list", (thread, run)),
                request.with_target("GET", with_query(f"{path}/steps", query, "limit=100")),
            ),
        ]

    def settlement(
        self, request: Request, scope: str, notices: Sequence[Substitute], *, is_streaming: bool
    ) -> Request:
        """See `Surface.settlement`: `submit_tool_outputs` with the notices; consent is declined."""
        thread, _, run = scope.partition("/")
        path = f"{_base(request)}/threads/{quoted(thread)}/runs/{quoted(run)}"
        document: Object = {"stream": True} if is_streaming else {}
        for one in notices:
            key = "tool_approvals" if one.kind in CONSENTED else "tool_outputs"
            answers = document.setdefault(key, [])
            assert isinstance(answers, list)  # noqa: S101  for the type checker
            answers.append({"tool_call_id": one.call_id, **_instead(key, one.text)})
        return request.with_target(
            "POST",
            with_query(f"{path}/submit_tool_outputs", query_of(request.query)),
            canonical.dump(document),
        )


_OPERATIONS: Operations = (
    (("threads", "runs"), {"POST": "threads.create_and_run"}),
    (("threads",), {"POST": "threads.create", "GET": "threads.list"}),
    (("threads", "*", "messages"), {"POST": "messages.create", "GET": "messages.list"}),
    (("threads", "*", "runs"), {"POST": "runs.create", "GET": "runs.list"}),
    (("threads", "*", "runs", "*"), {"POST": "runs.modify", "GET": "runs.retrieve"}),
    (("threads", "*", "runs", "*", "cancel"), {"POST": "runs.cancel"}),
    (
        ("threads", "*", "runs", "*", "submit_tool_outputs"),
        {"POST": "runs.submit_tool_outputs"},
    ),
    (("threads", "*", "runs", "*", "steps"), {"GET": "steps.list", "POST": "steps.list"}),
    (("threads", "*", "runs", "*", "steps", "*"), {"GET": "steps.retrieve"}),
    (("assistants",), {"POST": "assistants.create"}),
    (("assistants", "*"), {"POST": "assistants.modify"}),
)
_OVERHEARD = frozenset(("threads.create", "messages.create"))
_UNREAD = frozenset(("threads.list", "messages.list"))
_ANSWERS = {"tool_outputs": "output", "tool_approvals": "approve"}
_SUBMIT_KEYS = frozenset(("tool_outputs", "tool_approvals", "stream"))
_ITEM_KEYS = {
    "tool_outputs": frozenset(("tool_call_id", "output")),
    "tool_approvals": frozenset(("tool_call_id", "approve", "headers")),
}
_READS_REQUEST = frozenset(
    (
        "threads.create_and_run",
        "runs.create",
        "runs.submit_tool_outputs",
        "assistants.create",
        "assistants.modify",
        *_OVERHEARD,
    )
)


def _said(document: Object) -> Iterator[str]:
    """What a message, a new thread's messages, or the instructions of a run say."""
    thread = document.get("thread")
    yield from said_in([document])
    for holder in (document, thread if isinstance(thread, dict) else {}):
        for key in ("messages", "additional_messages"):
            yield from said_in(holder.get(key))
    for key in ("instructions", "additional_instructions"):
        if isinstance(text := document.get(key), str):
            yield text


def _assistant(document: Object) -> str:
    assistant = document.get("assistant_id")
    id = runs.as_id(assistant)
    if id is None and assistant is not None:
        raise BodyError("assistant_id must be a string", "assistant_id")
    return id or ""


def _streams(document: Object) -> bool:
    return document.get("stream") not in (None, False)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a request says to one call: its output, or a person's approval."""

    key: str
    path: str
    item: Object
    id: str


def _refuse_unknown(node: Object, known: frozenset[str], path: str) -> None:
    """The API's schema has no other keys; another server might take one for a result."""
    for key in node:
        if key not in known:
            raise BodyError(f"{path}{key[:60]} is no field of this request", f"{path}{key[:60]}")


def _answers(document: Object) -> Iterator[_Answer]:
    for key in _ANSWERS:
        listed = document.get(key)
        if listed is None:
            continue
        if not isinstance(listed, list):
            raise BodyError(f"{key} must be a list", key)
        for index, item in enumerate(listed):
            path = f"{key}[{index}]"
            if not isinstance(item, dict):
                raise BodyError(f"{path} must be an object", path)
            id = runs.as_id(item.get("tool_call_id"))
            if id is None:
                raise BodyError(f"{path}.tool_call_id must be a string", f"{path}.tool_call_id")
            _refuse_unknown(item, _ITEM_KEYS[key], f"{path}.")
            yield _Answer(key, path, item, id)


def _results(document: Object) -> Iterator[ToolResult]:
    for answer in _answers(document):
        field = _ANSWERS[answer.key]
        value = answer.item.get(field)
        if field == "approve" and value is False:
            continue  # declining a call is always in order
        yield ToolResult(answer.id, value, f"{answer.path}.{field}")


def _instead(key: str, notice: str) -> Object:
    return {"output": notice} if key == "tool_outputs" else {"approve": False}


def _hosted_tools(tools: Json) -> list[HostedTool]:
    if not isinstance(tools, list):
        raise BodyError("tools must be a list", "tools")
    found = []
    for index, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not isinstance(kind, str):
            raise BodyError(f"tools[{index}].type must be a string", f"tools[{index}].type")
        if kind != "function":
            found.append(HostedTool(kind, f"tools[{index}].type"))
    return found


def _base(request: Request) -> str:
    """What stands before `/threads` in the path of a request of this surface."""
    place = locate(_OPERATIONS, request.method, segments(request.target))
    if place is None:
        raise ValueError(f"not a request of the assistants surface: {request.target[:80]!r}")
    return place.base
