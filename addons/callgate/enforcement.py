"""Requests and responses in, outcomes out: what the gate's decisions do to traffic.

Knows no proxy: `addon` feeds it and carries out what it says. In `observe` nothing is ever
refused or changed; what could not be read is recorded as not inspected.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from callgate import annotation, bodies, canonical, surfaces
from callgate.audit import record
from callgate.delivery import Delivery
from callgate.errors import BodyError, JsonError, StoreError, UpstreamError
from callgate.exchange import ApiError, Request, Response, is_ambiguous, segments
from callgate.gate import Gate
from callgate.model import Mode
from callgate.outcome import (
    Choices,
    Forward,
    Outcome,
    Refuse,
    RefusedError,
    not_deliverable,
    not_inspectable,
    out_of_order,
)
from callgate.release import Releases
from callgate.stream import GatedStream
from callgate.surfaces.base import Endpoint
from callgate.wayback import WayBack

_log = logging.getLogger(__name__)


class Enforcement:
    """The border between plain HTTP messages and the gate."""

    def __init__(
        self,
        gate: Gate,
        wayback: WayBack,
        delivery: Delivery,
        releases: Releases,
        choices: Choices,
    ) -> None:
        """`choices` bounds the bodies that are read."""
        self._gate = gate
        self._wayback = wayback
        self._delivery = delivery
        self._releases = releases
        self._choices = choices
        self._unread: set[tuple[str, str]] = set()

    @property
    def mode(self) -> Mode:
        """The mode in force."""
        return self._gate.mode

    @property
    def observes(self) -> bool:
        """Nothing may be refused or changed."""
        return self._gate.mode is Mode.OBSERVE

    def endpoint(self, method: str, target: str) -> Endpoint | None:
        """Tell which operation a request line means, None for what carries no calls."""
        return surfaces.endpoint_for(method, segments(target))

    def elsewhere(self, request: Request) -> Endpoint | None:
        """The endpoint of a path that no surface knows; None for what carries no calls."""
        path = segments(request.target)
        carries = surfaces.may_carry(request.method, path)
        return surfaces.ELSEWHERE.endpoint("", path) if carries else None

    async def check_setup(self, endpoint: Endpoint | None, request: Request) -> Outcome:
        """Refuse what would go on out of sight, or where nobody knows what it is."""
        if endpoint is not None and endpoint.hides:
            if self.observes or self._choices.realtime_uninspectable == "allow":
                return await self._not_inspected(request, "channel", endpoint.hides)
            return await self._refused(request, _uninspectable(endpoint.hides))
        is_unknown = endpoint is None or endpoint.operation == "unknown"
        if (
            is_unknown
            and self._choices.unknown_endpoints == "refuse"
            and not surfaces.is_plain(request.method, segments(request.target))
        ):
            if self.observes:
                return await self._not_inspected(request, "endpoint", "nobody knows it")
            return await self._refused(request, _unknown_endpoint(request))
        return Forward()

    async def check_path(self, endpoint: Endpoint | None, request: Request) -> Outcome:
        """Refuse a path that may lead to runs at some servers and not at others."""
        if not surfaces.mentions_calls(request.target):
            return Forward()
        if endpoint is not None and not is_ambiguous(request.target):
            return Forward()
        why = "its path may mean an operation with tool calls or not, depending on who reads it"
        return await self.refuse_body(request, why, is_request=True)

    async def check_request(self, endpoint: Endpoint, request: Request) -> Outcome:
        """Decide what becomes of a request whose body was read whole."""
        try:
            content = bodies.decode(
                request.body, request.header("content-encoding"), self._choices.max_bytes
            )
            if not content.strip():
                return Forward()
            document = canonical.parse(content)
            bodies.refuse_charset(request.header("content-type"))
            outcome = await self._wayback.check(endpoint, request, document)
        except (BodyError, UpstreamError) as error:
            if endpoint.is_overheard:
                return Forward()
            if self.observes:
                return await self._not_inspected(request, "body", str(error))
            param = error.param if isinstance(error, BodyError) else None
            outcome = not_inspectable(str(error), param)
        except StoreError as error:
            return Forward() if self.observes else out_of_order(f"its memory failed ({error})")
        if isinstance(outcome, Refuse):
            return await self._refused(request, outcome)
        return outcome

    async def check_message(
        self, endpoint: Endpoint, upgrade: Request, content: bytes, scope: str
    ) -> Outcome:
        """Decide what becomes of a message that the app sends on a WebSocket."""
        headers = tuple(h for h in upgrade.headers if h[0].lower() != "content-encoding")
        message = replace(upgrade, headers=headers, body=content)
        return await self.check_request(replace(endpoint, scope=scope), message)

    async def check_response(
        self, endpoint: Endpoint, request: Request, response: Response
    ) -> Outcome:
        """Decide what becomes of a response whose body was read whole."""
        plain = Forward(headers=annotation.headers((), self.mode))
        try:
            content = bodies.decode(
                response.body, response.header("content-encoding"), self._choices.max_bytes
            )
            document = canonical.parse(content)
            bodies.refuse_charset(response.header("content-type"))
        except BodyError as error:
            if endpoint.is_overheard or not content_matters(request, response, error):
                return plain
            if self.observes:
                return await self._not_inspected(request, "body", str(error))
            return await self._refused(request, not_deliverable(str(error)))
        try:
            return await self._delivery.apply(endpoint, request, document)
        except RefusedError as error:
            return await self._refused(request, error.refusal)
        except BodyError as error:
            if self.observes:
                return await self._not_inspected(request, "body", str(error))
            return await self._refused(request, not_deliverable(str(error)))
        except StoreError as error:
            return plain if self.observes else out_of_order(f"its memory failed ({error})")

    def open_stream(self, endpoint: Endpoint, request: Request, encoding: str) -> GatedStream:
        """Begin a response of server-sent events; raises BodyError for an unknown encoding."""
        return self._releases.open(endpoint, request, encoding)

    def open_socket(self, endpoint: Endpoint, upgrade: Request) -> GatedStream:
        """Begin what the API sends on a WebSocket."""
        return self._releases.open_socket(endpoint, upgrade)

    @property
    def holds(self) -> bool:
        """Whole bodies may have to wait for a person."""
        return self._gate.mode is Mode.WITHHOLD

    async def refuse_body(self, request: Request, why: str, *, is_request: bool) -> Outcome:
        """Refuse a message whose body never came whole; in observe mode record it."""
        if self.observes:
            return await self._not_inspected(request, "body", why)
        return await self._refused(
            request, not_inspectable(why) if is_request else not_deliverable(why)
        )

    async def passes_upgraded(self, request: Request) -> None:
        """Record that a connection to a gated host goes on in a protocol that nobody reads."""
        await self._not_inspected(request, "upgrade", "a protocol upgrade")

    async def passes_unread(self, request: Request) -> None:
        """Record what goes to APIs that may carry calls past this release; say it once each."""
        name = surfaces.unread(segments(request.target))
        if not name:
            return
        if (key := (request.origin, name)) not in self._unread:
            self._unread.add(key)
            _log.warning("%s: not gated in this release: %s", request.origin, name)
        await self._not_inspected(request, "api", f"not gated in this release: {name}")

    async def _not_inspected(self, request: Request, cause: record.Cause, why: str) -> Forward:
        try:
            await self._gate.append(
                [
                    record.coverage_record(
                        cause,
                        why,
                        request.method,
                        request.target,
                        origin=request.origin,
                        agent=request.caller(),
                        mode=self.mode,
                    )
                ]
            )
        except StoreError:
            if not self.observes:
                raise
        return Forward(headers=annotation.headers((), self.mode))

    async def _refused(self, request: Request, outcome: Refuse) -> Outcome:
        try:
            await self._gate.append(
                [
                    record.refusal_record(
                        outcome.error,
                        request.method,
                        request.target,
                        self.mode,
                        origin=request.origin,
                        agent=request.caller(),
                        decision=outcome.cause,
                    )
                ]
            )
        except StoreError as error:
            return out_of_order(f"its memory failed ({error})")
        return outcome


def _uninspectable(what: str) -> Refuse:
    return Refuse(
        ApiError(
            f"Callgate refused this request because it would set up {what}. "
            "Use the WebSocket, or allow it with --realtime-uninspectable allow.",
            "realtime_uninspectable",
        )
    )


def _unknown_endpoint(request: Request) -> Refuse:
    path = request.target.partition("?")[0]
    return Refuse(
        ApiError(
            f"Callgate refused this request because it does not know what {path[:200]!r} does; "
            "--unknown-endpoints inspect lets it through and searches the answer for tool calls.",
            "unknown_endpoint",
        )
    )


def content_matters(request: Request, response: Response, error: BodyError) -> bool:
    """A body that is no JSON, under a status that is no success, is no run.

    SDKs raise for it or follow the redirect, and show no call. A success without any body
    carries no call either; one of those that may have none, but has one, is read as any other.
    What answers a browser's preflight (`OK`, where Starlette does) is shown to nobody.
    """
    if response.status >= 300 or request.method.upper() == "OPTIONS":
        return not isinstance(error, JsonError)
    return bool(response.body)
