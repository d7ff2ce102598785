from __future__ import annotations

import pytest

from callgate.errors import PolicyError
from callgate.model import Effect
from callgate.policy.reader import read


def faults(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        read(text, "conf/callgate.yaml")
    return [str(fault) for fault in caught.value.faults]


def action(text: str) -> str:
    return "policies:\n  - name: p\n    actions:\n      - " + text


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("- a", "1:1", "must be a mapping"),
        ("default: denied", "1:10", "did you mean `deny`?"),
        ("defualt: deny", "1:1", "did you mean `default`?"),
        ("defaultAction: deny", "1:1", "write `default:`"),
        ("rules: []", "1:1", "write `policies:`"),
        ("mode: observe", "1:1", "`settings:`"),
        ("version: 2", "1:10", "must be 1"),
        ('version: "1"', "1:10", "must be 1"),
        ("policies:", "1:9", "must be a list"),
        ("policies: {}", "1:11", "must be a list"),
        ("policies: [5]", "1:12", "must be a mapping"),
        ("policies: [{name: a}]", "1:12", "no `actions`"),
        ("policies: [{actions: 5}]", "1:22", "must be a list"),
        ("policies: [{assistant: a, actions: []}]", "1:13", "`assistant_id:`"),
        ("policies: [{surface: assistant, actions: []}]", "1:22", "`assistants`?"),
        ("policies: [{agent: [a], actions: []}]", "1:20", "must be a text"),
        ("policies: [{name: 5, actions: []}]", "1:19", "put it in quotes"),
        ('policies: [{model: "gpt-[", actions: []}]', "1:20", "without `]`"),
        (action("tool: a"), "4:9", "no `effect`"),
        (action("effect: deny"), "4:9", "no `tool`"),
        (action('{tool: " a", effect: deny}'), "4:16", "white space"),
        (action("{tool: 5, effect: deny}"), "4:16", "put it in quotes"),
        (action('{tool: "a[", effect: deny}'), "4:16", "without `]`"),
        (action("{tool: a, effect: prompt}"), "4:27", "`require_approval`?"),
        (action("{tool: a, effect: deny, decision: deny}"), "4:33", "write `effect:`"),
        (action("{tool: a, effect: deny, constraints: 5}"), "4:46", "must be a mapping"),
        (action("{tool: a, effect: deny, constraints: {max_x: a}}"), "4:54", "must be a number"),
        (action("{tool: a, effect: deny, constraints: {allow_x: a}}"), "4:47", "known forms"),
        (action("{tool: a, effect: deny, constraints: {x: {y: 1}}}"), "4:50", "not a mapping"),
        (action('{tool: a, effect: deny, constraints: {x_pattern: "["}}'), "4:58", "glob"),
        (action("{tool: a, effect: deny, when: true}"), "4:39", "put"),
        (action("{tool: a, effect: deny, when: [a]}"), "4:39", "join them"),
        (action("{tool: a, effect: deny, when: 'args.x =='}"), "4:49", "CEL"),
        (action("tool: a\n        effect: deny\n        when: foo == 1"), "6:15", "`foo`"),
        (action("tool: a\n        effect: deny\n        when: |\n          args.x\n          &&"),
         "8:1", "CEL"),
        ("settings: []", "1:11", "must be a mapping"),
        ("settings: {a: {b: 1, b: 2}}", "1:22", "duplicate key `b`"),
        ("settings: {a: [{b: 1, b: 2}]}", "1:23", "duplicate key `b`"),
    ],
)  # fmt: skip
def test_a_fault_names_its_place_and_the_fix(text: str, place: str, word: str) -> None:
    found = faults(text)
    assert len(found) == 1
    assert found[0].startswith(f"conf/callgate.yaml:{place}: ")
    assert word in found[0]


def test_all_faults_are_reported_in_file_order() -> None:
    found = faults("version: 3\ndefault: no\npolicies:\n  - actions: [{tool: 5}]\nx: 1\n")
    assert [line.split(":")[1] for line in found] == ["1", "2", "4", "4", "5"]


def test_an_empty_rule_set_allows_unless_it_says_otherwise() -> None:
    assert read("version: 1", "f").default is Effect.ALLOW
    assert read("policies: []", "f").default is Effect.ALLOW
    assert read("default: deny", "f").default is Effect.DENY
    assert read("default: REQUIRE_APPROVAL", "f").default is Effect.REQUIRE_APPROVAL


def test_settings_are_kept_raw() -> None:
    content = read("settings: {mode: observe, listen: {port: 80}, day: 2026-01-01}", "f")
    assert content.settings == {"mode": "observe", "listen": {"port": 80}, "day": "2026-01-01"}


def test_policies_are_ordered_by_their_selectors() -> None:
    text = """
policies:
  - {name: any, actions: []}
  - {name: agent, agent: a, actions: []}
  - {name: three, agent: a, model: m, surface: chat, actions: []}
  - {name: assistant, assistant_id: x, actions: []}
  - {name: assistant and model, assistant_id: x, model: m, actions: []}
  - {name: agent again, agent: a, actions: []}
"""
    assert [section.name for section in read(text, "f").sections] == [
        "assistant and model",
        "assistant",
        "three",
        "agent",
        "agent again",
        "any",
    ]


def test_rules_know_their_line() -> None:
    content = read(
        action("{tool: a, effect: deny}\n      - {tool: b, effect: allow}"), "dir/f.yaml"
    )
    assert [rule.place for rule in content.sections[0].rules] == ["f.yaml:4", "f.yaml:5"]
    assert [rule.name for rule in content.sections[0].rules] == ["p/a", "p/b"]


def test_own_domains_are_names_with_or_without_their_subdomains() -> None:
    found = read('own_domains: [corp.example, "*.corp.example", 10.0.0.1]', "callgate.yaml")

    assert found.own_domains == ("corp.example", "*.corp.example", "10.0.0.1")
    assert read("version: 1", "callgate.yaml").own_domains == ()


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("own_domains: corp.example", "1:14", "must be a list"),
        ("own_domains: [5]", "1:15", "put it in quotes"),
        ("own_domains: [a.example, 'https://b.example']", "1:26", "write `HOST` or `*.HOST`"),
        ("own_domains: ['a.example:443']", "1:15", "is no domain"),
    ],
)
def test_faulty_own_domain_is_reported_where_it_stands(text: str, place: str, word: str) -> None:
    [fault] = faults(text)

    assert fault.startswith(f"conf/callgate.yaml:{place}: ")
    assert word in fault
