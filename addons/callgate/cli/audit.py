"""`callgate audit`: lists the log, filtered, once or as it grows."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from callgate.audit.raw import read_opener, unseal
from callgate.cli import export
from callgate.cli.options import StoreOption, console, errors_reported, printable, store_url
from callgate.errors import CallgateError
from callgate.store import StoreMissingError, open_store
from callgate.store.base import Record, Store
from callgate.store.filters import matches

_POLL_SECONDS = 0.25
_COLUMNS = ("time (UTC)", "kind", "decision", "tool", "reasons", "agent", "trace")
_COLORS = {"ALLOW": "green", "SANITIZE": "yellow", "REQUIRE_APPROVAL": "yellow", "DENY": "red"}
_ENDS = ("delivery", "outcome", "state", "code", "why")

app = typer.Typer(help="Show the audit log.", invoke_without_command=True)
app.command()(export.export)
app.command()(export.rotate_key)


@app.callback()
def audit(
    context: typer.Context,
    last: Annotated[
        int, typer.Option("--last", min=0, metavar="N", help="how many of the newest records")
    ] = 100,
    filter: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="K=V",
            help="only records with this value, e.g. decision=deny; repeatable, all must hold",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="go on with new records until Ctrl-C")
    ] = False,
    open_with: Annotated[
        Path | None,
        typer.Option("--open", metavar="KEY", help="private key that reads `keep_arguments`"),
    ] = None,
    store: StoreOption = None,
) -> None:
    """List the newest records of the audit log, oldest of them first.

    With --open and --json, records show `raw` beside `sealed`.
    """
    if context.invoked_subcommand is not None:
        return
    filters = _filters(filter or [])
    url = store_url(store, os.environ)
    with errors_reported():
        opened = _opener(open_with)
        if not follow:
            records = asyncio.run(_list(url, last, filters))
            _show([opened(record) for record in records], as_json=as_json)
            return
        try:
            asyncio.run(_follow(url, last, filters, opened, as_json=as_json))
        except KeyboardInterrupt:
            return


async def _list(url: str, last: int, filters: Mapping[str, str]) -> list[Record]:
    try:
        store = await open_store(url, should_create=False)
    except StoreMissingError as missing:
        _say_none_yet(missing)
        return []
    try:
        found = await store.records(last=last, filters=filters)
        if filters and not found:
            print("no record matches", file=sys.stderr)
        return found
    finally:
        await store.close()


def _opener(file: Path | None) -> Callable[[Record], Record]:
    """What shows sealed values, as far as this key opens them."""
    key = read_opener(file) if file else None

    def opened(record: Record) -> Record:
        sealed = record.get("sealed")
        if key is None or not isinstance(sealed, str):
            return record
        try:
            return {**record, "raw": unseal(sealed, key).decode("utf-8", "backslashreplace")}
        except ValueError as error:
            raise CallgateError(f"record {record['seq']}: {error}") from error

    return opened


async def _follow(
    url: str,
    last: int,
    filters: Mapping[str, str],
    opened: Callable[[Record], Record],
    *,
    as_json: bool,
) -> None:
    store = await _opened(url)
    try:
        newest = await store.records(last=1)
        seen = _seq(newest[0]) if newest else 0
        shown = await store.records(last=last, filters=filters)
        _lines((opened(r) for r in shown if _seq(r) <= seen), as_json=as_json)
        while True:
            found = await store.records(after=seen)
            _lines((opened(r) for r in found if matches(r, filters)), as_json=as_json)
            seen = _seq(found[-1]) if found else seen
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await store.close()


async def _opened(url: str) -> Store:
    is_said = False
    while True:
        try:
            return await open_store(url, should_create=False)
        except StoreMissingError as missing:
            if not is_said:
                _say_none_yet(missing)
            is_said = True
            await asyncio.sleep(_POLL_SECONDS)


def _say_none_yet(missing: StoreMissingError) -> None:
    print(f"no records yet: {printable(str(missing))}", file=sys.stderr)


def _filters(given: Iterable[str]) -> dict[str, str]:
    filters: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--filter")
        filters[key.strip()] = value
    return filters


def _seq(record: Record) -> int:
    return int(str(record["seq"]))


def _show(records: Iterable[Record], *, as_json: bool) -> None:
    if as_json:
        _lines(records, as_json=True)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, overflow="fold")
    for record in records:
        time, kind, decision, *others = _cells(record)
        style = _COLORS.get(str(record.get("decision")), "")
        table.add_row(time, kind, Text(decision, style), *map(Text, others))
    if table.row_count:
        console().print(table)


def _lines(records: Iterable[Record], *, as_json: bool) -> None:
    for record in records:
        print(_told(record) if as_json else "  ".join(c or "-" for c in _cells(record)))
    sys.stdout.flush()


def _told(record: Record) -> str:
    """One JSON object; a decision has its reasons also where there are none."""
    return json.dumps({"reasons": [], **record} if "decision" in record else record)


def _cells(record: Record) -> list[str]:
    end = next((str(record[key]) for key in _ENDS if key in record), "")
    reasons = record.get("reasons") or []
    values = (
        str(record["at"])[:19].replace("T", " "),
        f"{record['kind']} {end}".strip(),
        str(record.get("decision", "")),
        str(record.get("tool", "")),
        ", ".join(map(str, reasons)) if isinstance(reasons, list) else str(reasons),
        str(record.get("agent", "")),
        str(record.get("trace", "")),
    )
    return [printable(value) for value in values]
