"""Files: rm, find, mv, chmod, dd and their kind; what writing to a place does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.shell.programs.base import (
    Danger,
    Rule,
    always,
    has,
    is_device,
    is_scratch_path,
    is_system_path,
    operands,
)

_SENSITIVE = re.compile(
    r"/etc/(?:passwd|shadow|gshadow|sudoers|group|fstab|ld\.so\.preload)(?:\.d/.*)?-?$"
)
_TRACES = re.compile(r"_history$|/var/log/|/(?:wtmp|utmp|btmp|lastlog)$")
_PERSISTENT = re.compile(
    r"\.ssh/authorized_keys$|/etc/(?:systemd/system|init\.d|rc\.local|cron\.\w+|cron\.d|xdg/autostart|ssh/sshd_config)"
    r"|/Library/Launch(?:Agents|Daemons)/|/var/spool/cron|\.config/(?:autostart|systemd)"
)
_ROOT_FOLDER = re.compile(r"/(?:etc|usr|bin|sbin|lib\w*|boot|var|home|root|opt)?/?\*?")
_REMOTE_SYSTEM = re.compile(r"/(?:lib\w*|s?bin|usr/(?:lib|s?bin)|boot|etc)(?:/|$)")


def _rm(arguments: Sequence[str]) -> Danger | None:
    targets = operands(arguments)
    if targets and all(map(is_scratch_path, targets)):
        return None
    if has(arguments, "rR", "--recursive"):
        is_wide = any(is_system_path(t) or t in ("*", ".", "./*", ".*", "..") for t in targets)
        return Danger(
            "RECURSIVE_DELETE", "deletes folders and all in them", 1.0 if is_wide else 0.8
        )
    if any(map(is_system_path, targets)) or "*" in targets:
        return Danger("DELETE_SYSTEM_FILE", "deletes files of the system or everything in a folder")
    return None


def _dd(arguments: Sequence[str]) -> Danger | None:
    target = next((word[3:] for word in arguments if word.startswith("of=")), "")
    if target.startswith("/dev/") and target not in ("/dev/null", "/dev/stdout", "/dev/zero"):
        return Danger("OVERWRITE_DISK", "writes over a disk", 1.0)
    return (
        Danger("OVERWRITE_SYSTEM_FILE", "writes over a system file")
        if is_system_path(target)
        else None
    )


def _modes(arguments: Sequence[str]) -> Danger | None:
    targets = operands(arguments)[1:]
    if has(arguments, "R", "--recursive") and any(map(is_system_path, targets)):
        return Danger("RECURSIVE_PERMISSIONS", "changes rights or owner of the system's files")
    mode = next(iter(operands(arguments)), "")
    is_open = bool(re.fullmatch(r"0?[0-7]?(?:777|666)|[ao]?\+r?w?x?w", mode))
    if is_open and any(t in ("/", "/etc", "/usr", "~") or _SENSITIVE.match(t) for t in targets):
        return Danger("RECURSIVE_PERMISSIONS", "opens the system's files to everybody")
    if re.fullmatch(r"[ugo]*\+s|0?[4-7][0-7]{3}", mode) and targets:
        return Danger("CHANGE_ACCOUNT", "lets a program run with its owner's rights", 0.7)
    return None


def _rights(arguments: Sequence[str]) -> Danger | None:
    """`setfacl`, `chattr`: their targets stand anywhere."""
    if has(arguments, "R", "--recursive") and any(map(is_system_path, arguments)):
        return Danger("RECURSIVE_PERMISSIONS", "changes rights of the system's files")
    return None


def _link(arguments: Sequence[str]) -> Danger | None:
    paths = operands(arguments)
    is_void = len(paths) == 2 and paths[0] == "/dev/null"
    if is_void and (is_system_path(paths[1]) or _TRACES.search(paths[1])):
        return Danger("OVERWRITE_SYSTEM_FILE", "puts nothing in place of a file")
    return None


def _edit(arguments: Sequence[str]) -> Danger | None:
    """`sed -i`, `perl -pi`."""
    is_in_place = any(re.match(r"-[a-zA-Z]*i|--in-place", word) for word in arguments)
    if is_in_place and any(map(_SENSITIVE.match, operands(arguments))):
        return Danger("OVERWRITE_SYSTEM_FILE", "edits the accounts of the machine", 0.8)
    return None


def _install(arguments: Sequence[str]) -> Danger | None:
    return _placed(operands(arguments)[-1:])


def _placed(paths: Sequence[str]) -> Danger | None:
    """What writing to a path does, whatever is written."""
    for path in paths:
        if danger := written(path):
            return danger
    return None


def written(path: str) -> Danger | None:
    """Judge writing to a file by its place alone."""
    if is_device(path):
        return Danger("OVERWRITE_DISK", "writes over a disk", 1.0)
    if _SENSITIVE.match(path):
        return Danger("OVERWRITE_SYSTEM_FILE", "writes over a system file")
    if path == "/proc/sysrq-trigger":
        return Danger("SHUTDOWN", "stops the machine at once")
    if _PERSISTENT.search(path):
        return Danger("PERSISTENCE", "has a program started, or somebody let in, from now on", 0.6)
    return None


def _find(arguments: Sequence[str]) -> Danger | None:
    if "-delete" in arguments:
        roots = operands(arguments[:1])
        if roots and all(map(is_scratch_path, roots)):
            return None
        return Danger("RECURSIVE_DELETE", "deletes every file that is found", 0.8)
    return None


def _move(arguments: Sequence[str]) -> Danger | None:
    paths = operands(arguments)
    if len(paths) >= 2 and paths[-1] == "/dev/null":
        return Danger("DELETE_SYSTEM_FILE", "moves files into nothing")
    is_root = any(_ROOT_FOLDER.fullmatch(path) for path in paths[:-1])
    return Danger("DELETE_SYSTEM_FILE", "moves a folder of the system away") if is_root else None


def _copy(arguments: Sequence[str]) -> Danger | None:
    paths = operands(arguments)
    target = paths[-1].rsplit(":", 1)[-1] if len(paths) >= 2 else ""
    if danger := _placed([target]):
        return danger
    if paths[:1] == ["/dev/null"] and is_system_path(target):
        return Danger("OVERWRITE_SYSTEM_FILE", "empties a system file")
    if paths and _REMOTE_SYSTEM.match(target) and ":" in paths[-1]:
        return Danger(
            "OVERWRITE_SYSTEM_FILE", "writes over the system's files on another host", 0.6
        )
    return None


def _tee(arguments: Sequence[str]) -> Danger | None:
    return _placed(operands(arguments))


def _truncate(arguments: Sequence[str]) -> Danger | None:
    is_emptied = re.search(r"(?:-s|--size)[ =]?0\b", " ".join(arguments))
    is_own = all(map(is_scratch_path, operands(arguments)[1:] or ["x"]))
    return Danger("OVERWRITE_FILE", "empties files", 0.8) if is_emptied and not is_own else None


def _rsync(arguments: Sequence[str]) -> Danger | None:
    is_deleting = any(re.match(r"--del(?:ete.*)?$|--remove-source-files", a) for a in arguments)
    if is_deleting and not has(arguments, "n", "--dry-run"):
        return Danger("RECURSIVE_DELETE", "deletes what the source does not have", 0.7)
    return None


def _powershell_remove(arguments: Sequence[str]) -> Danger | None:
    if {"-recurse", "-r", "-force"} & {word.lower() for word in arguments}:
        return Danger("RECURSIVE_DELETE", "deletes folders and all in them")
    return None


def _windows_delete(arguments: Sequence[str]) -> Danger | None:
    if "/s" in {word.lower() for word in arguments}:
        return Danger("RECURSIVE_DELETE", "deletes folders and all in them")
    return None


_OVERWRITE = always("OVERWRITE_FILE", "overwrites files so that nothing brings them back")

RULES: dict[str, Rule] = {
    "chattr": _rights,
    "chgrp": _modes,
    "chmod": _modes,
    "chown": _modes,
    "cp": _copy,
    "dd": _dd,
    "del": _windows_delete,
    "erase": _windows_delete,
    "fd": _find,
    "find": _find,
    "install": _install,
    "ln": _link,
    "mv": _move,
    "perl": _edit,
    "rd": _windows_delete,
    "remove-item": _powershell_remove,
    "rm": _rm,
    "rmdir": _windows_delete,
    "rsync": _rsync,
    "scp": _copy,
    "sed": _edit,
    "setfacl": _rights,
    "shred": _OVERWRITE,
    "srm": _OVERWRITE,
    "tee": _tee,
    "truncate": _truncate,
    "unlink": _rm,
}
