"""The Interven gateway, asked through its own SDK (`interven`, module `aif_sdk.scan`)."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

from callgate.canonical import Json
from callgate.errors import ScannerError, SettingsError
from callgate.model import ApprovalState, Effect, Reason, ToolCall, Verdict
from callgate.scanners import reading
from callgate.scanners.base import Classification
from callgate.scanners.breaker import Breaker
from callgate.scanners.mapping import Outbound, outbound
from callgate.scanners.pooled import Pooled
from callgate.scanners.reading import TooLargeError

DEFAULT_URL = "https://api.intervensecurity.com"

_THREADS = 32
"""The SDK blocks: so many calls are judged at the same time."""
_OTHER_THREADS = 4
"""For approvals and results: they never keep a call waiting."""
_NEEDED = "the scanner `interven` needs its SDK: pip install 'callgate[interven]'"

_STATES = {
    "approved": ApprovalState.APPROVED,
    "denied": ApprovalState.DENIED,
    "expired": ApprovalState.EXPIRED,
    # the gateway itself has run it: to run it again was not approved
    "executed": ApprovalState.DENIED,
}


class Interven:
    """See `Gateway` and `Classifier`."""

    name = "interven"
    poll_seconds = 2.0
    """The gateway's limit for one approval (`Client.poll_approval`)."""

    def __init__(
        self, key: str, url: str, agent: str, *, timeout_seconds: float, roots: str
    ) -> None:
        """`agent` may be empty; raises SettingsError where the SDK is not installed."""
        try:
            self._transport = Pooled(_THREADS + _OTHER_THREADS, timeout_seconds, roots)
            sdk = _sdk()
        except ImportError as error:
            raise SettingsError(_NEEDED) from error
        # only this copy of the module: whoever else uses the SDK in this process is left alone
        sdk.requests = self._transport  # type: ignore[attr-defined]
        self._error: type[Exception] = sdk.AifError
        self._client = sdk.Client(
            key, gateway_url=url, timeout=timeout_seconds, agent_id=agent or None
        )
        self._timeout_seconds = timeout_seconds
        self._breaker = Breaker(self.name)
        self._scans = ThreadPoolExecutor(_THREADS, thread_name_prefix="callgate-interven")
        self._others = ThreadPoolExecutor(
            _OTHER_THREADS, thread_name_prefix="callgate-interven-others"
        )

    @property
    def state(self) -> str:
        """See `Gateway.state`."""
        return self._breaker.state

    async def scan(self, call: ToolCall) -> Verdict:
        """See `Scanner.scan`; `runtime_type` names the surface."""
        wanted = outbound(call)

        async def ask() -> Verdict:
            scanned = await self._ask(
                self._scans,
                self._client.scan,
                method=wanted.method,
                url=wanted.url,
                body=dict(wanted.body),
                runtime_type=f"openai_{call.surface.value}",
            )
            return _verdict(scanned.raw, wanted)

        try:
            return await self._breaker.run(ask)
        except TooLargeError as error:
            return reading.too_large(self.name, error)

    async def approval(self, id: str) -> ApprovalState:
        """See `Gateway.approval`; anything but a final state is PENDING."""
        # beside the breaker: that approvals are asked for too often says nothing about scans
        status = await self._ask(self._others, self._client.poll_approval, approval_id=id)
        return _STATES.get(status.status, ApprovalState.PENDING)

    async def classify(self, trace: str, body: object, status: int) -> Classification:
        """See `Classifier.classify`: `Client.scan_response`."""
        found: dict[str, Json] = await self._ask(
            self._others,
            self._client.scan_response,
            trace_id=trace,
            response_body=body,
            response_status=status,
        )
        count, fingerprint = found.get("fields_redacted_count"), found.get("content_fingerprint")
        return Classification(
            reading.texts(found.get("data_classes")),
            count if isinstance(count, int) else None,
            fingerprint[:200] if isinstance(fingerprint, str) else "",
        )

    async def close(self) -> None:
        """See `Scanner.close`."""
        for threads in (self._scans, self._others):
            threads.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    async def _ask(self, threads: Executor, function: Callable[..., Any], **given: object) -> Any:
        """Call the SDK in a thread; raises ScannerError, also where no thread is free in time."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await loop.run_in_executor(threads, partial(function, **given))
        except TimeoutError as error:
            raise ScannerError(Reason.SCANNER_TIMEOUT, "did not answer in time") from error
        except self._error as error:
            # its text quotes the answer
            why = f"its SDK failed with {type(error).__name__}"
            raise ScannerError(Reason.SCANNER_FAILED, why) from error
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            # the SDK takes fields as they come
            raise reading.unclear("is not what its SDK expects") from error


def _sdk() -> ModuleType:
    """A copy of the SDK's module for ourselves; raises ImportError."""
    spec = importlib.util.find_spec("aif_sdk.scan")
    if spec is None or spec.loader is None:
        raise ImportError(_NEEDED)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _verdict(said: dict[str, Json], wanted: Outbound) -> Verdict:
    """What the gateway's answer means; raises ScannerError for anything that is not clear."""
    word = said.get("decision")
    if not isinstance(word, str) or word.upper() not in Effect.__members__:
        shown = word if isinstance(word, str) and word.isalpha() and len(word) < 30 else "?"
        raise ScannerError(Reason.SCANNER_DECISION_UNKNOWN, f"decided {shown!r}: not a known word")
    effect = Effect(word.upper())
    reasons = reading.reasons(said.get("reason_codes"))
    is_asking = effect is Effect.REQUIRE_APPROVAL
    sanitized = None
    if effect is Effect.SANITIZE:
        sanitized = wanted.arguments(said.get("sanitized_body"))
    return Verdict(
        scanner=Interven.name,
        effect=effect,
        reasons=reasons,
        risk=reading.risk(said.get("risk_score"), 0.0 if effect is Effect.ALLOW else 0.6),
        trace=reading.trace(said.get("trace_id")),
        explanation=f"Interven: {effect.value}" + (f" ({', '.join(reasons)})" if reasons else ""),
        sanitized_arguments=sanitized,
        approval_id=reading.approval_id(said.get("approval_id")) if is_asking else None,
        approval_url=reading.url(said.get("approval_url")) if is_asking else None,
    )
