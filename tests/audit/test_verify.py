from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from callgate.audit.verify import VerificationError, Verified, verify
from callgate.chain import Head, Sealed, digest, sign
from tests.audit.bundles import (
    FIRST,
    FORGED,
    RECORDS,
    SECOND,
    STRANGER,
    TAMPERED,
    VECTORS,
    Made,
    anchored,
    bundled,
    changed,
    claimed,
    flipped,
    pem,
    resigned,
    rotated,
    sound,
    text,
    two_chains,
    vectors,
)

ROOT = Path(__file__).parents[2]
KEYS = {key.name: key for key in (FIRST, SECOND, STRANGER)}


def second_verifier() -> Callable[..., None]:
    path = ROOT / "scripts" / "verify_bundle.py"
    spec = importlib.util.spec_from_file_location("verify_bundle", path)
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    main: Callable[..., None] = module.main
    return main


SECOND_VERIFIER = second_verifier()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bundle.jsonl"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def checked(file: Path, lines: Sequence[str], *keys: str, thorough: bool = False) -> Verified:
    file.write_text(text(lines))
    return verify(file, keys or (FIRST.name,), every_signature=thorough)


def second(file: Path, *keys: str) -> str:
    """What the second verifier has against a bundle: empty where nothing."""
    paths: list[str] = []
    for name in keys or (FIRST.name,):
        path = file.with_suffix(f".{len(paths)}.pub")
        path.write_bytes(pem(KEYS[name]))
        paths.append(str(path))
    try:
        SECOND_VERIFIER(str(file), *paths)
    except SystemExit as found:
        return str(found.code)
    return ""


def fault(file: Path, lines: Sequence[str], *keys: str, thorough: bool = False) -> tuple[str, str]:
    """Step and message of the first; the second verifier must refuse the bundle too."""
    with pytest.raises(VerificationError) as error:
        checked(file, lines, *keys, thorough=thorough)
    assert second(file, *keys).startswith("BAD: ")
    return error.value.step, str(error.value)


def test_sound_bundle_passes(file: Path, keys: Path) -> None:
    found = checked(file, sound(keys), thorough=True)

    ((_, numbers),) = found.chains.items()
    assert (found.records, numbers, found.checkpoints) == (5, (1, 5), 1)
    assert found.keys == (FIRST.name,)
    assert found.made_at == "2030-01-01T12:00:00+00:00"
    assert second(file) == ""


@pytest.mark.parametrize("name", sorted(TAMPERED))
def test_tampering_is_found_and_the_first_bad_record_named(
    file: Path, keys: Path, name: str
) -> None:
    tamper, step, message = TAMPERED[name]

    found, said = fault(file, tamper(sound(keys)))

    assert found == step
    assert re.search(message, said), said


@pytest.mark.parametrize("name", sorted(FORGED))
def test_forged_log_is_found(file: Path, keys: Path, name: str) -> None:
    make, step, message = FORGED[name]

    found, said = fault(file, make(keys))

    assert found == step
    assert re.search(message, said), said


def test_no_bit_can_be_flipped(file: Path, keys: Path) -> None:
    whole = text(rotated(keys))
    # a prime step, so that every kind of place is met
    for place in range(0, len(whole), 13):
        file.write_text(flipped(whole, place))
        with pytest.raises(VerificationError):
            verify(file, [SECOND.name])
        assert second(file, SECOND.name), place


def test_second_verifier_names_the_same_record(file: Path, keys: Path) -> None:
    fault(file, changed(4, "withheld", "delivered")(sound(keys)))

    assert re.fullmatch(r"BAD: record 3 of \S+ \(line 5\) was changed: signature", second(file))


@pytest.mark.parametrize("trusted", [FIRST, SECOND])
def test_log_goes_on_with_a_new_key(file: Path, keys: Path, trusted: Any) -> None:
    found = checked(file, rotated(keys), trusted.name, thorough=True)

    assert found.records == 11
    assert found.keys == (FIRST.name, SECOND.name)
    assert second(file, trusted.name) == ""


