"""Files and disks: rm, find, mv, chmod, dd, mkfs and their kind."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.programs.base import (
    Danger,
    Rule,
    always,
    has,
    is_device,
    is_scratch_path,
    is_system_path,
    operands,
)

_DISK_VERBS = frozenset(str.split("mklabel mkpart rm --zap-all -z -o --delete erasedisk"))
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
    if "777" in " ".join(arguments[:2]) and any(t in ("/", "/etc", "/usr", "~") for t in targets):
        return Danger("RECURSIVE_PERMISSIONS", "opens the system's files to everybody")
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
    is_root = any(
        re.fullmatch(r"/(?:etc|usr|bin|sbin|lib\w*|boot|var|home|root|opt)?/?\*?", p)
        for p in paths[:-1]
    )
    return Danger("DELETE_SYSTEM_FILE", "moves a folder of the system away") if is_root else None


def _copy(arguments: Sequence[str]) -> Danger | None:
    paths = operands(arguments)
    target = paths[-1].rsplit(":", 1)[-1] if len(paths) >= 2 else ""
    if is_device(target):
        return Danger("OVERWRITE_DISK", "writes over a disk")
    if paths[:1] == ["/dev/null"] and is_system_path(target):
        return Danger("OVERWRITE_SYSTEM_FILE", "empties a system file")
    if (
        re.match(r"/(?:lib\w*|s?bin|usr/(?:lib|s?bin)|boot|etc)(?:/|$)", target)
        and ":" in paths[-1]
    ):
        return Danger(
            "OVERWRITE_SYSTEM_FILE", "writes over the system's files on another host", 0.6
        )
    return None


def _truncate(arguments: Sequence[str]) -> Danger | None:
    is_emptied = re.search(r"(?:-s|--size)[ =]?0\b", " ".join(arguments))
    is_own = all(map(is_scratch_path, operands(arguments)[1:] or ["x"]))
    return Danger("OVERWRITE_FILE", "empties files", 0.8) if is_emptied and not is_own else None


def _rsync(arguments: Sequence[str]) -> Danger | None:
    is_deleting = any(re.match(r"--del(?:ete.*)?$|--remove-source-files", a) for a in arguments)
    if is_deleting and not has(arguments, "n", "--dry-run"):
        return Danger("RECURSIVE_DELETE", "deletes what the source does not have", 0.7)
    return None


def _disk(arguments: Sequence[str]) -> Danger | None:
    if {word.lower() for word in arguments} & _DISK_VERBS and any(map(is_device, arguments)):
        return Danger("FORMAT_DISK", "changes a disk's partitions")
    return None


def _wipefs(arguments: Sequence[str]) -> Danger | None:
    is_wiping = has(arguments, "ao", "--all", "--offset") or len(arguments) > 1
    return Danger("FORMAT_DISK", "wipes a disk's signatures") if is_wiping else None


def _powershell_remove(arguments: Sequence[str]) -> Danger | None:
    if {"-recurse", "-r", "-force"} & {word.lower() for word in arguments}:
        return Danger("RECURSIVE_DELETE", "deletes folders and all in them")
    return None


def _windows_delete(arguments: Sequence[str]) -> Danger | None:
    if "/s" in {word.lower() for word in arguments}:
        return Danger("RECURSIVE_DELETE", "deletes folders and all in them")
    return None


def _cryptsetup(arguments: Sequence[str]) -> Danger | None:
    if {"luksFormat", "erase", "luksErase"} & set(arguments):
        return Danger("FORMAT_DISK", "wipes an encrypted disk")
    return None


_OVERWRITE = always("OVERWRITE_FILE", "overwrites files so that nothing brings them back")
FORMAT = always("FORMAT_DISK", "wipes a disk or makes a new file system over it")

RULES: dict[str, Rule] = {
    "blkdiscard": FORMAT,
    "chgrp": _modes,
    "chmod": _modes,
    "chown": _modes,
    "clear-disk": FORMAT,
    "cp": _copy,
    "cryptsetup": _cryptsetup,
    "dd": _dd,
    "del": _windows_delete,
    "diskutil": _disk,
    "erase": _windows_delete,
    "fd": _find,
    "find": _find,
    "format-volume": FORMAT,
    "hdparm": _disk,
    "lvremove": always("DELETE_VOLUME", "removes a volume"),
    "mv": _move,
    "parted": _disk,
    "pvremove": always("DELETE_VOLUME", "removes a physical volume"),
    "rd": _windows_delete,
    "remove-item": _powershell_remove,
    "rm": _rm,
    "rmdir": _windows_delete,
    "rsync": _rsync,
    "scp": _copy,
    "sfdisk": _disk,
    "sgdisk": _disk,
    "shred": _OVERWRITE,
    "srm": _OVERWRITE,
    "tee": _copy,
    "truncate": _truncate,
    "unlink": _rm,
    "vgremove": always("DELETE_VOLUME", "removes a group of volumes"),
    "wipefs": _wipefs,
}
