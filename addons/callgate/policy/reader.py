"""From YAML to compiled rules, with every fault reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from callgate.canonical import Json
from callgate.errors import PolicyError
from callgate.hosts import Pattern
from callgate.model import Effect, SurfaceName
from callgate.policy.condition import Condition, ConditionError
from callgate.policy.constraints import Constraint, compile_constraint
from callgate.policy.document import Document, compose, kind, plain
from callgate.policy.meanings import Meanings, RuleFile, read_meanings, read_rule_file
from callgate.policy.names import Glob, ToolPattern, glob_problem
from callgate.policy.rules import Rule, Section

_TOP = (
    "version",
    "name",
    "description",
    "default",
    "policies",
    "settings",
    "detectors",
    "own_domains",
)
_SELECTORS = {
    "assistant_id": "assistant",
    "agent": "agent",
    "model": "model",
    "surface": "surface",
}
_SECTION = ("name", "description", *_SELECTORS, "actions")
_ACTION = ("tool", "effect", "constraints", "when", "name", "description", "reason")
_EFFECTS = ("allow", "deny", "require_approval")

_HINTS = {
    "rules": "this is another form of SafeClaw's files; write `policies:` with `actions:`",
    "defaultAction": "write `default:`",
    "mode": "settings go below `settings:`",
}
_SECTION_HINTS = {"assistant": "write `assistant_id:`", "rules": "write `actions:`"}
_ACTION_HINTS = {"decision": "write `effect:`", "action": "write `tool:`"}


@dataclass(frozen=True, slots=True)
class Content:
    """What a policy file says."""

    default: Effect = Effect.ALLOW
    sections: tuple[Section, ...] = ()
    """Most specific first, then in file order."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    detectors: Mapping[str, Meanings] = field(default_factory=dict)
    rule_file: RuleFile | None = None
    own_domains: tuple[str, ...] = ()
    """`HOST` or `*.HOST`: what is inside; without any nothing is."""


def read(text: str, file: str) -> Content:
    """Read a policy file.

    Raises PolicyError with every fault, in file order.
    """
    root = compose(text, file)
    document = Document(file)
    content = _Reader(document).content(root)
    if document.faults:
        own_first = sorted(document.faults, key=lambda f: (f.file != file, f.line, f.column))
        raise PolicyError(own_first)
    return content


