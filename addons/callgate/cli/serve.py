"""`callgate serve`: run the proxy in the foreground."""

from __future__ import annotations

import asyncio
import sys

import typer

from callgate import logs, proxy
from callgate.cli.settings import fail, resolve, with_settings
from callgate.crowd import raise_limit
from callgate.errors import CallgateError
from callgate.settings import Settings
from callgate.workers import parent


@with_settings
def serve(**flags: object) -> None:
    """Run the proxy until SIGTERM or Ctrl-C.

    Prints one line on standard output when it is ready:
    callgate ready proxy=URL console=URL ca=PATH
    """
    try:
        settings, policy = resolve(flags)
        logs.configure(settings)
        announce(settings)
        serving = parent.serve if settings.workers > 1 else proxy.serve
        raise_limit()
        asyncio.run(serving(settings, policy, _print_ready))
    except CallgateError as error:
        raise fail(error) from error


def announce(settings: Settings) -> None:
    """Say which protections are off."""
    for loosened in settings.loosened:
        typer.echo(f"callgate: protection is loosened: {loosened}", err=True)


def welcome(ready: proxy.Ready) -> None:
    """Say how to sign in, where nobody has a token of their own."""
    if ready.token:
        typer.echo(f"callgate: sign in at {ready.console} with the token {ready.token}", err=True)


def _print_ready(ready: proxy.Ready) -> None:
    welcome(ready)
    for url in ready.reverse:
        typer.echo(f"callgate: reverse listener {url}", err=True)
    typer.echo(ready.line)
    sys.stdout.flush()
