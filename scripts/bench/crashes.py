"""`kill -9` at random moments under load: what was acknowledged is there afterwards.

Each round loads a gate with four clients, kills it within half a second, starts it again and
submits the result of every denied call: each is refused with the trace that the client was
told before, although the API does not answer. Ends with an error at the first that is not.
"""

from __future__ import annotations

import argparse
import ssl
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import trustme

from tests.e2e.crashes import POLICY, Crashes
from tests.e2e.gate import running_gates
from tests.e2e.origin import Origin
from tests.postgres import postgres


def run(kind: str, rounds: int) -> str:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg")))
        url = f"sqlite:///{folder}/crashes.db"
        if kind == "postgresql":
            url = stack.enter_context(postgres(folder, is_durable=True)).fresh()
        ca = trustme.CA()
        ca.cert_pem.write_to_path(folder / "ca.pem")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        origin = stack.enter_context(Origin(context))
        start = stack.enter_context(running_gates(folder, folder / "ca.pem"))
        crashes = Crashes(start(origin.host, policy=POLICY, CALLGATE_STORE=url), origin)
        began = time.monotonic()
        found = [crashes.round() for _ in range(rounds)]
        took = time.monotonic() - began
    return (
        f"{kind}: {rounds} rounds in {took:.0f} s, {sum(found)} acknowledged verdicts, "
        f"{min(found)} to {max(found)} a round; none lost, no result of a denied call forwarded"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], action="append")
    arguments = parser.parse_args()
    for kind in arguments.store or ["sqlite", "postgresql"]:
        print(run(kind, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
