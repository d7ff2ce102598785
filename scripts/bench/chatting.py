"""What an app sends to Chat Completions in the comparison."""

from __future__ import annotations

import json

from load import Route

ALLOWED, DENIED, PLAIN = "get_weather", "delete_everything", "plain"
_TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in (ALLOWED, DENIED)
]


def chat(
    route: Route, wish: str, number: int = 0, *, streamed: bool = False, result_of: str = ""
) -> bytes:
    """A request; the message is another one for another number.

    `wish` is the tool that the model is to call, or PLAIN; with `result_of` the request brings
    back the result of the call with that id.
    """
    said: list[dict[str, object]] = [{"role": "user", "content": f"{wish} {number}"}]
    if result_of:
        call = {"id": result_of, "type": "function", "function": {"name": wish, "arguments": "{}"}}
        said.append({"role": "assistant", "content": None, "tool_calls": [call]})
        said.append({"role": "tool", "tool_call_id": result_of, "content": "done"})
    asked = {"model": "gpt-4o", "messages": said, "tools": _TOOLS, "stream": streamed}
    body = json.dumps(asked).encode()
    return _head("POST", "/v1/chat/completions", route) + (
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )


def poll(route: Route, path: str) -> bytes:
    """A look at a run."""
    return _head("GET", path, route) + b"\r\n"


def _head(method: str, path: str, route: Route) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{route.port}\r\n"
        "Authorization: Bearer bench\r\n"
    ).encode()
