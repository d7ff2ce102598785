"""What holds for any arguments whatever; `scripts/fuzz` tries the same for as long as one likes."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings

from callgate.canonical import Json
from callgate.detectors import DETECTORS, Inspector, redact
from callgate.detectors.inspector import BUDGET_SECONDS, walk
from callgate.model import Finding
from tests.detectors.nasty import calls

_INSPECTOR = Inspector([detector() for detector in DETECTORS.values()])
_UNHURRIED = Inspector([detector() for detector in DETECTORS.values()], clock=lambda: 0.0)

MOST_SECONDS = 20 * BUDGET_SECONDS
"""Of the processor. What is traced is slow; a step that never ends is what this is about."""


@pytest.mark.no_cover
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(calls)
def test_any_arguments_are_looked_at_in_time_and_always_alike(call: tuple[str, Json]) -> None:
    tool, arguments = call
    started = time.thread_time()
    _INSPECTOR.inspect(tool, arguments)
    assert time.thread_time() - started < MOST_SECONDS

    findings = _UNHURRIED.inspect(tool, arguments)

    assert _UNHURRIED.inspect(tool, arguments) == findings
    assert [f for f in findings if not _is_within(f, arguments)] == []
    redact(arguments, findings)


def _is_within(finding: Finding, arguments: Json) -> bool:
    """Its span lies in the string that it names; lists and refusals have empty spans."""
    if (finding.start, finding.end) == (0, 0):
        return True
    strings = {place.path: text for place, text in walk(arguments)}
    text = strings.get(finding.path, "")
    return 0 <= finding.start <= finding.end <= len(text) and 0 <= finding.confidence <= 1
