"""What commands share: where the store is, how errors are said, what a terminal may show."""

from __future__ import annotations

import importlib
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
from callgate.errors import CallgateError, PolicyError
from callgate.settings import environment_name
from callgate.store import open_store
from callgate.store.base import Store
from callgate.visible import visible

_STANDARD_FILES = ("callgate.yaml", "safeclaw.yaml")

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="sqlite:///PATH or postgresql://…; else as `callgate serve` has it here",
        show_default=False,
    ),
]

# Wide enough that no record is broken into lines that grep would tear apart.
_PIPE_COLUMNS = 1000


def store_url(explicit: str | None, environ: Mapping[str, str]) -> str:
    """The store that a command uses: flag, `CALLGATE_STORE`, policy file, or the default file.

    A policy file that is broken is told of, and passed over: the gate goes on with what it read
    before, and people must be able to answer it.
    """
    if explicit:
        return explicit
    try:
        url = _setting("store", environ)
    except PolicyError as error:
        fault = printable(str(error.faults[0]))
        print(f"callgate: {fault}; settings of this file are not used", file=sys.stderr)
        url = None
    return url or f"sqlite:///{home_folder(environ)}/callgate.db"


def home_folder(environ: Mapping[str, str]) -> Path:
    """The home folder that a command uses: `CALLGATE_HOME`, policy file, or the default."""
    try:
        home = _setting("home", environ)
    except PolicyError:
        home = None
    default = Path(environ.get("HOME") or Path.home(), ".callgate")
    return Path(home or default).expanduser().absolute()


def _setting(name: str, environ: Mapping[str, str]) -> str | None:
    """A text of the environment, else of `settings:` in the file that a gate started here reads.

    Raises PolicyError.
    """
    if value := environ.get(environment_name(name)):
        return value
    named = environ.get(environment_name("policy"))
    path = Path(named).expanduser() if named else standard_file()
    if path is None:
        return None
    policy = importlib.import_module("callgate.policy")  # detectors come with it: half a second
    found = policy.Policy.load(path).settings.get(name)
    return found if isinstance(found, str) else None


def standard_file() -> Path | None:
    """The policy file of the working folder, where there is one."""
    return next((p for p in map(Path, _STANDARD_FILES) if p.is_file()), None)


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
