"""Package managers: removal of what the system stands on, and what can not be taken back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule, has, operands

_ESSENTIAL = re.compile(
    r"(?:libc6?|glibc|musl|coreutils|bash|dash|systemd|init|util-linux|login|passwd|sudo|mount"
    r"|linux-(?:image|headers|generic)\S*|kernel\S*|grub\S*|openssh-\S+|apt|dpkg|rpm|dnf|yum|pacman"
    r"|python3(?:-minimal)?|network-?manager|netplan\S*|ca-certificates|filesystem|base-files|e2fsprogs"
    r"|lvm2|cryptsetup|udev|dbus|perl-base|tar|gzip|\*|\.\*|'\*')(?:[:=].*)?"
)
_REMOVING = frozenset(
    str.split(
        "remove purge autoremove erase uninstall del delete -R -Rs -Rns -Rdd -e -r -P --purge"
    )
)


def _system(arguments: Sequence[str]) -> Danger | None:
    if not _REMOVING & set(arguments) or has(arguments, "", "--dry-run", "--simulate"):
        return None
    if any(map(_ESSENTIAL.fullmatch, operands(arguments))):
        return Danger("REMOVE_PACKAGE", "removes what the system stands on")
    is_forced = any(re.match(r"--(?:nodeps|force|allow-remove-essential)", a) for a in arguments)
    if is_forced or "-Rdd" in arguments:
        return Danger("REMOVE_PACKAGE", "removes packages that others need", 0.8)
    return None


def _language(arguments: Sequence[str]) -> Danger | None:
    words = operands(arguments)
    verb = words[0] if words else ""
    if verb in ("unpublish", "yank") or words[:2] in (["owner", "remove"], ["owner", "rm"]):
        return Danger("UNPUBLISH_PACKAGE", "takes away a release that others use")
    is_trial = has(arguments, "n", "--dry-run", "--help")
    if verb in ("publish", "upload", "deploy", "push") and not is_trial:
        return Danger("PUBLISH_PACKAGE", "publishes what can not be taken back", 0.6)
    if verb == "uninstall" and has(arguments, "y", "--yes", "--all"):
        return Danger("REMOVE_PACKAGE", "removes packages without a question", 0.6)
    return None


_SYSTEM = str.split(
    "apt apt-get aptitude dpkg dnf yum rpm pacman zypper apk emerge pkg xbps-remove"
)
_LANGUAGE = str.split(
    "npm yarn pnpm cargo gem poetry twine flit hatch uv pip pip3 mvn mvnw gradle gradlew dotnet "
    "nuget"
)
RULES: dict[str, Rule] = {}
RULES.update((name, _system) for name in _SYSTEM)
RULES.update((name, _language) for name in _LANGUAGE)
