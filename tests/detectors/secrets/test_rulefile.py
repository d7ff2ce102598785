from __future__ import annotations

import pytest

from callgate.detectors import Inspector, redact
from callgate.detectors.base import Current, Text
from callgate.detectors.secrets.rulefile import CONFIDENCE, Rules, read_rules
from callgate.errors import PolicyError
from callgate.model import Reason

BADGE = """
[[rules]]
id = "staff-badge"
description = "Badge of staff"
regex = '''badge[:=]\\s*(B-[0-9a-f]{8})'''
keywords = ["Badge"]
"""


def found(rules: str, text: str) -> list[str]:
    findings = read_rules(rules, "rules.toml").inspect(Text(text, "$.x"))
    return [text[finding.start : finding.end] for finding in findings]


def faults(rules: str) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        read_rules(rules, "rules.toml")
    return [str(fault) for fault in raised.value.faults]


def test_rule_finds_its_first_group_and_explains_itself() -> None:
    (finding,) = read_rules(BADGE, "f").inspect(Text("badge: B-0123abcd", "$.x"))
    assert (finding.kind, finding.reason) == ("STAFF_BADGE", Reason.SECRET_DETECTED)
    assert (finding.path, finding.start, finding.end) == ("$.x", 7, 17)
    assert finding.confidence == CONFIDENCE
    assert finding.explanation == "looks like a credential: Badge of staff"


def test_text_without_a_keyword_is_not_tried() -> None:
    rules = BADGE.replace("Badge", "pass")
    assert found(rules, "badge: B-0123abcd") == []
    assert found(rules, "badge: B-0123abcd PASS") == ["B-0123abcd"]


def test_rule_without_keywords_is_always_tried() -> None:
    assert found("[[rules]]\nid = '1st'\nregex = 'x{4}'", "a xxxx") == ["xxxx"]


def test_id_becomes_a_kind() -> None:
    rules = read_rules("[[rules]]\nid = '1st Rule!'\nregex = 'x'", "f")
    assert [f.kind for f in rules.inspect(Text("x", "$"))] == ["RULE_1ST_RULE"]
    rules = read_rules("[[rules]]\nid = '-'\nregex = 'x'", "f")
    assert [f.kind for f in rules.inspect(Text("x", "$"))] == ["RULE"]


def test_secret_group_chooses_the_span() -> None:
    rules = "[[rules]]\nid = 'a'\nregex = '(a+)-(b+)'\n"
    assert found(rules, "aa-bb") == ["aa"]
    assert found(rules + "secretGroup = 2", "aa-bb") == ["bb"]


def test_group_that_took_no_part_finds_nothing() -> None:
    rules = "[[rules]]\nid = 'a'\nregex = 'a(b)?'\nsecretGroup = 1"
    assert found(rules, "a") == []


def test_value_below_the_entropy_is_not_found() -> None:
    rules = "[[rules]]\nid = 'a'\nregex = 'k-([a-z]{8})'\nentropy = 2"
    assert found(rules, "k-aaaabbbb k-abcdefgh") == ["abcdefgh"]


@pytest.mark.parametrize(
    ("allowlist", "text", "expected"),
    [
        ("stopwords = ['Test']", "k-testabcd k-abcdabcd", ["abcdabcd"]),
        ("regexes = ['^abcd']", "k-testabcd k-abcdabcd", ["testabcd"]),
        ("regexes = ['^k-abcd']", "k-abcdabcd", ["abcdabcd"]),
        ("regexes = ['^k-abcd']\nregexTarget = 'match'", "k-abcdabcd", []),
        ("regexes = ['ok$']\nregexTarget = 'line'", "k-aaaabbbb\nk-abcdabcd ok\nz", ["aaaabbbb"]),
        ("regexes = ['ok$']\nregexTarget = 'line'", "k-abcdabcd ok", []),
        ("regexes = ['^abcd']\nstopwords = ['zz']\ncondition = 'AND'", "k-abcdabcd", ["abcdabcd"]),
        ("regexes = ['^abcd']\nstopwords = ['cd']\ncondition = 'AND'", "k-abcdabcd", []),
        ("regexes = ['^abcd']\npaths = ['x']\ncondition = 'AND'", "k-abcdabcd", ["abcdabcd"]),
        ("paths = ['x']", "k-abcdabcd", ["abcdabcd"]),
        ("commits = ['x']\ncondition = '&&'", "k-abcdabcd", ["abcdabcd"]),
    ],
)
@pytest.mark.parametrize("table", ["[rules.allowlist]", "[[rules.allowlists]]", "[allowlist]"])
def test_allow_list_lets_pass_what_it_names(
    table: str, allowlist: str, text: str, expected: list[str]
) -> None:
    rule = "[[rules]]\nid = 'a'\nregex = 'k-([a-z]{8})'\n"
    assert found(f"{rule}{table}\n{allowlist}", text) == expected


