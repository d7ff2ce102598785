"""Personal data: what a checksum or a numbering plan proves, helped by the words around it.

E-mail addresses are what most tools are for: they are found with a confidence below 0.5, which
means for information only. The same holds for a bare number in a field of its own.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace

import phonenumbers
from stdnum import bitcoin, iban, luhn

from callgate.detectors import values
from callgate.detectors.base import Text
from callgate.detectors.pattern import goes_on, pattern
from callgate.detectors.pii.national import national_ids
from callgate.detectors.spans import Spans
from callgate.model import Finding, Reason

_EMAIL = pattern(r"[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}\b")
_DIGIT = re.compile(r"[0-9]")  # cheaper than RE2 for the many strings that hold none
_DIGITS = pattern(
    r"\d[\d .()/–-]{4}|(?i)[A-Z]{2}\d\d[ A-Z0-9-]{4}|[A-Z]{4}\d{4}|[a-f\d:]{3}:[a-f\d]|bc1"
    r"|\b[13][1-9A-HJ-NP-Za-km-z]{25}|\d\d? \w{3}"
)
_CARD = pattern(r"(?:^|[^\w.+#/-])(\d(?:[ -]?\d){11,18})\b")
_IBAN = pattern(r"(?i)\b[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]){11,30}\b")
_PHONE = pattern(r"(?:^|[^\w.,+#=/-]|\\,)((?:\+|\(?\d|\()[\d ().\-/x]{5,24}\d)\b")
_NORTH_AMERICAN = pattern(r"(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{4}")
_NO_PHONE = pattern(
    r"^(?:19|20)\d\d ?[-–/] ?(?:19|20)?\d\d$|^(?:19|20)\d\d[-./]\d\d?[-./]\d\d"
    r"|^\d\d?[-./]\d\d?[-./](?:19|20)\d\d"
    r"|^\d{5}-\d{4}$|^\d{1,3}(?: \d{1,2}){3,}$|^\d+/\d+$|^\d+\.\d+$|^0000?|[-./ ]{3}"
)
"""Years, dates, postal codes, versions."""
_NEAR = 60
"""Characters within which words tell what a number is."""
_CARD_CONTEXT = pattern(
    r"(?i)card|\bcc\b|\bpan\b|credit|debit|visa|master|amex|american express|discover|expir|cvv|cvc"
    r"|tarjeta|karte|carte|カード"
)
_PHONE_CONTEXT = pattern(
    r"(?i)\b(?:tele?)?phone|\btel\b|\bcall|mobile|\bcell|\bfax|contact|reach (?:me|us|him|her)"
    r"|whatsapp|\bsms\b|text (?:me|us)|dial|number is|registered|messages? to|answering|hotline"
    r"|telefon|móvil|handy|電話|\bnumber\b"
)
_ID_FIELDS = pattern(
    r"(?i)(?:^|_)(?:id|ids|order|invoice|ref|reference|sku|isbn|tracking|ts|timestamp|version|sha"
    r"|hash|uuid|npi|part|zip|lat|lon|url|path|query|date|time)(?:_|$)|(?:id|Id)$"
)
_BIRTH = pattern(
    r"(?i)\b(?:d\.?o\.?b\.?|date of birth|birth[ _]?date|birthday|born(?: on)?|geboren am"
    r"|geburtsdatum"
    r"|née? le|date de naissance|fecha de nacimiento|data di nascita|生年月日)"
    r"[\"']?\s{0,3}(?:is|was)?"
    r"[:=#-]?\s{0,3}[\"']?"
    r"(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.](?:\d{4}|\d\d)|\d\d?(?:st|nd|rd|th"
    r"|\.)? [a-z]{3,9}\.?,? \d{4}"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? \d\d?(?:st|nd|rd"
    r"|th)?,? \d{4})\b"
)
_IP = pattern(
    r"(?:^|[^\w.:-])((?:\d{1,3}\.){3}\d{1,3}"
    r"|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4})(?:[^\w:-]|$)"
)
_BITCOIN = pattern(
    r"\b([13][1-9A-HJ-NP-Za-km-z]{25,34}|(?:bc1|BC1)[02-9AC-HJ-NP-Zac-hj-np-z]{11,71})\b"
)
_CARD_LENGTHS: tuple[tuple[str, frozenset[int]], ...] = (
    (r"^4", frozenset((13, 16, 19))),
    (r"^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)", frozenset((16,))),
    (r"^3[47]", frozenset((15,))),
    (r"^(?:6011|64[4-9]|65|62)", frozenset(range(16, 20))),
    (r"^35(?:2[89]|[3-8])", frozenset(range(16, 20))),
    (r"^(?:30[0-5]|36|38|39)", frozenset(range(14, 20))),
    (r"^(?:50|5[6-8]|6)", frozenset(range(12, 20))),
    (r"^(?:2131|1800)", frozenset((15,))),
)
"""Prefixes and lengths by issuer (ISO/IEC 7812), the last being Maestro and old JCB."""
_ISSUERS = tuple((pattern(prefix), lengths) for prefix, lengths in _CARD_LENGTHS)


class Pii:
    """See `Detector`; yields reason PII_DETECTED."""

    name = "pii"

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`."""
        if "@" in text.value:
            for match in _EMAIL.finditer(text.value):
                start, end = match.span()
                yield _finding(text, "EMAIL", start, end, 0.3, "an e-mail address")
        if not _DIGIT.search(text.value) or not _DIGITS.search(text.value):
            return
        text = replace(text, value=values.without_placeholders(text.value))
        spans = Spans(len(text.value))
        for finder in (_ibans, _cards, _nationals, _births, _addresses, _phones):
            for finding in finder(text):
                if spans.take(finding.start, finding.end):
                    yield finding


