"""Values beside a telling word: `password = …`, `"api_key": "…"`, `the token is …`.

The word alone proves nothing, and neither does a random value: it takes both, or a word for
passwords and a value that is written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from callgate.detectors import values
from callgate.detectors.pattern import pattern

_TELLING = pattern(r"(?i)pass|pwd|secret|token|key|credential|auth|psk|crumb|_pat\b")
_KEY = pattern(
    r"(?i)(?P<key>[\w.-]{0,40}?(?:passw(?:or)?d|passwd|passphrase|pwd|pass\b|secret|token"
    r"|(?:api|access|shared|private|auth|signing|encryption|license|master|account)[ _-]?key|psk\b"
    r"|credential|key\b|crumb\b|auth\b|pat\b)"
    r"[\w.-]{0,30})(?P<closed>[\"'`\])}\\]{0,4})"
    r"(?P<sign>[ \t]{0,20}(?:=>|:=|[!=]?={1,3}|:|->|,)[ \t]{0,30}"
    r"|\s{1,3}(?:for [^\n.]{1,40}? )?(?:is|was)\s{1,3}"
    r"(?:set to |now )?|[ \t]{1,3})"
)
_PASSWORD = pattern(
    r"(?i)passw|passwd|passphrase|pwd|(?:^|[._-])pass$"
    r"|(?-i:[a-z]Pass$)|(?:user|db|admin|root|login|mail|smtp|ftp|svc|my)pass$"
)
_SECRET = pattern(
    r"(?i)secret|token|api[ _-]?key|access[ _-]?key|shared[ _-]?key|psk$|credential"
    r"|(?:auth|private|signing|encryption|license|master|account|admin|service)[ _-]?key"
)
_OTHER_THING = pattern(
    r"(?i)public|(?:page|next|continuation|cursor|sync|nonce|cancel\w*|design)[._-]?token"
    r"|tokens?[._-]?"
    r"(?:count|limit|type|ur[il]|endpoint|name|length|usage|budget|iz)|max[._-]?tokens?"
    r"|secrets?[._-]?(?:name|arn|ref|path|version|ur[il]|manager|store|engine|key_?ref|mount)"
    r"|key[._-]?(?:name|id|ref|file|path|pair|space|word|board|code|type|vault|size|len|usage"
    r"|ur[il]|ring|chain)"
    r"|(?:primary|foreign|partition|sort|cache|unique|composite|idempotency|object|row|shard"
    r"|routing"
    r"|dedup\w*|lookup|host|sort|group|i18n|translation|storage|map|dict|hash|issue|parent|project"
    r"|hot|short|s3|blob|bucket|session|query|merge|order|join|surrogate)[._-]?key"
    r"|passw(?:or)?ds?[._-]?(?:policy|reset|hash|file|length|min|max|field|ur[il]|hint|changed"
    r"|expir\w*"
    r"|strength|manager|less|auth\w*|confirm\w*)|(?:mon|tur|whis|hoc|joc|don)key|^key$|^auth$"
    r"|oauth$|(?:id|name|url|path|file|type)$|^\.pwd|oldpwd|^pwd$"
)
_LABEL = pattern(
    r"(?i)\b(?:enter|required|invalid|must|please|wrong|forgot|reset|change|too|not|is|are"
    r"|cannot|the|a"
    r"|your|new|at least|password|passwort|match|login|sign)\b"
)
_LINE_START = pattern(
    r"^[\s#/;*>|-]*(?:export |set |env |ENV |ARG |-e |\$env:|var |let |const )?[\w.-]*$"
)
_SYMBOLS = pattern(r"^[\w!#$%^&*@+=~-]*[!#$%^&*@~][\w!#$%^&*@+=~-]*$")
_LABEL_WORD = pattern(r"^[A-Z][a-zà-ÿ]+$")

_QUOTES = "\"'`"
_MAX_VALUE = 300


@dataclass(frozen=True, slots=True)
class Guess:
    """A value that stands where credentials do."""

    start: int
    end: int
    is_password: bool
    confidence: float


@dataclass(frozen=True, slots=True)
class _Value:
    text: str
    start: int
    quote: str
    ends_line: bool


def guesses(text: str) -> Iterator[Guess]:
    """Yield values beside telling words, with how sure that makes them; a few are sure of none."""
    if not _TELLING.search(text):
        return
    for match in _KEY.finditer(text):
        key, sign = match.group("key"), match.group("sign")
        value = _value(text, match.end(), key, text[max(0, match.start() - 1) : match.start()])
        if not value.text or not _is_assignment(
            text, match.start(), match.group("closed"), sign, value
        ):
            continue
        # Names of resources hold `secret:` too.
        if "arn:" in text[max(0, match.start() - 80) : value.start]:
            continue
        is_line = value.ends_line and _starts_line(text, match.start(1), match.end(1))
        confidence = judge(key, value.text, value.quote, is_line and not sign[0].isspace())
        if confidence:
            end = value.start + len(value.text)
            yield Guess(value.start, end, is_password(key), confidence)


def is_telling(name: str) -> bool:
    """Tell whether a field of this name may hold a credential."""
    return _PASSWORD.search(name) is not None or _SECRET.search(name) is not None


def is_password(name: str) -> bool:
    """Tell fields for passwords from those for other credentials."""
    return _PASSWORD.search(name) is not None


def judge(key: str, value: str, quote: str = "", is_line: bool = False) -> float:
    """How sure it is that a value beside this key is a credential, 0 to 1.

    `quote` is the mark around the value, and `is_line` tells a line of its own, as in `.env`.
    """
    if _OTHER_THING.search(key) or values.is_placeholder(value) or values.is_stock(value):
        return 0.0
    if _PASSWORD.search(key):
        return _password(value, quote, is_line)
    if values.is_reference(value):
        return 0.0
    if _SECRET.search(key):
        is_dense = bool(quote) and values.classes(value) >= 3 and len(value) >= 8
        if values.is_random(value, 10) or (is_dense and values.wordiness(value) < 0.6):
            return 0.7 if " " not in value else 0.0
        if quote and len(value) >= 10 and _SYMBOLS.search(value):
            return 0.55
        return 0.3 if quote and " " not in value and len(value) >= 8 else 0.0
    is_told = values.is_random(value, 20) and not values.is_uuid(value)
    return 0.6 if is_told and (quote or is_line) else 0.0


def _password(value: str, quote: str, is_line: bool) -> float:
    if " " in value:
        is_short = value.count(" ") <= 2 and quote and not _LABEL.search(value)
        return 0.5 if is_short and value.islower() else 0.0
    if values.is_reference(value):
        return 0.0
    if values.classes(value) >= 2 and len(value) >= 6 and values.entropy(value) >= 2.2:
        return 0.3 if _LABEL_WORD.search(value) else 0.7
    is_word = value.islower() or value.isdigit()
    return 0.55 if is_word and len(value) >= 4 and (quote or is_line) else 0.3


def _value(text: str, start: int, key: str, before: str) -> _Value:
    while text.startswith("\\", start) and text[start + 1 : start + 2] in _QUOTES:
        start += 1
    quote = text[start : start + 1]
    if quote and quote in _QUOTES:
        start += 1
        line = text[start : start + _MAX_VALUE].partition("\n")[0]
        if line[:1] and line[0] in _QUOTES and line[0] in line[1:]:
            start, quote, line = start + 1, line[0], line[1:]
        end = line.find(quote)
        return _Value(line[:end].rstrip("\\") if end >= 0 else "", start, quote, False)
    rest = text[start : start + _MAX_VALUE].partition("\n")[0]
    stops = "&#" if before in ("?", "&") else ""
    size = next(
        (i for i, c in enumerate(rest) if c.isspace() or c in "\"'`<>,;" or c in stops), len(rest)
    )
    bare = rest[:size].rstrip(").,:!?\\]}")
    return _Value(
        bare if len(bare) >= 4 else "", start, "", not rest[size:].partition("#")[0].strip()
    )


def _is_assignment(text: str, start: int, closed: str, sign: str, value: _Value) -> bool:
    """Tell `password 'x'` and `--password x` from words that merely follow each other."""
    mark = sign.strip()
    if mark == ",":
        is_told = any(c.isdigit() for c in value.text) and " " not in value.text
        return bool(closed and value.quote) and is_told
    if mark:
        return True
    is_flag = text[max(0, start - 2) : start] == "--" or text[start : start + 2] == "--"
    if is_flag:
        return values.classes(value.text) >= 2
    return value.quote in ("'", '"') and not closed and "=" not in value.text


def _starts_line(text: str, start: int, end: int) -> bool:
    line = text.rfind("\n", 0, start) + 1
    return start - line < 80 and _LINE_START.search(text[line:end]) is not None
