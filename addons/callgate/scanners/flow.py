"""Rules on what a conversation has heard: data that was read, and destinations nobody has said.

A tool's result can steer the model. So where a call writes to a place that only a result has
named, or sends anything outside after sensitive data was read, a person is asked.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

from callgate.detectors.identifiers import covering, host_of, mentions
from callgate.hosts import Hosts
from callgate.model import Effect, Finding, Mark, Reason, ToolCall, Verdict
from callgate.policy import Policy
from callgate.scanners.destinations import Destination, destinations
from callgate.scanners.weighing import effect_of, risk_of

type Marks = Callable[[ToolCall, Collection[str]], Awaitable[frozenset[str]]]
"""Those of the wanted marks that the call's conversation has."""

_EXPLAINED = 10
_WORDS = {
    "mail": ("RECIPIENT", "a mail address", 0.8),
    "url": ("URL", "a URL", 0.8),
    "host": ("URL", "a host", 0.8),
    "number": ("ACCOUNT", "a number", 0.7),
    "account": ("ACCOUNT", "an account", 0.8),
    "path": ("PATH", "a path", 0.6),
    "handle": ("NAME", "a name", 0.4),
}
"""Kind of identifier → kind of finding, in words, confidence that it matters.

Names are too often the same by chance, and relative paths are what agents work on.
"""
_UNSURE = 0.4


class Flow:
    """See `Scanner`; asks a conversation's memory, and only about calls that write."""

    name = "flow"

    def __init__(self, policy: Callable[[], Policy], marks: Marks) -> None:
        """`policy` gives the policy in force now; what `marks` raises is not caught here."""
        self._policy = policy
        self._marks = marks
        self._own: tuple[Sequence[str], Hosts] = ((), Hosts(()))

    async def scan(self, call: ToolCall) -> Verdict:
        """See `Scanner.scan`."""
        found = destinations(call.name, call.arguments)
        if not found:
            return _NOTHING
        policy = self._policy()
        own = self._own_of(policy.own_domains)
        found = [one for one in found if not _is_own(one, own)]
        marks = await self._marks(call, _wanted(found)) if found else frozenset()
        if not marks:
            return _NOTHING
        findings = tuple(finding for one in found for finding in _findings(one, marks))
        asked = [(f, effect) for f in findings if (effect := effect_of(f, policy.detectors))]
        if not asked:
            return Verdict(self.name, Effect.ALLOW, findings=findings)
        explained = [f"{f.kind} at {f.path}: {f.explanation}" for f, _ in asked[:_EXPLAINED]]
        return Verdict(
            self.name,
            max((effect for _, effect in asked), key=lambda effect: effect.strictness),
            tuple(dict.fromkeys(f.reason for f, _ in asked)),
            max(risk_of(f) for f, _ in asked),
            str(uuid.uuid4()),
            "; ".join(explained),
            findings,
        )

    async def close(self) -> None:
        """See `Scanner.close`."""

    def _own_of(self, patterns: Sequence[str]) -> Hosts:
        if self._own[0] != patterns:
            self._own = (patterns, Hosts(patterns))
        return self._own[1]


_NOTHING = Verdict(Flow.name, Effect.ALLOW)


def _is_own(one: Destination, own: Hosts) -> bool:
    return any(own.match(host_of(name), 443) for name in one.names)


def _wanted(found: Sequence[Destination]) -> set[str]:
    wanted: set[str] = set(Mark)
    for one in found:
        for name in one.names:
            wanted.update(f"said:{said}" for said in covering(name))
            wanted.update(f"read:{read}" for read in mentions(name))
    return wanted


def _findings(one: Destination, marks: frozenset[str]) -> Iterator[Finding]:
    is_said = any(f"said:{said}" in marks for name in one.names for said in covering(name))
    is_read = any(f"read:{read}" in marks for name in one.names for read in mentions(name))
    if not is_said and (is_read or Mark.OVERFLOW in marks or Mark.STEERED in marks):
        yield _untrusted(one, marks, is_read=is_read)
    if Mark.SENSITIVE in marks and any(map(host_of, one.names)):
        sure = 0.6 if is_said or one.is_command else 0.8
        why = "sensitive data was read in this conversation, and this leads outside"
        yield _finding(one, "SENSITIVE_DATA_LEAVES", Reason.READ_THEN_WRITE, sure, why)


def _untrusted(one: Destination, marks: frozenset[str], *, is_read: bool) -> Finding:
    kind, what, sure = _WORDS[one.names[0].partition(":")[0]]
    if one.is_command or (kind == "PATH" and not _is_absolute(one.names[0])):
        sure = _UNSURE
    why = f"{what} that a tool's result names, and nobody has said"
    if not is_read:
        sure = min(sure, 0.6)
        after = (
            "a result that gave the model orders"
            if Mark.STEERED in marks
            else "results too long to remember what they name"
        )
        why = f"{what} that nobody has said, after {after}"
    return _finding(one, f"UNTRUSTED_{kind}", Reason.UNTRUSTED_ARGUMENT, sure, why)


def _is_absolute(name: str) -> bool:
    path = name.removeprefix("path:")
    return path.startswith(("/", "~", "..")) or path[1:2] == ":"


def _finding(one: Destination, kind: str, reason: Reason, sure: float, why: str) -> Finding:
    return Finding(kind, reason, one.path, 0, one.size, sure, why)
