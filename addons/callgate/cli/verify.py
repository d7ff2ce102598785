"""`callgate verify`: check a bundle with nothing but public keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from callgate.audit.keys import read_public
from callgate.audit.verify import STEPS, VerificationError, Verified
from callgate.audit.verify import verify as verify_bundle
from callgate.chain import key_name
from callgate.cli.options import printable

_LARGE_BYTES = 8 << 20


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="from `callgate audit export`")],
    key: Annotated[
        list[Path],
        typer.Option("--key", metavar="PUB", help="trusted public key (PEM); repeatable"),
    ],
    every_signature: Annotated[
        bool,
        typer.Option(
            "--every-signature",
            help="also each record's own signature and form; a sound chain proves them already",
        ),
    ] = False,
) -> None:
    """Check an exported log offline; name the first bad record.

    Exit codes: 0 sound, 1 not what was signed, 2 a file that can not be read.
    """
    try:
        keys = [key_name(read_public(file)) for file in key]
        with _progress(bundle) as progress:
            found = verify_bundle(bundle, keys, every_signature=every_signature, progress=progress)
    except VerificationError as error:
        _failed(error)
        raise typer.Exit(1) from error
    except (OSError, ValueError) as error:
        print(f"callgate: {printable(str(error))}", file=sys.stderr)
        raise typer.Exit(2) from error
    _passed(found, every_signature=every_signature)


def _passed(found: Verified, *, every_signature: bool) -> None:
    parts = ", ".join(f"{name} {a}–{b}" for name, (a, b) in found.chains.items())
    said = {
        "bundle": f"whole, made {found.made_at}",
        "chains": f"{found.records} records in their places: {parts}",
        "keys": f"{len(found.keys)}, from the given ones on",
        "signatures": "fit",
        "heads": f"nothing removed; {found.checkpoints} checkpoints hold",
        "records": "each signature and form checked",
    }
    for number, step in enumerate(STEPS if every_signature else STEPS[:-1], start=1):
        print(printable(f"{number}. {step:<10} ok  {said[step]}"))
    print("the log is what was signed")


def _failed(error: VerificationError) -> None:
    for number, step in enumerate(STEPS, start=1):
        if step == error.step:
            print(printable(f"{number}. {step:<10} BAD {error}"))
            break
        print(f"{number}. {step:<10} ok")
    print("callgate: the log is not what was signed", file=sys.stderr)


@contextmanager
def _progress(bundle: Path) -> Iterator[Callable[[str, int], None]]:
    size = bundle.stat().st_size
    console = Console(stderr=True)
    is_wanted = size >= _LARGE_BYTES and console.is_terminal
    with Progress(console=console, transient=True, disable=not is_wanted) as bar:
        task = bar.add_task("", total=size)

        def tell(step: str, done: int) -> None:
            bar.update(task, description=step, completed=done)

        yield tell
