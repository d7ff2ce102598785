"""Recorded Assistants traffic, replayed through the gate from a stand-in API."""

from __future__ import annotations

import gzip
import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
import pytest
import zstandard
from openai.types.beta.threads import Run
from openai.types.beta.threads.runs import RunStep

from tests.e2e.gate import Answer, Gate, StartGate
from tests.e2e.origin import NOT_FOUND, Origin, Reply, Seen

FOLDER = Path(__file__).parents[3] / "shared" / "recorded"

type Exchange = dict[str, Any]

EXCHANGES: dict[str, Exchange] = {
    path.stem.removeprefix("assistants__"): exchange
    for path in sorted(FOLDER.glob("assistants__*.json"))
    if "sse" not in (exchange := json.loads(path.read_text()))["flags"]
    and not (exchange["request_body"] or {}).get("stream")
}

ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}

pytestmark = pytest.mark.skipif(not EXCHANGES, reason=f"no recordings in {FOLDER}")


@dataclass(frozen=True, slots=True)
class Stage:
    gate: Gate
    origin: Origin

    def replay(self, exchange: Exchange, body: bytes, encoding: str) -> Answer:
        """Let the stand-in answer as recorded and send the recorded request."""
        headers = [("Content-Type", "application/json"), ("x-request-id", "req_1")]
        if encoding != "identity":
            headers.append(("Content-Encoding", encoding))
        recorded = Reply(body, exchange["status"], tuple(headers))
        parts = urlsplit(exchange["url"])
        target = parts.path + (f"?{parts.query}" if parts.query else "")

        def answer(seen: Seen) -> Reply:
            is_recorded = (seen.method, seen.target) == (exchange["method"], target)
            return recorded if is_recorded else NOT_FOUND

        self.origin.answer = answer
        request = exchange["request_body"]
        return self.gate.request(
            self.origin.host,
            exchange["method"],
            target,
            json.dumps(request).encode() if request else None,
            {"OpenAI-Beta": "assistants=v2"},
        )


@pytest.fixture(scope="module", params=["observe", "enforce", "withhold"])
def stage(
    request: pytest.FixtureRequest, start_shared_gate: StartGate, server_context: ssl.SSLContext
) -> Iterator[Stage]:
    with Origin(server_context) as origin:
        # some recordings submit outputs of calls that never were: what the API says is compared
        gate = start_shared_gate(origin.host, mode=request.param, CALLGATE_UNKNOWN_RESULT="allow")
        yield Stage(gate, origin)


def calls_found_by_openai(document: Exchange) -> set[str]:
    """Ids of the function calls that the SDK's own types find in a body."""
    found: set[str] = set()
    for node in document.get("data", [document]):
        if node.get("object") == "thread.run":
            action = Run.construct(**node).required_action
            found |= (
                {call.id for call in action.submit_tool_outputs.tool_calls} if action else set()
            )
        elif node.get("object") == "thread.run.step":
            details = RunStep.construct(**node).step_details
            if details.type == "tool_calls":
                found |= {call.id for call in details.tool_calls if call.type == "function"}
    return found


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", EXCHANGES)
def test_recorded_call_is_found_and_allowed_body_is_byte_identical(
    stage: Stage, name: str, encoding: str
) -> None:
    exchange = EXCHANGES[name]
    body = ENCODINGS[encoding](json.dumps(exchange["response_body"], indent=2).encode())

    answer = stage.replay(exchange, body, encoding)

    assert (answer.status, answer.body) == (exchange["status"], body)
    assert answer.headers["x-request-id"] == "req_1"
    assert answer.headers.get("Content-Encoding", "identity") == encoding
    expected = calls_found_by_openai(exchange["response_body"])
    assert set(answer.calls) == expected
    assert all(call["decision"] == "allow" for call in answer.calls.values())
    assert answer.headers.get("Callgate-Decision") == ("allow" if expected else None)


def test_recordings_hold_calls() -> None:
    found = [calls_found_by_openai(exchange["response_body"]) for exchange in EXCHANGES.values()]

    assert len(set().union(*found)) >= 3
