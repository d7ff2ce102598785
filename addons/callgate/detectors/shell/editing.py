"""What line editors print for a known input: `cut`, `head`, `tail`, `sed s/…/…/`, `tac`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import re2

from callgate.detectors.pattern import pattern

_RANGES = re.compile(r"\d*-?\d*(?:,\d*-?\d*)*")
_SUBSTITUTE = re.compile(r"s(\W)((?:\\.|(?!\1)[^\\])*)\1((?:\\.|(?!\1)[^\\])*)\1([gIi]*)", re.S)
_TRANSLATE = re.compile(r"y(\W)((?:(?!\1).)*)\1((?:(?!\1).)*)\1", re.S)
_BASIC = re.compile(r"\\([(){}+?|])|([(){}+?|])")
_BACKWARD = re.compile(r"\\(.)|&", re.S)
_MAX_EXPRESSION = 1000


def _option(arguments: Sequence[str], letters: str) -> tuple[str, str] | None:
    """The first of some options and its value: `-c5`, `-c 5`."""
    for position, word in enumerate(arguments):
        if len(word) > 1 and word[0] == "-" and word[1] in letters:
            return word[1], word[2:] or "".join(arguments[position + 1 : position + 2])
    return None


def cut(arguments: Sequence[str], stdin: str) -> str | None:
    """`cut -c2-5`, `cut -d, -f2`."""
    chosen, separator = _option(arguments, "cbf"), _option(arguments, "d")
    if chosen is None or not _RANGES.fullmatch(chosen[1]):
        return None
    lines = []
    for line in stdin.split("\n"):
        if chosen[0] == "f":
            mark = separator[1] if separator else "\t"
            lines.append(mark.join(_chosen(line.split(mark), chosen[1])) if mark else line)
        else:
            lines.append("".join(_chosen(list(line), chosen[1])))
    return "\n".join(lines)


def _chosen(items: list[str], ranges: str) -> list[str]:
    chosen: list[str] = []
    for part in ranges.split(",")[:100]:
        first, sign, last = part.partition("-")
        start = int(first or 1) - 1
        chosen += items[max(start, 0) : int(last or len(items)) if sign else start + 1]
    return chosen


def head(arguments: Sequence[str], stdin: str) -> str | None:
    """`head -n 3`, `head -c 10`."""
    chosen = _option(arguments, "nc123456789") or ("n", "10")
    letter, number = chosen if chosen[0] in "nc" else ("n", "".join(chosen).split(" ")[0])
    if not re.fullmatch(r"-?\d+", number):
        return None
    return stdin[: int(number)] if letter == "c" else "\n".join(stdin.split("\n")[: int(number)])


def tail(arguments: Sequence[str], stdin: str) -> str | None:
    """`tail -n +2`, `tail -c 5`."""
    letter, number = _option(arguments, "nc") or ("n", "10")
    if not re.fullmatch(r"[+-]?\d+", number):
        return None
    start = int(number) - 1 if number[0] == "+" else -abs(int(number))
    return stdin[start:] if letter == "c" else "\n".join(stdin.rstrip("\n").split("\n")[start:])


def tac(_arguments: Sequence[str], stdin: str) -> str:
    """Lines from last to first."""
    return "\n".join(reversed(stdin.rstrip("\n").split("\n")))


def sed(arguments: Sequence[str], stdin: str) -> str | None:
    """`sed s/a/b/g`, `sed y/ab/cd/`, one or several; anything else is unknown."""
    is_extended = any(word in ("-E", "-r") for word in arguments)
    scripts = [word for word in arguments if not word.startswith("-")]
    if not scripts or len("".join(scripts)) > _MAX_EXPRESSION:
        return None
    for script in scripts:
        for step in re.split(r"(?<=[/g|,#]);\s*", script):
            edited = _edit(step.strip(), stdin, is_extended=is_extended)
            if edited is None:
                return None
            stdin = edited
    return stdin


def _edit(step: str, text: str, *, is_extended: bool) -> str | None:
    if swap := _TRANSLATE.fullmatch(step):
        return text.translate(dict(zip(map(ord, swap[2]), swap[3], strict=False)))
    match = _SUBSTITUTE.fullmatch(step)
    if not match:
        return None
    _, found, put, flags = match.groups()
    if not is_extended:
        found = _BASIC.sub(lambda m: m[1] or "\\" + m[2], found)
    try:
        wanted = pattern(("(?i)" if "i" in flags.lower() else "") + found)
    except re2.error:
        return None

    def replaced(hit: re.Match[str]) -> str:
        def piece(mark: re.Match[str]) -> str:
            letter = mark[1]
            if letter is None or letter == "0":
                return hit[0]
            if not letter.isdigit():
                return "\n" if letter == "n" else str(letter)
            return (hit[int(letter)] or "") if int(letter) <= wanted.groups else ""

        return _BACKWARD.sub(piece, put)

    count = 0 if "g" in flags else 1
    return "\n".join(str(wanted.sub(replaced, line, count)) for line in text.split("\n"))


EDITORS: dict[str, Callable[[list[str], str], str | None]] = {
    "cut": cut,
    "head": head,
    "sed": sed,
    "tac": tac,
    "tail": tail,
}
"""Program → what it prints for its arguments and input, None where that is unknown."""
