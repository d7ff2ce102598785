from __future__ import annotations

import pytest

from callgate.detectors.pii.national import national_ids

UNCHECKED = ("UK national insurance", "passport", "licence", "PAN", "US", "CPR")
"""Numbers that have a range, a date or a shape, but no check digit."""


def kinds(text: str, field: str = "text") -> list[tuple[str, str]]:
    return [(entry.explanation, text[start:end]) for entry, start, end in national_ids(text, field)]


@pytest.mark.parametrize(
    ("text", "explanation", "value"),
    [
        ("my number: 536-90-4399.", "a US social security number", "536-90-4399"),
        ("SSN 536 90 4399", "a US social security number", "536 90 4399"),
        ("ITIN 912-90-3457", "a US taxpayer number", "912-90-3457"),
        ("é 390.533.447-05", "a Brazilian CPF", "390.533.447-05"),
        ("CPF 39053344705", "a Brazilian CPF", "39053344705"),
        ("CF RSSMRA85T10A562S", "an Italian codice fiscale", "RSSMRA85T10A562S"),
        ("DNI 54362315K", "a Spanish DNI", "54362315K"),
        ("x2482300W or X2482300W", "a Spanish NIE", "X2482300W"),
        ("NIR 2 95 10 99 126 111 93", "a French NIR", "2 95 10 99 126 111 93"),
        ("Aadhaar 2341 2341 2346", "an Indian Aadhaar number", "2341 2341 2346"),
        ("PAN: ACUPA7085R", "an Indian PAN", "ACUPA7085R"),
        ("PESEL 44051401359", "a Polish PESEL", "44051401359"),
        ("Steuer-ID 36 574 261 809", "a German tax number", "36 574 261 809"),
        ("BSN 111222333", "a Dutch BSN", "111222333"),
        ("NI number AB 12 34 56 C", "a UK national insurance number", "AB 12 34 56 C"),
        ("NHS 943-476-5870", "a UK NHS number", "943-476-5870"),
        ("SIN 123-456-782", "a Canadian social insurance number", "123-456-782"),
        ("TFN 123 456 782", "an Australian tax file number", "123 456 782"),
        ("BOXW310820HNERXN09", "a Mexican CURP", "BOXW310820HNERXN09"),
        ("es 12.531.909-2", "a Chilean RUT", "12.531.909-2"),
        ("360426199101010071", "a Chinese resident number", "360426199101010071"),
        ("971013-9019902", "a Korean resident number", "971013-9019902"),
        ("880320-0016", "a Swedish personal number", "880320-0016"),
        ("131052-308T", "a Finnish personal code", "131052-308T"),
        ("CPR 211062-5629", "a Danish CPR number", "211062-5629"),
        ("fødselsnummer 151086 95088", "a Norwegian birth number", "151086 95088"),
        ("85.07.30-033.28", "a Belgian national number", "85.07.30-033.28"),
        ("756.9217.0769.85", "a Swiss AHV number", "756.9217.0769.85"),
        ("NIF 501 964 843", "a Portuguese NIF", "501 964 843"),
        ("TC kimlik 17291716060", "a Turkish identity number", "17291716060"),
        ("ID number 7503305044089", "a South African identity number", "7503305044089"),
        ("CNP 1630615123457", "a Romanian CNP", "1630615123457"),
        ("ЕГН 7523169263", "a Bulgarian EGN", "7523169263"),
        ("rodné číslo 710319/2745", "a Czech birth number", "710319/2745"),
        ("AMKA 01013099997", "a Greek AMKA", "01013099997"),
        ("OIB 33392005961", "a Croatian OIB", "33392005961"),
        ("isikukood 36805280109", "an Estonian personal code", "36805280109"),
        ("PPS 6433435F", "an Irish PPS number", "6433435F"),
        ("teudat zehut 039337423", "an Israeli identity number", "039337423"),
        ("1-2345-45678-78-1", "a Thai identity number", "1-2345-45678-78-1"),
        ("passport no. X1234567", "a passport number", "X1234567"),
        ("driver's license: D123-4567", "a driving licence number", "D123-4567"),
    ],
)
def test_number_is_found_whole(text: str, explanation: str, value: str) -> None:
    assert (explanation, value) in kinds(text)
    last = text.rfind(next(c for c in reversed(value) if c.isdigit()))
    changed = text[:last] + str((int(text[last]) + 1) % 10) + text[last + 1 :]
    if not any(word in explanation for word in UNCHECKED):
        assert explanation not in [found for found, _ in kinds(changed)]


@pytest.mark.parametrize(
    "text",
    [
        "order 111222333 of 44051401359",
        "call 943 476 5870",
        "id 36574261809",
        "part X1234567 of the manual",
        "version 12.531.909",
        "tracking 971013-90199021",
        "the passport office opens at 9",
        "",
    ],
)
def test_short_number_without_its_words_is_not_found(text: str) -> None:
    assert kinds(text) == []


def test_field_is_as_good_as_the_words() -> None:
    assert kinds("111222333", "bsn") == [("a Dutch BSN", "111222333")]


def test_date_with_a_time_is_no_number_of_a_person() -> None:
    assert kinds("2024-01-02 10:11:12, 20240102-1011") == []


def test_resident_number_of_a_place_in_no_county_is_none() -> None:
    assert kinds("335217195111102424") == []
