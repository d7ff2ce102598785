"""A shell script as the commands that it would run, with quotes, escapes and variables undone.

Parsed with tree-sitter-bash, which also makes sense of broken text. Expansions whose value
follows from the script itself (assignments, `$IFS`, `$(echo …)`) are replaced by it; others
stay as written. Branches and function bodies count as run. Nothing is executed.
"""

from __future__ import annotations

import itertools
import operator
from dataclasses import dataclass, field

from tree_sitter import Node

from callgate.detectors.shell.assigning import assign, counted
from callgate.detectors.shell.syntax import Source
from callgate.detectors.shell.textpipe import output_of
from callgate.detectors.shell.variables import Variables
from callgate.detectors.shell.words import MAX_DEPTH, UNKNOWN, WORDS, Words

__all__ = ["MAX_DEPTH", "UNKNOWN", "Command", "Script", "parse"]

MAX_REPEATED = 20_000
"""Characters that rounds of loops and calls of functions may have in all; the rest of them are
not followed, one stands for all."""

MAX_COMMANDS = 4_000
"""A script with more counts as too deep to be read."""

_NAMED = 6
_FED = 100
_SILENT = ("comment", "heredoc_body", "heredoc_start", "heredoc_end")


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
    reads: list[str] = field(default_factory=list)
    """Files that `<` puts in; such a redirection stands as a command of its own, without words."""
    is_computed: bool = False
    """Its program is named by text that only a run would tell."""
    output: str | None = None
    """What it prints, where known."""
    substituted: tuple[str, ...] = ()
    """Leading words of the commands in its substitutions."""


