"""What sets variables: `read`, `mapfile`, `printf -v`, `set --`, `unset`, `for ((…))`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.shell.textpipe import output_of
from callgate.detectors.shell.variables import Variables

_COUNTED = re.compile(
    r"\(\(\s*(\w+)\s*=([^;]*);\s*\w+\s*(<=?|>=?|!=)([^;]*);\s*\w+\s*(?:(\+\+|--)|([+-])=([^;)]*))\s*\)\)"
)
_MAX_COUNTED = 1_000
_LENGTH = re.compile(r"\$\{#\w+\}")
_VALUED = ("-d", "-n", "-N", "-p", "-t", "-u", "-i")


def assign(words: Sequence[str], stdin: str | None, variables: Variables) -> None:
    """Do what a command does to variables; `stdin` is what it reads, where known."""
    match words:
        case ["set", "--", *values]:
            variables.positional = list(values)
        case ["shift"]:
            variables.positional = (variables.positional or [])[1:]
        case ["printf", "-v", name, *rest]:
            if (text := output_of(["printf", *rest], None)) is not None:
                variables.assign(name, text)
        case ["unset", *names]:
            for name in names:
                variables.unset(name)
        case ["read", *arguments] if stdin is not None:
            _read(arguments, stdin, variables)
        case ["mapfile" | "readarray", *arguments] if stdin is not None and arguments:
            variables.assign_list(arguments[-1], stdin.splitlines())


def _read(arguments: list[str], stdin: str, variables: Variables) -> None:
    is_list, names = False, []
    position = 0
    while position < len(arguments):
        word = arguments[position]
        if word in _VALUED:
            position += 1
        elif word.startswith("-"):
            is_list = is_list or "a" in word
        else:
            names.append(word)
        position += 1
    line = stdin.split("\n", 1)[0]
    if is_list and names:
        variables.assign_list(names[0], line.split())
        return
    names = names or ["REPLY"]
    parts = line.split(None, len(names) - 1)
    for number, name in enumerate(names):
        variables.assign(name, parts[number].strip() if number < len(parts) else "")


def counted(text: str, variables: Variables) -> tuple[str, list[str]]:
    """Return the variable of `for ((i = 0; i < 5; i++))` and its values, none where unknown."""
    head = _COUNTED.search(text[:500])
    if head is None:
        return "", []
    name, start, sign, end, unit, direction, step = head.groups()
    end = _LENGTH.sub(lambda match: variables.expand(match[0]) or match[0], end)
    first, last = variables.number(start), variables.number(end)
    size = 1 if unit else variables.number(step)
    if first is None or last is None or not size:
        return "", []
    size = -size if (unit or direction).startswith("-") else size
    last += {"<=": 1, ">=": -1}.get(sign, 0)
    return name, list(map(str, range(first, last, size)[:_MAX_COUNTED]))
