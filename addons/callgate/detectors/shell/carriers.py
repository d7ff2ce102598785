"""Commands that stand in the arguments or the input of other programs: `ssh`, `find -exec`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from callgate.detectors.pattern import pattern
from callgate.detectors.shell.bash import Command
from callgate.detectors.shell.wrappers import skip, unwrap

CRON_LINE = pattern(r"(?m)^[ \t]*(?:@\w+|(?:[\d*/,\-]+[ \t]+){4}[\d*/,\-A-Za-z]+)[ \t]+(.*)$")
"""A line of a crontab; its group is the command."""

_SHELL = re.compile(r"(?:.*/)?(?:ba|z|da|k|a|fi)?sh")
_BUNDLE = re.compile(r"-[A-Za-z]{2,4}")
_MAX_INPUT = 4096
_CONTAINER_OPTIONS = (
    "-v -e -w -u -p -h -l -m --name --volume --env --env-file --workdir --user --publish --mount "
    "--network --net --entrypoint --hostname --label --memory --cpus --platform --restart --pid "
    "--image --cap-add --device --gpus --container -c -n --namespace --context"
)


def carried(program: str, arguments: Sequence[str], command: Command) -> Iterator[str]:
    """Yield the scripts that a program is given to run."""
    if carry := _CARRIERS.get(program):
        yield from carry(arguments)
    if program in ("crontab", "at", "batch") and command.stdin:
        yield CRON_LINE.sub(r"\1", command.stdin)
    if program == "-c":  # `flock FILE -c SCRIPT`
        yield from arguments[:1]
    if program == "make" and command.stdin:
        yield "\n".join(line for line in command.stdin.split("\n") if line.startswith("\t"))
    if program in ("rm", "shred", "unlink", "srm") and command.stdin is None:
        yield from _found(command)
    for position, word in enumerate(command.words[:-1]):
        is_xargs = word.rsplit("/", 1)[-1] in ("xargs", "parallel")
        if is_xargs and command.stdin and len(command.stdin) < _MAX_INPUT:
            yield _filled(command.words[position:], _items(command.stdin))


def join(words: Sequence[str]) -> str:
    """Quote words so that a shell reads them as they are."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def _items(text: str) -> list[str]:
    """What `xargs` takes apart, quotes included."""
    text = text.replace("\0", "\n")
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _found(command: Command) -> Iterator[str]:
    """`find … | xargs rm`."""
    is_xargs = any(word.rsplit("/", 1)[-1] in ("xargs", "parallel") for word in command.words)
    if is_xargs and "find" in command.feeders:
        root = command.feeders.index("find") + 1
        yield join(["find", *command.feeders[root : root + 1], "-delete"])


def _filled(words: Sequence[str], given: list[str]) -> str:
    """`xargs` with what it reads; `-I {}` says where that goes."""
    mark = next((words[i + 1] for i, w in enumerate(words[:-1]) if w in ("-I", "-J")), "")
    mark = mark or next((w[2:] for w in words if w.startswith("-I") and len(w) > 2), "")
    own = unwrap(words)
    if mark and any(mark in word for word in own):
        return join([word.replace(mark, " ".join(given)) for word in own])
    return join([*own, *given])


def _remote(arguments: Sequence[str]) -> Iterator[str]:
    rest = skip(list(arguments), "-p -i -l -o -F -L -R -D -J -b -c -e -m -S -W", 1, is_env=False)
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
            yield join([part.replace("{}", roots[0]) if roots else part for part in body])
            if unwrap(body)[:1] in (["rm"], ["/bin/rm"], ["shred"], ["unlink"]):
                yield join(["find", *roots, "-delete"])
            body = None
        else:
            body.append(word)


def _contained(arguments: Sequence[str]) -> Iterator[str]:
    words = list(arguments)
    if "--" in words:
        yield join(words[words.index("--") + 1 :])
    elif {"exec", "run"} & set(words[:3]) and (rest := skip(words[1:], _CONTAINER_OPTIONS, 1)):
        yield join(rest)
    yield from _shell_words(words)


def _shell_words(words: Sequence[str]) -> Iterator[str]:
    """`… sh -c SCRIPT` anywhere in the words."""
    for position, word in enumerate(words[:-2]):
        if _SHELL.fullmatch(word) and words[position + 1].endswith("c"):
            yield words[position + 2]


