"""Signing in and out, and the choice of light or dark."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from callgate.console.parts import address_of, parts_of
from callgate.console.rendering import (
    THEMES,
    FormError,
    own_path,
    plain,
    read_form,
    session_of,
    signed_in,
)
from callgate.console.sessions import LIFETIME, Session

_YEAR_SECONDS = 365 * 86400


async def ask(request: Request) -> Response:
    """The form for the token."""
    wanted = own_path(request.query_params.get("next", "/"))
    if session_of(request) is not None:
        return RedirectResponse(wanted, 303)
    return plain(request, "sign-in", 200, next=wanted, error="")


async def sign_in(request: Request) -> Response:
    """Begin a session for the owner of the token."""
    parts, address = parts_of(request), address_of(request)
    try:
        fields = await read_form(request, None)
    except FormError as error:
        return plain(request, "refused", 403, error=str(error))
    wanted = own_path(fields.get("next", "/"))
    if wait := parts.guesses.wait_seconds(address):
        answer = plain(
            request,
            "sign-in",
            429,
            next=wanted,
            error=f"Too many wrong tokens. Try again in {wait} seconds.",
        )
        answer.headers["retry-after"] = str(wait)
        return answer
    operator = parts.operators.name_of(fields.get("token", "").strip())
    if operator is None:
        parts.guesses.count(address)
        return plain(request, "sign-in", 403, next=wanted, error="This token is not known here.")
    answer = RedirectResponse(wanted, 303)
    answer.set_cookie(
        parts.cookie,
        parts.sessions.begin(operator),
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=parts.is_tls,
    )
    return answer


@signed_in
async def sign_out(request: Request, session: Session) -> Response:
    """End the session."""
    parts = parts_of(request)
    await read_form(request, session)
    parts.sessions.end(request.cookies[parts.cookie])
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(parts.cookie, httponly=True, samesite="strict", secure=parts.is_tls)
    return answer


@signed_in
async def choose_theme(request: Request, session: Session) -> Response:
    """Light or dark, whatever the system says."""
    fields = await read_form(request, session)
    answer = RedirectResponse(own_path(fields.get("next", "/")), 303)
    if fields.get("theme") in THEMES:
        answer.set_cookie(
            "callgate_theme",
            fields["theme"],
            max_age=_YEAR_SECONDS,
            httponly=True,
            samesite="strict",
            secure=parts_of(request).is_tls,
        )
    return answer
