"""`callgate ca`: the certificate authority of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from callgate import ca, roots
from callgate.cli.settings import Home, fail, resolve
from callgate.cli.system_store import DEBIAN, RED_HAT, mac_commands
from callgate.errors import CallgateError

app = typer.Typer(help="The certificate authority that clients are told to trust.")

GateHost = Annotated[
    list[str] | None,
    typer.Option(
        "--gate-host",
        metavar="HOST[:PORT]",
        help="Further hosts that the CA can sign for, beside those gated by default.",
    ),
]


@app.command()
def path(home: Home = None, gate_host: GateHost = None) -> None:
    """Print the path of the certificate; makes the CA where there is none."""
    try:
        typer.echo(ca.ensure(*_chosen(home, gate_host)).certificate)
    except CallgateError as error:
        raise fail(error) from error


@app.command()
def new(
    home: Home = None,
    gate_host: GateHost = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a CA that clients may trust already.")
    ] = False,
    overlap: Annotated[
        bool,
        typer.Option("--overlap", help="Prepare the next CA; both are trusted until ca switch."),
    ] = False,
) -> None:
    """Make a new CA, limited to the gated hosts.

    With --overlap the new one only joins the bundle and the certificate file. When every client
    has been told of it, callgate ca switch puts it into use, and no client is ever cut off.
    """
    try:
        folder, hosts = _chosen(home, gate_host)
        if overlap:
            typer.echo(ca.prepare(folder, hosts).certificate)
            return
        if ca.Authority(folder / "ca").key_file.exists() and not force:
            raise fail(
                f"there is a CA in {folder / 'ca'}; --overlap prepares the next one beside it, "
                "--force replaces it, and every client that trusts it has to trust the new one"
            )
        typer.echo(ca.create(folder, hosts).certificate)
    except (CallgateError, OSError) as error:
        raise fail(error) from error


@app.command()
def switch(home: Home = None) -> None:
    """Put the CA of ca new --overlap into use, from each proxy's next start."""
    try:
        typer.echo(ca.switch(_chosen(home, None)[0]).certificate)
    except CallgateError as error:
        raise fail(error) from error


@app.command()
def trust(
    home: Home = None,
    gate_host: GateHost = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take it out again.")] = False,
) -> None:
    """Have the whole system trust the CA; on Debian as root, elsewhere say the commands.

    Prefer callgate run: it reaches one command, and ends with it.
    """
    try:
        authority = ca.ensure(*_chosen(home, gate_host))
        if DEBIAN.is_here and os.geteuid() == 0:
            pems = roots.certificates(authority.certificate.read_bytes())
            changed = DEBIAN.forget() if undo else DEBIAN.trust(pems)
            word = "removed" if undo else "trusted"
            for file in changed:
                typer.echo(f"{word} {file}")
            return
    except CallgateError as error:
        raise fail(error) from error
    for line in _commands(authority.certificate, undo=undo):
        typer.echo(line)


def _commands(certificate: Path, *, undo: bool) -> Sequence[str]:
    if sys.platform == "darwin":
        return mac_commands(certificate, undo=undo)
    store = RED_HAT if RED_HAT.is_here else DEBIAN
    return store.commands(certificate, undo=undo)


def _chosen(home: str | None, gate_host: list[str] | None) -> tuple[Path, Sequence[str]]:
    settings, _ = resolve({"home": home, "gate_host": gate_host})
    return settings.home.expanduser(), settings.gated_hosts
