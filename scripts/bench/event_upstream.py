"""A streaming API stand-in for benches: Chat Completions and runs of Assistants, over TLS.

`python event_upstream.py CERT_PEM` prints its port. GET is answered with the run objects of
`upstream`, anything else with a stream. A request's `metadata` says what to tell:
how many text events how many milliseconds apart, and which tool to call after them, if any.
Text events, and the pieces of a call's arguments, carry the time at which they leave, in
nanoseconds of the monotonic clock, as `created` or `created_at`; other events have 0 there.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from upstream import run_answer, serve, tls

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECES = 4
"""Of a call's arguments."""

_serial = itertools.count()

type Object = dict[str, object]
type Answer = Callable[[bytes, bytes, StreamWriter], Awaitable[None]]
"""To the head and the body of a request."""


@dataclass(frozen=True, slots=True)
class Plot:
    """What one stream tells."""

    events: int
    gap_seconds: float
    tool: str

    @classmethod
    def of(cls, request: bytes) -> Plot:
        told = json.loads(request)["metadata"]
        return cls(int(told["events"]), float(told["gap_ms"]) / 1000, told["tool"])


class Story(Protocol):
    """The events of one surface; `stamp` is the time at which one leaves."""

    def begin(self) -> list[bytes]: ...
    def text(self, stamp: int) -> bytes: ...
    def open_call(self, tool: str) -> list[bytes]: ...
    def piece(self, arguments: str, stamp: int) -> bytes: ...
    def end(self) -> list[bytes]: ...


class Chat:
    def __init__(self) -> None:
        self._n = next(_serial)
        self._finish = "stop"

    def _chunk(self, delta: Object, stamp: int = 0, finish: str | None = None) -> bytes:
        return _event(
            "",
            {
                "id": f"chatcmpl-{self._n}",
                "object": "chat.completion.chunk",
                "created": stamp,
                "model": "gpt-4o",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            },
        )

    def _call(self, function: Object, stamp: int = 0, **first: str) -> bytes:
        return self._chunk({"tool_calls": [{"index": 0, **first, "function": function}]}, stamp)

    def begin(self) -> list[bytes]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def text(self, stamp: int) -> bytes:
        return self._chunk({"content": " word"}, stamp)

    def open_call(self, tool: str) -> list[bytes]:
        self._finish = "tool_calls"
        head: Object = {"name": tool, "arguments": ""}
        return [self._call(head, id=f"call_{self._n}", type="function")]

    def piece(self, arguments: str, stamp: int) -> bytes:
        return self._call({"arguments": arguments}, stamp)

    def end(self) -> list[bytes]:
        return [self._chunk({}, finish=self._finish), b"data: [DONE]\n\n"]


class Run:
    def __init__(self) -> None:
        n = next(_serial)
        self._ids = {"thread_id": f"thread_{n}", "assistant_id": "asst_bench"}
        self._run, self._step = f"run_{n}", f"step_{n}"
        self._call: Object = {"id": f"call_{n}", "type": "function"}
        self._tool = self._told = ""

    def _state(self, status: str, action: Object | None = None) -> bytes:
        run = {"id": self._run, "object": "thread.run", "created_at": 0, **self._ids}
        run |= {"status": status, "model": "gpt-4o", "required_action": action}
        return _event(f"thread.run.{status}", run)

    def _delta(self, function: Object, stamp: int) -> bytes:
        call = {"index": 0, **self._call, "function": function}
        details = {"type": "tool_calls", "tool_calls": [call]}
        delta = {"id": self._step, "object": "thread.run.step.delta", "created_at": stamp}
        return _event("thread.run.step.delta", {**delta, "delta": {"step_details": details}})

    def begin(self) -> list[bytes]:
        return [self._state("queued"), self._state("in_progress")]

    def text(self, stamp: int) -> bytes:
        content = [{"index": 0, "type": "text", "text": {"value": " word"}}]
        delta = {"id": "msg_1", "object": "thread.message.delta", "created_at": stamp}
        return _event("thread.message.delta", {**delta, "delta": {"content": content}})

    def open_call(self, tool: str) -> list[bytes]:
        self._tool = tool
        step = {"id": self._step, "object": "thread.run.step", "created_at": 0, **self._ids}
        step |= {"run_id": self._run, "type": "tool_calls", "status": "in_progress"}
        step["step_details"] = {"type": "tool_calls", "tool_calls": []}
        states = ("created", "in_progress")
        created = [_event(f"thread.run.step.{state}", step) for state in states]
        return [*created, self._delta({"name": tool, "arguments": ""}, 0)]

    def piece(self, arguments: str, stamp: int) -> bytes:
        self._told += arguments
        return self._delta({"arguments": arguments}, stamp)

    def end(self) -> list[bytes]:
        state = self._state("completed")
        if self._tool:
            call = {**self._call, "function": {"name": self._tool, "arguments": self._told}}
            outputs = {"tool_calls": [call]}
            action: Object = {"type": "submit_tool_outputs", "submit_tool_outputs": outputs}
            state = self._state("requires_action", action)
        return [state, _event("done", None)]


def _event(name: str, data: object) -> bytes:
    head = f"event: {name}\n" if name else ""
    said = "[DONE]" if data is None else json.dumps(data, separators=(",", ":"))
    return f"{head}data: {said}\n\n".encode()


async def told(story: Story, plot: Plot) -> AsyncIterator[bytes]:
    for event in story.begin():
        yield event
    for n in range(plot.events):
        if n:
            await asyncio.sleep(plot.gap_seconds)
        yield story.text(time.monotonic_ns())
    if plot.tool:
        for event in story.open_call(plot.tool):
            yield event
        # other arguments each time: no verdict is known already
        arguments = json.dumps({"city": f"Oslo {next(_serial)}", "note": "partly cloudy " * 4})
        size = -(-len(arguments) // PIECES)
        for start in range(0, len(arguments), size):
            await asyncio.sleep(plot.gap_seconds)
            yield story.piece(arguments[start : start + size], time.monotonic_ns())
    for event in story.end():
        yield event


async def tell(writer: StreamWriter, story: Story, plot: Plot) -> None:
    """The whole response, event by event."""
    writer.write(_HEAD)
    async for event in told(story, plot):
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def answer(head: bytes, body: bytes, writer: StreamWriter) -> None:
    if head.startswith(b"GET "):
        writer.write(run_answer(head))
    else:
        await tell(writer, Run() if b"/threads/" in head else Chat(), Plot.of(body))


def answering(answer: Answer) -> Callable[[StreamReader, StreamWriter], Awaitable[None]]:
    """A server's connection, for one request after another."""

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                _, is_sized, rest = head.lower().partition(b"content-length:")
                length = int(rest.split(b"\r\n")[0]) if is_sized else 0
                await answer(head, await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            writer.close()

    return connected


async def main(cert: str) -> None:
    server = asyncio.start_server(answering(answer), "127.0.0.1", 0, ssl=tls(cert), backlog=512)
    await serve(await server)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
