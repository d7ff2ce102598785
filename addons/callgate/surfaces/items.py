"""Items of the Responses API: which of them are calls, how they read, what stands in for them.

Types: openai SDK `types/responses/response_output_item.py`, `response_steer_required_input.py`
(what the API waits for), `types/beta/beta_response_output_item.py`. Responses, conversations,
streams and WebSockets all carry the same items. Results are in `item_results`.
"""

from __future__ import annotations

from collections.abc import Sequence

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.model import SurfaceName, ToolCall
from callgate.surfaces import fields
from callgate.surfaces.base import Turn
from callgate.surfaces.fields import Object

APPROVAL = "mcp_approval_request"
COMPUTER = "computer_call"

_HARMLESS = frozenset(
    str.split(
        "message reasoning item_reference agent_message multi_agent_call web_search_call "
        "file_search_call code_interpreter_call image_generation_call mcp_call mcp_list_tools "
        "mcp_approval_response compaction compaction_trigger configuration_update "
        "additional_tools program"
    )
)
"""Items that ask nothing of the app: the API has run them, or they are no calls."""

_KINDS = {"function_call": "function", "custom_tool_call": "custom"}
_NAMES = {
    "shell_call": "shell",
    "local_shell_call": "local_shell",
    "apply_patch_call": "apply_patch",
    COMPUTER: "computer",
    "tool_search_call": "tool_search",
}
_PARTS = {"apply_patch_call": ("operation",), COMPUTER: ("action", "actions")}
_SHELLS = frozenset(("shell_call", "local_shell_call"))
_BOUNDS = frozenset(("type", "timeout_ms", "max_output_length"))
"""Fields of a shell's action that are not what it runs."""

_ABOUT = frozenset(str.split("id call_id type status object name namespace caller agent"))
"""Fields of an item of an unknown type that are not what it asks for."""

_FIELDS = frozenset(
    str.split(
        "type id call_id name namespace server_label arguments input action actions operation "
        "execution environment caller output tools approval_request_id approve"
    )
)
_ASKING = ("call_id", "arguments", "input", "action", "actions", "operation")


def is_call(item: Object) -> bool:
    """Tell whether an app could act on an item; one of an unknown type counts as a call.

    Raises BodyError where readers could differ on it.
    """
    refuse_odd_keys(item)
    kind = item.get("type")
    if kind is None:
        # messages need no type in a request, and references to stored items neither
        if any(item.get(key) is not None for key in _ASKING):
            raise BodyError("an item that asks for something has no type")
        return False
    if not isinstance(kind, str):
        raise BodyError("the type of an item must be a string")
    return kind not in _HARMLESS and not kind.endswith("_output") and not is_hosted(item)


def is_hosted(item: Object) -> bool:
    """Tell whether the API itself runs a call of a type that the app may run too."""
    if item.get("type") == "tool_search_call":
        return item.get("execution") == "server"
    environment = item.get("environment")
    where = environment.get("type") if isinstance(environment, dict) else None
    return item.get("type") == "shell_call" and where in ("container_reference", "container_auto")


def refuse_odd_keys(item: Object) -> None:
    """See `fields.refuse_odd_keys`."""
    fields.refuse_odd_keys(item, _FIELDS, "an item")


def id_of(item: Object) -> str:
    """The id that a call is answered by; of an unknown type at last the type itself.

    Raises BodyError where a call of a known type has none.
    """
    kind = item.get("type")
    for key in ("id",) if kind == APPROVAL else ("call_id", "id"):
        value = item.get(key)
        if value is not None and not isinstance(value, str):
            raise BodyError("the id of a tool call must be a string")
        if value:
            return value
    if not isinstance(kind, str) or kind in _KINDS or kind in _NAMES or kind == APPROVAL:
        raise BodyError("a tool call without an id")
    return kind


def is_unanswerable(item: Object) -> bool:
    """Tell whether no notice can stand in for a call's result: a program at the API would take
    it for data, or it has to be a picture."""
    return is_of_program(item) or item.get("type") == COMPUTER


def is_of_program(item: Object) -> bool:
    """Tell whether a program at the API asked, or is answered."""
    caller = item.get("caller")
    return isinstance(caller, dict) and caller.get("type") == "program"


