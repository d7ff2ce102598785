"""docs/policies.md: each policy decides on the calls below it as the page says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from callgate.canonical import Json, parse
from callgate.cli.cases import judge, read_case
from callgate.policy import Policy

PAGE = Path(__file__).resolve().parent.parent / "docs" / "policies.md"
EXAMPLE = re.compile(r"```yaml\n(.*?)```\s+```jsonl\n(.*?)```", re.DOTALL)
RECIPES = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
EFFECTS = {"allow", "deny", "require_approval", "sanitize"}


@dataclass(frozen=True, slots=True)
class Example:
    recipe: str
    policy: str
    call: dict[str, Json]

    def __str__(self) -> str:
        return f"{self.recipe}: {self.call['tool']} {self.call['expect']}"


def examples() -> list[Example]:
    found = []
    for recipe in RECIPES:
        for policy, calls in EXAMPLE.findall(recipe):
            for line in calls.splitlines():
                call = parse(line)
                assert isinstance(call, dict)
                found.append(Example(recipe.splitlines()[0], policy, call))
    return found


def test_there_are_twenty_recipes_and_each_shows_two_decisions() -> None:
    assert len(RECIPES) >= 20
    for recipe in RECIPES:
        shown = {e.call["expect"] for e in examples() if e.recipe == recipe.splitlines()[0]}
        assert len(shown) >= 2, recipe.splitlines()[0]
        assert shown <= EFFECTS
        assert recipe.count("```yaml") == recipe.count("```jsonl") == len(EXAMPLE.findall(recipe))


@pytest.mark.parametrize("example", examples(), ids=str)
def test_call_is_decided_as_the_page_says(example: Example, tmp_path: Path) -> None:
    file = tmp_path / "callgate.yaml"
    file.write_text(example.policy)
    call = dict(example.call)
    expected = str(call.pop("expect")).upper()

    verdict = judge(read_case(call, "", expects=False), Policy.load(file))

    assert verdict.effect == expected, verdict.explanation
