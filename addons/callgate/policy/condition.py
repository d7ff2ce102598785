"""Conditions: the `when:` of a rule, in CEL (Common Expression Language)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callgate.policy.truth import HOLDS, Outcome, Truth

if TYPE_CHECKING:
    import cel

VARIABLES = ("args", "tool", "assistant", "agent", "model", "surface")
FUNCTIONS = frozenset(
    (
        *("size", "contains", "startsWith", "endsWith", "matches"),
        *("int", "uint", "double", "string", "bytes", "type", "dyn", "timestamp", "duration"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    )
)

_PLACE = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")
_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\s*\(\s*(\w+)\s*,")
_EXPECTING = re.compile(r" expecting \{.*", re.DOTALL)

# What the library raises for expressions that cannot be evaluated: missing keys, types,
# overflow, division by zero, values with no CEL form.
_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


class ConditionError(ValueError):
    """An expression that does not compile; line and column count from 1 inside it."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Condition:
    """One compiled expression."""

    source: str
    program: cel.Program = field(repr=False, compare=False)
    needs_arguments: bool

    @classmethod
    def compile(cls, source: str) -> Condition:
        """Compile an expression that uses only known variables and functions.

        Raises ConditionError with the place.
        """
        import cel  # here: its own command line comes along, a tenth of every start

        try:
            program = cel.compile(source)
        except ValueError as error:
            raise _located(str(error)) from error
        variables = set(program.variables()) - set(_BOUND.findall(source))
        for name in sorted(variables - set(VARIABLES)):
            message = f"unknown variable `{name}`; there are {', '.join(VARIABLES)}"
            raise _at(source, name, message)
        for name in program.functions():
            if name[0].isalpha() and name not in FUNCTIONS:
                raise _at(source, name, f"unknown function `{name}()`")
        return cls(source, program, "args" in variables)

    def holds(self, variables: Mapping[str, object]) -> Outcome:
        """Evaluate; an error or a value that is not a boolean is UNKNOWN."""
        try:
            value: object = self.program.execute(dict(variables))
        except _ERRORS as error:
            return Outcome(Truth.UNKNOWN, f"`when` could not be evaluated ({_kind(error)})")
        if value is True:
            return HOLDS
        if value is False:
            return Outcome(Truth.FAILS, "`when` is false")
        return Outcome(Truth.UNKNOWN, "`when` is neither true nor false")


def _kind(error: Exception) -> str:
    """Say what went wrong without the argument's value."""
    match error:
        case KeyError():
            return f"no field {error.args[0]!r}" if error.args else "a field is missing"
        case OverflowError():
            return "overflow"
        case ZeroDivisionError():
            return "division by zero"
        case TypeError():
            return "wrong type"
        case _:
            return "a value has no CEL form"


def _located(text: str) -> ConditionError:
    place = _PLACE.search(text)
    if place is None:
        return ConditionError(f"not a CEL expression: {text.splitlines()[0]}")
    problem = _EXPECTING.sub("", place[3])
    return ConditionError(f"not a CEL expression: {problem}", int(place[1]), int(place[2]))


def _at(source: str, name: str, message: str) -> ConditionError:
    found = re.search(rf"\b{re.escape(name)}\b", source)
    before = source[: found.start()] if found else ""
    return ConditionError(message, before.count("\n") + 1, len(before) - before.rfind("\n"))