def test_key_that_was_only_announced_is_good_for_the_end(file: Path, keys: Path) -> None:
    lines = Made.chain(keys, FIRST, SECOND).add().rotate(SECOND).lines()

    assert checked(file, lines, SECOND.name).keys == (FIRST.name, SECOND.name)
    assert second(file, SECOND.name) == ""


def test_new_key_needs_a_record_of_the_old_one(file: Path, keys: Path) -> None:
    lines = rotated(keys)
    # record 7, the first of the new key, and the record 6 that announces it
    step, said = fault(file, [*lines[:7], claimed(lines[7], STRANGER), *lines[8:]], SECOND.name)
    assert (step, "record 6 of" in said, "names key" in said) == ("chains", True, True)
    step, said = fault(file, [*lines[:8], claimed(lines[8], STRANGER), *lines[9:]], SECOND.name)
    assert (step, "record 7 of" in said, "changed" in said) == ("chains", True, False)


def test_announcement_of_a_key_must_be_signed(file: Path, keys: Path) -> None:
    """The whole log behind a forged announcement is signed with the new key, properly."""
    made = Made.chain(keys, FIRST, SECOND).add()
    made.rotate(SECOND)
    forged = resigned(made.sealed[-1].line, STRANGER)
    made.sealed[-1] = Sealed(made.sealed[-1].number, forged)
    made.head = Head(6, digest(forged.encode()), SECOND.name)

    step, said = fault(file, made.add().lines(), FIRST.name)

    assert (step, "record 6 of" in said) == ("signatures", True)


def test_stolen_old_key_can_not_end_the_log(file: Path, keys: Path) -> None:
    """Who has only the old key cuts the log off where the new one begins."""
    made = Made.chain(keys, FIRST).add()

    assert fault(file, made.lines(), SECOND.name)[0] == "keys"
    lines = rotated(keys)
    assert fault(file, [*lines[:-1], claimed(lines[-1], FIRST)], SECOND.name)[0] == "keys"


def test_log_may_begin_with_a_signed_anchor(file: Path, keys: Path) -> None:
    found = checked(file, anchored(keys), thorough=True)

    assert list(found.chains.values()) == [(3, 5)]
    assert second(file) == ""


@pytest.mark.parametrize(
    ("tamper", "step", "message"),
    [
        (lambda lines: [lines[0], *lines[2:]], "chains", "begins with record 3, and no signed"),
        (
            lambda lines: [lines[0], claimed(lines[1], STRANGER), *lines[2:]],
            "signatures",
            "anchor at record 2 of .* is not signed with a key of its chain",
        ),
        (changed(1, '"number":2', '"number":1'), "chains", "record 3 of .* follows record 1"),
        (
            changed(1, '"digest":"', '"digest":"0'),
            "chains",
            "does not continue what its anchor stands for",
        ),
        (changed(1, '"next":"', '"next":"A'), "chains", "record 3 of .* names key"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "chains", "line 3 is no record"),
    ],
)
def test_anchor_can_not_be_forged(
    file: Path, keys: Path, tamper: Callable[[list[str]], list[str]], step: str, message: str
) -> None:
    found, said = fault(file, tamper(anchored(keys)))

    assert found == step
    assert re.search(message, said), said


def test_old_checkpoint_stays_good_when_its_records_are_removed(file: Path, keys: Path) -> None:
    made = Made.chain(keys, FIRST).add(RECORDS[:2]).checkpoint().add(RECORDS[2:]).cut(3)

    assert checked(file, made.lines()).checkpoints == 1
    assert second(file) == ""


def test_each_chain_of_a_bundle_needs_its_key(file: Path, keys: Path) -> None:
    lines = two_chains(keys)

    assert len(checked(file, lines, FIRST.name, SECOND.name).chains) == 2
    assert second(file, FIRST.name, SECOND.name) == ""
    step, said = fault(file, lines, FIRST.name)
    assert (step, SECOND.name in said) == ("keys", True)


def test_whole_chain_left_out_is_found(file: Path, keys: Path) -> None:
    lines = two_chains(keys)
    without = [line for line in lines if '"instance":"b-' not in line or "chains" in line]

    step, said = fault(file, without, FIRST.name, SECOND.name)

    assert step == "heads"
    assert re.match("b-.* ends with record 0, but 5 was signed", said)


