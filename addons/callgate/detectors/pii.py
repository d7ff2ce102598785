"""Personal data: what a checksum or a numbering plan proves, helped by the words around it.

E-mail addresses are what most tools are for: they are found with a confidence below 0.5, which
means for information only. The same holds for a bare number in a field of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import phonenumbers
from stdnum import iban, luhn, verhoeff
from stdnum.br import cpf
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.us import ssn

from callgate.detectors.base import Text
from callgate.detectors.pattern import pattern
from callgate.detectors.spans import Spans
from callgate.model import Finding, Reason

_EMAIL = pattern(r"[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}\b")
_DIGITS = pattern(r"\d[\d .()/-]{5}|[A-Z]{2}\d\d[ A-Z0-9]{4}|[A-Z]{6}\d\d")
_CARD = pattern(r"(?:^|[^\w.,+#/-])(\d(?:[ -]?\d){11,18})(?:[^\w-]|$)")
_IBAN = pattern(r"(?i)\b[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}\b")
_PHONE = pattern(r"(?:^|[^\w.,+#=/-])((?:\+|\(?\d|\()[\d ().\-/x]{5,24}\d)(?:[^\w-]|$)")
_NORTH_AMERICAN = pattern(r"(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{4}")
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


@dataclass(frozen=True, slots=True)
class _NationalId:
    kind: str
    pattern: str
    is_valid: Callable[[str], bool]
    context: str
    """Words that must stand near; empty where the checksum and the shape are enough."""
    explanation: str


_NATIONAL = (
    _NationalId(
        "SSN",
        r"(?:^|[^\w-])(\d{3}-\d\d-\d{4})(?:[^\w-]|$)",
        ssn.is_valid,
        "",
        "a US social security number",
    ),
    _NationalId(
        "SSN",
        r"(?:^|[^\w-])(\d{3}[ .]?\d\d[ .]?\d{4})(?:[^\w-]|$)",
        lambda number: bool(ssn.is_valid(number.replace(".", "").replace(" ", ""))),
        r"(?i)\bssns?\b|social security|soc sec",
        "a US social security number",
    ),
    _NationalId(
        "NATIONAL_ID",
        r"(?:^|[^\w.-])(\d{3}\.\d{3}\.\d{3}-\d\d)(?:[^\w-]|$)",
        cpf.is_valid,
        "",
        "a Brazilian CPF",
    ),
    _NationalId(
        "NATIONAL_ID",
        r"\b([A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z])\b",
        codicefiscale.is_valid,
        "",
        "an Italian codice fiscale",
    ),
    _NationalId(
        "NATIONAL_ID",
        r"\b(\d{8}-?[A-HJ-NP-TV-Z])\b",
        dni.is_valid,
        r"(?i)\bdni\b|\bnif\b|documento|identidad|national id",
        "a Spanish DNI",
    ),
    _NationalId(
        "NATIONAL_ID",
        r"\b([XYZ]-?\d{7}-?[A-HJ-NP-TV-Z])\b",
        nie.is_valid,
        "",
        "a Spanish NIE",
    ),
    _NationalId(
        "NATIONAL_ID",
        r"\b([12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d)\b",
        nir.is_valid,
        r"(?i)\bnir\b|sécurité sociale|securite sociale|\binsee\b|national id",
        "a French NIR",
    ),
    _NationalId(
        "NATIONAL_ID",
        r"\b(\d{4} ?\d{4} ?\d{4})\b",
        lambda number: bool(verhoeff.is_valid(number.replace(" ", ""))),
        r"(?i)aadha?ar",
        "an Indian Aadhaar number",
    ),
    _NationalId("NATIONAL_ID", r"\b(\d{11})\b", pesel.is_valid, r"(?i)pesel", "a Polish PESEL"),
    _NationalId(
        "NATIONAL_ID",
        r"\b(\d\d ?\d{3} ?\d{3} ?\d{3})\b",
        idnr.is_valid,
        r"(?i)steuer|tax id",
        "a German tax number",
    ),
    _NationalId(
        "NATIONAL_ID", r"\b(\d{9})\b", bsn.is_valid, r"(?i)\bbsn\b|burgerservice", "a Dutch BSN"
    ),
)
_IDS = tuple(
    (entry, pattern(entry.pattern), pattern(entry.context) if entry.context else None)
    for entry in _NATIONAL
)


class Pii:
    """See `Detector`; yields reason PII_DETECTED."""

    name = "pii"

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`."""
        if "@" in text.value:
            for match in _EMAIL.finditer(text.value):
                start, end = match.span()
                yield _finding(text, "EMAIL", start, end, 0.3, "an e-mail address")
        if not _DIGITS.search(text.value):
            return
        spans = Spans(len(text.value))
        for finder in (_ibans, _cards, _national_ids, _phones):
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
            end = text.value.rfind(" ", start, end)


def _cards(text: Text) -> Iterator[Finding]:
    for match in _CARD.finditer(text.value):
        start, end = match.span(1)
        number = match.group(1)
        digits = number.replace(" ", "").replace("-", "")
        if len(set(digits)) > 1 and luhn.is_valid(digits):
            confidence = _card_confidence(text, number, digits)
            yield _finding(text, "CREDIT_CARD", start, end, confidence, "a payment card number")


def _card_confidence(text: Text, number: str, digits: str) -> float:
    is_issued = any(
        prefix.search(digits) and len(digits) in lengths for prefix, lengths in _ISSUERS
    )
    if _CARD_CONTEXT.search(text.field) or _CARD_CONTEXT.search(text.value):
        return 0.95 if is_issued else 0.7
    # One in ten numbers passes the check, and most long bare numbers are ids.
    is_id = text.value.strip() == number and (number.isdigit() or "token" in text.field)
    return 0.7 if is_issued and len(number) >= 15 and not is_id else 0.3


def _national_ids(text: Text) -> Iterator[Finding]:
    for entry, expression, context in _IDS:
        if context and not (context.search(text.value) or context.search(text.field)):
            continue
        for match in expression.finditer(text.value):
            if entry.is_valid(match.group(1)):
                start, end = match.span(1)
                yield _finding(text, entry.kind, start, end, 0.85, entry.explanation)


def _phones(text: Text) -> Iterator[Finding]:
    is_told = bool(_PHONE_CONTEXT.search(text.value))
    is_named = bool(_PHONE_CONTEXT.search(text.field))
    if not is_named and _ID_FIELDS.search(text.field):
        return
    for match in _PHONE.finditer(text.value):
        start, end = match.span(1)
        number = match.group(1)
        confidence = _phone_confidence(number, is_told or is_named)
        if confidence:
            is_alone = text.value.strip() == number.strip()
            confidence = 0.4 if is_alone else confidence
            yield _finding(text, "PHONE", start, end, confidence, "a phone number")


def _phone_confidence(number: str, is_expected: bool) -> float:
    if number.startswith("+"):
        return 0.8 if _is_possible(number, None) else 0.0
    if not _is_possible(number, "US"):
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
