"""PowerShell: cmdlets that delete, wipe, disable or stop; their aliases and abbreviations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule
from callgate.detectors.sql import dangers as sql_dangers

_HARMLESS = frozenset(
    str.split(
        "variable alias psdrive job event module pssession typedata psbreakpoint host history "
        "item content itemproperty psreadlinekeyhandler cimsession formatdata history line "
        "screen breakpoint psdebug pssnapin transcript progress csv list table wide custom hex"
    )
)
_BROAD = re.compile(
    r"(?i)^(?:[a-z]:)?[\\/]?\*(?:\.\*)?$|[\\/]\*(?:\.\*)?$|^[a-z]:[\\/]?$|[\\/]windows\b|^[\\/]$|^hk(?:lm|cu|cr):"
)
_VERBS = {
    "remove": "deletes",
    "clear": "empties or wipes",
    "uninstall": "removes",
    "unregister": "removes",
    "disable": "turns off",
    "format": "wipes",
    "revoke": "takes away",
    "reset": "resets",
    "dismount": "detaches",
}
_KINDS = {
    "disk": "FORMAT_DISK",
    "volume": "FORMAT_DISK",
    "partition": "FORMAT_DISK",
    "virtualdisk": "FORMAT_DISK",
    "storagepool": "FORMAT_DISK",
    "eventlog": "ERASE_TRACES",
    "computerrestore": "DISABLE_RECOVERY",
    "aduser": "DELETE_USER",
    "adgroup": "DELETE_USER",
    "adcomputer": "DELETE_USER",
    "adobject": "DELETE_USER",
    "adorganizationalunit": "DELETE_USER",
    "adaccount": "DELETE_USER",
    "localuser": "DELETE_USER",
    "localgroup": "DELETE_USER",
    "netfirewallrule": "FLUSH_FIREWALL",
    "scheduledtask": "DELETE_SCHEDULE",
    "service": "STOP_SERVICE",
    "windowsoptionalfeature": "DISABLE_PROTECTION",
}
_STOPS = re.compile(r"(?i)^(?:stop|restart)-computer$")


def danger_of(program: str, arguments: Sequence[str]) -> Danger | None:
    """Judge one command whose words are already read; `program` in any case."""
    name = program.lower()
    if has(arguments, "whatif", 2):
        return None
    if rule := RULES.get(name):
        return rule(arguments)
    verb, _, noun = name.partition("-")
    if verb in _VERBS and noun and noun not in _HARMLESS:
        kind = _KINDS.get(noun, "SERVICE_DELETE")
        certainty = 0.9 if noun in _KINDS else 0.7
        return Danger(kind, f"{_VERBS[verb]} {noun}", certainty)
    return None


def has(arguments: Sequence[str], name: str, least: int) -> bool:
    """Tell whether a parameter is set, in full or cut to `least` letters or more."""
    for word in arguments:
        given = word.lower().lstrip("-/").split(":")[0]
        if word[:1] == "-" and len(given) >= least and name.startswith(given):
            return ":$false" not in word.lower()
    return False


def _remove_item(arguments: Sequence[str]) -> Danger | None:
    if has(arguments, "recurse", 1) or has(arguments, "force", 2):
        return Danger("RECURSIVE_DELETE", "deletes folders and all in them")
    if any(map(_BROAD.search, arguments)):
        return Danger("DELETE_SYSTEM_FILE", "deletes files of the system or everything in a folder")
    return None


def _clear_content(arguments: Sequence[str]) -> Danger | None:
    if any(map(_BROAD.search, arguments)):
        return Danger("OVERWRITE_FILE", "empties files", 0.8)
    return None


def _defender(arguments: Sequence[str]) -> Danger | None:
    text = " ".join(arguments).lower()
    if re.search(r"-disable\w*[\s:]+(?:\$?true|1)|-exclusion\w+", text):
        return Danger("DISABLE_PROTECTION", "turns protection off")
    return None


def _policy(arguments: Sequence[str]) -> Danger | None:
    if {"bypass", "unrestricted"} & {word.lower() for word in arguments}:
        return Danger("DISABLE_PROTECTION", "lets any script run", 0.7)
    return None


def _firewall(arguments: Sequence[str]) -> Danger | None:
    if re.search(r"(?i)-enabled?[\s:]+\$?false", " ".join(arguments)):
        return Danger("FLUSH_FIREWALL", "turns the firewall off")
    return None


def _service(arguments: Sequence[str]) -> Danger | None:
    if has(arguments, "force", 2) or "disabled" in " ".join(arguments).lower():
        return Danger("STOP_SERVICE", "stops a service that others rely on", 0.7)
    return None


def _forced(kind: str, explanation: str) -> Rule:
    def judge(arguments: Sequence[str]) -> Danger | None:
        return Danger(kind, explanation, 0.7) if has(arguments, "force", 2) else None

    return judge


def _computer(arguments: Sequence[str]) -> Danger | None:
    return Danger("SHUTDOWN", "stops or restarts the machine", 0.8)


def _sql(arguments: Sequence[str]) -> Danger | None:
    for word in arguments:
        for found in sql_dangers(word) if " " in word else []:
            return Danger(found.kind, found.explanation, found.confidence)
    return None


RULES: dict[str, Rule] = {
    "add-mppreference": _defender,
    "clear-content": _clear_content,
    "clear-recyclebin": _forced("RECURSIVE_DELETE", "empties the recycle bin"),
    "clc": _clear_content,
    "del": _remove_item,
    "erase": _remove_item,
    "invoke-sqlcmd": _sql,
    "rd": _remove_item,
    "remove-item": _remove_item,
    "restart-computer": _computer,
    "ri": _remove_item,
    "rm": _remove_item,
    "rmdir": _remove_item,
    "set-executionpolicy": _policy,
    "set-mppreference": _defender,
    "set-netfirewallprofile": _firewall,
    "set-service": _service,
    "spps": _forced("KILL_PROCESS", "ends processes"),
    "stop-computer": _computer,
    "stop-process": _forced("KILL_PROCESS", "ends processes"),
    "stop-service": _service,
    "stop-vm": _forced("STOP_SERVICE", "stops a virtual machine"),
}
"""Cmdlet or alias, lower case → its rule; others are judged by their verb."""
