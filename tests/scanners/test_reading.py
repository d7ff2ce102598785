"""What a gateway may say, and what is not clear."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from callgate.canonical import Json
from callgate.errors import ScannerError
from callgate.model import Effect
from callgate.scanners import reading

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("Tue, 01 Jan 2030 12:00:30 GMT", 30),
        ("Tue, 01 Jan 2030 11:00:00 GMT", 0),
        ("Tue, 01 Jan 2030 12:00:30", None),
        ("-3", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_the_rfc_has_it(said: str | None, seconds: float | None) -> None:
    assert reading.retry_after_seconds(said, NOON) == seconds


def test_retry_after_is_counted_from_now() -> None:
    assert reading.retry_after_seconds("Tue, 01 Jan 1980 12:00:30 GMT") == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "SCANNER_KEY_REFUSED"),
        (403, "SCANNER_KEY_REFUSED"),
        (429, "SCANNER_RATE_LIMITED"),
        (500, "SCANNER_FAILED"),
        (302, "SCANNER_FAILED"),
    ],
)
def test_status_tells_the_kind_of_failure(status: int, kind: str) -> None:
    error = reading.failure(status, "7")

    assert (error.kind, error.retry_after_seconds) == (kind, 7)
    assert str(error) == f"answered with status {status}, to be asked again in 7 s"
    assert str(reading.failure(status, None)) == f"answered with status {status}"


def test_document_has_one_reading() -> None:
    assert reading.document(b'{"decision":"ALLOW"}') == {"decision": "ALLOW"}


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b'{"a":1,"a":2}', b'{"a":NaN}', b'"ALLOW"', b"\xff"]
)
def test_other_documents_are_unclear(content: bytes) -> None:
    with pytest.raises(ScannerError) as unclear:
        reading.document(content)

    assert unclear.value.kind == "SCANNER_ANSWER_UNREADABLE"


@pytest.mark.parametrize(("said", "risk"), [(None, 0.5), (0, 0), (0.25, 0.25), (1, 1), (80, 1)])
def test_risk_is_a_number_from_0_to_1(said: Json, risk: float) -> None:
    assert reading.risk(said, 0.5) == risk


@pytest.mark.parametrize("said", [-0.1, "0.5", True, [], {}])
def test_other_risks_are_unclear(said: Json) -> None:
    with pytest.raises(ScannerError, match="risk"):
        reading.risk(said, 0.5)


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (None, ()),
        ([], ()),
        (["PII_DETECTED", "PII_DETECTED"], ("PII_DETECTED",)),
        (["waf blocked, by rule 7", "--", 7, None], ("WAF_BLOCKED_BY_RULE_7",)),
        (["é\x1b[31m\r\n"], ("31M",)),
        (["x" * 100], ("X" * 64,)),
    ],
)
def test_reason_codes_are_upper_snake(said: Json, codes: tuple[str, ...]) -> None:
    assert reading.reasons(said) == codes


def test_reason_codes_are_bounded() -> None:
    assert len(reading.reasons([f"R{n}" for n in range(100)])) == 20


def test_reasons_that_are_no_list_are_unclear() -> None:
    with pytest.raises(ScannerError, match="reasons"):
        reading.reasons("PII_DETECTED")


def test_approval_id_can_stand_in_a_path() -> None:
    assert reading.approval_id("appr_1-A") == "appr_1-A"
    assert reading.approval_id(None) is None
    assert reading.approval_id("") is None


@pytest.mark.parametrize("said", ["../admin", "a/b", "a?b", "a b", "x" * 129, 7, ["a"], "é", "."])
def test_other_approval_ids_are_unclear(said: Json) -> None:
    with pytest.raises(ScannerError, match="approval id"):
        reading.approval_id(said)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("https://app.example/a/1?x=2", True),
        ("http://127.0.0.1:8081/a", True),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https://[::1", False),
        ("https://app.example/\n", False),
        ("https://app.example/a b", False),
        ("https://é.example/", False),
        ("https://app.example/" + "x" * 500, False),
        (None, False),
        (7, False),
    ],
)
def test_people_are_sent_to_web_addresses_only(said: Json, shown: bool) -> None:
    assert reading.url(said) == (said if shown else None)


def test_trace_is_the_scanners_own_where_it_has_one() -> None:
    assert reading.trace("0b9c7a0e-trace.1") == "0b9c7a0e-trace.1"


@pytest.mark.parametrize("said", [None, "", 7, "x" * 101, "a b", 'a"b', "é"])
def test_trace_is_made_where_there_is_none(said: Json) -> None:
    assert uuid.UUID(reading.trace(said)).version == 4


@pytest.mark.parametrize(
    ("said", "texts"), [(["PII", 7, "x" * 200], ["PII", "x" * 100]), ("PII", [])]
)
def test_texts_are_the_strings_of_a_list(said: Json, texts: list[str]) -> None:
    assert list(reading.texts(said)) == texts


def test_too_large_call_is_denied_for_good() -> None:
    verdict = reading.too_large("interven", reading.TooLargeError())

    assert (verdict.effect, verdict.is_final) == (Effect.DENY, True)
    assert verdict.reasons == ("SCANNER_UNAVAILABLE", "ARGUMENTS_TOO_LARGE")
    assert uuid.UUID(verdict.trace)
