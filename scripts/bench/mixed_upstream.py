"""An API stand-in for the comparison: run objects, and chat completions whole or streamed.

`python mixed_upstream.py CERT_PEM` prints its port. Runs are those of `upstream.py`. A chat's last
message begins with the name of the tool that the model calls, or with `plain`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys

from event_upstream import Chat, Plot, answering, tell
from upstream import json_answer, run_answer, run_call, serve, tls

EVENTS = 20
"""Of text in a stream, which leave as fast as they can be written."""
_TEXT = "word " * 300

_serial = itertools.count()


def completion(tool: str) -> bytes:
    """A chat completion of about 1.9 kB; a call in it is another each time."""
    number = next(_serial)
    message: dict[str, object] = {"role": "assistant", "content": _TEXT}
    if tool:
        message["tool_calls"] = [run_call(str(number), tool)]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if tool else "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 310, "total_tokens": 320}
    whole = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1761861679}
    return json.dumps({**whole, "model": "gpt-4o", "choices": [choice], "usage": usage}).encode()


async def answer(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
    if head.startswith(b"GET "):
        writer.write(run_answer(head))
        return
    asked = json.loads(body)
    wish = asked["messages"][-1]["content"].split()[0]
    tool = "" if wish == "plain" else wish
    if asked.get("stream"):
        await tell(writer, Chat(), Plot(EVENTS, 0, tool))
    else:
        writer.write(json_answer(completion(tool)))


async def main(cert: str) -> None:
    server = asyncio.start_server(answering(answer), "127.0.0.1", 0, ssl=tls(cert), backlog=512)
    await serve(await server)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
