"""Commands of Windows shells, `cmd` and PowerShell, read as lists of words.

Both are read at once, without a grammar: carets, back-ticks, quotes, `'a'+'b'`, `[char]97`,
`"{1}{0}" -f …`, `%name%` and `$name` are undone where their value follows from the text.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterator

from callgate.detectors.pattern import pattern
from callgate.detectors.shell.textpipe import decode_base64

_MAX_WORDS = 5_000

_SIGNS = pattern(
    r"(?i)\b(?:cmd|powershell|pwsh|iex|iwr|irm|del|erase|rd|rmdir|ri|format|diskpart|vssadmin|wbadmin"
    r"|bcdedit|reg|cipher|takeown|icacls|net1?|schtasks|sc|taskkill|wevtutil|fsutil|netsh|wmic"
    r"|robocopy|diskshadow|manage-bde|dsrm|dism|certutil|bitsadmin|mshta|rundll32|regsvr32|msiexec"
    r"|shutdown|attrib|forfiles|bootrec|start|runas|psexec(?:64)?)(?:\.exe)?(?:\s|$|\()"
    r"|\b(?:remove|clear|stop|restart|disable|uninstall|unregister|format|reset|revoke|dismount|set|add|invoke|start|foreach)-[a-z]{2,40}\b|\[[\w.]+\]::|%\w+(?::~|%)|new-object|frombase64string|&\s*\("
)
_IGNORED = re.compile(r"\^(\r?\n)?(.?)", re.S)
_TICK = re.compile(r"`(\r?\n|[A-Za-z0-9\-])")
_CHARACTER = pattern(r"(?i)\[char\]\s*\(?\s*(0x[0-9a-f]{1,5}|\d{1,6})\)?")
_JOINED = pattern(r"'\s*\+\s*'|\"\s*\+\s*\"")
_FORMAT = pattern(
    r"(?i)\(?\s*[\"']((?:\{\d\}|[^\"'{}\n]){2,200})[\"']\s*-f\s*((?:[\"'][^\"'\n]*[\"']\s*,?\s*){1,30})\)?"
)
_REPLACE = pattern(
    r"(?i)'([^'\n]{1,1000})'\s*(?:\.replace\s*\(\s*|-c?replace\s+)'([^'\n]{1,50})'\s*,\s*'([^'\n]{0,50})'\s*\)?"
)
_CALLED = pattern(r"[&.]\s*\(\s*('[^'\n]+'|\"[^\"\n]+\")\s*\)")
_SET = pattern(r"(?i)(?:^|[&|\n(;])\s*set\s+\"?(\w+)=([^&|\n\"]*)\"?")
_ASSIGNED = pattern(r"\$(?:env:|script:|global:)?(\w+)\s*=\s*(?:'([^'\n]*)'|\"([^\"\n]*)\")")
_PERCENT = pattern(r"%(\w+)(?::~(-?\d+)(?:,(-?\d+))?)?%|!(\w+)!")
_DOLLAR = pattern(r"\$\{?(?:env:)?(\w+)\}?")
_PACKED = pattern(r"(?i)frombase64string\s*\(\s*[\"']([A-Za-z0-9+/=\s]{4,})[\"']")
_WORD = re.compile(
    r"(?P<id>\{(?:default|current|bootmgr|[0-9a-fA-F-]{36})\})"
    r"|\"(?P<double>[^\"]*(?:\"\"[^\"]*)*)\"|'(?P<single>[^']*(?:''[^']*)*)'"
    r"|(?P<separator>[&|;\n(){}]+)|(?P<blank>\s+)|(?P<plain>[^\s\"'&|;(){}]+|[\"'])"
)
_KNOWN = {
    "comspec": r"C:\Windows\system32\cmd.exe",
    "systemroot": r"C:\Windows",
    "windir": r"C:\Windows",
    "systemdrive": "C:",
    "userprofile": r"C:\Users\user",
    "programfiles": r"C:\Program Files",
    "path": r"C:\Windows\system32;C:\Windows",
    "public": r"C:\Users\Public",
}


def may_hold(text: str) -> bool:
    """Tell cheaply whether a text may hold commands of Windows."""
    return bool(_SIGNS.search(text.replace("^", "").replace("`", "")))


def commands(text: str) -> Iterator[list[str]]:
    """Yield the commands of a text that is `plain`, in order; never raises, linear in the text."""
    words: list[str] = []
    is_glued = False
    for match in itertools.islice(_WORD.finditer(text), _MAX_WORDS):
        kind = match.lastgroup
        if kind == "separator":
            if words:
                yield words
            words, is_glued = [], False
        elif kind == "blank":
            is_glued = False
        elif is_glued and words:
            words[-1] += match[kind or 0]
        else:
            words.append(match[kind or 0])
        if kind not in ("separator", "blank"):
            is_glued = True
    if words:
        yield words


def decoded(text: str) -> Iterator[str]:
    """Yield the texts that `FromBase64String('…')` stands for."""
    for match in _PACKED.finditer(text):
        if (plain := decode_command(match[1])) is not None:
            yield plain


def decode_command(packed: str) -> str | None:
    """Decode what follows `-EncodedCommand`: base64 of UTF-16, sometimes of UTF-8."""
    packed = re.sub(r"\s+", "", packed).rstrip("=")
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) % 2 == 0 and raw[1::2].count(0) * 4 >= len(raw):
        return raw.decode("utf-16-le", "replace")
    return decode_base64(packed)


def plain(text: str) -> str:
    """Undo escapes, concatenation and variables as far as the text itself tells."""
    text = _TICK.sub(lambda m: " " if m[1].isspace() else m[1], text)
    if "^" in text:
        text = _IGNORED.sub(lambda m: m[2], text)
    text = _CHARACTER.sub(_character, text)
    text = _JOINED.sub("", text)
    text = _FORMAT.sub(_formatted, text)
    text = _REPLACE.sub(lambda m: "'" + m[1].replace(m[2], m[3]) + "'", text)
    text = _CALLED.sub(r" & \1 ", text)
    values = dict(_KNOWN)
    values.update((m[1].lower(), m[2].strip()) for m in _SET.finditer(text))
    values.update((m[1].lower(), m[2] or m[3] or "") for m in _ASSIGNED.finditer(text))
    if "%" in text or "!" in text:
        text = _PERCENT.sub(lambda m: _value(m, values), text)
    if "$" in text:
        text = _DOLLAR.sub(lambda m: values.get(m[1].lower(), m[0])[:1000], text)
    return text


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 0) if match[1][:2].lower() == "0x" else int(match[1])
    return f"'{chr(number)}'" if 32 <= number < 0xD800 else "''"


def _formatted(match: re.Match[str]) -> str:
    values = re.findall(r"[\"']([^\"']*)[\"']", match[2])

    def put(place: re.Match[str]) -> str:
        number = int(place[1])
        return values[number] if number < len(values) else ""

    return "'" + re.sub(r"\{(\d)\}", put, match[1]) + "'"


def _value(match: re.Match[str], values: dict[str, str]) -> str:
    value = values.get((match[1] or match[4]).lower())
    if value is None:
        return match[0]
    if match[2] is None:
        return value[:1000]
    value = value[int(match[2]) :]
    return value if match[3] is None else value[: int(match[3])]
