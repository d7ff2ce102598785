"""Where people reach a gate."""

from __future__ import annotations

from callgate.front import approval_url


def test_approval_has_an_address_also_where_there_is_no_console() -> None:
    assert approval_url("https://gate.example", "apr_1") == "https://gate.example/approvals/apr_1"
    assert approval_url("", "apr_1") == "callgate:approvals/apr_1"
