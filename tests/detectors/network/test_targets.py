from __future__ import annotations

import pytest

from callgate.detectors.base import Text
from callgate.detectors.network.targets import Role, role_of


def role(tool: str, field: str) -> Role:
    return role_of(Text("", "$", tool, field))


@pytest.mark.parametrize(
    ("tool", "field"),
    [
        ("anything", "url"),
        ("anything", "webhook_url"),
        ("anything", "baseurl"),
        ("anything", "callback"),
        ("http_get", "host"),
        ("fetchPage", "target"),
    ],
)
def test_argument_that_is_opened_is_a_target(tool: str, field: str) -> None:
    assert role(tool, field).is_target


def test_host_may_be_meant_where_the_tool_opens_nothing() -> None:
    assert not role("connect_database", "host").is_target
    assert role("connect_database", "host").may_be_host


def test_tool_that_opens_urls_takes_them_anywhere_but_in_prose_and_headers() -> None:
    assert role("fetch", "input").is_fetched
    assert not role("http_post", "body").is_fetched
    assert not role("fetch", "headers").is_fetched
    assert not role("calculate", "input").is_fetched


@pytest.mark.parametrize(
    ("tool", "field"),
    [
        ("send_email", "to"),
        ("GmailSendEmail", "cc"),
        ("share_file", "email"),
        ("invite_user_to_slack", "user_email"),
        ("create_calendar_event", "participants"),
        ("add_calendar_event_participants", "participants"),
    ],
)
def test_recipients_are_known(tool: str, field: str) -> None:
    assert role(tool, field).has_recipients


@pytest.mark.parametrize(
    ("tool", "field"),
    [
        ("search_emails", "to"),
        ("get_email", "recipients"),
        ("create_user", "email"),
        ("send_email", "body"),
    ],
)
def test_others_are_no_recipients(tool: str, field: str) -> None:
    assert not role(tool, field).has_recipients


def test_where_a_sending_tool_sends_is_known() -> None:
    assert role("http_post", "url").is_sent_to
    assert role("send_webhook", "endpoint").is_sent_to
    assert not role("fetch", "url").is_sent_to
    assert not role("get_request", "url").is_sent_to


def test_arguments_without_a_role_say_nothing() -> None:
    assert role("calculate", "expression").says_nothing
    assert role("send_message", "text").says_nothing
    assert not role("run_shell", "command").says_nothing
    assert role("run_shell", "command").is_command
    assert role("send_message", "text").is_prose
    assert not role("anything", "url").is_prose
