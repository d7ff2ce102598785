"""Disks, partitions, volumes and file systems."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule, always, has, is_device, operands

_PARTITION_VERBS = frozenset(
    str.split("mklabel mktable mkpart rm rmpart --zap-all -z -Z -o --delete")
)
_WIPING = Danger("FORMAT_DISK", "wipes a disk or what tells its parts apart")

FORMAT = always("FORMAT_DISK", "wipes a disk or makes a new file system over it")
"""Rule for `mkfs` and its kind, whatever they are given."""


def _partition(arguments: Sequence[str]) -> Danger | None:
    words = {word.lower() for word in arguments}
    is_zapping = any(word.startswith(("--zap", "--delete=", "-d=")) for word in words)
    is_changing = bool(words & _PARTITION_VERBS) or is_zapping
    return _WIPING if is_changing and any(map(is_device, arguments)) else None


def _fdisk(arguments: Sequence[str]) -> Danger | None:
    if has(arguments, "lxsVh", "--list", "--help", "--version") or not any(
        map(is_device, arguments)
    ):
        return None
    return Danger("FORMAT_DISK", "changes a disk's partitions", 0.7)


def _diskutil(arguments: Sequence[str]) -> Danger | None:
    verb = next(iter(operands(arguments)), "").lower()
    is_nested = any(re.match(r"(?i)delete|erase|destroy", word) for word in arguments[1:3])
    if re.match(r"erase|partition|zero|random|secure|reformat|delete", verb) or is_nested:
        return _WIPING
    return None


def _wipefs(arguments: Sequence[str]) -> Danger | None:
    is_wiping = has(arguments, "ao", "--all", "--offset") or len(arguments) > 1
    is_trial = has(arguments, "n", "--no-act")
    return (
        Danger("FORMAT_DISK", "wipes a disk's signatures") if is_wiping and not is_trial else None
    )


def _cryptsetup(arguments: Sequence[str]) -> Danger | None:
    if {"luksFormat", "erase", "luksErase", "luksKillSlot", "reencrypt"} & set(arguments):
        return Danger("FORMAT_DISK", "wipes an encrypted disk")
    return None


def _flagged(*flags: str) -> Rule:
    """Rule for tools where a flag or a verb tells whether they wipe."""

    def judge(arguments: Sequence[str]) -> Danger | None:
        is_wiping = any(word.startswith(flag) for word in arguments for flag in flags)
        return _WIPING if is_wiping else None

    return judge


def _removed(kind: str) -> Rule:
    return always("DELETE_VOLUME", f"removes {kind}")


RULES: dict[str, Rule] = {
    "badblocks": lambda arguments: _WIPING if has(arguments, "w") else None,
    "blkdiscard": FORMAT,
    "cfdisk": _fdisk,
    "cryptsetup": _cryptsetup,
    "diskutil": _diskutil,
    "fdisk": _fdisk,
    "gdisk": _fdisk,
    "hdparm": _flagged("--security-erase", "--security-disable", "--trim-sector", "--dco-restore"),
    "lvremove": _removed("a volume"),
    "lvreduce": _removed("part of a volume"),
    "mdadm": _flagged("--zero-superblock", "--remove", "--fail"),
    "mkswap": FORMAT,
    "nvme": _flagged("format", "sanitize", "write-zeroes", "delete-ns"),
    "nwipe": FORMAT,
    "parted": _partition,
    "pvremove": _removed("a physical volume"),
    "scrub": FORMAT,
    "sfdisk": _fdisk,
    "sg_format": FORMAT,
    "sgdisk": _partition,
    "vgremove": _removed("a group of volumes"),
    "wipefs": _wipefs,
}
