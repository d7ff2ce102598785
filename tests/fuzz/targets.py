"""What holds for any bytes whatever: of the same bytes the SDK hands no app an unjudged call.

Each target takes a case (see `tests.fuzz.case`) as bytes, and raises `BrokenPromiseError`:

* `bodies`, `streams`: every call that the SDK reads in what leaves the gate was judged, and is
  told as it was judged; in `withhold` none of them was denied.
* `sockets`: the same of messages, and no result of a denied call goes on to the API.
* `results`: no request goes on that holds a result of a denied call. What the API takes for one
  nobody outside can know; here it is whatever some common JSON parser finds under the names of
  the SDK's parameter types.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any

from callgate.canonical import parse
from callgate.errors import JsonError
from callgate.model import Decision, Effect, Mode, SurfaceName
from callgate.surfaces.messages import text_of
from tests.deciding import tool
from tests.fuzz.case import Case
from tests.fuzz.gate import DENIED, Gate, Left, failing_loudly
from tests.fuzz.sdk import Answer, Seen, seen_in, seen_in_messages

type Oracle = Callable[[Answer], Iterable[Seen]]

_NOTICES = ("Tool call blocked by Callgate", "Tool call awaits approval")


class BrokenPromiseError(AssertionError):
    """An app can see, or the API, what it must not."""


def check_answer(raw: bytes, oracle: Oracle = seen_in) -> None:
    """See `bodies` and `streams` in the module."""
    case = Case.read(raw)
    if case is None:
        return
    before: tuple[Answer | None, Iterable[Seen]] = None, ()
    for mode in (Mode.ENFORCE, Mode.WITHHOLD):
        left = _run(Gate(mode).answer(case))
        headers = {key: one for key, one in left.headers.items() if key != "Callgate-Mode"}
        answer = Answer(case.method, case.target, left.status, headers, left.chunks)
        if answer != before[0]:
            before = answer, oracle(answer)
        _compare(before[1], left, mode)


def check_messages(raw: bytes) -> None:
    """See `sockets` in the module."""
    case = Case.read(raw)
    if case is None or case.method != "GET" or not _SOCKETS.match(case.target):
        return
    for mode in (Mode.ENFORCE, Mode.WITHHOLD):
        left = _run(Gate(mode).talk(case))
        _compare(seen_in_messages(case.target, left.chunks), left, mode)
        for message, denied in zip(left.to_api, left.denied_by_then, strict=True):
            _refuse_results(message, denied)


_SOCKETS = re.compile(r"/v1/(?:realtime\?|responses\?|live/sessions(?:/[^/?]+/attach)?$)")


def _run[T](doing: Coroutine[Any, Any, T]) -> T:
    with failing_loudly():
        return asyncio.run(doing)


# -- calls ----------------------------------------------------------------------------------


def _compare(found: Iterable[Seen], left: Left, mode: Mode) -> None:
    shown = [one for one in left.judged if mode is Mode.ENFORCE or one.effect is not Effect.DENY]
    for seen in found:
        is_one = seen.id is not None or seen.name is not None
        if is_one and not any(_is(seen, one) for one in shown):
            why = "was judged otherwise or not at all"
            if any(_is(seen, one) for one in left.judged):
                why = "was denied"
            told = [(d.call.id, d.call.name, d.call.arguments, d.effect) for d in left.judged]
            raise BrokenPromiseError(f"{mode}: {seen} {why}; judged: {told}")


def _is(seen: Seen, decision: Decision) -> bool:
    call = decision.call
    # servers make up ids in deltas of a run, whose calls are judged under those that it waits for
    is_same = seen.id in (None, call.id) or (call.surface is SurfaceName.ASSISTANTS and seen.name)
    if not is_same:
        return False
    if call.kind not in ("function", "custom"):
        return True
    if seen.name is not None and seen.name not in (call.name, call.name.rpartition(".")[2]):
        return False
    is_redacted = decision.effect is not Effect.ALLOW and decision.sanitized_arguments is not None
    told = decision.sanitized_arguments if is_redacted else call.arguments
    if seen.arguments is None:
        return True
    told = told or ""
    if call.kind == "custom":
        return str(_value(told).get("input", "")).startswith(seen.arguments)
    # what is told so far is no call yet, unless an app could take it for whole
    could_be = _value(seen.arguments) != {} and decision.effect is not Effect.DENY
    is_begun = told.startswith(seen.arguments) and not could_be
    return is_begun or _same(seen.arguments, told)


def _value(text: str) -> dict[str, Any]:
    try:
        value = parse(text)
    except JsonError:
        return {}
    return value if isinstance(value, dict) else {"": value}


def _same(one: str, other: str) -> bool:
    try:
        return one == other or bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


# -- results --------------------------------------------------------------------------------

_DENIED_ID = "call_2"


def check_request(raw: bytes) -> None:
    """See `results` in the module."""
    case = Case.read(raw)
    if case is None or case.method != "POST":
        return
    _run(_check_request(case))


async def _check_request(case: Case) -> None:
    gate = Gate(Mode.ENFORCE, (tool("look"), tool(DENIED, _DENIED_ID, '{"x":2}')))
    for told in _BEFORE:
        await gate.answer(told)
    for body in (await gate.request(case)).to_api:
        _refuse_results(body, {_DENIED_ID})


def _told(method: str, target: str, document: object) -> Case:
    headers = (("content-type", "application/json"),)
    return Case(method, target, headers, json.dumps(document).encode())


_CALL = {"type": "function_call", "call_id": _DENIED_ID, "name": DENIED, "arguments": "{}"}
_ACTION = {**_CALL, "turn_id": "turn_1", "arguments": {}}
_BEFORE = (
    _told("POST", "/v1/responses", {"id": "resp_1", "object": "response", "output": [_CALL]}),
    _told(
        "GET",
        "/v1/agents/sessions/sess_1",
        {
            "id": "sess_1",
            "object": "agent.session",
            "status": "requires_action",
            "required_actions": [_ACTION],
        },
    ),
)
"""What the API has said before, in each surface that remembers calls."""


def _refuse_results(body: bytes, denied: set[str]) -> None:
    for document in _readings(body):
        renamed = _renamed(document)
        for id, output in _results(document):
            text = text_of(output)
            is_notice = isinstance(text, str) and text.startswith(_NOTICES)
            if id in denied and id not in renamed and not is_notice:
                raise BrokenPromiseError(f"a result of {id}, which was denied, goes on: {output}")


def _readings(body: bytes) -> Iterator[Any]:
    """What servers may make of a body: of a key that stands twice the last counts, or the first."""
    for pick in (dict, lambda pairs: dict(reversed(pairs))):
        try:
            yield json.loads(body, object_pairs_hook=pick)
        except (ValueError, RecursionError):
            return


def _nodes(document: Any) -> Iterator[dict[str, Any]]:
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _results(document: Any) -> Iterator[tuple[str, Any]]:
    """Ids that are answered, with the output, wherever the parameter types have them."""
    if not isinstance(document, dict):
        return
    for listed, key in (("tool_outputs", "tool_call_id"), ("messages", "tool_call_id")):
        for node in _objects(document.get(listed)):
            if listed == "tool_outputs" or node.get("role") == "tool":
                yield (
                    str(node.get(key)),
                    node.get("output" if listed == "tool_outputs" else "content"),
                )
    inner = document.get("response")
    places = [document.get("input"), document.get("items"), document.get("events")]
    places += [document.get("item"), inner.get("input") if isinstance(inner, dict) else None]
    for node in _objects(places):
        kind = str(node.get("type"))
        if kind.endswith("call_output") or kind == "agent.session.input.tool_result":
            yield str(node.get("call_id")), node.get("output")
        for part in _objects(node.get("input")):
            if str(part.get("type")).endswith("call_output"):
                yield str(part.get("call_id")), part.get("output")


def _objects(listed: Any) -> list[dict[str, Any]]:
    if isinstance(listed, dict):
        return [listed]
    found: list[dict[str, Any]] = []
    for one in listed if isinstance(listed, list) else ():
        found += _objects(one)
    return found


def _renamed(document: Any) -> set[str]:
    """Ids under which a request that carries its whole history quotes harmless calls alone: its
    results are of these."""
    quoted: dict[str, bool] = {}
    if isinstance(document, dict) and document.keys() & {"previous_response_id", "conversation"}:
        return set()
    for node in _nodes(document):
        inner = node.get("function")
        told = inner if isinstance(inner, dict) else node
        if isinstance(told.get("name"), str):
            id = str(node.get("call_id", node.get("id")))
            quoted[id] = quoted.get(id, True) and DENIED not in json.dumps(told)
    return {id for id, is_harmless in quoted.items() if is_harmless}


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "bodies": check_answer,
    "streams": check_answer,
    "sockets": check_messages,
    "results": check_request,
}
