"""Run steps in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from callgate.canonical import Json
from callgate.demo.objects import Call

USAGE: Json = {"prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140}
"""What every finished step and run claims to have used."""


class Owner(Protocol):
    """The run that a step belongs to."""

    id: str
    thread_id: str
    assistant_id: str

    @property
    def expires_at(self) -> float:
        """When the run ends by itself."""
        ...


@dataclass(slots=True)
class Step:
    """A run step: calls, or a message."""

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

    def json(self, run: Owner) -> dict[str, Json]:
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
            "usage": None if is_open else USAGE,
        }

    def event_json(self, run: Owner) -> dict[str, Json]:
        """Return the run step object as it stands in streams: there even a closed step expires."""
        return self.json(run) | {"expires_at": int(run.expires_at)}

    def _ended(self, status: str) -> int | None:
        return int(self.ended_at) if self.ended_at is not None and self.status == status else None
