"""Which command lines destroy data, history, access or machines.

Facts about programs, as their manuals give them. A rule sees the words after the program's name,
quotes already undone; it knows nothing of shells, wrappers or pipes (see `shell`).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from callgate.detectors.shell.programs import (
    accounts,
    containers,
    databases,
    disks,
    files,
    git,
    machine,
    network,
    packages,
    services,
)
from callgate.detectors.shell.programs.base import Danger, Rule

RULES: dict[str, Rule] = {
    **files.RULES,
    **disks.RULES,
    **accounts.RULES,
    **git.RULES,
    **machine.RULES,
    **databases.RULES,
    **services.RULES,
    **containers.RULES,
    **packages.RULES,
    **network.RULES,
}
"""Program → its rule."""

_FORMATTERS = ("mkfs", "mke2fs", "newfs")


def danger_of(program: str, arguments: Sequence[str]) -> Danger | None:
    """Judge one command line; `program` without folders. A glob in the name is tried out."""
    program = program.lower().removesuffix(".exe")
    if any(letter in program for letter in "*?[") and any(map(str.isalpha, program)):
        matches = (RULES[name](arguments) for name in sorted(fnmatch.filter(RULES, program)))
        return next((danger for danger in matches if danger), None)
    if "--help" in arguments:
        return None
    rule = disks.FORMAT if program.startswith(_FORMATTERS) else RULES.get(program)
    return rule(arguments) if rule else None


def fed(program: str, arguments: Sequence[str], stdin: str | None) -> Danger | None:
    """Judge what a program is told through its standard input: statements for a database."""
    if stdin is None or program not in databases.RULES:
        return None
    given = stdin.split() if program in databases.STORES else [" " + stdin]
    return databases.RULES[program]([*arguments, *given])
