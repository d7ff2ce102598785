"""HTTP of the demo server: who may ask, what a body must be, which headers answers carry."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from callgate.canonical import Json
from callgate.demo.api import Asked, Operation, Watched
from callgate.demo.errors import ApiError
from callgate.demo.stream import Stream

_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with "
    "blank username) if you're accessing the API from your browser and are prompted for a "
    "username and password. You can obtain an API key from "
    "https://platform.openai.com/account/api-keys."
)
_NO_BETA = (
    "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by "
    "setting the header 'OpenAI-Beta: assistants=v2'."
)
_NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was "
    "not valid JSON. If you have trouble figuring out how to fix this, please contact us through "
    "our help center at help.openai.com.)"
)


def answer(document: dict[str, Json], status: int = 200) -> Response:
    """Return a JSON answer laid out as OpenAI's Assistants API does, with its headers."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return Response(
        text.encode("utf-8", "backslashreplace"),  # a lone surrogate becomes its JSON escape
        status,
        headers=_headers(),
        media_type="application/json",
    )


def _headers() -> dict[str, str]:
    return {"openai-version": "2020-10-01", "x-request-id": f"req_{secrets.token_hex(16)}"}


async def refuse(request: Request, error: Exception) -> Response:
    """Turn an ApiError into its answer."""
    if not isinstance(error, ApiError):
        raise error
    return answer(error.body(), error.status)


async def refuse_url(request: Request, error: Exception) -> Response:
    """Answer a path or a method that does not exist, in OpenAI's words."""
    method, path = request.method, request.url.path
    if getattr(error, "status_code", 404) == 405:
        hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
        return answer(ApiError(405, f"Not allowed to {method} on {path}. {hint}").body(), 405)
    return answer(ApiError(404, f"Invalid URL ({method} {path})").body(), 404)


@dataclass(frozen=True, slots=True)
class Front:
    """Makes HTTP endpoints of operations."""

    poll_after_ms: int
    """How long pollers of a run are told to wait."""
    stream: Stream
    """How runs that are watched travel."""

    def endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        """Wrap an operation: credentials, beta header, JSON body, answer headers."""

        async def endpoint(request: Request) -> Response:
            authenticate(request)
            document = operation(
                Asked(request.path_params, request.query_params, await _document(request))
            )
            if isinstance(document, Watched):
                return self.stream.answer(document, request.headers, _headers())
            response = answer(document)
            if document.get("object") == "thread.run":
                response.headers["openai-poll-after-ms"] = str(self.poll_after_ms)
            return response

        return endpoint


def authenticate(request: Request) -> None:
    """Raise ApiError unless a key and, for assistants and threads, the beta header are there.

    Any key will do: the server has nothing to protect. Azure's `api-key` counts, too.
    """
    headers = request.headers
    scheme, _, key = headers.get("authorization", "").partition(" ")
    has_bearer = scheme.lower() == "bearer" and key.strip()
    if not has_bearer and not headers.get("api-key"):
        raise ApiError(401, _NO_KEY)
    is_beta = any(part in request.url.path for part in ("/assistants", "/threads"))
    if is_beta and "assistants=v2" not in headers.get("openai-beta", ""):
        raise ApiError(400, _NO_BETA, code="invalid_beta")


async def receive_file(request: Request, id: str, now: int) -> Response:
    """Accept an upload of any size; `bytes` is the size of the whole request body."""
    authenticate(request)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return answer(
        {
            "id": id,
            "object": "file",
            "bytes": size,
            "created_at": now,
            "filename": "upload",
            "purpose": "assistants",
            "status": "processed",
        }
    )


async def _document(request: Request) -> Json:
    raw = await request.body()
    if not raw:
        return {}
    try:
        document: Json = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, _NOT_JSON) from error
    return document
