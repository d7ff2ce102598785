"""Runs and run steps in memory, with OpenAI's states and refusals.

Time passes only through the clock: a run is `queued` and then `in_progress` for
`think_seconds` each, and moves on when somebody looks. Nothing here knows HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from callgate.canonical import Json
from callgate.demo.bodies import ToolOutput
from callgate.demo.errors import ApiError, missing
from callgate.demo.objects import Call, Message
from callgate.demo.script import Answer, Choice, Script

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


@dataclass(slots=True)
class Step:
    """A run step: calls, or the message that ends the run."""

    id: str
    created_at: float
    calls: Sequence[Call] = ()
    message_id: str = ""
    status: str = "in_progress"
    ended_at: float | None = None

    def end(self, status: str, now: float) -> None:
        """Close the step unless it is closed."""
        if self.ended_at is None:
            self.status, self.ended_at = status, now

    def json(self, run: Run) -> dict[str, Json]:
        """Return the run step object."""
        kind = "message_creation" if self.message_id else "tool_calls"
        details: Json = (
            {"message_id": self.message_id}
            if self.message_id
            else [call.step_json() for call in self.calls]
        )
        is_open = self.ended_at is None
        return {
            "id": self.id,
            "object": "thread.run.step",
            "created_at": int(self.created_at),
            "run_id": run.id,
            "assistant_id": run.assistant_id,
            "thread_id": run.thread_id,
            "type": kind,
            "status": self.status,
            "cancelled_at": self._ended("cancelled"),
            "completed_at": self._ended("completed"),
            "expires_at": int(run.expires_at) if is_open else None,
            "failed_at": None,
            "last_error": None,
            "step_details": {"type": kind, kind: details},
            "usage": None if is_open else _USAGE,
        }

    def _ended(self, status: str) -> int | None:
        return int(self.ended_at) if self.ended_at is not None and self.status == status else None


_USAGE: Json = {"prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140}


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
    """Puts the final message into the thread."""
    settings: dict[str, Json]
    """Shown fields that have no effect: instructions, tools, metadata, …"""
    status: Status = Status.QUEUED
    since: float = 0
    """When the status was reached."""
    started_at: float | None = None
    turn: int = 0
    steps: list[Step] = field(default_factory=list)

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

    def advance(self, now: float) -> None:
        """Catch up with the clock."""
        think = self.world.think_seconds
        while self.status in _WORKING and self.since + think <= min(now, self.expires_at):
            self._work(self.since + think)
        if self.is_active and now >= self.expires_at:
            self._enter(Status.EXPIRED, self.expires_at)

    def submit(self, outputs: Sequence[ToolOutput]) -> None:
        """Take the outputs of all waiting calls; raises ApiError unless it is exactly these."""
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
        self.steps[-1].end("completed", now)
        self.turn += 1
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

    def _work(self, now: float) -> None:
        match self.status:
            case Status.QUEUED:
                self.started_at = self.started_at or now
                self._enter(Status.IN_PROGRESS, now)
            case Status.CANCELLING:
                self._enter(Status.CANCELLED, now)
            case _:
                self._play(now)

    def _play(self, now: float) -> None:
        answers = [
            Answer(call.use, call.id, call.output or "")
            for step in self.steps
            for call in step.calls
        ]
        latest = answers[-len(self.steps[-1].calls) :] if self.steps else []
        action = self.script.action(self.turn, answers, latest)
        new_id = self.world.new_id
        if isinstance(action, str):
            message = Message(
                id=new_id("msg"),
                thread_id=self.thread_id,
                created_at=now,
                role="assistant",
                text=action,
                metadata={},
                assistant_id=self.assistant_id,
                run_id=self.id,
            )
            self.say(message)
            step = Step(new_id("step"), now, message_id=message.id)
            step.end("completed", now)
            self.steps.append(step)
            self._enter(Status.COMPLETED, now)
        else:
            calls = [Call(new_id("call"), use) for use in action]
            self.steps.append(Step(new_id("step"), now, calls=calls))
            self._enter(Status.REQUIRES_ACTION, now)

    def _enter(self, status: Status, now: float) -> None:
        self.status, self.since = status, now
        if status in {Status.CANCELLED, Status.EXPIRED}:
            for step in self.steps:
                step.end(status.value, now)

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
            "required_action": action if calls else None,
            "last_error": None,
            **self.settings,
            "incomplete_details": None,
            "usage": None if self.is_active else _USAGE,
        }

    def _reached(self, status: Status) -> int | None:
        return int(self.since) if self.status is status else None
