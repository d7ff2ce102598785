"""The demo server's "model": a script of turns instead of a neural network.

Knows nothing of HTTP or runs; `runs` plays the turns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from callgate.canonical import Json


@dataclass(frozen=True, slots=True)
class Use:
    """One tool call that a script asks for."""

    name: str
    arguments: str
    """The text on the wire: JSON if the script means well."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app sent back for one call."""

    use: Use
    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """Calls after a text, in the same turn."""

    text: str
    calls: Sequence[Use]


type Action = Sequence[Use] | Spoken | str
type Turn = Action | Callable[[Sequence[Answer]], Action]


def use(name: str, **arguments: Json) -> Use:
    """Call of a tool with these arguments, as compact JSON."""
    return Use(name, json.dumps(arguments, separators=(",", ":"), ensure_ascii=False))


def quote(answers: Sequence[Answer]) -> str:
    """Name, id and output of each call, a line each: what really reached the model."""
    return "\n".join(f"{a.use.name} ({a.call_id}): {a.output}" for a in answers)


@dataclass(frozen=True, slots=True)
class Script:
    """What the model does in one run, turn by turn.

    A turn is a sequence of calls, a text with calls behind it, a final text, or a function of
    all answers so far that returns one of these. `{outputs}` in a text stands for the answers
    to the calls of the turn before. A script that ends without a text ends with these answers.
    """

    turns: Sequence[Turn]

    def action(self, turn: int, answers: Sequence[Answer], latest: Sequence[Answer]) -> Action:
        """Return turn number `turn` (from 0): calls, or the text that ends the run."""
        step = self.turns[turn] if turn < len(self.turns) else "{outputs}"
        action = step(answers) if callable(step) else step
        if isinstance(action, str):
            return action.replace("{outputs}", quote(latest))
        if isinstance(action, Spoken):
            return replace(action, text=action.text.replace("{outputs}", quote(latest)))
        return action or ""


type Choice = Callable[[str, str], Script]
"""Picks a script by model name and text of the last user message."""

_NOTHING = Script(("I have no script for this request.",))


def choice(scripts: Mapping[str, Script] | Choice) -> Choice:
    """Return how a script is chosen.

    From a mapping: the one named like the model; else the first whose name is a word of the
    last user message; else the one named `default`; else one that only says it has none.
    """
    if not isinstance(scripts, Mapping):
        return scripts

    def choose(model: str, text: str) -> Script:
        if model in scripts:
            return scripts[model]
        for name, script in scripts.items():
            if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
                return script
        return scripts.get("default", _NOTHING)

    return choose
