"""Where the package `aegis-openai` lets calls through, and the gate at its gateway does not."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from aegis_openai import AegisOpenAI

from tests.e2e.gate import Gate, StartGate
from tests.e2e.origin import Origin, Reply
from tests.standins.aegis import KEY, AegisGateway, decided
from tests.standins.gateway import Reply as Answer

WIPE = {"id": "w", "type": "function", "function": {"name": "wipe_disk", "arguments": "{}"}}
NOTE = {"id": "n", "type": "custom", "custom": {"name": "note", "input": "x"}}
DENIED = decided("deny", risk=0.9, findings=["destructive"])
APP_KEY = "sk-" + "app"


@pytest.fixture(scope="module")
def api(server_context: ssl.SSLContext) -> Iterator[Origin]:
    with Origin(server_context) as running:
        yield running


@pytest.fixture(scope="module")
def gateway() -> Iterator[AegisGateway]:
    with AegisGateway() as running:
        yield running


@pytest.fixture(scope="module")
def gate(start_shared_gate: StartGate, api: Origin, gateway: AegisGateway) -> Gate:
    return start_shared_gate(
        api.host,
        mode="withhold",
        CALLGATE_SCANNER="aegis",
        AEGIS_API_KEY=KEY,
        AEGIS_URL=gateway.url,
    )


@pytest.fixture
def package(api: Origin, gateway: AegisGateway, upstream_ca_file: Path) -> Iterator[Any]:
    """The package, without a gate."""
    trust = ssl.create_default_context(cafile=str(upstream_ca_file))
    with httpx.Client(verify=trust, trust_env=False, timeout=60) as http:
        yield AegisOpenAI(
            openai_api_key=APP_KEY,
            aegis_key=KEY,
            gateway_url=gateway.url,
            base_url=f"https://{api.host}/v1",
            http_client=http,
        )


@pytest.fixture
def app(api: Origin, gate: Gate) -> Iterator[openai.OpenAI]:
    """A plain SDK, behind the gate."""
    trust = ssl.create_default_context(cafile=gate.ca)
    with httpx.Client(verify=trust, proxy=gate.proxy, trust_env=False, timeout=60) as http:
        yield openai.OpenAI(
            api_key=APP_KEY,
            base_url=f"https://{api.host}/v1",
            http_client=http,  # type: ignore[arg-type]  # typed for the SDK's own fork of httpx
            max_retries=0,
        )


def ask(client: Any, **more: Any) -> Any:
    messages = [{"role": "user", "content": "clean up"}]
    return client.chat.completions.create(model="m", messages=messages, **more)


def ids(completion: Any) -> list[str]:
    """The calls that the app would run."""
    return [call.id for call in completion.choices[0].message.tool_calls or []]


def completion(*calls: object) -> Reply:
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return Reply(json.dumps(_told("", message=message, finish_reason="tool_calls")).encode())


def stream(call: dict[str, Any]) -> Reply:
    pieces: list[dict[str, Any]] = [
        {"delta": {"role": "assistant", "tool_calls": [{"index": 0, **call}]}},
        {"delta": {}, "finish_reason": "tool_calls"},
    ]
    events = [json.dumps(_told(".chunk", **piece)) for piece in pieces]
    body = "".join(f"data: {event}\n\n" for event in (*events, "[DONE]"))
    return Reply(body.encode(), headers=(("Content-Type", "text/event-stream"),))


def _told(kind: str, **choice: Any) -> dict[str, Any]:
    choices = [{"index": 0, "finish_reason": None, **choice}]
    object_ = f"chat.completion{kind}"
    return {"id": "c", "object": object_, "created": 1, "model": "m", "choices": choices}


def test_rate_limit_lets_nothing_through(
    package: Any, app: openai.OpenAI, api: Origin, gateway: AegisGateway
) -> None:
    gateway.replies["wipe_disk"] = Answer(429, headers={"Retry-After": "0"})
    api.answer = lambda _: completion(WIPE)

    assert ids(ask(package)) == ["w"]
    assert ids(held := ask(app)) == []
    assert "SCANNER_RATE_LIMITED" in held.choices[0].message.content


def test_exception_lets_nothing_through(
    package: Any, app: openai.OpenAI, api: Origin, gateway: AegisGateway
) -> None:
    gateway.replies["wipe_disk"] = DENIED
    # the package takes every call for a function's, fails at this one and gives up on the rest
    api.answer = lambda _: completion({**NOTE, "id": "n2"}, {**WIPE, "id": "w2"})

    assert ids(ask(package)) == ["n2", "w2"]
    assert ids(ask(app)) == ["n2"]


def test_stream_lets_nothing_through(
    package: Any, app: openai.OpenAI, api: Origin, gateway: AegisGateway
) -> None:
    gateway.replies["wipe_disk"] = DENIED
    api.answer = lambda _: stream({**WIPE, "id": "w3"})

    def streamed(client: Any) -> tuple[list[str], str]:
        deltas = [c.choices[0].delta for c in ask(client, stream=True) if c.choices]
        named = [call.function.name for delta in deltas for call in delta.tool_calls or []]
        return named, "".join(delta.content or "" for delta in deltas)

    assert streamed(package) == (["wipe_disk"], "")
    named, said = streamed(app)
    assert named == []
    assert said.startswith("Tool call blocked by Callgate: DESTRUCTIVE (trace ")
