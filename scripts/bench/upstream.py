"""A fast API stand-in for benches: TLS, keep-alive, run objects of 1.9 kB.

`python upstream.py CERT_PEM` prints its port. The path's last part chooses the run: `plain`
has no calls, any other part is the id of a run that waits for one call of that run's own; of
`N.ID` for N of them, in a body that is as long as it gets.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import override

_SIZE = 1900


def run_call(id: str, tool: str = "get_weather") -> dict[str, object]:
    """A call with arguments of its own."""
    return {
        "id": f"call_{id}",
        "type": "function",
        "function": {"name": tool, "arguments": json.dumps({"city": f"Oslo {id}"})},
    }


def run_body(id: str) -> bytes:
    """A run object of about 1.9 kB; the same bytes for the same id."""
    count = int(id.partition(".")[0]) if "." in id else 1
    calls = [run_call(f"{id}-{number}" if number else id) for number in range(count)]
    is_plain = id == "plain"
    run = {
        "id": f"run_{id}",
        "object": "thread.run",
        "created_at": 1761861679,
        "assistant_id": "asst_bench",
        "thread_id": "thread_bench",
        "status": "in_progress" if is_plain else "requires_action",
        "required_action": None
        if is_plain
        else {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}},
        "model": "gpt-4o",
        "instructions": "",
        "metadata": {},
    }
    run["instructions"] = "x" * (_SIZE - len(json.dumps(run)))
    return json.dumps(run).encode()


def run_answer(head: bytes) -> bytes:
    """The response to a request for a run."""
    return json_answer(run_body(head.split(b" ", 2)[1].rsplit(b"/", 1)[1].decode()))


def json_answer(body: bytes) -> bytes:
    """The response with this body."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


class Responder(asyncio.Protocol):
    """Answers each request head; the requests have no bodies."""

    def __init__(self) -> None:
        self._buffer = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        *heads, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for head in heads:
            self._transport.write(run_answer(head))


def tls(cert: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert)
    return context


async def serve(server: asyncio.Server) -> None:
    """Say where, and serve for ever."""
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def main(cert: str) -> None:
    loop = asyncio.get_running_loop()
    server = loop.create_server(Responder, "127.0.0.1", 0, ssl=tls(cert), backlog=512)
    await serve(await server)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
