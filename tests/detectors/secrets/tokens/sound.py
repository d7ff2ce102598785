"""Makes credentials at run time, and says what every format in the tables must keep.

A sample is a template: `ghp_<w36>` stands for the prefix and 36 characters of the alphabet `w`.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Sequence

import re2

from callgate.detectors.base import Text
from callgate.detectors.secrets.detector import Secrets, formats
from callgate.detectors.secrets.tokens.base import Token

type Sample = tuple[str, str, str]
"""Kind, a sound token, and one that is not: a character short, or of another prefix."""

ALPHABETS = {
    "a": string.ascii_letters,
    "b": string.ascii_letters + string.digits + "+/",
    "c": "".join(c for c in string.ascii_letters + string.digits if c not in "IOl0"),
    "d": string.digits,
    "h": string.digits + "abcdef",
    "H": string.digits + "ABCDEF",
    "l": string.ascii_lowercase + string.digits,
    "s": string.ascii_letters + string.digits + "_-",
    "u": string.ascii_uppercase + string.digits,
    "v": string.ascii_lowercase + "234567",
    "w": string.ascii_letters + string.digits,
}


def make(template: str) -> str:
    """Fill in a template; the same one always gives the same token."""
    source = random.Random(template.partition("<")[0])

    def run(match: re.Match[str]) -> str:
        alphabet, size = ALPHABETS[match[1]], int(match[2])
        # every character before any comes again: as much entropy as the length allows
        shuffled = ""
        while len(shuffled) < size:
            shuffled += "".join(source.sample(alphabet, len(alphabet)))
        return shuffled[:size]

    return re.sub(r"<(\w)(\d+)>", run, template)


def kinds(tokens: Sequence[Token], text: str) -> list[str]:
    """Which of these formats are found in a text; guesses by context are left out."""
    known = {token.kind for token in tokens}
    found = Secrets(formats(tuple(tokens))).inspect(Text(text, "$.x"))
    return [f.kind for f in found if f.kind in known and f.explanation.startswith("looks like")]


def faults(tokens: Sequence[Token], samples: Sequence[Sample]) -> list[str]:
    """Say what is wrong with a table of formats and its samples."""
    found = [fault for token in tokens for fault in _format_faults(token)]
    for kind, sound, unsound in samples:
        mine = [token for token in tokens if token.kind == kind]
        if kinds(mine, f"see\n{make(sound)}\nnow") != [kind]:
            found.append(f"{kind}: {sound} is not found")
        if kinds(mine, f"see\n{make(unsound)}\nnow"):
            found.append(f"{kind}: {unsound} is found")
    shown = [make(sound) for _, sound, _ in samples]
    for token in tokens:
        if not any(re2.search(token.pattern, f"see\n{sound}\nnow") for sound in shown):
            found.append(f"{token.kind}: no sample of {token.provider}, {token.pattern[:40]}")
    return found


def _format_faults(token: Token) -> list[str]:
    found = []
    if not re.fullmatch(r"[A-Z][A-Z0-9_]+", token.kind):
        found.append("kind is not UPPER_SNAKE")
    if not token.provider or not token.source.startswith("https://"):
        found.append("no provider or source")
    if token.words != token.words.lower():
        found.append("words are not lower case")
    if not 0 < token.confidence <= 1:
        found.append("confidence is not within 0 and 1")
    return [f"{token.kind}: {fault}" for fault in found]
