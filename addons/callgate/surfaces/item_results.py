"""Items that answer calls in the Responses API: what the app says, and what Callgate says instead.

Types: openai SDK `types/responses/response_input_item.py`. Most results name their call by
`call_id`; approvals, local shells and functions that answer by name do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError, JsonError
from callgate.model import ToolResult
from callgate.surfaces import items as calls
from callgate.surfaces.base import Substitute
from callgate.surfaces.fields import Object
from callgate.surfaces.items import APPROVAL, COMPUTER

_APPROVED = "mcp_approval_response"
_SEARCHED = "tool_search_output"
_SHELL = "shell_call_output"
_LOCAL_SHELL = "local_shell_call_output"
_PATCH = "apply_patch_call_output"
_PICTURE = "computer_call_output"
_OF_API = frozenset(("program_output", "multi_agent_call_output"))
"""Results that the API gives itself; histories quote them."""

_SIGNS = ("call_id", "output", "approval_request_id")
_TEXTS = ("input_text", "output_text", "text")
_KEYS = {_APPROVED: ("approval_request_id",), _LOCAL_SHELL: ("id", "call_id")}
_TYPES = {"function": "function_call_output", "custom": "custom_tool_call_output"}


def is_result(item: Object) -> bool:
    """Tell whether an item is the app's answer to a call.

    Raises BodyError for one that may be.
    """
    calls.refuse_odd_keys(item)
    kind = item.get("type")
    if kind is None:
        if any(item.get(key) is not None for key in _SIGNS):
            raise BodyError("an item that answers a call has no type")
        return False
    if not isinstance(kind, str):
        raise BodyError("the type of an item must be a string")
    if kind == _SEARCHED and item.get("execution") != "client":
        return item.get("call_id") is not None
    return kind == _APPROVED or (kind.endswith("_output") and kind not in _OF_API)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer among the items of a list."""

    item: Object
    path: str
    id: str
    is_of_api: bool = False
    """See `ToolResult.is_of_api`."""
    digest: str = ""
    """See `ToolResult.digest`."""

    @property
    def is_refusal(self) -> bool:
        """Declining a call, or finding no tool for it, is always in order."""
        if self.item["type"] == _APPROVED:
            return self.item.get("approve") is False
        return self.item["type"] == _SEARCHED and self.item.get("tools") == []

    @property
    def result(self) -> ToolResult:
        """The answer as it is judged."""
        key, output = _output(self.item)
        is_data = self.item["type"] == _PICTURE or calls.is_of_program(self.item)
        return ToolResult(
            self.id,
            output,
            f"{self.path}.{key}",
            takes_no_notice=is_data,
            is_of_api=self.is_of_api,
            digest=self.digest,
        )


def answers_of(listed: Sequence[Json], path: str) -> Iterator[Answer]:
    """The answers among some items; raises BodyError where it is not told to which call."""
    items = calls.objects([*listed], path)
    run_by_api = {str(item.get("call_id")) for item in items if calls.is_hosted(item)}
    run_by_api -= {calls.id_of(item) for item in items if calls.is_call(item)}
    meant = _Meant(items)
    for index, item in enumerate(items):
        if not is_result(item):
            meant.note(item)
            continue
        place = f"{path}[{index}]"
        id = _answered(items, item, place)
        # what the API ran itself is quoted with what came of it
        is_of_api = item["type"] == _SHELL and id in run_by_api
        is_of_api |= item.get("execution") == "server"
        yield Answer(item, place, id, is_of_api, meant.digest(id))


class _Meant:
    """Which call a result answers, where several have its id: some servers count anew with each
    answer. A history has the calls of an answer before their results."""

    def __init__(self, items: Sequence[Object]) -> None:
        counts = Counter(calls.id_of(item) for item in items if calls.is_call(item))
        self._repeated = {id for id, count in counts.items() if count > 1}
        self._newest: dict[str, set[str]] = {}
        self._answered: set[str] = set()

    def note(self, item: Object) -> None:
        """Take note of an item that is no result."""
        if not self._repeated or not calls.is_call(item):
            return
        id = calls.id_of(item)
        if id in self._answered or id not in self._newest:
            self._answered.discard(id)
            self._newest[id] = set()
        if id in self._repeated:
            self._newest[id].add(calls.digest_of(item))

    def digest(self, id: str) -> str:
        """Of the call that a result of this id answers here; empty where it is not told."""
        self._answered.add(id)
        digests = self._newest.get(id, set())
        return next(iter(digests)) if len(digests) == 1 else ""


def results_of(items: Sequence[Json], path: str) -> list[ToolResult]:
    """What the app says to calls, refusals left out; raises BodyError as `answers_of`."""
    return [answer.result for answer in answers_of(items, path) if not answer.is_refusal]


