"""Kills a process that records under load, at a random moment, and looks at what it left.

`python -m tests.audit.crash --rounds 200` (as `scripts/crash` does) for a long run; a few rounds
are a test. In each: every acknowledged record is there, the log verifies, and the mirror, with
its torn last line taken off, is brought up to date.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from typer.testing import CliRunner

from callgate.audit.keys import Keys, read_public
from callgate.audit.ledger import Ledger
from callgate.audit.mirror import FileSink, Mirror
from callgate.audit.verify import verify
from callgate.chain import key_name
from callgate.cli import app
from callgate.store import open_store
from callgate.store.base import Store

ROOT = Path(__file__).parents[2]
WRITERS = 16
ROUNDS_PER_HOME = 8


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed."""

    acknowledged: int
    records: int
    was_torn: bool
    """The last line of the mirror."""


async def opened(home: Path) -> tuple[Store, Mirror]:
    """The store and a mirror of it, as a proxy has them."""
    followers: list[Mirror] = []

    def wake() -> None:
        for follower in followers:
            follower.wake()

    ledger = Ledger(Keys(home / "keys"), lambda: datetime.now(UTC), on_committed=wake)
    store = await open_store(f"sqlite:///{home}/callgate.db", chain=ledger)
    sink = FileSink(home / "mirror.jsonl", ledger.instance)
    followers.append(Mirror(sink, lambda n: store.following(ledger.instance, n), 0))
    return store, followers[0]


async def record(home: Path) -> None:
    """Append for ever, and say each record that was acknowledged."""
    store, _ = await opened(home)

    async def write(writer: int) -> None:
        number = 0
        while True:
            number += 1
            tag = f"{os.getpid()}-{writer}-{number}"
            filler = "x" * random.randrange(3000)
            await store.append([{"kind": "delivery", "tag": tag, "filler": filler}])
            sys.stdout.write(f"{tag}\n")
            sys.stdout.flush()

    await asyncio.gather(*map(write, range(WRITERS)))


async def recovered(home: Path) -> set[str]:
    """Start again, as a proxy would, and return every tag there is."""
    store, mirror = await opened(home)
    await store.append([{"kind": "start"}])
    await mirror.close()
    tags = {str(found.get("tag")) for found in await store.records()}
    await store.close()
    return tags


def play(home: Path, random_: random.Random) -> Round:
    """One round; raises AssertionError, VerificationError."""
    command = [sys.executable, "-m", "tests.audit.crash", "--record", str(home)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'addons'}:{ROOT}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout
        first = process.stdout.readline()
        time.sleep(random_.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        # the last line may have been cut by the kill
        said = (first + process.stdout.read()).rpartition("\n")[0].split()
    mirror = home / "mirror.jsonl"
    was_torn = mirror.exists() and not mirror.read_bytes().endswith(b"\n")
    tags = asyncio.run(recovered(home))
    lost = set(said) - tags
    assert not lost, f"acknowledged, and lost: {sorted(lost)[:5]}"
    return Round(len(said), verified(home), was_torn)


def verified(home: Path) -> int:
    """Export, verify, compare the mirror; returns how many records there are."""
    out = home / "bundle.jsonl"
    done = CliRunner().invoke(
        app, ["audit", "export", "--out", str(out)], env={"CALLGATE_HOME": str(home)}
    )
    assert done.exit_code == 0, done.output
    found = verify(out, [key_name(read_public(home / "keys" / "audit.pub"))])
    lines = [line for line in out.read_text().splitlines() if line.startswith('{"chain"')]
    assert (home / "mirror.jsonl").read_text().splitlines() == lines
    assert found.checkpoints == 1
    return found.records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, metavar="HOME", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    given = parser.parse_args()
    if given.record:
        asyncio.run(record(given.record))
        return
    random_ = random.Random(given.seed)
    rounds: list[Round] = []
    while len(rounds) < given.rounds:
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(min(ROUNDS_PER_HOME, given.rounds - len(rounds))):
                rounds.append(play(Path(folder), random_))
                sys.stderr.write(f"{len(rounds)} {rounds[-1]}\n")
    found = {
        "rounds": len(rounds),
        "acknowledged": sum(one.acknowledged for one in rounds),
        "lost": 0,
        "torn mirrors": sum(one.was_torn for one in rounds),
        "seed": given.seed,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
