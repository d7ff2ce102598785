"""The embedded scanner: policies, then detectors; no network, deterministic."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache

from callgate import canonical
from callgate.canonical import Json
from callgate.detectors import DETECTORS, Inspector, redact
from callgate.detectors.base import Current, Detector
from callgate.detectors.network.detector import Network
from callgate.errors import JsonError
from callgate.model import Effect, Finding, Reason, ToolCall, Verdict
from callgate.policy import Policy, Ruling
from callgate.policy.meanings import Meanings
from callgate.scanners.weighing import effect_of, risk_of

_INLINE_CHARACTERS = 4096
"""Longer arguments are scanned in a thread, so that other flows go on."""

_EXPLAINED = 10
"""Findings that an explanation names; the verdict carries all of them."""

_POLICY_RISK: Mapping[Effect, float] = {
    Effect.ALLOW: 0.0,
    Effect.SANITIZE: 0.3,
    Effect.REQUIRE_APPROVAL: 0.6,
    Effect.DENY: 0.8,
}


def inspector_of(policy: Callable[[], Policy], *more: Detector) -> Inspector:
    """Every detector; own domains and rules for secrets are those of the policy in force."""
    detectors = {name: make() for name, make in DETECTORS.items()}
    detectors["network"] = Current("network", lambda: _network(policy().own_domains))
    rules = Current("secrets", lambda: policy().secret_rules)
    return Inspector([*detectors.values(), rules, *more])


@lru_cache(maxsize=8)
def _network(own_domains: tuple[str, ...]) -> Network:
    return Network(own_domains)


class Local:
    """See `Scanner`. Explains itself: the verdict names the rule and every finding."""

    name = "local"

    def __init__(self, policy: Callable[[], Policy], inspector: Inspector) -> None:
        """`policy` gives the policy in force now: it may be reloaded between calls."""
        self._policy = policy
        self._inspector = inspector
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="callgate-local")

    async def scan(self, call: ToolCall) -> Verdict:
        """See `Scanner.scan`."""
        if len(call.arguments) <= _INLINE_CHARACTERS:
            return self.judge(call)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.judge, call)

    def judge(self, call: ToolCall) -> Verdict:
        """Give the verdict at once."""
        try:
            arguments = canonical.parse(call.arguments) if call.arguments.strip() else {}
        except JsonError as error:
            return _denied(Reason.MALFORMED_ARGUMENTS, f"the arguments are {error}")
        policy = self._policy()
        ruling = policy.judge(call, arguments)
        findings = self._inspector.inspect(call.name, arguments, call.fields)
        verdict = combine(ruling, arguments, findings, policy.detectors)
        if verdict.sanitized_arguments is None or not self._leaks(call, verdict, policy.detectors):
            return verdict
        return replace(
            verdict,
            effect=Effect.DENY,
            sanitized_arguments=None,
            explanation=f"{verdict.explanation}; could not be taken out of the arguments",
        )

    def _leaks(self, call: ToolCall, verdict: Verdict, chosen: Mapping[str, Meanings]) -> bool:
        """Tell whether the sanitized arguments still hold what was to be taken out."""
        sanitized = canonical.parse(verdict.sanitized_arguments or "")
        left = self._inspector.inspect(call.name, sanitized, call.fields)
        return any(
            effect_of(finding, chosen) is Effect.SANITIZE
            or finding.reason == Reason.ARGUMENTS_TOO_LARGE
            for finding in left
        )

    async def close(self) -> None:
        """See `Scanner.close`."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def combine(
    ruling: Ruling,
    arguments: Json,
    findings: Sequence[Finding],
    chosen: Mapping[str, Meanings],
) -> Verdict:
    """Put a policy's ruling and the detectors' findings into one verdict."""
    asked = [(finding, effect) for finding in findings if (effect := effect_of(finding, chosen))]
    effect = max((ruling.effect, *(e for _, e in asked)), key=lambda e: e.strictness)
    hidden = [finding for finding, wanted in asked if wanted is Effect.SANITIZE]
    sanitized = None
    if hidden and effect is not Effect.DENY:
        sanitized = canonical.dump(redact(arguments, hidden, least_confidence=0)).decode()
    reasons = dict.fromkeys(map(str, (*ruling.reasons, *(f.reason for f, _ in asked))))
    objections = [ruling.explanation] if ruling.effect is not Effect.ALLOW else []
    objections += [f"{f.kind} at {f.path}: {f.explanation}" for f, _ in asked[:_EXPLAINED]]
    if len(asked) > _EXPLAINED:
        objections.append(f"and {len(asked) - _EXPLAINED} more findings")
    return Verdict(
        scanner="local",
        effect=effect,
        reasons=tuple(reasons),
        risk=max(
            _POLICY_RISK[ruling.effect],
            *(risk_of(f) for f, _ in asked),
            0.0,
        ),
        trace=str(uuid.uuid4()),
        explanation="; ".join(objections) or ruling.explanation,
        findings=tuple(findings),
        sanitized_arguments=sanitized,
        rule=f"{ruling.rule} ({ruling.place})" if ruling.place else ruling.rule,
    )


def _denied(reason: Reason, explanation: str) -> Verdict:
    return Verdict("local", Effect.DENY, (reason,), 0.6, str(uuid.uuid4()), explanation)
