"""Tools of agents, sessions and automations that the API would run itself."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
from openai.types.beta.agent_tool_param import AgentToolParam

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.surfaces import agent_tools as tools
from tests.surfaces.agent_objects import Object

FUNCTION: Object = {"type": "function", "name": "look", "description": "", "parameters": {}}
SEARCH: Object = {"type": "web_search"}
MCP: Object = {"type": "mcp", "server_label": "docs", "transport": {"type": "http"}}


def named(document: Object) -> list[tuple[str, str]]:
    return [(tool.name, tool.path) for tool in tools.hosted_in(document)]


def test_of_the_sdks_tools_only_functions_and_their_search_are_the_apps() -> None:
    models = get_args(AgentToolParam)
    types = {get_args(get_type_hints(model)["type"])[0] for model in models}
    hosted = {name for name, _ in named({"tools": [{"type": kind} for kind in sorted(types)]})}
    assert types - hosted == {"function", "tool_search"}
    assert "computer_use" in hosted


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"tools": [FUNCTION, SEARCH]}, "tools[1].type"),
        ({"agent": {"tools": [SEARCH]}}, "agent.tools[0].type"),
        ({"target": {"agent": {"tools": [SEARCH]}}}, "target.agent.tools[0].type"),
    ],
)
def test_tools_are_found_where_the_api_has_them(document: Object, path: str) -> None:
    assert named(document) == [("web_search", path)]
    tools.remove(document, ["web_search"])
    assert named(document) == []


def test_servers_go_by_their_label() -> None:
    anonymous = {"type": "mcp", "server_label": None}
    document: Object = {"tools": [MCP, {**anonymous}, FUNCTION]}
    assert [name for name, _ in named(document)] == ["mcp.docs", "mcp"]
    assert not any(tool.can_ask for tool in tools.hosted_in(document))
    tools.remove(document, ["mcp.docs"])
    assert document["tools"] == [anonymous, FUNCTION]


@pytest.mark.parametrize("document", [{}, {"tools": None}, {"agent": "x"}, {"target": 5}])
def test_without_tools_there_are_none(document: Object) -> None:
    assert named(document) == []


@pytest.mark.parametrize("listed", [{}, ["x"], [{}], [{"type": 5}]])
def test_what_is_no_tool_is_refused(listed: Json) -> None:
    with pytest.raises(BodyError, match=r"agent\.tools"):
        named({"agent": {"tools": listed}})


@pytest.mark.parametrize(
    ("document", "owner"),
    [
        ({}, ""),
        ({"agent_id": "agent_1"}, "agent_1"),
        ({"agent_id": "agent_1", "agent": {"model": "m"}}, "agent_1"),
        ({"agent_id": "agent_1", "agent": {"tools": None}}, ""),
        ({"target": {"agent_id": "agent_2"}}, "agent_2"),
        ({"target": {"session_id": "s"}}, ""),
    ],
)
def test_tools_are_inherited_where_none_are_named(document: Object, owner: str) -> None:
    assert tools.inherited_from(document) == owner


def test_agent_must_be_an_id() -> None:
    with pytest.raises(BodyError, match="agent_id"):
        tools.inherited_from({"agent_id": {}})


def test_inherited_tools_are_named_beside_what_the_request_says() -> None:
    document: Object = {"agent_id": "agent_1", "agent": {"model": "m"}}
    tools.inherit(document, {"tools": [SEARCH]})
    assert document["agent"] == {"model": "m", "tools": [SEARCH]}
    target: Object = {"agent_id": "agent_1"}
    tools.inherit({"target": target}, "x")
    assert target["agent"] == {"tools": None}
