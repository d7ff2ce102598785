"""What comes in: bodies within their limit, from clients with a key.

A body is always read to its end before it is answered: an SDK that is cut off while it sends
takes that for a network error, and Interven's `gate` and `guard` let calls through on those.
For the same reason no question is answered with another error than 401 and 413: `gate` lets
calls through on every other one (aif_sdk/guard.py).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from callgate.audit import record
from callgate.errors import StoreError
from callgate.exchange import ApiError
from callgate.gate import Gate
from callgate.gateway.answers import JsonAnswer
from callgate.gateway.keys import Keys
from callgate.model import Effect, Reason

_log = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024
"""Interven's limit of a body."""

type Answer = Callable[[str, Request, bytes], Awaitable[Response]]
"""Answers a client, by its name."""
type Endpoint = Callable[[Request], Awaitable[Response]]
type KeysInForce = Callable[[], Keys]


class Intake:
    """Lets requests with a key, and within the limit, through to who answers them."""

    def __init__(self, gate: Gate, keys: KeysInForce) -> None:
        self._gate = gate
        self._keys = keys

    def keyed(self, answer: Answer) -> Endpoint:
        """Answer whoever has a key: `Authorization: Bearer KEY` or `X-API-Key: KEY`."""

        async def endpoint(request: Request) -> Response:
            body = await _whole(request)
            client = self._keys().owner(_key_of(request))
            return await self._answered(answer, request, body, client)

        return endpoint

    def signed(self, answer: Answer) -> Endpoint:
        """Answer whoever has signed the body with a key: `X-AIF-Signature`."""

        async def endpoint(request: Request) -> Response:
            body = await _whole(request)
            signature = request.headers.get("x-aif-signature", "")
            # what is too large is not checked: nobody gets to know whether it was signed
            client = self._keys().signer(body, signature) if body is not None else ""
            return await self._answered(answer, request, body, client)

        return endpoint

    async def _answered(
        self, answer: Answer, request: Request, body: bytes | None, client: str | None
    ) -> Response:
        if client is None:
            _log.warning("a request to %r without a good key", request.url.path[:80])
            return unauthorized()
        if body is None:
            why = f"the body exceeds {MAX_BYTES // 1024} KB"
            if client:
                await self.refused(client, request, why, 413)
            return too_large(why)
        return await answer(client, request, body)

    async def refused(self, client: str, request: Request, why: str, status: int) -> None:
        """Record a request that could not be read; that the store fails makes no difference."""
        error = ApiError(why, "request_not_inspectable", status=status)
        made = record.refusal_record(
            error, request.method, request.url.path, self._gate.mode, agent=client
        )
        try:
            await self._gate.append([made])
        except StoreError as failure:
            _log.error("store: %s", failure)


def unauthorized() -> Response:
    """What Interven's SDK raises AuthenticationError for, and Aegis' takes for a denial."""
    return JsonAnswer(
        {"error": "API key invalid, revoked, or missing"}, 401, {"www-authenticate": "Bearer"}
    )


def too_large(why: str) -> Response:
    """What Interven's SDK raises PayloadTooLargeError for, and Aegis' takes for a denial."""
    return JsonAnswer(
        {
            "error": why,
            "decision": Effect.DENY.value,
            "action": "deny",
            "reason_codes": [Reason.ARGUMENTS_TOO_LARGE.value],
        },
        413,
    )


def _key_of(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


async def _whole(request: Request) -> bytes | None:
    """The body; None where it is larger than `MAX_BYTES`, and then it was thrown away."""
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BYTES:
            body += chunk
    return bytes(body) if size <= MAX_BYTES else None
