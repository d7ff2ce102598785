"""What a value looks like by itself: random, a placeholder, a reference, or words."""

from __future__ import annotations

import math
import re
from collections import Counter

from callgate.detectors.pattern import pattern

_REDACTED = re.compile(r"\[REDACTED:[A-Z][A-Z0-9_]{0,60}\]")
_PLACEHOLDER = pattern(
    r"(?i)^(?:[x*.#?_0-]+|.*(?:your|example|placeholder|change.?me|redacted|dummy|sample|\*\*\*\*"
    r"|_here\b|-here\b|todo|insert|replace|environ|getenv|process\.env|secrets\.|vault\.|var\."
    r"|config\."
    r"|env\.|goes.here).*|<.*|\.{3,}.*|.*\.\.\.|none|null|nil|true|false|yes|no|undefined"
    r"|required|optional"
    r"|string|str|text|hidden|empty)$"
)
_STOCK = pattern(
    r"(?i)xxxx|^(?:bytes|number|int|integer|bool|boolean|object|function|const|default|value"
    r"|varchar|prompt"
    r"|(?:my|the|new|old|user|db|root|test|some|api|a|an)?[_-]?(?:password|passwd|pass|pwd"
    r"|secret|token|key"
    r"|api_?key|access_?token|credentials?)[_-]?\d?)$"
)
_REFERENCE = pattern(
    r"^[$%&@/.\\~:-]|\$\{|\$\(|\{\{|^\{|^\[|^\(|^<|#\{|^[A-Za-z_][\w.]*[(\[]|\(\)|\[['\"]"
    r"|^https?://"
    r"|^arn:|^ref\+|^(?:vault|op|env|file|ssm|gcpsm):"
)
_NAMES = pattern(
    r"^[a-z]+(?:[._-][a-z]+)+$|^[A-Z]+(?:_[A-Z]+)+$|^[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*)+$"
    r"|^[a-z]+[A-Z][a-z]+(?:[A-Z][a-z]+)*$"
)
_UUID = pattern(r"(?i)^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_HEX = pattern(r"^(?:[0-9a-f]+|[0-9A-F]+)$")
_LETTERS = pattern(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}")
_CODE = pattern(r"^[A-Za-z0-9_~+/=.!:@#$%^&*-]+$")
_PATH = pattern(r"\.[a-z]{2,4}$|^[\w.-]+(?:/[\w.-]+)+/?$")

# The pairs of letters that English and identifiers are made of; random text has a fifth of them.
_PAIRS = frozenset(
    str.split(
        "th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al "
        "de se "
        "le sa si ar ve ra ld ur me ne li ri ro la ta ch ic el ll no be ho io om fo ce na ec ca "
        "co ma "
        "tr us ac ut rs di ss so lo il pe ot ge ai id em ie ns ee sh wi ow un oo pr po ab ad ag "
        "am ap "
        "ay ba bl br bu ck cl cr ct da do ds ef ei ep ev ew ex fi fr ft ga gh gr gu ht ia if ig "
        "im ir iv "
        "ke ki ks ky lu ly mb mi mo mp mu nc ni nn ob od og ok op os ov oy pa ph pi pl pp pu qu "
        "rd rm rn "
        "rt ru rv ry sc sk sl sp su sw ts tt tu tw ty ub uc ue ug ul um up va vi wa we wh wo wn "
        "ya yo ys "
        "nk rc rk rl rr rg ub ud ui af au aw ey fe fa ff gi go gn bo bi by je jo ju ka vo lt lf "
        "lk lp pt "
        "ye fu gl ib ob ip op xp xt"
    )
)


def without_placeholders(text: str) -> str:
    """Blot out `[REDACTED:PHONE]`, same length: its words must not tell what stands beside it."""
    if "[REDACTED:" not in text:
        return text
    return _REDACTED.sub(lambda match: f"[{'*' * (len(match.group()) - 2)}]", text)


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def is_placeholder(value: str) -> bool:
    """Stands for a value: `xxxx`, `<your-key>`, `changeme`, the name of a type."""
    return _PLACEHOLDER.search(value) is not None


def is_stock(value: str) -> bool:
    """A word that stands where nobody wrote a value: `password`, `my_secret`, `string`."""
    return _STOCK.search(value) is not None


def is_reference(value: str) -> bool:
    """Names a value that stands elsewhere: `${TOKEN}`, `os.environ[…]`, `settings.key`, a path."""
    if _REFERENCE.search(value):
        return True
    return _NAMES.search(value) is not None and wordiness(value) >= 0.5


def is_uuid(value: str) -> bool:
    """Any version, with its dashes."""
    return _UUID.search(value) is not None


def classes(value: str) -> int:
    """How many of lower case, capitals, digits and others occur."""
    return sum(
        (
            any(c.islower() for c in value),
            any(c.isupper() for c in value),
            any(c.isdigit() for c in value),
            any(not c.isalnum() for c in value),
        )
    )


def wordiness(value: str) -> float:
    """Share of neighbouring letters that words are made of, 0 to 1; 0 where none stand together.

    Weighed by how much of the value stands in runs of letters at all.
    """
    runs = [match.group().lower() for match in _LETTERS.finditer(value)]
    pairs = [run[i : i + 2] for run in runs for i in range(len(run) - 1)]
    if not pairs:
        return 0.0
    covered = sum(map(len, runs)) / len(value)
    return covered * sum(pair in _PAIRS for pair in pairs) / len(pairs)


def is_random(value: str, least: int = 16) -> bool:
    """Made by a machine: no words, and as many different characters as chance gives.

    Digests and UUIDs are random too: whether they are secret, only what stands beside tells.
    """
    if len(value) < least or not _CODE.search(value) or (_PATH.search(value) and "/" in value[1:]):
        return False
    if _HEX.search(value):
        return len(value) >= 16 and not value.isdigit() and entropy(value) >= 2.6
    digits = sum(map(str.isdigit, value))
    if not digits and classes(value) < 3 and (classes(value) < 2 or len(value) < 20):
        return len(value) >= 16 and wordiness(value) < 0.45 and entropy(value) >= 3.0
    # Chance leaves few characters of a short value unused.
    return entropy(value) >= min(3.0 + len(value) / 80, 3.6) and wordiness(value) < 0.6
