"""Shell commands that destroy data or take over the machine: parsed, not matched.

What is only mentioned (`grep "rm -rf"`, a commit message, a here-document for `cat`) is not a
command. What another program will run (wrappers, `sh -c`, `eval`, pipes, `ssh`, cron) is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from callgate.detectors import bash
from callgate.detectors.base import Text
from callgate.detectors.bash import UNKNOWN, Command, Script
from callgate.detectors.pattern import pattern
from callgate.detectors.placement import holds_command, holds_prose
from callgate.detectors.programs import danger_of
from callgate.detectors.programs.base import Danger, is_device, is_system_path
from callgate.model import Finding, Reason

MAX_SCRIPT = 100_000
"""Characters, scripts within scripts counted again; beyond them is a finding of its own."""

_MAX_NESTED = 6
"""Scripts within scripts: `ssh host "sudo sh -c '…'"`."""

_MAX_WRAPPERS = 50

_KEYWORDS = frozenset(("{", "(", "!", "then", "do", "else"))
"""Left before a command where the parser did not expect it: `time { …; }`."""

_SHELLS = frozenset(str.split("sh bash zsh dash ksh ash fish busybox"))
_INTERPRETERS = _SHELLS | frozenset(
    str.split("python python2 python3 perl ruby node nodejs php lua osascript pwsh powershell iex")
)
_DOWNLOADERS = frozenset(
    str.split("curl wget fetch aria2c http https nc ncat netcat lynx socat ftp scp")
)
_DECODERS = frozenset(
    str.split("base64 base32 xxd openssl gunzip zcat gzip rev tr printf sed awk perl")
)

# Wrapper → its options that take a value; how many words of its own come before the command.
_WRAPPERS: dict[str, tuple[str, int]] = {
    "builtin": ("", 0),
    "caffeinate": ("-t -w", 0),
    "chroot": ("", 1),
    "chrt": ("-T -P -D", 1),
    "command": ("", 0),
    "doas": ("-u -C", 0),
    "env": ("-u -C -S --unset --chdir", 0),
    "exec": ("-a", 0),
    "flock": ("-w -E", 1),
    "ionice": ("-c -n -p", 0),
    "nice": ("-n", 0),
    "nohup": ("", 0),
    "parallel": ("-j -I", 0),
    "proxychains": ("-f", 0),
    "runuser": ("-u -g", 0),
    "setsid": ("", 0),
    "stdbuf": ("-i -o -e", 0),
    "strace": ("-e -o -p", 0),
    "sudo": ("-u -g -h -p -C -r -t -T -U -D -R", 0),
    "taskset": ("-c", 1),
    "time": ("-f -o", 0),
    "timeout": ("-k -s --kill-after --signal", 1),
    "unshare": ("", 0),
    "watch": ("-n --interval", 0),
    "xargs": ("-I -n -P -L -d -E -s -a", 0),
}
_ASSIGNMENT = pattern(r"^[A-Za-z_]\w*\+?=")
_ACCOUNTS = pattern(r"/etc/(?:passwd|shadow|sudoers|group|fstab)")
_STARTUP_FILE = pattern(
    r"(?:/\.(?:bashrc|bash_profile|profile|zshrc|zprofile|bash_aliases|bash_logout)"
    r"|/etc/(?:profile|bash\.bashrc|cron[\w.]*|rc\.local)(?:$|/)|/cron/)"
)
_CRON_LINE = pattern(r"(?m)^[ \t]*(?:@\w+|(?:[\d*/,\-]+[ \t]+){4}[\d*/,\-A-Za-z]+)[ \t]+(.*)$")
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
_BARE = pattern(
    r"^\s*(?:sudo |doas |/bin/|/usr/bin/)?(?:rm|dd|mkfs[\w.]*|shred|wipefs|chmod"
    r"|chown|git|kubectl|terraform|find|curl|wget|docker|dropdb|bash|sh|:\(\))(?:\s|\{)"
)


_TOO_DEEP = Danger("COMMAND_TOO_DEEP", "nested too deeply to be read", 0.8)


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
        for found in _judge(text.value, _Nesting(_Effort(MAX_SCRIPT))):
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


@dataclass(slots=True)
class _Effort:
    left: int
    """Characters of script that may still be parsed, scripts in scripts counted again."""


@dataclass(frozen=True, slots=True)
class _Nesting:
    """How deep a script lies in others, and what all of them together may still cost."""

    effort: _Effort
    depth: int = 0

    def deeper(self) -> _Nesting:
        return _Nesting(self.effort, self.depth + 1)


def _judge(text: str, nesting: _Nesting) -> Iterator[_Found]:
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
    for command in script.commands:
        for danger in _dangers(command, script, nesting):
            yield _Found(danger, command.start, command.end)


def _dangers(command: Command, script: Script, nesting: _Nesting) -> Iterator[Danger]:
    yield from _writes(command, nesting)
    words = _unwrap(command.words)
    if not words:
        return
    program = words[0].rsplit("/", 1)[-1]
    arguments = words[1:]
    if program in _WRAPPERS and arguments:
        yield _TOO_DEEP
    if words[0] in script.files:
        yield from _nested(script.files[words[0]], nesting)
    if command.is_computed or UNKNOWN in words[0]:
        yield Danger("OPAQUE_EXECUTION", "runs a program whose name is computed", 0.4)
    if danger := danger_of(program, arguments):
        yield danger
    for text in _carried(program, arguments, command):
        yield from _nested(text, nesting)
    if program in _INTERPRETERS or program in (".", "source"):
        yield from _interpreter(program, arguments, command, script, nesting)


def _nested(text: str, nesting: _Nesting) -> Iterator[Danger]:
    for found in _judge(text, nesting.deeper()):
        yield found.danger


def _writes(command: Command, nesting: _Nesting) -> Iterator[Danger]:
    for path in command.writes:
        if is_device(path):
            yield Danger("OVERWRITE_DISK", "writes over a disk", 1.0)
        elif _ACCOUNTS.fullmatch(path):
            yield Danger("OVERWRITE_SYSTEM_FILE", "writes over a system file")
        elif not command.words and is_system_path(path):
            yield Danger("OVERWRITE_SYSTEM_FILE", "empties a system file")
        elif _STARTUP_FILE.search(path) and command.output:
            yield from _nested(_CRON_LINE.sub(r"\1", command.output), nesting)


def _unwrap(words: Sequence[str]) -> list[str]:
    """Strip `sudo -u root env A=1 timeout 5 …` down to the command that runs."""
    rest = list(words)
    for _ in range(_MAX_WRAPPERS):
        while rest and rest[0] in _KEYWORDS:
            rest = rest[1:]
        if not rest:
            break
        wrapper = _WRAPPERS.get(rest[0].rsplit("/", 1)[-1])
        if wrapper is None:
            break
        if rest[0] == "command" and rest[1:2] and rest[1] in ("-v", "-V"):
            return []
        rest = _skip(rest[1:], *wrapper)
    return rest


def _skip(words: list[str], valued: str, own: int) -> list[str]:
    options = valued.split()
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            position += 1
            break
        if word == "-S":
            return " ".join(words[position + 1 :]).split()
        if word in options:
            position += 2
        elif (word.startswith("-") and len(word) > 1) or _ASSIGNMENT.match(word):
            position += 1
        elif own:
            own -= 1
            position += 1
        else:
            break
    return words[position:]


def _carried(program: str, arguments: Sequence[str], command: Command) -> Iterator[str]:
    """Commands that stand in the arguments or the input of another program."""
    if carry := _CARRIERS.get(program):
        yield from carry(arguments)
    if program in ("crontab", "at", "batch") and command.stdin:
        yield _CRON_LINE.sub(r"\1", command.stdin)
    for position, word in enumerate(command.words[:-1]):
        is_xargs = word.rsplit("/", 1)[-1] in ("xargs", "parallel")
        if is_xargs and command.stdin and len(command.stdin) < 4096:
            yield _join([*_unwrap(command.words[position:]), *command.stdin.split()])


def _join(words: Sequence[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def _remote(arguments: Sequence[str]) -> Iterator[str]:
    rest = _skip(list(arguments), "-p -i -l -o -F -L -R -D -J -b -c -e -m -S -W", 1)
    if rest:
        yield " ".join(rest)


def _executed(arguments: Sequence[str]) -> Iterator[str]:
    roots = [word for word in arguments[:1] if not word.startswith("-")]
    body: list[str] | None = None
    for word in (*arguments, ";"):
        if body is None:
            if word in ("-exec", "-execdir", "-ok", "-okdir", "-x", "-X"):
                body = []
        elif word in (";", "+"):
            yield _join([roots[0] if roots and part == "{}" else part for part in body])
            if body[:1] in (["rm"], ["/bin/rm"], ["shred"], ["unlink"]):
                yield _join(["find", *roots, "-delete"])
            body = None
        else:
            body.append(word)


def _contained(arguments: Sequence[str]) -> Iterator[str]:
    words = list(arguments)
    if "--" in words:
        yield _join(words[words.index("--") + 1 :])
    elif {"exec", "run"} & set(words[:3]):
        rest = _skip(words[1:], "-v -e -w -u -p --name --volume --env --network --entrypoint -n", 1)
        if rest:
            yield _join(rest)
    for position, word in enumerate(words[:-2]):
        if word.rsplit("/", 1)[-1] in _SHELLS and words[position + 1].endswith("c"):
            yield words[position + 2]


def _aliases(arguments: Sequence[str]) -> Iterator[str]:
    return (word.split("=", 1)[1] for word in arguments if "=" in word)


def _option(arguments: Sequence[str]) -> Iterator[str]:
    """`su -c COMMAND`."""
    for position, word in enumerate(arguments[:-1]):
        if word in ("-c", "--command"):
            yield arguments[position + 1]


_CARRIERS: dict[str, Callable[[Sequence[str]], Iterator[str]]] = {
    "alias": _aliases,
    "busybox": lambda arguments: iter([_join(arguments)]),
    "docker": _contained,
    "docker-compose": _contained,
    "eval": lambda arguments: iter([" ".join(arguments)]),
    "fd": _executed,
    "find": _executed,
    "kubectl": _contained,
    "lxc": _contained,
    "nerdctl": _contained,
    "nsenter": _contained,
    "podman": _contained,
    "runuser": _option,
    "script": _option,
    "ssh": _remote,
    "su": _option,
    "trap": lambda arguments: iter(arguments[:1]),
}


def _interpreter(
    program: str, arguments: Sequence[str], command: Command, script: Script, nesting: _Nesting
) -> Iterator[Danger]:
    is_shell = program in _SHELLS or program in (".", "source")
    for text in _code(program, arguments):
        yield from _nested(text, nesting) if is_shell else _language(text, nesting)
    operand = next((word for word in arguments if not word.startswith("-")), "")
    if operand in script.files:
        yield from _nested(script.files[operand], nesting)
    elif UNKNOWN in operand:
        yield from _unread(operand.split(UNKNOWN)[-1].split())
    if command.stdin is not None:
        yield from (
            _nested(command.stdin, nesting) if is_shell else _language(command.stdin, nesting)
        )
    elif command.feeders and not (operand and not operand.startswith("/dev/")):
        yield from _unread(command.feeders)
    if any(UNKNOWN in word for word in arguments) and not operand.startswith("/dev/fd"):
        yield Danger("OPAQUE_EXECUTION", "runs text that only a run would tell", 0.6)


def _unread(feeders: Sequence[str]) -> Iterator[Danger]:
    names = {name.rsplit("/", 1)[-1] for name in feeders}
    if names & _DOWNLOADERS:
        yield Danger("PIPE_TO_SHELL", "runs what it downloads, unseen", 0.95)
    elif names & _DECODERS:
        yield Danger("OPAQUE_EXECUTION", "runs text that is decoded on the way", 0.7)


def _code(program: str, arguments: Sequence[str]) -> Iterator[str]:
    flags = "c" if program in _SHELLS or program.startswith("python") else "eErp"
    for position, word in enumerate(arguments[:-1]):
        is_flag = word.startswith("-") and not word.startswith("--") and word[-1:] in flags
        if is_flag or word in ("--eval", "--command", "-Command", "-c"):
            yield arguments[position + 1]
            return


def _language(code: str, nesting: _Nesting) -> Iterator[Danger]:
    """A cheap look at Python, Node, Perl, Ruby: what they hand to a shell or delete."""
    if _DELETE_CALL.search(code):
        yield Danger("RECURSIVE_DELETE", "code that deletes files", 0.7)
    for match in _CALL.finditer(code):
        yield from _nested(_unquote(match.group(1)), nesting)
    for match in _LIST_CALL.finditer(code):
        words = [a or b for a, b in _STRING.findall(match.group(1))]
        yield from _nested(_join(words), nesting)
    for match in _BACKTICKS.finditer(code):
        yield from _nested(match.group(1), nesting)


def _unquote(literal: str) -> str:
    return re.sub(r"\\(.)", r"\1", literal[1:-1], flags=re.S)
