from __future__ import annotations

import shlex

import pytest

from callgate.detectors.shell.programs import danger_of


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("git push -f", "FORCE_PUSH"),
        ("git push origin +main", "FORCE_PUSH"),
        ("git push origin --delete main", "FORCE_PUSH"),
        ("git -C /repo push --force=true", "FORCE_PUSH"),
        ("git branch -D x", "DELETE_BRANCH"),
        ("git clean -fdx", "DISCARD_WORK"),
        ("git checkout -- .", "DISCARD_WORK"),
        ("git restore x", "DISCARD_WORK"),
        ("git stash clear", "DISCARD_WORK"),
        ("git reset --hard", "DISCARD_WORK"),
        ("git worktree remove -f x", "DISCARD_WORK"),
        ("git reflog expire --all", "REWRITE_HISTORY"),
        ("git filter-branch x", "REWRITE_HISTORY"),
        ("git push --force-with-lease", "FORCE_PUSH"),
        ("git update-ref -d refs/heads/x", "DELETE_BRANCH"),
        ("git gc --prune=now", "REWRITE_HISTORY"),
        ("git tag -d v1", "DELETE_BRANCH"),
    ],
)
def test_lost_work_or_history_is_found(line: str, kind: str) -> None:
    program, *arguments = shlex.split(line)
    danger = danger_of(program, arguments)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize(
    "line",
    [
        "git",
        "git --version",
        "git status",
        "git push",
        "git branch -d x",
        "git gc",
        "git tag v1",
        "git update-ref refs/heads/x y",
        "git clean -nfd",
        "git checkout -b x",
        "git checkout main",
        "git restore --staged x",
        "git stash pop",
        "git reset x",
        "git worktree list",
        "git reflog",
    ],
)
def test_everyday_work_is_not_found(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert danger_of(program, arguments) is None
