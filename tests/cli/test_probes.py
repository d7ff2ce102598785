"""Programs that hand in a denied result."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from callgate.cli import probes
from callgate.cli.probes import PROBES, Probe, told

BODY = '{"tool_outputs": [{"output": "it\'s \\"done\\""}]}'


class Refuses(BaseHTTPRequestHandler):
    """Says which body it refused."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = b'{"error": {"code": "tool_call_denied"}}' if body.decode() == BODY else body
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/threads/t/runs/r/submit_tool_outputs"
        server.shutdown()
        thread.join()


def without_proxies() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.client)
async def test_probe_sends_the_body_and_shows_what_it_was_told(
    probe: Probe, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", without_proxies()["PATH"])
    answer = await told(probe, url, BODY, without_proxies())

    if answer is None:
        pytest.skip("this machine has no such client")
    if not (probe.client == "python3 openai" and '"tool_outputs"' in answer):  # it spaces anew
        assert "tool_call_denied" in answer


async def test_missing_program_or_package_is_no_answer(url: str) -> None:
    assert await told(Probe("x", "no-such-program", ()), url, BODY, {}) is None
    assert await told(Probe("x", "sh", ("-c", "exit 77")), url, BODY, {}) is None


async def test_error_is_told_by_its_last_line(url: str) -> None:
    probe = Probe("x", "sh", ("-c", "echo first >&2; echo last >&2; echo >&2"))

    assert await told(probe, url, BODY, {}) == "last"
    assert await told(Probe("x", "true", ()), url, BODY, {}) == "nothing"


async def test_probe_that_hangs_is_ended(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_SECONDS", 0.1)

    assert "no answer" in str(await told(Probe("x", "sh", ("-c", "exec sleep 60")), url, BODY, {}))
