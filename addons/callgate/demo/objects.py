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


@dataclass(frozen=True, slots=True)
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

    def json(self) -> dict[str, Json]:
        """Return the message object."""
        return {
            "id": self.id,
            "object": "thread.message",
            "created_at": int(self.created_at),
            "assistant_id": self.assistant_id,
            "thread_id": self.thread_id,
            "run_id": self.run_id,
            "role": self.role,
            "content": [{"type": "text", "text": {"value": self.text, "annotations": []}}],
            "attachments": [],
            "metadata": dict(self.metadata),
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
