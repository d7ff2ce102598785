"""The command line: `callgate COMMAND`."""

from __future__ import annotations

import typer

from callgate import __version__
from callgate.cli import (
    approvals,
    audit,
    authority,
    demo,
    doctor,
    environment,
    export,
    gateway,
    policy,
    run,
    scan,
    serve,
    verify,
)

app = typer.Typer(
    help="A transparent HTTPS proxy that judges every tool call of an OpenAI app.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
audit.app.command()(export.export)
audit.app.command()(export.rotate_key)
app.add_typer(audit.app, name="audit")
app.command()(verify.verify)
app.add_typer(approvals.app, name="approvals")
app.add_typer(policy.app, name="policy")
app.add_typer(authority.app, name="ca")
app.command()(serve.serve)
app.command(context_settings={"allow_interspersed_args": False})(run.run)
app.command(context_settings={"allow_interspersed_args": False})(doctor.doctor)
app.command()(gateway.gateway)
app.command()(scan.scan)
app.command()(environment.env)
app.command()(demo.demo)


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
    app()
