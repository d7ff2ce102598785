"""What a JavaScript program would do, by its tokens; values are folded where they are literal.

No grammar: names bound to modules, calls on them and string building are enough to tell what a
program hands to a shell, deletes, reads or evaluates.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from callgate.detectors.code.languages.base import UNKNOWN, Act, Does
from callgate.detectors.code.languages.expressions import FETCHES, Expressions

MAX_PROGRAM = 100_000
"""Characters; longer programs count as UNREAD."""

_PROCESSES = re.compile(
    r"^(?:child_process|execa|shelljs|zx|cross-spawn|Deno|Bun)"
    r"\.(?:exec|execSync|spawn|spawnSync|execFile|execFileSync|fork|run|Command|command|commandSync"
    r"|execa|sync|\$)$"
)
_BARE_PROCESSES = re.compile(r"^(?:execSync|spawnSync|execFileSync|execa|execaSync)$")
_DELETES = re.compile(
    r"(?:^|\.)(?:rm|rmSync|rmdir|rmdirSync|unlink|unlinkSync|remove|removeSync|emptyDir|emptyDirSync)$"
)
_TREES = re.compile(r"^(?:rimraf(?:\.\w+)?|del(?:\.\w+)?|fs-extra\.(?:remove|emptyDir)\w*)$")
_READS = re.compile(
    r"(?:^|\.)(?:readFile|readFileSync|createReadStream|copyFile|copyFileSync|readTextFile\w*)$"
)
_WRITES = re.compile(
    r"(?:^|\.)(?:writeFile|writeFileSync|appendFile|appendFileSync|createWriteStream|writeTextFile\w*)$"
)
_EVALUATES = re.compile(
    r"^(?:eval|Function|(?:globalThis|window|global)\.(?:eval|Function)"
    r"|vm\.(?:runIn\w+|Script|compileFunction)|setTimeout|setInterval)$"
)
_FILES = ("fs", "fs-extra", "Deno", "Bun")


def read(source: str) -> list[Act]:
    """Return what a program would do, in the order of its text; never raises, linear in it."""
    if len(source) > MAX_PROGRAM:
        return [Act(Does.UNREAD, "", 0, len(source))]
    return list(_Reader(source).acts())


class _Reader:
    def __init__(self, source: str) -> None:
        self._program = Expressions(source)
        self._size = len(source)
        self._uses: set[str] = set()

    def acts(self) -> Iterator[Act]:
        for position, token in enumerate(self._program.tokens):
            if token.text in ("const", "let", "var", "import"):
                self._program.bind(position)
            elif (
                token.kind == "name"
                and token.text not in ("new", "await", "return", "typeof", "void")
                and self._program.at(position - 1) not in (".", "?.")
            ):
                yield from self._use(position)
        if "net" in self._uses and "shell" in self._uses and "pipe" in self._uses:
            yield Act(Does.REVERSE_SHELL, "", 0, self._size)
        if self._program.is_exhausted:
            yield Act(Does.UNREAD, "", 0, self._size)

    # Calls.

    def _use(self, position: int) -> Iterator[Act]:
        program = self._program
        start = program.tokens[position].start
        if program.at(position + 1) == "=" and program.at(position + 2) != "=":
            program.assign(program.at(position), position + 2)
        name, after = program.chain(position)
        self._uses |= {part for part in re.split(r"\W", name) if part in ("net", "tls", "pipe")}
        after += program.at(after) == "?."
        if program.at(after) != "(" and not program.at(after).startswith("`"):
            return
        for does, text in self._call(name, after):
            yield Act(does, text, start, self._program.end_of(after))

    def _call(self, name: str, position: int) -> Iterator[tuple[Does, str]]:
        is_tag = self._program.at(position) != "("
        first, end = self._program.sum(position if is_tag else position + 1)
        if _PROCESSES.match(name) or _BARE_PROCESSES.match(name):
            yield from self._run(first, position, end)
        elif name in ("shelljs.rm", "shell.rm") and self._program.at(end) == ",":
            target, _ = self._program.sum(end + 1)
            yield (Does.DELETE_TREE if "r" in first.lower() else Does.DELETE), target
        elif _TREES.match(name):
            yield Does.DELETE_TREE, first
        elif name.split(".")[0] in _FILES:
            yield from self._file(name, first, end)
        elif _EVALUATES.match(name):
            yield from self._evaluate(name, first, position, end)

    def _run(self, first: str, position: int, end: int) -> Iterator[tuple[Does, str]]:
        words: list[str] = []
        if self._program.at(end) == "," and self._program.at(end + 1) == "[":
            words = self._program.words(end + 1)
        elif (
            self._program.at(position + 1) == "["
            and self._program.at(self._program.close(position + 1)) != "."
        ):
            words, first = self._program.words(position + 1), ""
        elif (key := self._listed(position)) is not None:
            words = self._program.words(key)
        head = [] if first in ("", UNKNOWN) and words else [first]
        line = " ".join([*head, *map(shlex.quote, words)])
        if re.match(r"(?:/\w+)*/?(?:ba|z)?sh(?: -i)?$|cmd(?:\.exe)?$", line):
            self._uses.add("shell")
        if line.strip(UNKNOWN + " '"):
            yield Does.RUN, line
        elif does := self._origin(position, end):
            yield does, ""

    def _listed(self, position: int) -> int | None:
        """Where the words of `{args: […]}` or `{cmd: […]}` start."""
        for key in range(position, min(position + 12, len(self._program.tokens))):
            if self._program.at(key) in ("args", "cmd") and self._program.at(key + 2) == "[":
                return key + 2
        return None

    def _file(self, name: str, first: str, end: int) -> Iterator[tuple[Does, str]]:
        if _DELETES.search(name):
            options = "".join(
                self._program.at(p) for p in range(end, min(end + 12, len(self._program.tokens)))
            )
            is_tree = "recursive" in options.split(")")[0] or "emptyDir" in name
            yield (Does.DELETE_TREE if is_tree else Does.DELETE), first
        elif _READS.search(name):
            yield Does.READ, first
        elif _WRITES.search(name):
            yield Does.WRITE, first

    def _evaluate(
        self, name: str, first: str, position: int, end: int
    ) -> Iterator[tuple[Does, str]]:
        while name == "Function" and self._program.at(end) == ",":  # its body comes last
            first, end = self._program.sum(end + 1)
        if UNKNOWN not in first:
            yield Does.EVALUATE, first
        elif not name.startswith("set") and (does := self._origin(position, end)):
            yield does, ""

    def _origin(self, position: int, end: int) -> Does | None:
        """Where text comes from that only a run would tell."""
        sources = self._program.sources(position, end)
        if sources & FETCHES:
            return Does.FETCHED
        return Does.OPAQUE if sources else None
