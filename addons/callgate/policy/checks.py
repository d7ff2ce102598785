"""The checks behind constraints: arguments in, a three-valued answer out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from callgate.canonical import Json
from callgate.policy.fields import Fields, both_numbers, normal
from callgate.policy.names import fold
from callgate.policy.patterns import Kind, Pattern, kind_of
from callgate.policy.truth import HOLDS, Outcome, Truth, combined

type Scalar = str | int | float | bool
type Check = Callable[[Fields, bool], Outcome]

# Beyond it JavaScript, and whoever else reads numbers as doubles, sees another number.
_EXACT_LIMIT = 2**53

# Python's other ways to an import, which a blocked name could hide behind.
_IMPORTERS = (
    *("__import__", "importlib", "imp", "runpy", "exec", "eval", "compile"),
    *("builtins", "__builtins__", "__loader__", "__globals__", "__subclasses__"),
)


def _each(values: list[Json], strict: bool, test: Callable[[Json], Outcome]) -> Outcome:
    """Ask for every value, and every element of a list; no value at all is UNKNOWN."""
    if not values:
        return Outcome(Truth.UNKNOWN, "the field is missing")
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return combined(map(test, flat), strict=strict)


def _is_ambiguous(value: int | float) -> bool:
    return not math.isfinite(value) if isinstance(value, float) else abs(value) > _EXACT_LIMIT


_AMBIGUOUS = Outcome(Truth.UNKNOWN, "the number is not one that every program reads alike")


def at_most(names: list[str], bound: int | float) -> Check:
    """Number fields must not exceed the bound."""
    above = Outcome(Truth.FAILS, f"the field is more than {bound}")
    return _compared(names, lambda value: HOLDS if value <= bound else above)


def at_least(names: list[str], bound: int | float) -> Check:
    """Number fields must reach the bound."""
    below = Outcome(Truth.FAILS, f"the field is less than {bound}")
    return _compared(names, lambda value: HOLDS if value >= bound else below)


def _compared(names: list[str], compare: Callable[[int | float], Outcome]) -> Check:
    def test(value: Json) -> Outcome:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Outcome(Truth.UNKNOWN, "the field is not a number")
        return _AMBIGUOUS if _is_ambiguous(value) else compare(value)

    def check(fields: Fields, strict: bool) -> Outcome:
        values = fields.values(names)
        if any(isinstance(value, list) for value in values):
            return Outcome(Truth.UNKNOWN, "the field is a list, not a number")
        return _each(values, strict, test)

    return check


def size_at_most(max_bytes: int | float) -> Check:
    """All strings of the arguments together must fit; a size that the model states is not asked."""
    above = Outcome(Truth.FAILS, f"the arguments exceed {max_bytes} bytes")

    def check(fields: Fields, strict: bool) -> Outcome:
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in fields.strings())
        return HOLDS if size <= max_bytes else above

    return check


def one_of(names: list[str], wanted: list[Scalar]) -> Check:
    """Fields must equal one of the values; `1` and `1.0` are equal, `1`, `true` and "1" not.

    Only alternatives written as one text, `"1|2"`, also mean whole numbers.
    """
    shown = "|".join(map(str, wanted))
    texts = {choice for choice in wanted if isinstance(choice, str)}
    booleans = {choice for choice in wanted if isinstance(choice, bool)}
    numbers = {c for c in wanted if isinstance(c, int | float) and not isinstance(c, bool)}
    folded = {fold(_spelled(choice)) for choice in wanted}

    def same(value: Scalar) -> bool:
        if isinstance(value, str):
            return value in texts
        if isinstance(value, bool):
            return value in booleans
        return value in numbers or (isinstance(value, int) and str(value) in texts)

    def test(value: Json, strict: bool) -> Outcome:
        if value is None or isinstance(value, dict | list):
            return Outcome(Truth.UNKNOWN, "the field is neither text nor number nor boolean")
        if isinstance(value, int | float) and _is_ambiguous(value):
            return _AMBIGUOUS
        if same(value) if strict else fold(_spelled(value)) in folded:
            return Outcome(Truth.HOLDS, f"the field is one of {shown}")
        return Outcome(Truth.FAILS, f"the field is none of {shown}")

    def check(fields: Fields, strict: bool) -> Outcome:
        return _each(fields.values(names), strict, lambda value: test(value, strict))

    return check


def _spelled(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def none_of(names: list[str], wanted: list[Scalar]) -> Check:
    """Fields must equal none of the values."""
    check = one_of(names, wanted)
    return lambda fields, strict: check(fields, not strict).inverted()


def without_imports(names: list[str]) -> Check:
    """No string may have one of the words, in code or beside it."""
    blocked = {fold(name) for name in (*names, *_IMPORTERS)}

    def check(fields: Fields, strict: bool) -> Outcome:
        for text in fields.strings():
            for word in re.findall(r"\w+", text):
                if fold(word) in blocked:
                    return Outcome(Truth.FAILS, "the arguments name a blocked import")
        return HOLDS

    return check


# Names that stand at the end of longer ones (`file_path`), and of few others.
_SUFFIXES = frozenset(("path", "url", "uri", "command", "recipient", "email", "domain", "hostname"))


def _values_for(field: str) -> Callable[[Fields], list[Json]]:
    """Find the fields that a pattern constraint looks at."""
    base, exact = normal(field), both_numbers(field)
    if base in _SUFFIXES:
        return lambda fields: fields.ending_in((base, base + "s"))
    return lambda fields: fields.values(exact)


def matching(field: str, glob: str, name: str) -> Check:
    """Text fields must match the glob; `name` is the constraint's, for errors.

    Raises ValueError for a bad glob.
    """
    kind = kind_of(field)
    pattern = _pattern(kind, glob, name)
    values_of = _values_for(field)

    def check(fields: Fields, strict: bool) -> Outcome:
        return _each(values_of(fields), strict, lambda value: _test_text(pattern, value, strict))

    return check


def _pattern(kind: Kind, glob: str, name: str) -> Pattern:
    try:
        return Pattern.of(kind, glob)
    except ValueError as error:
        raise ValueError(f"the glob of `{name}` {error}") from error


def _test_text(pattern: Pattern, value: Json, strict: bool) -> Outcome:
    if not isinstance(value, str):
        return Outcome(Truth.UNKNOWN, "the field is not a text")
    outcome = pattern.test(value, strict=strict)
    return Outcome(outcome.truth, f"the field {outcome.why}") if outcome.why else outcome


def excluded(glob: str, siblings: Iterable[str]) -> Check:
    """What the `X_pattern` constraints beside it look at, else any string, must not match.

    Raises ValueError for a bad glob.
    """
    names = [s.lower().removesuffix("_pattern") for s in siblings if s.lower().endswith("_pattern")]
    checks = [matching(name, glob, "exclude_pattern") for name in names if name != "exclude"]
    pattern = _pattern(Kind.PATH, glob, "exclude_pattern")

    def anywhere(fields: Fields, strict: bool) -> Outcome:
        outcomes = [_test_text(pattern, text, strict) for text in fields.strings()]
        return combined(outcomes, strict=strict) if outcomes else Outcome(Truth.FAILS)

    def check(fields: Fields, strict: bool) -> Outcome:
        found = [test(fields, not strict) for test in checks or [anywhere]]
        return combined(found, strict=not strict).inverted()

    return check
