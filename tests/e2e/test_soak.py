"""The soak, condensed: everything at once for some seconds; an hour is `scripts/bench/soak`."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.gate import StartGate
from tests.e2e.origin import Origin
from tests.e2e.soak import Soak, unjudged
from tests.standins.interven import IntervenGateway


def test_nothing_unjudged_passes_while_everything_happens_at_once(
    start_gate: StartGate, origin: Origin, tmp_path: Path
) -> None:
    bundle = tmp_path / "log.jsonl"
    with IntervenGateway() as scanner:
        soak = Soak.begin(start_gate, origin, scanner, tmp_path)
        soak.run(4, clients=4)
        while not any("look" in id for id in soak.seen):  # chance had the scanner fail all the time
            soak.run(1, clients=4)
        gate = soak.gate

    assert soak.faults == []
    assert not any("wipe" in id for id in soak.seen)
    exported = gate.run("audit", "export", "--out", str(bundle))
    assert exported.returncode == 0, exported.stderr
    verified = gate.run("verify", str(bundle), "--key", str(gate.home / "keys" / "audit.pub"))
    assert verified.returncode == 0, verified.stdout
    assert unjudged(soak.seen, soak.approved, bundle) == set()
