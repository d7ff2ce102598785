"""The events of a stream, as OpenAI words and frames them.

Knows the shapes only: `turns` says what happens in which order, `stream` sends it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from callgate.canonical import Json

type Style = Literal["openai", "full-step", "new-ids", "no-required-action"]
"""Whose server this is like, where compatible servers differ.

- `openai`: calls arrive piece by piece in deltas, and whole in `thread.run.requires_action`.
- `full-step`: calls stand whole in `thread.run.step.created`; there are no deltas of them.
- `new-ids`: every delta of a call has another `id`, none of them the call's.
- `no-required-action`: `required_action` is null everywhere, so that the calls of a waiting run
  are found in its steps alone; streams as `full-step`.
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    name: str
    data: dict[str, Json] | None
    """None stands for `[DONE]`."""

    def frame(self) -> bytes:
        """Return the bytes on the wire, blank line included."""
        text = "[DONE]"
        if self.data is not None:
            text = json.dumps(self.data, separators=(",", ":"), ensure_ascii=False)
        # a lone surrogate becomes its JSON escape
        return f"event: {self.name}\ndata: {text}\n\n".encode("utf-8", "backslashreplace")


@dataclass(slots=True)
class Log:
    """What one streaming request is told: its run writes, its answer reads."""

    events: list[Event] = field(default_factory=list)
    is_over: bool = False

    def add(self, name: str, data: dict[str, Json]) -> None:
        """Append an event; `data` must not change any more."""
        self.events.append(Event(name, data))

    def end(self) -> None:
        """Append the last event, `done`."""
        self.events.append(Event("done", None))
        self.is_over = True


type Tell = Callable[[str, Callable[[], dict[str, Json]]], None]
"""Takes an event's name and what makes its data, which is asked only if somebody listens."""


def words(text: str) -> list[str]:
    """Cut a text where words begin, the space before each word kept with it."""
    return re.findall(r"\s*\S+|\s+", text)


def pieces(arguments: str) -> list[str]:
    """Cut arguments into pieces of up to five characters, and behind every backslash.

    So the escapes of JSON are torn apart, as tokens may tear them.
    """
    return re.findall(r"[^\\]{0,4}\\|[^\\]{1,4}", arguments)


def text_delta(message_id: str, text: str, *, is_first: bool) -> dict[str, Json]:
    """Return the data of `thread.message.delta`."""
    value: dict[str, Json] = {"value": text}
    if is_first:
        value["annotations"] = []
    return {
        "id": message_id,
        "object": "thread.message.delta",
        "delta": {"content": [{"index": 0, "type": "text", "text": value}]},
    }


def call_delta(step_id: str, index: int, id: str, name: str) -> dict[str, Json]:
    """Return the data of the `thread.run.step.delta` that begins a call."""
    function: Json = {"name": name, "arguments": "", "output": None}
    return _step_delta(
        step_id, {"index": index, "id": id, "type": "function", "function": function}
    )


def arguments_delta(
    step_id: str, index: int, arguments: str, id: str | None = None
) -> dict[str, Json]:
    """Return the data of a `thread.run.step.delta` that continues a call; OpenAI gives no id."""
    call: dict[str, Json] = {"index": index}
    if id is not None:
        call["id"] = id
    return _step_delta(step_id, call | {"type": "function", "function": {"arguments": arguments}})


def _step_delta(step_id: str, call: dict[str, Json]) -> dict[str, Json]:
    return {
        "id": step_id,
        "object": "thread.run.step.delta",
        "delta": {"step_details": {"type": "tool_calls", "tool_calls": [call]}},
    }