def _aliases(arguments: Sequence[str]) -> Iterator[str]:
    return (word.split("=", 1)[1] for word in arguments if "=" in word)


def _after(*flags: str) -> Callable[[Sequence[str]], Iterator[str]]:
    """What follows a flag, as a word of its own or behind `=`."""

    def carry(arguments: Sequence[str]) -> Iterator[str]:
        for position, word in enumerate(arguments):
            name, sign, value = word.partition("=")
            is_flag = word in flags or (_BUNDLE.fullmatch(word) and "-" + word[-1] in flags)
            if is_flag and position + 1 < len(arguments):
                yield arguments[position + 1]
            elif sign and name in flags:
                yield value

    return carry


def _whole(arguments: Sequence[str]) -> Iterator[str]:
    if arguments:
        yield join(arguments)


def _called(arguments: Sequence[str]) -> Iterator[str]:
    """`awk 'BEGIN { system("…") }'`, `vim -c ':!…'`, `gdb -ex 'shell …'`."""
    for word in arguments:
        for match in _CALLS.finditer(word):
            yield next(filter(None, match.groups()), "")


_QUOTED = re.compile(r"\"([^\"]*)\"")
_CALLS = pattern(
    r"system\s*\(\s*\"((?:[^\"\\]|\\.)*)\"|\"([^\"]*)\"\s*\|\s*getline|:?!\s*([^'\"]+)$|^shell\s+(.+)"
    r"|os\.execute\s*\(?[\"']([^\"']*)"
)


def _git(arguments: Sequence[str]) -> Iterator[str]:
    for word in arguments:
        if (mark := word.find("=!")) >= 0:
            yield word[mark + 2 :]
    if "--exec" in arguments or "-x" in arguments or "foreach" in arguments[:2]:
        yield from _after("--exec", "-x", "foreach", "--recursive")(arguments)


def _checkpoint(arguments: Sequence[str]) -> Iterator[str]:
    for word in arguments:
        if "exec=" in word:
            yield word.split("exec=", 1)[1]
    yield from _after("--to-command", "-I", "--use-compress-program", "-TT", "--rsh")(arguments)


def _commands(arguments: Sequence[str]) -> Iterator[str]:
    """`aws ssm send-command --parameters 'commands=["…"]'`."""
    for word in arguments:
        if "commands" in word:
            yield from (match[1] for match in _QUOTED.finditer(word))


def _spawned(arguments: Sequence[str]) -> Iterator[str]:
    return (script.replace("spawn ", "", 1) for script in _after("-c")(arguments))


_CARRIERS: dict[str, Callable[[Sequence[str]], Iterator[str]]] = {
    "alias": _aliases,
    "aws": _commands,
    "ansible": _after("-a", "--args"),
    "awk": _called,
    "az": _after("--scripts"),
    "busybox": _whole,
    "docker": _contained,
    "docker-compose": _contained,
    "eval": lambda arguments: iter([" ".join(arguments)]),
    "ex": _called,
    "expect": _spawned,
    "fd": _executed,
    "find": _executed,
    "gawk": _called,
    "gcloud": _after("--command"),
    "gdb": _called,
    "git": _git,
    "kubectl": _contained,
    "lua": _called,
    "lxc": _contained,
    "mawk": _called,
    "mssh": _remote,
    "nerdctl": _contained,
    "oc": _contained,
    "pdsh": _remote,
    "podman": _contained,
    "psexec": _remote,
    "runuser": _after("-c", "--command"),
    "salt": lambda arguments: iter(arguments[-1:]),
    "screen": _shell_words,
    "script": _after("-c", "--command"),
    "sg": _after("-c"),
    "ssh": _remote,
    "sshpass": lambda arguments: iter([join(skip(list(arguments), "-p -f -d -P", 0))]),
    "su": _after("-c", "--command"),
    "tar": _checkpoint,
    "tmux": lambda arguments: (word for word in arguments[1:] if " " in word),
    "toybox": _whole,
    "trap": lambda arguments: iter(arguments[:1]),
    "vagrant": _after("-c", "--command"),
    "vi": _called,
    "view": _called,
    "vim": _called,
    "wsl": lambda arguments: iter([join(skip(list(arguments), "-d -u --distribution --user", 0))]),
    "zip": _checkpoint,
}
