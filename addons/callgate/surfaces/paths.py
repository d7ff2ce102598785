"""Which operation of an API a request line means, and requests to its neighbours.

Paths match by their end: `/v1`, `/openai`, `/openai/deployments/D`, `/api/projects/P` or nothing
may stand before. Letters count in any case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus

type Operations = Sequence[tuple[tuple[str, ...], Mapping[str, str]]]
"""Path patterns, `*` for an id, each with its operations by verb; the first that fits counts."""

_WITHOUT_BODIES = frozenset(("HEAD", "CONNECT"))
_PAGINATION = frozenset(
    str.split(
        "limit order after before include[] include run_id stream starting_after "
        "include_obfuscation"
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a path an operation stands."""

    operation: str
    ids: Sequence[str]
    before: Sequence[str]

    @property
    def base(self) -> str:
        """What stands before the operation, as a path."""
        return "".join(f"/{quoted(part)}" for part in self.before)


def locate(operations: Operations, method: str, segments: Sequence[str]) -> Place | None:
    """Tell which operation is meant; None for none.

    A verb that the API does not know there counts as the one that some servers take it for.
    """
    if method.upper() in _WITHOUT_BODIES:
        return None
    verb = "GET" if method.upper() == "GET" else "POST"
    folded = [segment.lower() for segment in segments]
    for pattern, verbs in operations:
        start = len(folded) - len(pattern)
        if start < 0:
            continue
        pairs = list(zip(pattern, folded[start:], segments[start:], strict=True))
        if all(want in ("*", have) for want, have, _ in pairs):
            ids = [id for want, _, id in pairs if want == "*"]
            operation = verbs.get(verb) or next(iter(verbs.values()))
            return Place(operation, ids, segments[:start])
    return None


def quoted(part: str) -> str:
    """An id as a segment of a path."""
    return quote(part, safe="", errors="replace")


def query_of(query: str) -> str:
    """A query without what pages a list: `api-version` and its like stay as they are."""
    pairs = query.split("&")
    return "&".join(
        pair for pair in pairs if pair and unquote_plus(pair.partition("=")[0]) not in _PAGINATION
    )


def with_query(path: str, *parts: str) -> str:
    """A target from a path and what of a query is not empty."""
    query = "&".join(filter(None, parts))
    return f"{path}?{query}" if query else path
