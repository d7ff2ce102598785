from __future__ import annotations

import pytest

from callgate.canonical import Json
from callgate.model import Effect
from callgate.policy.condition import Condition
from callgate.policy.constraints import compile_constraint
from callgate.policy.fields import Fields
from callgate.policy.names import Glob, ToolPattern
from callgate.policy.rules import Answer, Rule, Section, Subject

VARIABLES = {"tool": "t", "assistant": "asst_a", "agent": "", "model": "", "surface": "chat"}


def rule(effect: Effect, *, limit: int | None = None, when: str = "") -> Rule:
    constraints = () if limit is None else (compile_constraint("max_x", limit),)
    condition = Condition.compile(when) if when else None
    pattern = ToolPattern.of("t", folds=False)
    return Rule("p/t", "f:1", pattern, effect, constraints, condition)


def ask(asked: Rule, arguments: Json) -> Answer:
    return asked.ask(Subject({**VARIABLES, "args": arguments}, Fields(arguments))).answer


def ask_hosted(asked: Rule) -> Answer:
    return asked.ask(Subject({**VARIABLES, "args": {}}, None)).answer


@pytest.mark.parametrize("effect", [Effect.ALLOW, Effect.REQUIRE_APPROVAL])
@pytest.mark.parametrize("arguments", [{"x": 6}, {}, {"x": "1"}, [], None])
def test_a_rule_that_lets_through_refuses_when_a_constraint_is_not_met(
    effect: Effect, arguments: Json
) -> None:
    assert ask(rule(effect, limit=5), arguments) is Answer.REFUSES
    assert ask(rule(effect, limit=5), {"x": 5}) is Answer.APPLIES


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"x": 5}, Answer.APPLIES),
        ({"x": 6}, Answer.PASSES),
        ({}, Answer.APPLIES),
        ({"x": "6"}, Answer.APPLIES),
        ([], Answer.APPLIES),
    ],
)
def test_a_denying_rule_passes_only_when_a_constraint_plainly_fails(
    arguments: Json, answer: Answer
) -> None:
    assert ask(rule(Effect.DENY, limit=5), arguments) is answer


@pytest.mark.parametrize("effect", [Effect.ALLOW, Effect.REQUIRE_APPROVAL, Effect.DENY])
def test_a_condition_decides_whether_the_rule_matches(effect: Effect) -> None:
    conditional = rule(effect, when="args.x > 1")
    assert ask(conditional, {"x": 2}) is Answer.APPLIES
    assert ask(conditional, {"x": 1}) is Answer.PASSES


@pytest.mark.parametrize(
    ("effect", "answer"),
    [
        (Effect.ALLOW, Answer.PASSES),
        (Effect.REQUIRE_APPROVAL, Answer.APPLIES),
        (Effect.DENY, Answer.APPLIES),
    ],
)
@pytest.mark.parametrize("arguments", [{}, {"x": "2"}, None])
def test_a_condition_that_cannot_be_evaluated_fails_closed(
    effect: Effect, answer: Answer, arguments: Json
) -> None:
    assert ask(rule(effect, when="args.x > 1"), arguments) is answer


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (rule(Effect.ALLOW), Answer.APPLIES),
        (rule(Effect.ALLOW, limit=5), Answer.REFUSES),
        (rule(Effect.ALLOW, when="args.x > 1"), Answer.PASSES),
        (rule(Effect.ALLOW, when='assistant == "asst_a"'), Answer.APPLIES),
        (rule(Effect.REQUIRE_APPROVAL, limit=5), Answer.REFUSES),
        (rule(Effect.REQUIRE_APPROVAL, when="args.x > 1"), Answer.APPLIES),
        (rule(Effect.DENY, limit=5), Answer.APPLIES),
        (rule(Effect.DENY, when="args.x > 1"), Answer.APPLIES),
        (rule(Effect.DENY, when='assistant == "asst_b"'), Answer.PASSES),
    ],
)
def test_unseen_arguments_of_a_hosted_tool_open_no_door(asked: Rule, answer: Answer) -> None:
    assert ask_hosted(asked) is answer


def test_alternatives_have_the_same_tool_and_constraints_of_their_own() -> None:
    first = rule(Effect.ALLOW, limit=5)
    assert rule(Effect.REQUIRE_APPROVAL, limit=9).is_alternative_to(first)
    assert not rule(Effect.ALLOW).is_alternative_to(first)
    assert not rule(Effect.DENY, limit=9).is_alternative_to(first)


def test_a_selector_about_something_unknown_does_not_fit() -> None:
    section = Section("p", {"assistant": Glob.of("*")}, ())
    assert section.specificity == (True, 1)
    caller = {"assistant": "", "agent": "", "model": "", "surface": "chat"}
    assert not section.fits(caller)
    assert section.fits({**caller, "assistant": "asst_a"})


def test_a_condition_about_fields_with_two_readings_fails_closed() -> None:
    arguments: Json = {"x": 1, "X": 9}
    assert ask(rule(Effect.DENY, when="args.x > 5"), arguments) is Answer.APPLIES
    assert ask(rule(Effect.ALLOW, when="args.x < 5"), arguments) is Answer.PASSES
    assert ask(rule(Effect.DENY, when='agent == "eve"'), arguments) is Answer.PASSES
