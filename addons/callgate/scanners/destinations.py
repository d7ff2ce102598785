"""Where a call would send or write something: read off the names of its tool and fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from callgate import canonical
from callgate.canonical import Json
from callgate.detectors.base import Text
from callgate.detectors.identifiers import fold, handle, named_in, path, url
from callgate.detectors.inspector import member_path
from callgate.detectors.placement import PROSE_FIELDS, holds_command, words
from callgate.errors import JsonError

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_READS = frozenset(
    str.split(
        "get read list search find fetch lookup look view show check query describe count "
        "download browse open visit crawl scrape navigate retrieve load summarize analyze verify "
        "validate calculate compute translate watch compare select extract parse inspect preview"
    )
)
_WRITES = frozenset(
    str.split(
        "send post write create update transfer pay share invite upload forward reply respond "
        "publish schedule book delete remove execute put patch insert add append set edit modify "
        "change move copy rename save store export submit notify dispatch deliver broadcast "
        "withdraw deposit buy purchase sell donate wire remit refund grant assign subscribe "
        "register reserve cancel push deploy trigger call dial text replace make give redirect "
        "overwrite sync mirror connect link attach authorize approve add enable"
    )
)
_SENDERS = frozenset(
    str.split(
        "email mail message sms webhook http https request requests api slack tweet dm "
        "notification payment transaction curl smtp telegram whatsapp discord"
    )
)
"""Tools that are called after what they send with."""

_BODY = re.compile(r'"(?:body|data|payload|json|form|content|files|method)"|\\u')
_BODIES = frozenset(str.split("body data payload json form content files"))
_METHODS = frozenset(("post", "put", "patch", "delete"))

_RECIPIENTS = frozenset(
    str.split(
        "to cc bcc recipient recipients receiver receivers email emails mail addressee user users "
        "username participant participants attendee attendees invitee invitees guest guests "
        "member members collaborator collaborators channel channels phone phones mobile handle "
        "contact contacts recepient grantee assignee who"
    )
)
_PLACES = frozenset(
    str.split(
        "url urls uri link links href webhook webhooks endpoint host hostname domain callback "
        "server target destination dest site website remote origin redirect address addresses"
    )
)
_ACCOUNTS = frozenset(
    str.split(
        "account accounts iban card wallet routing bic swift beneficiary payee creditor number"
    )
)
_FILES = frozenset(
    str.split("path paths file files filename filepath directory folder dir dest location output")
)
_SENDING_SIDE = frozenset(str.split("from sender source src own old current id ids"))
"""Fields that say what is sent from where, or name a thing by its number."""

_NUMBERS = ("number:", "account:")

_NESTED = 3
"""JSON in a string in JSON …: how many levels are opened."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One place that a call would write to."""

    path: str
    """JSON path of the argument."""
    size: int
    """Of the argument, in characters."""
    names: tuple[str, ...]
    """Its identifiers: different spellings of the same."""
    is_command: bool = False
    """It stands in a command; what that does with it is not known here."""


def destinations(tool: str, arguments: str) -> list[Destination]:
    """The places that a call would send or write to; none for one that only reads.

    Never raises; arguments that are no JSON have none.
    """
    writes = _intent(tool)
    has_body = not writes and _BODY.search(arguments) is not None
    runs = "://" in arguments or "@" in arguments
    if not (writes or has_body or runs):
        return []
    try:
        value = canonical.parse(arguments) if arguments.strip() else {}
    except JsonError:
        return []
    writes = writes or (has_body and _sends_body(value))
    found: dict[tuple[str, tuple[str, ...]], Destination] = {}
    for place in _strings(value, "$", "", 0):
        for one in _in_string(tool, place, writes=writes):
            found.setdefault((one.path, one.names), one)
    return list(found.values())


@lru_cache(maxsize=4096)
def _intent(tool: str) -> bool:
    """The first verb in a tool's name decides whether it writes."""
    named = [word.lower() for word in _WORD.findall(tool[:200])]
    for word in named:
        if word in _READS:
            return False
        if word in _WRITES:
            return True
    return any(word in _SENDERS for word in named)


def _sends_body(value: Json) -> bool:
    """A tool that fetches, and is told what to send along."""
    if not isinstance(value, dict):
        return False
    fields = {key.lower(): item for key, item in value.items()}
    method = fields.get("method")
    is_told = isinstance(method, str) and method.lower() in _METHODS
    return is_told or any(fields.get(name) for name in _BODIES)


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    field: str
    text: str


def _strings(value: Json, path: str, field: str, depth: int) -> Iterator[_Place]:
    waiting: list[tuple[Json, str, str]] = [(value, path, field)]
    while waiting:
        node, where, name = waiting.pop()
        if isinstance(node, str):
            inner = _document(node) if depth < _NESTED else None
            if inner is None:
                yield _Place(where, name, node)
            else:
                for place in _strings(inner, where, name, depth + 1):
                    yield _Place(where, place.field, place.text)
        elif isinstance(node, int) and not isinstance(node, bool) and abs(node) < 10**40:
            yield _Place(where, name, str(node))
        elif isinstance(node, list):
            waiting += [(item, f"{where}[{n}]", name) for n, item in enumerate(node)]
        elif isinstance(node, dict):
            waiting += [
                (item, member_path(where, key, n), key)
                for n, (key, item) in enumerate(node.items())
            ]


def _document(text: str) -> Json:
    if text[:1] not in ("{", "["):
        return None
    try:
        return canonical.parse(text)
    except JsonError:
        return None


@lru_cache(maxsize=4096)
def _kinds(field: str) -> frozenset[str]:
    """What a field may name: `who`, `where`, `account`, `file`; nothing for most."""
    named = words(field)
    last = [word.lower() for word in _WORD.findall(field[:200])][-1:]
    if named & _SENDING_SIDE or (last and last[0] in PROSE_FIELDS - _FILES - _PLACES):
        return frozenset()
    kinds = (("who", _RECIPIENTS), ("where", _PLACES), ("account", _ACCOUNTS), ("file", _FILES))
    return frozenset(kind for kind, known in kinds if named & known)


def _in_string(tool: str, place: _Place, *, writes: bool) -> Iterator[Destination]:
    text, size = fold(place.text), len(place.text)
    kinds = _kinds(place.field) if writes else frozenset()
    if not kinds:
        if holds_command(Text(text, place.path, tool, place.field.lower())):
            for group in named_in(text):
                if not group[0].startswith(_NUMBERS):
                    yield Destination(place.path, size, tuple(group), is_command=True)
        return
    named = list(_named(text, kinds))
    for names in named:
        yield Destination(place.path, size, names)
    bare = text.strip()
    if not bare or len(bare) > 4096:
        return
    if "file" in kinds and "://" not in bare:
        yield Destination(place.path, size, (path(bare),))
    elif not named and "where" in kinds and "." in bare and " " not in bare:
        yield Destination(place.path, size, tuple(url(bare)))
    elif not named and "who" in kinds:
        yield Destination(place.path, size, (handle(bare),))


def _named(text: str, kinds: frozenset[str]) -> Iterator[tuple[str, ...]]:
    for names in named_in(text):
        # a street's or a file's number is nobody's account
        if kinds != {"file"} or not names[0].startswith(_NUMBERS):
            yield tuple(names)
