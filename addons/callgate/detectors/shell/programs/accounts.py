"""Accounts, rights and keys of a machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule, always, has, operands

_ASKING = re.compile(r"(?:^|[\s/])(?:sudo|su|doas|run0|pkexec|ssh|passwd)(?:\s|$)")
_ROLES = re.compile(r"(?:^|,)(?:sudo|wheel|admin|root|docker|adm|disk|shadow)(?:$|,)")


def _alias(arguments: Sequence[str]) -> Danger | None:
    """A name that people type before a password, and what answers to it."""
    for word in arguments:
        name, sign, value = word.partition("=")
        # `alias sudo='doas'` and `alias ssh='kitten ssh'` still end where people meant to go.
        if sign and _ASKING.fullmatch(name) and not _ASKING.search(value):
            return Danger("PERSISTENCE", f"has something else answer to {name}", 0.6)
    return None


def _passwd(arguments: Sequence[str]) -> Danger | None:
    if has(arguments, "ld", "--lock", "--delete"):
        return Danger("CHANGE_ACCOUNT", "locks an account or takes its password away", 0.8)
    return None


def _chage(arguments: Sequence[str]) -> Danger | None:
    is_ended = re.search(r"(?:-E|--expiredate)[ =]?(?:0|1|19\d\d-\S+)(?: |$)", " ".join(arguments))
    return Danger("CHANGE_ACCOUNT", "closes an account", 0.8) if is_ended else None


def _usermod(arguments: Sequence[str]) -> Danger | None:
    if has(arguments, "L", "--lock") or "/bin/false" in arguments or "/sbin/nologin" in arguments:
        return Danger("CHANGE_ACCOUNT", "locks an account", 0.8)
    if has(arguments, "G", "--groups") and any(map(_ROLES.search, operands(arguments))):
        return Danger("CHANGE_ACCOUNT", "gives an account the rights of an administrator", 0.8)
    return None


def _useradd(arguments: Sequence[str]) -> Danger | None:
    if re.search(r"(?:-u|--uid)[ =]0\b|-o\b.*-u ?0\b", " ".join(arguments)):
        return Danger("CHANGE_ACCOUNT", "adds another root")
    return _usermod(arguments)


def _gpasswd(arguments: Sequence[str]) -> Danger | None:
    words = operands(arguments)
    if has(arguments, "a", "--add") and any(map(_ROLES.search, words)):
        return Danger("CHANGE_ACCOUNT", "gives an account the rights of an administrator", 0.8)
    return None


def _keys(arguments: Sequence[str]) -> Danger | None:
    if any(re.match(r"--delete(?:-secret)?(?:-and-public)?-keys?$", word) for word in arguments):
        return Danger("DELETE_KEY", "deletes keys")
    return None


def _deleting(kind: str, explanation: str, *verbs: str) -> Rule:
    """Rule for programs where one of the first words is the verb."""
    wanted = frozenset(verbs)

    def judge(arguments: Sequence[str]) -> Danger | None:
        return Danger(kind, explanation) if wanted & set(arguments[:4]) else None

    return judge


_ACCOUNT = always("DELETE_USER", "deletes an account or a group")
_DIRECTORY = ("delete", "-delete", "del", "group-del", "user-del")

RULES: dict[str, Rule] = {
    "alias": _alias,
    "chage": _chage,
    "delgroup": _ACCOUNT,
    "deluser": _ACCOUNT,
    "dscl": _deleting("DELETE_USER", "deletes directory objects", *_DIRECTORY),
    "gpasswd": _gpasswd,
    "gpg": _keys,
    "groupdel": _ACCOUNT,
    "ipa": _deleting(
        "DELETE_USER", "deletes directory objects", "user-del", "group-del", "host-del"
    ),
    "keytool": _deleting("DELETE_KEY", "deletes keys", "-delete"),
    "ldapdelete": always("DELETE_USER", "deletes directory objects"),
    "passwd": _passwd,
    "samba-tool": _deleting("DELETE_USER", "deletes directory objects", *_DIRECTORY),
    "security": _deleting(
        "DELETE_KEY", "deletes keys", "delete-keychain", "delete-identity", "delete-certificate"
    ),
    "sysadminctl": _deleting("DELETE_USER", "deletes an account", "-deleteUser"),
    "useradd": _useradd,
    "userdel": _ACCOUNT,
    "usermod": _usermod,
}
