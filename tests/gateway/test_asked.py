"""What clients ask about, as tool calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.gateway.asked import HTTP_TOOL, AskingError, execute, invoke, parse, scan

type Json = dict[str, Any]


def scanned(url: str, **more: Any) -> tuple[str, Any]:
    asked = scan({"method": "POST", "url": url, "body": {"a": 1}, **more}, "shop")
    return asked.tool, json.loads(asked.arguments)


@pytest.mark.parametrize(
    ("url", "tool"),
    [
        ("tool://openai-assistants/run_shell", "run_shell"),
        ("tool://langchain/Weather Report", "Weather Report"),
        ("tool://bare", "bare"),
        ("mcp://github_create_pull_request", "github_create_pull_request"),
        ("mcp://server/tool?x#y", "server/tool?x#y"),
    ],
)
def test_tool_that_an_sdk_put_into_a_url_has_its_own_name_and_arguments(
    url: str, tool: str
) -> None:
    assert scanned(url) == (tool, {"a": 1})


@pytest.mark.parametrize(
    "url",
    [
        "https://slack.com/api/chat.postMessage",
        "HTTP://169.254.169.254/",
        "file:///etc/passwd",
        "tool://openai-assistants/",
        "mcp://",
    ],
)
def test_any_other_url_is_an_http_request(url: str) -> None:
    assert scanned(url) == (HTTP_TOOL, {"method": "POST", "url": url, "body": {"a": 1}})


def test_headers_are_inspected_too_and_empty_bodies_are_none() -> None:
    tool, arguments = scanned("https://x.example/", headers={"X-Note": "n"}, body={})
    assert (tool, arguments["headers"]) == (HTTP_TOOL, {"X-Note": "n"})
    assert "body" not in arguments
    assert scanned("mcp://look", body=None) == ("look", {})
    assert scanned("mcp://look", body=["x"]) == ("look", ["x"])


def test_who_the_client_says_it_is_is_a_claim() -> None:
    asked = scan({"method": "GET", "url": "mcp://x", "agent_id": "a-1"}, "shop")
    assert (asked.client, asked.claimed) == ("shop", "a-1")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"url": "mcp://x"}, "`method`"),
        ({"method": "GET"}, "`url`"),
        ({"method": "GET", "url": ""}, "`url`"),
        ({"method": "GET", "url": ["mcp://x"]}, "`url`"),
        ({"method": "GET", "url": "mcp://x", "agent_id": 7}, "`agent_id`"),
        ({"method": "GET", "url": "mcp://x", "headers": {"a": "b"}}, "`headers`"),
    ],
)
def test_scan_that_does_not_say_what_it_is_about_is_said(document: Json, said: str) -> None:
    with pytest.raises(AskingError, match=said):
        scan(document, "shop")


def test_body_is_a_json_object() -> None:
    assert parse(b'{"a": [1, "\xc3\xa4"]}') == {"a": [1, "ä"]}


@pytest.mark.parametrize("body", [b"", b"{oh", b"[]", b'{"a":1,"a":2}', b"\xff", b'{"a":NaN}'])
def test_body_without_one_reading_is_said(body: bytes) -> None:
    with pytest.raises(AskingError, match="the body is"):
        parse(body)


def test_execute_knows_both_spellings_of_its_fields() -> None:
    asked = execute({"agent_id": "a", "tool": "sh", "arguments": {"c": 1}}, "shop", "header")
    assert (asked.tool, asked.arguments, asked.claimed) == ("sh", '{"c":1}', "a")
    asked = execute({"tool_name": "sh", "parameters": {"c": 1}}, "shop", "header")
    assert (asked.tool, asked.arguments, asked.claimed) == ("sh", '{"c":1}', "header")
    with pytest.raises(AskingError, match="`tool_name`"):
        execute({"arguments": {}}, "shop", "")


@pytest.mark.parametrize("named", [{}, {"params": {"c": 1}}, {"arguments": {}, "parameters": {}}])
def test_execute_needs_arguments_with_one_reading(named: dict[str, Json]) -> None:
    with pytest.raises(AskingError, match="`arguments`"):
        execute({"tool": "sh", **named}, "shop", "")


def test_invoke_carries_no_credential_into_the_arguments() -> None:
    document: Json = {
        "tool_name": "github",
        "operation": "add",
        "upstream_request": {"method": "PUT", "url_path": "/x", "body": {"b": 1}},
        "agent_context": {"agent_id": "a-1"},
        "identity_context": {"credential_token": "ghp_" + "t" * 36},
    }
    asked = invoke(document, "shop")
    assert asked.tool == "github.add"
    assert json.loads(asked.arguments) == {"method": "PUT", "url_path": "/x", "body": {"b": 1}}
    assert asked.claimed == "a-1"
    del document["operation"]
    assert invoke(document, "shop").tool == "github"
    with pytest.raises(AskingError, match="`upstream_request`"):
        invoke({"agent_context": {}}, "shop")
