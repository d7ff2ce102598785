"""What tools' definitions say of their arguments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.canonical import Json
from callgate.detectors import DETECTORS, Inspector
from callgate.detectors.definitions import fields_of, tools_in
from callgate.model import Reason

INSPECTOR = Inspector([make() for make in DETECTORS.values()])


def defined(**properties: Json) -> dict[str, Json]:
    return {"name": "f", "parameters": {"type": "object", "properties": properties}}


def text(description: str, **more: Json) -> Json:
    return {"type": "string", "description": description, **more}


@pytest.mark.parametrize(
    ("field", "description", "expected"),
    [
        ("input", "The shell command to run", "command"),
        ("line", "Command to be executed on the host", "command"),
        ("q", "A SQL statement for the warehouse", "sql"),
        ("src", "Python code to run in the sandbox", "code"),
        ("target", "Absolute path of the file", "path"),
        ("where", "URL of the page", "url"),
        ("whom", "The recipient of the mail", "to"),
        ("query", "What to look for, in natural language", "text"),
        ("query", "Search terms", "text"),
        ("statement", "The text of the message", "text"),
    ],
)
def test_description_says_what_a_field_is(field: str, description: str, expected: str) -> None:
    assert fields_of(defined(**{field: text(description)})) == {field: expected}


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("city", text("The city, e.g. San Francisco")),
        ("command", text("The message to send")),
        ("command", text("Shell command")),
        ("path", text("A question about the file")),
        ("amount", {"type": "number"}),
        ("odd", {"description": 7, "format": []}),
        ("odd", "no schema"),
    ],
)
def test_field_keeps_its_name_where_nothing_else_is_said_and_never_becomes_harmless(
    field: str, said: Json
) -> None:
    assert fields_of(defined(**{field: said})) == {}


def test_format_and_nested_fields_count() -> None:
    nested: Json = {"type": "array", "items": {"properties": {"Where": {"format": "uri"}}}}
    either: Json = {"anyOf": [{"properties": {"line": text("bash script")}}, {"type": "null"}]}

    assert fields_of(defined(steps=nested, run=either)) == {"where": "url", "line": "command"}


def test_tools_own_description_speaks_for_its_only_text() -> None:
    one = defined(input={"type": "string"}, seconds={"type": "integer"})
    two = defined(input={"type": "string"}, other={"type": "string"})
    about = {"description": "Runs a bash command and returns its output."}

    assert fields_of({**one, **about}) == {"input": "command"}
    assert fields_of({**two, **about}) == {}
    assert fields_of({"name": "custom", **about}) == {"input": "command"}
    assert fields_of({**defined(text={"type": "string"}), **about}) == {}


def test_tools_are_found_where_the_apis_put_them() -> None:
    def named(name: str) -> Json:
        return {"type": "function", "name": name}

    document: Json = {
        "tools": [
            {"type": "function", "function": {"name": "chat"}},
            {"type": "custom", "custom": {"name": "own"}},
            named("response"),
            {"type": "code_interpreter"},
            {"type": "namespace", "name": "shop", "tools": [named("buy")]},
            7,
        ],
        "functions": [{"name": "legacy"}],
        "session": {"tools": [named("realtime")]},
        "agent": {"tools": "none"},
    }

    assert [name for name, _ in tools_in(document)] == [
        "chat",
        "own",
        "response",
        "shop.buy",
        "legacy",
        "realtime",
    ]
    assert list(tools_in([document])) == []


def test_definition_turns_talk_into_commands_and_sql_into_talk() -> None:
    wipe: Json = {"input": "userdel bob"}
    asks: Json = {"query": "DROP TABLE users; how do I undo it?"}
    shell = fields_of(defined(input=text("The shell command")))
    search = fields_of(defined(query=text("A question in natural language")))

    assert INSPECTOR.inspect("workspace", wipe) == []
    assert [f.reason for f in INSPECTOR.inspect("workspace", wipe, shell)] == [
        Reason.DESTRUCTIVE_COMMAND
    ]
    assert Reason.DESTRUCTIVE_SQL in {f.reason for f in INSPECTOR.inspect("assist", asks)}
    assert INSPECTOR.inspect("assist", asks, search) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["properties", "items", "anyOf", "description", "name", "tools", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_no_schema_makes_it_raise(schema: Json) -> None:
    fields_of({"name": "f", "parameters": schema, "description": schema})
    list(tools_in({"tools": [schema], "session": schema}))


def test_schema_without_end_is_read_to_a_depth() -> None:
    deep: Json = text("shell command")
    for _ in range(2000):
        deep = {"properties": {"a": deep}, "items": deep}

    assert fields_of({"name": "f", "parameters": deep}) == {}
