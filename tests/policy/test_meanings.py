"""The `detectors:` of a policy file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from callgate.errors import PolicyError
from callgate.policy import Policy
from callgate.policy.meanings import stamp
from callgate.policy.reader import read

RULES = "[[rules]]\nid = 'badge'\nregex = 'badge-[0-9]{6}'\n"


def test_a_family_has_one_word_or_words_by_confidence_and_kind() -> None:
    content = read("detectors: {secrets: off, sql: {high: DENY, low: off, DROP_VIEW: off}}", "f")
    assert content.detectors == {
        "secrets": {"*": "off"},
        "sql": {"high": "deny", "low": "off", "DROP_VIEW": "off"},
    }
    assert read("version: 1", "f").detectors == {}


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("detectors: {secret: off}", "1:13", "`secrets`?"),
        ("detectors: {pii: warn}", "1:18", "must be off, sanitize"),
        ("detectors: {pii: true}", "1:18", "must be off, sanitize"),
        ("detectors: [pii]", "1:12", "must be a mapping"),
        ("detectors: {pii: {sure: off}}", "1:19", "unknown key `sure` in `pii`"),
        ("detectors: {pii: {high: yes}}", "1:25", "must be off, sanitize"),
        ("detectors: {pii: {high: off, high: off}}", "1:30", "duplicate key `high`"),
    ],
)
def test_a_fault_names_its_place_and_the_fix(text: str, place: str, word: str) -> None:
    with pytest.raises(PolicyError) as raised:
        read(text, "f")
    [fault] = raised.value.faults
    assert str(fault).startswith(f"f:{place}: ")
    assert word in str(fault)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "rules.toml").write_text(RULES)
    file = tmp_path / "callgate.yaml"
    file.write_text(
        "detectors:\n  secrets:\n    rules: rules.toml\n    low: deny\n    BADGE: off\n"
    )
    return file


def faults(path: Path) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        Policy.load(path)
    return [str(fault).replace(str(path.parent), "") for fault in raised.value.faults]


def test_rules_are_read_from_beside_the_policy_file(path: Path) -> None:
    policy = Policy.load(path)
    assert policy.secret_rules.count == 1
    assert policy.detectors == {"secrets": {"low": "deny", "BADGE": "off"}}


def test_absolute_path_of_rules_is_taken_as_it_is(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "own.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(RULES * 2)
    path.write_text(f"detectors: {{secrets: {{rules: {elsewhere}}}}}")
    assert Policy.load(path).secret_rules.count == 2


def test_without_rules_there_are_none(path: Path) -> None:
    path.write_text("detectors: {secrets: deny}")
    assert Policy.load(path).secret_rules.count == 0


def test_digest_changes_with_the_rules(path: Path) -> None:
    before = Policy.load(path).digest
    path.with_name("rules.toml").write_text(RULES + "# more\n")
    assert Policy.load(path).digest != before
    path.write_text("default: deny")
    assert Policy.load(path).digest == hashlib.sha256(b"default: deny").hexdigest()


def test_fault_of_the_rules_is_a_fault_of_the_policy(path: Path) -> None:
    path.with_name("rules.toml").write_text(RULES.replace("badge-", "(badge-"))
    path.write_text(path.read_text() + "default: perhaps\n")
    own, of_rules = faults(path)
    assert own.startswith("/callgate.yaml:6:10: ")
    assert of_rules.startswith("/rules.toml:2:1: rule `badge`: ")


def test_rules_that_can_not_be_read_are_a_fault_where_they_are_named(path: Path) -> None:
    path.with_name("rules.toml").unlink()
    (fault,) = faults(path)
    assert fault.startswith("/callgate.yaml:3:12: `rules`: ")
    assert "cannot be read (No such file or directory)" in fault


def test_rules_that_are_not_utf8_are_a_fault(path: Path) -> None:
    path.with_name("rules.toml").write_bytes(b"\xff")
    assert faults(path) == ["/rules.toml:1:1: not UTF-8: save the file as UTF-8"]


def test_path_of_rules_must_be_a_text_and_belongs_to_secrets(path: Path) -> None:
    path.write_text("detectors: {secrets: {rules: [a]}}")
    assert "`rules` must be a text" in faults(path)[0]
    path.write_text("detectors: {pii: {rules: a}}")
    assert "unknown key `rules` in `pii`" in faults(path)[0]


def test_stamp_tells_versions_apart(path: Path) -> None:
    before = stamp(path)
    path.write_text("default: deny")
    assert before != stamp(path)
    path.unlink()
    assert stamp(path) is None