def test_rules_for_paths_are_left_out_and_counted() -> None:
    rules = read_rules(BADGE + "[[rules]]\nid = 'p'\npath = 'pem$'\nregex = 'x'", "f")
    assert (rules.count, rules.left_out) == (1, 1)
    assert list(rules.inspect(Text("x", "$"))) == []


def test_file_of_nothing_but_rules_for_paths_is_none() -> None:
    rules = read_rules("[[rules]]\nid = 'p'\npath = 'pem$'", "f")
    assert (rules.count, rules.left_out) == (0, 1)


def test_placeholder_is_not_found_again() -> None:
    rules = "[[rules]]\nid = 'a'\nregex = 'badge: (\\S{8,})'"
    inspector = Inspector([read_rules(rules, "f")])
    once = redact("badge: B-0123abcd", inspector.inspect("", "badge: B-0123abcd"))
    assert once == "badge: [REDACTED:A]"
    assert inspector.inspect("", once) == []
    assert inspector.inspect("", "badge: [REDACTED:A]B-0123abcd") != []


def test_rules_in_force_are_asked_for_each_text() -> None:
    current = [Rules()]
    detector = Current("secrets", lambda: current[0])
    text = Text("badge: B-0123abcd", "$")
    assert list(detector.inspect(text)) == []
    current[0] = read_rules(BADGE, "f")
    assert len(list(detector.inspect(text))) == 1


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ("[[rules]\nid = 'a'", "rules.toml:1:"),
        ("rules = [", "rules.toml:1:"),
        ("title = 'x'", "has no rules"),
        ("rules = 1", "`rules` must be tables: write `[[rules]]`"),
        ("rules = [1]", "`rules` must be tables"),
        ("[extend]\nuseDefault = true", "`extend` is not followed"),
        ("[[rules]]\nregex = 'x'", "a rule has no `id`: add one"),
        ("[[rules]]\nid = 1\nregex = 'x'", "`id` must be a text"),
        ("[[rules]]\nid = 'a'", "2:1: rule `a`: has no `regex`: add one"),
        ("\n[[rules]]\nid = 'a'\nregex = 'a(?=b)'", "3:1: rule `a`: `a(?=b)` is no expression"),
        ("[[rules]]\nid = 'a'\nregex = 'a'\nsecretGroup = 1", "`secretGroup` must be"),
        ("[[rules]]\nid = 'a'\nregex = 'a'\nsecretGroup = true", "`secretGroup` must be"),
        ("[[rules]]\nid = 'a'\nregex = 'a'\nentropy = 'x'", "`entropy` must be a number"),
        ("[[rules]]\nid = 'a'\nregex = 'a'\nkeywords = 'x'", "`keywords` must be a list of texts"),
        ("[[rules]]\nid = 'a'\nregex = 'a'\nkeywords = [1]", "`keywords` must be a list of texts"),
        ("[[rules]]\nid = 'a'\nregex = 'a'\nallowlist = 1", "`allowlist` must be tables"),
        (
            "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.allowlists]]\nregexes = ['(']",
            "rule `a`: `(`",
        ),
        ("[allowlist]\nregexTarget = 'x'", "`regexTarget` must be one of secret, match, line"),
        ("[allowlist]\ncondition = 'x'", "`condition` must be AND or OR"),
    ],
)
def test_fault_names_file_line_rule_and_why(rules: str, fault: str) -> None:
    assert fault in "\n".join(faults(rules))


def test_every_fault_is_told_at_once() -> None:
    rules = "[[rules]]\nid = 'a'\nregex = '('\n[[rules]]\nid = 'b'\nregex = '['\n"
    assert [fault.partition(": `")[0] for fault in faults(rules)] == [
        "rules.toml:2:1: rule `a`",
        "rules.toml:5:1: rule `b`",
    ]


def test_rule_of_the_newer_kind_that_needs_others_is_left_out() -> None:
    rules = read_rules("[[rules]]\nid = 'a'\nregex = 'x'\n[[rules.required]]\nid = 'b'", "f")
    assert (rules.count, rules.left_out) == (0, 1)
