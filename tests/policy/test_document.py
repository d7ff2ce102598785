from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.errors import PolicyError
from callgate.policy.document import MAX_BYTES, Document, compose, nearest, plain


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("", "f:1:1", "empty"),
        ("# only a comment\n", "f:1:1", "empty"),
        ("\tdefault: deny", "f:1:1", "tab"),
        ("a:\n\t- b", "f:2:1", "tab"),
        ("a: [1,\n", "f:2:1", "not YAML"),
        ("a: b: c", "f:1:5", "quote the value"),
        ("a: 1\n---\nb: 1", "f:2:1", "second document"),
        ("a: &x 1\nb: 2", "f:1:4", "anchors"),
        ("a: 1\nb: *x", "f:2:4", "aliases"),
        ("a: !!python/object:os.system x", "f:1:4", "tags"),
        ("%YAML 1.1\n---\na: yes", "f:1:1", "directives"),
        ("a: b\nc: d\x00", "f:2:5", "does not allow"),
        ("a: " + "[" * 100_000, "f:1:103", "nested too deeply"),
        ("a: " + "[{b: " * 1500, "f:1:250", "nested too deeply"),
        ("- " * 5000, "f:1:201", "nested too deeply"),
        ("a: " + "[" * 90 + "]" * 90 + "\nb: [" + "[" * 99, "f:2:103", "nested too deeply"),
        ("a: " + "x" * MAX_BYTES, "f:1:1", "larger"),
    ],
)
def test_text_that_is_no_plain_document_is_refused_with_its_place(
    text: str, place: str, word: str
) -> None:
    with pytest.raises(PolicyError, match=word) as caught:
        compose(text, "f")
    assert str(caught.value.faults[0]).startswith(place + ": ")


def test_billion_laughs_are_refused_before_they_grow() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(PolicyError, match="anchors"):
        compose("\n".join(lines), "f")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("5.5", 5.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("yes", "yes"),
        ("on", "on"),
        ("tRUE", "tRUE"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ('"5"', "5"),
        ("'true'", "true"),
        ("[1, [a]]", [1, ["a"]]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("|\n  a\n  b", "a\nb"),
    ],
)
def test_scalars_follow_the_core_rules(text: str, value: Json) -> None:
    assert plain(compose(text, "f")) == value


@pytest.mark.parametrize(("text", "value"), [(".inf", "inf"), ("-.Inf", "-inf"), (".nan", "nan")])
def test_numbers_without_a_value_are_numbers(text: str, value: str) -> None:
    assert str(plain(compose(text, "f"))) == value


def test_every_fault_of_a_mapping_is_collected() -> None:
    document = Document("f")
    root = compose("a: 1\na: 2\nb: 1\n5: x\ncolour: 1\n", "f")
    found = document.entries(root, ("a", "color"), "the thing", {"b": "write c"})
    assert list(found) == ["a"]
    assert plain(found["a"][1]) == 1
    assert [str(fault) for fault in document.faults] == [
        "f:2:1: duplicate key `a`, first on line 1: remove one",
        "f:3:1: unknown key `b` in the thing: write c",
        "f:4:1: a key of the thing must be a text: put it in quotes",
        "f:5:1: unknown key `colour` in the thing: did you mean `color`? known are a, color",
    ]


def test_wrong_types_say_what_is_there() -> None:
    document = Document("f")
    for text in ("5", "true", "~", "[a]", "{a: 1}", '""', "2.5"):
        assert document.text(compose(text, "f"), "`x`") is None
        document.items(compose("5", "f"), "`x`")
    messages = "\n".join(fault.message for fault in document.faults)
    for word in ("a number", "true or false", "nothing", "a list", "a mapping", "an empty text"):
        assert word in messages


def test_nothing_is_reported_at_its_key() -> None:
    document = Document("f")
    entries = document.entries(compose("a: 1\npolicies:\n\n\nb: 1", "f"), (), "x")
    document.items(entries["policies"][1], "`policies`")
    assert str(document.faults[0]).startswith("f:2:9: ")


def test_choices_ignore_case_and_suggest() -> None:
    document = Document("f")
    choices = ("allow", "deny", "require_approval")
    assert document.choice(compose("DENY", "f"), "`e`", choices) == "deny"
    assert document.choice(compose("prompt", "f"), "`e`", choices) is None
    assert document.choice(compose("denied", "f"), "`e`", choices) is None
    assert document.choice(compose("[deny]", "f"), "`e`", choices) is None
    assert "`require_approval`?" in document.faults[0].message
    assert "`deny`?" in document.faults[1].message
    assert "a list" in document.faults[2].message


def test_no_suggestion_where_nothing_is_near() -> None:
    assert nearest("zzz", ["default"]) == "known are default"


def test_what_is_no_mapping_has_no_entries() -> None:
    document = Document("f")
    assert document.entries(compose("[a]", "f"), (), "the thing") == {}
    assert str(document.faults[0]).endswith("not a list")


def test_texts_and_items_are_given_out() -> None:
    document = Document("f")
    assert document.text(compose("a", "f"), "x") == "a"
    assert [plain(item) for item in document.items(compose("[1, b]", "f"), "x")] == [1, "b"]
