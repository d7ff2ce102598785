"""Every OpenAI API that Callgate reads: one file each, one line here."""

import functools
import re
from collections.abc import Sequence
from urllib.parse import unquote

from callgate.surfaces.agents import Agents
from callgate.surfaces.assistants import Assistants
from callgate.surfaces.base import Endpoint, Surface
from callgate.surfaces.chat import Chat
from callgate.surfaces.elsewhere import Elsewhere
from callgate.surfaces.realtime import Live, Realtime
from callgate.surfaces.responses import Responses

SURFACES: Sequence[Surface] = (Assistants(), Chat(), Responses(), Agents(), Realtime(), Live())

ELSEWHERE = Elsewhere()

_PLAIN = frozenset(
    str.split(
        "models embeddings moderations images audio videos completions files uploads "
        "vector_stores assistants threads containers skills organization projects vaults safety "
        "batches fine_tuning evals graders webhooks webhook_endpoints webhook_event_types chatkit "
        "content_provenance_checks"
    )
)
"""Resources of the API that ask no app to run anything, or in files that no proxy reads."""

_VERB = re.compile(r"^(?!ft:).*:[A-Za-z]+$")
"""Not a fine-tuned model (`ft:gpt-4o:team::id`)."""

_UNREAD = {
    "batches": "Batches",
    "files": "Files, such as a batch's results",
    "fine_tuning": "Fine-tuning",
    "evals": "Evals",
    "chatkit": "ChatKit",
}


def endpoint_for(method: str, segments: Sequence[str]) -> Endpoint | None:
    """Ask the surfaces in order which of them a request line belongs to."""
    for surface in SURFACES:
        if endpoint := surface.endpoint(method, segments):
            return endpoint
    return None


def is_plain(method: str, segments: Sequence[str]) -> bool:
    """Tell whether a request line is one of the API's that no calls are read from.

    What is sent to `models/NAME:generateContent` is none: other makers' paths end in a verb. A
    model that is only asked about may be called `llama3:latest`.
    """
    is_sent = method.upper() not in ("GET", "HEAD", "DELETE")
    is_verb = is_sent and bool(segments and _VERB.search(segments[-1]))
    return not is_verb and any(part in _PLAIN for part in _of_api(segments))


def _of_api(segments: Sequence[str]) -> list[str]:
    """A path in lower case, without the project of Azure AI Foundry that it may begin with."""
    parts = [segment.lower() for segment in segments]
    return parts[3:] if parts[:2] == ["api", "projects"] else parts


def may_carry(method: str, segments: Sequence[str]) -> bool:
    """Tell whether answers on a path that no surface knows are searched for calls.

    Completions of other makers (`agents/completions`) have some, the old ones of this API none.
    """
    return not is_plain(method, segments) or segments[-1].lower() == "completions"


def mentions_calls(target: str) -> bool:
    """Tell whether a path, however it is written, could be meant for a surface here.

    A word counts where a part of the path begins: an id of random letters may hold one, and a
    model is called `gpt-realtime`.
    """
    path = unquote(unquote(target.split("?", 1)[0])).lower()
    return any(
        all(word in path and _beginning(word).search(path) for word in surface.words)
        for surface in SURFACES
    )


@functools.cache
def _beginning(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(word)}")


def unread(segments: Sequence[str]) -> str:
    """Name the API that a path belongs to, where calls pass in it that no surface here reads."""
    return next((_UNREAD[part] for part in map(str.lower, segments) if part in _UNREAD), "")
