"""Runs and run steps in memory, with OpenAI's states and refusals.

Time passes only through the clock: a run is `queued` and then `in_progress` for
`think_seconds` each, and moves on when somebody looks. While somebody listens, the turn that
follows takes `event_seconds` for each of its events. Nothing here knows HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from callgate.canonical import Json
from callgate.demo.bodies import ToolOutput
from callgate.demo.errors import ApiError, missing
from callgate.demo.events import Log, Style
from callgate.demo.objects import Call, Message
from callgate.demo.script import Answer, Choice, Script, Spoken
from callgate.demo.steps import USAGE, Step
from callgate.demo.turns import issue, speak

type NewId = Callable[[str], str]
"""Makes an id of a kind: `run` → `run_…`."""


class Status(StrEnum):
    """States of a run that this server reaches."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    EXPIRED = "expired"


_FINAL = {Status.CANCELLED, Status.COMPLETED, Status.EXPIRED}
_WORKING = {Status.QUEUED, Status.IN_PROGRESS, Status.CANCELLING}


@dataclass(frozen=True, slots=True)
class World:
    """What all threads share."""

    clock: Callable[[], float]
    """Seconds since 1970."""
    new_id: NewId
    choose: Choice
    run_seconds: float
    think_seconds: float
    event_seconds: float
    """Between two events of a run that is listened to."""
    style: Style