def test_chain_that_the_end_does_not_know_is_found(file: Path, keys: Path) -> None:
    one, other = Made.chain(keys / "a", FIRST).add(), Made.chain(keys / "b", SECOND, name="b").add()
    lines = bundled(one)
    lines[-1:-1] = [sealed.line for sealed in other.sealed]

    step, said = fault(file, lines, FIRST.name, SECOND.name)

    assert (step, said[:40]) == ("heads", "the end of the bundle does not know b-" + said[38:40])


def test_record_that_continues_another_history_is_named(file: Path, keys: Path) -> None:
    """Both are signed with the right key, but they are not of one log."""
    lines = sound(keys)
    other = Made.chain(keys, FIRST).add([{"kind": "start"}, *RECORDS[1:]]).lines()

    step, said = fault(file, [*lines[:3], *other[2:]])

    assert step == "chains"
    assert re.match("record 2 of .* continues another record 1 than the one that stands here", said)


def test_end_signed_with_an_announced_key_that_is_none_is_a_fault(file: Path, keys: Path) -> None:
    made = Made.chain(keys, FIRST).add([{"kind": "key", "next": "none"}])
    made.head = Head(1, digest(made.sealed[-1].line.encode()), FIRST.name)
    value = json.loads(made.lines()[-1])
    value["end"]["key"] = "none"
    del value["signature"]

    step, _ = fault(file, [*made.lines()[:-1], sign(value, FIRST.private)])

    assert step == "signatures"


def test_unusable_keys_in_lines_are_a_fault_and_no_crash(file: Path, keys: Path) -> None:
    lines = sound(keys)
    lines[2] = lines[2].replace(FIRST.name, "=" * 43 + "=", 1)
    fault(file, lines)
    lines = sound(keys)
    lines[2] = lines[2].replace(FIRST.name, "A" * 42 + "+=", 1)
    fault(file, lines)


def test_bad_record_in_a_sound_chain_is_found_where_that_is_asked_for(
    file: Path, keys: Path
) -> None:
    """Only who has the key can make one, by not signing: all that follows is signed."""
    made = Made.chain(keys, FIRST).add(RECORDS[:1])
    forged = resigned(made.sealed[-1].line, STRANGER)
    made.sealed[-1] = Sealed(1, forged)
    made.head = Head(1, digest(forged.encode()), FIRST.name)
    lines = made.add(RECORDS[1:]).lines()

    assert checked(file, lines).records == 5
    step, said = fault(file, lines, thorough=True)
    assert (step, "record 1 of" in said) == ("records", True)


def test_progress_tells_the_step_and_bytes(file: Path, keys: Path) -> None:
    made = Made.chain(keys, FIRST)
    made.add([{"kind": "delivery"}] * 5000)
    file.write_text(text(made.lines()))
    told: list[tuple[str, int]] = []

    verify(file, [FIRST.name], every_signature=True, progress=lambda s, d: told.append((s, d)))

    assert [step for step, _ in told] == ["chains", "records"]
    assert told[0][1] < told[1][1] == file.stat().st_size


def test_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "none", [FIRST.name])


# -- the vectors of docs/audit-log.md ---------------------------------------------------------


def table() -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = json.loads((VECTORS / "vectors.json").read_text())
    return found


def test_vectors_are_what_the_product_writes() -> None:
    made = {f"{name}.jsonl": text(lines) for name, lines, _, _ in vectors()}

    assert {p.name: p.read_text() for p in VECTORS.glob("*.jsonl")} == made
    assert sorted(made) == sorted(row["bundle"] for row in table())


@pytest.mark.parametrize("row", table(), ids=lambda row: str(row["bundle"]))
def test_both_verifiers_agree_on_the_vectors(row: Mapping[str, str]) -> None:
    path, key = VECTORS / row["bundle"], VECTORS / row["key"]
    trusted = next(k.name for k in KEYS.values() if pem(k) == key.read_bytes())
    step = ""
    try:
        verify(path, [trusted])
    except VerificationError as error:
        step = error.step
    try:
        SECOND_VERIFIER(str(path), str(key))
        accepts = True
    except SystemExit:
        accepts = False

    assert step == row["fails"]
    assert accepts == (not step)