@dataclass(frozen=True, slots=True)
class _Reader:
    document: Document

    def content(self, root: Node) -> Content:
        entries = self.document.entries(root, _TOP, "the file", _HINTS)
        default = Effect.ALLOW
        if "default" in entries:
            default = self._effect(entries["default"][1], "`default`") or default
        if "version" in entries and plain(entries["version"][1]) != 1:
            self.document.fault(entries["version"][1], "`version` must be 1: there is no other")
        sections = []
        if "policies" in entries:
            items = self.document.items(entries["policies"][1], "`policies`")
            sections = [self._section(item, index) for index, item in enumerate(items, 1)]
        return Content(
            default,
            tuple(sorted(sections, key=lambda section: section.specificity, reverse=True)),
            self._settings(entries),
            read_meanings(self.document, entries["detectors"][1]) if "detectors" in entries else {},
            read_rule_file(self.document, entries["detectors"][1])
            if "detectors" in entries
            else None,
            self._domains(entries["own_domains"][1]) if "own_domains" in entries else (),
        )

    def _domains(self, node: Node) -> tuple[str, ...]:
        found = []
        for item in self.document.items(node, "`own_domains`"):
            text = self.document.text(item, "a domain")
            if text is None:
                continue
            try:
                has_port = Pattern.parse(text).port is not None
            except ValueError:
                has_port = True
            if has_port:
                self.document.fault(item, f"`{text}` is no domain: write `HOST` or `*.HOST`")
            else:
                found.append(text)
        return tuple(found)

    def _settings(self, entries: Mapping[str, tuple[Node, Node]]) -> dict[str, Json]:
        if "settings" not in entries:
            return {}
        found = self.document.entries(entries["settings"][1], (), "`settings`")
        for _, node in found.values():
            self._find_duplicates(node)
        return {name: plain(node) for name, (_, node) in found.items()}

    def _find_duplicates(self, node: Node) -> None:
        if isinstance(node, MappingNode):
            for _, value in self.document.entries(node, (), "`settings`").values():
                self._find_duplicates(value)
        elif isinstance(node, SequenceNode):
            for item in node.value:
                self._find_duplicates(item)

    def _effect(self, node: Node, what: str) -> Effect | None:
        choice = self.document.choice(node, what, _EFFECTS)
        return Effect(choice.upper()) if choice else None

    def _section(self, node: Node, index: int) -> Section:
        entries = self.document.entries(node, _SECTION, "a policy", _SECTION_HINTS)
        name = f"policy {index}"
        if "name" in entries:
            name = self.document.text(entries["name"][1], "`name`") or name
        rules: list[Rule] = []
        if "actions" in entries:
            for item in self.document.items(entries["actions"][1], "`actions`"):
                rules += self._rule(item, name)
        elif isinstance(node, MappingNode):
            self.document.fault(node, f"policy `{name}` has no `actions`: add a list, or `[]`")
        return Section(name, self._selectors(entries), tuple(rules))

    def _selectors(self, entries: Mapping[str, tuple[Node, Node]]) -> dict[str, Glob]:
        found = {}
        for key, variable in _SELECTORS.items():
            if key not in entries:
                continue
            node = entries[key][1]
            if key == "surface":
                text = self.document.choice(node, "`surface`", [str(name) for name in SurfaceName])
            else:
                text = self._glob(node, f"`{key}`")
            if text is not None:
                found[variable] = Glob.of(text)
        return found

    def _glob(self, node: Node, what: str) -> str | None:
        text = self.document.text(node, what)
        if text is not None and (problem := glob_problem(text)):
            self.document.fault(node, f"{what} {problem}")
            return None
        return text

    def _rule(self, node: Node, policy: str) -> list[Rule]:
        entries = self.document.entries(node, _ACTION, "an action", _ACTION_HINTS)
        for key in ("tool", "effect"):
            if key not in entries and isinstance(node, MappingNode):
                self.document.fault(node, f"an action of `{policy}` has no `{key}`: add one")
        tool = self._glob(entries["tool"][1], "`tool`") if "tool" in entries else None
        effect = self._effect(entries["effect"][1], "`effect`") if "effect" in entries else None
        constraints = (
            self._constraints(entries["constraints"][1]) if "constraints" in entries else ()
        )
        condition = self._condition(entries["when"][1]) if "when" in entries else None
        if tool is None or effect is None:
            return []
        place = f"{PurePath(self.document.file).name}:{node.start_mark.line + 1}"
        lets_pass = effect is Effect.ALLOW
        pattern = ToolPattern.of(tool, folds=not lets_pass, allows=lets_pass)
        return [Rule(f"{policy}/{tool}", place, pattern, effect, constraints, condition)]

    def _constraints(self, node: Node) -> tuple[Constraint, ...]:
        entries = self.document.entries(node, (), "`constraints`")
        found = []
        for name, (key, value) in entries.items():
            wanted = plain(value)
            if isinstance(value, MappingNode):
                self.document.fault(value, f"`{name}` must be a value or a list, not {kind(value)}")
                continue
            try:
                found.append(compile_constraint(name, wanted, entries))
            except ValueError as error:
                at = value if str(error).startswith((f"`{name}` must", "the glob")) else key
                self.document.fault(at, str(error))
        return tuple(found)

    def _condition(self, node: Node) -> Condition | None:
        if isinstance(node, SequenceNode) or (text := self.document.text(node, "`when`")) is None:
            if isinstance(node, SequenceNode):
                self.document.fault(node, "`when` must be one CEL expression: join them with `&&`")
            return None
        try:
            return Condition.compile(text.rstrip())
        except ConditionError as error:
            line, column = _shift(node, error)
            self.document.fault(node, f"`when`: {error}", line=line, column=column)
            return None


def _shift(node: Node, error: ConditionError) -> tuple[int, int]:
    """Lines and columns from the node's start to the place inside its text."""
    if not isinstance(node, ScalarNode) or node.style in ("|", ">"):
        # indentation is gone from a block's text: only the line is known
        return error.line, -node.start_mark.column
    quote = 1 if node.style in ('"', "'") else 0
    return 0, error.column - 1 + quote if error.line == 1 else 0
