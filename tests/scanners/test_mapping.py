"""Calls as requests: as the package `interven-openai-assistants` has them."""

from __future__ import annotations

import json
from typing import Any

import interven_openai_assistants.scan as original
import pytest

from callgate.canonical import Json
from callgate.errors import ScannerError
from callgate.scanners.mapping import outbound
from tests.deciding import call

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("send_slack", {"text": "hi"}),
    ("post_message", {"webhook_url": "https://hooks.slack.com/x"}),
    ("post_message", {"url": "https://hooks.slack.com/x"}),
    ("call_webhook", {"webhook_url": "https://evil.example/"}),
    ("Slack_Search", {}),
    ("github_create_issue", {"owner": "o", "repo": "r"}),
    ("create_pull_request", {"org": "o", "repository": "r"}),
    ("github_approve", {"owner": "o", "repo": "r"}),
    ("commit_file", {"owner": "o"}),
    ("share_file", {"file_id": "f"}),
    ("drive_permission", {"fileId": "f"}),
    ("gdrive_read", {}),
    ("fetch_page", {"url": "https://example.com/a"}),
    ("http_call", {"url": "http://example.com", "method": "delete"}),
    ("make_request", {"url": "ftp://example.com"}),
    ("get_weather", {"city": "Oslo"}),
    ("list_users", {}),
    ("run_shell", {"command": "ls"}),
    ("Refund", {"amount": 5}),
]


@pytest.mark.parametrize(("name", "given"), CALLS)
def test_request_is_the_one_that_the_package_asks_about(name: str, given: dict[str, Any]) -> None:
    mapped = outbound(call(name, arguments=json.dumps(given)))

    assert mapped.url == original._infer_tool_url(name, given)
    assert mapped.method == original._infer_method(name, given)
    assert mapped.body == original._parse_args(json.dumps(given))


@pytest.mark.parametrize("text", ['"ls -l"', "[1,2]", "7", "null"])
def test_arguments_that_are_no_object_stand_as_input(text: str) -> None:
    mapped = outbound(call("shell", arguments=text))

    assert mapped.body == original._parse_args(text) == {"input": text}
    assert mapped.arguments({"input": '"ls [PATH]"'}) == '"ls [PATH]"'


def test_empty_arguments_are_an_empty_object() -> None:
    assert outbound(call("look", arguments=" ")).body == {}


@pytest.mark.parametrize("name", ["book_flight", "run_shell"])
def test_url_argument_is_used_as_the_packages_readme_says(name: str) -> None:
    arguments = '{"url":"https://example.com/a"}'

    assert outbound(call(name, arguments=arguments)).url == "https://example.com/a"


@pytest.mark.parametrize("method", ["", "GET /", "x" * 17, 7, None])
def test_method_that_is_none_is_taken_from_the_name(method: Json) -> None:
    assert outbound(call("pay", arguments=json.dumps({"method": method}))).method == "POST"


@pytest.mark.parametrize("odd", [7, ["o"], {"a": 1}])
def test_odd_arguments_do_not_break_the_mapping(odd: Json) -> None:
    keys = ("url", "webhook_url", "owner", "repo", "file_id", "method")
    arguments = json.dumps(dict.fromkeys(keys, odd))

    for name in ("slack", "github", "drive", "fetch", "look"):
        assert outbound(call(name, arguments=arguments)).url


def test_sanitized_object_becomes_the_arguments() -> None:
    mapped = outbound(call("note", arguments='{"text":"secret","n":1.50}'))

    assert mapped.arguments({"text": "[X]", "n": 1.5}) == '{"text":"[X]","n":1.5}'


@pytest.mark.parametrize("sanitized", [None, "text", ["x"], 7])
@pytest.mark.parametrize("text", ["{}", "[]"])
def test_sanitized_body_that_is_no_object_is_unclear(text: str, sanitized: Json) -> None:
    with pytest.raises(ScannerError, match="sanitized body is no object"):
        outbound(call("note", arguments=text)).arguments(sanitized)


@pytest.mark.parametrize(
    "sanitized", [{}, {"input": 7}, {"input": "[]", "more": 1}, {"input": "not JSON"}]
)
def test_sanitized_input_has_to_be_json_alone(sanitized: Json) -> None:
    with pytest.raises(ScannerError) as unclear:
        outbound(call("note", arguments="[]")).arguments(sanitized)

    assert unclear.value.kind == "SCANNER_ANSWER_UNREADABLE"
