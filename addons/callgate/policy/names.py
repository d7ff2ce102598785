"""Tool names and selectors: exact or glob, and the second look of rules that do not allow."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from dataclasses import dataclass

_WILDCARDS = re.compile(r"[*?\[]")

# Characters that show nothing but are letters to Unicode: Hangul fillers, Braille blank.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")

# NOTE: the Latin letter that each lower-case letter, or its capital, passes for. Both the rule
# and the name go through it, so an entry can only make a deny rule catch more.
_LOOKALIKES = str.maketrans(
    "абвгеікмнорстухѕјһԁԛԝѵүԍӏ" + "αβεηικμνορτυχζγω" + "ıɑɡɩℓ",
    "abbreikmhopctyxsjhdqwvygl" + "abenikmvoptuxzyw" + "iagil",
)
_INVISIBLE = frozenset(("Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"))


def fold(text: str) -> str:
    """Reduce text to what a reader sees: for rules that do not allow.

    Compatibility forms are unified (NFKD), case, accents, white space and invisible characters
    go, Cyrillic and Greek look-alikes become Latin. `" ＤELETE\\u200b_User"` → `delete_user`.
    """
    if text.isascii() and text.isidentifier():
        return text.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    seen = (c for c in plain if c not in _BLANK and unicodedata.category(c) not in _INVISIBLE)
    return "".join(seen).translate(_LOOKALIKES)


def glob_problem(text: str) -> str | None:
    """Tell what is wrong with a glob or exact name; None when it is fine."""
    if not text:
        return "is empty"
    if text != text.strip():
        return "has white space around it, which no name has: remove it"
    depth = 0
    for character in text:
        depth = {"[": 1, "]": 0}.get(character, depth)
    return (
        "has a `[` without `]`: close it, or write `[[]` for the bracket itself" if depth else None
    )


@dataclass(frozen=True, slots=True)
class Glob:
    """An exact, case-sensitive text, or a glob over one (`*`, `?`, `[...]`)."""

    text: str
    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, text: str) -> Glob:
        """Compile once; text without wildcards is compared, not matched."""
        if not _WILDCARDS.search(text):
            return cls(text, None)
        # fnmatch writes atomic groups: no backtracking, however long the name
        return cls(text, re.compile(fnmatch.translate(text)))

    def matches(self, value: str) -> bool:
        """Tell whether the whole value matches."""
        if self.pattern is None:
            return value == self.text
        return self.pattern.match(value) is not None


@dataclass(frozen=True, slots=True)
class ToolPattern:
    """The `tool:` of a rule."""

    text: str
    exact: Glob
    folded: Glob | None
    """Also asked, about the folded name, by rules that deny or ask for approval."""
    is_allowing: bool = False
    """Not asked about a name without its namespace (`NAMESPACE.NAME`, `mcp.SERVER.NAME`):
    what one namespace's tool may do, another's of the same name may not."""

    @classmethod
    def of(cls, text: str, *, folds: bool, allows: bool = False) -> ToolPattern:
        """Compile the pattern as written and, where it `folds`, as `fold` leaves it."""
        return cls(text, Glob.of(text), Glob.of(fold(text)) if folds else None, allows)

    def matches(self, name: str, folded: str) -> bool:
        """Match a tool's name, given with what `fold` makes of it."""
        if self._matches(name, folded):
            return True
        if self.is_allowing or "." not in name:
            return False
        return self._matches(name.rpartition(".")[2], folded.rpartition(".")[2])

    def _matches(self, name: str, folded: str) -> bool:
        if self.exact.matches(name):
            return True
        return self.folded is not None and self.folded.matches(folded)
