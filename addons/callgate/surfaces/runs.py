"""Runs and run steps of the Assistants API: where their calls stand, and how they read.

Types: openai SDK `types/beta/threads/run.py`, `runs/run_step.py`; azure-ai-agents for
`submit_tool_approval`. Compatible servers send arguments as objects, calls without a type, and
numbers for ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import SurfaceName, ToolCall
from callgate.surfaces.base import Endpoint, Turn
from callgate.surfaces.fields import Object, arguments_text
from callgate.surfaces.messages import refuse_odd_keys


def _waits_for_app(node: Object) -> bool:
    return node.get("status") == "requires_action" or bool(node.get("required_action"))


def is_step(node: Object) -> bool:
    """A run step, not a run."""
    return node.get("step_details") is not None and not _waits_for_app(node)


def turn_of(endpoint: Endpoint, request: Request, node: Object) -> Turn | None:
    """The calls of a run or step; None for what is neither, or a run that waits for nothing.

    Raises BodyError for calls that can not be told, or told apart.
    """
    steps = is_step(node)
    if not steps and not _waits_for_app(node):
        return None
    scope = endpoint.scope or _scope(endpoint, node)
    waits = node.get("status") == ("in_progress" if steps else "requires_action")
    calls = [_call(request, scope, node, item) for item in executables(node)]
    digests: dict[str, str] = {}
    for call in calls:
        if digests.setdefault(call.id, call.digest) != call.digest:
            raise BodyError("two different tool calls have the same id")
    return Turn(
        scope=scope,
        node=node,
        calls=calls,
        is_waiting=waits,
        is_settleable=waits and not steps,
        is_polled=True,
        expires_at=_seconds(node.get("expires_at")),
    )


def _seconds(value: Json) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value else None  # type: ignore[arg-type]


def _asks_for_approval(node: Object) -> bool:
    """Azure AI Foundry runs such calls itself, as it knows them, once the app has said yes."""
    action = node.get("required_action")
    return isinstance(action, dict) and "submit_tool_approval" in action


def _scope(endpoint: Endpoint, node: Object) -> str:
    thread = endpoint.parameters.get("thread") or as_id(node.get("thread_id"))
    run = as_id(node.get("run_id" if is_step(node) else "id"))
    if not (thread and run):
        raise BodyError("a run without its thread_id and id")
    if any(id in (".", "..") or "/" in id for id in (thread, run)):
        # the scope becomes a path when the API is asked about the run
        raise BodyError("the thread_id or id of a run leads to another path")
    return f"{thread}/{run}"


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of calls inside a run or step."""

    calls: list[Json]
    is_of_step: bool

    def is_executable(self, item: Object) -> bool:
        """Steps also list what the API ran itself; runs list only what the app must run."""
        is_function = item.get("type") == "function" or item.get("function") is not None
        return is_function or not self.is_of_step


def listings(node: Object) -> Iterator[Listing]:
    """Every list of calls in a run or step.

    Raises BodyError where such a list should be and is none, and for a `required_action` that
    asks for something else than calls: nobody here could tell what.
    """
    for name in ("required_action", "step_details"):
        holder = node.get(name)
        if holder is None:
            continue
        if not isinstance(holder, dict):
            raise BodyError(f"{name} must be an object")
        parts = [part for part in (holder, *holder.values()) if isinstance(part, dict)]
        holding = [part for part in parts if "tool_calls" in part]
        unknown = [part for part in holder.values() if part not in holding and _is_content(part)]
        if name == "required_action" and unknown and holder not in holding:
            raise BodyError("required_action is of a kind that Callgate does not know")
        for part in holding:
            calls = part["tool_calls"]
            if isinstance(calls, list):
                yield Listing(calls, name == "step_details")
            elif calls is not None:
                raise BodyError(f"tool_calls of {name} must be a list")


def _is_content(value: Json) -> bool:
    return bool(value) and isinstance(value, dict | list)


_CARRIERS = frozenset(("required_action", "tool_calls"))


def refuse_strays(document: Json, read: Sequence[Object]) -> None:
    """Raise BodyError for calls that stand where nobody here has read them.

    `read` are the runs and steps whose calls are known. Keys count in any case: some clients'
    parsers do not tell them apart.
    """
    known = {id(node) for node in read}
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            for key, value in node.items():
                is_carrier = key.casefold() in _CARRIERS and _is_content(value)
                if is_carrier and (id(node) not in known or key not in _CARRIERS):
                    raise BodyError(f"there are calls under a {key[:40]!r} that is not a run's")
            if id(node) not in known:
                waiting += node.values()


def executables(node: Object) -> Iterator[Object]:
    """Every call that the app could act on; raises BodyError for what is no object."""
    for listed in listings(node):
        for item in listed.calls:
            if not isinstance(item, dict):
                raise BodyError("a tool call must be an object")
            refuse_odd_keys(item)
            if listed.is_executable(item):
                yield item


def threads_in(document: Object) -> list[str]:
    """The conversation that a run, a message or a thread tells of; none where it does not."""
    is_thread = document.get("object") == "thread"
    thread = as_id(document.get("id" if is_thread else "thread_id"))
    return [conversation_of(thread)] if thread else []


def conversation_of(thread: str) -> str:
    """What a thread is called as a conversation; see `Outgoing.conversation`."""
    return f"thread/{thread}"


def as_id(value: Json) -> str | None:
    """An id as text, None for what is none; some servers number their objects."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number or isinstance(value, str) else None


def id_of(item: Object) -> str:
    """The id of a call; raises BodyError where it has none."""
    id = as_id(item.get("id"))
    if id is None:
        raise BodyError("a tool call without an id")
    return id


def holder_of(item: Object) -> Object:
    """What holds name and arguments: the `function`, or the call itself; raises BodyError."""
    inner = item.get("function")
    if inner is not None and not isinstance(inner, dict):
        raise BodyError("the function of a tool call must be an object")
    return item if inner is None else inner


def _kind(node: Object, item: Object) -> str:
    kind = item.get("type")
    if kind is not None and not isinstance(kind, str):
        raise BodyError("the type of a tool call must be a string")
    if item.get("function") is not None and (not kind or is_step(node)):
        return "function"
    if _asks_for_approval(node):
        return "mcp_approval_request"
    return kind or "untyped"


def _name(kind: str, holder: Object) -> str:
    name = holder.get("name")
    if isinstance(name, str):
        return name
    if name is not None or kind == "function":
        raise BodyError("the name of a tool call must be a string")
    return kind


def _call(request: Request, scope: str, node: Object, item: Object) -> ToolCall:
    holder, kind = holder_of(item), _kind(node, item)
    name = _name(kind, holder)
    arguments = arguments_text(holder.get("arguments"))
    assistant, model = as_id(node.get("assistant_id")) or "", _text(node, "model")
    return ToolCall(
        surface=SurfaceName.ASSISTANTS,
        origin=request.origin,
        scope=scope,
        id=id_of(item),
        name=name,
        arguments=arguments,
        digest=canonical.call_digest(kind, name, arguments),
        kind=kind,
        agent=request.caller(assistant),
        assistant=assistant,
        model=model,
        conversation=conversation_of(scope.partition("/")[0]),
    )


def _text(node: Object, key: str) -> str:
    value = node.get(key)
    return value if isinstance(value, str) else ""