def ids_of(item: Object) -> list[str]:
    """The ids of calls that an item names as answered; none for one that is no answer."""
    if not is_result(item):
        return []
    return [id for key in _keys(item) if isinstance(id := item.get(key), str)]


def _keys(item: Object) -> Sequence[str]:
    return _KEYS.get(str(item["type"]), ("call_id",))


def _answered(items: Sequence[Object], item: Object, path: str) -> str:
    keys = _keys(item)
    told = [item[key] for key in keys if item.get(key) is not None] or [_by_name(items, item)]
    id = told[0]
    if not isinstance(id, str) or not id or any(other != id for other in told):
        raise BodyError(f"{path}.{keys[0]} must be the id of one call", f"{path}.{keys[0]}")
    return id


def _by_name(items: Sequence[Object], item: Object) -> str | None:
    """The id of the one quoted call that has the name; a function may be answered by it."""
    found = {
        calls.id_of(call)
        for call in items
        if item.get("name")
        and calls.is_call(call)
        and call.get("name") == item.get("name")
        and (call.get("namespace") or None) == (item.get("namespace") or None)
    }
    return found.pop() if len(found) == 1 else None


def _output(item: Object) -> tuple[str, Json]:
    """Where an answer stands in its item, and what it says; a text where it is one."""
    kind, output = item["type"], item.get("output")
    if kind == _APPROVED:
        return "approve", item.get("approve")
    if kind == _SEARCHED:
        return "tools", canonical.dump(item.get("tools")).decode()
    if kind == _PATCH and not output:
        return "status", item.get("status")
    return "output", _shell_text(output) if kind == _SHELL else _text_of(output)


def _only(output: Json) -> Object:
    part = output[0] if isinstance(output, list) and len(output) == 1 else None
    return part if isinstance(part, dict) else {}


def _text_of(output: Json) -> Json:
    part = _only(output)
    text = part.get("text") if part.get("type") in _TEXTS else None
    return text if isinstance(text, str) else output


def _shell_text(output: Json) -> Json:
    """What the one command wrote, where it wrote to one of its streams only."""
    told = [text for key in ("stdout", "stderr") if (text := _only(output).get(key))]
    return told[0] if len(told) == 1 and isinstance(told[0], str) else output


# -- changing -------------------------------------------------------------------------------


def stand_in(substitute: Substitute) -> Object | None:
    """The item that answers a call with a notice; None where only a picture would answer."""
    id, text, kind = substitute.call_id, substitute.text, substitute.kind
    if kind == COMPUTER:
        return None
    if kind == APPROVAL:
        return {"type": _APPROVED, "approval_request_id": id, "approve": False, "reason": text}
    if kind == "tool_search_call":
        item: Object = {"type": _SEARCHED, "call_id": id, "execution": "client"}
        return {**item, "status": "completed", "tools": []}
    item = {"type": _TYPES.get(kind, f"{kind}_output"), "call_id": id, "output": text}
    if kind == "local_shell_call":
        item["id"] = item.pop("call_id")
    elif kind == "shell_call":
        item["output"] = [_chunk(text, {"type": "exit", "exit_code": 1})]
    elif kind == "apply_patch_call":
        item["status"] = "failed"
    return item


def replace_results(
    items: Sequence[Json], path: str, outputs: Sequence[Substitute]
) -> list[Substitute]:
    """Put other outputs into the answers of a list; return those that none is there for.

    Raises BodyError as `answers_of`.
    """
    placed = {output.path: output for output in outputs if output.path}
    named = {output.call_id: output for output in outputs if not output.path}
    put: set[int] = set()
    for answer in list(answers_of(items, path)):
        output = placed.get(answer.result.path) or named.get(answer.id)
        if output:
            put.add(id(output))
            _put(answer.item, output.text)
    return [output for output in outputs if id(output) not in put]


def _put(item: Object, text: str) -> None:
    """Say something else in an answer of the app's; what it tells besides stays."""
    kind = item["type"]
    if kind == _APPROVED:
        item.update(approve=False, reason=text)
    elif kind == _SEARCHED:
        item["tools"] = _listed(text)
    elif kind == _SHELL:
        outcome = _only(item.get("output")).get("outcome")
        item["output"] = [_chunk(text, outcome or {"type": "exit", "exit_code": 1})]
    elif kind == _PATCH and not item.get("output"):
        item.update(status="failed", output=text)
    elif kind != _PICTURE:
        item["output"] = text


def _chunk(text: str, outcome: Json) -> Object:
    return {"stdout": "", "stderr": text, "outcome": outcome}


def _listed(text: str) -> list[Json]:
    try:
        value = canonical.parse(text)
    except JsonError:
        return []
    return value if isinstance(value, list) else []
