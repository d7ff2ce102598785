"""Cursor pagination of list endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from callgate.canonical import Json
from callgate.demo.errors import ApiError

_MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is asked for."""

    limit: int = 20
    is_newest_first: bool = True
    after: str | None = None
    before: str | None = None


def window(query: Mapping[str, str]) -> Window:
    """Read `limit`, `order`, `after` and `before`; raises ApiError 400 like OpenAI."""
    order = query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise ApiError(
            400,
            f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'.",
            param="order",
            code="invalid_value",
        )
    return Window(
        limit=_limit(query.get("limit", "20")),
        is_newest_first=order == "desc",
        after=query.get("after"),
        before=query.get("before"),
    )


def _limit(text: str) -> int:
    if not text.removeprefix("-").isdecimal():
        raise ApiError(
            400,
            "Invalid type for 'limit': expected an integer, but got a string instead.",
            param="limit",
            code="invalid_type",
        )
    limit = int(text)
    if limit < 1:
        fault, code = f"below minimum value. Expected a value >= 1, but got {limit}", "below_min"
    elif limit > _MAX_LIMIT:
        fault = f"above maximum value. Expected a value <= {_MAX_LIMIT}, but got {limit}"
        code = "above_max"
    else:
        return limit
    raise ApiError(
        400,
        f"Invalid 'limit': integer {fault} instead.",
        param="limit",
        code=f"integer_{code}_value",
    )


def page(items: Sequence[dict[str, Json]], window: Window) -> dict[str, Json]:
    """Cut the list object out of all items, which come oldest first.

    An unknown cursor is an ApiError 400.
    """
    ordered = list(reversed(items)) if window.is_newest_first else list(items)
    ids = [item["id"] for item in ordered]
    start = _position(ids, window.after, "after") + 1 if window.after else 0
    end = _position(ids, window.before, "before") if window.before else len(ordered)
    rest = ordered[start:end]
    # with `before` alone the page is the one next to the cursor
    data = rest[-window.limit :] if window.before and not window.after else rest[: window.limit]
    return {
        "object": "list",
        "data": list(data),
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(rest) > len(data),
    }


def _position(ids: Sequence[Json], cursor: str, param: str) -> int:
    if cursor not in ids:
        raise ApiError(400, f"No object found with id '{cursor}'.", param=param)
    return ids.index(cursor)
