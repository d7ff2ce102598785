import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from callgate.demo import agent
from callgate.demo.certificates import Certificates
from callgate.demo.launch import serve
from callgate.demo.server import create_app
from callgate.demo.story import fake_api_key

API_KEY = "sk-" + "owner-" + "0" * 20


def run_agent(
    url: str, ca: Path, *arguments: str, key: str | None = API_KEY
) -> subprocess.CompletedProcess[str]:
    """The agent as an app: a process that knows nothing but its environment."""
    environment = {
        "PATH": os.environ["PATH"],
        "SSL_CERT_FILE": str(ca),
        "OPENAI_BASE_URL": f"{url}/v1",
    }
    if key is not None:
        environment["OPENAI_API_KEY"] = key
    return subprocess.run(
        [sys.executable, agent.__file__, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def events(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_without_a_gate_all_four_things_are_executed(certificates: Certificates) -> None:
    app = create_app()
    with serve(app, certificates) as url:
        result = run_agent(url, certificates.ca, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    seen = events(result)
    assert [event["event"] for event in seen] == ["request", "call", "executed", "reply"] * 4
    executed = [event for event in seen if event["event"] == "executed"]
    assert [event["tool"] for event in executed] == [
        "get_weather",
        "run_shell",
        "send_message",
        "refund_order",
    ]
    assert executed[1]["arguments"]["command"].startswith("rm -rf /srv/customers")
    assert fake_api_key() in executed[2]["arguments"]["text"]
    assert executed[3]["arguments"]["amount"] == 5000
    threads = {item.path.split("/")[3] for item in app.state.received if "/runs/" in item.path}
    assert len(threads) == 4


def test_readable_output_names_calls_and_executions(certificates: Certificates) -> None:
    with serve(create_app(), certificates) as url:
        result = run_agent(url, certificates.ca, "Is the disk full?")
    lines = result.stdout.split("\n")
    assert lines[1] == "> Is the disk full?"
    assert lines[2].startswith("  the model wants run_shell")
    assert lines[3].startswith("  EXECUTED run_shell")
    assert lines[4].startswith("  < run_shell")
    assert all(len(line) < 250 for line in lines)


def test_chained_and_parallel_calls_are_worked_off(certificates: Certificates) -> None:
    with serve(create_app(), certificates) as url:
        chained = events(run_agent(url, certificates.ca, "--json", "--model", "demo-chained", "go"))
        parallel = events(
            run_agent(url, certificates.ca, "--json", "--model", "demo-parallel", "go")
        )
    assert [e["event"] for e in chained] == ["request", *["call", "executed"] * 3, "reply"]
    assert [e["event"] for e in parallel] == ["request", *["call", "executed"] * 3, "reply"]


@pytest.mark.parametrize("model", ["demo-not-json", "demo-no-arguments"])
def test_impossible_call_is_reported_to_the_model_and_not_executed(
    certificates: Certificates, model: str
) -> None:
    with serve(create_app(), certificates) as url:
        seen = events(run_agent(url, certificates.ca, "--json", "--model", model, "go"))
    assert [event["event"] for event in seen] == ["request", "call", "reply"]
    assert "can not be called like this" in seen[-1]["text"]


class Refusal:
    """ASGI middleware that answers every submit of outputs like a gate that refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].endswith("/submit_tool_outputs"):
            await self.app(scope, receive, send)
            return
        fault = {
            "message": "refused",
            "type": "permission_error",
            "param": "tool_outputs[0].output",
            "code": "tool_call_denied",
        }
        refusal = JSONResponse({"error": fault}, 403, headers={"x-should-retry": "false"})
        await refusal(scope, receive, send)


def test_refused_output_is_reported_and_the_run_cancelled(certificates: Certificates) -> None:
    app = create_app()
    app.add_middleware(Refusal)
    with serve(app, certificates) as url:
        result = run_agent(url, certificates.ca, "--json", "disk", "weather")
        readable = run_agent(url, certificates.ca, "disk").stdout
    assert result.returncode == 0
    seen = events(result)
    assert [e["event"] for e in seen] == ["request", "call", "executed", "error", "cancelled"] * 2
    assert seen[3] == {
        "event": "error",
        "type": "PermissionDeniedError",
        "code": "tool_call_denied",
        "message": "refused",
    }
    cancelled = [item.path for item in app.state.received if item.path.endswith("/cancel")]
    assert len(cancelled) == 3
    assert "  !! PermissionDeniedError tool_call_denied refused\n  cancelled run_" in readable


def test_expired_run_is_reported(certificates: Certificates) -> None:
    with serve(create_app(run_seconds=0), certificates) as url:
        seen = events(run_agent(url, certificates.ca, "--json", "weather"))
    assert seen[-1]["event"] == "error"
    assert seen[-1]["code"] == "expired"


def test_key_is_never_printed_and_a_missing_one_is_explained(certificates: Certificates) -> None:
    with serve(create_app(), certificates) as url:
        good = run_agent(url, certificates.ca)
        bad = run_agent(url, certificates.ca, "--json", key=None)
    assert API_KEY not in good.stdout + good.stderr
    assert bad.returncode == 1
    assert "OPENAI_API_KEY" in events(bad)[0]["message"]


def test_agent_knows_nothing_of_callgate() -> None:
    source = Path(agent.__file__).read_text()
    assert "callgate" not in source.lower()
