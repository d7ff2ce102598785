"""Shell commands that destroy data or take over the machine: parsed, not matched.

What is only mentioned (`grep "rm -rf"`, a commit message, a here-document for `cat`) is not a
command. What another program will run (wrappers, `sh -c`, `eval`, pipes, `ssh`, cron) is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from callgate.detectors.base import Text
from callgate.detectors.pattern import pattern
from callgate.detectors.placement import holds_command, holds_prose
from callgate.detectors.shell import bash
from callgate.detectors.shell.bash import UNKNOWN, Command, Script
from callgate.detectors.shell.carriers import CRON_LINE, carried, join
from callgate.detectors.shell.interpreters import (
    INTERPRETERS,
    SHELLS,
    Program,
    base_name,
    in_code,
    run_by,
    unread,
)
from callgate.detectors.shell.programs import danger_of, fed
from callgate.detectors.shell.programs.base import Danger, is_system_path
from callgate.detectors.shell.programs.files import written
from callgate.detectors.shell.suspicion import NETWORK_CLIENTS, REVERSE_SHELL, about
from callgate.detectors.shell.textpipe import unescape
from callgate.detectors.shell.windows import running as windows
from callgate.detectors.shell.windows.reading import may_hold
from callgate.detectors.shell.wrappers import WRAPPERS, unwrap
from callgate.model import Finding, Reason

MAX_SCRIPT = 100_000
"""Characters, scripts within scripts counted again; beyond them is a finding of its own."""

_MAX_NESTED = 6
"""Scripts within scripts: `ssh host "sudo sh -c '…'"`."""

_STARTUP_FILE = pattern(
    r"(?:/\.(?:bashrc|bash_profile|profile|zshrc|zprofile|bash_aliases|bash_logout)"
    r"|/etc/(?:profile|bash\.bashrc|cron[\w.]*|rc\.local)(?:$|/)|/cron/)"
)
_CALL = pattern(
    r"(?:\bsystem|\bpopen|\bPopen|\bexec\w*|\bspawn\w*|\bcall|\bcheck_call|\bcheck_output|\bgetoutput"
    r"|\brun|\bshell_exec|\bpassthru|\bqx)\s*\(?\s*\[?\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
)
_LIST_CALL = pattern(
    r"\b(?:run|Popen|call|check_call|check_output|spawn\w*|exec\w*)\s*\(\s*\[([^\]]*)\]"
)
_BACKTICKS = pattern(r"`([^`]*)`")
_STRING = pattern(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'")
_DELETE_CALL = pattern(
    r"\b(?:shutil\.rmtree|os\.(?:remove|unlink|removedirs|rmdir)|fs\.(?:rm|rmdir|unlink)\w*"
    r"|\.(?:rmSync|rmdirSync|unlinkSync)|FileUtils\.rm\w*|File\.delete|rmtree|unlink"
    r"|deleteIndex|clearObjects|clearIndex)\s*\(?|\.delete\(\s*['\"]"
)
# A command that stands where no command is expected must be one from its first word on.
_BARE = re.compile(  # anchored, and nothing in it repeats twice over: no need of RE2
    r"^\s*(?:sudo |doas |/bin/|/usr/bin/)?(?:rm|dd|mkfs[\w.]*|shred|wipefs|chmod"
    r"|chown|git|kubectl|terraform|find|curl|wget|docker|dropdb|bash|sh|:\(\))(?:\s|\{)",
    re.ASCII,
)


_VARIABLE = re.compile(r"\$(?:\w+|\{\w+(?:\[[^\]]*\])?\}|\{[^}]*\})?")

_TOO_DEEP = Danger("COMMAND_TOO_DEEP", "too long or nested too deeply to be read", 0.8)


@dataclass(frozen=True, slots=True)
class _Found:
    danger: Danger
    start: int
    end: int


class Shell:
    """See `Detector`; yields reason DESTRUCTIVE_COMMAND.

    Fails closed: a script that is too long or nested too deeply to be read is a finding.
    """

    name = "shell"

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`."""
        is_expected = holds_command(text)
        if not is_expected and (holds_prose(text) or not _BARE.match(text.value)):
            return
        seen: set[tuple[str, int]] = set()
        for found in read(text.value).found:
            if (found.danger.kind, found.start) in seen:
                continue
            seen.add((found.danger.kind, found.start))
            yield Finding(
                found.danger.kind,
                Reason.DESTRUCTIVE_COMMAND,
                text.path,
                found.start,
                found.end,
                found.danger.confidence,
                found.danger.explanation,
            )


@dataclass(frozen=True, slots=True)
class Ran:
    """A command as it would run: out of its wrappers, however deep it lies in other scripts."""

    words: tuple[str, ...]
    """Empty where there are only redirections."""
    command: Command
    """As it stands in its own script."""
    start: int
    """Span of the command of the outermost script that it belongs to."""
    end: int


