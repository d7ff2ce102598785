"""Tools that an agent, a session or an automation is given: which of them the API runs itself.

Types: openai SDK `types/beta/agent_tool_param.py`, `persisted_agent_tool_param.py`. None of them
can be told to ask before each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.surfaces.base import HostedTool
from callgate.surfaces.fields import Object

_RUN_BY_APP = frozenset(("function", "tool_search"))
"""A search finds functions of the app's, which it runs then."""

_HOLDERS = ("", "agent", "target.agent")


@dataclass(frozen=True, slots=True)
class _Tools:
    holder: Object
    path: str

    @property
    def tools(self) -> list[Object]:
        listed = self.holder["tools"]
        if not isinstance(listed, list):
            raise BodyError(f"{self.path} must be a list", self.path)
        found: list[Object] = []
        for index, tool in enumerate(listed):
            if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
                path = f"{self.path}[{index}].type"
                raise BodyError(f"{path} must be a string", path)
            found.append(tool)
        return found


def _lists(document: Object) -> Iterator[_Tools]:
    for place in _HOLDERS:
        node: Json = document
        for key in filter(None, place.split(".")):
            node = node.get(key) if isinstance(node, dict) else None
        if isinstance(node, dict) and node.get("tools") is not None:
            yield _Tools(node, f"{place}.tools" if place else "tools")


def _name(tool: Object) -> str:
    """What policies call a tool that the API runs; empty for the app's own."""
    kind, label = str(tool["type"]), tool.get("server_label")
    if kind == "mcp":
        return f"mcp.{label}" if isinstance(label, str) and label else "mcp"
    return "" if kind in _RUN_BY_APP else kind


def hosted_in(document: Object) -> Iterator[HostedTool]:
    """The hosted tools that a request names; raises BodyError for what is no tool."""
    for one in _lists(document):
        for index, tool in enumerate(one.tools):
            if name := _name(tool):
                yield HostedTool(name, f"{one.path}[{index}].type")


def remove(document: Object, names: Sequence[str]) -> None:
    """Take hosted tools out."""
    for one in _lists(document):
        one.holder["tools"] = [tool for tool in one.tools if _name(tool) not in names]


def inherited_from(document: Object) -> str:
    """The agent whose tools a new session, or an automation's, has because it names none.

    Raises BodyError for an id that is none.
    """
    for holder in (document, document.get("target")):
        if not isinstance(holder, dict) or (id := holder.get("agent_id")) is None:
            continue
        if not isinstance(id, str):
            raise BodyError("agent_id must be a string", "agent_id")
        own = holder.get("agent")
        return "" if isinstance(own, dict) and "tools" in own else id
    return ""


def inherit(document: Object, owner: Json) -> None:
    """Name the owner's tools where the request names none."""
    target = document.get("target")
    holder = target if isinstance(target, dict) and target.get("agent_id") else document
    own = holder.get("agent")
    tools = owner.get("tools") if isinstance(owner, dict) else None
    holder["agent"] = {**(own if isinstance(own, dict) else {}), "tools": tools}
