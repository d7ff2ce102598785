"""Recipes of the SDKs' documentation, word for word but for what the tools do.

Each is what a user of Interven or Aegis has in an app: nothing here knows of Callgate.
INTERVEN_* and AEGIS_* variables say where the gateway is.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from aegis_openai import AegisOpenAI
from interven import AifClient, AifMcpMiddleware, Client, InvokeParams, gate, guard
from interven_langchain import InterventCallback
from interven_langchain import guard as guard_tool
from interven_openai_assistants import scan_tool_calls
from langchain_core.tools import BaseTool

BANK = "https://api.bank.com/v1/wire-transfer"
SLACK = "https://slack.com/api/chat.postMessage"
SSN = "478-23-" + "9156"


class Outcome(threading.local):
    """What became of the recipe that this thread runs."""

    def __init__(self) -> None:
        self.ran: list[object] = []
        """What the tools were run with."""
        self.said: list[str] = []


HERE = Outcome()


def say(*words: object) -> None:
    """Tell who started the recipe."""
    HERE.said.append(" ".join(map(str, words)))


def quickstart(amount: str) -> None:
    """interven's README: Quickstart."""
    client = Client()
    original_body = {"amount": int(amount), "to": "ACME Logistics", "memo": "Q2 invoice"}
    result = client.scan(method="POST", url=BANK, body=original_body)
    if result.decision == "ALLOW":
        HERE.ran.append(original_body)
    elif result.decision == "SANITIZE":
        HERE.ran.append(result.sanitized_body)
    elif result.decision == "REQUIRE_APPROVAL":
        status = client.wait_for_approval(result.approval_id)
        if status.is_approved:
            HERE.ran.append(original_body)
    else:
        say(result.reason_codes)


def crew(tool_url: str, payload: str) -> None:
    """interven's README: CrewAI, step callback."""
    interven = Client(runtime_type="crewai")

    def step_guard(step: Any) -> None:
        for call in step.tool_calls:
            result = interven.scan(method="POST", url=call.tool_url, body=call.payload)
            if result.blocked:
                raise RuntimeError(f"Interven blocked: {result.reason_codes}")

    step_guard(Step([Call(tool_url, json.loads(payload))]))
    HERE.ran.append(payload)


@dataclass
class Call:
    """A tool call as a CrewAI step has it."""

    tool_url: str
    payload: object


@dataclass
class Step:
    """A step of a CrewAI agent."""

    tool_calls: list[Call]


def mcp(tool_name: str, params: str) -> None:
    """interven's README: MCP server, middleware."""
    interven = Client(runtime_type="mcp")

    async def scan_before_call(tool_name: str, params: object, next_handler: Any) -> object:
        result = interven.scan(method="POST", url=f"mcp://{tool_name}", body=params)
        if result.blocked:
            raise RuntimeError(f"Blocked: {result.reason_codes}")
        return await next_handler(tool_name, params)

    async def handler(tool_name: str, params: object) -> None:
        HERE.ran.append([tool_name, params])

    asyncio.run(scan_before_call(tool_name, json.loads(params), handler))


def generic(url: str, body: str) -> None:
    """interven's README: Generic agent."""
    interven = Client()
    r = interven.scan(method="POST", url=url, body=json.loads(body))
    if r.blocked:
        raise RuntimeError(f"Blocked: {r.reason_codes}")
    if r.needs_approval:
        status = interven.wait_for_approval(r.approval_id)
        if not status.is_approved:
            raise RuntimeError("Approval denied or expired")
    HERE.ran.append(r.sanitized_body if r.needs_sanitization else json.loads(body))


def guarded(url: str, text: str) -> None:
    """aif_sdk/guard.py: decorator usage."""
    client = Client()

    @guard(client, url=url)  # type: ignore[untyped-decorator]  # the SDK has no types
    def send_slack(message: str) -> str:
        HERE.ran.append(message)
        return "sent"

    say(send_slack(text))


def gated(url: str, body: str) -> None:
    """aif_sdk/guard.py: functional usage."""
    client = Client()
    result = gate(client, method="POST", url=url, body=json.loads(body))
    if result.proceed:
        HERE.ran.append(result.body)
    else:
        say(result.blocked_reason)


