"""Windows: programs of `cmd` that delete, wipe, disable or fetch what they run."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callgate.detectors.shell.programs.base import Danger, Rule

_ROOT = re.compile(r"(?i)^[a-z]:[\\/]?(?:\*.*|windows.*|users.*|program.*|$)|^[\\/]|^%|^\*")
_BROAD = re.compile(r"(?i)^(?:[a-z]:)?[\\/]?\*(?:\.\*)?$|[\\/]\*\.\*$|system32|[\\/]windows[\\/]")
_REMOTE = re.compile(r"(?i)https?:|\\\\\w|ftp:|javascript:|vbscript:")


def _flags(arguments: Sequence[str]) -> set[str]:
    """`/s`, `/S`, `-s` and `/s/q` alike, in lower case, without the slash."""
    words = (word.lower() for word in arguments if word[:1] in ("/", "-"))
    return {part for word in words for part in re.split(r"[/-]", word) if part}


def _text(arguments: Sequence[str]) -> str:
    return " ".join(arguments).lower()


def _delete(arguments: Sequence[str]) -> Danger | None:
    if "s" in _flags(arguments):
        return Danger("RECURSIVE_DELETE", "deletes folders and all in them")
    paths = [word for word in arguments if not re.match(r"/[A-Za-z]", word)]
    if any(map(_BROAD.search, paths)):
        return Danger("DELETE_SYSTEM_FILE", "deletes files of the system or everything in a folder")
    return None


def _format(arguments: Sequence[str]) -> Danger | None:
    if any(re.fullmatch(r"[A-Za-z]:\\?", word) for word in arguments):
        return Danger("FORMAT_DISK", "wipes a disk", 1.0)
    return None


def _diskpart(arguments: Sequence[str]) -> Danger | None:
    if "s" in _flags(arguments) or {"clean", "format", "delete"} & set(_text(arguments).split()):
        return Danger("FORMAT_DISK", "changes a disk's partitions")
    return None


def _words(kind: str, explanation: str, *phrases: str, confidence: float = 0.9) -> Rule:
    """Rule for programs whose words, in that order, tell: `delete shadows`."""
    expressions = [
        re.compile(r"(?<!\w)" + r"(?!\w).*(?<!\w)".join(map(re.escape, p.split()))) for p in phrases
    ]

    def judge(arguments: Sequence[str]) -> Danger | None:
        text = _text(arguments)
        is_found = any(expression.search(text) for expression in expressions)
        return Danger(kind, explanation, confidence) if is_found else None

    return judge


def _cipher(arguments: Sequence[str]) -> Danger | None:
    if any(word.lower().startswith("/w") for word in arguments):
        return Danger("OVERWRITE_FILE", "wipes what was deleted so that nothing brings it back")
    return None


def _rights(arguments: Sequence[str]) -> Danger | None:
    text = _text(arguments)
    is_all = any(flag in _flags(arguments) for flag in ("r", "t"))
    is_wide = "everyone" in text or "*s-1-1-0" in text or "system32" in text
    if (is_all or is_wide) and any(_ROOT.search(word) for word in arguments):
        return Danger("RECURSIVE_PERMISSIONS", "changes rights or owner of the system's files")
    return None


def _net(arguments: Sequence[str]) -> Danger | None:
    words = _text(arguments).split()
    if "/delete" in words or "/del" in words:
        return Danger("DELETE_USER", "deletes an account, a group or a share")
    if (words[:1] == ["user"] and "/add" in words) or "/active:no" in words:
        return Danger("CHANGE_ACCOUNT", "adds or closes an account", 0.7)
    if words[:1] == ["localgroup"] and "/add" in words:
        return Danger("CHANGE_ACCOUNT", "gives an account more rights", 0.8)
    if words[:1] == ["stop"]:
        return Danger("STOP_SERVICE", "stops a service that others rely on", 0.7)
    return None


def _shutdown(arguments: Sequence[str]) -> Danger | None:
    if _flags(arguments) & {"s", "r", "p", "h", "g", "sg"}:
        return Danger("SHUTDOWN", "stops or restarts the machine", 0.8)
    return None


def _robocopy(arguments: Sequence[str]) -> Danger | None:
    if _flags(arguments) & {"mir", "purge", "move"}:
        return Danger("RECURSIVE_DELETE", "deletes what the source does not have", 0.7)
    return None


def _reg(arguments: Sequence[str]) -> Danger | None:
    text = _text(arguments)
    if re.match(r"delete\b", text):
        return Danger("DELETE_REGISTRY", "deletes from the registry")
    if re.match(r"add\b", text) and re.search(r"\\(?:run|runonce|winlogon)\b", text):
        return Danger("PERSISTENCE", "has a program started at every sign-in", 0.8)
    if re.match(r"add\b", text) and re.search(
        r"windows defender|disableantispyware|enablelua", text
    ):
        return Danger("DISABLE_PROTECTION", "turns protection off")
    if re.match(r"save\b.*\\(?:sam|security|system)\b", text):
        return Danger("DUMP_CREDENTIALS", "copies the passwords of the machine")
    return None


def _schtasks(arguments: Sequence[str]) -> Danger | None:
    flags = _flags(arguments)
    if "delete" in flags:
        return Danger("DELETE_SCHEDULE", "deletes scheduled jobs", 0.8)
    if "create" in flags:
        return Danger("PERSISTENCE", "has a program started again and again", 0.6)
    return None


def _fetching(arguments: Sequence[str]) -> Danger | None:
    """Programs that load and run code from elsewhere."""
    if _REMOTE.search(" ".join(arguments)):
        return Danger("PIPE_TO_SHELL", "runs what it downloads, unseen", 0.9)
    return None


def _certutil(arguments: Sequence[str]) -> Danger | None:
    if "urlcache" in _flags(arguments):
        return Danger("PIPE_TO_SHELL", "downloads a program past the browser's checks", 0.8)
    if _flags(arguments) & {"delkey", "delstore"}:
        return Danger("DELETE_KEY", "deletes certificates or keys")
    return None


def _attrib(arguments: Sequence[str]) -> Danger | None:
    text = _text(arguments)
    if "+h" in text and "+s" in text and "/s" in text:
        return Danger("HIDE_FILES", "hides files of the system", 0.6)
    return None


_SHADOWS = ("delete shadows", "resize shadowstorage", "delete shadow", "shadowcopy delete")

RULES: dict[str, Rule] = {
    "attrib": _attrib,
    "bcdedit": _words(
        "DISABLE_RECOVERY",
        "changes how the machine starts",
        "recoveryenabled no",
        "bootstatuspolicy ignoreallfailures",
        "delete",
        "deletevalue",
    ),
    "bitsadmin": _words("PIPE_TO_SHELL", "downloads a program unseen", "transfer", confidence=0.8),
    "bootrec": _words("FORMAT_DISK", "rewrites the boot record", "fixmbr", "fixboot"),
    "certutil": _certutil,
    "cipher": _cipher,
    "del": _delete,
    "diskpart": _diskpart,
    "diskshadow": _words("DELETE_BACKUP", "deletes backups", *_SHADOWS),
    "dism": _words(
        "DISABLE_PROTECTION", "removes parts of the system", "disable-feature", "remove-"
    ),
    "dsrm": lambda arguments: Danger("DELETE_USER", "deletes directory objects"),
    "erase": _delete,
    "forfiles": _words(
        "RECURSIVE_DELETE", "deletes every file that is found", "/c del", "/c rd", "/c erase"
    ),
    "format": _format,
    "fsutil": _words(
        "ERASE_TRACES",
        "erases the file system's journal or zeroes files",
        "usn deletejournal",
        "setzerodata",
    ),
    "icacls": _rights,
    "manage-bde": _words("DISABLE_PROTECTION", "turns disk encryption off", "off", "forcerecovery"),
    "mshta": _fetching,
    "msiexec": _fetching,
    "net": _net,
    "net1": _net,
    "netsh": _words(
        "FLUSH_FIREWALL",
        "turns the firewall off or drops its rules",
        "state off",
        "opmode disable",
        "opmode mode=disable",
        "advfirewall reset",
        "delete rule",
    ),
    "rd": _delete,
    "reg": _reg,
    "regsvr32": _fetching,
    "rmdir": _delete,
    "robocopy": _robocopy,
    "rundll32": _fetching,
    "sc": _words(
        "STOP_SERVICE",
        "stops or deletes a service",
        "delete",
        "stop",
        "start= disabled",
        "start=disabled",
        confidence=0.7,
    ),
    "schtasks": _schtasks,
    "shutdown": _shutdown,
    "takeown": _rights,
    "taskkill": _words("KILL_PROCESS", "ends processes", "/f /im", "/im /f", confidence=0.6),
    "vssadmin": _words("DELETE_BACKUP", "deletes backups", *_SHADOWS),
    "wbadmin": _words(
        "DELETE_BACKUP",
        "deletes backups",
        "delete catalog",
        "delete systemstatebackup",
        "delete backup",
    ),
    "wevtutil": _words("ERASE_TRACES", "erases logs", "cl", "clear-log"),
    "wmic": _words(
        "DELETE_BACKUP",
        "deletes backups, programs or accounts",
        "shadowcopy delete",
        "delete",
        "uninstall",
        confidence=0.8,
    ),
}
"""Program → its rule; arguments as Windows writes them, `/s` and `-s` alike."""
