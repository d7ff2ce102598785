from __future__ import annotations

import pytest

from callgate.detectors.base import Text
from callgate.detectors.placement import holds_command, holds_prose, holds_sql, words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("runShellCommand", {"run", "shell", "command"}),
        ("run_shell-command", {"run", "shell", "command"}),
        ("SQLQuery", {"sql", "query"}),
        ("", set()),
    ],
)
def test_name_is_split_into_words(name: str, expected: set[str]) -> None:
    assert words(name) == expected


@pytest.mark.parametrize(
    ("tool", "field", "is_command", "is_sql", "is_prose"),
    [
        ("anything", "command", True, False, False),
        ("bash", "input", True, False, False),
        ("bash", "description", False, False, True),
        ("execute_sql", "query", False, True, False),
        ("execute_sql", "input", False, True, False),
        ("search_web", "query", False, False, False),
        ("search_web", "sql", False, True, False),
        ("send_message", "text", False, False, True),
        ("trash_item", "id", False, False, False),
    ],
)
def test_tool_and_field_tell_what_a_string_is(
    tool: str, field: str, is_command: bool, is_sql: bool, is_prose: bool
) -> None:
    text = Text("x", "$.x", tool, field)
    assert (holds_command(text), holds_sql(text), holds_prose(text)) == (
        is_command,
        is_sql,
        is_prose,
    )
