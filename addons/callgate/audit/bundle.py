"""A bundle: one file with every chain of a store, signed at its end.

The first line is `FIRST_LINE`; then anchors and checkpoints; then the records in the order in
which the store has them; then the end, which says where each chain stood. Every line but the
first is signed, see `chain`. The format is in docs/audit-log.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from callgate.audit.keys import Key
from callgate.canonical import Json, parse
from callgate.chain import Head, sign
from callgate.errors import JsonError

FIRST_LINE = b'{"callgate-audit":1}'

_TAIL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Statement:
    """What a line says that is no record: a checkpoint, an anchor or the end."""

    line: bytes
    said: Mapping[str, Json]

    def text(self, name: str) -> str:
        """A text of it, empty where there is none."""
        value = self.said.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str = "number") -> int:
        """A number of it, -1 where there is none."""
        value = self.said.get(name)
        return value if isinstance(value, int) else -1


def statement(line: bytes, kind: str) -> Statement | None:
    """The statement of this kind in a line; None where it is not one."""
    if not line.startswith(b'{"%s":{' % kind.encode()):
        return None
    try:
        value = parse(line)
    except JsonError:
        return None
    said = value.get(kind) if isinstance(value, dict) else None
    return Statement(line, said) if isinstance(said, dict) else None


def end_line(heads: Mapping[str, Head], lines: int, key: Key, at: datetime) -> str:
    """The last line: where each chain stands, and how many lines stand before this one."""
    chains: list[Json] = [
        {"digest": head.digest, "instance": instance, "number": head.number}
        for instance, head in sorted(heads.items())
    ]
    said: dict[str, Json] = {
        "at": at.isoformat(),
        "chains": chains,
        "key": key.name,
        "lines": lines,
    }
    return sign({"end": said}, key.private)


def write(file: BinaryIO, lines: Iterable[str]) -> int:
    """Append lines; returns how many."""
    count = 0
    for line in lines:
        file.write(line.encode() + b"\n")
        count += 1
    return count


def last_line(path: Path) -> bytes:
    """The last line of a file, of its last MiB at most; raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
    return tail.removesuffix(b"\n").rpartition(b"\n")[2]
