"""Pages from templates: what every page shows, and the forms that come back from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from callgate import __version__
from callgate.console import formats
from callgate.console.parts import parts_of
from callgate.console.sessions import Session
from callgate.errors import CallgateError, StoreError
from callgate.model import ApprovalState
from callgate.visible import visible

FOLDER = Path(__file__).parent
THEMES = ("light", "dark")
_THEME = "callgate_theme"
_MOST_FORM_BYTES = 1 << 20

type Page = Callable[[Request, Session], Awaitable[Response]]

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=ChainableUndefined,  # records leave out what is empty
    trim_blocks=True,
    lstrip_blocks=True,
    # whatever a template forgets: no text of a model's steers an eye, or breaks the encoding
    finalize=lambda value: visible(value) if type(value) is str else value,
)
_ENVIRONMENT.filters |= {
    "shown": formats.shown,
    "span": formats.span,
    "duration": formats.duration,
    "number": formats.number,
    "moment": formats.moment,
    "laid_out": lambda text: Markup(escape(text)),  # noqa: S704
}
_ENVIRONMENT.globals |= {
    "EFFECTS": formats.EFFECTS,
    "RULES": formats.RULES,
    "DELIVERIES": formats.DELIVERIES,
    "OUTCOMES": formats.OUTCOMES,
    "version": __version__,
}


class FormError(CallgateError):
    """A form that did not come from a page of this session, or that is too large."""


def signed_in(page: Page) -> Callable[[Request], Awaitable[Response]]:
    """Show a page to people who are signed in; others are asked to, and brought back."""

    @wraps(page)
    async def shown(request: Request) -> Response:
        session = session_of(request)
        if session is None:
            return _stranger(request)
        try:
            return await page(request, session)
        except StoreError as error:
            return plain(request, "failed", 503, error=str(error))
        except FormError as error:
            return plain(request, "refused", 403, error=str(error))

    return shown


def session_of(request: Request) -> Session | None:
    """The session whose cookie came with a request."""
    parts = parts_of(request)
    cookie = request.cookies.get(parts.cookie)
    return parts.sessions.find(cookie) if cookie else None


def _stranger(request: Request) -> Response:
    if request.method != "GET":
        return plain(request, "refused", 403, error="you are not signed in (any more)")
    if request.headers.get("sec-fetch-site") == "cross-site":
        # SameSite=Strict cookies do not come with links from elsewhere, but with our own
        return plain(request, "continue", 200, target=_target(request))
    return RedirectResponse(f"/sign-in?next={quote(_target(request), safe='')}", 303)


def _target(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


async def render(
    request: Request, session: Session, template: str, status: int = 200, **values: Any
) -> Response:
    """A page for somebody signed in; raises StoreError."""
    parts = parts_of(request)
    waiting = await parts.store.approvals(ApprovalState.PENDING)
    return _html(
        request,
        template,
        status,
        session=session,
        waiting=len(waiting),
        mode=parts.mode,
        now=parts.clock(),
        page=template,
        **values,
    )


def plain(request: Request, template: str, status: int, **values: Any) -> Response:
    """A page that anybody may see."""
    return _html(request, template, status, session=None, **values)


def _html(request: Request, template: str, status: int, **values: Any) -> Response:
    theme = request.cookies.get(_THEME, "")
    made = _ENVIRONMENT.get_template(f"{template}.html").render(
        theme=theme if theme in THEMES else "", path=request.url.path, **values
    )
    return HTMLResponse(made, status)


async def read_form(request: Request, session: Session | None) -> dict[str, str]:
    """The fields of a form; with a session, only one that came from a page of it.

    Raises FormError.
    """
    said = request.headers.get("origin")
    if said is not None and urlsplit(said).netloc != request.headers["host"]:
        raise FormError("this form came from another site")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise FormError("this form came from another site")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            raise FormError("this form is too large")
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise FormError("this form is broken") from error
    if session is not None and not session.has_csrf(fields.get("csrf", "")):
        raise FormError("this form is from another session: load the page again")
    return fields


def own_path(wanted: str) -> str:
    """A path of this console to go on to; the first page instead of anything else."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_own and wanted.isprintable() else "/"
