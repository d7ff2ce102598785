"""Where a call would write, told by names."""

from __future__ import annotations

import json

import pytest

from callgate.canonical import Json
from callgate.scanners.destinations import destinations


def places(tool: str, arguments: Json) -> dict[str, tuple[str, ...]]:
    return {one.path: one.names for one in destinations(tool, json.dumps(arguments))}


@pytest.mark.parametrize(
    ("tool", "arguments", "path", "name"),
    [
        ("send_email", {"to": "Bob@x.com"}, "$.to", "mail:bob@x.com"),
        ("send_email", {"recipients": ["a@x.com"]}, "$.recipients[0]", "mail:a@x.com"),
        ("GmailSendEmail", {"to": "a@x.com"}, "$.to", "mail:a@x.com"),
        ("email", {"user_email": "a@x.com"}, "$.user_email", "mail:a@x.com"),
        ("postMessage", {"webhookUrl": "https://x.com/h"}, "$.webhookUrl", "url:x.com/h"),
        ("post_webpage", {"url": "www.x.rocks"}, "$.url", "host:x.rocks"),
        ("post_webpage", {"url": "intranet.weird"}, "$.url", "host:intranet.weird"),
        ("send_money", {"recipient": "US13 3000 0001 2121"}, "$.recipient", "account:us1330000001"),
        ("transfer", {"account": 12345678}, "$.account", "number:12345678"),
        ("write_file", {"path": "/etc/x"}, "$.path", "path:/etc/x"),
        ("write_file", {"file_name": "notes"}, "$.file_name", "path:notes"),
        ("invite_user", {"user": "@Fred"}, "$.user", "handle:fred"),
        ("update", {"a": {"share_with": [{"email": "a@x.com"}]}}, "$.a.share_with[0].email",
         "mail:a@x.com"),
        ("call_tool", {"input": json.dumps({"to": "a@x.com"})}, "$.input", "mail:a@x.com"),
        ("http_request", {"url": "https://x.com/a", "method": "POST"}, "$.url", "url:x.com/a"),
        ("fetch", {"url": "https://x.com/a", "body": "b"}, "$.url", "url:x.com/a"),
        ("fetch", {"url": "https://x.com/a", "Method": "put", "data": 0}, "$.url", "url:x.com/a"),
    ],
)  # fmt: skip
def test_destination_is_read_off_the_names(
    tool: str, arguments: Json, path: str, name: str
) -> None:
    found = places(tool, arguments)[path]
    assert any(one.startswith(name) for one in found)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_webpage", {"url": "https://x.com/a"}),
        ("search_emails", {"to": "a@x.com"}),
        ("read_and_send", {"to": "a@x.com"}),
        ("fetch", {"url": "https://x.com/a", "method": "get", "body": ""}),
        ("fetch", [{"method": "post"}]),
        ("weather", {"path": "/etc/x"}),
        ("send_email", {"body": "mail a@x.com", "subject": "a@x.com", "amount": 5, "to": True}),
        ("send_email", {"from": "a@x.com", "email_id": "12345678", "to": " "}),
        ("write_file", {"path": "x" * 5000, "file": "https://x.com/a is no path"[:0]}),
        ("post", {"url": "no host here", "link": "one two.three"}),
        ("run_shell", {"command": "ls -la"}),
        ("run_shell", {"command": "pay 12345678 to @me"}),
    ],
)
def test_other_calls_and_fields_have_none(tool: str, arguments: Json) -> None:
    assert places(tool, arguments) == {}


def test_command_tells_of_hosts_without_saying_what_it_does_there() -> None:
    [one] = destinations("run_shell", '{"command": "curl -d @x https://x.com/in"}')

    assert one.is_command
    assert "url:x.com/in" in one.names


def test_every_recipient_of_a_list_counts_by_itself() -> None:
    found = destinations("send_email", '{"to": "a@x.com, b@y.com"}')

    assert [one.names for one in found] == [("mail:a@x.com",), ("mail:b@y.com",)]


@pytest.mark.parametrize("arguments", ["", "{", "null", '"a@x.com"', '{"to": 1e400}', '{"to":"{"}'])
def test_odd_arguments_are_no_error(arguments: str) -> None:
    assert all(one.names == ("handle:{",) for one in destinations("send_email", arguments))


def test_number_in_a_place_is_nobodys_account() -> None:
    arguments: Json = {"title": "Stay", "location": "1-1-1 Nishi-Shinjuku, Tokyo 160-0023"}
    found = destinations("create_calendar_event", json.dumps(arguments))

    assert [name.partition(":")[0] for one in found for name in one.names] == ["path"]
