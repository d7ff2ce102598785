"""Variables that make a client's traffic go through the proxy and trust its CA.

Which client honours which is in `docs`; the bundle holds the public roots too, because most of
these variables replace a client's own.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import typer

from callgate import ca, roots
from callgate.cli.settings import Home, fail, resolve
from callgate.errors import CallgateError
from callgate.hosts import Hosts

PROXY_VARIABLES = (
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
)
CA_VARIABLES = roots.VARIABLES


def variables(proxy: str, authority: ca.Authority) -> dict[str, str]:
    """Every variable, with its value."""
    return {
        **dict.fromkeys(PROXY_VARIABLES, proxy),
        **dict.fromkeys(CA_VARIABLES, str(authority.bundle)),
        "NODE_USE_ENV_PROXY": "1",
    }


def around(environ: Mapping[str, str], hosts: Hosts) -> dict[str, str]:
    """`NO_PROXY` without the entries that would take an app around the gate.

    An entry is dropped when it names a gated host or a parent domain of one, and `*` always.
    """
    kept = {}
    for name in ("NO_PROXY", "no_proxy"):
        if name in environ:
            entries = [entry.strip() for entry in environ[name].split(",") if entry.strip()]
            kept[name] = ",".join(entry for entry in entries if not _takes_around(entry, hosts))
    return kept


def _takes_around(entry: str, hosts: Hosts) -> bool:
    name = entry.lower().lstrip("*").lstrip(".")
    if not name:
        return True
    host, _, port = name.partition(":") if name.count(":") == 1 else (name, "", "")
    return hosts.covers(host, int(port) if port.isdecimal() else None)


def env(
    proxy: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of the proxy (default: --listen).")
    ] = None,
    home: Home = None,
) -> None:
    """Print shell exports that send a client's traffic through the proxy.

    Use it as: eval "$(callgate env)"
    """
    try:
        settings, _ = resolve({"home": home})
        authority = ca.ensure(settings.home.expanduser(), settings.gated_hosts)
    except CallgateError as error:
        raise fail(error) from error
    url = proxy or f"http://{settings.listen}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise fail(f"--proxy: {url!r} is not an http URL")
    values = variables(url, authority) | around(os.environ, Hosts(settings.gated_hosts))
    for name, value in values.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
