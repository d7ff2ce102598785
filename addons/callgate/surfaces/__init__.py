"""Every OpenAI API that Callgate reads: one file each, one line here."""

from collections.abc import Sequence
from urllib.parse import unquote

from callgate.surfaces.assistants import Assistants
from callgate.surfaces.base import Endpoint, Surface

SURFACES: Sequence[Surface] = (Assistants(),)


def endpoint_for(method: str, segments: Sequence[str]) -> Endpoint | None:
    """Ask the surfaces in order which of them a request line belongs to."""
    for surface in SURFACES:
        if endpoint := surface.endpoint(method, segments):
            return endpoint
    return None


def mentions_calls(target: str) -> bool:
    """Tell whether a path, however it is written, could be meant for a surface here."""
    path = unquote(unquote(target.split("?", 1)[0])).lower()
    return any(all(word in path for word in surface.words) for surface in SURFACES)


_UNREAD = {
    "chat": "Chat Completions",
    "responses": "Responses",
    "conversations": "Conversations",
    "realtime": "Realtime",
    "live": "Realtime",
    "sessions": "Agents sessions",
}


def unread(segments: Sequence[str]) -> str:
    """Name the API that a path belongs to, where it carries calls that no surface here reads."""
    return next((_UNREAD[part] for part in map(str.lower, segments) if part in _UNREAD), "")
