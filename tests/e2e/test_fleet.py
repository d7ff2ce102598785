"""Several gates on one PostgreSQL: what one decides counts on all."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e.clients import Client
from tests.e2e.fleet import HAPROXY, Fleet, balanced, start_gates
from tests.e2e.gate import Answer, Gate
from tests.e2e.origin import Origin, Reply
from tests.e2e.servers import Server, wish
from tests.e2e.test_process import RUN, submit, waiting_run
from tests.postgres import PASSWORD, Postgres, postgres

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
      - {tool: refund_order, effect: require_approval}
"""

SHELL = ("run_shell", {"command": "ls"})
REFUND = ("refund_order", {"amount": 5000})


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="pg") as folder, postgres(Path(folder)) as running:
        yield running


type Start = Callable[..., list[Gate]]
type Balance = Callable[[Sequence[Gate]], AbstractContextManager[Fleet]]


@pytest.fixture
def start(tmp_path: Path, upstream_ca_file: Path, database: Postgres) -> Iterator[Start]:
    """Start gates on one new database; they end with the test, without a password in their logs."""
    started: list[Gate] = []
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)

    def start_fleet(host: str, many: int = 2, mode: str = "enforce", **settings: str) -> list[Gate]:
        flags = ["--listen", "127.0.0.1:0", "--console", "off", "--mode", mode]
        flags += ["--upstream-ca", str(upstream_ca_file), "--gate-host", host]
        flags += ["--policy", str(policy)]
        store = {"CALLGATE_STORE": database.fresh(), **settings}
        gates = start_gates(tmp_path, many, flags, store)
        started.extend(gates)
        return gates

    yield start_fleet
    codes = [gate.stop() for gate in started if gate.is_started]
    assert set(codes) <= {0}, [gate.log for gate in started]
    assert [gate.log for gate in started if PASSWORD in gate.log or "Traceback" in gate.log] == []


@pytest.fixture
def balance(tmp_path: Path) -> Balance:
    if HAPROXY is None:
        # in CI it is there: scripts/setup-clients puts it there
        report = pytest.fail if os.environ.get("CI") else pytest.skip
        report("no haproxy: scripts/setup-clients haproxy, as root")
    return lambda gates: balanced(tmp_path, gates)


def test_verdict_of_one_gate_is_enforced_by_another(start: Start, origin: Origin) -> None:
    one, other = start(origin.host)
    origin.answer = lambda _: Reply(waiting_run("run_shell"))
    trace = str(one.request(origin.host, "GET", RUN).calls["call_0"]["trace"])
    origin.answer = lambda _: Reply(b'{"error":{"message":"down"}}', 500)
    sent = len(origin.seen)

    refused = submit(other, origin, "call_0")

    assert refused.status == 403
    assert trace in str(refused.error["message"])
    assert len(origin.seen) == sent


def test_approval_given_through_one_gate_releases_what_another_holds(
    start: Start, demo_server: Server, client_for: Callable[[str], Client]
) -> None:
    one, other = start(demo_server.host, mode="withhold")
    app = client_for("3").start(
        one.client_environment(demo_server.base_url), demo_server.assistant, wish(REFUND)
    )
    approval = other.pending_approval()
    assert app.is_running

    assert other.run("approvals", "approve", approval).returncode == 0

    assert "ran refund_order" in app.finish().text


def test_fleet_behind_a_balancer_goes_on_when_one_gate_is_killed(
    start: Start,
    balance: Balance,
    demo_server: Server,
    client_for: Callable[[str], Client],
) -> None:
    gates = start(demo_server.host, many=3)
    received = len(demo_server.received())
    with balance(gates) as fleet:
        environment = fleet.client_environment(demo_server.base_url)

        def run() -> str:
            told = client_for("3").run(environment, demo_server.assistant, wish(SHELL))
            return str(told.error["code"])

        before = run()
        gates[0].kill()
        after = [run(), run()]

    records = gates[1].lines("audit", "--last", "1000")
    assert [before, *after] == ["tool_call_denied"] * 3
    assert len({r["instance"] for r in records if r["kind"] == "start"}) == 3
    assert len([r for r in records if r["kind"] == "refusal"]) == 3
    assert "ran run_shell" not in demo_server.received()[received:]


def test_gates_refuse_while_the_database_is_away_and_heal(
    start: Start, origin: Origin, database: Postgres
) -> None:
    [gate] = start(origin.host, many=1)
    origin.answer = lambda _: Reply(waiting_run("run_shell"))
    trace = gate.request(origin.host, "GET", RUN).calls["call_0"]["trace"]
    sent = len(origin.seen)
    database.stop()
    try:
        refused = submit(gate, origin, "call_0")
        origin.answer = lambda _: Reply(waiting_run("refund_order"))
        asked = gate.request(origin.host, "GET", RUN)
    finally:
        database.start()

    assert refused.status == asked.status == 503
    assert refused.error["code"] == asked.error["code"] == "callgate_unavailable"
    assert [seen for seen in origin.seen[sent:] if seen.method == "POST"] == []

    origin.answer = lambda _: Reply(waiting_run("run_shell"))
    answer = _healed(gate, origin)
    assert answer.calls["call_0"]["trace"] == trace


def _healed(gate: Gate, origin: Origin) -> Answer:
    for _ in range(240):
        answer = gate.request(origin.host, "GET", RUN)
        if answer.status == 200:
            return answer
        time.sleep(0.25)
    raise AssertionError(gate.log)