@dataclass(frozen=True, slots=True)
class Code:
    """Text that a command hands to an interpreter of another language than a shell's."""

    program: str
    text: str
    start: int
    """See `Ran`."""
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a script would do, in the order of its text."""

    found: tuple[_Found, ...]
    ran: tuple[Ran, ...]
    code: tuple[Code, ...]


@dataclass(slots=True)
class _Effort:
    left: int
    """Characters of script that may still be parsed, scripts in scripts counted again."""
    span: tuple[int, int] = (0, 0)
    """Of the command of the outermost script that is being judged."""
    ran: list[Ran] = field(default_factory=list)
    code: list[Code] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Nesting:
    """How deep a script lies in others, and what all of them together may still cost."""

    effort: _Effort
    depth: int = 0

    def deeper(self) -> _Nesting:
        return _Nesting(self.effort, self.depth + 1)


@lru_cache(maxsize=8)
def read(text: str) -> Reading:
    """Read a script; a few are remembered, since several detectors ask for the same one."""
    effort = _Effort(MAX_SCRIPT)
    found = tuple(_judge(text, _Nesting(effort)))
    return Reading(found, tuple(effort.ran), tuple(effort.code))


def _judge(text: str, nesting: _Nesting) -> Iterator[_Found]:
    if text in nesting.effort.judged:
        return  # as read by another shell already
    nesting.effort.judged.add(text)
    nesting.effort.left -= len(text)
    if nesting.effort.left < 0:
        yield _Found(Danger("COMMAND_TOO_LONG", "too long to be read", 0.6), 0, len(text))
        return
    script = bash.parse(text)
    if script.is_too_deep or nesting.depth > _MAX_NESTED:
        yield _Found(_TOO_DEEP, 0, len(text))
        return
    if script.is_recursive_pipe:
        yield _Found(Danger("FORK_BOMB", "starts processes without end", 1.0), 0, len(text))
    for danger in about(text):
        yield _Found(danger, 0, len(text))
    if may_hold(text):
        yield from _windows(text, nesting)
    for command in script.commands:
        if not nesting.depth:
            nesting.effort.span = command.start, command.end
        for danger in _dangers(command, script, nesting):
            yield _Found(danger, command.start, command.end)


def _is_nothing(command: Command) -> bool:
    """Tell whether a command prints nothing, so that `>` only empties."""
    return command.words in ([], [":"], ["true"], ["echo"], ["cat", "/dev/null"])


def _windows(text: str, nesting: _Nesting) -> Iterator[_Found]:
    """The same text as a shell of Windows reads it."""
    if not nesting.depth:
        nesting.effort.span = 0, len(text)
    for danger in windows.dangers(text):
        yield _Found(danger, 0, len(text))
    for script in windows.scripts(text):
        for danger in _nested(script, nesting):
            yield _Found(danger, 0, len(text))


def _dangers(command: Command, script: Script, nesting: _Nesting) -> Iterator[Danger]:
    yield from _writes(command, nesting)
    words = _resolved(unwrap(command.words))
    nesting.effort.ran.append(Ran(tuple(words), command, *nesting.effort.span))
    if not words:
        return
    name = words[0].rsplit("/", 1)[-1]
    program, arguments = base_name(name), words[1:]
    if " " in words[0] and len(words) < len(command.words):  # `watch 'rm -rf /'`
        yield from _nested(" ".join(words), nesting)
    if program in WRAPPERS and arguments:
        yield _TOO_DEEP
    if (content := script.content(words[0])) is not None:
        yield from _nested(content, nesting)
    yield from _computed(words, command)
    if danger := danger_of(program, arguments) or fed(program, arguments, command.stdin):
        yield danger
    if program in NETWORK_CLIENTS and SHELLS & {f.rsplit("/", 1)[-1] for f in command.feeders}:
        yield REVERSE_SHELL
    for text in carried(program, arguments, command):
        yield from _nested(text, nesting)
    if program in INTERPRETERS or program in (".", "source"):
        for run in run_by(program, arguments, command, script):
            yield from [run] if isinstance(run, Danger) else _run(name, run, nesting)


def _computed(words: list[str], command: Command) -> Iterator[Danger]:
    if UNKNOWN in words[0]:
        yield Danger("OPAQUE_EXECUTION", "runs a program whose name is computed", 0.4)
    if UNKNOWN in words[0] or (words[0] == "eval" and UNKNOWN in "".join(words)):
        yield from unread(command.substituted)


def _resolved(words: list[str]) -> list[str]:
    """Variables that nothing sets are empty; `$SUDO rm` is an `rm`, and so is `r$x''m`."""
    while words and "$" in words[0]:
        bare = _VARIABLE.sub("", words[0])
        words = [bare, *words[1:]] if bare else unwrap(words[1:])
    return words


def _run(program: str, run: Program, nesting: _Nesting) -> Iterator[Danger]:
    yield from _nested(run.text, nesting) if run.is_shell else _language(program, run.text, nesting)


def _nested(text: str, nesting: _Nesting) -> Iterator[Danger]:
    for found in _judge(text, nesting.deeper()):
        yield found.danger


def _writes(command: Command, nesting: _Nesting) -> Iterator[Danger]:
    for path in command.writes:
        if danger := written(path):
            yield danger
        elif _is_nothing(command) and (is_system_path(path) or path.endswith("_history")):
            yield Danger("OVERWRITE_SYSTEM_FILE", "empties a system file")
        elif _STARTUP_FILE.search(path) and command.output:
            yield from _nested(CRON_LINE.sub(r"\1", command.output), nesting)


def _language(program: str, code: str, nesting: _Nesting) -> Iterator[Danger]:
    """A cheap look at Python, Node, Perl, Ruby: what they hand to a shell or delete."""
    nesting.effort.code.append(Code(program, code, *nesting.effort.span))
    yield from in_code(program, code)
    if _DELETE_CALL.search(code):
        yield Danger("RECURSIVE_DELETE", "code that deletes files", 0.7)
    for match in _CALL.finditer(code):
        yield from _nested(_unquote(match.group(1)), nesting)
    for match in _LIST_CALL.finditer(code):
        words = [a or b for a, b in _STRING.findall(match.group(1))]
        yield from _nested(join(words), nesting)
    for match in _BACKTICKS.finditer(code):
        yield from _nested(match.group(1), nesting)


def _unquote(literal: str) -> str:
    return unescape(literal[1:-1])
