"""The command line: `callgate COMMAND`."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from callgate import __version__
from callgate.settling import settled
from callgate.tasks import leave

_COMMANDS = {
    "demo": "demo:demo",
    "serve": "serve:serve",
    "run": "run:run",
    "doctor": "doctor:doctor",
    "env": "environment:env",
    "ca": "authority:app",
    "policy": "policy:app",
    "scan": "scan:scan",
    "approvals": "approvals:app",
    "audit": "audit:app",
    "verify": "verify:verify",
    "gateway": "gateway:gateway",
}
_TAKING_A_COMMAND = frozenset(("run", "doctor"))


class Commands(TyperGroup):
    """Loads what a command needs when it is named: few need the proxy, none needs everything.

    As click's documentation has it ("Lazily Loading Subcommands"); its types are `Any` here since
    typer carries a copy of click under a private name.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return their names, in the order of the help text."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, or None where there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name].split(":")
        with settled():
            found = getattr(importlib.import_module(f"callgate.cli.{module}"), name)
        holder = typer.Typer()
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=cmd_name)
        else:
            is_free = cmd_name not in _TAKING_A_COMMAND
            holder.command(cmd_name, context_settings={"allow_interspersed_args": is_free})(found)
        return typer.main.get_group(holder).commands[cmd_name]


app = typer.Typer(
    cls=Commands,
    help="A transparent HTTPS proxy that judges every tool call of an OpenAI app.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def version(
    show: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    """A transparent HTTPS proxy that judges every tool call of an OpenAI app."""
    if show:
        typer.echo(f"callgate {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; exit codes: 0 fine, 1 the answer is no, 2 wrong use."""
    try:
        app()
    except SystemExit as end:
        if isinstance(end.code, int):
            leave(end.code)
        raise
