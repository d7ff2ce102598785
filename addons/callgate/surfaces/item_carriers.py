"""Where items stand in bodies, events and messages of the Responses API, and where they do not."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.surfaces import item_results, items
from callgate.surfaces.fields import Object

_DESCRIBED = frozenset(("tools", "tool_choice", "metadata", "prompt", "text"))
"""Fields whose content is the app's own: schemas and labels, in which anything may stand."""

_CARRIERS = frozenset(("output", "data", "item", "response", "type", "call_id"))


def scope_of(holder: Object, key: str = "id") -> str:
    """The scope that a response is in, or a request goes on with: the conversation it names,
    else the response named by `key`; empty where neither is.

    Raises BodyError for ids that are none, or would lead to another path of the API.
    """
    conversation = holder.get("conversation")
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    ids = (("conversations", "conversation", conversation), ("responses", key, holder.get(key)))
    for kind, name, id in ids:
        if id is None or id == "":
            continue
        if not isinstance(id, str):
            raise BodyError(f"{name} must be the id of one of the {kind}", name)
        if id in (".", ".."):
            raise BodyError(f"{name} leads to another path", name)
        return f"{kind}/{id}"
    return ""


def model_of(response: Object) -> str:
    """The model that made a response; empty where it is not told."""
    model = response.get("model")
    return model if isinstance(model, str) else ""


def refuse_stray_calls(document: Json, read: Collection[int]) -> None:
    """Raise BodyError for calls that stand where nobody here has read them.

    `read` are the `id()`s of the items that were.
    """
    for node in _beside(document, read):
        for key in node:
            # some clients' parsers do not tell letters apart
            if key not in _CARRIERS and key.casefold() in _CARRIERS:
                raise BodyError(f"there is a field {key!r}, which is not one of the API's")
        if _looks_like_call(node):
            raise BodyError("a tool call stands where the API has none")


def refuse_stray_results(document: Json, read: Collection[int]) -> None:
    """Raise BodyError for results that stand where nobody here has read them; see above."""
    for node in _beside(document, read):
        if node is not document and _looks_like_result(node):
            raise BodyError("a result of a tool call stands where the API has none")


def _beside(document: Json, read: Collection[int]) -> Iterator[Object]:
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict) and id(node) not in read:
            yield node
            waiting += [value for key, value in node.items() if key not in _DESCRIBED]


def _looks_like_call(node: Object) -> bool:
    kind = node.get("type")
    if kind is None:
        return isinstance(node.get("call_id"), str) and "output" not in node
    if not isinstance(kind, str) or "." in kind:
        return False
    is_named = kind == items.APPROVAL or kind.endswith("_call") or "call_id" in node
    return is_named and items.is_call(node)


def _looks_like_result(node: Object) -> bool:
    kind = node.get("type")
    if isinstance(kind, str) and "." in kind:
        return False
    is_named = isinstance(kind, str) and (kind.endswith("_output") or kind.startswith("mcp_app"))
    return (is_named or "call_id" in node) and item_results.is_result(node)
