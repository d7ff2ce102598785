"""Fields of items, as the APIs tell them, and the ids of what Callgate itself says."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError, JsonError

type Object = dict[str, Json]


def text_of(node: Object, key: str) -> str:
    """A field as text, empty without one; raises BodyError for another type."""
    value = node.get(key)
    if value is not None and not isinstance(value, str):
        raise BodyError(f"the {key} of a tool call must be a string")
    return value or ""


def refuse_odd_keys(node: Object, known: Collection[str], what: str) -> None:
    """Raise BodyError for a known key in other letters: not all parsers tell them apart."""
    for key in node:
        if key not in known and key.casefold() in known:
            raise BodyError(f"{what} has a field {key!r}, which is not one of the API's")


def arguments_text(value: Json) -> str:
    """Arguments as a call's text: a text as it is, none as an empty one, others as JSON.

    Canonical where the value has that form, so that it reads alike at every look.
    """
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value)


def json_text(value: Json) -> str:
    """A value as JSON, canonical where it has that form."""
    try:
        return canonical.canonical(value).decode()
    except JsonError:
        return canonical.dump(value).decode()


def arguments_in(text: str) -> Json:
    """Arguments for a field that is no text; raises BodyError for what is not JSON."""
    try:
        return canonical.parse(text)
    except JsonError as error:
        raise BodyError("the arguments of a tool call of this type must be JSON") from error


def parts_in(text: str) -> Object:
    """Arguments for a call that has a field for each; raises BodyError for other than an object."""
    parts = arguments_in(text)
    if not isinstance(parts, dict):
        raise BodyError("the arguments of a tool call of this type must be an object")
    return parts


def made_id(prefix: str, source: str | bytes) -> str:
    """An id of Callgate's own, always the same for the same source: `msg_callgate_9f86d08188`."""
    seed = source.encode("utf-8", "backslashreplace") if isinstance(source, str) else source
    return f"{prefix}_callgate_{hashlib.sha256(seed).hexdigest()[:16]}"