@dataclass(slots=True)
class Run:
    """One run of an assistant on a thread."""

    id: str
    thread_id: str
    assistant_id: str
    created_at: float
    world: World
    script: Script
    say: Callable[[Message], None]
    """Puts a message into the thread."""
    settings: dict[str, Json]
    """Shown fields that have no effect: instructions, tools, metadata, …"""
    status: Status = Status.QUEUED
    log: Log | None = None
    """Who listens, until the run waits or is over."""
    since: float = 0
    """When the status was reached."""
    at: float = 0
    """The time up to which the run has been played."""
    due: float = 0
    """When something happens next, while the run is at work."""
    started_at: float | None = None
    turn: int = 0
    steps: list[Step] = field(default_factory=list)
    _performance: Iterator[None] | None = None
    _message: Message | None = None

    @property
    def expires_at(self) -> float:
        """When an unfinished run ends by itself."""
        return int(self.created_at) + self.world.run_seconds

    @property
    def is_active(self) -> bool:
        """Not finished: the thread is locked."""
        return self.status not in _FINAL

    @property
    def waiting(self) -> Sequence[Call]:
        """Calls that the run waits for."""
        return self.steps[-1].calls if self.status is Status.REQUIRES_ACTION else ()

    @property
    def style(self) -> Style:
        """How calls are streamed."""
        return self.world.style

    def begin(self) -> None:
        """Tell that the run is there, and queue it."""
        self.tell("thread.run.created", self.json)
        self._enter(Status.QUEUED, self.created_at)

    def advance(self, now: float) -> None:
        """Catch up with the clock."""
        while self.status in _WORKING and self.due <= min(now, self.expires_at):
            self._work(self.due)
        if self.is_active and now >= self.expires_at:
            self._enter(Status.EXPIRED, self.expires_at)

    def submit(self, outputs: Sequence[ToolOutput], log: Log | None = None) -> None:
        """Take the outputs of all waiting calls; raises ApiError unless it is exactly these.

        `log` is told how the run goes on.
        """
        now = self.world.clock()
        self.advance(now)
        if self.status is not Status.REQUIRES_ACTION:
            raise ApiError(400, f'Runs in status "{self.status}" do not accept tool outputs.')
        expected = [call.id for call in self.waiting]
        got = [output.tool_call_id for output in outputs]
        if sorted(expected) != sorted(got):
            raise ApiError(400, f"Expected tool outputs for call_ids {expected}, got {got}")
        answers = {output.tool_call_id: output.output or "" for output in outputs}
        for call in self.waiting:
            call.output = answers[call.id]
        step = self.steps[-1]
        step.end("completed", now)
        self.turn += 1
        self.log = log
        self.tell("thread.run.step.completed", partial(step.event_json, self))
        self._enter(Status.QUEUED, now)

    def cancel(self) -> None:
        """Begin to cancel; raises ApiError for a run that is over or already being cancelled."""
        now = self.world.clock()
        self.advance(now)
        if not self.is_active or self.status is Status.CANCELLING:
            raise ApiError(400, f"Cannot cancel run with status '{self.status}'.")
        self._enter(Status.CANCELLING, now)

    def modify(self, metadata: dict[str, Json]) -> None:
        """Replace the metadata; raises ApiError while the run is at work."""
        self.advance(self.world.clock())
        if self.status in _WORKING:
            raise ApiError(400, f"Cannot update run with status '{self.status}'.")
        self.settings["metadata"] = metadata

    def tell(self, name: str, data: Callable[[], dict[str, Json]]) -> None:
        """See `events.Tell`."""
        if self.log is not None:
            self.log.add(name, data())

    def new_id(self, kind: str) -> str:
        """Make an id."""
        return self.world.new_id(kind)

    def open_message(self) -> Message:
        """Put a message in progress into the thread."""
        self._message = Message(
            id=self.new_id("msg"),
            thread_id=self.thread_id,
            created_at=self.at,
            role="assistant",
            text="",
            metadata={},
            assistant_id=self.assistant_id,
            run_id=self.id,
            status="in_progress",
        )
        self.say(self._message)
        return self._message

    def _work(self, now: float) -> None:
        self.at = now
        match self.status:
            case Status.QUEUED:
                self.started_at = now
                self._enter(Status.IN_PROGRESS, now)
            case Status.CANCELLING:
                self._enter(Status.CANCELLED, now)
            case _:
                self._performance = self._performance or self._play()
                self.due = now + (self.world.event_seconds if self.log is not None else 0)
                next(self._performance, None)

    def _play(self) -> Iterator[None]:
        answers = [
            Answer(call.use, call.id, call.output or "")
            for step in self.steps
            for call in step.calls
        ]
        latest = answers[-len(self.steps[-1].calls) :] if self.steps else []
        action = self.script.action(self.turn, answers, latest)
        if isinstance(action, str):
            yield from speak(self, action)
            self._enter(Status.COMPLETED, self.at)
            return
        if isinstance(action, Spoken):
            yield from speak(self, action.text)
            action = action.calls
        yield from issue(self, action)
        self._enter(Status.REQUIRES_ACTION, self.at)

    def _enter(self, status: Status, now: float) -> None:
        self.status, self.since = status, now
        self.due = now + self.world.think_seconds
        if status in {Status.CANCELLED, Status.EXPIRED}:
            self._break_off(status, now)
        self.tell(f"thread.run.{status}", self.json)
        if status not in _WORKING:
            self._performance = None
            if self.log is not None:
                self.log.end()
                self.log = None

    def _break_off(self, status: Status, now: float) -> None:
        if self._message is not None and self._message.status == "in_progress":
            self._message.end("incomplete", now, f"run_{status}")
            self.tell("thread.message.incomplete", self._message.event_json)
        for step in self.steps:
            if step.ended_at is None:
                step.end(status.value, now)
                self.tell(f"thread.run.step.{status}", partial(step.event_json, self))

    def step(self, id: str) -> Step:
        """Find a step; raises ApiError 404."""
        for step in self.steps:
            if step.id == id:
                return step
        raise missing("run step", id)

    def json(self) -> dict[str, Json]:
        """Return the run object as it is now; does not advance it."""
        calls: list[Json] = [call.json() for call in self.waiting]
        action: Json = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
        return {
            "id": self.id,
            "object": "thread.run",
            "created_at": int(self.created_at),
            "assistant_id": self.assistant_id,
            "thread_id": self.thread_id,
            "status": self.status.value,
            "started_at": int(self.started_at) if self.started_at is not None else None,
            "expires_at": None if self.status is Status.COMPLETED else int(self.expires_at),
            "cancelled_at": self._reached(Status.CANCELLED),
            "failed_at": None,
            "completed_at": self._reached(Status.COMPLETED),
            "required_action": action if calls and self.style != "no-required-action" else None,
            "last_error": None,
            **self.settings,  # has a place for what follows
            "usage": None if self.is_active else USAGE,
        }

    def _reached(self, status: Status) -> int | None:
        return int(self.since) if self.status is status else None
