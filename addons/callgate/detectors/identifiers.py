"""What names a destination in any text: addresses, hosts, numbers of accounts, paths.

Each identifier is brought into one spelling, `KIND:TEXT`, so that the one in an argument can be
looked up among those that a person or a tool has said. A host that stands inside a longer URL
is a `site`: who was given a link has not been given its host.
"""

from __future__ import annotations

import json
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from callgate.canonical import Json
from callgate.detectors.pattern import pattern

MOST = 2000
"""Identifiers of one text; a text with more is not worth remembering one by one."""

_DEEPEST = 4
"""JSON in a string in JSON …: how many levels are opened."""

_TOP_LEVEL = (
    "com|net|org|edu|gov|mil|int|info|biz|name|pro|io|ai|co|me|tv|app|dev|cloud|online|site|shop"
    "|store|tech|xyz|top|club|live|link|click|space|website|page|web|blog|email|host|work|world"
    "|example|test|invalid|local|internal|onion|uk|us|eu|de|fr|es|it|nl|be|ch|at|se|no|fi|dk|pt"
    "|ie|cz|gr|hu|ro|ru|ua|tr|il|in|cn|jp|kr|hk|tw|sg|au|nz|ca|br|mx|ar|cl|za|ng|ke|ly|to|gg|su"
)
_EXTENSION = (
    "pdf|txt|csv|tsv|docx?|xlsx?|pptx?|od[tsp]|rtf|md|rst|json|jsonl|ya?ml|toml|ini|cfg|conf|env"
    "|pem|key|crt|p12|py|ipynb|js|jsx|tsx?|java|class|jar|[ch]pp|cs|go|rb|php|sh|ps1|bat|sql|html?"
    "|css|xml|log|zip|tar|t?gz|7z|png|jpe?g|gif|svg|webp|mp[34]|wav|mov|db|sqlite|bak|exe|dll"
)
_MAIL = pattern(r"[\w.+%'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}")
_URL = pattern(r"(?i)\b(?:https?|wss?|ftps?|sftp):[/\\]{2}[^\s<>\"'`{}|\\^)]+")
_HOST = pattern(
    r"(?i)(?:^|[^\w@.:/%-])((?:www\.[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+"
    rf"|(?:[a-z0-9-]{{1,63}}\.){{1,6}}(?:{_TOP_LEVEL}))"
    r"(?:/[^\s<>\"'`{}|\\^\])]*)?)(?:$|[^\w@-])"
)
_NUMBER = pattern(r"(?:^|[^\w.])(\+?\(?[0-9][0-9 ()-]{5,30}[0-9])(?:$|[^\w])")
_TOKEN = pattern(r"\b[A-Za-z0-9]{11,64}\b")
_GROUPED = pattern(r"\b[A-Z]{2}[0-9]{2}(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?\b")
_PATH = pattern(
    r"(?i)(?:^|[\s\"'`(\[=:,>])((?:~|[a-z]:)?[/\\][\w.@+~$%-]+(?:[/\\][\w.@+~$%-]+)*"
    rf"|(?:\.{{1,2}}[/\\])*(?:[\w@+~-]+[/\\.])*[\w@+~-]+\.(?:{_EXTENSION}))(?:$|[\s\"'`)\],;:.<?!/\\])"
)
_HANDLE = pattern(r"(?:^|[\s\"'`(\[,:])([@#][A-Za-z_][\w.-]{1,60})")
_DIGIT = re.compile("[0-9]")
_DATE = re.compile(r"(?:19|20)\d\d-?[01]\d-?[0-3]\d")
_IGNORED = re.compile("[\u00ad\u034f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES = re.compile(r"\\(?:u00[0-9a-fA-F]{2}|[nrt\"/])")
_USER = re.compile(r"^[^/@]*@")
_ENDS = ".,;:!?)]}'\"*_"


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What was found in a text."""

    found: frozenset[str] = frozenset()
    is_cut: bool = False
    """There were more than `MOST`: the rest is not known."""


def identifiers_in(value: Json) -> Identifiers:
    """The identifiers of a text, or of all texts in a JSON value; never raises.

    JSON inside of strings is opened, so that what is escaped in it is found as it reads.
    """
    found: set[str] = set()
    for text in _texts(value, 0):
        for identifier in _of_text(text):
            found.add(identifier)
            if len(found) > MOST:
                return Identifiers(frozenset(found), is_cut=True)
    return Identifiers(frozenset(found))


def _texts(value: Json, depth: int) -> Iterator[str]:
    waiting: list[Json] = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield from _inside(node, depth)
        elif isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += [*node, *node.values()]
        elif isinstance(node, int) and not isinstance(node, bool):
            yield str(node) if abs(node) < 10**40 else ""


def _inside(text: str, depth: int) -> Iterator[str]:
    """A string as it reads: what is escaped in it has to be undone."""
    if "\\" in text and depth < _DEEPEST and text.lstrip()[:1] in ("{", "[", '"'):
        try:
            inner: Json = json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            yield from _texts(inner, depth + 1)
            return
    yield text
    if "\\" in text and (plain := _ESCAPES.sub(_unescaped, text)) != text:
        yield plain


def _unescaped(match: re.Match[str]) -> str:
    escape = match[0]
    if escape[1] == "u":
        return chr(int(escape[2:], 16))
    return "/" if escape[1] == "/" else " "


def fold(text: str) -> str:
    """Undo characters of other widths, and those that nobody sees; no lone surrogate is left."""
    if text.isascii():
        return text
    return _IGNORED.sub("", unicodedata.normalize("NFKC", _SURROGATE.sub("\ufffd", text)))


def _of_text(text: str) -> Iterator[str]:
    text = fold(text)
    for group in named_in(text):
        yield from group
    if "/" in text or "." in text or "\\" in text:
        for found in _PATH.findall(text):
            yield path(found)
    if "@" in text or "#" in text:
        for found in _HANDLE.findall(text):
            yield handle(found)


def named_in(text: str) -> Iterator[list[str]]:
    """The addresses, hosts and accounts in a folded text, each in all its spellings."""
    if "@" in text:
        for found in _MAIL.findall(text):
            yield [mail(found)]
    if "://" in text or ":\\" in text:
        for found in _URL.findall(text):
            yield list(url(found))
    if "." in text:
        for found in _HOST.findall(text):
            yield list(url(found))
    if _DIGIT.search(text) and (found := list(accounts(text))):
        yield found


def host_of(identifier: str) -> str:
    """The host that an identifier leads to; empty for what leads to none."""
    kind, _, text = identifier.partition(":")
    if kind == "mail":
        return text.rpartition("@")[2]
    return text.partition("/")[0] if kind in ("url", "site", "host") else ""


def covering(identifier: str) -> Iterator[str]:
    """What someone may have said who means an identifier: itself, or what it lies below."""
    kind, _, text = identifier.partition(":")
    # who was given a link to a site has not been given the site
    yield f"host:{text}" if kind == "site" else identifier
    if kind == "url":
        host, *names = text.split("/")
        for count in range(1, len(names)):
            yield f"url:{host}/{'/'.join(names[:count])}"
        yield f"host:{host}"
    elif kind == "path":
        above, _, name = text.rpartition("/")
        if "." in name:
            yield f"path:{name}"
        while above.strip("/.~"):
            yield f"path:{above}"
            above = above.rpartition("/")[0]


def mentions(identifier: str) -> Iterator[str]:
    """What a text may have named from which an identifier was made: itself, or its host."""
    yield identifier
    host = host_of(identifier)
    if host and not identifier.startswith("mail:"):
        yield f"site:{host}"
        yield f"host:{host}"


def mail(text: str) -> str:
    """The identifier of a mail address."""
    return f"mail:{text.strip(_ENDS + '<>').lower()}"


def url(text: str) -> Iterator[str]:
    """The identifiers of a URL, or of what reads as one without its scheme."""
    plain = text.replace("\\", "/")
    _, _, after = plain.partition("://") if "://" in plain else ("", "", plain)
    bare = re.split(r"[?#]", after, maxsplit=1)[0].rstrip(_ENDS).lower()
    authority, _, rest = _USER.sub("", bare).partition("/")
    host = authority.partition(":")[0] if authority.count(":") < 2 else authority
    host, rest = host.removeprefix("www.").strip("."), rest.strip("/")
    if rest:
        yield f"url:{host}/{rest}"
        yield f"site:{host}"
    else:
        yield f"host:{host}"


def accounts(text: str) -> Iterator[str]:
    """The numbers of accounts, cards and phones, and what else is made of letters and digits."""
    for found in _NUMBER.findall(text):
        for part in {found, *found.split(" ")}:
            if digits := _digits(part):
                yield f"number:{digits}"
                if len(digits) > 10 and part[0] == "+":
                    # people leave the country out
                    yield f"number:{digits[-10:]}"
    for found in _TOKEN.findall(text):
        if 4 <= sum(map(str.isdigit, found)) < len(found):
            yield f"account:{found.lower()}"
    for found in _GROUPED.findall(text):
        groups = found.split(" ")
        # words in capitals may follow
        for count in range(4, len(groups) + 1):
            yield f"account:{''.join(groups[:count]).lower()}"


def _digits(text: str) -> str:
    digits = "".join(filter(str.isdigit, text))
    return "" if len(digits) < 7 or _DATE.fullmatch(text) else digits


def path(text: str) -> str:
    """The identifier of a path in a file system."""
    plain = text.strip().strip("\"'").replace("\\", "/").lower()
    return f"path:{posixpath.normpath(plain)}"


def handle(text: str) -> str:
    """The identifier of a person or a channel."""
    return f"handle:{text.strip().lstrip('@#').rstrip(_ENDS).lower()}"
