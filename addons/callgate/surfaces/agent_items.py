"""Calls of an agent session: items of its turns and actions that it requires, and how they read.

Types: openai SDK `types/beta/agent_session_item.py` and `agent_session.py` (`RequiredAction`).
Both tell a call whole. SDKs run functions as soon as their item is added
(`lib/streaming/agents/_dispatch.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import SurfaceName, ToolCall
from callgate.surfaces import fields
from callgate.surfaces.fields import Object

MCP = "mcp_approval_request"
COMPUTER = "computer_use_approval_request"

_FUNCTION = "function_call"
_HARMLESS = frozenset(
    str.split(
        "message reasoning agent_message mcp_call computer_use_call web_search_call "
        "command_execution create_subagent_call send_subagent_input_call resume_subagent_call "
        "wait_for_subagents_call interrupt_subagent_call close_subagent_call "
        "environment_connection"
    )
)
"""They ask the app to run nothing: the API, or the session's environment, has run them."""

_ANSWERS = ("_output", "_result")
_REQUESTS = {MCP: ("mcp_tool_call",), COMPUTER: ("browser_authentication", "browser_origin_access")}
_ABOUT = frozenset(str.split("id call_id request_id turn_id type status object name"))
"""Fields of an item of an unknown type that are not what it asks for."""

_FIELDS = frozenset(str.split("type id call_id request_id turn_id name arguments request status"))
_DESCRIBED = frozenset(("tools", "metadata", "text", "otlp", "env", "parameters"))
"""Fields whose content is the app's own, or a report: anything may stand in them."""

_CARRIERS = frozenset(str.split("required_actions session item data type call_id request_id"))


def is_call(node: Object) -> bool:
    """Tell whether an app could act on an item or action; one of an unknown type is a call.

    Raises BodyError where readers could differ on it.
    """
    fields.refuse_odd_keys(node, _FIELDS, "an item")
    kind = node.get("type")
    if not isinstance(kind, str) or not kind:
        raise BodyError("the type of an item must be a string")
    return kind not in _HARMLESS and not kind.endswith(_ANSWERS)


def answered_id(node: Object) -> str:
    """The id of the call whose result an item is; empty for what is none."""
    if not str(node.get("type")).endswith(_ANSWERS):
        return ""
    ids = (node.get("call_id"), node.get("request_id"))
    return next((id for id in ids if isinstance(id, str)), "")


def id_of(node: Object) -> str:
    """The id that a call is answered by; of an unknown type at last the type itself.

    Raises BodyError where a call of a known type has none.
    """
    kind = node.get("type")
    if kind == _FUNCTION:
        keys: Collection[str] = ("call_id",)
    else:
        keys = ("request_id",) if kind in _REQUESTS else ("call_id", "request_id", "id", "type")
    for key in keys:
        id = node.get(key)
        if id is not None and not isinstance(id, str):
            raise BodyError("the id of a tool call must be a string")
        if id:
            return id
    raise BodyError("a tool call without an id")


def kind_of(node: Object) -> str:
    """The kind of a call, as `ToolCall.kind`; a request of an unknown type is of its own kind."""
    kind = str(node["type"])
    if kind == _FUNCTION:
        return "function"
    asked = _request(node).get("type")
    if kind not in _REQUESTS or asked in (*_REQUESTS[kind], kind):
        return kind
    return f"{kind}.{asked}"


def is_answerable(node: Object) -> bool:
    """Tell whether it is known how a call is answered."""
    return node["type"] == _FUNCTION or node["type"] in _REQUESTS


def turn_id_of(node: Object) -> str:
    """The turn that asked; empty where it is not told."""
    id = node.get("turn_id")
    if id is not None and not isinstance(id, str):
        raise BodyError("the turn_id of a tool call must be a string")
    return id or ""


def request_type_of(node: Object) -> str:
    """What an approval is asked for: `browser_origin_access`."""
    return str(_request(node).get("type"))


