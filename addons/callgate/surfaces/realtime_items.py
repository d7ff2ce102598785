"""Items of a Realtime conversation: which are calls, how they read, what stands in for them.

Types: openai SDK `types/realtime/conversation_item.py`; those of `types/beta/realtime` lack
fields that newer ones have. Any message of a connection, of either side, may hold items in the
same two places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import SurfaceName, ToolCall, ToolResult
from callgate.surfaces.base import Change, Substitute
from callgate.surfaces.fields import (
    Object,
    arguments_text,
    json_text,
    refuse_odd_keys,
    text_of,
)

APPROVAL = "mcp_approval_request"
_TOLD = ("function_call", APPROVAL)
"""Types whose `arguments` come in pieces too."""

_HARMLESS = frozenset(
    (
        "message",
        "reasoning",
        "item_reference",
        "mcp_list_tools",
        "mcp_call",
        "mcp_approval_response",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "program",
        "additional_tools",
        "compaction",
    )
)
"""Items that ask nothing of the app: the API has run them, or runs them itself."""

_KINDS = {"function_call": "function", "custom_tool_call": "custom"}
_FIELDS = frozenset(
    ("type", "item", "response", "output", "item_id", "id", "call_id", "name", "arguments")
)
_ABOUT = frozenset(("id", "call_id", "type", "status", "object", "name", "namespace", "caller"))
"""Fields of an item of an unknown type that are not what it asks for."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An item and where it stands in its message."""

    path: str
    item: Object


def items_of(document: Object) -> list[Placed]:
    """The items of a message, in their order; raises BodyError for what is none.

    They stand under `item`, in the `output` or `input` of a `response`, and in the `input` of a
    `session`.
    """
    places: list[tuple[str, Json]] = []
    if document.get("item") is not None:
        places.append(("item", document["item"]))
    for holder, key in (("response", "output"), ("response", "input"), ("session", "input")):
        node = document.get(holder)
        listed = node.get(key) if isinstance(node, dict) else None
        if listed is None:
            continue
        if not isinstance(listed, list):
            raise BodyError(f"{holder}.{key} must be a list", f"{holder}.{key}")
        places += [(f"{holder}.{key}[{index}]", item) for index, item in enumerate(listed)]
    return [Placed(path, _object(item, path)) for path, item in places]


def _object(item: Json, path: str) -> Object:
    if not isinstance(item, dict):
        raise BodyError(f"{path} must be an object", path)
    return item


def refuse_strays(document: Object, placed: Sequence[Placed]) -> None:
    """Raise BodyError for calls and results that stand where nobody here reads them.

    Keys of another case count too: some clients' parsers do not tell them apart.
    """
    read = [one.item for one in placed]
    for node in (document, document.get("response"), *read):
        if isinstance(node, dict):
            refuse_odd_keys(node, _FIELDS, "a message")
    known = {id(item) for item in read}
    waiting: list[Json] = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict) and id(node) not in known:
            if node is not document and _is_stray(node):
                raise BodyError("a tool call or a result stands where the API has none")
            # how a tool is described is the app's own; nothing there is run
            waiting += [value for key, value in node.items() if key != "tools"]


def _is_stray(node: Object) -> bool:
    kind = node.get("type")
    if isinstance(kind, str) and (kind in _HARMLESS or "." in kind):
        return "function_call" in kind or "tool_call" in kind
    is_named = isinstance(kind, str) and (kind == APPROVAL or kind.endswith(("_call", "_output")))
    return is_named or isinstance(node.get("call_id"), str)


def is_call(item: Object) -> bool:
    """Tell whether an app could act on an item; one of an unknown type counts as a call."""
    kind = item.get("type")
    if kind is None:
        # the API's beta left types out of what is referred to by id
        return any(item.get(key) is not None for key in ("call_id", "name", "arguments"))
    if not isinstance(kind, str):
        raise BodyError("the type of an item must be a string")
    return kind not in _HARMLESS and not kind.endswith("_output") and not _is_run_by_api(item)


def _is_run_by_api(item: Object) -> bool:
    """Of types that both sides can run (Live only)."""
    environment, kind = item.get("environment"), item.get("type")
    where = environment.get("type") if isinstance(environment, dict) else None
    is_hosted = kind == "shell_call" and where == "container_reference"
    return is_hosted or (kind == "tool_search_call" and item.get("execution") == "server")


def id_of(item: Object) -> str:
    """The id that a call is answered by; raises BodyError where it has none."""
    id = item.get("id") if item.get("type") == APPROVAL else item.get("call_id")
    if not isinstance(id, str) or not id:
        raise BodyError("a tool call without an id")
    return id


def call_of(request: Request, scope: str, item: Object, model: str = "") -> ToolCall:
    """A call as it is judged; raises BodyError for one that can not be told."""
    kind, name, arguments = _kind(item), _name(item), arguments_of(item)
    return ToolCall(
        surface=SurfaceName.REALTIME,
        origin=request.origin,
        scope=scope,
        id=id_of(item),
        name=name,
        arguments=arguments,
        digest=canonical.call_digest(kind, name, arguments),
        kind=kind,
        agent=request.caller(),
        model=model,
        takes_no_notice=is_of_program(item),
    )


