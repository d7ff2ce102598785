"""The words of a shell script, with quotes, escapes, braces and expansions undone."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable

from tree_sitter import Node

from callgate.detectors.shell.syntax import Source
from callgate.detectors.shell.textpipe import unescape
from callgate.detectors.shell.variables import Variables

MAX_DEPTH = 100
"""Levels of syntax; what lies deeper is reported as `Words.is_too_deep`."""

UNKNOWN = "\ufffc"
"""Stands in a word for text that only a run would tell."""

_MAX_BRACED = 64
"""Words that one word with braces may become."""

_EXPANSIONS = ("simple_expansion", "expansion", "command_substitution")
_PARTS = frozenset(("variable_name", "special_variable_name", "subscript"))
_BRACES = re.compile(r"\{([^{},]*(?:,[^{},]*)+)\}")
_RANGE = re.compile(r"\{(\w)\.\.(\w)\}")
_IN_QUOTES = re.compile(r"\\([$`\"\\\n])")
_ESCAPED = re.compile(r"\\(\n?)(.?)", re.S)

WORDS = frozenset(
    str.split(
        "word raw_string string ansi_c_string translated_string concatenation simple_expansion "
        "expansion number command_substitution process_substitution command_name "
        "brace_expression arithmetic_expansion test_operator variable_name array subscript"
    )
)
"""Types of nodes that are words, or stand for them."""


class Words:
    """Reads word nodes; what stands in substitutions is handed to `run` and `feed`."""

    def __init__(
        self,
        source: Source,
        variables: Variables,
        run: Callable[[Node, int], str | None],
        feed: Callable[[Node, int], str],
    ) -> None:
        """`run` walks statements and returns what they print; `feed` names `<(…)` as a file."""
        self._source = source
        self._variables = variables
        self._run = run
        self._feed = feed
        self.is_too_deep = False

    def split(self, node: Node, depth: int) -> list[str]:
        """One word, or several where an unquoted expansion or braces make more of it."""
        text = self.word(node, depth)
        inner = node
        if node.type == "command_name" and node.named_children:
            inner = node.named_children[0]
        raw = self._source.text(inner)
        is_unquoted = inner.type in _EXPANSIONS
        is_list = inner.type == "string" and raw.endswith(('[@]}"', '"$@"', '"${@}"'))
        if is_unquoted or is_list or (inner.type == "concatenation" and _is_expanding(raw)):
            separators = None if is_list else self._separators()
            return _split(text, separators) or ([text] if text.strip() else [])
        if "{" in raw and "'" not in raw and '"' not in raw:
            return braced(text)
        return [text]

    def listed(self, node: Node, depth: int) -> list[str]:
        """The elements of `(a b c)`."""
        raw = self._source.text(node)
        if "\\ " in raw and "$" not in raw and "`" not in raw:
            try:
                return shlex.split(raw[1:-1])  # the parser loses blanks that are escaped
            except ValueError:
                pass
        return [word for child in node.named_children for word in self.split(child, depth)]

    def word(self, node: Node, depth: int) -> str:
        """Return the text of one word; parts that only a run would tell are UNKNOWN."""
        if depth > MAX_DEPTH:
            self.is_too_deep = True
            return UNKNOWN
        raw = self._source.text(node)
        match node.type:
            case "word" | "number":
                return _ESCAPED.sub(lambda m: "" if m[1] else m[2], raw)
            case "raw_string" | "ansi_c_string":
                return raw[1:-1] if node.type == "raw_string" else unescape(raw[2:-1])
            case "string":
                return self.quoted(node, depth, 1)
            case "concatenation" | "command_name" | "translated_string":
                pieces = [self.word(child, depth + 1) for child in node.named_children]
                return "".join(pieces) if pieces else raw
            case "simple_expansion" | "expansion" | "arithmetic_expansion":
                return self._expansion(node, raw, depth)
            case "command_substitution":
                output = self._substitute(node, depth)
                return UNKNOWN if output is None else output.rstrip("\n")
            case "process_substitution":
                return self._feed(node, depth)
        for child in node.named_children:
            self._run(child, depth + 1)
        return raw

    def quoted(self, node: Node, depth: int, margin: int) -> str:
        """Return text in which expansions count and blanks stay; quotes are `margin` wide."""
        pieces: list[str] = []
        # Blanks between expansions belong to no child of the node.
        position = node.start_byte + margin
        for child in node.named_children:
            pieces.append(self._source.between(position, child.start_byte))
            if child.type in ("string_content", "heredoc_content"):
                pieces.append(_IN_QUOTES.sub(r"\1", self._source.text(child)))
            else:
                pieces.append(self.word(child, depth + 1))
            position = child.end_byte
        pieces.append(self._source.between(position, node.end_byte - margin))
        return "".join(pieces)

    def _expansion(self, node: Node, raw: str, depth: int) -> str:
        # Inside quotes the parser counts the blanks before an expansion to it.
        written = raw.lstrip()
        blanks = raw[: len(raw) - len(written)]
        for child in node.named_children:
            if child.type not in _PARTS:
                self.word(child, depth + 1)
        if node.type == "arithmetic_expansion":
            number = self._variables.number(written.strip("$()[]"))
            return blanks + (raw if number is None else str(number))
        value = self._variables.expand(written)
        if self._variables.is_exhausted:
            self.is_too_deep = True
            return UNKNOWN
        return raw if value is None else blanks + value

    def _substitute(self, node: Node, depth: int) -> str | None:
        output: str | None = ""
        for child in node.named_children:
            printed = self._run(child, depth + 1)
            output = None if printed is None or output is None else output + printed
        return output

    def _separators(self) -> str | None:
        return self._variables.expand("$IFS")


def _is_expanding(raw: str) -> bool:
    return raw.startswith("$") and not raw.startswith("$'")


def _split(text: str, separators: str | None) -> list[str]:
    if not separators or separators.isspace():
        return text.split()
    return [word for word in re.split("[" + re.escape(separators) + "]", text) if word]


def braced(text: str) -> list[str]:
    """Expand `a{b,c}d` and `{1..3}`; a word without braces, or with far too many, is itself."""
    words = [text]
    for _ in range(6):
        done: list[str] = []
        for word in words:
            done += _braced_once(word)
        if done == words or len(done) > _MAX_BRACED:
            break
        words = done
    return [word for word in words if word]


def _braced_once(word: str) -> list[str]:
    if match := _BRACES.search(word):
        choices = match[1].split(",")
    elif match := _RANGE.search(word):
        first, last = sorted(map(ord, match.groups()))
        choices = list(map(chr, itertools.islice(range(first, last + 1), _MAX_BRACED)))
    else:
        return [word]
    return [word[: match.start()] + choice + word[match.end() :] for choice in choices]