@dataclass(slots=True)
class Script:
    """All commands in the order in which they stand."""

    commands: list[Command] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """Known content of files that the script writes, and of process substitutions."""
    is_too_deep: bool = False
    is_recursive_pipe: bool = False
    """A function pipes into itself: a fork bomb."""

    def content(self, path: str) -> str | None:
        """What a file holds, where the script wrote it."""
        return self.files.get(path.removeprefix("./"))


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
        self._variables = Variables()
        self._words = Words(self._source, self._variables, self._run, self._process)
        self._script = Script()
        self._substitutions = 0
        self._functions: dict[str, Node] = {}
        self._aliases: dict[str, str] = {}
        self._repeatable = MAX_REPEATED
        self._active: list[str] = []

    def read(self) -> Script:
        if self._source.root is None:
            self._script.is_too_deep = True
        else:
            self._walk(self._source.root, _NOTHING, 0)
        self._script.is_too_deep |= self._words.is_too_deep
        return self._script

    def _run(self, node: Node, depth: int) -> str | None:
        return self._walk(node, _NOTHING, depth)

    # Statements. Each returns what the statement prints, or None where unknown.

    def _walk(self, node: Node, feed: _Feed, depth: int) -> str | None:
        if depth > MAX_DEPTH or len(self._script.commands) > MAX_COMMANDS:
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
            case "for_statement" | "c_style_for_statement":
                return self._loop(node, feed, depth)
            case "ERROR":
                return self._error(node, feed, depth)
        return "" if node.type in _SILENT else self._sequence(node, feed, depth)

    def _sequence(self, node: Node, feed: _Feed, depth: int) -> str | None:
        if node.type == "file_redirect" and any(c.type == "<" for c in node.children):
            return self._given(node, depth)  # `$(< file)`
        outputs: list[str | None] = []
        for child in node.named_children:
            if child.type in WORDS:
                self._words.word(child, depth + 1)
            else:
                outputs.append(self._walk(child, feed, depth + 1))
        known = [output for output in outputs if output is not None]
        return "".join(known) if len(known) == len(outputs) else None

    def _pipeline(self, node: Node, feed: _Feed, depth: int) -> str | None:
        for child in node.named_children:
            first = len(self._script.commands)
            output = self._walk(child, feed, depth + 1)
            feed = _Feed(output, (feed.names + self._names(first))[-_FED:])
        return feed.text

    def _redirected(self, node: Node, feed: _Feed, depth: int) -> str | None:
        first = len(self._script.commands)
        redirects = [c for c in node.named_children if c.type.endswith("_redirect")]
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
            return self._document(redirect, depth)
        if redirect.type == "herestring_redirect":
            word = next(iter(redirect.named_children), None)
            given = self._words.word(word, depth) if word else UNKNOWN
            return None if UNKNOWN in given else given
        if redirect.type == "file_redirect" and any(c.type == "<" for c in redirect.children):
            target = redirect.child_by_field_name("destination")
            name = self._words.word(target, depth) if target else UNKNOWN
            span = self._source.span(redirect)
            self._script.commands.append(Command([], *span, reads=[name]))
            return self._script.content(name)
        return None

    def _document(self, redirect: Node, depth: int) -> str:
        parts = {child.type: child for child in redirect.named_children}
        start = parts.get("heredoc_start", redirect)
        body, end = parts.get("heredoc_body", start), parts.get("heredoc_end", redirect)
        if self._source.text(start)[:1] not in ("'", '"', "\\"):
            return self._words.quoted(body, depth, 0)
        text = self._source.text(body)
        if not text.strip():
            # The parser takes a first line that starts with a backslash for arguments.
            text = self._source.between(start.end_byte, end.start_byte).partition("\n")[2]
        return text

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
            name = self._words.word(target, depth)
            for command in commands[-1:]:
                command.writes.append(name)
            if output is not None:
                name = name.removeprefix("./")
                self._script.files[name] = self._script.files.get(name, "") + output

    def _assign(self, node: Node, depth: int) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        written, _, index = (self._source.text(name) if name else "").partition("[")
        is_added = any(child.type == "+=" for child in node.children)
        if value is not None and value.type == "array":
            words = self._words.listed(value, depth + 1)
            self._variables.assign_list(written, words, is_added=is_added)
            return
        text = self._words.word(value, depth + 1) if value else ""
        if self._variables.expand("$" + written) is None:
            # `x=$x…` in the first round of a loop.
            text = text.replace(f"${{{written}}}", "").replace("$" + written, "")
        self._variables.assign(written, text, index.rstrip("]"), is_added=is_added)

    def _declaration(self, node: Node, depth: int) -> None:
        for child in node.named_children:
            if child.type == "variable_assignment":
                self._assign(child, depth)
            elif child.type in WORDS:
                self._words.word(child, depth + 1)
            else:
                self._walk(child, _NOTHING, depth + 1)

    def _function(self, node: Node, depth: int) -> None:
        # The grammar gives both a name and a body; broken text may end up in ERROR nodes instead.
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body") or node
        first = len(self._script.commands)
        self._sequence(body, _NOTHING, depth + 1)
        own = self._source.text(name) if name else ""
        self._functions[own] = body
        for command in self._script.commands[first:]:
            if command.words[:1] == [own] and own in command.feeders:
                self._script.is_recursive_pipe = True

    def _call(self, words: list[str], feed: _Feed, depth: int) -> str | None:
        """Run a function of the script with its own parameters."""
        body = self._functions[words[0]]
        if words[0] in self._active or not self._may_repeat(body):
            return None
        outer = self._variables.positional
        self._variables.positional = words[1:]
        self._active.append(words[0])
        output = self._sequence(body, feed, depth + 1)
        self._active.pop()
        self._variables.positional = outer
        return output

    def _may_repeat(self, node: Node) -> bool:
        self._repeatable -= node.end_byte - node.start_byte
        return self._repeatable >= 0

    def _loop(self, node: Node, feed: _Feed, depth: int) -> str | None:
        body = node.child_by_field_name("body") or node
        name, values = self._rounds(node, depth)
        outputs = []
        for value in values:
            if not self._may_repeat(body):
                break
            self._variables.assign(name, value)
            outputs.append(self._sequence(body, feed, depth + 1))
        if not outputs:
            self._sequence(body, feed, depth + 1)
            return None
        known = [output for output in outputs if output is not None]
        return "".join(known) if len(known) == len(values) else None

    def _rounds(self, node: Node, depth: int) -> tuple[str, list[str]]:
        """The variable of a loop and the values that it takes, none where they are unknown."""
        if node.type == "c_style_for_statement":
            return counted(self._source.text(node), self._variables)
        name = node.child_by_field_name("variable")
        words = [
            word
            for child in node.children_by_field_name("value")
            for word in self._words.split(child, depth + 1)
        ]
        if name is None or any(UNKNOWN in word or "$" in word for word in words):
            return "", []
        return self._source.text(name), words

    def _error(self, node: Node, feed: _Feed, depth: int) -> str | None:
        """Words that the parser could not place still count as a command."""
        words: list[str] = []
        for child in node.named_children:
            if child.type in WORDS:
                words += self._words.split(child, depth + 1)
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
            elif child.type in WORDS:
                words += self._words.split(child, depth + 1)
            else:
                self._walk(child, _NOTHING, depth + 1)
        # `"$@"` without parameters is no word at all.
        words = list(itertools.dropwhile(operator.not_, words))
        if words and words[0] in self._aliases:
            words = self._aliases[words[0]].split() + words[1:]
        command = self._new(node, words, feed)
        command.is_computed = bool(words) and UNKNOWN in words[0]
        command.substituted = self._names(first)
        self._script.commands.append(command)
        self._affect(words, feed)
        command.output = self._output(words, feed, depth)
        return command.output

    def _affect(self, words: list[str], feed: _Feed) -> None:
        assign(words, feed.text, self._variables)
        if words[:1] == ["alias"]:
            given = (word.partition("=") for word in words[1:])
            self._aliases.update((name, value) for name, sign, value in given if sign)

    def _output(self, words: list[str], feed: _Feed, depth: int) -> str | None:
        if not words:
            return ""
        if any(UNKNOWN in word for word in words):
            return None
        if words[0] in self._functions:
            return self._call(words, feed, depth)
        output = output_of(words, feed.text)
        if words[:2] == ["crontab", "-l"]:
            return ""  # what is there already does not matter
        if output is None and words[:1] == ["cat"] and len(words) == 2:
            output = self._script.content(words[1])
        return output

    def _new(self, node: Node, words: list[str], feed: _Feed) -> Command:
        return Command(words, *self._source.span(node), feed.text, feed.names)

    def _names(self, first: int) -> tuple[str, ...]:
        """Leading words of the latest commands: programs may stand behind wrappers."""
        return tuple(word for c in self._script.commands[first:] for word in c.words[:_NAMED])

    def _process(self, node: Node, depth: int) -> str:
        """Name the file that a process substitution is."""
        first = len(self._script.commands)
        outputs = [self._run(child, depth + 1) for child in node.named_children]
        names = self._names(first)
        self._substitutions += 1
        path = f"/dev/fd/{self._substitutions}{UNKNOWN}{' '.join(names)}"
        known = [output for output in outputs if output is not None]
        if len(known) == len(outputs):
            self._script.files[path] = "".join(known)
        return path
