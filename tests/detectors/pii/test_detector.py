from __future__ import annotations

import pytest

from callgate.detectors import ACTS_FROM
from callgate.detectors.base import Text
from callgate.detectors.pii.detector import Pii
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
        ("IBAN GB82-WEST-1234-5698-7654-32", "IBAN", "GB82-WEST-1234-5698-7654-32"),
        ("born on 3 May 1985 in Bonn", "DATE_OF_BIRTH", "3 May 1985"),
        ("DOB: 1985-05-03", "DATE_OF_BIRTH", "1985-05-03"),
        ("geboren am 3.5.1985", "DATE_OF_BIRTH", "3.5.1985"),
        ("ring 0049 30 901820", "PHONE", "0049 30 901820"),
        ("Tel.: 030 901820-Office", "PHONE", "030 901820"),
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


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("host 8.8.8.8 answers", "IP_ADDRESS", "8.8.8.8"),
        ("host 2001:4860:4860::8888 answers", "IP_ADDRESS", "2001:4860:4860::8888"),
        (
            "to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            "CRYPTO_ADDRESS",
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        ),
        (
            "to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            "CRYPTO_ADDRESS",
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        ),
    ],
)
def test_address_of_a_host_or_a_wallet_is_for_information_only(
    text: str, kind: str, value: str
) -> None:
    (finding,) = find(text)
    assert (finding.kind, text[finding.start : finding.end]) == (kind, value)
    assert finding.confidence < ACTS_FROM


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1 and 999.1.1.1 and at 12:30:45",
        "to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
        "at 52.5200, 13.4050",
    ],
)
def test_private_address_wrong_checksum_and_coordinates_are_not_found(text: str) -> None:
    assert find(text) == []


def test_card_id_is_no_card_number() -> None:
    assert acting("391310425148", "card_id") == []


@pytest.mark.parametrize("separator", ["", " ", "-"])
@pytest.mark.parametrize(
    "number",
    ["4111 1111 1111 1111", "5555 5555 5555 4444", "3782 822463 10005", "6011 1111 1111 1117",
     "3530 1113 3330 0000", "3056 9309 0259 04", "2223 0031 2200 3222", "6200 0000 0000 0005"],
)  # fmt: skip
def test_card_of_every_network_is_found_however_grouped(number: str, separator: str) -> None:
    written = number.replace(" ", separator)
    (finding,) = find(f"my card: {written}")
    assert finding.kind == "CREDIT_CARD"
    assert f"my card: {written}"[finding.start : finding.end] == written


def test_bare_number_that_happens_to_pass_the_card_check_is_for_information_only() -> None:
    assert acting("4111111111111111", "order_id") == []


def test_card_in_a_card_field_acts() -> None:
    assert acting("4111111111111111", "card_number") == ["CREDIT_CARD"]


def test_bare_phone_number_is_payload() -> None:
    assert acting("+49 30 901820", "phone") == []


def test_ibans_that_follow_each_other_are_told_apart() -> None:
    text = "iban DE89370400440532013000 not xx12abcdefghijklmnop, GB82WEST12345698765432"
    assert [text[f.start : f.end] for f in find(text)] == [
        "DE89370400440532013000",
        "GB82WEST12345698765432",
    ]


def test_iban_in_lower_case_needs_the_word() -> None:
    assert find("see gb82west12345698765432") == []


def test_number_of_one_digit_is_no_card() -> None:
    assert acting("card 0000 0000 0000 0000") == []


@pytest.mark.parametrize(
    "text",
    [
        "call us, (C) 2006-2022",
        "phone books of 2024-01-31 and 31.01.2024",
        "Boston, MA 02110-1301, call",
        "call 12.3456789",
        "order number 1/2345678",
        "1234567 calls in all" + " and nothing more" * 5 + ", with 555 1234 4321",
    ],
)
def test_year_date_postal_code_or_far_number_is_no_phone(text: str) -> None:
    assert acting(text) == []


def test_number_that_may_be_two_things_is_the_more_certain_one() -> None:
    assert acting("call about SSN 536-90-4399") == ["SSN"]


def test_number_that_goes_on_after_a_dash_is_another() -> None:
    assert acting("card 4111 1111 1111 1111-12") == []
    assert acting("call 030 9018 20-9999999999999999999999999") == []
    assert acting("SSN 536 90 4399-77") == []
