"""Connections of a process and its children, as Linux tells of them."""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_ALIVE = ("01", "02")  # established, SYN sent


def can_be_seen() -> bool:
    """Whether this system tells at all."""
    return (_PROC / "self" / "net" / "tcp").exists()


def remotes(pid: int) -> set[tuple[str, int]]:
    """Address and port of every TCP connection that a process or a descendant has open now."""
    found: set[tuple[str, int]] = set()
    for member in _family(pid):
        inodes = set(_inodes(member))
        for table in ("tcp", "tcp6"):
            found |= {remote for remote, inode in _table(member, table) if inode in inodes}
    return found


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # the name of the program, in brackets, may hold anything
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    family, latest = [pid], [pid]
    while latest:
        latest = [child for one in latest for child in children.get(one, ())]
        family += latest
    return family


def _inodes(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for link in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    yield target.removeprefix("socket:[").removesuffix("]")


def _table(pid: int, name: str) -> Iterator[tuple[tuple[str, int], str]]:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "net" / name).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] in _ALIVE:
                yield _address(fields[2]), fields[9]


def _address(text: str) -> tuple[str, int]:
    """`0100007F:1F90`: words of 32 bits, each in the machine's order."""
    words, _, port = text.partition(":")
    raw = bytes.fromhex(words)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    ip = ipaddress.ip_address(raw)
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return str(mapped), int(port, 16)
