"""What a script's text gives away as a whole: sockets to shells, writing meant not to be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callgate.detectors.pattern import pattern
from callgate.detectors.shell.programs.base import Danger

REVERSE_SHELL = Danger("REVERSE_SHELL", "connects a shell to another host", 0.95)
NETWORK_CLIENTS = frozenset(str.split("nc ncat netcat telnet socat openssl"))
"""Programs that carry what they are fed to another host."""

_SOCKET = pattern(r"/dev/(?:tcp|udp)/")
_JOINED = pattern(
    r"(?s)\b(?:ba|z|k|da)?sh\b[^|;\n]*-i\b|\bexec\s+\S*\d+<>\s*/dev/|<>\s*/dev/(?:tcp|udp)|\b(?:ba|z|k|da)?sh\b\s*(?:-i\s*)?[<>0-9&\s]*/dev/(?:tcp|udp)"
)
_AWK_SOCKET = pattern(r"/inet/(?:tcp|udp)/\d")
_TRACELESS = pattern(
    r"\bunset\s+HIST(?:FILE|SIZE)|\bHISTFILE=(?:/dev/null)?(?:\s|;|$)|\bHISTSIZE=0\b|\bset\s+\+o\s+history"
)
# Quotes, escapes and empty expansions inside words, where nobody would write them.
_SPLICE = pattern(
    r"[A-Za-z0-9](?:''|\"\"|\"[a-z]{1,2}\"|'[a-z]{1,2}')[A-Za-z0-9]|\$'(?:\\[xuU0-7][0-9A-Fa-f]{1,8})+'"
    r"|\$\{?[@*][^A-Za-z0-9\s\"']{0,3}[^}\s]*\}|[A-Za-z]\$[@*]|\$\{\w+(?:~~|,,|\^\^)\}|\$\{\w+\[\$"
    r"|\$\(\(\s*[-+~(]*\d*#|\\\\x\$|\$\{__*\b"
)
_LEAST_SPLICES = 5
_CHARACTERS_PER_SPLICE = 50
_LONGEST = 20_000
_LEAST_SIGNS = 80
_LETTERS = re.compile(r"[A-Za-z0-9\s]+")


def about(text: str) -> Iterator[Danger]:
    """Yield what the whole of a script gives away; linear in the text."""
    if _TRACELESS.search(text):
        yield Danger("ERASE_TRACES", "keeps the shell from remembering", 0.7)
    if _AWK_SOCKET.search(text):
        yield REVERSE_SHELL
    if _SOCKET.search(text) and _JOINED.search(text):
        yield REVERSE_SHELL
    if is_mangled(text[:_LONGEST]):
        yield Danger("OBFUSCATED_COMMAND", "is written so as not to be read", 0.6)


def is_mangled(text: str) -> bool:
    """Tell whether words are cut up by quotes and expansions, or hardly hold a letter."""
    if not any(sign in text for sign in "$\\'\""):
        return False
    splices = len(_SPLICE.findall(text))
    if splices >= _LEAST_SPLICES and splices * _CHARACTERS_PER_SPLICE >= len(text):
        return True
    return len(text) >= _LEAST_SIGNS and len(_LETTERS.sub("", text)) * 4 > len(text) * 3
