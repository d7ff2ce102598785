from __future__ import annotations

import shlex

import pytest

from callgate.detectors.shell.programs import danger_of
from callgate.detectors.shell.programs.base import Danger


def judge(line: str) -> Danger | None:
    program, *arguments = shlex.split(line)
    return danger_of(program, arguments)


HARM = r"""
FORMAT_DISK             badblocks -w /dev/sda
FORMAT_DISK             blkdiscard /dev/sda
FORMAT_DISK             cfdisk /dev/sda
FORMAT_DISK             cryptsetup erase /dev/sda
FORMAT_DISK             diskutil eraseDisk JHFS+ x disk2
FORMAT_DISK             diskutil apfs deleteContainer disk2
FORMAT_DISK             fdisk /dev/sda
FORMAT_DISK             hdparm --user-master u --security-erase p /dev/sda
FORMAT_DISK             mdadm --zero-superblock /dev/sda1
FORMAT_DISK             mkfs.ext4 /dev/sda1
FORMAT_DISK             mkswap /dev/sda1
FORMAT_DISK             nvme format /dev/nvme0n1
FORMAT_DISK             parted -s /dev/sda rm 1
FORMAT_DISK             sgdisk --zap-all /dev/sda
FORMAT_DISK             sgdisk --delete=1 /dev/sda
FORMAT_DISK             wipefs -a /dev/sda
DELETE_VOLUME           lvremove -f vg0/data
DELETE_VOLUME           vgremove vg0
"""

QUIET = r"""
badblocks -v /dev/sda
cryptsetup status x
diskutil list
fdisk -l /dev/sda
fdisk image.img
hdparm -I /dev/sda
mdadm --detail /dev/md0
mkfs.ext4 --help
nvme list
parted -l
parted /dev/sda print
wipefs /dev/sda
wipefs -a -n /dev/sda
lvremove
"""


@pytest.mark.parametrize("line", HARM.strip().splitlines())
def test_wiping_a_disk_is_found(line: str) -> None:
    kind, words = line.split(maxsplit=1)
    danger = judge(words)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize("line", QUIET.strip().splitlines())
def test_everyday_work_is_not_found(line: str) -> None:
    assert judge(line) is None
