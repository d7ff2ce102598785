"""The JSON API: calls and approvals for programs, with an operator's token as bearer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from callgate.approvals import ApprovalError, told
from callgate.canonical import Json, parse
from callgate.console import views
from callgate.console.openapi import DESCRIPTION
from callgate.console.parts import address_of, parts_of
from callgate.errors import JsonError, StoreError
from callgate.model import ApprovalState
from callgate.store.base import ApprovalItem

MOST = 500
_USUAL = 50
_MOST_BYTES = 64 << 10


class _ApiError(Exception):
    """An error answer: status, code and words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def for_operators(
    answer: Callable[[Request, str], Awaitable[Json]],
) -> Callable[[Request], Awaitable[Response]]:
    """Answer operators, who are named to the function, in JSON; everybody else gets an error."""

    @wraps(answer)
    async def answered(request: Request) -> Response:
        try:
            return _json(await answer(request, operator_of(request)))
        except StoreError as error:
            return _error(503, "store_unavailable", str(error))
        except _ApiError as error:
            return _error(error.status, error.code, str(error))

    return answered


def refused(request: Request) -> Response | None:
    """The error for whoever has no operator's token; None for operators."""
    try:
        operator_of(request)
    except _ApiError as error:
        return _error(error.status, error.code, str(error))
    return None


def operator_of(request: Request) -> str:
    """Who sent the bearer token; raises an error to be answered with."""
    parts, address = parts_of(request), address_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise _ApiError(401, "not_signed_in", "send `Authorization: Bearer TOKEN`")
    if wait := parts.guesses.wait_seconds(address):
        raise _ApiError(429, "too_many_guesses", f"try again in {wait} seconds")
    name = parts.operators.name_of(token.strip())
    if name is None:
        parts.guesses.count(address)
        raise _ApiError(401, "unknown_token", "this token is not known here")
    return name


@for_operators
async def elsewhere(request: Request, _: str) -> Json:
    """A path that leads nowhere."""
    raise _ApiError(404, "no_such_path", "the paths stand in /api/openapi.json")


@for_operators
async def calls(request: Request, _: str) -> Json:
    """Judged calls, newest first."""
    store, query = parts_of(request).store, request.query_params
    page = await store.search(views.wanted(query), _limit(query.get("limit", str(_USUAL))))
    listed = await views.listed(store, page.records)
    return {"calls": [_summary(call) for call in listed], "older": page.older}


@for_operators
async def call(request: Request, _: str) -> Json:
    """Everything about one call."""
    found = await views.whole(parts_of(request).store, request.path_params["trace"])
    if found is None:
        raise _ApiError(404, "no_such_call", "no call has this trace id")
    return {
        **_summary(found.call),
        "effect": found.effect,
        "notice": found.notice,
        "history": [dict(record) for record in found.history],
    }


@for_operators
async def approvals(request: Request, _: str) -> Json:
    """Approvals, oldest first: those that wait, or those in the wanted state."""
    wanted = request.query_params.get("state", ApprovalState.PENDING.value)
    if wanted not in (*ApprovalState, "all"):
        raise _ApiError(400, "bad_request", f"state is one of {', '.join(ApprovalState)}, all")
    state = None if wanted == "all" else ApprovalState(wanted)
    items = await parts_of(request).store.approvals(state)
    return {"approvals": [told(item) for item in items[-MOST:]]}


@for_operators
async def approval(request: Request, _: str) -> Json:
    """One approval."""
    return told(await _found(request))


@for_operators
async def answer(request: Request, operator: str) -> Json:
    """Approve or deny."""
    parts, said = parts_of(request), await _body(request)
    item = await _found(request)
    note, minutes = said.get("note", ""), said.get("minutes", 0)
    if not isinstance(note, str) or isinstance(minutes, bool) or not isinstance(minutes, int):
        raise _ApiError(400, "bad_request", "note is a text, minutes a whole number")
    try:
        match said.get("answer"):
            case "approve":
                await parts.approvals.approve(item.approval.id, operator, note, minutes)
            case "deny":
                await parts.approvals.deny(item.approval.id, operator, note)
            case _:
                raise _ApiError(400, "bad_request", "answer is approve or deny")
    except ApprovalError as error:
        raise _ApiError(409, "not_open", str(error)) from error
    parts.feed.stir()
    return told(await _found(request))


async def description(_: Request) -> Response:
    """What this API is, in OpenAPI."""
    return _json(DESCRIPTION)


async def _found(request: Request) -> ApprovalItem:
    item = await parts_of(request).store.approval(request.path_params["id"])
    if item is None:
        raise _ApiError(404, "no_such_approval", "no approval has this id")
    return item


async def _body(request: Request) -> dict[str, Json]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise _ApiError(413, "too_large", f"at most {_MOST_BYTES} bytes")
    try:
        value = parse(body)
    except JsonError as error:
        raise _ApiError(400, "bad_request", str(error)) from error
    if not isinstance(value, dict):
        raise _ApiError(400, "bad_request", "expected an object")
    return value


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST:
        return int(text)
    raise _ApiError(400, "bad_request", f"limit is a number from 1 to {MOST}")


def _summary(call: views.Call) -> dict[str, Any]:
    state = call.approval.state.value if call.approval else None
    return {**call.record, "state": state} if state else dict(call.record)


def _error(status: int, code: str, message: str) -> Response:
    answer = _json({"error": {"code": code, "message": message}}, status)
    if status == 401:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def _json(value: Json, status: int = 200) -> Response:
    # calls hold any text that JSON can escape, lone surrogates too
    return Response(json.dumps(value), status, media_type="application/json")
