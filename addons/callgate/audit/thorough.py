"""Checks each record of a bundle for itself: its own signature and its canonical form.

Large bundles are cut into parts that all processors work on at once.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from callgate.canonical import canonical, parse
from callgate.chain import Link, is_signed, link_of, public_key
from callgate.errors import JsonError

_PART_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """The first bad record of a part."""

    link: Link
    why: str


def check_all(path: Path, progress: Callable[[int], None]) -> Fault | None:
    """Return the first record that is bad; `progress` is told how many bytes are done.

    Raises OSError.
    """
    size = path.stat().st_size
    starts = range(0, size, _PART_BYTES)
    parts = [(path, start, min(start + _PART_BYTES, size)) for start in starts]
    for done, fault in enumerate(_checked(parts), start=1):
        if fault:
            return fault
        progress(min(done * _PART_BYTES, size))
    return None


def _checked(parts: list[tuple[Path, int, int]]) -> Iterator[Fault | None]:
    if len(parts) < 2:
        yield from map(check_part, parts)
        return
    workers = min(len(parts), os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(check_part, parts)


def check_part(part: tuple[Path, int, int]) -> Fault | None:
    """Check the records whose lines begin in a range of bytes."""
    path, start, stop = part
    with path.open("rb") as file:
        if start:
            # the line that began before is another part's
            file.seek(start - 1)
            file.readline()
        while file.tell() < stop and (line := file.readline()):
            line = line.removesuffix(b"\n")
            link = link_of(line)
            if link and (why := _wrong(line, link)):
                return Fault(link, why)
    return None


def _wrong(line: bytes, link: Link) -> str:
    if not is_signed(line, public_key(link.key)):
        return "its signature does not fit"
    try:
        is_canonical = canonical(parse(line)) == line
    except (JsonError, UnicodeError):
        is_canonical = False
    return "" if is_canonical else "it is not canonical JSON"
