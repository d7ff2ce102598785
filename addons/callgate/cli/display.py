"""What `callgate run` shows while the app runs: one line a decision, on standard error."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from callgate.cli.options import printable

_COLOURS = {
    "ALLOW": "green",
    "SANITIZE": "cyan",
    "REQUIRE_APPROVAL": "yellow",
    "DENY": "bold red",
    "refused": "bold red",
    "removed": "bold red",
    "approved": "green",
    "denied": "bold red",
    "expired": "bold red",
    "unread": "yellow",
}
_SHOWN_ARGUMENTS = 200


class Display:
    """Writes each line whole and at once, so that it stands between lines of the app, never in one.

    On a terminal a line is coloured and cut to its width; elsewhere it is plain and whole. Names
    and arguments come from a model: what could steer a terminal is escaped.
    """

    def __init__(self, console: Console) -> None:
        """`console` writes to standard error: standard output is the app's."""
        self._console = console

    def show(self, record: Mapping[str, object]) -> None:
        """Show a record of the audit log, if it is one that an operator waits for."""
        line = _line(record)
        if line is None:
            return
        text = Text().append("callgate: ", style="dim").append_text(line)
        if self._console.is_terminal:
            self._console.print(text, overflow="ellipsis", no_wrap=True)
        else:
            self._console.file.write(text.plain + "\n")
            self._console.file.flush()


def _line(record: Mapping[str, object]) -> Text | None:
    word = _text(record, "decision")
    match record["kind"]:
        case "call":
            line = _worded(word, _text(record, "tool"), _reasons(record))
            asked = f" approval={_text(record, 'approval')}" if record.get("approval") else ""
            arguments = _text(record, "arguments")[:_SHOWN_ARGUMENTS]
            return line.append(f"{asked} {arguments}".rstrip(), style="dim")
        case "refusal":
            return _worded("refused", _text(record, "code"), _text(record, "path"))
        case "hosted_tool":
            return _worded(_text(record, "outcome"), _text(record, "tool"), _reasons(record))
        case "approval":
            by = f"by {_text(record, 'by')}" if record.get("by") else ""
            return _worded(_text(record, "state"), _text(record, "tool"), by)
        case "coverage":
            return _worded("unread", _text(record, "path"), _text(record, "cause"))
        case _:
            return None


def _worded(word: str, *rest: str) -> Text:
    line = Text().append(word, style=_COLOURS.get(word, ""))
    return line.append("".join(f" {part}" for part in rest if part))


def _reasons(record: Mapping[str, object]) -> str:
    reasons = record.get("reasons")
    return f"[{', '.join(map(str, reasons))}]" if isinstance(reasons, list) and reasons else ""


def _text(record: Mapping[str, object], key: str) -> str:
    return printable(str(record.get(key) or ""))
