"""Requests and answers of an app with a key of its own, through a gate of real parts."""

from __future__ import annotations

import json
from typing import Any

from callgate.exchange import Request, Response
from callgate.outcome import Outcome
from callgate.surfaces.base import Endpoint
from tests.deciding import Bench, at, forwarded, refused

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"

type Json = dict[str, Any]


def asked(target: str, body: object = None, key: str = "app", method: str = "POST") -> Request:
    """`body` as bytes is sent as it is; without a `key` the app has no credentials."""
    headers = (("authorization", f"Bearer {key}"),) if key else ()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(method, "https", "api.openai.com", 443, target, headers, raw)


async def answered(made: Bench, document: object, target: str = CHAT, key: str = "app") -> Outcome:
    """What becomes of an answer of the API."""
    request = asked(target, key=key)
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    response = Response(200, (("content-type", "application/json"),), raw)
    return await made.enforcement.check_response(place(made, request), request, response)


def place(made: Bench, request: Request) -> Endpoint:
    """The endpoint of a request on a path that a surface knows, or of any other."""
    known = made.enforcement.endpoint(request.method, request.target)
    endpoint = known or made.enforcement.elsewhere(request)
    assert endpoint is not None
    return endpoint


async def sent(made: Bench, document: object, target: str = CHAT, key: str = "app") -> Outcome:
    """What becomes of a request of the app's."""
    request = asked(target, document, key)
    return await made.enforcement.check_request(at(request), request)


async def streamed(made: Bench, raw: bytes, target: str = CHAT) -> bytes:
    """What the app gets of a stream."""
    request = asked(target)
    stream = made.enforcement.open_stream(place(made, request), request, "")
    stream.feed(raw)
    stream.finish()
    got = bytearray(stream.take())
    while stream.is_holding:
        await stream.wait(15)
        got += stream.take()
    return bytes(got + stream.take())


def decision_in(outcome: Outcome) -> str:
    """The strictest decision, as the app is told it."""
    return dict(forwarded(outcome).headers)["Callgate-Decision"]


def code_of(outcome: Outcome) -> str:
    return refused(outcome).error.code