def call_of(request: Request, scope: str, node: Object, model: str = "") -> ToolCall:
    """A call as it is judged; raises BodyError for one that can not be told."""
    kind, name, arguments = kind_of(node), _name(node), _arguments(node)
    return ToolCall(
        surface=SurfaceName.AGENTS,
        origin=request.origin,
        scope=scope,
        id=id_of(node),
        name=name,
        arguments=arguments,
        digest=canonical.call_digest(kind, name, arguments),
        kind=kind,
        agent=request.caller(),
        model=model,
    )


def _request(node: Object) -> Object:
    """What an approval is about; an item may tell it itself."""
    asked = node.get("request")
    if asked is not None and not isinstance(asked, dict):
        raise BodyError("the request of an approval must be an object")
    return node if asked is None else asked


def _name(node: Object) -> str:
    kind, name = node["type"], fields.text_of(node, "name")
    if kind == _FUNCTION and not name:
        raise BodyError("a tool call without a name")
    if kind == MCP:
        asked = _request(node)
        # the API does not always tell the tool
        told = (fields.text_of(asked, "server_label"), fields.text_of(asked, "name"))
        return ".".join(filter(None, ("mcp", *told)))
    return request_type_of(node) if kind == COMPUTER else name or str(kind)


def _arguments(node: Object) -> str:
    kind = node["type"]
    if kind in (_FUNCTION, MCP):
        return fields.arguments_text((_request(node) if kind == MCP else node).get("arguments"))
    asked = _request(node) if kind == COMPUTER else node
    return fields.json_text({key: value for key, value in asked.items() if key not in _ABOUT})


# -- changing -------------------------------------------------------------------------------


def replace_arguments(node: Object, text: str) -> None:
    """Put other arguments into a call: a string stays a string, an object an object.

    Raises BodyError for a text that has another form.
    """
    holder = node if node["type"] == _FUNCTION else _request(node)
    if node["type"] in (_FUNCTION, MCP):
        is_text = isinstance(holder.get("arguments"), str)
        holder["arguments"] = text if is_text else fields.arguments_in(text)
        return
    holder.update(fields.parts_in(text))


def notice_item(node: Object, notice: str) -> Object:
    """The assistant's message that takes the place of a hidden call's item.

    A commentary: SDKs take it for no part of the turn's answer.
    """
    id = node.get("id")
    return {
        "id": id if isinstance(id, str) else fields.made_id("msg", id_of(node)),
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "phase": "commentary",
        "turn_id": turn_id_of(node),
        "content": [{"type": "output_text", "text": notice}],
    }


# -- strays ---------------------------------------------------------------------------------


def refuse_stray_calls(document: Json, read: Collection[int]) -> None:
    """Raise BodyError for calls that stand where nobody here has read them.

    `read` are the `id()`s of the items and lists of actions that were.
    """
    for node in beside(document, read):
        actions = node.get("required_actions")
        if actions and id(actions) not in read:
            raise BodyError("there are required_actions that are not a session's")
        for key in node:
            if key not in _CARRIERS and key.casefold() in _CARRIERS:
                raise BodyError(f"there is a field {key!r}, which is not one of the API's")
        if _looks_like_call(node):
            raise BodyError("a tool call stands where the API has none")


def _looks_like_call(node: Object) -> bool:
    kind = node.get("type")
    if not isinstance(kind, str):
        return "call_id" in node or "request_id" in node
    is_item = "." not in kind and not kind.endswith(_ANSWERS)
    is_named = kind == _FUNCTION or kind in _REQUESTS or "call_id" in node or "request_id" in node
    return is_item and is_named


def beside(document: Json, read: Collection[int]) -> Iterator[Object]:
    """Every object of a body but for those of `read`, and what is the app's own."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if id(node) in read:
            continue
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            yield node
            waiting += [value for key, value in node.items() if key not in _DESCRIBED]
