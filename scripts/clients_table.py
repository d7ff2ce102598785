"""Writes the table of docs/clients.md: every client that can be had, under `callgate run`."""

from __future__ import annotations

import re
import ssl
import sys
import tempfile
from pathlib import Path

import trustme

from tests.e2e.origin import Origin, Reply
from tests.e2e.runtimes import RUNTIMES, Reached, ask_all

PAGE = Path(__file__).resolve().parent.parent / "docs" / "clients.md"
MARK = "<!-- clients: made by scripts/clients-table -->"


def asked() -> dict[str, Reached | LookupError]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with tempfile.TemporaryDirectory() as folder, Origin(context) as origin:
        ca = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(str(ca))
        origin.answer = lambda _: Reply(b'{"object":"list","data":[]}')
        return ask_all(RUNTIMES, f"https://localhost:{origin.port}/v1", ca, Path(folder) / "home")


def table(found: dict[str, Reached | LookupError]) -> str:
    rows = ["| client | version | gated under `callgate run` | else |", "|---|---|---|---|"]
    for runtime in RUNTIMES:
        reached = found[runtime.name]
        if isinstance(reached, LookupError):
            print(f"{runtime.name}: {reached}", file=sys.stderr)
            continue
        is_gated = "yes" if reached.mode else "**no**"
        rows.append(f"| {runtime.name} | {reached.version} | {is_gated} | {runtime.way_out} |")
    return "\n".join(rows)


def main() -> None:
    text = PAGE.read_text()
    pattern = re.compile(re.escape(MARK) + r"\n.*?<!-- end -->", re.DOTALL)
    whole = f"{MARK}\n{table(asked())}\n<!-- end -->"
    PAGE.write_text(pattern.sub(lambda _: whole, text))


if __name__ == "__main__":
    main()
