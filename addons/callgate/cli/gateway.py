"""`callgate gateway`: answer the SDKs of Interven and Aegis from the local engine."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from callgate import logs
from callgate.cli.serve import announce
from callgate.cli.settings import fail, resolve, with_some_settings
from callgate.errors import CallgateError
from callgate.gateway import keys as keyring
from callgate.gateway.keys import KeyFile
from callgate.gateway.server import DEFAULT_LISTEN, Front, serve

_SETTINGS = (
    "home",
    "mode",
    "policy",
    "store",
    "scanner",
    "on_scanner_error",
    "scan_timeout_seconds",
    "approval_ttl_seconds",
    "grace_seconds",
    "log_level",
)


@with_some_settings(*_SETTINGS)
def gateway(
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", envvar="CALLGATE_GATEWAY_LISTEN", help="Port 0 picks one."
        ),
    ] = DEFAULT_LISTEN,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            metavar="FILE",
            envvar="CALLGATE_GATEWAY_KEYS",
            help="Clients' keys, `NAME KEY` a line, mode 0600; else HOME/gateway-keys, made "
            "with one key where it is missing.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert", metavar="PEM", envvar="CALLGATE_GATEWAY_TLS_CERT", help="Speak TLS."
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            "--tls-key",
            metavar="PEM",
            envvar="CALLGATE_GATEWAY_TLS_KEY",
            help="The certificate's private key.",
        ),
    ] = None,
    **flags: object,
) -> None:
    """Serve Interven's and Aegis' HTTP contracts from the local engine.

    Apps that use their SDKs need INTERVEN_GATEWAY_URL or AEGIS_URL, and a key. Prints one line
    on standard output when it is ready: callgate ready gateway=URL
    """
    try:
        settings, policy = resolve(flags)
        logs.configure(settings)
        announce(settings)
        ring = _keys(keys, settings.home.expanduser() / "gateway-keys")
        front = Front(listen, tls_cert, tls_key)
        asyncio.run(serve(settings, policy, front, ring, _print_ready))
    except CallgateError as error:
        raise fail(error) from error


def _keys(named: Path | None, default: Path) -> KeyFile:
    """The file of keys; the default one is made where it is missing, and its key said once."""
    if named is None and not default.exists():
        key = keyring.make(default)
        typer.echo(f"callgate: made a key in {default}: {key}", err=True)
    return KeyFile(named or default)


def _print_ready(url: str) -> None:
    typer.echo(f"callgate ready gateway={url}")
    sys.stdout.flush()
