"""What the installed `openai` SDK hands to an app: the oracle, which knows nothing of Callgate.

Every way in which an app may read an answer is tried, whatever it asked for. Works with older
versions of the SDK too; as a program it answers for the version of its own interpreter:

    .venvs/openai-1/bin/python -m tests.fuzz.sdk

reads answers as lines of JSON (`[method, target, status, headers, [chunk in Base64, …]]`) and
writes what it sees in each as a line of JSON.
"""

from __future__ import annotations

import base64
import functools
import importlib
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import openai

type _Object = Any  # the SDK's, of any version


class Answer(NamedTuple):
    """A response on the wire, and the request line that it answers."""

    method: str
    target: str
    status: int
    headers: Mapping[str, str]
    chunks: Sequence[bytes]


class Seen(NamedTuple):
    """A call that an app can read; None of what it does not tell, or not as a text."""

    id: str | None
    name: str | None
    arguments: str | None


_CALLS = re.compile(r"(?!.*_output$)(?:.*_call|mcp_approval_request|computer_use_approval_request)")
_OF_API = frozenset(
    str.split(
        "mcp_call web_search_call file_search_call code_interpreter_call image_generation_call "
        "multi_agent_call computer_use_call create_subagent_call send_subagent_input_call "
        "resume_subagent_call wait_for_subagents_call interrupt_subagent_call "
        "close_subagent_call"
    )
)
"""Calls that the API runs itself."""


def _httpx() -> _Object:
    """The HTTP library of this version of the SDK."""
    return importlib.import_module(openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0])


class _Wire:
    """A network whose every answer is the same."""

    def __init__(self) -> None:
        httpx = _httpx()
        self.answer = Answer("GET", "/", 200, {}, ())

        class Chunks(httpx.SyncByteStream):  # type: ignore[misc,name-defined]  # of either
            def __init__(self, chunks: Sequence[bytes]) -> None:
                self._chunks = chunks

            def __iter__(self) -> Iterator[bytes]:
                yield from self._chunks

        def respond(request: object) -> _Object:
            told = self.answer
            stream = Chunks(told.chunks)
            return httpx.Response(told.status, headers=dict(told.headers), stream=stream)

        self.client = openai.OpenAI(
            api_key="x",
            base_url="https://api.test/v1",
            max_retries=0,
            http_client=openai.DefaultHttpxClient(transport=httpx.MockTransport(respond)),
        )


@functools.cache
def _wire() -> _Wire:
    return _Wire()


def _type(path: str) -> _Object:
    """A type of the SDK's: `types.chat:ChatCompletion`; AttributeError where it has none."""
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(f"openai.{module}"), name)
    except ImportError as error:
        raise AttributeError(path) from error


# -- calls in objects -----------------------------------------------------------------------


def calls_in(node: object) -> Iterator[Seen]:
    """Every call in what the SDK has made of an answer."""
    if isinstance(node, list | tuple):
        for one in node:
            yield from calls_in(one)
    elif isinstance(node, openai.BaseModel):
        yield from _called(node)
        for key in type(node).model_fields:
            if key not in ("tools", "content", "function", "custom", "function_call"):
                yield from calls_in(getattr(node, key, None))


def _called(node: _Object) -> Iterator[Seen]:
    for key, text in (("function", "arguments"), ("custom", "input")):
        inner = getattr(node, key, None)
        if isinstance(inner, openai.BaseModel) and hasattr(inner, text):
            yield _seen(getattr(node, "id", None), inner, text)
    legacy = getattr(node, "function_call", None)
    if isinstance(legacy, openai.BaseModel):
        yield _seen(None, legacy, "arguments")
    kind = getattr(node, "type", None)
    is_item = not re.search(r"types\.(?:chat|beta\.threads)", type(node).__module__)
    if is_item and isinstance(kind, str) and _CALLS.fullmatch(kind) and kind not in _OF_API:
        yield from _item(node, kind)


def _item(node: _Object, kind: str) -> Iterator[Seen]:
    environment = getattr(getattr(node, "environment", None), "type", None)
    if environment in ("container_reference", "container_auto"):
        return
    if getattr(node, "execution", None) == "server":
        return
    keys: Sequence[str] = ("call_id", "request_id", "id")
    if kind in ("function_call", "custom_tool_call"):
        keys = ("call_id",)
    elif kind == "mcp_approval_request":
        keys = ("request_id", "id")
    id = next((one for key in keys if (one := _text(getattr(node, key, None)))), None)
    if kind in ("function_call", "custom_tool_call"):
        yield _seen(id, node, "arguments" if kind == "function_call" else "input")
    elif id:
        yield Seen(id, None, None)


def _seen(id: object, node: _Object, key: str) -> Seen:
    arguments = getattr(node, key, None)
    if isinstance(arguments, dict | list):
        arguments = json.dumps(arguments)
    return Seen(_text(id), _text(getattr(node, "name", None)), _text(arguments))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


