"""One rule of a policy, and what it says of one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from callgate.model import Effect
from callgate.policy.condition import Condition
from callgate.policy.constraints import Constraint
from callgate.policy.fields import Fields
from callgate.policy.names import Glob, ToolPattern
from callgate.policy.truth import Truth


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy says of a call; ALLOW means that it has no objection."""

    effect: Effect
    reasons: tuple[str, ...]
    rule: str
    """`POLICY/TOOL` of the rule that decided, or `default`."""
    explanation: str
    """For people; names fields and limits, never an argument's value."""
    tried: tuple[str, ...]
    """The rules for this tool in the order tried, each with what came of it."""
    place: str = ""
    """`FILE:LINE` of the rule; empty for the default."""


class Answer(StrEnum):
    """What a rule says of a call whose tool it names."""

    APPLIES = "applies"
    REFUSES = "refuses"
    """It would let the call through, but a constraint is not met."""
    PASSES = "passes"
    """Not for this call: go on."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """A rule's answer and why."""

    answer: Answer
    why: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """A call as rules see it; `fields` is None for a tool that runs at the API."""

    variables: Mapping[str, object]
    fields: Fields | None

    @property
    def doubt(self) -> str:
        """Why the arguments can not be told for sure; empty where they can."""
        if self.fields is None:
            return "needs arguments, which only the API sees"
        is_ambiguous = self.fields.has_two_readings()
        return "depends on fields that differ in case only" if is_ambiguous else ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One action of a policy, compiled."""

    name: str
    """`POLICY/TOOL`."""
    place: str
    """`FILE:LINE`."""
    tool: ToolPattern
    effect: Effect
    constraints: tuple[Constraint, ...] = ()
    condition: Condition | None = None

    def ask(self, subject: Subject) -> Opinion:
        """Say whether the rule applies to a call of its tool.

        What cannot be told never opens a door: it counts as fulfilled in a rule that denies
        or asks for approval, as not fulfilled in one that allows; a constraint of a rule that
        lets through must hold beyond doubt.
        """
        doubt = ""
        if self.condition is not None:
            if self.condition.needs_arguments and subject.doubt:
                truth, why = Truth.UNKNOWN, f"`when` {subject.doubt}"
            else:
                outcome = self.condition.holds(subject.variables)
                truth, why = outcome.truth, outcome.why
            if truth is Truth.FAILS or (truth is Truth.UNKNOWN and self.effect is Effect.ALLOW):
                return Opinion(Answer.PASSES, why)
            doubt = why
        return self._check(subject.fields, doubt)

    def is_alternative_to(self, other: Rule) -> bool:
        """Tell whether it may still let through what a constraint of the other refuses."""
        lets_through = self.effect is not Effect.DENY and bool(self.constraints)
        return lets_through and self.tool.text == other.tool.text

    def _check(self, fields: Fields | None, doubt: str) -> Opinion:
        denies = self.effect is Effect.DENY
        for constraint in self.constraints:
            if fields is None:
                truth = Truth.UNKNOWN
                why = f"`{constraint.name}` needs arguments, which only the API sees"
            else:
                outcome = constraint.test(fields, strict=not denies)
                truth, why = outcome.truth, outcome.why
            if not denies and truth is not Truth.HOLDS:
                return Opinion(Answer.REFUSES, why)
            if denies and truth is Truth.FAILS:
                return Opinion(Answer.PASSES, why)
            doubt = doubt or why
        return Opinion(Answer.APPLIES, doubt)


@dataclass(frozen=True, slots=True)
class Section:
    """One policy of a file: whose calls it is for, and its rules in file order."""

    name: str
    selectors: Mapping[str, Glob]
    """By the variable they look at: `assistant`, `agent`, `model`, `surface`."""
    rules: tuple[Rule, ...]

    @property
    def specificity(self) -> tuple[bool, int]:
        """Sort key: an assistant's own policies first, then by number of selectors."""
        return "assistant" in self.selectors, len(self.selectors)

    def fits(self, caller: Mapping[str, str]) -> bool:
        """Tell whether every selector matches; one about something unknown does not."""
        return all(
            bool(caller[name]) and glob.matches(caller[name])
            for name, glob in self.selectors.items()
        )
