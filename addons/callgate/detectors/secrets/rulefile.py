"""Rules for secrets that a team brings along: files in gitleaks' TOML format.

Read are `id`, `description`, `regex`, `secretGroup`, `entropy`, `keywords` and the allow-lists'
`regexes`, `regexTarget`, `stopwords` and `condition`. A call's argument has no path and no
commit: rules with a `path` are left out and counted, and what allow-lists say of paths and
commits never applies. Rules that hold only beside others (`required`) are left out too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import re2

from callgate.detectors import values
from callgate.detectors.base import Text
from callgate.detectors.pattern import Pattern, pattern, secret_span
from callgate.detectors.secrets.prefilter import Prefilter
from callgate.errors import Fault, PolicyError
from callgate.model import Finding, Reason

CONFIDENCE = 0.8
"""Of what a rule finds: who wrote it wants it acted on."""

_PLACEHOLDER = re.compile(r"\[?REDACTED:[A-Z0-9_]{1,60}\]?")
_TARGETS = ("secret", "match", "line")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one allow-list lets pass: all of its conditions, or any of them."""

    regexes: tuple[Pattern, ...]
    stopwords: tuple[str, ...]
    target: str
    needs_all: bool
    is_about_files: bool

    def covers(self, secret: str, match: str, line: str) -> bool:
        """Tell whether a finding is let pass."""
        subject = {"secret": secret, "match": match, "line": line}[self.target]
        folded = secret.lower()
        answers = []
        if self.regexes:
            answers.append(any(regex.search(subject) for regex in self.regexes))
        if self.stopwords:
            answers.append(any(word in folded for word in self.stopwords))
        if self.needs_all:
            return bool(answers) and all(answers) and not self.is_about_files
        return any(answers)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a file, compiled."""

    kind: str
    description: str
    regex: Pattern
    group: int
    entropy: float
    allowances: tuple[Allowance, ...]


class Rules:
    """Rules of a file; as a detector it yields reason SECRET_DETECTED."""

    name = "secrets"

    def __init__(
        self, rules: Sequence[tuple[Sequence[str], str, Rule]] = (), left_out: int = 0
    ) -> None:
        """Each rule comes with its keywords and its expression."""
        self.count = len(rules)
        self.left_out = left_out
        """Rules about what a call has not: the path of a file, findings elsewhere in it."""
        self._rules = Prefilter(rules)

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`. Kinds are the rules' ids in capitals: `GENERIC_API_KEY`."""
        if not self.count:
            return
        for rule in self._rules.candidates(text.value):
            for match in rule.regex.finditer(text.value):
                start, end = match.span(rule.group) if rule.group else secret_span(match)
                if end > start and _stands(rule, text.value, match.span(), (start, end)):
                    why = f"looks like a credential: {rule.description}"
                    yield Finding(
                        rule.kind, Reason.SECRET_DETECTED, text.path, start, end, CONFIDENCE, why
                    )


