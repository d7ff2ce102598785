"""A shell script as the commands that it would run, with quotes, escapes and variables undone.

Parsed with tree-sitter-bash, which also makes sense of broken text. Expansions whose value
follows from the script itself (assignments, `$IFS`, `$(echo …)`) are replaced by it; others
stay as written. Branches and function bodies count as run. Nothing is executed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tree_sitter import Node

from callgate.detectors.syntax import Source
from callgate.detectors.textpipe import output_of, unescape

MAX_EXPANDED = 1_000_000
"""Characters that variables may expand to in all; beyond them a script counts as too deep."""

MAX_DEPTH = 100
"""Levels of syntax; what lies deeper is reported as `Script.is_too_deep`."""

UNKNOWN = "\ufffc"
"""Stands in a word for text that only a run would tell."""

_POSITIONAL = re.compile(r"\$(?:[0-9@*]|\{[0-9@*]\})")
_PLAIN = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_WORDS = frozenset(
    str.split(
        "word raw_string string ansi_c_string concatenation simple_expansion expansion number "
        "command_substitution process_substitution command_name brace_expression "
        "arithmetic_expansion test_operator variable_name"
    )
)


@dataclass(slots=True)
class Command:
    """One simple command."""

    words: list[str]
    start: int
    """Span in the script, in characters."""
    end: int
    stdin: str | None = None
    """Text that reaches its standard input, where known."""
    feeders: tuple[str, ...] = ()
    """Leading words of the commands before it in its pipeline, or in its here-string."""
    writes: list[str] = field(default_factory=list)
    """Files that its output goes to."""
    is_computed: bool = False
    """Its program is named by text that only a run would tell."""
    output: str | None = None
    """What it prints, where known."""


@dataclass(slots=True)
class Script:
    """All commands in the order in which they stand."""

    commands: list[Command] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """Known content of files that the script writes, and of process substitutions."""
    is_too_deep: bool = False
    is_recursive_pipe: bool = False
    """A function pipes into itself: a fork bomb."""


def parse(text: str) -> Script:
    """Read a script; never raises. Characters that no shell accepts count as blanks."""
    return _Reader(text).read()


@dataclass(frozen=True, slots=True)
class _Feed:
    """What reaches the standard input of a statement."""

    text: str | None = None
    """None where unknown, or nothing does."""
    names: tuple[str, ...] = ()
    """See `Command.feeders`."""


_NOTHING = _Feed()


class _Reader:
    def __init__(self, text: str) -> None:
        self._source = Source(text)
        self._expandable = MAX_EXPANDED
        self._variables: dict[str, str] = {}
        self._script = Script()
        self._substitutions = 0

    def read(self) -> Script:
        if self._source.root is None:
            self._script.is_too_deep = True
        else:
            self._walk(self._source.root, _NOTHING, 0)
        return self._script

    # Statements. Each returns what the statement prints, or None where unknown.

    def _walk(self, node: Node, feed: _Feed, depth: int) -> str | None:
        if depth > MAX_DEPTH:
            self._script.is_too_deep = True
            return None
        match node.type:
            case "command":
                return self._command(node, feed, depth)
            case "pipeline":
                return self._pipeline(node, feed, depth)
            case "redirected_statement":
                return self._redirected(node, feed, depth)
            case "variable_assignment":
                self._assign(node, depth)
                return ""
            case "declaration_command" | "unset_command" | "test_command":
                self._declaration(node, depth)
                return ""
            case "function_definition":
                self._function(node, depth)
                return ""
            case "comment" | "heredoc_body" | "heredoc_start" | "heredoc_end":
                return ""
            case "ERROR":
                return self._error(node, feed, depth)
        return self._sequence(node, feed, depth)

    def _sequence(self, node: Node, feed: _Feed, depth: int) -> str | None:
        outputs: list[str | None] = []
        for child in node.named_children:
            if child.type in _WORDS:
                self._word(child, depth + 1)
            else:
                outputs.append(self._walk(child, feed, depth + 1))
        known = [output for output in outputs if output is not None]
        return "".join(known) if len(known) == len(outputs) else None

    def _pipeline(self, node: Node, feed: _Feed, depth: int) -> str | None:
        for child in node.named_children:
            first = len(self._script.commands)
            output = self._walk(child, feed, depth + 1)
            feed = _Feed(output, feed.names + self._names(first))
        return feed.text

    def _redirected(self, node: Node, feed: _Feed, depth: int) -> str | None:
        first = len(self._script.commands)
        redirects = node.children_by_field_name("redirect")
        given = [self._given(redirect, depth + 1) for redirect in redirects]
        text = next((text for text in given if text is not None), feed.text)
        feed = _Feed(text, feed.names)
        body = node.child_by_field_name("body")
        output = self._walk(body, feed, depth + 1) if body else ""
        if body is None:
            self._script.commands.append(self._new(node, [], feed))
        for redirect in redirects:
            self._write(redirect, self._script.commands[first:], output, depth + 1)
        after = [n for r in redirects if r.type == "heredoc_redirect" for n in r.named_children]
        for child in after:
            if child.type not in ("heredoc_start", "heredoc_body", "heredoc_end", "file_redirect"):
                output = self._walk(child, _Feed(output, self._names(first)), depth + 1)
        return output

    def _given(self, redirect: Node, depth: int) -> str | None:
        """Text that a here-document, here-string or `< file` puts in."""
        if redirect.type == "heredoc_redirect":
            body = next((c for c in redirect.named_children if c.type == "heredoc_body"), None)
            return self._source.text(body) if body else ""
        if redirect.type == "herestring_redirect":
            word = next(iter(redirect.named_children), None)
            given = self._word(word, depth) if word else UNKNOWN
            return None if UNKNOWN in given else given
        if redirect.type == "file_redirect" and any(c.type == "<" for c in redirect.children):
            target = redirect.child_by_field_name("destination")
            return self._script.files.get(self._word(target, depth)) if target else None
        return None

    def _write(
        self, redirect: Node, commands: list[Command], output: str | None, depth: int
    ) -> None:
        nodes = [redirect]
        if redirect.type == "heredoc_redirect":
            nodes = [c for c in redirect.named_children if c.type == "file_redirect"]
        for node in nodes:
            target = node.child_by_field_name("destination")
            if node.type != "file_redirect" or target is None:
                continue
            if not any(c.type.startswith((">", "&>")) for c in node.children):
                continue
            name = self._word(target, depth)
            for command in commands[-1:]:
                command.writes.append(name)
            if output is not None:
                self._script.files[name] = self._script.files.get(name, "") + output

    def _assign(self, node: Node, depth: int) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        text = self._word(value, depth + 1) if value else ""
        if name is not None:
            self._variables[self._source.text(name)] = text

    def _declaration(self, node: Node, depth: int) -> None:
        for child in node.named_children:
            if child.type == "variable_assignment":
                self._assign(child, depth)
            elif child.type in _WORDS:
                self._word(child, depth + 1)
            else:
                self._walk(child, _NOTHING, depth + 1)

    def _function(self, node: Node, depth: int) -> None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if body is None:
            return
        first = len(self._script.commands)
        self._walk(body, _NOTHING, depth + 1)
        own = self._source.text(name) if name else ""
        for command in self._script.commands[first:]:
            if command.words[:1] == [own] and own in command.feeders:
                self._script.is_recursive_pipe = True

    def _error(self, node: Node, feed: _Feed, depth: int) -> str | None:
        """Words that the parser could not place still count as a command."""
        words: list[str] = []
        for child in node.named_children:
            if child.type in _WORDS:
                words += self._split(child, depth + 1)
            else:
                self._walk(child, feed, depth + 1)
        if words:
            self._script.commands.append(self._new(node, words, feed))
        return None

    def _command(self, node: Node, feed: _Feed, depth: int) -> str | None:
        first = len(self._script.commands)
        words: list[str] = []
        for child in node.named_children:
            if child.type == "variable_assignment":
                self._assign(child, depth)
            elif child.type == "herestring_redirect":
                feed = _Feed(self._given(child, depth + 1), feed.names + self._names(first))
            elif child.type in _WORDS:
                words += self._split(child, depth + 1)
            else:
                self._walk(child, _NOTHING, depth + 1)
        command = self._new(node, words, feed)
        command.is_computed = bool(words) and UNKNOWN in words[0]
        self._script.commands.append(command)
        output = None
        if not any(UNKNOWN in word for word in words):
            output = output_of(words, feed.text)
            if output is None and words[:1] == ["cat"] and len(words) == 2:
                output = self._script.files.get(words[1])
        command.output = output
        return output

    def _new(self, node: Node, words: list[str], feed: _Feed) -> Command:
        return Command(words, *self._source.span(node), feed.text, feed.names)

    def _names(self, first: int) -> tuple[str, ...]:
        """Leading words of the latest commands: programs may stand behind wrappers."""
        return tuple(word for c in self._script.commands[first:] for word in c.words[:6])

    # Words.

    def _split(self, node: Node, depth: int) -> list[str]:
        """One word, or several where an unquoted expansion holds blanks."""
        text = self._word(node, depth)
        inner = (
            node.named_children[0] if node.type == "command_name" and node.named_children else node
        )
        is_unquoted = inner.type in ("simple_expansion", "expansion", "command_substitution")
        if is_unquoted or (inner.type == "concatenation" and "$" in self._source.text(inner)[:2]):
            return text.split() or ([text] if text else [])
        return [text]

    def _word(self, node: Node, depth: int) -> str:
        if depth > MAX_DEPTH:
            self._script.is_too_deep = True
            return UNKNOWN
        raw = self._source.text(node)
        match node.type:
            case "word" | "number":
                return re.sub(r"\\(\n?)(.?)", lambda m: "" if m[1] else m[2], raw, flags=re.S)
            case "raw_string" | "ansi_c_string":
                return raw[1:-1] if node.type == "raw_string" else unescape(raw[2:-1])
            case "string":
                return self._string(node, depth)
            case "concatenation" | "command_name":
                pieces = [self._word(child, depth + 1) for child in node.named_children]
                return "".join(pieces) if pieces else raw
            case "simple_expansion" | "expansion":
                return self._expansion(node, raw, depth)
            case "command_substitution":
                output = self._substitute(node, depth)
                return UNKNOWN if output is None else output.rstrip("\n")
            case "process_substitution":
                return self._process(node, depth)
        for child in node.named_children:
            self._walk(child, _NOTHING, depth + 1)
        return raw

    def _string(self, node: Node, depth: int) -> str:
        pieces: list[str] = []
        # Blanks between expansions belong to no child of the node.
        position = node.start_byte + 1
        for child in [*node.named_children, None]:
            until = child.start_byte if child else node.end_byte - 1
            pieces.append(self._source.between(position, until))
            if child is None:
                break
            if child.type == "string_content":
                pieces.append(re.sub(r"\\([$`\"\\\n])", r"\1", self._source.text(child)))
            else:
                pieces.append(self._word(child, depth + 1))
            position = child.end_byte
        return "".join(pieces)

    def _expansion(self, node: Node, raw: str, depth: int) -> str:
        # Inside quotes the parser counts the blanks before an expansion to it.
        written = raw.lstrip()
        blanks = raw[: len(raw) - len(written)]
        if _POSITIONAL.fullmatch(written):
            return blanks
        for child in node.named_children:
            if child.type != "variable_name":
                self._word(child, depth + 1)
        name = _PLAIN.fullmatch(written)
        value = self._variables.get(name[1] or name[2]) if name else None
        if value is None:
            return raw
        self._expandable -= len(value)
        if self._expandable < 0:
            self._script.is_too_deep = True
            return UNKNOWN
        return blanks + value

    def _substitute(self, node: Node, depth: int) -> str | None:
        output: str | None = ""
        for child in node.named_children:
            printed = self._walk(child, _NOTHING, depth + 1)
            output = None if printed is None or output is None else output + printed
        return output

    def _process(self, node: Node, depth: int) -> str:
        first = len(self._script.commands)
        output = self._substitute(node, depth)
        names = self._names(first)
        self._substitutions += 1
        path = f"/dev/fd/{self._substitutions}{UNKNOWN}{' '.join(names)}"
        if output is not None:
            self._script.files[path] = output
        return path