def is_of_program(item: Object) -> bool:
    """Tell whether a program at the API asked: it takes the answer for data (Live only)."""
    caller = item.get("caller")
    return isinstance(caller, dict) and caller.get("type") == "program"


def is_told(item: Object) -> bool:
    """Tell whether a call's arguments are a text that events tell in pieces."""
    return item.get("type") in _TOLD


def _kind(item: Object) -> str:
    kind = text_of(item, "type") or "untyped"
    return _KINDS.get(kind, kind)


def _name(item: Object) -> str:
    name, kind = text_of(item, "name"), text_of(item, "type")
    if kind == APPROVAL:
        return f"mcp.{text_of(item, 'server_label')}.{name}"
    if kind == "function_call" and not name:
        raise BodyError("a tool call without a name")
    namespace = text_of(item, "namespace")
    return f"{namespace}.{name}" if namespace else name or kind.removesuffix("_call")


def arguments_of(item: Object) -> str:
    """The arguments of a call; of one without that field, all that it asks for."""
    if is_told(item):
        return arguments_text(item.get("arguments"))
    return json_text({key: value for key, value in item.items() if key not in _ABOUT})


# -- changing -------------------------------------------------------------------------------


def stand_in(item: Object, notice: str, part: Object, *, is_begun: bool) -> Object:
    """The message that an app gets instead of a call: under the call's item id, so that what
    refers to it still does. With `is_begun` it has no text yet."""
    content: list[Json] = [] if is_begun else [{**part, "text": notice}]
    kept = {key: item[key] for key in ("id", "object") if item.get(key) is not None}
    status = "in_progress" if is_begun else item.get("status") or "completed"
    return {**kept, "type": "message", "status": status, "role": "assistant", "content": content}


def edit_items(
    document: Object,
    change: Change,
    ids: Mapping[str, str],
    part: Object,
    *,
    is_begun: bool = False,
) -> None:
    """Put stand-ins and other arguments into a message's calls, in place.

    `ids` has the call's id for items that do not tell it, by item id.
    """
    for placed in items_of(document):
        item = placed.item
        if not is_call(item):
            continue
        id = ids.get(text_of(item, "id")) or id_of(item)
        if id in change.hidden:
            new = stand_in(item, change.hidden[id], part, is_begun=is_begun)
            item.clear()
            item.update(new)
        elif id in change.arguments:
            _put_arguments(item, change.arguments[id])


def _put_arguments(item: Object, arguments: str) -> None:
    if not is_told(item):
        asked = canonical.parse(arguments)
        item.update(asked if isinstance(asked, dict) else {})
    elif item.get("arguments"):
        is_text = isinstance(item["arguments"], str)
        item["arguments"] = arguments if is_text else canonical.parse(arguments)


# -- results --------------------------------------------------------------------------------


def results_of(placed: Sequence[Placed]) -> Iterator[ToolResult]:
    """What the app says to calls; raises BodyError where it is not told to which.

    Declining an approval is always in order, and is no result.
    """
    for one in placed:
        kind = one.item.get("type")
        if kind == "mcp_approval_response":
            id, approve = _answered(one, "approval_request_id"), one.item.get("approve")
            if approve is not False:
                yield ToolResult(id, approve, f"{one.path}.approve")
        elif _is_result(one.item):
            output, path = _plain(one.item.get("output")), f"{one.path}.output"
            is_data = is_of_program(one.item)
            key = "id" if kind == "local_shell_call_output" else "call_id"
            yield ToolResult(_answered(one, key), output, path, takes_no_notice=is_data)


def _is_result(item: Object) -> bool:
    kind = item.get("type")
    if kind is None:
        return "output" in item
    return isinstance(kind, str) and kind.endswith("_output")


def _answered(one: Placed, key: str) -> str:
    id = one.item.get(key)
    if not isinstance(id, str):
        raise BodyError(f"{one.path}.{key} must be a string", f"{one.path}.{key}")
    return id


def _plain(output: Json) -> Json:
    """The text of an output that consists of it alone."""
    if isinstance(output, list) and len(output) == 1 and isinstance(output[0], dict):
        text = output[0].get("text")
        return text if isinstance(text, str) else output
    return output


def replace_results(document: Object, outputs: Sequence[Substitute]) -> None:
    """Put other outputs into a message's results, and into a response's own input missing ones.

    A message that creates one item has no room for another.
    """
    missing = {output.call_id: output for output in outputs}
    given = dict(missing)
    for one in items_of(document):
        is_approval = one.item.get("type") == "mcp_approval_response"
        id = one.item.get("approval_request_id" if is_approval else "call_id")
        if isinstance(id, str) and id in given and (is_approval or _is_result(one.item)):
            missing.pop(id, None)
            text = given[id].text
            one.item.update({"approve": False, "reason": text} if is_approval else {"output": text})
    response = document.get("response")
    listed = response.get("input") if isinstance(response, dict) else None
    if isinstance(listed, list):
        listed += [_added(output) for output in missing.values()]


def _added(output: Substitute) -> Object:
    if output.kind == APPROVAL:
        return {
            "type": "mcp_approval_response",
            "id": f"item_{output.call_id}"[:32],
            "approval_request_id": output.call_id,
            "approve": False,
            "reason": output.text,
        }
    return {"type": "function_call_output", "call_id": output.call_id, "output": output.text}
