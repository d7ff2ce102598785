"""Letters that look like others, and those that are not seen at all.

`ｒｍ`, `rm` written with a Cyrillic letter and `r​m` with a zero-width space read as `rm`.
"""

from __future__ import annotations

import itertools
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_LOOKALIKES = dict(
    zip(
        "аеорсухіјѕһԁԛԝбгкмтвнАВЕКМНОРСТХУІЈЅԌԚԜ"
        "αορυνικτχγηΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
        "ıɑɡɩʏᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜱʀɪʟɴʜʙɢ‐‑‒–—−⁄∕∖＼",
        "aeopcyxijshdqwbrkmtbhABEKMHOPCTXYIJSGQW"
        "aopuviktxynABEZHIKMNOPTYX"
        "iagiyacdejkmoptuvwzsrilnhbg------//\\\\",
        strict=True,
    )
)
"""Letters of other scripts → the Latin ones that they pass for in a command."""

MAX_REMEMBERED = 70_000
"""Letters whose folding is kept; that of rarer ones is worked out each time."""

_UNSEEN = ("Cf", "Mn", "Me", "Cc")
_KEPT = "\t\n\r"


@dataclass(frozen=True, slots=True)
class Folded:
    """A text with its look-alikes replaced, and where its letters come from."""

    text: str
    _ends: Sequence[int]
    """After each letter of the original, how long `text` is."""

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Where in the original a span of `text` stands."""
        first = bisect_right(self._ends, start)
        return first, max(first, min(bisect_right(self._ends, end - 1) + 1, len(self._ends)))


class _Table(dict[str, str]):
    """Letter → what it is folded to; worked out once for each."""

    def __missing__(self, letter: str) -> str:
        if letter in _LOOKALIKES:
            folded = _LOOKALIKES[letter]
        elif letter not in _KEPT and unicodedata.category(letter) in _UNSEEN:
            folded = ""
        else:
            folded = unicodedata.normalize("NFKC", letter)
            folded = _LOOKALIKES.get(folded, folded)
        if len(self) < MAX_REMEMBERED:
            self[letter] = folded
        return folded


_TABLE = _Table()


def fold(text: str) -> Folded | None:
    """Replace look-alikes, drop what is not seen; None where that changes nothing."""
    letters = [letter if letter < "\x7f" else _TABLE[letter] for letter in text]
    folded = "".join(letters)
    if folded == text:
        return None
    return Folded(folded, tuple(itertools.accumulate(map(len, letters))))