def call_of(request: Request, scope: str, item: Object, model: str = "") -> ToolCall | None:
    """A call as it is judged, None for an item that no app executes.

    Raises BodyError for one that can not be told.
    """
    if not is_call(item):
        return None
    kind, name, arguments = kind_of(item), _name(item), _arguments(item)
    return ToolCall(
        surface=SurfaceName.RESPONSES,
        origin=request.origin,
        scope=scope,
        id=id_of(item),
        name=name,
        arguments=arguments,
        digest=canonical.call_digest(kind, name, arguments),
        kind=kind,
        agent=request.caller(),
        model=model,
        takes_no_notice=is_unanswerable(item),
    )


def digest_of(item: Object) -> str:
    """See `canonical.call_digest`; of a call only."""
    return canonical.call_digest(kind_of(item), _name(item), _arguments(item))


def objects(listed: object, path: str) -> list[Object]:
    """A list of items; raises BodyError for what is none."""
    if not isinstance(listed, list):
        raise BodyError(f"{path} must be a list", path)
    found: list[Object] = []
    for index, item in enumerate(listed):
        if not isinstance(item, dict):
            raise BodyError(f"{path}[{index}] must be an object", f"{path}[{index}]")
        found.append(item)
    return found


def turn_of(
    request: Request,
    scope: str,
    items: Sequence[Json],
    holder: Object,
    *,
    model: str = "",
    is_waiting: bool,
    is_told: bool,
    is_polled: bool,
) -> Turn:
    """The calls among some items of `holder`.

    Raises BodyError for calls that can not be told, or told apart.
    """
    calls: list[ToolCall] = []
    unanswerable: set[str] = set()
    digests: dict[str, str] = {}
    for item in objects([*items], "output"):
        call = call_of(request, scope, item, model)
        if call is None:
            continue
        if digests.setdefault(call.id, call.digest) != call.digest:
            raise BodyError("two different tool calls have the same id")
        calls.append(call)
        if is_unanswerable(item):
            unanswerable.add(call.id)
    return Turn(
        scope=scope,
        node=holder,
        calls=calls,
        is_waiting=is_waiting,
        is_polled=is_polled,
        is_told=is_told,
        unanswerable=frozenset(unanswerable),
    )


# -- how a call reads -----------------------------------------------------------------------


def kind_of(item: Object) -> str:
    """The kind of a call, as `ToolCall.kind`."""
    kind = str(item["type"])
    return _KINDS.get(kind, kind)


def _name(item: Object) -> str:
    kind, name = str(item["type"]), fields.text_of(item, "name")
    if kind in _NAMES:
        return _NAMES[kind]
    if (kind in _KINDS or kind == APPROVAL) and not name:
        raise BodyError("a tool call without a name")
    if kind == APPROVAL:
        return f"mcp.{fields.text_of(item, 'server_label')}.{name}"
    namespace = fields.text_of(item, "namespace")
    return f"{namespace}.{name}" if namespace else name or kind


def _arguments(item: Object) -> str:
    kind = item["type"]
    if kind == "custom_tool_call":
        return fields.json_text({"input": fields.text_of(item, "input")})
    if kind in _SHELLS:
        return fields.json_text(
            {key: v for key, v in _action(item).items() if key not in _BOUNDS and v}
        )
    if kind in _PARTS:
        return fields.json_text(
            {key: item[key] for key in _PARTS[kind] if item.get(key) is not None}
        )
    if kind in ("function_call", APPROVAL, "tool_search_call"):
        return fields.arguments_text(item.get("arguments"))
    return fields.json_text({key: value for key, value in item.items() if key not in _ABOUT})


def _action(item: Object) -> Object:
    action = item.get("action")
    if not isinstance(action, dict):
        raise BodyError("the action of a tool call must be an object")
    return action


# -- changing -------------------------------------------------------------------------------


def replace_arguments(item: Object, text: str) -> None:
    """Put other arguments into a call, in the form in which `call_of` reads them.

    Raises BodyError for a text that has another form.
    """
    kind = item.get("type")
    if kind in ("function_call", APPROVAL, "tool_search_call"):
        is_text = isinstance(item.get("arguments"), str)
        item["arguments"] = text if is_text else fields.arguments_in(text)
        return
    (_action(item) if kind in _SHELLS else item).update(fields.parts_in(text))


def notice_item(item: Object, notice: str) -> Object:
    """The assistant's message that takes the place of a hidden call."""
    part: Object = {"type": "output_text", "text": notice, "annotations": [], "logprobs": []}
    return {
        "id": fields.made_id("msg", id_of(item)),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
