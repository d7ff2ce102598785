"""`callgate doctor`: whether the gate works here, proven by a denied call."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from callgate import ca
from callgate.cli import canary, diagnosis, following
from callgate.cli.finding import Line, State, fail
from callgate.cli.options import printable
from callgate.cli.settings import fail as exit_with
from callgate.cli.settings import resolve, with_settings
from callgate.errors import CallgateError
from callgate.policy import PolicyFile
from callgate.settings import Settings

_COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


@with_settings
def doctor(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- CMD...]", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    **flags: object,
) -> None:
    """Prove that the gate works here, or tell whether a command's traffic goes through it.

    Without a command: a call is denied through a real gate, and every client of this machine
    hands in its result. With one: it is run as by callgate run, and its connections are watched.
    What is wrong is said with what puts it right; the exit code is 1 then.
    """
    try:
        if command:
            flags = {**flags, "listen": flags.get("listen") or "127.0.0.1:0", "console": "off"}
        settings, policy = resolve(flags)
        work = following.lines(settings, policy, command) if command else _all(settings, policy)
        found = asyncio.run(work)
    except CallgateError as error:
        raise exit_with(error) from error
    _print(found, as_json=as_json)
    raise typer.Exit(1 if any(line.state is State.FAIL for line in found) else 0)


async def _all(settings: Settings, policy: PolicyFile | None) -> list[Line]:
    now = datetime.now(UTC)
    home = settings.home.expanduser()
    found = [
        *diagnosis.authority_lines(home, settings.gated_hosts, now),
        *diagnosis.settings_lines(settings, policy),
        *await diagnosis.store_lines(settings, now),
        *diagnosis.home_lines(home),
    ]
    if any(line.check == "ca" and line.state is State.FAIL for line in found):
        return found
    found += diagnosis.shell_lines(
        settings, os.environ, ca.ensure(home, settings.gated_hosts).bundle
    )
    try:
        found += await canary.lines(settings)
    except CallgateError as error:
        found.append(fail("canary", str(error), "put this right, then run doctor again"))
    return found


def _print(lines: Sequence[Line], *, as_json: bool) -> None:
    if as_json:
        for line in lines:
            typer.echo(json.dumps(asdict(line)))
        return
    console = Console(highlight=False, emoji=False, soft_wrap=True)
    for line in lines:
        text = Text().append(f"{line.state.value:5}", style=_COLOURS[line.state])
        console.print(text.append(f"{line.check}: {printable(line.text)}"))
        if line.fix:
            console.print(Text(f"     fix: {line.fix}", style="dim"))
