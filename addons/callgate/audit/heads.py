"""What was signed last, kept outside of the store: a log that was cut off there shows here."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from callgate.canonical import parse
from callgate.errors import JsonError
from callgate.files import write_private

_KEPT = "!"


class Heads:
    """The last checkpoint of each chain, and those that a store has contradicted.

    One signed line each. A contradicted one stays: it is the evidence that records are gone.
    Processes of one home share the file: each sees what the others have written.
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

    def write(self, instance: str, line: str) -> bool:
        """Replace the last checkpoint of a chain; raises OSError.

        False where another process has written one of a later record: that one stays.
        """
        with self._locked():
            kept, latest = self._read()
            if _number_of(latest.get(instance, "")) > _number_of(line):
                return False
            self._write(kept, {**latest, instance: line})
            return True

    def keep(self, instance: str) -> None:
        """Let the last checkpoint of a chain stay for good; raises OSError."""
        with self._locked():
            kept, latest = self._read()
            if instance in latest:
                self._write([*kept, latest.pop(instance)], latest)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # the file itself is replaced at every write, its folder is not
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

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


def _number_of(line: str) -> int:
    """The record that a checkpoint is of; 0 for a damaged one."""
    with contextlib.suppress(JsonError):
        match parse(line):
            case {"checkpoint": {"number": int(number)}}:
                return number
    return 0
