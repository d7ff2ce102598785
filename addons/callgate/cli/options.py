"""What commands share: where the store is, how errors are said, what a terminal may show."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from callgate import __version__
from callgate.audit.keys import Keys
from callgate.audit.ledger import Ledger
from callgate.errors import CallgateError
from callgate.store import open_store
from callgate.store.base import Store
from callgate.visible import visible

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="sqlite:///PATH; else $CALLGATE_STORE, else callgate.db in $CALLGATE_HOME",
        show_default=False,
    ),
]

# Wide enough that no record is broken into lines that grep would tear apart.
_PIPE_COLUMNS = 1000


def store_url(explicit: str | None, environ: Mapping[str, str]) -> str:
    """The store that a command uses: flag, `CALLGATE_STORE`, or the default file."""
    if url := explicit or environ.get("CALLGATE_STORE"):
        return url
    return f"sqlite:///{home_folder(environ)}/callgate.db"


def home_folder(environ: Mapping[str, str]) -> Path:
    """The home folder that a command uses: `CALLGATE_HOME` or the default."""
    home = environ.get("CALLGATE_HOME") or Path(environ.get("HOME") or Path.home(), ".callgate")
    return Path(home).expanduser().absolute()


async def open_ledger(url: str, environ: Mapping[str, str]) -> tuple[Store, Ledger]:
    """A store that is there, for writing: its records are signed with the home's key.

    Raises StoreError, SettingsError.
    """
    # no keys are made for a store that is not there
    await (await open_store(url, should_create=False)).close()
    keys = Keys(home_folder(environ) / "keys")
    ledger = Ledger(keys, lambda: datetime.now(UTC), lambda: {"version": __version__})
    return await open_store(url, should_create=False, chain=ledger), ledger


@contextmanager
def errors_reported() -> Iterator[None]:
    """Say a CallgateError on standard error and exit with 1."""
    try:
        yield
    except CallgateError as error:
        print(f"callgate: {printable(str(error))}", file=sys.stderr)
        raise typer.Exit(1) from error


def printable(text: str) -> str:
    """Text of a model's as a terminal may show it: `visible`, and in the output's encoding."""
    shown = visible(text)
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def console() -> Console:
    """Standard output: as wide as the terminal, or unwrapped for a pipe."""
    is_wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_PIPE_COLUMNS if is_wide else None, highlight=False, emoji=False)
