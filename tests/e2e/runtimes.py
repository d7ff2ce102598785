"""Clients that an app may be made with, and whether variables alone bring each to the gate.

`test_variables.py` holds the table to what happens, `scripts/clients-table` prints it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.gate import clean_environment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass(frozen=True, slots=True)
class Runtime:
    """One client in one runtime."""

    name: str
    home: str
    """`own`: this interpreter; `system`: the machine's program; else a name of setup-clients."""
    program: str
    """The program that asks; for Python and JavaScript it is told what with."""
    way_out: str = ""
    """What brings it to the gate where variables do not; empty where they do."""

    @property
    def is_reached(self) -> bool:
        return not self.way_out

    def command(self) -> Sequence[str]:
        """Raises LookupError with the reason where this machine can not have the client."""
        if self.program == "curl":
            _found("curl")
            return ["sh", "-c", CURL]
        if self.home == "own":
            return [sys.executable, str(HERE / "reach.py"), self.program]
        folder = _installed(self.home)
        if (folder / "bin" / "python").exists():
            return [str(folder / "bin" / "python"), str(HERE / "reach.py"), self.program]
        name = self.home.rstrip("0123456789")
        run = [str(folder / "node_modules" / ".bin" / name)]
        run += ["run", "--quiet", "-A"] if name == "deno" else []
        return [*run, str(HERE / "reach.mjs"), self.program]

    @property
    def folder(self) -> Path:
        """Where it finds its packages."""
        return ROOT / ".venvs" / self.home


CURL = r"""
set -- $(curl --version)
mode=$(curl -fsS -D - -o /dev/null "$OPENAI_BASE_URL/models" |
  sed -n 's/^callgate-mode: //Ip' | tr -d '\r')
printf '{"version": "%s", "mode": "%s"}\n' "$2" "$mode"
"""

_DISPATCHER = "`undici`'s `EnvHttpProxyAgent`, `--reverse`, or transparent mode"
_IN_CODE = "`--reverse`, or transparent mode"

RUNTIMES = (
    *(
        Runtime(f"{package} ({version})", home, package)
        for version, home in (("3.x", "own"), ("2.x", "openai-2"), ("1.x", "openai-1"))
        for package in ("openai", "openai_async")
    ),
    Runtime("httpx", "own", "httpx"),
    Runtime("httpx2", "own", "httpx2"),
    Runtime("requests", "own", "requests"),
    Runtime("urllib.request", "own", "urllib"),
    Runtime("urllib3", "own", "urllib3", f"a `ProxyManager`, {_IN_CODE}"),
    Runtime("aiohttp, trust_env=True", "litellm", "aiohttp_trust_env"),
    Runtime("aiohttp", "litellm", "aiohttp", f"`trust_env=True`, {_IN_CODE}"),
    Runtime("curl", "system", "curl"),
    *(
        Runtime(f"Node 20: {what}", "node20", what, _DISPATCHER)
        for what in ("openai", "fetch", "https")
    ),
    *(
        Runtime(f"Node {version}: {what}", f"node{version}", what)
        for version in ("22", "24")
        for what in ("openai", "fetch", "https")
    ),
    Runtime("Bun: openai", "bun", "openai"),
    Runtime("Bun: fetch", "bun", "fetch"),
    Runtime("Bun: node:https", "bun", "https"),
    Runtime("Deno: openai", "deno", "openai"),
    Runtime("Deno: fetch", "deno", "fetch"),
    Runtime("Deno: node:https", "deno", "https"),
)


@dataclass(frozen=True, slots=True)
class Reached:
    """What a client told of its request."""

    mode: str
    """The gate's header; empty where the answer did not come through it."""
    version: str
    log: str


def ask_all(
    runtimes: Sequence[Runtime], base_url: str, upstream_ca: Path, home: Path
) -> dict[str, Reached | LookupError]:
    """Let every client ask once, all under one `callgate run`; an error where there is none."""
    found: dict[str, Reached | LookupError] = {}
    orders = []
    for runtime in runtimes:
        try:
            orders.append((runtime.name, runtime.command(), str(runtime.folder)))
        except LookupError as error:
            found[runtime.name] = error
    driver = [sys.executable, str(HERE / "reach_all.py"), json.dumps(orders)]
    done = under_run(driver, base_url, upstream_ca, home)
    for line in done.stdout.splitlines():
        told = json.loads(line)
        name = told.pop("name")
        found[name] = Reached(**told)
    return found


def under_run(
    command: Sequence[str],
    base_url: str,
    upstream_ca: Path,
    home: Path,
    *options: str,
    **environ: str,
) -> subprocess.CompletedProcess[str]:
    """Run a command under `callgate run`, with the API at `base_url` gated."""
    host = base_url.split("/")[2]
    given = [sys.executable, "-m", "callgate", "run", "--gate-host", host]
    return subprocess.run(
        [*given, "--upstream-ca", str(upstream_ca), *options, "--", *command],
        env=clean_environment(
            CALLGATE_HOME=str(home),
            OPENAI_BASE_URL=base_url,
            OPENAI_API_KEY="sk-" + "app",
            **environ,
        ),
        capture_output=True,
        text=True,
        timeout=230,
    )


def _found(program: str) -> str:
    if path := shutil.which(program):
        return path
    raise LookupError(f"this machine has no {program}")


def _installed(name: str) -> Path:
    if name in ("node20", "node22", "node24", "bun", "deno"):
        _found("npm")
    done = subprocess.run(
        ["scripts/setup-clients", name], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise LookupError(f"{name} can not be installed: {done.stderr.strip()[-200:]}")
    return ROOT / ".venvs" / name
