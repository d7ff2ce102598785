"""Sessions and lists of items: the calls in them, by how they are answered, and how to change them.

A call's scope is its session. A turn's scope also tells what an answer to its calls needs
beside their ids: `sessions/S/turns/T`, or `sessions/S/APPROVAL/TYPE`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import ToolCall
from callgate.surfaces import agent_items as items
from callgate.surfaces.base import Hidden, Turn
from callgate.surfaces.fields import Object

_LISTED, _MINE, _SESSION = "listed", "mine", "session"
"""Keys of a turn's node: the list of the body's, the turn's own entries of it, and the session
where it is one's."""


def scope_of(id: Json) -> str:
    """The scope of a session's calls; raises BodyError for ids that lead to another path."""
    if not isinstance(id, str) or not id or id in (".", "..") or "/" in id:
        raise BodyError("a session without an id, or with one that leads to another path")
    return f"sessions/{id}"


def answer_scope(scope: str, node: Object) -> str:
    """The scope of a turn whose calls are answered as this one is."""
    if items.kind_of(node) == "function":
        return f"{scope}/turns/{items.turn_id_of(node)}"
    return f"{scope}/{node['type']}/{items.request_type_of(node)}"


@dataclass(frozen=True, slots=True)
class Answered:
    """How the calls of a turn are answered, as its scope tells it."""

    session: str
    form: str
    """`turns`, or the type of the approval."""
    detail: str
    """The turn's id, or the type of the request."""


def answered_by(scope: str) -> Answered:
    """Undo `answer_scope`, or `scope_of`."""
    _, session, form, detail = [*scope.split("/", 3), "", ""][:4]
    return Answered(session, form, detail)


# -- reading --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """Calls that are answered in the same way."""

    calls: list[ToolCall] = field(default_factory=list)
    nodes: list[Json] = field(default_factory=list)
    unanswerable: set[str] = field(default_factory=set)


def model_of(session: Object) -> str:
    """The model of a session's agent; empty where it is not told."""
    agent = session.get("agent")
    model = agent.get("model") if isinstance(agent, dict) else None
    return model if isinstance(model, str) else ""


def session_turns(
    request: Request, session: Object, fallback: str, *, is_polled: bool
) -> list[Turn]:
    """The calls that a session waits for; `fallback` is the scope where it tells no id.

    Raises BodyError for calls that can not be told, or told apart.
    """
    listed = session.get("required_actions")
    if listed is None:
        return []
    nodes = [node for node in objects(listed, "required_actions") if items.is_call(node)]
    if not nodes:
        return []
    scope = fallback if fallback and session.get("id") is None else scope_of(session.get("id"))
    parts: dict[str, _Part] = {}
    digests: dict[str, str] = {}
    for node in nodes:
        call = items.call_of(request, scope, node, model_of(session))
        _refuse_other(digests, call)
        _add(parts.setdefault(answer_scope(scope, node), _Part()), call, node)
    return [
        Turn(
            scope=key,
            node={_LISTED: listed, _MINE: part.nodes, _SESSION: session},
            calls=part.calls,
            is_waiting=True,
            is_polled=is_polled,
            settles_each=not part.unanswerable,
            unanswerable=frozenset(part.unanswerable),
        )
        for key, part in parts.items()
    ]


def item_turns(
    request: Request, scope: str, listed: list[Json], model: str = "", *, is_polled: bool
) -> list[Turn]:
    """The calls among some items.

    Raises BodyError for calls that can not be told, or told apart.
    """
    nodes = objects(listed, "items")
    answered = {(items.turn_id_of(node), items.answered_id(node)) for node in nodes}
    parts: dict[tuple[str, bool], _Part] = {}
    digests: dict[str, dict[str, str]] = {}
    for node in nodes:
        if not items.is_call(node):
            continue
        call, turn = items.call_of(request, scope, node, model), items.turn_id_of(node)
        _refuse_other(digests.setdefault(turn, {}), call)
        is_over = node.get("status") in ("completed", "failed", "incomplete")
        waits = items.is_answerable(node) and not is_over and (turn, call.id) not in answered
        _add(parts.setdefault((answer_scope(scope, node), waits), _Part()), call, node)
    return [
        Turn(
            scope=key,
            node={_LISTED: listed, _MINE: part.nodes},
            calls=part.calls,
            is_waiting=waits,
            is_polled=is_polled,
            settles_each=waits,
        )
        for (key, waits), part in parts.items()
    ]


def _add(part: _Part, call: ToolCall, node: Object) -> None:
    part.calls.append(call)
    part.nodes.append(node)
    if not items.is_answerable(node):
        part.unanswerable.add(call.id)


def _refuse_other(digests: dict[str, str], call: ToolCall) -> None:
    if digests.setdefault(call.id, call.digest) != call.digest:
        raise BodyError("two different tool calls have the same id")


def objects(listed: Json, path: str) -> list[Object]:
    """A list of objects; raises BodyError for what is none."""
    if not isinstance(listed, list):
        raise BodyError(f"{path} must be a list", path)
    found: list[Object] = []
    for index, node in enumerate(listed):
        if not isinstance(node, dict):
            raise BodyError(f"{path}[{index}] must be an object", f"{path}[{index}]")
        found.append(node)
    return found


# -- changing -------------------------------------------------------------------------------


def _mine(turn: Turn) -> Iterator[Object]:
    yield from objects(turn.node[_MINE], _MINE)


def replace_arguments(turn: Turn, arguments: Mapping[str, str]) -> None:
    """See `Surface.replace_arguments`."""
    for node in _mine(turn):
        if (new := arguments.get(items.id_of(node))) is not None:
            items.replace_arguments(node, new)


def withhold(turn: Turn, hidden: Hidden) -> None:
    """See `Surface.withhold`; a message takes the place of a denied call's item.

    A session that waits for nothing else any more is reported `in_progress`.
    """
    listed, session = turn.node[_LISTED], turn.node.get(_SESSION)
    assert isinstance(listed, list)  # noqa: S101  for the type checker
    # while a call is undecided, the others of its turn wait with it
    gone = [node for node in _mine(turn) if hidden.pending or items.id_of(node) in hidden.denied]
    if isinstance(session, dict):
        _remove(listed, gone)
        if not listed and session.get("status") == "requires_action":
            session["status"] = "in_progress"
        return
    told = [node for node in gone if items.id_of(node) in hidden.denied]
    answers = {(items.turn_id_of(node), items.id_of(node)) for node in told}
    _remove(listed, [node for node in gone if not any(node is one for one in told)])
    for node in told:
        shown = items.notice_item(node, hidden.denied[items.id_of(node)])
        node.clear()
        node.update(shown)
    for node in objects(listed, "items"):
        if (items.turn_id_of(node), items.answered_id(node)) in answers:
            _remove(listed, [node])


def _remove(listed: list[Json], gone: list[Object]) -> None:
    listed[:] = [node for node in listed if not any(node is one for one in gone)]
