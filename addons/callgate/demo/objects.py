"""Assistants, messages and tool calls as OpenAI shows them."""

from __future__ import annotations

from dataclasses import dataclass

from callgate.canonical import Json
from callgate.demo.script import Use


@dataclass(slots=True)
class Assistant:
    """A stored assistant."""

    id: str
    created_at: float
    settings: dict[str, Json]
    """The request's fields, as sent."""

    def json(self) -> dict[str, Json]:
        """Return the assistant object."""
        return {
            "id": self.id,
            "object": "assistant",
            "created_at": int(self.created_at),
            "name": None,
            "description": None,
            "instructions": None,
            "tools": [],
            "top_p": 1.0,
            "temperature": 1.0,
            "reasoning_effort": None,
            "tool_resources": {},
            "metadata": {},
            "response_format": "auto",
            **{key: value for key, value in self.settings.items() if value is not None},
        }


@dataclass(slots=True)
class Message:
    """A message of a thread."""

    id: str
    thread_id: str
    created_at: float
    role: str
    text: str
    metadata: dict[str, str]
    assistant_id: str | None = None
    run_id: str | None = None
    status: str = "completed"
    ended_at: float | None = None
    reason: str | None = None
    """Why it is incomplete."""

    def end(self, status: str, now: float, reason: str | None = None) -> None:
        """Close a message that was being written."""
        self.status, self.ended_at, self.reason = status, now, reason

    def json(self) -> dict[str, Json]:
        """Return the message object; without content while it is being written."""
        part: Json = {"type": "text", "text": {"value": self.text, "annotations": []}}
        return {
            **self._head(),
            "role": self.role,
            "content": [] if self.status == "in_progress" else [part],
            "attachments": [],
            "metadata": dict(self.metadata),
        }

    def event_json(self) -> dict[str, Json]:
        """Return the message object as it stands in streams, with its status."""
        ended_at = None if self.ended_at is None else int(self.ended_at)
        return {
            **self._head(),
            "status": self.status,
            "incomplete_details": None if self.reason is None else {"reason": self.reason},
            "incomplete_at": ended_at if self.status == "incomplete" else None,
            "completed_at": ended_at if self.status == "completed" else None,
            **self.json(),
        }

    def _head(self) -> dict[str, Json]:
        return {
            "id": self.id,
            "object": "thread.message",
            "created_at": int(self.created_at),
            "assistant_id": self.assistant_id,
            "thread_id": self.thread_id,
            "run_id": self.run_id,
        }


@dataclass(slots=True)
class Call:
    """A tool call that was issued."""

    id: str
    use: Use
    output: str | None = None

    def json(self) -> dict[str, Json]:
        """Return the call as it stands in `required_action`."""
        function: dict[str, Json] = {"name": self.use.name, "arguments": self.use.arguments}
        return {"id": self.id, "type": "function", "function": function}

    def step_json(self) -> dict[str, Json]:
        """Return the call as it stands in a run step: with its output, null until submitted."""
        function: dict[str, Json] = {
            "name": self.use.name,
            "arguments": self.use.arguments,
            "output": self.output,
        }
        return {"id": self.id, "type": "function", "function": function}
