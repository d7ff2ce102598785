"""Threads: messages and runs, locked while a run is active."""

from __future__ import annotations

from dataclasses import dataclass, field

from callgate.canonical import Json
from callgate.demo.bodies import NewMessage, NewRun, RunSettings
from callgate.demo.errors import ApiError, missing
from callgate.demo.events import Log
from callgate.demo.objects import Assistant, Message
from callgate.demo.runs import Run, World


@dataclass(slots=True)
class Thread:
    """A conversation: messages and runs, locked while a run is active."""

    id: str
    created_at: float
    world: World
    metadata: dict[str, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def advance(self) -> None:
        """Let all runs catch up with the clock."""
        now = self.world.clock()
        for run in self.runs:
            run.advance(now)

    def add(self, new: NewMessage) -> Message:
        """Append a message; raises ApiError while a run is active."""
        if active := self._active():
            raise ApiError(
                400, f"Can't add messages to {self.id} while a run {active.id} is active."
            )
        message = Message(
            id=self.world.new_id("msg"),
            thread_id=self.id,
            created_at=self.world.clock(),
            role=new.role,
            text=new.text,
            metadata=new.metadata or {},
        )
        self.messages.append(message)
        return message

    def start(self, assistant: Assistant, wanted: RunSettings, log: Log | None = None) -> Run:
        """Create a queued run; raises ApiError while another is active or with nothing to do.

        `log` is told how the run goes.
        """
        if active := self._active():
            raise ApiError(400, f"Thread {self.id} already has an active run {active.id}.")
        defaults = assistant.json()
        instructions = wanted.instructions or defaults["instructions"]
        if isinstance(wanted, NewRun):
            for new in wanted.additional_messages or []:
                self.add(new)
        text = next((m.text for m in reversed(self.messages) if m.role == "user"), None)
        if text is None and instructions is None:
            raise ApiError(
                400,
                "Run creation requires a Thread with a user message or an assistant with "
                "instructions.",
                code="invalid_thread",
            )
        settings = _run_settings(defaults, wanted.model_dump(exclude_none=True))
        script = self.world.choose(str(settings["model"]), text or "")
        now = self.world.clock()
        run = Run(
            id=self.world.new_id("run"),
            thread_id=self.id,
            assistant_id=assistant.id,
            created_at=now,
            world=self.world,
            script=script,
            say=self.messages.append,
            settings=settings,
            log=log,
        )
        self.runs.append(run)
        run.begin()
        return run

    def run(self, id: str) -> Run:
        """Find a run; raises ApiError 404."""
        for run in self.runs:
            if run.id == id:
                return run
        raise missing("run", id)

    def json(self) -> dict[str, Json]:
        """Return the thread object."""
        return {
            "id": self.id,
            "object": "thread",
            "created_at": int(self.created_at),
            "metadata": dict(self.metadata),
            "tool_resources": {},
        }

    def _active(self) -> Run | None:
        self.advance()
        return next((run for run in self.runs if run.is_active), None)


_SHOWN: dict[str, Json] = {
    "model": None,
    "instructions": None,
    "tools": [],
    "tool_resources": {},
    "metadata": {},
    "temperature": 1.0,
    "top_p": 1.0,
    "reasoning_effort": None,
    "max_completion_tokens": None,
    "max_prompt_tokens": None,
    "truncation_strategy": {"type": "auto", "last_messages": None},
    "incomplete_details": None,
    "usage": None,
    "response_format": "auto",
    "tool_choice": "auto",
    "parallel_tool_calls": True,
}
_INHERITED = ("model", "instructions", "tools", "tool_resources", "temperature", "top_p")


def _run_settings(assistant: dict[str, Json], wanted: dict[str, Json]) -> dict[str, Json]:
    inherited = {key: assistant[key] for key in _INHERITED}
    return {key: wanted.get(key, inherited.get(key, default)) for key, default in _SHOWN.items()}
