from __future__ import annotations

import base64
from pathlib import Path

import pytest

from callgate.audit import thorough
from callgate.audit.thorough import check_all, check_part
from callgate.canonical import Json, canonical
from tests.audit.bundles import FIRST, STRANGER, Made, flipped, resigned, text


def lines(folder: Path, count: int = 50) -> list[str]:
    records: list[dict[str, Json]] = [{"kind": "call", "tool": f"é{n}"} for n in range(count)]
    return Made.chain(folder, FIRST).add(records).lines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "bundle"
    file.write_text(text(lines(tmp_path / "keys")))
    return file


def test_sound_bundle_has_no_fault(file: Path) -> None:
    told: list[int] = []

    assert check_all(file, told.append) is None
    assert told == [file.stat().st_size]


@pytest.mark.parametrize("number", [1, 25, 50])
def test_record_that_another_signed_is_found(file: Path, number: int) -> None:
    found = file.read_text().splitlines()
    found[number] = resigned(found[number], STRANGER)
    file.write_text(text(found))

    fault = check_all(file, lambda done: None)

    assert fault
    assert (fault.link.number, fault.why) == (number, "its signature does not fit")


def test_each_line_is_one_parts_whatever_the_cut(file: Path) -> None:
    found = file.read_text().splitlines()
    found[25] = flipped(found[25], -20)
    file.write_text(text(found))
    size = file.stat().st_size

    for cut in range(0, size, 997):
        faults = [check_part((file, 0, cut)), check_part((file, cut, size))]
        assert [f.link.number for f in faults if f] == [25], cut


def test_several_processes_find_what_one_finds(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thorough, "_PART_BYTES", file.stat().st_size // 2 + 1)
    assert check_all(file, lambda done: None) is None
    found = file.read_text().splitlines()
    found[49] = resigned(found[49], STRANGER)
    file.write_text(text(found))

    fault = check_all(file, lambda done: None)

    assert fault
    assert fault.link.number == 49


@pytest.mark.parametrize(
    "extra", ['"a":1.0', '"a": 1', '"b":1,"a":1', '"a":1,"a":1', '"a":"\\u0041"']
)
def test_form_that_readers_could_read_differently_is_found(tmp_path: Path, extra: str) -> None:
    made = lines(tmp_path / "keys", 1)
    head, _, _ = made[1].partition(',"signature"')
    body = head.replace('"record":{', '"record":{' + extra + ",").encode() + b"}"
    signature = FIRST.private.sign(body)
    file = tmp_path / "bundle"
    encoded = base64.b64encode(signature)
    file.write_bytes(body[:-1] + b',"signature":"' + encoded + b'"}\n')

    fault = check_all(file, lambda done: None)

    assert fault
    assert fault.why == "it is not canonical JSON"


def test_numbers_that_the_standard_library_writes_otherwise_are_canonical(tmp_path: Path) -> None:
    records: list[dict[str, Json]] = [{"kind": "call", "risk": 1e-7, "\U0001f600": 1, "\ufb33": 2}]
    file = tmp_path / "bundle"
    file.write_text(text(Made.chain(tmp_path / "keys", FIRST).add(records).lines()))

    assert b"1e-7" in canonical(records[0])
    assert check_all(file, lambda done: None) is None
