"""The demonstration's story, told from what the agent printed and what Callgate recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

type Event = Mapping[str, object]

_COLOURS = {"ALLOW": "green", "SANITIZE": "yellow", "REQUIRE_APPROVAL": "magenta", "DENY": "red"}
_INDENT = "   "


@dataclass(frozen=True, slots=True)
class Episode:
    """One request of the agent's user, with all that happened for it."""

    request: str
    events: list[Event] = field(default_factory=list)
    records: list[Event] = field(default_factory=list)

    def first(self, kind: str) -> Event | None:
        """The first event of a kind."""
        return next((event for event in self.events if event["event"] == kind), None)


def told(console: Console, episodes: Sequence[Episode]) -> None:
    """Print one block an episode: the model's wish, the decision, the app, the API."""
    for number, episode in enumerate(episodes, 1):
        console.print(f"\n[bold]{number}  “{escape(episode.request)}”[/bold]")
        for label, text in _lines(episode):
            console.print(f"{_INDENT}[dim]{label:<11}[/dim] {text}", soft_wrap=True)


def _lines(episode: Episode) -> Iterable[tuple[str, str]]:
    for record in episode.records:
        if record["kind"] == "call":
            arguments = escape(_short(record.get("arguments", "")))
            yield "model asks", f"[bold]{escape(str(record['tool']))}[/bold] {arguments}"
            yield "Callgate", _decision(record)
        elif record["kind"] == "approval":
            word = "approved" if record["decision"] in ("ALLOW", "SANITIZE") else "denied"
            yield "a person", f"[green]{word}[/green] it"
    executed = episode.first("executed")
    if executed:
        yield (
            "the app",
            f"ran it (simulated) with {escape(_short(json.dumps(executed['arguments'])))}",
        )
    elif any(record["kind"] == "call" for record in episode.records):
        yield "the app", "[bold]never saw the call[/bold], nothing was run"
    if error := episode.first("error"):
        yield "", f"its SDK raised [red]{error['type']}[/red] code [red]{error['code']}[/red]"
        yield "", f"[dim]{escape(str(error['message']))}[/dim]"
    if any(record["kind"] == "refusal" for record in episode.records):
        yield "the API", "never got the result; the app cancelled the run"
    if reply := episode.first("reply"):
        yield "model says", escape(_short(reply["text"], 160))


def _decision(record: Event) -> str:
    word = str(record["decision"])
    reasons = record.get("reasons")
    why = f" {', '.join(map(str, reasons))}" if isinstance(reasons, list) else ""
    verdicts = record.get("verdicts")
    text = verdicts[0].get("explanation", "") if isinstance(verdicts, list) and why else ""
    said = f" [dim]{escape(_short(text, 160))}[/dim]" if text else ""
    return f"[{_COLOURS.get(word, 'white')}]{word}[/]{why}{said}"


def trail(console: Console, records: Iterable[Event]) -> None:
    """Print the audit trail as a table."""
    table = Table(title="Audit trail", title_justify="left", header_style="bold", box=None)
    for name in ("kind", "what", "decision", "tool", "reasons", "trace"):
        is_long = name in ("what", "reasons")
        table.add_column(name, no_wrap=not is_long, overflow="fold" if is_long else "ellipsis")
    for record in records:
        what = record.get("delivery") or record.get("outcome") or record.get("code") or ""
        reasons = record.get("reasons")
        word = str(record.get("decision", ""))
        table.add_row(
            str(record["kind"]),
            str(what),
            f"[{_COLOURS.get(word, 'white')}]{word}[/]",
            str(record.get("tool", "")),
            ", ".join(map(str, reasons)) if isinstance(reasons, list) else "",
            str(record.get("trace", ""))[:8],
        )
    console.print()
    console.print(table)


def _short(value: object, width: int = 110) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= width else text[: width - 1] + "…"
