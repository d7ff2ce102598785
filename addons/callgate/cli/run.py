"""`callgate run -- CMD`: a gate around one command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from callgate import logs, proxy
from callgate.cli.background import gate
from callgate.cli.display import Display
from callgate.cli.environment import around, variables
from callgate.cli.node import is_unreached
from callgate.cli.serve import announce, welcome
from callgate.cli.settings import fail, resolve, with_some_settings
from callgate.errors import CallgateError
from callgate.hosts import Hosts
from callgate.policy import PolicyFile
from callgate.settings import Settings, is_secret_variable

_OLD_NODE = (
    "callgate: this Node reads no proxy variable, so its traffic is not gated; "
    "use --reverse 127.0.0.1:0=https://api.openai.com, or Node 24"
)
_BASE_URLS = ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT")
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_OF_TERMINALS = (signal.SIGINT, signal.SIGQUIT)


@with_some_settings(
    *(name for name in Settings.model_fields if name != "workers"),
    listen="127.0.0.1:0",
    console="127.0.0.1:0",
)
def run(
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", show_default=False)],
    **flags: object,
) -> None:
    """Run a command with its OpenAI traffic gated.

    Starts the gate on a free port, sets the proxy and CA variables for the command, and exits
    with the command's code. Decisions are printed on standard error as they fall.
    """
    try:
        settings, policy = resolve(flags)
        logs.configure(settings)
        announce(settings)
        if not settings.reverse and is_unreached(command[0]):
            typer.echo(_OLD_NODE, err=True)
        for name in astray(settings, os.environ):
            typer.echo(
                f"callgate: {name} leads to a host that is not gated, so what is sent there is "
                "not judged; name it: --gate-host HOST[:PORT]",
                err=True,
            )
        code = asyncio.run(_run(settings, policy, command))
    except CallgateError as error:
        raise fail(error) from error
    sys.exit(code)


async def _run(settings: Settings, policy: PolicyFile | None, command: list[str]) -> int:
    display = Display(Console(stderr=True, highlight=False, emoji=False))
    async with gate(settings, policy, display.show) as running:
        welcome(running.ready)
        environ = environment_for(settings, running.ready, os.environ)
        return await child(command, environ, running.task)


def astray(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Variables that tell OpenAI's SDKs of a host that is not gated."""
    hosts = Hosts(settings.gated_hosts)
    replaced = ("OPENAI_BASE_URL",) if settings.reverse else ()
    told = [name for name in _BASE_URLS if environ.get(name) and name not in replaced]
    return [name for name in told if not hosts.leads_inside(environ[name])]


def environment_for(
    settings: Settings, ready: proxy.Ready, environ: Mapping[str, str]
) -> dict[str, str]:
    """What a command gets to see: `environ`, and what brings its clients to the gate.

    With a reverse listener the first one is `OPENAI_BASE_URL`, the path as it was, else `/v1`.
    """
    # an app that could sign in to the console would approve its own calls
    inherited = {key: value for key, value in environ.items() if not is_secret_variable(key)}
    found = {
        **inherited,
        **variables(ready.proxy, ready.authority),
        **around(environ, Hosts(settings.gated_hosts)),
    }
    if ready.reverse:
        path = urlsplit(environ.get("OPENAI_BASE_URL", "")).path
        found["OPENAI_BASE_URL"] = ready.reverse[0] + (path or "/v1")
    return found


async def child(
    command: Sequence[str],
    environ: Mapping[str, str],
    gate: asyncio.Task[None],
    on_start: Callable[[int], None] | None = None,
    stdout: IO[str] | None = None,
) -> int:
    """Run a command until it ends, signals passed on, and return its code as a shell tells it.

    127 for a command that is not there, 126 for one that can not be executed. It is stopped when
    the gate ends. `on_start` is told its process id, `stdout` takes its output.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, env=dict(environ), stdout=stdout)
    except FileNotFoundError:
        typer.echo(f"callgate: {command[0]}: command not found", err=True)
        return _NOT_FOUND
    except PermissionError:
        typer.echo(f"callgate: {command[0]}: not executable", err=True)
        return _NOT_EXECUTABLE
    if on_start:
        on_start(process.pid)
    loop = asyncio.get_running_loop()
    for number in _PASSED_ON:
        loop.add_signal_handler(number, _pass_on, process, number)
    for number in _OF_TERMINALS:
        loop.add_signal_handler(number, _pass_on_once, process, number)
    waiting = asyncio.ensure_future(process.wait())
    await asyncio.wait((waiting, gate), return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        # without its gate the command has no way to the API: it must not go on in the dark
        typer.echo("callgate: the proxy ended, stopping the command", err=True)
        _pass_on(process, signal.SIGTERM)
    code = await waiting
    return 128 - code if code < 0 else code


def _pass_on_once(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """A terminal gives Ctrl-C to all its foreground processes: the command has it already."""
    if not _is_in_foreground():
        _pass_on(process, number)


def _is_in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _pass_on(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
