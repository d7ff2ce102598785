"""Ways to the gate beside proxy variables, and the way out through another proxy."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.connect_proxy import ConnectProxy
from tests.e2e.gate import StartGate, clean_environment
from tests.e2e.origin import Origin, Reply
from tests.e2e.runtimes import under_run
from tests.e2e.test_process import DENY_SHELL, RUN, waiting_run

ROOT = Path(__file__).parents[2]
MODELS = Reply(b'{"object":"list","data":[]}')


# -- reverse listeners ----------------------------------------------------------------------


def test_reverse_listener_gates_what_is_sent_to_it_over_plain_http(
    start_gate: StartGate, origin: Origin
) -> None:
    gate = start_gate(policy=DENY_SHELL, CALLGATE_REVERSE=f"127.0.0.1:0=https://{origin.host}")
    url = re.findall(r"reverse listener (http://\S+)", gate.log)[0]
    with socket.socket(type=socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", urlsplit(url).port))
    origin.answer = lambda _: Reply(waiting_run("run_shell"))
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as app:
        run = app.get(RUN)
        origin.answer = lambda _: Reply(b'{"error":{"message":"down"}}', 500)
        refused = app.post(
            f"{RUN}/submit_tool_outputs",
            json={"tool_outputs": [{"tool_call_id": "call_0", "output": "done"}]},
        )

    assert run.headers["callgate-decision"] == "deny"
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "tool_call_denied"
    assert [seen.method for seen in origin.seen] == ["GET"]
    assert origin.seen[0].header("host") == origin.host


def test_client_that_reads_no_proxy_variable_is_reached_by_its_base_url(
    origin: Origin, upstream_ca_file: Path, tmp_path: Path
) -> None:
    origin.answer = lambda _: MODELS
    program = "import os, httpx; u = os.environ['OPENAI_BASE_URL'] + '/models'; "
    program += "a = httpx.get(u, trust_env=False, timeout=60); print(u, a.headers['callgate-mode'])"

    done = under_run(
        [sys.executable, "-c", program],
        f"https://{origin.host}/some/v1",
        upstream_ca_file,
        tmp_path / "home",
        "--reverse",
        f"127.0.0.1:0=https://{origin.host}",
    )

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/some/v1/models enforce\n", done.stdout)
    assert [seen.target for seen in origin.seen] == ["/some/v1/models"]


# -- a proxy behind -------------------------------------------------------------------------


def test_gated_and_own_requests_go_through_the_proxy_behind(
    start_gate: StartGate, origin: Origin
) -> None:
    with ConnectProxy() as behind:
        gate = start_gate(origin.host, policy=DENY_SHELL, CALLGATE_UPSTREAM_PROXY=behind.url())
        origin.answer = lambda _: Reply(waiting_run("run_shell"))
        outputs = {"tool_outputs": [{"tool_call_id": "call_0", "output": "done"}]}
        # a call that the gate has not seen: it asks the API itself
        refused = gate.request(
            origin.host, "POST", f"{RUN}/submit_tool_outputs", json.dumps(outputs).encode()
        )

        assert refused.error["code"] == "tool_call_denied"
        assert [seen.method for seen in origin.seen] == ["GET"]
        # the app's connection, and the gate's own
        assert behind.connected == [origin.host, origin.host]
        run = gate.request(origin.host, "GET", RUN)
        assert run.calls["call_0"]["decision"] == "deny"
        assert behind.connected == [origin.host] * 3


def test_tunnelled_traffic_goes_through_the_proxy_behind(
    start_gate: StartGate, origin: Origin, upstream_ca_file: Path
) -> None:
    origin.answer = lambda _: MODELS
    with ConnectProxy() as behind:
        gate = start_gate("127.0.0.1:1", CALLGATE_UPSTREAM_PROXY=behind.url())
        connection = gate.connect(origin.host, ca=str(upstream_ca_file))
        connection.request("GET", "/v1/models")
        answer = connection.getresponse()

        assert answer.read() == MODELS.body
        assert "callgate-mode" not in answer.headers
        connection.close()
        assert behind.connected == [origin.host]


def test_proxy_behind_that_refuses_lets_nothing_past_it(
    start_gate: StartGate, origin: Origin
) -> None:
    with ConnectProxy() as behind:
        gate = start_gate(origin.host, CALLGATE_UPSTREAM_PROXY=behind.url("ann:wrong"))

        with pytest.raises((OSError, ssl.SSLError, AssertionError)):
            assert gate.request(origin.host, "GET", "/v1/models").status == 200
        assert behind.refused
        assert not origin.seen


def test_console_is_not_reached_through_the_proxy_behind(start_gate: StartGate) -> None:
    with ConnectProxy() as behind:
        gate = start_gate("127.0.0.1:1", CALLGATE_UPSTREAM_PROXY=behind.url())
        gate.stop()
        gate._flags = [*gate._flags, "--console", "127.0.0.1:0"]
        gate.start()
        with pytest.raises(OSError, match="403"):
            gate.request(gate.console.removeprefix("http://"), "GET", "/healthz")
        assert behind.connected == []


# -- transparent mode -----------------------------------------------------------------------


def can_redirect() -> str:
    """Empty, or why this machine can not be used."""
    if os.geteuid() != 0:
        return "network namespaces and nft need root"
    if missing := [name for name in ("nft", "ip", "setpriv", "curl") if not shutil.which(name)]:
        return f"this machine has no {', '.join(missing)}: scripts/setup-system installs nft"
    tried = subprocess.run(
        ["unshare", "-n", "-m", "nft", "add table inet callgate"], capture_output=True, text=True
    )
    return f"network namespaces are not to be had here: {tried.stderr}" if tried.returncode else ""


def test_redirected_user_is_gated_without_any_variable(tmp_path: Path) -> None:
    if reason := can_redirect():
        pytest.skip(reason)
    script = ["sh", str(Path(__file__).with_name("transparent.sh"))]
    done = subprocess.run(
        ["unshare", "-n", "-m", *script, str(tmp_path), sys.executable, str(ROOT)],
        env=clean_environment(CALLGATE_HOME=str(tmp_path / "home"), PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=200,
    )

    assert done.returncode == 0, done.stderr + (tmp_path / "gate.log").read_text()
    states = ("before", "gated", "other", "quic", "after")
    assert {state: (tmp_path / state).read_text().strip() for state in states} == {
        "before": "200",
        "gated": "200 enforce",
        "other": "200",
        "quic": "refused",
        "after": "200",
    }


@pytest.mark.parametrize("words", [(), ("on",), ("on", "nobody"), ("on", "nobody", "x"), ("no",)])
def test_redirect_says_how_it_is_used(words: tuple[str, ...]) -> None:
    done = subprocess.run(["scripts/redirect", *words], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 2
    assert "redirect on USER PORT" in done.stderr


def test_redirect_of_the_user_whose_gate_listens_is_refused() -> None:
    if reason := can_redirect():
        pytest.skip(reason)
    program = (
        "import os, socket, subprocess, sys\n"
        "os.seteuid(65534)\n"  # nobody's, as /proc/net/tcp tells it
        "with socket.create_server(('127.0.0.1', 8443)):\n"
        "    os.seteuid(0)\n"
        "    words = ['scripts/redirect', 'on', 'nobody', sys.argv[1]]\n"
        "    sys.exit(subprocess.run(words).returncode)\n"
    )
    command = ["unshare", "-n", "-m", sys.executable, "-c", program]
    own, other = (
        subprocess.run([*command, port], cwd=ROOT, capture_output=True, text=True, timeout=60)
        for port in ("8443", "8444")
    )

    assert own.returncode == 2
    assert "come back" in own.stderr
    assert other.returncode == 0, other.stderr


def test_redirect_of_the_user_who_runs_the_gate_is_refused() -> None:
    own = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run(
        ["scripts/redirect", "on", own, "8443"], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "come back" in done.stderr
