"""The nouns of Callgate: calls, results, findings, verdicts, decisions, approvals.

Everything here is frozen and does no I/O. `design` words, one each: a scanner gives a
*verdict*, the gate makes a *decision*, a person gives an *approval*, the log keeps a
*record*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SurfaceName(StrEnum):
    """One OpenAI API through which calls reach an app; `gateway` where an app asks by itself."""

    ASSISTANTS = "assistants"
    CHAT = "chat"
    RESPONSES = "responses"
    AGENTS = "agents"
    REALTIME = "realtime"
    GATEWAY = "gateway"


class Mode(StrEnum):
    """What Callgate does with a decision that is not ALLOW."""

    OBSERVE = "observe"
    ENFORCE = "enforce"
    WITHHOLD = "withhold"


class Effect(StrEnum):
    """The four words of a verdict and of a decision (Interven's), loosest first."""

    ALLOW = "ALLOW"
    SANITIZE = "SANITIZE"
    REQUIRE_APPROVAL = "REQUIRE_APPROVAL"
    DENY = "DENY"

    @property
    def strictness(self) -> int:
        """Rank for combining: DENY 3 > REQUIRE_APPROVAL 2 > SANITIZE 1 > ALLOW 0."""
        return _STRICTNESS[self]


_STRICTNESS = {effect: rank for rank, effect in enumerate(Effect)}


class Band(StrEnum):
    """Risk score in words."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


def band_of(risk: float) -> Band:
    """LOW below 0.25, MEDIUM below 0.5, HIGH below 0.8, CRITICAL from there on."""
    if risk < 0.25:
        return Band.LOW
    if risk < 0.5:
        return Band.MEDIUM
    return Band.HIGH if risk < 0.8 else Band.CRITICAL


class Mark(StrEnum):
    """What results have done to a conversation, beside naming things."""

    SENSITIVE = "sensitive"
    """The model was given secrets or personal data, or what nobody could look into."""
    STEERED = "steered"
    """The model was given orders that its user did not give."""
    OVERFLOW = "overflow"
    """A result named more than is remembered: whatever nobody has said may be from it."""


class Reason(StrEnum):
    """Reason codes that Callgate itself gives; remote scanners may add their own.

    The README's table is made from this enum: the value is the code, `explanation` the text.
    """

    explanation: str

    def __new__(cls, code: str, explanation: str) -> Reason:
        """Carry the table's text with the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.explanation = explanation
        return member

    POLICY_DENIED = "POLICY_DENIED", "a policy rule denies the tool, or a constraint of it failed"
    POLICY_APPROVAL = "POLICY_APPROVAL", "a policy rule asks for a person's approval"
    NO_MATCHING_POLICY = "NO_MATCHING_POLICY", "no rule matched and the default is not allow"
    SECRET_DETECTED = "SECRET_DETECTED", "an argument holds a credential"
    PII_DETECTED = "PII_DETECTED", "an argument holds personal data"
    DESTRUCTIVE_COMMAND = (
        "DESTRUCTIVE_COMMAND",
        "a shell command would destroy data or take over the machine",
    )
    DESTRUCTIVE_SQL = "DESTRUCTIVE_SQL", "a SQL statement would destroy data or run commands"
    SENSITIVE_FILE = (
        "SENSITIVE_FILE",
        "an argument opens a credential store or a system file, or climbs out of its folder",
    )
    GATE_TAMPERING = (
        "GATE_TAMPERING",
        "the call would open, end or go around the gate itself",
    )
    SSRF = "SSRF", "an argument leads to a metadata service, an inside host or a local file"
    EXTERNAL_EXFILTRATION = (
        "EXTERNAL_EXFILTRATION",
        "the call would send data to a host or a recipient outside",
    )
    READ_THEN_WRITE = (
        "READ_THEN_WRITE",
        "sensitive data was read in this conversation, and the call sends something outside",
    )
    UNTRUSTED_ARGUMENT = (
        "UNTRUSTED_ARGUMENT",
        "a recipient, URL, account or path comes from a tool's result, and nobody has said it",
    )
    INJECTED_INSTRUCTIONS = (
        "INJECTED_INSTRUCTIONS",
        "a tool's result talks to the model as if it were its user (of results only)",
    )
    MALFORMED_ARGUMENTS = (
        "MALFORMED_ARGUMENTS",
        "the arguments are not unambiguous JSON (broken, cut off, duplicate keys, NaN)",
    )
    ARGUMENTS_TOO_LARGE = "ARGUMENTS_TOO_LARGE", "the arguments exceed what the scanners inspect"
    UNKNOWN_TOOL_TYPE = "UNKNOWN_TOOL_TYPE", "a call of a type that Callgate does not know"
    SCANNER_UNAVAILABLE = (
        "SCANNER_UNAVAILABLE",
        "a scanner failed, timed out or answered nonsense; not remembered, tried again next time",
    )
    SCANNER_KEY_REFUSED = (
        "SCANNER_KEY_REFUSED",
        "with `SCANNER_UNAVAILABLE`: the gateway does not take the API key",
    )
    SCANNER_RATE_LIMITED = (
        "SCANNER_RATE_LIMITED",
        "with `SCANNER_UNAVAILABLE`: too many requests; not asked again before its Retry-After",
    )
    SCANNER_TIMEOUT = "SCANNER_TIMEOUT", "with `SCANNER_UNAVAILABLE`: no answer in time"
    SCANNER_UNREACHABLE = (
        "SCANNER_UNREACHABLE",
        "with `SCANNER_UNAVAILABLE`: no connection, or one that broke",
    )
    SCANNER_FAILED = (
        "SCANNER_FAILED",
        "with `SCANNER_UNAVAILABLE`: the gateway answered with an error of its own",
    )
    SCANNER_ANSWER_UNREADABLE = (
        "SCANNER_ANSWER_UNREADABLE",
        "with `SCANNER_UNAVAILABLE`: the answer is not what the gateway's contract says",
    )
    SCANNER_DECISION_UNKNOWN = (
        "SCANNER_DECISION_UNKNOWN",
        "with `SCANNER_UNAVAILABLE`: the answer's word for its decision is not known",
    )
    STORE_UNAVAILABLE = (
        "STORE_UNAVAILABLE",
        "the memory of verdicts failed; not remembered, tried again next time",
    )
    APPROVAL_DENIED = "APPROVAL_DENIED", "a person denied the call"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED", "nobody decided in time"
    RECENT_APPROVAL_GRANT = (
        "RECENT_APPROVAL_GRANT",
        "a person approved this very request a moment ago: good for one more asking",
    )
    NOT_EXECUTED = (
        "NOT_EXECUTED",
        "the gateway was to run the call itself, which it never does",
    )


CONSENTED = frozenset(("mcp_approval_request", "computer_use_approval_request"))
"""Kinds of calls that the API itself runs, as it knows them, once the app has said yes."""

QUOTED = "quoted"
"""Scope of calls that a history quotes: who quotes a call has not been issued it by that."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model asks the app to run."""

    surface: SurfaceName
    origin: str
    """`host:port` of the API that issued the call."""
    scope: str
    """Where the id is unique: `THREAD/RUN` for assistants."""
    id: str
    name: str
    arguments: str
    """As on the wire: usually JSON text, possibly broken."""
    digest: str
    """SHA-256 over kind, name and canonical arguments (`canonical.call_digest`)."""
    kind: str = "function"
    agent: str = ""
    """Who asked: proxy user, else assistant id, else key fingerprint."""
    assistant: str = ""
    model: str = ""
    takes_no_notice: bool = False
    """See `ToolResult.takes_no_notice`; known of the call even where its result does not say."""
    fields: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What the tool's definition says of its arguments; see `detectors.definitions`."""
    conversation: str = field(default="", compare=False)
    """What its conversation is called, where that is not its scope."""

    @property
    def key(self) -> CallKey:
        """What the verdict is remembered by."""
        # a run is one assistant's, and its steps do not say whose; elsewhere answers may come
        # from a server's cache, with the same ids for callers whose policies differ
        agent = "" if self.surface is SurfaceName.ASSISTANTS else self.agent
        return CallKey(self.surface, self.origin, self.scope, self.id, self.digest, agent)


@dataclass(frozen=True, slots=True)
class CallKey:
    """Identity of a call: ids alone repeat across runs on compatible servers."""

    surface: SurfaceName
    origin: str
    scope: str
    id: str
    digest: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the app sends back for a call id."""

    call_id: str
    output: object
    """Decoded JSON value of the output field; a missing field is None."""
    path: str
    """Where the output stands in the request body, e.g. `tool_outputs[0].output`."""
    takes_no_notice: bool = False
    """The API reads it as data, as programs do: not even a notice may stand in for it."""
    digest: str = ""
    """Of the call, where the request quotes several under its id and its place tells which."""
    is_of_api: bool = False
    """The request quotes it as the API's own: so it is unless the call is known to be the app's."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a detector saw in a call's arguments or in a result; holds no raw text."""

    kind: str
    """What it is, UPPER_SNAKE as in placeholders: `AWS_ACCESS_KEY`, `SSN`, `RECURSIVE_DELETE`."""
    reason: str
    path: str
    """JSON path of the string: `$.message`, `$.items[2].text`."""
    start: int
    """Span in that string, in characters; `end` is exclusive."""
    end: int
    confidence: float = 1.0
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One scanner's opinion of one call."""

    scanner: str
    effect: Effect
    reasons: tuple[str, ...] = ()
    risk: float = 0.0
    """0 to 1."""
    trace: str = ""
    """UUID; the scanner's own where it has one."""
    explanation: str = ""
    """For people: which rule or finding, never raw values."""
    findings: tuple[Finding, ...] = ()
    sanitized_arguments: str | None = None
    """JSON text that replaces the arguments when the effect is SANITIZE."""
    approval_id: str | None = None
    """By which the scanner knows the approval that it asks for."""
    approval_url: str | None = None
    is_final: bool = True
    """False when the scanner could not decide: such a verdict is never remembered."""
    is_advisory: bool = False
    """True when the scanner was asked, but has no say in the decision."""
    rule: str = ""
    """`POLICY/TOOL (FILE:LINE)` of the policy rule that decided, or `default`; else empty."""
    took_ms: float = 0.0
    """Milliseconds from the question to the answer; 0 where nobody measured."""

    @property
    def band(self) -> Band:
        """The risk score in words."""
        return band_of(self.risk)


class ApprovalState(StrEnum):
    """Life of an approval; everything but PENDING is final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's answer to one call; never good for another call or other arguments."""

    id: str
    state: ApprovalState
    created_at: datetime
    expires_at: datetime
    url: str
    decided_at: datetime | None = None
    decided_by: str = ""
    note: str = ""
    good_until: datetime | None = None
    """Until then the same call of the same agent needs no further approval."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdicts of all scanners on one call, combined; approvals applied."""

    call: ToolCall
    effect: Effect
    reasons: tuple[str, ...] = ()
    risk: float = 0.0
    trace: str = ""
    verdicts: tuple[Verdict, ...] = ()
    sanitized_arguments: str | None = None
    redacted_arguments: str = ""
    """Safe to store and to show."""
    approval: Approval | None = None
    is_final: bool = True

    @property
    def band(self) -> Band:
        """The risk score in words."""
        return band_of(self.risk)

    @property
    def explanation(self) -> str:
        """The strictest verdict's explanation."""
        deciding = [verdict for verdict in self.verdicts if not verdict.is_advisory]
        strictest = max(deciding, key=lambda v: v.effect.strictness, default=None)
        return strictest.explanation if strictest else ""

    @property
    def asking(self) -> tuple[Verdict, ...]:
        """The verdicts that ask for a person's approval."""
        asks = Effect.REQUIRE_APPROVAL
        return tuple(v for v in self.verdicts if v.effect is asks and not v.is_advisory)
