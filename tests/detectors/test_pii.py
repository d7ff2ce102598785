from __future__ import annotations

import pytest

from callgate.detectors import ACTS_FROM
from callgate.detectors.base import Text
from callgate.detectors.pii import Pii
from callgate.model import Finding, Reason


def find(value: str, field: str = "text") -> list[Finding]:
    return list(Pii().inspect(Text(value, "$.x", "send_message", field)))


def acting(value: str, field: str = "text") -> list[str]:
    return [f.kind for f in find(value, field) if f.confidence >= ACTS_FROM]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("my card 4111 1111 1111 1111 exp 12/28", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("card 378282246310005, please", "CREDIT_CARD", "378282246310005"),
        ("wire to GB82WEST12345698765432 today", "IBAN", "GB82WEST12345698765432"),
        ("IBAN: DE89 3704 0044 0532 0130 00 NOW", "IBAN", "DE89 3704 0044 0532 0130 00"),
        ("my iban is gb82west12345698765432", "IBAN", "gb82west12345698765432"),
        ("SSN: 536-90-4399", "SSN", "536-90-4399"),
        ("social security 536904399 on file", "SSN", "536904399"),
        ("call me at +49 30 901820", "PHONE", "+49 30 901820"),
        ("Phone: (212) 555-0147", "PHONE", "(212) 555-0147"),
        ("CPF 390.533.447-05", "NATIONAL_ID", "390.533.447-05"),
        ("DNI 54362315K", "NATIONAL_ID", "54362315K"),
    ],
)
def test_personal_data_is_found_with_exact_span(text: str, kind: str, value: str) -> None:
    (finding,) = find(text)
    assert (finding.kind, finding.reason) == (kind, Reason.PII_DETECTED)
    assert text[finding.start : finding.end] == value
    assert finding.confidence >= ACTS_FROM
    assert value not in finding.explanation


@pytest.mark.parametrize(
    "text",
    [
        "my card 4111 1111 1111 1112 exp 12/28",
        "wire to GB82WEST12345698765433 today",
        "SSN: 000-12-3456",
        "version 10.12.33.4, isbn 978-5-4980-6184-6",
        "INV-869-72-500 and part 6973-6587",
        "sha256:552499c53c6c4f06d9e74564485d6e6c25a839a4f8fb088e92ed968820be91ca",
        "tracking 1Z1PZRZWUZR7B389YM",
        "It was founded in 2002 with 1,200,000 members",
        "",
    ],
)
def test_failed_checksum_or_other_number_is_not_found(text: str) -> None:
    assert acting(text) == []


def test_email_address_is_for_information_only() -> None:
    (finding,) = find("write to jane.doe@example.org")
    assert finding.kind == "EMAIL"
    assert finding.confidence < ACTS_FROM


def test_bare_number_that_happens_to_pass_the_card_check_is_for_information_only() -> None:
    assert acting("4111111111111111", "order_id") == []


def test_card_in_a_card_field_acts() -> None:
    assert acting("4111111111111111", "card_number") == ["CREDIT_CARD"]


def test_bare_phone_number_is_payload() -> None:
    assert acting("+49 30 901820", "phone") == []
