r"""Constraints: what the arguments of a call must be for its rule.

| constraint | holds when |
|---|---|
| `max_X: 500`, `min_X: 1` | field X is a number, at most / at least this |
| `max_size_bytes: 50000` | all strings of the arguments together take at most so many bytes |
| `timeout_X: 30000` | field `timeout_X` is a number, at most this |
| `allowed_Xs: "a\|b"` or `[a, b]` | field X (or Xs) is one of these; a list: every element |
| `blocked_Xs: "a\|b"` or `[a, b]` | field X (or Xs) is none of these, however spelled |
| `blocked_imports: [os, socket]` | no string has one of these words, nor `exec`, `importlib` … |
| `date_range_max_days: 90` | start and end dates lie in order, not further apart |
| `X_pattern: "src/**\|docs/*"` | field X matches; `*` stays between slashes, `**` does not |
| `exclude_pattern: "**/.env"` | the fields of the rule's `X_pattern`, else all, do not match |
| `X: "a\|b"`, `X: 5`, `X: true` | field X equals this, or one of the alternatives |

Fields are those of the arguments' top level; `order_id`, `orderId` and `ORDER_ID` are one
field, and where several are given, all count. `path_pattern` also looks at `file_path`,
`source_path` …, `url_pattern` at `base_url` and so on; several constraints must all hold.
In globs `..` never matches, `src/` means `src/**`; in a `command_pattern` `*` stops at what
ends a command (`;`, `|`, `&`, `$` …); a `url_pattern` never matches another host or port.

What cannot be told fails: a field that is missing or null, a value of another type (a
numeric string or a boolean is no number), NaN and infinities, integers beyond 2^53, text
that is not Unicode, arguments that are no object. In a rule that allows or asks for
approval, a constraint that fails or cannot be told is a denial. In a rule that denies, the
rule applies unless one of its constraints plainly fails, and values are compared as a reader
sees them: case, accents, look-alike letters, quoting and white space do not matter there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from callgate.canonical import Json
from callgate.policy.checks import (
    Check,
    Scalar,
    at_least,
    at_most,
    excluded,
    matching,
    none_of,
    one_of,
    size_at_most,
    without_imports,
)
from callgate.policy.dates import date_range
from callgate.policy.fields import Fields, both_numbers, normal
from callgate.policy.truth import Outcome, Truth

KNOWN_FORMS = (
    "max_X, min_X, allowed_Xs, blocked_Xs, blocked_imports, date_range_max_days, X_pattern, "
    "exclude_pattern, max_size_bytes, timeout_X, or a field's own name with the value it must have"
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Names that would pass for a field's own name but are meant as something else.
_MISTAKES = (
    (re.compile(r"(max|min|allowed|blocked)"), "names no field: write `{0}_amount`, for instance"),
    (re.compile(r"allow_(.+)|one_of_(.+)"), "is unknown: `allowed_…`"),
    (re.compile(r"(?:block|deny|denied|forbidden|disallowed|exclude|excluded)_(.+)"),
     "is unknown: `blocked_…`"),
    (re.compile(r"(?:maximum|minimum|lt|gt|lte|gte)_(.+)"), "is unknown: `max_…`, `min_…`"),
    (re.compile(r".+_(?:patterns|globs?|regexp?|match|matches)"), "is unknown: `…_pattern`"),
    (re.compile(r".+_(?:max|min)"), "is unknown: `max_…`, `min_…`"),
    (re.compile(r"(?!date_range_max_days$)(?:date_?range|range|date).*_days?"),
     "is unknown: `date_range_max_days`"),
    (re.compile(r"rate_limit.*|max_per_.*|max_calls.*|.+_per_(?:second|minute|hour|day)"),
     "would need a counter, which policies do not keep"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Constraint:
    """One compiled constraint."""

    name: str
    check: Check = field(repr=False, compare=False)

    def test(self, fields: Fields, *, strict: bool) -> Outcome:
        """Tell whether it holds; strict for rules that let through, else for those that deny."""
        if not isinstance(fields.arguments, dict):
            return Outcome(Truth.UNKNOWN, f"`{self.name}`: the arguments are not an object")
        outcome = self.check(fields, strict)
        return Outcome(outcome.truth, f"`{self.name}`: {outcome.why}" if outcome.why else "")


def compile_constraint(name: str, wanted: Json, siblings: Iterable[str] = ()) -> Constraint:
    """Compile one entry of `constraints:`; siblings are the names beside it.

    Raises ValueError with what is wrong and the fix.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"`{name}` is not a field's name: known forms are {KNOWN_FORMS}")
    key = name.lower()
    for mistake, hint in _MISTAKES:
        if key != "exclude_pattern" and mistake.fullmatch(key):
            raise ValueError(f"`{name}` {hint.format(key)}; known forms are {KNOWN_FORMS}")
    return Constraint(name, _compile(key, name, wanted, siblings))


def _compile(key: str, name: str, wanted: Json, siblings: Iterable[str]) -> Check:
    match key.partition("_"):
        case _ if key == "max_size_bytes":
            return size_at_most(_number(name, wanted))
        case _ if key == "date_range_max_days":
            return date_range(_number(name, wanted))
        case _ if key == "blocked_imports":
            return without_imports([str(choice) for choice in _choices(name, wanted)])
        case _ if key == "exclude_pattern":
            return excluded(_text(name, wanted), siblings)
        case _ if key.endswith("_pattern"):
            return matching(key.removesuffix("_pattern"), _text(name, wanted), name)
        case "max" | "timeout" as prefix, "_", rest:
            names = [normal(key)] + ([normal(rest)] if prefix == "max" else [])
            return at_most(names, _number(name, wanted))
        case "min", "_", rest:
            return at_least([normal(rest), normal(key)], _number(name, wanted))
        case "allowed", "_", rest:
            return one_of(both_numbers(rest), _choices(name, wanted))
        case "blocked", "_", rest:
            return none_of(both_numbers(rest), _choices(name, wanted))
        case _:
            return one_of([normal(name)], _choices(name, wanted))


def _number(name: str, wanted: Json) -> int | float:
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not math.isfinite(wanted):
        raise ValueError(f"`{name}` must be a number, without quotes")
    return wanted


def _text(name: str, wanted: Json) -> str:
    if not isinstance(wanted, str) or not wanted:
        raise ValueError(f'`{name}` must be a text with a glob, such as "output/**"')
    return wanted


def _choices(name: str, wanted: Json) -> list[Scalar]:
    if isinstance(wanted, str):
        wanted = [choice.strip() for choice in wanted.split("|")]
    choices: list[Scalar] = []
    for choice in wanted if isinstance(wanted, list) else [wanted]:
        if choice is None or choice == "" or isinstance(choice, dict | list):
            raise ValueError(f'`{name}` must be a value, "a|b|c" or a list of values, none empty')
        choices.append(choice)
    if not choices:
        raise ValueError(f"`{name}` is an empty list: nothing could ever match it")
    return choices
