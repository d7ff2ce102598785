"""How many records a second `callgate verify` checks, in both depths, and a second verifier too.

The bundle is made here, of records as the gate writes them, with a key of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from callgate.audit import bundle
from callgate.audit.keys import Keys
from callgate.audit.ledger import Ledger
from callgate.audit.record import call_record, delivery_record
from callgate.audit.verify import verify
from callgate.model import Mode
from tests.samples import decided

ROOT = Path(__file__).parents[2]
AT = "2030-01-01T12:00:00.000000Z"


def make(folder: Path, records: int) -> tuple[Path, Keys]:
    keys = Keys(folder / "keys")
    ledger = Ledger(keys, lambda: datetime.now(UTC), lambda: {"version": "0", "policy": "0" * 64})
    ledger.bind(b"bench")
    pair = [call_record(decided(), Mode.ENFORCE), delivery_record(decided(), "held", Mode.ENFORCE)]
    path, head, count = folder / "bundle.jsonl", None, 0
    with path.open("wb") as file:
        bundle.write(file, [bundle.FIRST_LINE.decode()])
        while count < records:
            many = min(1000, records - count)
            batch = [{**pair[n % 2], "at": AT} for n in range(many)]
            sealed, head = ledger.seal(batch, head)
            count += bundle.write(file, [one.line for one in sealed])
        assert head
        end = bundle.end_line({ledger.instance: head}, count + 1, keys.current, datetime.now(UTC))
        bundle.write(file, [end])
    return path, keys


def rate(records: int, work: Callable[[], object]) -> str:
    begin, cpu = time.perf_counter(), _cpu()
    work()
    seconds, cpu = time.perf_counter() - begin, _cpu() - cpu
    return f"{records / seconds:>10,.0f} records/s  ({seconds:.2f} s, CPU {cpu:.2f} s)"


def _cpu() -> float:
    """Of this process and its ended children: what a busy machine does not change."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        path, keys = make(Path(folder), records)
        seconds = time.perf_counter() - begin
        size = path.stat().st_size / records
        print(f"{records:,} records of {size:.0f} bytes, {os.cpu_count()} processors")
        print(f"sealed           {records / seconds:>10,.0f} records/s")
        trusted = [keys.current.name]
        print("verify          ", rate(records, lambda: verify(path, trusted)))
        print(
            "every signature ",
            rate(records, lambda: verify(path, trusted, every_signature=True)),
        )
        script = ROOT / "scripts" / "verify_bundle.py"
        second = [sys.executable, str(script), str(path), str(keys.public_file)]
        quiet = subprocess.DEVNULL
        print(
            "second verifier ",
            rate(records, lambda: subprocess.run(second, stdout=quiet, check=True)),
        )


if __name__ == "__main__":
    main()
