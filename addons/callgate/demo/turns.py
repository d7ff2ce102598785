"""How a turn of a run is acted out: steps and messages, and the events that tell of them.

A performance is an iterator: each step of it is one event, told as it happens, so that a run
can be looked at, cancelled or expire between any two. The order is that of recorded streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

from callgate.demo.events import Style, Tell, arguments_delta, call_delta, pieces, text_delta, words
from callgate.demo.objects import Call, Message
from callgate.demo.script import Use
from callgate.demo.steps import Owner, Step


class Stage(Owner, Protocol):
    """The run on which a turn is performed."""

    steps: list[Step]
    at: float
    """The time up to which the run has been played."""

    @property
    def tell(self) -> Tell:
        """Take an event."""
        ...

    @property
    def style(self) -> Style:
        """How calls are streamed."""
        ...

    def new_id(self, kind: str) -> str:
        """Make an id."""
        ...

    def open_message(self) -> Message:
        """Put a message in progress into the thread."""
        ...


def speak(run: Stage, text: str) -> Iterator[None]:
    """Write a message word by word."""
    message = run.open_message()
    step = Step(run.new_id("step"), run.at, message_id=message.id)
    yield from _open(run, step)
    for state in ("created", "in_progress"):
        run.tell(f"thread.message.{state}", message.event_json)
        yield
    for number, word in enumerate(words(text)):
        message.text += word
        run.tell(
            "thread.message.delta", partial(text_delta, message.id, word, is_first=number == 0)
        )
        yield
    message.end("completed", run.at)
    run.tell("thread.message.completed", message.event_json)
    yield
    step.end("completed", run.at)
    run.tell("thread.run.step.completed", partial(step.event_json, run))
    yield


def issue(run: Stage, uses: Sequence[Use]) -> Iterator[None]:
    """Issue calls, one after the other, in one step that stays open for their outputs."""
    calls = [Call(run.new_id("call"), use) for use in uses]
    step = Step(run.new_id("step"), run.at)
    if run.style in {"full-step", "no-required-action"}:
        step.calls = calls
        yield from _open(run, step)
        return
    yield from _open(run, step)
    for index, issued in enumerate(calls):
        yield from _dictate(run, step, index, issued)
    step.calls = calls


def _open(run: Stage, step: Step) -> Iterator[None]:
    run.steps.append(step)
    for state in ("created", "in_progress"):
        run.tell(f"thread.run.step.{state}", partial(step.event_json, run))
        yield


def _dictate(run: Stage, step: Step, index: int, issued: Call) -> Iterator[None]:
    renames = run.style == "new-ids"
    id = run.new_id("call") if renames else issued.id
    run.tell("thread.run.step.delta", partial(call_delta, step.id, index, id, issued.use.name))
    yield
    for piece in pieces(issued.use.arguments):
        other = run.new_id("call") if renames else None
        run.tell("thread.run.step.delta", partial(arguments_delta, step.id, index, piece, other))
        yield
