"""What was signed last, kept outside of the store: a log that was cut off there shows here."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from callgate.canonical import parse
from callgate.errors import JsonError
from callgate.files import write_private

_KEPT = "!"


class Heads:
    """The last checkpoint of each chain, and those that a store has contradicted.

    One signed line each. A contradicted one stays: it is the evidence that records are gone.
    """

    def __init__(self, file: Path) -> None:
        """The file may not be there yet."""
        self._file = file

    def latest(self, instance: str) -> str | None:
        """The last checkpoint of a chain; raises OSError."""
        return self._read()[1].get(instance)

    def lines(self, instances: Sequence[str]) -> list[str]:
        """Every checkpoint of these chains; raises OSError."""
        kept, latest = self._read()
        return [line for line in (*kept, *latest.values()) if instance_of(line) in instances]

    def write(self, instance: str, line: str) -> None:
        """Replace the last checkpoint of a chain; raises OSError."""
        kept, latest = self._read()
        self._write(kept, {**latest, instance: line})

    def keep(self, instance: str) -> None:
        """Let the last checkpoint of a chain stay for good; raises OSError."""
        kept, latest = self._read()
        if instance in latest:
            self._write([*kept, latest.pop(instance)], latest)

    def _read(self) -> tuple[list[str], dict[str, str]]:
        kept: list[str] = []
        latest: dict[str, str] = {}
        text = ""
        with contextlib.suppress(FileNotFoundError):
            text = self._file.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            if line.startswith(_KEPT):
                kept.append(line.removeprefix(_KEPT))
            else:
                latest[instance_of(line)] = line
        return kept, latest

    def _write(self, kept: Sequence[str], latest: dict[str, str]) -> None:
        lines = [*(_KEPT + line for line in kept), *latest.values()]
        write_private(self._file, "".join(f"{line}\n" for line in lines).encode())


def instance_of(line: str) -> str:
    """Which chain a checkpoint is of; empty for a damaged one."""
    with contextlib.suppress(JsonError):
        match parse(line):
            case {"checkpoint": {"instance": str(instance)}}:
                return instance
    return ""
