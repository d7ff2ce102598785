"""`callgate run -- CMD`: a gate around one command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from callgate import proxy
from callgate.cli.environment import around, variables
from callgate.cli.serve import announce, configure_logging
from callgate.cli.settings import fail, resolve, with_settings
from callgate.errors import CallgateError
from callgate.hosts import Hosts
from callgate.policy import PolicyFile
from callgate.settings import Settings

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@with_settings
def run(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", show_default=False)],
    **flags: object,
) -> None:
    """Run a command with its OpenAI traffic gated.

    Starts the gate on a free port, sets the proxy and CA variables for the command, and exits
    with the command's code. Decisions are printed on standard error as they fall.
    """
    try:
        if not flags.get("listen"):
            flags["listen"] = "127.0.0.1:0"
        if not flags.get("console"):
            flags["console"] = "127.0.0.1:0"
        settings, policy = resolve(flags)
        configure_logging(settings)
        announce(settings)
        code = asyncio.run(_run(settings, policy, command))
    except CallgateError as error:
        raise fail(error) from error
    sys.exit(code)


async def _run(settings: Settings, policy: PolicyFile | None, command: list[str]) -> int:
    ready: asyncio.Future[proxy.Ready] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    gate = asyncio.ensure_future(proxy.serve(settings, policy, ready.set_result, stop, _show))
    await asyncio.wait((gate, ready), return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await gate  # raises what kept it from starting
        raise CallgateError("the proxy ended before it was ready")
    try:
        return await _child(command, _environment(settings, ready.result()), gate)
    finally:
        stop.set()
        await gate


def _environment(settings: Settings, ready: proxy.Ready) -> dict[str, str]:
    return {
        **os.environ,
        **variables(ready.proxy, ready.authority),
        **around(os.environ, Hosts(settings.gated_hosts)),
    }


async def _child(command: list[str], environ: Mapping[str, str], gate: asyncio.Task[None]) -> int:
    try:
        child = await asyncio.create_subprocess_exec(*command, env=dict(environ))
    except FileNotFoundError:
        typer.echo(f"callgate: {command[0]}: command not found", err=True)
        return _NOT_FOUND
    except PermissionError:
        typer.echo(f"callgate: {command[0]}: not executable", err=True)
        return _NOT_EXECUTABLE
    loop = asyncio.get_running_loop()
    for number in _PASSED_ON:
        loop.add_signal_handler(number, _pass_on, child, number)
    waiting = asyncio.ensure_future(child.wait())
    await asyncio.wait((waiting, gate), return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        # without its gate the command has no way to the API: it must not go on in the dark
        typer.echo("callgate: the proxy ended, stopping the command", err=True)
        _pass_on(child, signal.SIGTERM)
    code = await waiting
    return 128 - code if code < 0 else code


def _pass_on(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)


def _show(record: Mapping[str, object]) -> None:
    """One line a decision or refusal, on standard error."""
    reasons = record.get("reasons")
    why = f" [{', '.join(map(str, reasons))}]" if isinstance(reasons, list) else ""
    if record["kind"] == "call":
        typer.echo(f"callgate: {record['decision']} {record['tool']}{why}", err=True)
    elif record["kind"] == "refusal":
        typer.echo(f"callgate: refused {record['code']}", err=True)
