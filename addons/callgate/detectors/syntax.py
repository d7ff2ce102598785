"""The syntax tree of a shell script, by tree-sitter-bash, and the text that it stands on."""

from __future__ import annotations

import re
import time

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from callgate.detectors.pattern import pattern

PARSE_SECONDS = 0.5
"""Some long garbage takes the parser quadratic time; what takes longer is not parsed."""

_SHORT = 4096
"""Bytes that even the worst text is parsed within a tenth of a second."""

_LANGUAGE = Language(tree_sitter_bash.language())
# Replaced by as many blanks, so that spans keep their meaning.
_BLANK = pattern(r"[\x00-\x08\x0b\x0c\x0e-\x1f]|\$\{IFS\}|\$IFS\$\d|\$IFS\b")
_BRACE_COMMAND = pattern(r"(?:^|[;&|(\n])\s*\{[^{}\s,'\"`$;]*(?:,[^{}\s,'\"`$;]*)+\}")


class Source:
    """A parsed script; characters that no shell accepts, `$IFS` and `{a,b}` count as blanks."""

    def __init__(self, text: str) -> None:
        """Parse; `root` is None where that takes longer than PARSE_SECONDS."""
        blanked: str = _BLANK.sub(lambda match: " " * len(match.group()), text)
        blanked = _BRACE_COMMAND.sub(lambda match: re.sub(r"[{},]", " ", match.group()), blanked)
        self._bytes = blanked.encode("utf-8", "replace")
        self._offsets = None if blanked.isascii() else _character_offsets(self._bytes)
        self.root = self._parse()

    def _parse(self) -> Node | None:
        parser = Parser(_LANGUAGE)
        if len(self._bytes) <= _SHORT:
            return parser.parse(self._bytes).root_node
        deadline = time.monotonic() + PARSE_SECONDS
        try:
            return parser.parse(
                lambda offset, _: self._bytes[offset : offset + 65536],
                progress_callback=lambda *_: time.monotonic() > deadline,
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
        """Return where a node starts and ends, in characters."""
        if self._offsets is None:
            return node.start_byte, node.end_byte
        return self._offsets[node.start_byte], self._offsets[node.end_byte]


def _character_offsets(source: bytes) -> list[int]:
    """Character offset of every byte of UTF-8, and of the end."""
    offsets, characters = [], -1
    for byte in source:
        characters += byte & 0xC0 != 0x80
        offsets.append(characters)
    return [*offsets, characters + 1]