def read_rules(text: str, file: str) -> Rules:
    """Read a file of rules; raises PolicyError with every fault."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = map(int, found.groups()) if found else (text.count("\n") + 1, 1)
        raise PolicyError([Fault(file, line, column, f"not TOML: {error}")]) from error
    reader = _Reader(text, file)
    rules = reader.rules(table)
    if reader.faults:
        raise PolicyError(reader.faults)
    return rules


def _stands(rule: Rule, text: str, whole: tuple[int, int], secret: tuple[int, int]) -> bool:
    value = text[secret[0] : secret[1]]
    if not _PLACEHOLDER.sub("", value):
        return False
    if rule.entropy and values.entropy(value) <= rule.entropy:
        return False
    last = text.find("\n", whole[1])
    line = text[text.rfind("\n", 0, whole[0]) + 1 : last if last >= 0 else len(text)]
    match = text[whole[0] : whole[1]]
    return not any(allowance.covers(value, match, line) for allowance in rule.allowances)


@dataclass(slots=True)
class _Reader:
    text: str
    file: str
    faults: list[Fault] = field(default_factory=list)

    def rules(self, table: dict[str, Any]) -> Rules:
        if "extend" in table:
            self._fault("", "`extend` is not followed: take it out, and name the whole file")
        for_all = self._allowances(table, "")
        found, left_out = [], 0
        for entry in self._tables(table, "rules", ""):
            if "path" in entry or "required" in entry:
                left_out += 1
            elif rule := self._rule(entry, for_all):
                found.append(rule)
        if not found and not left_out and not self.faults:
            self._fault("", "has no rules: add `[[rules]]` with `id` and `regex`")
        return Rules(found, left_out)

    def _rule(
        self, entry: dict[str, Any], for_all: tuple[Allowance, ...]
    ) -> tuple[tuple[str, ...], str, Rule] | None:
        name = self._text(entry, "id", "")
        if not name:
            self._fault("", "a rule has no `id`: add one")
            return None
        expression = self._text(entry, "regex", name)
        compiled = self._pattern(expression, name) if expression else None
        if not expression:
            self._fault(name, "has no `regex`: add one")
        group, entropy = entry.get("secretGroup", 0), entry.get("entropy", 0.0)
        if type(group) is not int or not 0 <= group <= (compiled.groups if compiled else group):
            self._fault(name, "`secretGroup` must be the number of a group of `regex`")
            return None
        if type(entropy) not in (int, float):
            self._fault(name, "`entropy` must be a number")
            return None
        words = tuple(word.lower() for word in self._texts(entry, "keywords", name))
        allowances = (*self._allowances(entry, name), *for_all)
        if compiled is None:
            return None
        kind = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "RULE"
        kind = kind if kind[0].isalpha() else f"RULE_{kind}"
        description = self._text(entry, "description", name) or name
        rule = Rule(kind, description, compiled, group, float(entropy), allowances)
        return words, expression, rule

    def _allowances(self, entry: dict[str, Any], name: str) -> tuple[Allowance, ...]:
        entries = self._tables(entry, "allowlists", name)
        if "allowlist" in entry:
            entries += self._tables({"allowlist": [entry["allowlist"]]}, "allowlist", name)
        return tuple(self._allowance(found, name) for found in entries)

    def _allowance(self, entry: dict[str, Any], name: str) -> Allowance:
        target = self._text(entry, "regexTarget", name) or "secret"
        condition = (self._text(entry, "condition", name) or "or").lower()
        if target not in _TARGETS:
            self._fault(name, f"`regexTarget` must be one of {', '.join(_TARGETS)}")
            target = "secret"
        if condition not in ("and", "&&", "or", "||"):
            self._fault(name, "`condition` must be AND or OR")
        regexes = [self._pattern(text, name) for text in self._texts(entry, "regexes", name)]
        words = tuple(word.lower() for word in self._texts(entry, "stopwords", name))
        return Allowance(
            tuple(regex for regex in regexes if regex is not None),
            words,
            target,
            condition in ("and", "&&"),
            "paths" in entry or "commits" in entry,
        )

    def _pattern(self, expression: str, name: str) -> Pattern | None:
        try:
            return pattern(expression)
        except re2.error as error:
            why = error.args[0].decode("utf-8", "replace")
            self._fault(name, f"`{expression[:60]}` is no expression of RE2: {why}")
            return None

    def _text(self, entry: dict[str, Any], key: str, name: str) -> str:
        value = entry.get(key, "")
        if not isinstance(value, str):
            self._fault(name, f"`{key}` must be a text")
            return ""
        return value

    def _texts(self, entry: dict[str, Any], key: str, name: str) -> list[str]:
        found = entry.get(key, [])
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            self._fault(name, f"`{key}` must be a list of texts")
            return []
        return found

    def _tables(self, entry: dict[str, Any], key: str, name: str) -> list[dict[str, Any]]:
        found = entry.get(key, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            self._fault(name, f"`{key}` must be tables: write `[[{key}]]`")
            return []
        return found

    def _fault(self, name: str, message: str) -> None:
        at = re.search(rf"""(?m)^\s*id\s*=\s*["']+{re.escape(name)}["']""", self.text)
        line = self.text.count("\n", 0, at.end()) + 1 if name and at else 1
        what = f"rule `{name}`: {message}" if name else message
        self.faults.append(Fault(self.file, line, 1, what))
