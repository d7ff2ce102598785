"""The Aegis gateway: `POST /execute` as the package `aegis-openai` asks it, but fails closed.

Only the word `allow` in a success lets a call through. The package lets calls through on
`rate_limited` and on any other word, when an exception comes between, and in every stream.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import uuid
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from callgate import __version__, canonical
from callgate.canonical import Json
from callgate.errors import ScannerError
from callgate.model import ApprovalState, Effect, Reason, ToolCall, Verdict
from callgate.scanners import reading
from callgate.scanners.breaker import Breaker
from callgate.scanners.reading import MAX_ANSWER_BYTES, TooLargeError, unclear

DEFAULT_URL = "https://aegisagent.in"
DEFAULT_AGENT = "openai-agent"

_DENIES = frozenset(("deny", "block", "policy_deny", "reject"))
_STATES = {
    "approved": ApprovalState.APPROVED,
    "rejected": ApprovalState.DENIED,
    "denied": ApprovalState.DENIED,
    "expired": ApprovalState.EXPIRED,
}
_NAMES = ("code", "type", "name", "id")
"""What a finding is called by, where it is an object."""


class Aegis:
    """See `Gateway`."""

    name = "aegis"
    poll_seconds = 3.0
    """As the package polls (`approval_poll_interval_s`)."""

    def __init__(
        self,
        key: str,
        url: str,
        tenant: str,
        agent: str,
        *,
        timeout_seconds: float,
        trust: ssl.SSLContext,
    ) -> None:
        """`timeout_seconds` bounds a whole exchange."""
        self._url = url.rstrip("/")
        self._agent = agent
        self._timeout_seconds = timeout_seconds
        self._breaker = Breaker(self.name)
        self._client = httpx.AsyncClient(
            verify=trust,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
            # HTTPS_PROXY may name Callgate itself
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={
                "Authorization": f"Bearer {key}",
                "X-API-Key": key,
                "X-Tenant-ID": tenant,
                "X-Agent-ID": agent,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                # its firewall turns plain library names away
                "User-Agent": f"Mozilla/5.0 (compatible; callgate/{__version__} httpx)",
            },
        )

    @property
    def state(self) -> str:
        """See `Gateway.state`."""
        return self._breaker.state

    async def scan(self, call: ToolCall) -> Verdict:
        """See `Scanner.scan`."""
        arguments = canonical.parse(call.arguments) if call.arguments.strip() else {}
        question = {"agent_id": self._agent, "tool": call.name, "arguments": arguments}

        async def ask() -> Verdict:
            return _verdict(await self._ask("POST", "/execute", json.dumps(question).encode()))

        try:
            return await self._breaker.run(ask)
        except TooLargeError as error:
            return reading.too_large(self.name, error)

    async def approval(self, id: str) -> ApprovalState:
        """See `Gateway.approval`; anything but a final state is PENDING."""
        answer = await self._ask("GET", f"/v1/approvals/{id}/status")
        if answer.status != 200:
            raise reading.failure(answer.status, answer.retry_after)
        said = reading.document(answer.content)
        data = said.get("data", said)
        state = data.get("status") if isinstance(data, dict) else None
        return _STATES.get(state.lower() if isinstance(state, str) else "", ApprovalState.PENDING)

    async def close(self) -> None:
        """See `Scanner.close`."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, content: bytes | None = None) -> _Answer:
        """Ask once, or twice where a kept connection was closed meanwhile; raises ScannerError."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                try:
                    return await self._exchange(method, path, content)
                except (httpx.NetworkError, httpx.RemoteProtocolError):
                    return await self._exchange(method, path, content)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ScannerError(Reason.SCANNER_TIMEOUT, "did not answer in time") from error
        except httpx.HTTPError as error:
            why = f"could not be asked ({type(error).__name__})"
            raise ScannerError(Reason.SCANNER_UNREACHABLE, why) from error

    async def _exchange(self, method: str, path: str, content: bytes | None) -> _Answer:
        headers = {"Content-Type": "application/json"} if content is not None else {}
        async with self._client.stream(
            method, self._url + path, content=content, headers=headers
        ) as response:
            read = bytearray()
            async for chunk in response.aiter_raw():
                read += chunk
                if len(read) > MAX_ANSWER_BYTES:
                    raise unclear("is too large")
            return _Answer(response, bytes(read))


class _Answer:
    """What came back: only JSON is content."""

    def __init__(self, response: httpx.Response, content: bytes) -> None:
        self.status = response.status_code
        self.retry_after = response.headers.get("Retry-After")
        self.is_json = "json" in response.headers.get("Content-Type", "").lower()
        self.content = content


def _verdict(answer: _Answer) -> Verdict:
    """What an answer to `/execute` means; raises ScannerError for anything that is not clear."""
    if answer.status == 413:
        raise TooLargeError
    if answer.status not in (200, 403):
        raise reading.failure(answer.status, answer.retry_after)
    if answer.status == 403 and not answer.is_json:
        return _verdict_of(Effect.DENY, {"findings": ["waf_blocked"]})
    said = reading.document(answer.content)
    data = said.get("data")
    data = data if isinstance(data, dict) and data.get("action") else said
    word = _word(said, data)
    if word == "allow":
        if answer.status != 200 or said.get("success") is False or said.get("error"):
            raise unclear("allows a call and says that it did not")
        return _verdict_of(Effect.ALLOW, data)
    if word == "escalate":
        return _verdict_of(Effect.REQUIRE_APPROVAL, {**said, **data})
    if word in _DENIES:
        return _verdict_of(Effect.DENY, data)
    shown = word if word.isidentifier() and len(word) < 30 else "?"
    raise ScannerError(Reason.SCANNER_DECISION_UNKNOWN, f"decided {shown!r}: not a known word")


def _word(said: dict[str, Json], data: dict[str, Json]) -> str:
    """The action, one word; an error without one is a denial, or asks for an approval."""
    words = {part["action"] for part in (said, data) if isinstance(part.get("action"), str)}
    if len(words) > 1 or any(part.get("action") not in (None, *words) for part in (said, data)):
        raise unclear("has two actions")
    if words:
        return str(words.pop()).lower()
    error = said.get("error")
    if not isinstance(error, str) or not error:
        raise unclear("has no action")
    data["findings"] = [error]
    return "escalate" if "approval_required" in error.lower() else "deny"


def _verdict_of(effect: Effect, data: dict[str, Json]) -> Verdict:
    found = data.get("findings")
    named = [_name(one) for one in found] if isinstance(found, list) else found
    reasons = reading.reasons(named)
    is_asking = effect is Effect.REQUIRE_APPROVAL
    return Verdict(
        scanner=Aegis.name,
        effect=effect,
        reasons=reasons,
        risk=reading.risk(data.get("risk"), 0.0 if effect is Effect.ALLOW else 1.0),
        trace=str(uuid.uuid4()),
        explanation=f"Aegis: {effect.value}" + (f" ({', '.join(reasons)})" if reasons else ""),
        approval_id=reading.approval_id(data.get("approval_id")) if is_asking else None,
        approval_url=reading.url(data.get("approval_url")) if is_asking else None,
    )


def _name(finding: Json) -> Json:
    """A finding may be its name, or an object that has one."""
    if isinstance(finding, dict):
        return next((finding[key] for key in _NAMES if isinstance(finding.get(key), str)), None)
    return finding