def assistants(*calls: str) -> None:
    """interven-openai-assistants' README: example; calls as NAME=ARGUMENTS."""
    tool_calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, _, arguments) in enumerate(call.partition("=") for call in calls)
    ]
    outputs = []
    for scanned in scan_tool_calls(tool_calls):
        call, scan = scanned.tool_call, scanned.scan
        if scan.decision in ("ALLOW", "SANITIZE"):
            HERE.ran.append(scanned.effective_arguments)
            outputs.append("done")
        elif scan.decision == "DENY":
            outputs.append(f"Tool blocked by Interven: {', '.join(scan.reason_codes)}")
        elif scan.decision == "REQUIRE_APPROVAL":
            outputs.append(
                f"Action requires human approval at {scan.raw.get('approval_url')}."
                f" Retry in a few minutes. {call['id']}"
            )
    say("\n".join(outputs))


class Wipe(BaseTool):
    """A tool of a LangChain agent."""

    name: str = "wipe"
    description: str = "Wipe a path."

    def _run(self, path: str) -> str:
        HERE.ran.append(path)
        return "wiped"


class Note(BaseTool):
    """A tool of a LangChain agent."""

    name: str = "note"
    description: str = "Take a note."

    def _run(self, text: str) -> str:
        HERE.ran.append(text)
        return "noted"


TOOLS: dict[str, type[BaseTool]] = {"wipe": Wipe, "note": Note}


def langchain_callback(name: str, arguments: str, raise_error: str = "") -> None:
    """interven's README: LangChain, callback handler.

    LangChain logs what a handler raises and goes on unless the handler's `raise_error` is set,
    which InterventCallback leaves alone.
    """
    callback = InterventCallback()
    callback.raise_error = bool(raise_error)
    TOOLS[name]().invoke(json.loads(arguments), config={"callbacks": [callback]})


def langchain_tool(name: str, arguments: str) -> None:
    """interven_langchain/wrapper.py: a guarded tool."""
    guard_tool(TOOLS[name]()).invoke(json.loads(arguments))


def aegis(*calls: str) -> None:
    """aegis-openai's README: three-line install; the model's answer is made up here."""
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": f"call_{n}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for n, (name, _, arguments) in enumerate(call.partition("=") for call in calls)
        ],
    }
    completion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
    }
    model = httpx.Client(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, json=completion))
    )
    client = AegisOpenAI(openai_api_key="sk-" + "app", http_client=model)
    response = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Free up disk space"}]
    )
    for call in response.choices[0].message.tool_calls:
        HERE.ran.append([call.function.name, json.loads(call.function.arguments)])
    for blocked in getattr(response, "_aegis_blocked", []):
        say(blocked["blocked_message"])


def invoke(tool_name: str) -> None:
    """interven's README: legacy HMAC; the secret is the API key."""
    made = Client()
    client = AifClient(
        gateway_url=made.gateway_url,
        agent_id="agent-7",
        agent_name="release-bot",
        agent_secret=made.api_key,
    )
    result = client.invoke(
        InvokeParams(
            tool_name=tool_name,
            method="PUT",
            url_path="/repos/acme/main-app/collaborators/external-user",
            credential_type="pat",
            credential_token="ghp_" + "x" * 36,
            scopes=["repo"],
        )
    )
    say(json.dumps([result.decision, result.error, result.upstream_response]))
    if result.approval_id:
        say(client.wait_for_approval(result.approval_id).status)


def middleware(name: str) -> None:
    """aif_sdk/mcp.py: usage with any MCP client."""
    made = Client()
    asked = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": {"path": "/tmp/x"}},
    }
    mcp_response = AifMcpMiddleware(made.gateway_url, "agent-7", made.api_key).intercept(asked)
    if mcp_response["result"]["isError"]:
        say("Blocked by AIF:", mcp_response["result"]["content"][0]["text"])
    else:
        HERE.ran.append(name)


RECIPES: dict[str, Callable[..., None]] = {
    made.__name__: made
    for made in (
        quickstart,
        crew,
        mcp,
        generic,
        guarded,
        gated,
        assistants,
        langchain_callback,
        langchain_tool,
        aegis,
        invoke,
        middleware,
    )
}


def run(name: str, *arguments: str) -> dict[str, Any]:
    """Run a recipe; tells what its tools were run with, what it said and what it raised."""
    HERE.ran, HERE.said = [], []
    raised = ""
    try:
        RECIPES[name](*arguments)
    except Exception as error:  # noqa: BLE001  # whatever an SDK raises is the outcome
        raised = f"{type(error).__name__}: {error}"
    return {"ran": HERE.ran, "said": "\n".join(HERE.said), "raised": raised}
