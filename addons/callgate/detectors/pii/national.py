"""Numbers that states give to persons: by checksum, and by the words around short ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stdnum import verhoeff
from stdnum.au import tfn
from stdnum.be import nn
from stdnum.bg import egn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.ee import ik
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.gr import amka
from stdnum.hr import oib
from stdnum.ie import pps
from stdnum.il import idnr as teudat
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.ro import cnp
from stdnum.se import personnummer
from stdnum.th import pin
from stdnum.tr import tckimlik
from stdnum.us import itin, ssn
from stdnum.za import idnr as za_id

from callgate.detectors.pattern import Pattern, goes_on, pattern


@dataclass(frozen=True, slots=True)
class NationalId:
    """One kind of number."""

    kind: str
    explanation: str
    pattern: str
    is_valid: Callable[[str], bool]
    context: str = ""
    """Words that must stand near; empty where the checksum and the shape are enough."""


def _is_chinese(number: str) -> bool:
    try:
        return bool(ric.is_valid(number))
    except KeyError:  # stdnum: the place is in a province, and in no county that it ever had
        return False


def _plain(check: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda number: bool(check(re.sub(r"[ ./-]", "", number)))


def _always(_: str) -> bool:
    return True


_BEFORE = r"(?:^|[^\w.-])"
_AFTER = r"\b"  # of what follows nothing is used up: it may be all that parts two numbers

NATIONAL: tuple[NationalId, ...] = (
    NationalId("SSN", "a US social security number", r"(\d{3}-\d\d-\d{4})", ssn.is_valid),
    NationalId(
        "SSN",
        "a US social security number",
        r"(\d{3}[ .–]?\d\d[ .–]?\d{4})",
        lambda number: bool(ssn.is_valid(re.sub(r"[ .–]", "", number))),
        r"\bssns?\b|ssn_|_ssn|social[ _-]?security|soc\.? sec|sozialversicherungsnummer",
    ),
    NationalId(
        "ITIN",
        "a US taxpayer number",
        r"(9\d{2}[ -]?\d\d[ -]?\d{4})",
        _plain(itin.is_valid),
        r"\bitins?\b|taxpayer|tax id|social[ _-]?security|\bssns?\b",
    ),
    NationalId("NATIONAL_ID", "a Brazilian CPF", r"(\d{3}\.\d{3}\.\d{3}-\d\d)", cpf.is_valid),
    NationalId("NATIONAL_ID", "a Brazilian CPF", r"(\d{11})", cpf.is_valid, r"\bcpf\b"),
    NationalId(
        "NATIONAL_ID",
        "an Italian codice fiscale",
        r"([A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z])",
        codicefiscale.is_valid,
    ),
    NationalId(
        "NATIONAL_ID",
        "a Spanish DNI",
        r"(\d{8}-?[A-HJ-NP-TV-Z])",
        dni.is_valid,
        r"\bdni\b|\bnif\b|documento|identidad|national id",
    ),
    NationalId("NATIONAL_ID", "a Spanish NIE", r"([XYZ]-?\d{7}-?[A-HJ-NP-TV-Z])", nie.is_valid),
    NationalId(
        "NATIONAL_ID",
        "a French NIR",
        r"([12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d)",
        nir.is_valid,
        r"\bnir\b|s[ée]curit[ée] sociale|\binsee\b|national id",
    ),
    NationalId(
        "NATIONAL_ID",
        "an Indian Aadhaar number",
        r"(\d{4}[ -]?\d{4}[ -]?\d{4})",
        _plain(verhoeff.is_valid),
        r"aadha?ar|uidai",
    ),
    NationalId(
        "NATIONAL_ID",
        "an Indian PAN",
        r"([A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z])",
        _always,
        r"\bpan\b|permanent account|income tax",
    ),
    NationalId("NATIONAL_ID", "a Polish PESEL", r"(\d{11})", pesel.is_valid, r"pesel"),
    NationalId(
        "NATIONAL_ID",
        "a German tax number",
        r"(\d\d ?\d{3} ?\d{3} ?\d{3})",
        idnr.is_valid,
        r"steuer|tax id|idnr",
    ),
    NationalId("NATIONAL_ID", "a Dutch BSN", r"(\d{9})", bsn.is_valid, r"\bbsn\b|burgerservice"),
    NationalId(
        "NATIONAL_ID",
        "a UK national insurance number",
        r"([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D])",
        _always,
        r"national insurance|\bnino\b|\bni (?:no|number)|\bnin\b",
    ),
    NationalId(
        "NATIONAL_ID", "a UK NHS number", r"(\d{3}[ -]?\d{3}[ -]?\d{4})", nhs.is_valid, r"\bnhs\b"
    ),
    NationalId(
        "NATIONAL_ID",
        "a Canadian social insurance number",
        r"(\d{3}[ -]?\d{3}[ -]?\d{3})",
        sin.is_valid,
        r"\bsin\b|social insurance|assurance sociale",
    ),
    NationalId(
        "NATIONAL_ID",
        "an Australian tax file number",
        r"(\d{3} ?\d{3} ?\d{2,3})",
        tfn.is_valid,
        r"\btfn\b|tax file",
    ),
    NationalId(
        "NATIONAL_ID", "a Mexican CURP", r"([A-Z]{4}\d{6}[A-Z]{6}[A-Z0-9]\d)", curp.is_valid
    ),
    NationalId("NATIONAL_ID", "a Chilean RUT", r"(\d{1,2}\.\d{3}\.\d{3}-[\dkK])", rut.is_valid),
    NationalId("NATIONAL_ID", "a Chinese resident number", r"([1-9]\d{16}[\dX])", _is_chinese),
    NationalId("NATIONAL_ID", "a Korean resident number", r"(\d{6}-\d{7})", rrn.is_valid),
    NationalId(
        "NATIONAL_ID",
        "a Swedish personal number",
        r"((?:19|20)?\d{6}[-+]\d{4})",
        personnummer.is_valid,
    ),
    NationalId(
        "NATIONAL_ID",
        "a Finnish personal code",
        r"(\d{6}[-+ABCDEFYXWVU]\d{3}[\dA-Y])",
        hetu.is_valid,
    ),
    NationalId(
        "NATIONAL_ID",
        "a Danish CPR number",
        r"(\d{6}-?\d{4})",
        cpr.is_valid,
        r"\bcpr\b|personnummer",
    ),
    NationalId(
        "NATIONAL_ID",
        "a Norwegian birth number",
        r"(\d{6} ?\d{5})",
        fodselsnummer.is_valid,
        r"f[øo]dselsnummer|personnummer|national id",
    ),
    NationalId(
        "NATIONAL_ID", "a Belgian national number", r"(\d\d\.\d\d\.\d\d-\d{3}\.\d\d)", nn.is_valid
    ),
    NationalId("NATIONAL_ID", "a Swiss AHV number", r"(756\.\d{4}\.\d{4}\.\d\d)", ahv.is_valid),
    NationalId(
        "NATIONAL_ID",
        "a Portuguese NIF",
        r"(\d{3} ?\d{3} ?\d{3})",
        nif.is_valid,
        r"\bnif\b|contribuinte",
    ),
    NationalId(
        "NATIONAL_ID",
        "a Turkish identity number",
        r"(\d{11})",
        tckimlik.is_valid,
        r"\btc(?:kn)?\b|kimlik",
    ),
    NationalId(
        "NATIONAL_ID",
        "a South African identity number",
        r"(\d{6} ?\d{4} ?\d{2} ?\d)",
        za_id.is_valid,
        r"south africa|\bid (?:no|number)|rsa id|identity number",
    ),
    NationalId("NATIONAL_ID", "a Romanian CNP", r"(\d{13})", cnp.is_valid, r"\bcnp\b"),
    NationalId("NATIONAL_ID", "a Bulgarian EGN", r"(\d{10})", egn.is_valid, r"\begn\b|егн"),
    NationalId(
        "NATIONAL_ID",
        "a Czech birth number",
        r"(\d{6}/\d{3,4})",
        rc.is_valid,
        r"rodn[ée]|birth number",
    ),
    NationalId("NATIONAL_ID", "a Greek AMKA", r"(\d{11})", amka.is_valid, r"amka|αμκα"),
    NationalId("NATIONAL_ID", "a Croatian OIB", r"(\d{11})", oib.is_valid, r"\boib\b"),
    NationalId(
        "NATIONAL_ID",
        "an Estonian personal code",
        r"(\d{11})",
        ik.is_valid,
        r"isikukood|personal code",
    ),
    NationalId("NATIONAL_ID", "an Irish PPS number", r"(\d{7}[A-W][A-I]?)", pps.is_valid, r"\bpps"),
    NationalId(
        "NATIONAL_ID",
        "an Israeli identity number",
        r"(\d{9})",
        teudat.is_valid,
        r"teudat|israeli? id|ת\.?ז",
    ),
    NationalId("NATIONAL_ID", "a Thai identity number", r"(\d-\d{4}-\d{5}-\d\d-\d)", pin.is_valid),
    NationalId(
        "PASSPORT",
        "a passport number",
        r"([A-Z]{0,2}\d{6,9}[A-Z]?)",
        _always,
        r"(?:passport|reisepass|passeport|pasaporte)\b[^\n]{0,30}\d{5}",
    ),
    NationalId(
        "DRIVING_LICENCE",
        "a driving licence number",
        r"([A-Z]{0,5}[\d-]{5,12}[A-Z]{0,3}\d{0,3}[A-Z]{0,2}|[A-Z9]{5}\d{6}[A-Z9]{2}\d[A-Z]{2})",
        lambda number: sum(map(str.isdigit, number)) >= 5,
        r"driv(?:er'?s?|ers?'|ing)[ _]licen[cs]e[^\n]{0,30}\d{3}|führerschein",
    ),
)
"""In order of precedence."""


_COMPILED: tuple[tuple[NationalId, Pattern, Pattern | None], ...] = tuple(
    (
        entry,
        pattern(_BEFORE + entry.pattern + _AFTER),
        pattern(f"(?i){entry.context}") if entry.context else None,
    )
    for entry in NATIONAL
)
_ANY_SHAPE = pattern("|".join(f"{_BEFORE}{e.pattern}{_AFTER}" for e in NATIONAL if not e.context))
_ANY_CONTEXT = pattern("(?i)" + "|".join(e.context for e in NATIONAL if e.context))


def national_ids(text: str, field: str) -> Iterator[tuple[NationalId, int, int]]:
    """Yield each number with its place; `field` is a context as good as the text's words."""
    has_context = bool(_ANY_CONTEXT.search(text) or _ANY_CONTEXT.search(field))
    if not has_context and not _ANY_SHAPE.search(text):
        return
    for entry, expression, context in _COMPILED:
        if context and not (has_context and (context.search(text) or context.search(field))):
            continue
        for match in expression.finditer(text):
            start, end = match.span(1)
            if not goes_on(text, end) and entry.is_valid(match.group(1)):
                yield entry, start, end
