"""What Callgate raises.

CallgateError
├── SettingsError       a flag, variable or file is wrong: the process must not start
├── PolicyError         a policy file is wrong; carries every fault with its place
├── StoreError          the store could not answer: callers fail closed
│   └── StoreMissingError   there is no database yet (`store`)
├── ApprovalError       no such approval, or it is decided (`approvals`)
├── ScannerError        a scanner could not judge; carries the kind of failure
├── UpstreamError       Callgate's own request to the API failed
└── BodyError           a body can not be inspected (encoding, size, JSON)
    └── JsonError       not strict JSON
"""

from __future__ import annotations

from dataclasses import dataclass


class CallgateError(Exception):
    """Base of all errors that Callgate raises on purpose."""


class SettingsError(CallgateError):
    """A setting is wrong; the message names it, its source and the fix."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a file; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """`FILE:LINE:COLUMN: what, and the fix`."""
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class PolicyError(CallgateError):
    """A policy file is wrong; `faults` holds every fault found, in file order."""

    def __init__(self, faults: list[Fault]) -> None:
        """Keep the faults; the message lists them line by line."""
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class StoreError(CallgateError):
    """The store could not answer; nothing was acknowledged."""


class ScannerError(CallgateError):
    """A scanner could not judge; the message holds nothing of the call."""

    def __init__(self, kind: str, message: str, retry_after_seconds: float | None = None) -> None:
        """`kind` is a reason code, `SCANNER_TIMEOUT` for one."""
        super().__init__(message)
        self.kind = kind
        self.retry_after_seconds = retry_after_seconds


class UpstreamError(CallgateError):
    """A request of Callgate's own to the API failed or gave no usable answer."""


class BodyError(CallgateError):
    """A body can not be inspected; the message says what is wrong with it."""

    def __init__(self, message: str, param: str | None = None) -> None:
        """`param` is the path in the body, where one is known."""
        super().__init__(message)
        self.param = param


class JsonError(BodyError):
    """Text that is not strict JSON (RFC 8259, unique keys, finite numbers)."""
