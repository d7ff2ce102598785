from __future__ import annotations

import os
from pathlib import Path

import pytest

from callgate.errors import PolicyError
from callgate.model import Effect
from callgate.policy import PolicyFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "callgate.yaml"
    file.write_text("default: deny\n")
    return file


def test_a_broken_file_does_not_start(path: Path) -> None:
    path.write_text("default: perhaps")
    with pytest.raises(PolicyError, match="perhaps"):
        PolicyFile(path)


def test_a_new_version_is_noticed_and_replaces_the_old(path: Path) -> None:
    file = PolicyFile(path)
    assert not file.changed()
    path.write_text("default: allow\n")
    assert file.changed()
    assert file.reload() is None
    assert not file.changed()
    assert file.current.content.default is Effect.ALLOW


def test_a_broken_new_version_keeps_the_old_and_says_so(path: Path) -> None:
    file = PolicyFile(path)
    path.write_text("default: perhaps\n")
    error = file.reload()
    assert error is not None
    assert f"{path}:1:10: " in error
    assert "stays in force" in error
    assert file.current.content.default is Effect.DENY
    assert not file.changed()


def test_a_new_version_of_its_rules_for_secrets_is_noticed(path: Path) -> None:
    rules = path.with_name("rules.toml")
    rules.write_text("[[rules]]\nid = 'a'\nregex = 'a'\n")
    path.write_text("detectors: {secrets: {rules: rules.toml}}\n")
    file = PolicyFile(path)
    before = file.current.digest
    assert not file.changed()
    rules.write_text("[[rules]]\nid = 'b'\nregex = 'bcd'\n")
    assert file.changed()
    assert file.reload() is None
    assert not file.changed()
    assert file.current.digest != before
    rules.unlink()
    assert file.changed()


def test_broken_rules_keep_the_old_and_say_so(path: Path) -> None:
    rules = path.with_name("rules.toml")
    rules.write_text("[[rules]]\nid = 'a'\nregex = 'a'\n")
    path.write_text("detectors: {secrets: {rules: rules.toml}}\n")
    file = PolicyFile(path)
    rules.write_text("[[rules]]\nid = 'a'\nregex = '(a'\n")
    error = file.reload()
    assert error is not None
    assert f"{rules}:2:1: rule `a`: " in error
    assert "stays in force" in error
    assert file.current.secret_rules.count == 1
    assert not file.changed()


def test_rules_that_only_a_broken_new_version_names_are_watched_too(path: Path) -> None:
    file = PolicyFile(path)
    rules = path.with_name("rules.toml")
    rules.write_text("rules = 1")
    path.write_text("detectors: {secrets: {rules: rules.toml}}\n")
    assert file.reload() is not None
    assert not file.changed()
    rules.write_text("[[rules]]\nid = 'a'\nregex = 'a'\n")
    assert file.changed()
    assert file.reload() is None
    assert file.current.secret_rules.count == 1


def test_rules_that_are_no_longer_named_are_no_longer_watched(path: Path) -> None:
    rules = path.with_name("rules.toml")
    rules.write_text("[[rules]]\nid = 'a'\nregex = 'a'\n")
    path.write_text("detectors: {secrets: {rules: rules.toml}}\n")
    file = PolicyFile(path)
    path.write_text("default: deny\n")
    assert file.reload() is None
    rules.unlink()
    assert not file.changed()


def test_a_deleted_file_keeps_the_old_and_says_so(path: Path) -> None:
    file = PolicyFile(path)
    path.unlink()
    assert file.changed()
    error = file.reload()
    assert error is not None
    assert "cannot be read" in error
    assert file.current.content.default is Effect.DENY
    assert not file.changed()
    path.write_text("default: allow\n")
    assert file.changed()
    assert file.reload() is None


def test_a_file_swapped_for_one_of_the_same_size_and_time_is_noticed(path: Path) -> None:
    file = PolicyFile(path)
    found = path.stat()
    other = path.with_name("other")
    other.write_text("default: demo\n")
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)
    assert file.changed()


def test_touching_the_file_reloads_the_same_policy(path: Path) -> None:
    file = PolicyFile(path)
    digest = file.current.digest
    os.utime(path, ns=(1, 1))
    assert file.changed()
    assert file.reload() is None
    assert file.current.digest == digest
