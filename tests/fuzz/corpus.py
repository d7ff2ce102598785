"""Where fuzzing starts: the kept cases of a target, and recorded traffic where there is some."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.fuzz.case import Case

KEPT = Path(__file__).parents[1] / "corpus"
RECORDED = Path(__file__).parents[3] / "shared" / "recorded"

_MOST_BYTES = 30_000


def kept(target: str) -> dict[str, bytes]:
    """The cases of a target by name, in order."""
    return {path.stem: path.read_bytes() for path in sorted((KEPT / target).glob("*.http"))}


def recorded(target: str) -> list[bytes]:
    """Exchanges that were recorded, of a size that can be mutated."""
    paths = sorted(RECORDED.glob("*.json")) if RECORDED.exists() else []
    cases = (case for path in paths for case in _cases(json.loads(path.read_text()), target))
    return [raw for case in cases if len(raw := case.written()) < _MOST_BYTES]


def _cases(exchange: dict[str, object], target: str) -> Iterator[Case]:
    url, body = urlsplit(str(exchange["url"])), exchange["response_body"]
    is_stream = "sse" in str(exchange["flags"])
    method, path = str(exchange["method"]), url.path or "/v1/chat/completions"
    path += f"?{url.query}" if url.query else ""
    json_type = (("content-type", "application/json"),)
    if target == "sockets" and isinstance(body, list):
        lines = [
            (">" if "client" in str(frame["direction"]) else "<") + json.dumps(frame["data"])
            for frame in body
        ]
        yield Case("GET", "/v1/realtime?model=m", (), "\n".join(lines).encode())
    elif target == "streams" and is_stream and isinstance(body, str):
        yield Case(method, path, (("content-type", "text/event-stream"),), body.encode())
    elif target == "bodies" and not is_stream and isinstance(body, dict):
        yield Case(method, path, json_type, json.dumps(body).encode())
    elif target == "results" and isinstance(request := exchange["request_body"], dict):
        yield Case(method, path, json_type, json.dumps(request).encode())
