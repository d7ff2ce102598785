"""YAML with a place for everything: text in, nodes with line and column out.

Nodes are composed, not constructed: no tag ever makes an object, every duplicate key is seen,
and every scalar knows where it stands. Anchors, aliases, tags and directives are refused, so
a small file stays small and reads the same in every YAML parser.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    TagToken,
    Token,
)

from callgate.canonical import Json
from callgate.errors import Fault, PolicyError

MAX_BYTES = 1024 * 1024

_MAX_DEPTH = 100
"""Far beyond any policy; the parser's own time grows with the square of the depth."""

_BEGIN = (
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingStartToken,
    FlowSequenceStartToken,
)
_END = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)

_REFUSED = {
    AliasToken: "aliases (`*name`) are not supported: write the value out",
    AnchorToken: "anchors (`&name`) are not supported: write the value out where it is used",
    TagToken: "tags (`!name`) are not supported: remove it",
    DirectiveToken: "directives (`%…`) are not supported: remove the line",
}
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(slots=True)
class Document:
    """Collects the faults of one file while it is read."""

    file: str
    faults: list[Fault] = field(default_factory=list)

    def fault(self, at: Node, message: str, *, line: int = 0, column: int = 0) -> None:
        """Note a fault at a node, moved by lines and columns."""
        mark = at.start_mark
        self.faults.append(
            Fault(self.file, mark.line + 1 + line, mark.column + 1 + column, message)
        )

    def entries(
        self, node: Node, known: Sequence[str], what: str, hints: dict[str, str] | None = None
    ) -> dict[str, tuple[Node, Node]]:
        """Return the mapping's entries by key, as nodes; faults for everything else.

        With `known` empty any key goes. The first of two equal keys stands.
        """
        if not isinstance(node, MappingNode):
            self.fault(node, f"{what} must be a mapping (`key: value` lines), not {kind(node)}")
            return {}
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            name = plain(key)
            if isinstance(value, ScalarNode) and not value.value and value.style is None:
                value.start_mark = key.end_mark  # nothing stands nowhere: point at its key
            if not isinstance(name, str):
                self.fault(key, f"a key of {what} must be a text: put it in quotes")
            elif name in found:
                first = found[name][0].start_mark.line + 1
                self.fault(key, f"duplicate key `{name}`, first on line {first}: remove one")
            elif known and name not in known:
                hint = (hints or {}).get(name) or nearest(name, known)
                self.fault(key, f"unknown key `{name}` in {what}: {hint}")
            else:
                found[name] = (key, value)
        return found

    def items(self, node: Node, what: str) -> list[Node]:
        """Return the list's items as nodes; a fault when it is no list."""
        if isinstance(node, SequenceNode):
            return list(node.value)
        self.fault(node, f"{what} must be a list (`- item` lines, or `[]`), not {kind(node)}")
        return []

    def text(self, node: Node, what: str) -> str | None:
        """Return a text; a fault and None when it is something else."""
        value = plain(node)
        if isinstance(value, str) and value:
            return value
        fix = "put it in quotes" if isinstance(value, int | float) else "write a text"
        self.fault(node, f"{what} must be a text, not {kind(node)}: {fix}")
        return None

    def choice(self, node: Node, what: str, choices: Sequence[str]) -> str | None:
        """Return one of the choices, whatever its case; a fault and None otherwise."""
        value = plain(node)
        if isinstance(value, str) and value.lower() in choices:
            return value.lower()
        self.fault(node, f"{what} must be {', '.join(choices[:-1])} or {choices[-1]}"
                   f", not {_shown(node)}{_suggestion(str(value).lower(), choices)}")  # fmt: skip
        return None


def compose(text: str, file: str) -> Node:
    """Parse YAML into nodes.

    Raises PolicyError for text that is not one plain YAML document.
    """
    if len(text) > MAX_BYTES:
        raise PolicyError([Fault(file, 1, 1, f"larger than {MAX_BYTES // 1024} KiB: split it")])
    try:
        if faults := list(_scanned(text, file)):
            raise PolicyError(faults)
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        raise PolicyError([_yaml_fault(error, text, file)]) from error
    if node is None:
        fix = "write one with `callgate policy init`, or `policies: []`"
        raise PolicyError([Fault(file, 1, 1, f"the file is empty: {fix}")])
    return node


def _scanned(text: str, file: str) -> Iterator[Fault]:
    """What no plain document has; nothing is said of what lies behind too deep a nesting."""
    depth = 0
    for token in YAML(typ="safe", pure=True).scan(text):
        depth += isinstance(token, _BEGIN) - isinstance(token, _END)
        if depth > _MAX_DEPTH:
            yield _at(token, file, "nested too deeply")
            return
        if problem := _REFUSED.get(type(token)):
            yield _at(token, file, problem)


def _at(token: Token, file: str, problem: str) -> Fault:
    mark = token.start_mark
    return Fault(file, mark.line + 1, mark.column + 1, problem)


def _yaml_fault(error: YAMLError, text: str, file: str) -> Fault:
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        problem = error.problem or error.context or "not YAML"
        if "'\\t'" in problem:
            problem = "a tab where YAML wants spaces: indent with spaces"
        elif problem == "but found another document":
            problem = "a second document (`---`): keep one per file"
        elif "mapping values are not allowed" in problem:
            problem = "a `:` where no key can be: check the indentation, or quote the value"
        return Fault(file, mark.line + 1, mark.column + 1, f"not YAML: {problem}")
    bad = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    before = text[: bad.start()] if bad else ""
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Fault(file, line, column, "a character that YAML does not allow: remove it")


def plain(node: Node) -> Json:
    """Turn a node into a plain value, by YAML 1.2's core rules; dates stay text.

    Duplicate keys: the last wins; `Document.entries` reports them.
    """
    if isinstance(node, MappingNode):
        return {str(plain(key)): plain(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.value]
    value = str(node.value)
    if not isinstance(node, ScalarNode) or node.style is not None:
        return value
    if value.lower() in _WORDS and (value in (value.lower(), value.title(), value.upper())):
        return _WORDS[value.lower()]
    return _number(value)


def _number(value: str) -> str | int | float:
    if re.fullmatch(r"[-+]?[0-9]{1,300}", value):
        return int(value)
    if re.fullmatch(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,21}", value):
        return int(value, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", value):
        return float(value)
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", value):
        return float(value.replace(".", ""))
    return value


def kind(node: Node) -> str:
    """Name a node's type for people."""
    match plain(node):
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case _:
            return "a text" if node.value else "an empty text"


def _shown(node: Node) -> str:
    return f"`{node.value}`" if isinstance(node, ScalarNode) and node.value else kind(node)


def nearest(name: str, known: Iterable[str]) -> str:
    """Say what a misspelt name may have meant, and what there is."""
    names = list(known)
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return (f"did you mean `{close[0]}`? " if close else "") + f"known are {', '.join(names)}"


def _suggestion(value: str, choices: Sequence[str]) -> str:
    meant = {"prompt": "require_approval", "ask": "require_approval", "approve": "require_approval",
             "block": "deny", "permit": "allow"}.get(value)  # fmt: skip
    close = [meant] if meant in choices else difflib.get_close_matches(value, choices, n=1)
    return f": did you mean `{close[0]}`?" if close else ""