def _finding(
    text: Text, kind: str, start: int, end: int, confidence: float, explanation: str
) -> Finding:
    return Finding(
        kind, Reason.PII_DETECTED, text.path, start, end, confidence, f"looks like {explanation}"
    )


def _ibans(text: Text) -> Iterator[Finding]:
    for match in _IBAN.finditer(text.value):
        start, end = match.span()
        # The match may have run on into words in capitals: give up one word at a time.
        while end - start >= 15:
            number = text.value[start:end]
            is_told = number.isupper() or "iban" in text.value.lower()
            if is_told and iban.is_valid(number, check_country=False):
                yield _finding(text, "IBAN", start, end, 0.95, "a bank account number")
                break
            end = max(text.value.rfind(gap, start, end) for gap in " -")


def _cards(text: Text) -> Iterator[Finding]:
    for match in _CARD.finditer(text.value):
        start, end = match.span(1)
        number = match.group(1)
        digits = number.replace(" ", "").replace("-", "")
        if goes_on(text.value, end) or len(set(digits)) < 2:
            continue
        if luhn.is_valid(digits):
            confidence = _card_confidence(text, number, digits)
            yield _finding(text, "CREDIT_CARD", start, end, confidence, "a payment card number")


def _card_confidence(text: Text, number: str, digits: str) -> float:
    is_issued = any(
        prefix.search(digits) and len(digits) in lengths for prefix, lengths in _ISSUERS
    )
    is_named = bool(_CARD_CONTEXT.search(text.field)) and not _ID_FIELDS.search(text.field)
    if is_named or _CARD_CONTEXT.search(text.value):
        return 0.95 if is_issued else 0.7
    # One in ten numbers passes the check, and most long bare numbers are ids.
    is_id = text.value.strip() == number and (number.isdigit() or "token" in text.field)
    return 0.7 if is_issued and len(number) >= 15 and not is_id else 0.3


def _nationals(text: Text) -> Iterator[Finding]:
    for entry, start, end in national_ids(text.value, text.field):
        yield _finding(text, entry.kind, start, end, 0.85, entry.explanation)


def _births(text: Text) -> Iterator[Finding]:
    for match in _BIRTH.finditer(text.value):
        start, end = match.span(1)
        yield _finding(text, "DATE_OF_BIRTH", start, end, 0.6, "a date of birth")


def _addresses(text: Text) -> Iterator[Finding]:
    """Hosts and wallets are what tools work with: for information."""
    for match in _IP.finditer(text.value):
        if _is_public(match.group(1)):
            start, end = match.span(1)
            yield _finding(text, "IP_ADDRESS", start, end, 0.3, "an IP address")
    for match in _BITCOIN.finditer(text.value):
        if bitcoin.is_valid(match.group(1)):
            start, end = match.span(1)
            yield _finding(text, "CRYPTO_ADDRESS", start, end, 0.4, "a Bitcoin address")


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _phones(text: Text) -> Iterator[Finding]:
    is_named = bool(_PHONE_CONTEXT.search(text.field))
    if not is_named and _ID_FIELDS.search(text.field):
        return
    for match in _PHONE.finditer(text.value):
        start, end = match.span(1)
        number = match.group(1)
        if goes_on(text.value, end) and text.value[end + 1 : end + 2].isdigit():
            continue
        around = text.value[max(0, start - _NEAR) : end + _NEAR]
        confidence = _phone_confidence(number, is_named or bool(_PHONE_CONTEXT.search(around)))
        if confidence:
            is_alone = text.value.strip() == number.strip()
            confidence = 0.4 if is_alone else confidence
            yield _finding(text, "PHONE", start, end, confidence, "a phone number")


def _phone_confidence(number: str, is_expected: bool) -> float:
    if number.startswith("+"):
        return 0.8 if _is_possible(number, None) else 0.0
    if number.startswith("00") and not number.isdigit() and _is_possible("+" + number[2:], None):
        return 0.6
    if _NO_PHONE.search(number) or not _is_possible(number, "US"):
        return 0.0
    if is_expected and _is_grouped(number):
        return 0.6
    return 0.6 if _NORTH_AMERICAN.fullmatch(number) else 0.0


def _is_grouped(number: str) -> bool:
    return not number.isdigit() or len(number) in (10, 11)


def _is_possible(number: str, region: str | None) -> bool:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    if region is None:
        return phonenumbers.is_possible_number(parsed)
    return 7 <= len(str(parsed.national_number)) <= 13
