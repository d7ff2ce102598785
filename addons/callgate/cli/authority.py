"""`callgate ca`: the certificate authority of this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from callgate import ca
from callgate.cli.settings import Home, fail, home_of
from callgate.errors import CallgateError

app = typer.Typer(help="The certificate authority that clients are told to trust.")


@app.command()
def path(home: Home = None) -> None:
    """Print the path of the certificate; makes the CA where there is none."""
    try:
        typer.echo(ca.ensure(home_of(home)).certificate)
    except CallgateError as error:
        raise fail(error) from error


@app.command()
def new(
    home: Home = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a CA that clients may trust already.")
    ] = False,
) -> None:
    """Make a new CA. Every client has to be told to trust it."""
    try:
        folder = home_of(home)
        if ca.Authority(folder / "ca").key_file.exists() and not force:
            raise fail(
                f"there is a CA in {folder / 'ca'}; --force replaces it, and every client that "
                "trusts it has to trust the new one"
            )
        typer.echo(ca.create(folder).certificate)
    except (CallgateError, OSError) as error:
        raise fail(error) from error