# -- ways to read ---------------------------------------------------------------------------

type View = Callable[[_Object, str, str], Iterator[Seen]]
"""Client, method and path to what an app sees, one after the other until something fails."""


def _whole(type_: str) -> View:
    def view(client: _Object, method: str, path: str) -> Iterator[Seen]:
        ask = client.post if method == "POST" else client.get
        yield from calls_in(ask(path, cast_to=_type(type_)))

    return view


def _page(type_: str) -> View:
    def view(client: _Object, method: str, path: str) -> Iterator[Seen]:
        page: Any = _type("pagination:SyncCursorPage")
        page = page[_type(type_)]
        yield from calls_in(client.get(path, cast_to=page).data)

    return view


def _events(type_: str, *, is_paired: bool = False) -> View:
    def view(client: _Object, method: str, path: str) -> Iterator[Seen]:
        options = {"synthesize_event_and_data": True} if is_paired else {}
        for event in _streamed(client, path, _type(type_), options):
            yield from calls_in(event)

    return view


def _streamed(client: _Object, path: str, type_: _Object, options: _Object) -> Iterator[_Object]:
    kind: Any = openai.Stream
    yield from client.post(
        path, cast_to=type_, options=options, stream=True, stream_cls=kind[type_]
    )


def _chat_by_hand(client: _Object, method: str, path: str) -> Iterator[Seen]:
    """As cookbooks put the pieces of calls together."""
    parts: dict[tuple[object, object], dict[str, Any]] = {}
    for chunk in _streamed(client, path, _type("types.chat:ChatCompletionChunk"), {}):
        for choice in chunk.choices:
            delta = choice.delta
            pieces = [(one.index, one) for one in delta.tool_calls or ()]
            if delta.function_call:
                pieces.append((None, delta))
            for index, piece in pieces:
                part = parts.setdefault((choice.index, index), {"id": None, "name": "", "text": ""})
                part["id"] = getattr(piece, "id", None) or part["id"] if index is not None else None
                inner = piece.function_call if index is None else piece.function
                inner = inner or getattr(piece, "custom", None)
                if isinstance(inner, dict):
                    part["name"] += inner.get("name") or ""
                    part["text"] += inner.get("input") or ""
                elif inner:
                    part["name"] += inner.name or ""
                    part["text"] += inner.arguments or ""
    yield from (Seen(_text(p["id"]), _text(p["name"]), _text(p["text"])) for p in parts.values())


def _chat_helper(client: _Object, method: str, path: str) -> Iterator[Seen]:
    chat = client.chat.completions if hasattr(client.chat.completions, "stream") else None
    chat = chat or client.beta.chat.completions
    messages = [{"role": "user", "content": "hi"}]
    with chat.stream(model="m", messages=messages) as events:
        for event in events:
            if event.type == "tool_calls.function.arguments.done":
                yield Seen(None, event.name, event.arguments)
        yield from calls_in(events.get_final_completion())


def _response_helper(client: _Object, method: str, path: str) -> Iterator[Seen]:
    with client.responses.stream(model="m", input="hi") as events:
        for event in events:
            yield from calls_in(event)
        yield from calls_in(events.get_final_response())


def _run_helper(client: _Object, method: str, path: str) -> Iterator[Seen]:
    found: list[Seen] = []

    class Handler(openai.AssistantEventHandler):
        def on_tool_call_done(self, tool_call: _Object) -> None:
            found.extend(calls_in(tool_call))

        def on_run_step_done(self, run_step: _Object) -> None:
            found.extend(calls_in(run_step))

        def on_event(self, event: _Object) -> None:
            if event.event.startswith("thread.run.requires"):
                found.extend(calls_in(event.data))

    runs = client.beta.threads.runs
    with runs.stream(thread_id="t", assistant_id="a", event_handler=Handler()) as events:
        try:
            events.until_done()
            found += calls_in(events.get_final_run())
            found += calls_in(events.get_final_run_steps())
        except Exception:  # noqa: BLE001  what was handed out before counts
            pass
    yield from found


def _session_helper(client: _Object, method: str, path: str) -> Iterator[Seen]:
    for event in client.beta.agents.sessions.events.stream("sess_1"):
        yield from calls_in(event)


