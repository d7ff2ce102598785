"""`callgate audit export` and `rotate-key`: what needs the key that signs the log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from callgate.audit import bundle
from callgate.audit.ledger import Ledger
from callgate.chain import Head
from callgate.cli.options import (
    StoreOption,
    errors_reported,
    home_folder,
    open_ledger,
    printable,
    store_url,
)
from callgate.errors import StoreError
from callgate.store.base import Store


def export(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="the bundle to write")],
    store: StoreOption = None,
) -> None:
    """Write the whole log to one signed file, which `callgate verify` checks anywhere."""
    with errors_reported():
        count = asyncio.run(_export(store_url(store, os.environ), out))
    print(f"{count} records in {printable(str(out))}")


def rotate_key(store: StoreOption = None) -> None:
    """Let the log go on with a new key, named in a record that the old key signs.

    Running proxies take it up with their next record.
    """
    with errors_reported():
        old, new = asyncio.run(_rotate(store_url(store, os.environ)))
    folder = home_folder(os.environ) / "keys"
    print(f"the log goes on with key {new}; {printable(str(folder))}/audit.pub is its public key")
    print(f"the old key was {old}; its file stays for logs in other stores")


async def _export(url: str, out: Path) -> int:
    store, ledger = await open_ledger(url, os.environ)
    try:
        chains = [chain for chain in await store.chains() if chain.head.number]
        if not chains:
            raise StoreError("nothing to export: the store has no signed records")
        heads = {chain.instance: chain.head for chain in chains}
        before = [bundle.FIRST_LINE.decode()]
        before += [chain.anchor for chain in chains if chain.anchor]
        before += ledger.checkpoints(list(heads))
        draft = out.with_name(f".{out.name}.part")
        try:
            with open(draft, "wb", opener=_private) as file:  # noqa: ASYNC230 - nothing else runs
                count = await _write(file, store, ledger, before, heads)
            draft.replace(out)
        except OSError as error:
            raise StoreError(f"can not write {out}: {error.strerror or error}") from error
        finally:
            draft.unlink(missing_ok=True)
        return count
    finally:
        await store.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


async def _write(
    file: BinaryIO, store: Store, ledger: Ledger, before: list[str], heads: Mapping[str, Head]
) -> int:
    bundle.write(file, before)
    count, seq = 0, 0
    while page := await store.lines(after=seq):
        seq = page[-1].seq
        # records that came since the heads were read belong to the next bundle
        old = [p.line for p in page if p.instance in heads and p.number <= heads[p.instance].number]
        count += bundle.write(file, old)
    key = ledger.key(heads.get(ledger.instance))
    now = datetime.now(UTC)
    bundle.write(file, [bundle.end_line(heads, len(before) + count, key, now)])
    return count


async def _rotate(url: str) -> tuple[str, str]:
    store, ledger = await open_ledger(url, os.environ)
    try:
        heads = {chain.instance: chain.head for chain in await store.chains()}
        old = ledger.key(heads.get(ledger.instance))
        new = ledger.new_key()
        # a crash from here on leaves a key that nothing names, or a chain that finds its key
        await store.append([{"kind": "key", "next": new.name}])
        return old.name, new.name
    finally:
        await store.close()
