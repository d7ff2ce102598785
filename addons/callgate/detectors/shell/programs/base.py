"""What every rule about a program shares: its answer, and how words and paths are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Danger:
    """What a command line would do."""

    kind: str
    explanation: str
    confidence: float = 0.9


type Rule = Callable[[Sequence[str]], Danger | None]
"""Judges the words after a program's name; quotes, variables and wrappers are already undone."""

_SYSTEM = re.compile(
    r"^(?:/|~/?|\$\{?HOME\}?/?|/root|/home)$"
    r"|^/(?:etc|usr|bin|sbin|lib\w*|boot|dev|proc|sys|var|opt|root|srv|home)(?:/|$|\*)"
    r"|^(?:~|\$\{?HOME\}?)/\.|^/\*|^[A-Za-z]:[\\/]"
)
_SINK = re.compile(r"^/dev/(?:null|zero|full|tty|stdout|stderr|stdin|fd/|shm/.)")
_SCRATCH = re.compile(r"^(?:/tmp|/var/tmp|\$\{?TMPDIR(?::-[^}]*)?\}?|\$\(mktemp[^)]*\))/+[^/]")
_DEVICE = re.compile(r"^/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|disk|mapper/|md|dm-|loop|vg|r?disk)\w*")


def is_system_path(path: str) -> bool:
    """Tell whether a path is a root, a home or part of the operating system."""
    return bool(_SYSTEM.search(path)) and not (is_scratch_path(path) or _SINK.match(path))


def is_scratch_path(path: str) -> bool:
    """Tell whether a path lies under a folder for temporary files."""
    return bool(_SCRATCH.search(path)) and ".." not in path.split("/")


def is_device(path: str) -> bool:
    """Tell whether a path is a disk or a part of one."""
    return bool(_DEVICE.search(path))


def operands(arguments: Sequence[str]) -> list[str]:
    """Words that are no flags."""
    return [word for word in arguments if not word.startswith("-") or word == "-"]


def has(arguments: Sequence[str], short: str, *long: str) -> bool:
    """Tell whether a flag is set: short, alone or bundled (`-rf`), or long, maybe with a value."""
    for word in arguments:
        if word.startswith("--"):
            if word.split("=", 1)[0] in long:
                return True
        elif short and word.startswith("-") and any(letter in word[1:] for letter in short):
            return True
    return False


def always(kind: str, explanation: str) -> Rule:
    """Rule for programs that destroy whatever they are given."""
    return lambda arguments: Danger(kind, explanation) if operands(arguments) else None
