"""The tools that apps have defined."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callgate import toolbox
from callgate.canonical import Json
from callgate.toolbox import Toolbox
from tests.deciding import asked


def defining(name: str, description: str) -> Json:
    return {"tools": [{"type": "function", "name": name, "description": description}]}


def test_last_definition_of_a_tool_counts() -> None:
    known = Toolbox()
    known.learn(asked(), defining("run", "Runs a shell command"))
    assert known.fields(asked(), "run") == {"input": "command"}
    known.learn(asked(), {"messages": []})
    assert known.fields(asked(), "run") == {"input": "command"}
    known.learn(asked(), defining("run", "Runs a SQL query"))
    assert known.fields(asked(), "run") == {"input": "sql"}


def test_definition_is_its_callers_and_its_hosts() -> None:
    known = Toolbox()
    known.learn(asked(), defining("run", "Runs a shell command"))

    assert known.fields(replace(asked(), headers=(("authorization", "b"),)), "run") == {}
    assert known.fields(replace(asked(), host="other.example"), "run") == {}
    assert known.fields(asked(), "other") == {}


def test_tool_that_was_not_used_for_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox, "_MAX_TOOLS", 2)
    known = Toolbox()
    for name in ("one", "two", "one", "three"):
        known.learn(asked(), defining(name, "a shell command"))

    assert [bool(known.fields(asked(), name)) for name in ("one", "two", "three")] == [
        True,
        False,
        True,
    ]
