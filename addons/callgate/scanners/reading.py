"""Reads what a gateway says, strictly: whatever is not clear is a ScannerError."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import JsonError, ScannerError
from callgate.model import Effect, Reason, Verdict

MAX_ANSWER_BYTES = 4 << 20
"""Of a gateway's answer: the largest arguments, sanitized, with room to spare."""

_APPROVAL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TRACE = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_NOT_IN_CODES = re.compile(r"[^A-Z0-9]+")
_CODE_CHARACTERS = 64
_MOST_REASONS = 20
_URL_CHARACTERS = 500
_KINDS = {
    401: Reason.SCANNER_KEY_REFUSED,
    403: Reason.SCANNER_KEY_REFUSED,
    429: Reason.SCANNER_RATE_LIMITED,
}


class TooLargeError(ScannerError):
    """The question is larger than what the gateway takes."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(Reason.ARGUMENTS_TOO_LARGE, "does not take arguments of this size")


def too_large(scanner: str, error: TooLargeError) -> Verdict:
    """The verdict on such a call: sure, as it will not get smaller, so nothing fails open."""
    reasons = (Reason.SCANNER_UNAVAILABLE, Reason.ARGUMENTS_TOO_LARGE)
    why = f"the {scanner} scanner {error}"
    return Verdict(scanner, Effect.DENY, reasons, 0.6, str(uuid.uuid4()), why)


def unclear(what: str) -> ScannerError:
    """The error for an answer that is not what the contract says."""
    return ScannerError(Reason.SCANNER_ANSWER_UNREADABLE, f"its answer {what}")


def failure(status: int, retry_after: str | None, now: datetime | None = None) -> ScannerError:
    """The error for an HTTP status that is no answer to the question."""
    kind = _KINDS.get(status, Reason.SCANNER_FAILED)
    seconds = retry_after_seconds(retry_after, now)
    later = f", to be asked again in {seconds:.0f} s" if seconds is not None else ""
    return ScannerError(kind, f"answered with status {status}{later}", seconds)


def retry_after_seconds(value: str | None, now: datetime | None = None) -> float | None:
    """`Retry-After` (RFC 9110 10.2.3) in seconds from now on; None where it makes no sense."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if date.tzinfo is None:
        return None
    return max((date - (now or datetime.now(UTC))).total_seconds(), 0.0)


def document(content: bytes) -> dict[str, Json]:
    """The JSON object in a body, with exactly one reading."""
    try:
        value = canonical.parse(content)
    except JsonError as error:
        raise unclear("is not JSON with exactly one reading") from error
    if not isinstance(value, dict):
        raise unclear("is not a JSON object")
    return value


def risk(value: Json, default: float) -> float:
    """A risk score from 0 to 1; more than that is 1."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise unclear("has a risk that is no number from 0 to 1")
    return min(float(value), 1.0)


def reasons(value: Json) -> tuple[str, ...]:
    """Reason codes, UPPER_SNAKE whatever they were, each once."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise unclear("has reasons that are no list")
    codes = [_code(one) for one in value if isinstance(one, str)]
    return tuple(dict.fromkeys(filter(None, codes)))[:_MOST_REASONS]


def _code(text: str) -> str:
    return _NOT_IN_CODES.sub("_", text.upper()).strip("_")[:_CODE_CHARACTERS]


def approval_id(value: Json) -> str | None:
    """An approval's id; None where there is none. It becomes part of a path."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _APPROVAL_ID.fullmatch(value):
        raise unclear("has an approval id that can not be one")
    return value


def url(value: Json) -> str | None:
    """An address that people can be sent to; None for anything else."""
    if not isinstance(value, str) or len(value) > _URL_CHARACTERS:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    is_plain = value.isascii() and value.isprintable() and " " not in value
    return value if is_plain and parts.scheme in ("http", "https") and parts.netloc else None


def trace(value: Json) -> str:
    """The scanner's own trace id, or a new one."""
    if isinstance(value, str) and _TRACE.fullmatch(value):
        return value
    return str(uuid.uuid4())


def texts(value: Json) -> Sequence[str]:
    """The strings of a list; nothing for anything else."""
    return [one[:100] for one in value if isinstance(one, str)] if isinstance(value, list) else ()
