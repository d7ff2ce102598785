"""What commands of `cmd` and PowerShell would do, and the scripts that they hand on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from callgate.detectors.pattern import pattern
from callgate.detectors.shell.programs import dos, powershell
from callgate.detectors.shell.programs.base import Danger
from callgate.detectors.shell.windows.reading import commands, decode_command, decoded, plain

_INVOKED = pattern(
    r"(?i)\biex\b|invoke-expression|scriptblock\]?::create|\.invoke(?:script)?\s*\(|\[reflection\."
)
_FETCHED = pattern(
    r"(?i)download(?:string|data|file)|invoke-webrequest|\biwr\b|\birm\b|invoke-restmethod"
    r"|net\.webclient|start-bitstransfer|\bcurl\b|\bwget\b|xmlhttp|openread\("
)
_DECODED = pattern(
    r"(?i)frombase64string|-bxor|-join\b|\[char|gzipstream|deflatestream|::reverse|securestring|\bsplit\b"
)
# `$env:comspec[4,24,25]-join''` and `$pshome[4]+…` spell `iex`.
_SPELLED = pattern(r"(?i)\$(?:pshome|env:comspec|shellid|verbosepreference\S{0,20})\s*\[\s*\d")
_SHADOWS = pattern(r"(?i)win32_shadowcopy[\s\S]{0,200}(?:\.delete\(|remove-)")
_MANGLED = re.compile(r"(?i)(?<=[a-z0-9])[\^`](?=[a-z0-9])|%\w+:~[^%]*%|!\w+:~[^!]*!")
_MOST_MANGLED = 4

_STARTERS = frozenset(
    str.split("start call & . @ do else then in -and -or start-process saps runas")
)
_SHARED = frozenset(("rm", "rmdir", "shutdown"))
"""Judged as programs of Unix, whose rules know the options of Windows."""


def dangers(text: str) -> Iterator[Danger]:
    """Yield what the text as a whole or a single command in it would do."""
    if _SPELLED.search(text):
        yield Danger("OPAQUE_EXECUTION", "spells what it runs by letters of other words", 0.8)
    if len(_MANGLED.findall(text)) >= _MOST_MANGLED:
        yield Danger("OBFUSCATED_COMMAND", "is written so as not to be read", 0.6)
    text = plain(text)
    if _INVOKED.search(text):
        if _FETCHED.search(text):
            yield Danger("PIPE_TO_SHELL", "runs what it downloads, unseen", 0.95)
        elif _DECODED.search(text):
            yield Danger("OPAQUE_EXECUTION", "runs text that is decoded on the way", 0.7)
    if _SHADOWS.search(text):
        yield Danger("DELETE_BACKUP", "deletes backups")
    for words in commands(text):
        yield from _dangers(_started(words))


def scripts(text: str) -> Iterator[str]:
    """Yield the scripts that the text hands to another shell, decoded."""
    text = plain(text)
    yield from decoded(text)
    for words in commands(text):
        words = _started(words)
        program = _program(words[0]) if words else ""
        if program == "cmd":
            yield from _after(words, ("/c", "/k", "/r"))
        elif program in ("powershell", "pwsh"):
            yield from _powershell(words[1:])
        elif program in ("wsl", "iex", "invoke-expression", "forfiles", "psexec", "psexec64"):
            yield " ".join(word for word in words[1:] if word.lower() not in ("/c", "-e", "--"))
        elif program in ("wmic", "schtasks", "reg", "sc", "invoke-command", "icm"):
            yield from (word for word in words[1:] if " " in word)


def _started(words: list[str]) -> list[str]:
    """Strip what only starts a program: `start`, `call`, `&`, `do`."""
    while words and (words[0].lower() in _STARTERS or words[0].startswith(("@", "$", "="))):
        is_sign = words[0][:1] == "@" and len(words[0]) > 1
        words = [words[0][1:], *words[1:]] if is_sign else words[1:]
        while words and words[0].startswith("/") and len(words[0]) < 9:
            words = words[1:]
    return words


def _program(word: str) -> str:
    return word.lower().replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".exe")


def _dangers(words: list[str]) -> Iterator[Danger]:
    if not words:
        return
    program, arguments = _program(words[0]), words[1:]
    name, sign, glued = words[0].lower().partition("/")
    if sign and name in dos.RULES:  # `rd/s/q`
        program, arguments = name, [f"/{glued}", *arguments]
    if program in _SHARED:
        return
    rule = dos.RULES.get(program)
    danger = rule(arguments) if rule else None
    if danger := danger or powershell.danger_of(program, arguments):
        yield danger


def _after(words: Sequence[str], flags: Sequence[str]) -> Iterator[str]:
    for position, word in enumerate(words):
        if word[:2].lower() in flags:
            yield " ".join([*([word[2:]] if word[2:] else []), *words[position + 1 :]])
            return


def _powershell(arguments: Sequence[str]) -> Iterator[str]:
    for position, word in enumerate(arguments):
        flag = word.lower().lstrip("-/")
        if word[:1] not in ("-", "/"):
            previous = arguments[position - 1].lower() if position else ""
            if previous[:3] in ("-ex", "-ep", "-wi", "-w", "-no", "-ve", "-in", "-ou") and not (
                previous.startswith(("-nop", "-noe", "-nol", "-non"))
            ):
                continue
            yield " ".join(arguments[position:])
            return
        following = arguments[position + 1] if position + 1 < len(arguments) else ""
        if flag and ("encodedcommand".startswith(flag) or flag == "ec"):
            if script := decode_command(following):
                yield script
            return
        if flag and "command".startswith(flag):
            yield " ".join(arguments[position + 1 :])
            return
