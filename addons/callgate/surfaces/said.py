"""What people and operators say in requests: the texts of messages, never those of tools.

Whoever is named here is trusted with it, so a role that nobody knows says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from callgate.canonical import Json

_ROLES = frozenset(("user", "system", "developer"))


def texts_of(content: Json) -> Iterator[str]:
    """The texts of a message's content: one text, or parts that have one."""
    for part in content if isinstance(content, list) else [content]:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, dict):
            text = text.get("value")
        if isinstance(text, str):
            yield text


def said_in(listed: Json) -> Iterator[str]:
    """What people and operators say in a list of messages, or of items of which some are."""
    for message in listed if isinstance(listed, list) else ():
        if not isinstance(message, dict) or message.get("type") not in (None, "message"):
            continue
        role = message.get("role")
        if isinstance(role, str) and role.strip().lower() in _ROLES:
            yield from texts_of(message.get("content"))
