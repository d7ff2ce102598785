"""Tools that a request of the Responses API names: which of them the API runs itself.

Types: openai SDK `types/responses/tool_param.py`. They stand in `tools`, inside namespaces, and
in items that load further ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.surfaces.base import HostedTool
from callgate.surfaces.fields import Object

_RUN_BY_APP = frozenset(
    str.split(
        "function custom namespace local_shell apply_patch tool_search computer computer_use "
        "computer_use_preview"
    )
)
_LOADING = ("additional_tools", "tool_search_output")

type Holders = Sequence[tuple[Object, str]]
"""What names tools in its `tools`, each with the path to it."""


def loading(items: Sequence[Object], path: str) -> Holders:
    """The items that bring tools with them."""
    return [
        (item, f"{path}[{index}].")
        for index, item in enumerate(items)
        if item.get("type") in _LOADING
    ]


def hosted_in(holders: Holders) -> Iterator[HostedTool]:
    """The hosted tools among those named; raises BodyError for what is no tool."""
    for holder, path in _with_namespaces(holders):
        for index, tool in enumerate(_tools(holder, path)):
            where = f"{path}tools[{index}].type"
            if name := _name(tool, where):
                yield HostedTool(name, where, can_ask=tool.get("type") == "mcp")


def remove(holders: Holders, names: Sequence[str]) -> None:
    """Take hosted tools out; what chooses a removed tool, or any of none, goes with them."""
    for holder, path in list(_with_namespaces(holders)):
        if tools := _tools(holder, path):
            kept = [tool for tool in tools if _name(tool, path) not in names]
            holder["tools"] = [*kept]
            if not kept or _is_void(holder.get("tool_choice"), names):
                holder.pop("tool_choice", None)


def _is_void(choice: Json, names: Sequence[str]) -> bool:
    if not isinstance(choice, dict):
        return False
    if choice.get("type") != "allowed_tools":
        return _name(choice, "tool_choice.") in names
    kept = [one for one in _tools(choice, "tool_choice.") if _name(one, "") not in names]
    choice["tools"] = [*kept]
    return not kept


def ask_before(holders: Holders, names: Sequence[str]) -> None:
    """Have MCP servers ask before each call, without exceptions."""
    for holder, path in _with_namespaces(holders):
        for tool in _tools(holder, path):
            if tool.get("type") == "mcp" and _name(tool, path) in names:
                tool["require_approval"] = "always"


def _with_namespaces(holders: Holders) -> Iterator[tuple[Object, str]]:
    for holder, path in holders:
        yield holder, path
        inner = [
            (tool, f"{path}tools[{index}].")
            for index, tool in enumerate(_tools(holder, path))
            if tool.get("type") == "namespace"
        ]
        yield from _with_namespaces(inner)


def _tools(holder: Object, path: str) -> list[Object]:
    tools = holder.get("tools")
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise BodyError(f"{path}tools must be a list", f"{path}tools")
    found: list[Object] = []
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise BodyError(f"{path}tools[{index}] must be an object", f"{path}tools[{index}]")
        found.append(tool)
    return found


def _name(tool: Object, path: str) -> str:
    """What policies call a tool that the API runs; empty for the app's own."""
    kind = tool.get("type")
    if not isinstance(kind, str):
        raise BodyError("the type of a tool must be a string", path)
    if kind == "mcp":
        label = tool.get("server_label")
        return f"mcp.{label}" if isinstance(label, str) and label else "mcp"
    environment = tool.get("environment")
    where = environment.get("type") if isinstance(environment, dict) else environment
    is_local = kind == "shell" and where in (None, "local")
    return "" if kind in _RUN_BY_APP or is_local else kind
