"""`callgate approvals`: what waits for a person, and the answers."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from callgate.approvals import Approvals, told
from callgate.cli.options import (
    StoreOption,
    console,
    errors_reported,
    open_ledger,
    printable,
    store_url,
)
from callgate.model import ApprovalState
from callgate.store import StoreMissingError, open_store
from callgate.store.base import ApprovalItem

_COLUMNS = ("id", "state", "tool", "arguments", "reasons", "agent", "expires (UTC)")

app = typer.Typer(help="List, approve or deny calls that wait for a person.", no_args_is_help=True)

Wanted = Annotated[
    str, typer.Argument(metavar="ID", help="id, its first 8 or more characters, or trace id")
]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="why; kept in the audit log")]


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    is_all: Annotated[bool, typer.Option("--all", help="decided and expired ones too")] = False,
    store: StoreOption = None,
) -> None:
    """List what waits for a person, oldest first."""
    state = None if is_all else ApprovalState.PENDING
    with errors_reported():
        try:
            items = asyncio.run(_list(store_url(store, os.environ), state))
        except StoreMissingError as missing:
            print(f"no approvals yet: {printable(str(missing))}", file=sys.stderr)
            return
    if as_json:
        for item in items:
            print(json.dumps(told(item)))
    else:
        _table(items)


@app.command()
def approve(id: Wanted, note: Note = "", store: StoreOption = None) -> None:
    """Let one call go ahead, with exactly the arguments it was asked for."""
    _answer(store, id, ApprovalState.APPROVED, note)


@app.command()
def deny(id: Wanted, note: Note = "", store: StoreOption = None) -> None:
    """Refuse one call."""
    _answer(store, id, ApprovalState.DENIED, note)


def _answer(store: str | None, id: str, state: ApprovalState, note: str) -> None:
    with errors_reported():
        item = asyncio.run(_resolve(store_url(store, os.environ), id, state, note))
    name, trace = item.decision.call.name, item.decision.trace
    print(printable(f"{state} {item.approval.id}: {name} (trace {trace})"))


async def _list(url: str, state: ApprovalState | None) -> list[ApprovalItem]:
    store = await open_store(url, should_create=False)
    try:
        return await store.approvals(state)
    finally:
        await store.close()


async def _resolve(url: str, wanted: str, state: ApprovalState, note: str) -> ApprovalItem:
    store, _ = await open_ledger(url, os.environ)
    try:
        # this command asks nothing, so it never makes an address
        approvals = Approvals(store, lambda: datetime.now(UTC), url=str)
        item = await approvals.find(wanted)
        resolve = approvals.approve if state is ApprovalState.APPROVED else approvals.deny
        await resolve(item.approval.id, _user(), note)
        return item
    finally:
        await store.close()


def _user() -> str:
    uid = os.geteuid()
    try:
        # not $USER: whoever answers could write anything there
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _table(items: Iterable[ApprovalItem]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, overflow="fold", no_wrap=name == "state")
    for item in items:
        approval, decision = item.approval, item.decision
        cells = (
            approval.id,
            approval.state.value,
            decision.call.name,
            decision.redacted_arguments,
            ", ".join(decision.reasons),
            decision.call.agent,
            f"{approval.expires_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    if table.row_count:
        console().print(table)
    else:
        print("nothing waits for approval")
