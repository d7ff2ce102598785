"""The soak, condensed: everything at once for some seconds; an hour is `scripts/bench/soak`."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.gate import StartGate
from tests.e2e.origin import Origin
from tests.e2e.soak import POLICY, TOKEN, Soak, unjudged
from tests.standins.interven import KEY, IntervenGateway


def test_nothing_unjudged_passes_while_everything_happens_at_once(
    start_gate: StartGate, origin: Origin, tmp_path: Path
) -> None:
    bundle = tmp_path / "log.jsonl"
    with IntervenGateway() as scanner:
        gate = start_gate(
            origin.host,
            mode="withhold",
            policy=POLICY,
            CALLGATE_SCANNER="local,interven",
            CALLGATE_CONSOLE="127.0.0.1:0",
            CALLGATE_CONSOLE_TOKEN=f"maria:{TOKEN}",
            INTERVEN_API_KEY=KEY,
            INTERVEN_GATEWAY_URL=scanner.url,
        )
        soak = Soak(gate, origin, scanner, tmp_path / "policy-0.yaml")
        soak.run(4, clients=4)

    assert soak.faults == []
    assert any("look" in id for id in soak.seen)
    assert not any("wipe" in id for id in soak.seen)
    exported = gate.run("audit", "export", "--out", str(bundle))
    assert exported.returncode == 0, exported.stderr
    verified = gate.run("verify", str(bundle), "--key", str(gate.home / "keys" / "audit.pub"))
    assert verified.returncode == 0, verified.stdout
    assert unjudged(soak.seen, soak.approved, bundle) == set()