_ID = "[^/?]+"
_CHAT = (_whole("types.chat:ChatCompletion"), _chat_by_hand, _chat_helper)
_RESPONSE = (
    _whole("types.responses:Response"),
    _events("types.responses:ResponseStreamEvent"),
    _response_helper,
)
_RUN = (
    _whole("types.beta.threads:Run"),
    _events("types.beta:AssistantStreamEvent", is_paired=True),
    _run_helper,
)
_VIEWS: Sequence[tuple[str, Sequence[View]]] = (
    ("POST /chat/completions", _CHAT),
    ("GET /chat/completions", (_page("types.chat:ChatCompletion"),)),
    (f"GET /chat/completions/{_ID}", (_whole("types.chat:ChatCompletion"),)),
    (
        f"GET /chat/completions/{_ID}/messages",
        (_page("types.chat:ChatCompletionStoreMessage"),),
    ),
    ("POST /responses", _RESPONSE),
    (f"GET /responses/{_ID}", _RESPONSE),
    (f"POST /responses/{_ID}/cancel", (_whole("types.responses:Response"),)),
    (f"GET /responses/{_ID}/input_items", (_page("types.responses:ResponseItem"),)),
    (
        f"(GET|POST) /conversations/{_ID}/items",
        (
            _page("types.conversations:ConversationItem"),
            _whole("types.conversations:ConversationItemList"),
        ),
    ),
    (f"POST /threads/{_ID}/runs", _RUN),
    ("POST /threads/runs", _RUN),
    (f"POST /threads/{_ID}/runs/{_ID}/submit_tool_outputs", _RUN),
    (f"GET /threads/{_ID}/runs", (_page("types.beta.threads:Run"),)),
    (f"GET /threads/{_ID}/runs/{_ID}", (_whole("types.beta.threads:Run"),)),
    (f"GET /threads/{_ID}/runs/{_ID}/steps", (_page("types.beta.threads.runs:RunStep"),)),
    (f"GET /threads/{_ID}/runs/{_ID}/steps/{_ID}", (_whole("types.beta.threads.runs:RunStep"),)),
    (f"(GET|POST) /agents/sessions/{_ID}", (_whole("types.beta:AgentSession"),)),
    ("POST /agents/sessions", (_whole("types.beta:AgentSession"),)),
    ("GET /agents/sessions", (_page("types.beta:AgentSession"),)),
    (
        f"GET /agents/sessions/{_ID}/items",
        (_page("types.beta.agent_session_item:AgentSessionItem"),),
    ),
    (
        f"GET /agents/sessions/{_ID}/events",
        (_session_helper, _events("types.beta:AgentSessionEvent")),
    ),
)


def views_of(method: str, target: str) -> Sequence[View]:
    """The ways to read what a request line is answered with; none for what the SDK lacks."""
    line = f"{method} {target.partition('?')[0].removeprefix('/v1')}"
    return next((views for pattern, views in _VIEWS if re.fullmatch(pattern, line)), ())


def seen_in(answer: Answer) -> list[Seen]:
    """Every call that the SDK hands to an app, in whichever way the app reads the answer."""
    wire = _wire()
    wire.answer = answer
    found: list[Seen] = []
    path = answer.target.partition("?")[0].removeprefix("/v1")
    for view in views_of(answer.method, answer.target):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                for seen in view(wire.client, answer.method, path):
                    found.append(seen)  # what comes before an error counts
            except Exception:  # noqa: BLE001  the app gets an error, whatever it is
                pass
    return list(dict.fromkeys(found))


# -- messages of a WebSocket ----------------------------------------------------------------

_SOCKETS = (
    ("/realtime", "types.realtime:RealtimeServerEvent"),
    ("/responses", "types.responses.responses_server_event:ResponsesServerEvent"),
    ("/live", "types.live.connect_server_event:ConnectServerEvent"),
)


def seen_in_messages(target: str, messages: Sequence[bytes]) -> list[Seen]:
    """Every call that a connection hands to an app, whole or at the end of its arguments."""
    path = target.partition("?")[0].removeprefix("/v1")
    construct = _type("_models:construct_type_unchecked")
    type_ = next(_type(name) for start, name in _SOCKETS if path.startswith(start))
    found: list[Seen] = []
    names: dict[str | None, object] = {}
    for message in messages:
        try:
            event = construct(value=json.loads(message), type_=type_)
        except Exception:  # noqa: BLE001  an app's loop goes on after what it can not read
            continue
        if isinstance(nested := getattr(event, "event", None), dict):
            event = construct(value=nested, type_=_type(_SOCKETS[1][1]))
        item = getattr(event, "item", None)
        names[_text(getattr(item, "id", None))] = getattr(item, "name", None)
        if getattr(event, "type", None) == "response.function_call_arguments.done":
            name = getattr(event, "name", None) or names.get(_text(getattr(event, "item_id", None)))
            id, text = getattr(event, "call_id", None), getattr(event, "arguments", None)
            found.append(Seen(_text(id), _text(name), _text(text)))
        found += calls_in(event)
    return list(dict.fromkeys(found))


def main() -> None:
    """See the module."""
    for line in sys.stdin:
        method, target, status, headers, chunks = json.loads(line)
        answer = Answer(method, target, status, headers, [base64.b64decode(c) for c in chunks])
        sys.stdout.write(json.dumps(seen_in(answer)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
