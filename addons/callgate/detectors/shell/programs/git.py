"""git: what loses work or rewrites history."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule, has, operands

_LOST = "throws away work that is not committed"


def _git(arguments: Sequence[str]) -> Danger | None:
    words = list(arguments)
    while words and words[0].startswith("-"):
        words = words[2 if words[0] in ("-C", "-c", "--git-dir", "--work-tree") else 1 :]
    if not words:
        return None
    verb, rest = words[0], words[1:]
    judged = _GIT.get(verb)
    return judged(rest) if judged else None


def _git_push(rest: Sequence[str]) -> Danger | None:
    if has(rest, "f", "--force", "--mirror", "--force=true"):
        return Danger("FORCE_PUSH", "overwrites history that others may have")
    if any(word.startswith("--force-with-lease") for word in rest):
        return Danger("FORCE_PUSH", "overwrites history unless others changed it", 0.6)
    if has(rest, "d", "--delete") or any(w.startswith(("+", ":")) for w in operands(rest)):
        return Danger("FORCE_PUSH", "deletes or overwrites a branch at the remote")
    return None


def _git_branch(rest: Sequence[str]) -> Danger | None:
    is_forced = has(rest, "Df") or (has(rest, "", "--force"))
    return Danger("DELETE_BRANCH", "deletes or moves a branch by force", 0.8) if is_forced else None


def _git_clean(rest: Sequence[str]) -> Danger | None:
    if has(rest, "f", "--force") and not has(rest, "n", "--dry-run"):
        return Danger("DISCARD_WORK", "deletes files that git does not track")
    return None


def _git_checkout(rest: Sequence[str]) -> Danger | None:
    is_all = "--" in rest or "." in rest or has(rest, "f", "--force")
    is_new = has(rest, "b", "--orphan") or has(rest, "B")
    return Danger("DISCARD_WORK", _LOST, 0.8) if is_all and not is_new else None


def _git_restore(rest: Sequence[str]) -> Danger | None:
    if has(rest, "S", "--staged") and not has(rest, "W", "--worktree"):
        return None
    return Danger("DISCARD_WORK", _LOST, 0.7)


def _git_stash(rest: Sequence[str]) -> Danger | None:
    return Danger("DISCARD_WORK", _LOST, 0.8) if rest[:1] in (["drop"], ["clear"]) else None


def _git_reset(rest: Sequence[str]) -> Danger | None:
    return Danger("DISCARD_WORK", _LOST) if has(rest, "", "--hard", "--merge") else None


def _git_history(rest: Sequence[str]) -> Danger | None:
    return Danger("REWRITE_HISTORY", "rewrites or forgets the repository's history", 0.8)


def _git_worktree(rest: Sequence[str]) -> Danger | None:
    is_forced = rest[:1] == ["remove"] and has(rest, "f", "--force")
    return Danger("DISCARD_WORK", _LOST, 0.8) if is_forced else None


def _git_reflog(rest: Sequence[str]) -> Danger | None:
    return _git_history(rest) if rest[:1] in (["expire"], ["delete"]) else None


def _git_update_ref(rest: Sequence[str]) -> Danger | None:
    return Danger("DELETE_BRANCH", "deletes a branch by force", 0.8) if has(rest, "d") else None


def _git_gc(rest: Sequence[str]) -> Danger | None:
    if any(word in ("--prune=now", "--prune=all", "--expire=now") for word in rest):
        return Danger("REWRITE_HISTORY", "deletes what no branch holds any more", 0.7)
    return None


def _git_tag(rest: Sequence[str]) -> Danger | None:
    return Danger("DELETE_BRANCH", "deletes a tag", 0.6) if has(rest, "d", "--delete") else None


_GIT: dict[str, Rule] = {
    "branch": _git_branch,
    "checkout": _git_checkout,
    "clean": _git_clean,
    "filter-branch": _git_history,
    "gc": _git_gc,
    "prune": _git_gc,
    "tag": _git_tag,
    "update-ref": _git_update_ref,
    "filter-repo": _git_history,
    "push": _git_push,
    "reflog": _git_reflog,
    "reset": _git_reset,
    "restore": _git_restore,
    "stash": _git_stash,
    "worktree": _git_worktree,
}

RULES: dict[str, Rule] = {"git": _git}
