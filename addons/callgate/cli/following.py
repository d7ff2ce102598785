"""`callgate doctor -- CMD`: a command under the gate, and whether its traffic goes through."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from callgate.cli import sockets
from callgate.cli.background import gate
from callgate.cli.finding import Line, fail, ok, warn
from callgate.cli.run import child, environment_for
from callgate.hosts import Hosts, Pattern
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.witness import Witness

type Remotes = set[tuple[str, int]]

_LOOK_SECONDS = 0.02
_REACH = "give it a base URL (callgate run --reverse), or see docs/clients.md for other ways"
_TRUST = "it trusts a CA file of its own, or pins certificates: see docs/clients.md"


async def lines(
    settings: Settings, policy: PolicyFile | None, command: Sequence[str]
) -> list[Line]:
    """Run a command as `callgate run` does, and say what was seen of its traffic.

    What it prints goes to standard error: standard output is the report's.
    Raises what keeps the gate from starting.
    """
    witness = Witness(Hosts(settings.gated_hosts))
    direct: Remotes = set()
    async with gate(settings, policy, witness=witness) as running:
        environ = environment_for(settings, running.ready, os.environ)
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        watching = asyncio.ensure_future(_watch(started, direct))
        try:
            code = await child(command, environ, running.task, started.set_result, sys.stderr)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        proxy = urlsplit(running.ready.proxy)
    direct.discard((str(proxy.hostname), proxy.port or 0))
    ports = {443, *(Pattern.parse(text).port or 443 for text in settings.gated_hosts)}
    around = {remote for remote in direct if remote[1] in ports}
    ended = f"ended with exit code {code}"
    first = ok("command", ended) if code == 0 else warn("command", ended, "see what it says above")
    return [first, *_judged(witness, around, Hosts(settings.gated_hosts))]


async def _watch(started: asyncio.Future[int], direct: Remotes) -> None:
    """Collect remotes until cancelled; a connection that is over between two looks is missed."""
    pid = await started
    while sockets.can_be_seen():
        direct |= sockets.remotes(pid)
        await asyncio.sleep(_LOOK_SECONDS)


def _judged(witness: Witness, around: Remotes, hosts: Hosts) -> list[Line]:
    found = []
    if witness.gated:
        found.append(ok("traffic", f"goes through the gate: {', '.join(sorted(witness.gated))}"))
    elif unread := [one for one in sorted(witness.asked) if _is_gated(one, hosts)]:
        text = f"asked for {', '.join(unread)}, and hung up on the gate's certificate"
        found.append(fail("traffic", text, _TRUST))
    elif witness.asked:
        text = f"goes through the proxy, to no gated host: {', '.join(sorted(witness.asked))}"
        found.append(fail("traffic", text, "name the API's host: --gate-host HOST[:PORT]"))
    elif not around:
        text = "no connection was seen: the command asked nobody, or in a way that is not seen"
        found.append(fail("traffic", text, "give a command that calls the API"))
    if around:
        names = ", ".join(f"{host}:{port}" for host, port in sorted(around))
        found.append(fail("traffic", f"goes around the gate, to {names}", _REACH))
    return found


def _is_gated(address: str, hosts: Hosts) -> bool:
    host, _, port = address.rpartition(":")
    return hosts.match(host, int(port))
