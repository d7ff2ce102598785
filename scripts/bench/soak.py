"""Everything at once on one gate in `withhold`, for an hour; ends with an error at the first fault.

Mixed load from clients that poll, stream, submit, leave and dawdle, an API that resets connections,
a scanner that fails now and then, a person who decides, policies written anew. At the end every
call that the app got was judged and may be had, the log verifies, and what the process takes is
what it took after its first minute.
"""

from __future__ import annotations

import argparse
import json
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme

from tests.e2e.gate import running_gates
from tests.e2e.origin import Origin
from tests.e2e.soak import Footprint, Soak, unjudged
from tests.standins.interven import IntervenGateway

_QUIET_SECONDS = 15
_MORE_FILES = 20
_MORE_THREADS = 10
_BYTES_A_CALL = 4096
"""What the process may grow by for each call seen."""
_OTHER_MB = 60


@contextmanager
def started() -> Iterator[Soak]:
    """A gate with an API and a scanner beside it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ca = trustme.CA()
        ca.cert_pem.write_to_path(folder / "ca.pem")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        origin = stack.enter_context(Origin(context))
        scanner = stack.enter_context(IntervenGateway())
        start = stack.enter_context(running_gates(folder, folder / "ca.pem"))
        yield Soak.begin(start, origin, scanner, folder)


def settled(pid: int, before: Footprint | None) -> Footprint:
    """What the process takes when nobody asks any more: as little as before, or what is left."""
    end = time.monotonic() + _QUIET_SECONDS
    now = Footprint.of(pid)
    while time.monotonic() < end and (before is None or now.files > before.files):
        time.sleep(0.5)
        now = Footprint.of(pid)
    return now


def check(soak: Soak, folder: Path, calls: int, before: Footprint, after: Footprint) -> list[str]:
    """What is wrong at the end."""
    bundle = folder / "log.jsonl"
    faults = list(soak.faults)
    for arguments in (
        ["audit", "export", "--out", str(bundle)],
        ["verify", str(bundle), "--key", str(soak.gate.home / "keys" / "audit.pub")],
    ):
        done = soak.gate.run(*arguments, timeout=900)
        if done.returncode:
            faults.append(f"{' '.join(arguments[:2])}: {done.stdout}{done.stderr}")
    if passed := unjudged(soak.seen, soak.approved, bundle):
        faults.append(f"not judged, or not allowed, and seen: {sorted(passed)[:20]}")
    if wiped := [id for id in soak.seen if "wipe" in id]:
        faults.append(f"denied and seen: {wiped[:20]}")
    may_grow = _OTHER_MB + calls * _BYTES_A_CALL / 1e6
    if after.files > before.files + _MORE_FILES:
        faults.append(f"{before.files} files have become {after.files}")
    if after.threads > before.threads + _MORE_THREADS:
        faults.append(f"{before.threads} threads have become {after.threads}")
    if after.rss_mb > before.rss_mb + may_grow:
        faults.append(f"{before.rss_mb:.0f} MB have become {after.rss_mb:.0f}")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--clients", type=int, default=6)
    options = parser.parse_args()
    with started() as soak, tempfile.TemporaryDirectory() as folder:
        warm = min(60.0, options.seconds / 5)
        soak.run(warm, options.clients)
        pid = soak.gate.pid
        before = settled(pid, None)
        seen = len(soak.seen)
        for _ in range(6):
            soak.run((options.seconds - warm) / 6, options.clients)
            now = Footprint.of(pid)
            asked = sum(soak.asked.values())
            print(f"{asked:>8} requests  {now}", file=sys.stderr, flush=True)
        after = settled(pid, before)
        faults = check(soak, Path(folder), len(soak.seen) - seen, before, after)
    print(json.dumps(dict(sorted(soak.ended.items())), indent=1))
    print(f"calls seen {len(soak.seen)}; after the first minute {before}, at the end {after}")
    for fault in faults[:50]:
        print(fault, file=sys.stderr)
    sys.exit(len(faults) > 0)


if __name__ == "__main__":
    main()
