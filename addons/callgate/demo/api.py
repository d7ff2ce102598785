"""The operations of the demo server: a request that was understood in, an object out."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from callgate.canonical import Json
from callgate.demo import bodies
from callgate.demo.errors import missing
from callgate.demo.events import Log
from callgate.demo.objects import Assistant
from callgate.demo.page import page, window
from callgate.demo.runs import Run, World
from callgate.demo.threads import Thread


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as far as an operation needs it."""

    ids: Mapping[str, str]
    """From the path: `assistant`, `thread`, `run`, `step`."""
    query: Mapping[str, str]
    document: Json
    """Parsed body; an empty object where there was none."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A run whose requester is told what happens, instead of an object."""

    run: Run
    log: Log


type Operation = Callable[[Asked], dict[str, Json] | Watched]


class Api:
    """All assistants and threads of one server, in memory."""

    def __init__(self, world: World, models: list[str]) -> None:
        self._world = world
        self._models = models
        self._assistants: dict[str, Assistant] = {}
        self._threads: dict[str, Thread] = {}

    def operations(self) -> dict[tuple[str, str], Operation]:
        """Every operation by method and path below the prefix, fixed paths before patterns."""
        run = "/threads/{thread}/runs/{run}"
        return {
            ("GET", "/models"): self.list_models,
            ("POST", "/embeddings"): self.create_embeddings,
            ("GET", "/assistants"): self.list_assistants,
            ("POST", "/assistants"): self.create_assistant,
            ("GET", "/assistants/{assistant}"): self.get_assistant,
            ("POST", "/assistants/{assistant}"): self.modify_assistant,
            ("POST", "/threads"): self.create_thread,
            ("POST", "/threads/runs"): self.create_thread_and_run,
            ("GET", "/threads/{thread}"): self.get_thread,
            ("GET", "/threads/{thread}/messages"): self.list_messages,
            ("POST", "/threads/{thread}/messages"): self.create_message,
            ("GET", "/threads/{thread}/runs"): self.list_runs,
            ("POST", "/threads/{thread}/runs"): self.create_run,
            ("GET", run): self.get_run,
            ("POST", run): self.modify_run,
            ("POST", f"{run}/cancel"): self.cancel_run,
            ("POST", f"{run}/submit_tool_outputs"): self.submit_tool_outputs,
            ("GET", f"{run}/steps"): self.list_steps,
            ("GET", f"{run}/steps/{{step}}"): self.get_step,
        }

    def list_models(self, asked: Asked) -> dict[str, Json]:
        """GET /models: the scripts' names, which choose a script when used as a model."""
        created = int(self._world.clock())
        return {
            "object": "list",
            "data": [
                {"id": name, "object": "model", "created": created, "owned_by": "demo"}
                for name in self._models
            ],
        }

    def create_embeddings(self, asked: Asked) -> dict[str, Json]:
        """POST /embeddings: numbers without meaning, the same for the same text."""
        wanted = bodies.read(bodies.NewEmbedding, asked.document)
        size = wanted.dimensions or 8
        vectors = [_vector(str(text), size) for text in wanted.input]
        if wanted.encoding_format == "base64":
            shown: list[Json] = [_packed(vector) for vector in vectors]
        else:
            shown = [list(vector) for vector in vectors]
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in enumerate(shown)
            ],
            "model": wanted.model,
            "usage": {"prompt_tokens": len(shown), "total_tokens": len(shown)},
        }

    def list_assistants(self, asked: Asked) -> dict[str, Json]:
        """GET /assistants."""
        return page([item.json() for item in self._assistants.values()], window(asked.query))

    def create_assistant(self, asked: Asked) -> dict[str, Json]:
        """POST /assistants."""
        settings = bodies.read(bodies.NewAssistant, asked.document).model_dump(exclude_none=True)
        assistant = Assistant(self._world.new_id("asst"), self._world.clock(), settings)
        self._assistants[assistant.id] = assistant
        return assistant.json()

    def get_assistant(self, asked: Asked) -> dict[str, Json]:
        """GET /assistants/{assistant}."""
        return self._assistant(asked.ids["assistant"]).json()

    def modify_assistant(self, asked: Asked) -> dict[str, Json]:
        """POST /assistants/{assistant}."""
        assistant = self._assistant(asked.ids["assistant"])
        change = bodies.read(bodies.ModifyAssistant, asked.document)
        assistant.settings |= change.model_dump(exclude_none=True)
        return assistant.json()

    def create_thread(self, asked: Asked) -> dict[str, Json]:
        """POST /threads."""
        return self._new_thread(bodies.read(bodies.NewThread, asked.document)).json()

    def create_thread_and_run(self, asked: Asked) -> dict[str, Json] | Watched:
        """POST /threads/runs."""
        wanted = bodies.read(bodies.NewThreadAndRun, asked.document)
        assistant = self._assistant(wanted.assistant_id)
        thread = self._new_thread(wanted.thread)
        log = _log(wanted.stream)
        if log is not None:
            log.add("thread.created", thread.json())
        return _shown(thread.start(assistant, wanted, log), log)

    def get_thread(self, asked: Asked) -> dict[str, Json]:
        """GET /threads/{thread}."""
        return self._thread(asked).json()

    def list_messages(self, asked: Asked) -> dict[str, Json]:
        """GET /threads/{thread}/messages, all or those of `run_id`."""
        thread, run_id = self._thread(asked), asked.query.get("run_id")
        shown = [item for item in thread.messages if run_id in {None, item.run_id}]
        return page([item.json() for item in shown], window(asked.query))

    def create_message(self, asked: Asked) -> dict[str, Json]:
        """POST /threads/{thread}/messages."""
        thread = self._thread(asked)
        return thread.add(bodies.read(bodies.NewMessage, asked.document)).json()

    def list_runs(self, asked: Asked) -> dict[str, Json]:
        """GET /threads/{thread}/runs."""
        return page([run.json() for run in self._thread(asked).runs], window(asked.query))

    def create_run(self, asked: Asked) -> dict[str, Json] | Watched:
        """POST /threads/{thread}/runs."""
        thread = self._thread(asked)
        wanted = bodies.read(bodies.NewRun, asked.document)
        log = _log(wanted.stream)
        return _shown(thread.start(self._assistant(wanted.assistant_id), wanted, log), log)

    def get_run(self, asked: Asked) -> dict[str, Json]:
        """GET …/runs/{run}."""
        return self._run(asked).json()

    def modify_run(self, asked: Asked) -> dict[str, Json]:
        """POST …/runs/{run}."""
        run = self._run(asked)
        change = bodies.read(bodies.ModifyRun, asked.document)
        run.modify(dict(change.metadata or {}))
        return run.json()

    def cancel_run(self, asked: Asked) -> dict[str, Json]:
        """POST …/runs/{run}/cancel."""
        run = self._run(asked)
        run.cancel()
        return run.json()

    def submit_tool_outputs(self, asked: Asked) -> dict[str, Json] | Watched:
        """POST …/runs/{run}/submit_tool_outputs."""
        run = self._run(asked)
        wanted = bodies.read(bodies.Submission, asked.document)
        log = _log(wanted.stream)
        run.submit(wanted.tool_outputs, log)
        return _shown(run, log)

    def list_steps(self, asked: Asked) -> dict[str, Json]:
        """GET …/runs/{run}/steps."""
        run = self._run(asked)
        return page([step.json(run) for step in run.steps], window(asked.query))

    def get_step(self, asked: Asked) -> dict[str, Json]:
        """GET …/runs/{run}/steps/{step}."""
        run = self._run(asked)
        return run.step(asked.ids["step"]).json(run)

    def _assistant(self, id: str) -> Assistant:
        if id not in self._assistants:
            raise missing("assistant", id)
        return self._assistants[id]

    def _new_thread(self, wanted: bodies.NewThread) -> Thread:
        thread = Thread(
            id=self._world.new_id("thread"),
            created_at=self._world.clock(),
            world=self._world,
            metadata=wanted.metadata or {},
        )
        for message in wanted.messages:
            thread.add(message)
        self._threads[thread.id] = thread
        return thread

    def _thread(self, asked: Asked) -> Thread:
        id = asked.ids["thread"]
        if id not in self._threads:
            raise missing("thread", id)
        thread = self._threads[id]
        thread.advance()
        return thread

    def _run(self, asked: Asked) -> Run:
        return self._thread(asked).run(asked.ids["run"])


def _log(stream: bool | None) -> Log | None:
    return Log() if stream else None


def _shown(run: Run, log: Log | None) -> dict[str, Json] | Watched:
    return run.json() if log is None else Watched(run, log)


def _vector(text: str, size: int) -> list[float]:
    digest = hashlib.sha256(text.encode()).digest()
    return [digest[n % len(digest)] / 255 for n in range(size)]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
