"""Tools of requests of the Responses API that the API would run itself."""

from __future__ import annotations

from typing import get_args

import pytest
from openai.types.responses import Tool

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.surfaces import hosted_items
from callgate.surfaces.hosted_items import Holders
from tests.surfaces.item_objects import Object, message

MCP: Object = {"type": "mcp", "server_label": "docs", "require_approval": "never"}
FUNCTION: Object = {"type": "function", "name": "f", "parameters": {}}
SEARCH: Object = {"type": "web_search"}


def found(*tools: Json) -> list[tuple[str, str, bool]]:
    return told([({"tools": [*tools]}, "")])


def told(holders: Holders) -> list[tuple[str, str, bool]]:
    return [(tool.name, tool.path, tool.can_ask) for tool in hosted_items.hosted_in(holders)]


@pytest.mark.parametrize(
    "tool",
    [
        FUNCTION,
        {"type": "custom", "name": "c"},
        {"type": "local_shell"},
        {"type": "apply_patch"},
        {"type": "tool_search"},
        {"type": "tool_search", "execution": "client"},
        {"type": "computer"},
        {"type": "computer_use_preview"},
        {"type": "shell"},
        {"type": "shell", "environment": None},
        {"type": "shell", "environment": {"type": "local"}},
        {"type": "namespace", "name": "n", "tools": [FUNCTION]},
        {"type": "namespace", "name": "n"},
    ],
)
def test_what_the_app_runs_is_not_hosted(tool: Object) -> None:
    assert found(tool) == []


@pytest.mark.parametrize(
    "tool",
    [
        SEARCH,
        {"type": "file_search", "vector_store_ids": []},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "image_generation"},
        {"type": "programmatic_tool_calling"},
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "shell", "environment": {"type": "container_reference"}},
        {"type": "shell", "environment": "somewhere"},
        {"type": "never_heard_of"},
    ],
)
def test_what_the_api_runs_is_hosted(tool: Object) -> None:
    assert found(FUNCTION, tool) == [(tool["type"], "tools[1].type", False)]


def test_every_tool_that_the_sdk_knows_is_one_or_the_other() -> None:
    [union, _] = get_args(Tool)
    kinds = {get_args(tool.model_fields["type"].annotation)[0] for tool in get_args(union)}
    hosted = {name for kind in kinds for name, _, _ in found({"type": kind})}
    assert kinds - hosted == {
        "function",
        "custom",
        "namespace",
        "tool_search",
        "computer",
        "computer_use_preview",
        "local_shell",
        "shell",
        "apply_patch",
    }


def test_an_mcp_server_can_be_made_to_ask() -> None:
    assert found(MCP) == [("mcp.docs", "tools[0].type", True)]
    assert found({"type": "mcp"}) == [("mcp", "tools[0].type", True)]


def test_tools_inside_namespaces_and_items_count() -> None:
    space: Object = {"type": "namespace", "name": "n", "tools": [FUNCTION, SEARCH]}
    items: list[Object] = [
        message(),
        {"type": "additional_tools", "role": "developer", "tools": [MCP]},
        {"type": "tool_search_output", "call_id": "c", "tools": [space]},
    ]
    holder: Object = {"tools": [space]}
    loading = hosted_items.loading(items, "response.input")
    assert told([(holder, "response."), *loading]) == [
        ("web_search", "response.tools[0].tools[1].type", False),
        ("mcp.docs", "response.input[1].tools[0].type", True),
        ("web_search", "response.input[2].tools[0].tools[1].type", False),
    ]


@pytest.mark.parametrize("tools", [{}, "x", ["x"], [{}], [{"type": 7}], [{"type": None}]])
def test_what_is_no_tool_is_refused(tools: Json) -> None:
    holder: Object = {"tools": tools}
    with pytest.raises(BodyError):
        told([(holder, "")])


def removed(holder: Object, *names: str) -> Object:
    hosted_items.remove([(holder, "")], names)
    return holder


def test_hosted_tools_are_removed_by_name() -> None:
    other: Object = {**MCP, "server_label": "mail"}
    space: Object = {"type": "namespace", "name": "n", "tools": [FUNCTION, SEARCH]}
    assert removed({"tools": [FUNCTION, SEARCH, MCP, other, space]}, "web_search", "mcp.docs") == {
        "tools": [FUNCTION, other, {**space, "tools": [FUNCTION]}]
    }


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        ("auto", True),
        ({"type": "function", "name": "f"}, True),
        ({"type": "web_search"}, False),
        ({"type": "mcp", "server_label": "docs", "name": "search"}, False),
        ({"type": "mcp", "server_label": "mail"}, True),
        ({"type": "allowed_tools", "mode": "auto", "tools": [SEARCH]}, False),
        (None, True),
    ],
)
def test_a_choice_of_a_removed_tool_goes_with_it(choice: Json, kept: bool) -> None:
    holder: Object = {"tools": [FUNCTION, SEARCH, MCP], "tool_choice": choice}
    assert ("tool_choice" in removed(holder, "web_search", "mcp.docs")) is kept


def test_the_other_tools_stay_allowed() -> None:
    allowed: list[Json] = [{"type": "function", "name": "f"}, SEARCH]
    choice: Object = {"type": "allowed_tools", "mode": "required", "tools": allowed}
    holder = removed({"tools": [FUNCTION, SEARCH], "tool_choice": choice}, "web_search")
    assert holder["tool_choice"] == {**choice, "tools": [{"type": "function", "name": "f"}]}


def test_without_any_tool_nothing_is_chosen() -> None:
    assert removed({"tools": [SEARCH], "tool_choice": "required"}, "web_search") == {"tools": []}
    assert removed({"tool_choice": "auto"}, "web_search") == {"tool_choice": "auto"}
    assert removed({"tools": [], "tool_choice": "auto"}, "web_search")["tool_choice"] == "auto"


def test_servers_ask_before_each_call_without_exceptions() -> None:
    never: Object = {"never": {"tool_names": ["read"]}}
    mail: Object = {**MCP, "server_label": "mail"}
    space: Object = {"type": "namespace", "name": "n", "tools": [{**MCP}]}
    holder: Object = {"tools": [{**MCP, "require_approval": never}, mail, SEARCH, space]}
    hosted_items.ask_before([(holder, "")], ["mcp.docs", "web_search"])
    asking: Object = {**MCP, "require_approval": "always"}
    assert holder["tools"] == [asking, mail, SEARCH, {**space, "tools": [asking]}]
