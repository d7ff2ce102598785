"""The syntax tree of a shell script, by tree-sitter-bash, and the text that it stands on."""

from __future__ import annotations

import re
import time

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from callgate.detectors.pattern import pattern

PARSE_SECONDS = 0.1
"""Some long garbage takes the parser quadratic time; what takes longer is not parsed."""

_SHORT = 4096
"""Bytes that even the worst text is parsed within a tenth of a second."""

_LANGUAGE = Language(tree_sitter_bash.language())
# The parser asks the C library about any character as if it were a byte: `{` before U+10FFFF ends
# the process (tree-sitter-bash issue 337). It is shown letters instead; a shell sees no difference.
_LETTERS = bytes(range(128)) + b"x" * 128
# Replaced by as many blanks, so that spans keep their meaning.
_BLANK = pattern(r"[\x00-\x08\x0b\x0c\x0e-\x1f]|\$\{IFS[^}]{0,20}\}|\$IFS\$\d|\$IFS\b")
# The parser knows neither `${x~~}` nor every pattern after `${@`, which no script here sets.
_SWAPPED = pattern(r"(\$\{\w+(?:\[[^\]]*\])?)~~\}")
_NO_PARAMETERS = pattern(r"\$\{[@*][#%/^,~](?:\\.|[^}\\])*\}")
_BRACE_COMMAND = pattern(
    r"((?:^|[;&|(\n]|\{\s|\bdo\s|\bthen\s)\s*)(\{[^{}\s,'\"`$;]*(?:,[^{}\s,'\"`$;]*)+\})"
)


_PARAMETERS = pattern(r"\bset\s|\bfunction\b|\(\s*\)|\bshift\b")
_BARE_PARAMETERS = pattern(r"([\w/.-])\$[@*]|\$[@*]([\w/.-])")
_BRACE_LOOP = pattern(r"\bfor\s+\w+\s+in\b[^;\n{}]*[;\n]\s*\{")
_MARK = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|\$\{[^}]*\}|[{}]")
_MAX_LOOPS = 5
_MAX_LOOP = 10_000


class Source:
    """A parsed script; characters that no shell accepts, `$IFS` and `{a,b}` count as blanks."""

    def __init__(self, text: str) -> None:
        """Parse; `root` is None where that takes longer than PARSE_SECONDS."""
        self._length = len(text)
        blanked: str = _BLANK.sub(lambda match: " " * len(match.group()), text)
        blanked = _BRACE_COMMAND.sub(
            lambda match: match[1] + re.sub(r"[{},]", " ", match[2]), blanked
        )
        if "${" in blanked:
            blanked = _SWAPPED.sub(r"\1,^}", blanked)
            blanked = _NO_PARAMETERS.sub(lambda match: _nothing(len(match.group())), blanked)
        if not _PARAMETERS.search(blanked):
            blanked = _BARE_PARAMETERS.sub(r'\1""\2', blanked)
        blanked, self._is_rewritten = _with_done(blanked)
        self._bytes = blanked.encode("utf-8", "replace")
        self._offsets = None if blanked.isascii() else _character_offsets(self._bytes)
        self.root = self._parse()

    def _parse(self) -> Node | None:
        parser = Parser(_LANGUAGE)
        shown = self._bytes.translate(_LETTERS)
        if len(shown) <= _SHORT:
            return parser.parse(shown).root_node
        deadline = time.thread_time() + PARSE_SECONDS
        try:
            return parser.parse(
                lambda offset, _: shown[offset : offset + 65536],
                progress_callback=lambda *_: time.thread_time() > deadline,
            ).root_node
        except ValueError:
            return None

    def text(self, node: Node) -> str:
        """Return the text of a node, as written but for the blanks."""
        return self.between(node.start_byte, node.end_byte)

    def between(self, start_byte: int, end_byte: int) -> str:
        """Return the text between two bytes."""
        return self._bytes[start_byte:end_byte].decode("utf-8", "replace")

    def span(self, node: Node) -> tuple[int, int]:
        """Return where a node starts and ends, in characters; the whole script where unsure."""
        if self._is_rewritten:
            return 0, self._length
        if self._offsets is None:
            return node.start_byte, node.end_byte
        return self._offsets[node.start_byte], self._offsets[node.end_byte]


def _with_done(text: str) -> tuple[str, bool]:
    """Spell `for x in a; { …; }` with `do` and `done`, the only way that the parser knows."""
    loops = [match.end() for match in _BRACE_LOOP.finditer(text)][:_MAX_LOOPS]
    if not loops:
        return text, False
    closed: dict[int, str] = {}
    for start in loops:
        depth = 1
        for mark in _MARK.finditer(text, start, start + _MAX_LOOP):
            depth += {"{": 1, "}": -1}.get(mark[0], 0)
            if not depth:
                closed[mark.start()] = "; done"
                closed[start - 1] = "do "
                break
    return "".join(closed.get(place, letter) for place, letter in enumerate(text)), True


def _nothing(length: int) -> str:
    """An expansion of that length that is empty, wherever it stands."""
    return "${@#" + "x" * (length - 5) + "}"


def _character_offsets(source: bytes) -> list[int]:
    """Character offset of every byte of UTF-8, and of the end."""
    offsets, characters = [], -1
    for byte in source:
        characters += byte & 0xC0 != 0x80
        offsets.append(characters)
    return [*offsets, characters + 1]
