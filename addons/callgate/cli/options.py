"""What commands share: where the store is, how errors are said, what a terminal may show."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from callgate.errors import CallgateError

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
    home = environ.get("CALLGATE_HOME") or Path(environ.get("HOME") or Path.home(), ".callgate")
    return f"sqlite:///{Path(home).expanduser().absolute()}/callgate.db"


@contextmanager
def errors_reported() -> Iterator[None]:
    """Say a CallgateError on standard error and exit with 1."""
    try:
        yield
    except CallgateError as error:
        print(f"callgate: {printable(str(error))}", file=sys.stderr)
        raise typer.Exit(1) from error


def printable(text: str) -> str:
    r"""Escape what could steer a terminal or deceive an eye: controls, bidi marks, newlines.

    Names and arguments come from a model, so they may hold escape sequences. What can not be
    printed becomes `\x1b`, `\u202e` and so on; also what the output's encoding lacks.
    """
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def console() -> Console:
    """Standard output: as wide as the terminal, or unwrapped for a pipe."""
    is_wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_PIPE_COLUMNS if is_wide else None, highlight=False, emoji=False)
