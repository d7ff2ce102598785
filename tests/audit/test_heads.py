from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from callgate.audit.heads import Heads, instance_of
from tests.audit.bundles import FIRST, Made


@pytest.fixture
def heads(tmp_path: Path) -> Heads:
    return Heads(tmp_path / "audit.head")


def line(tmp_path: Path, name: str, number: int) -> str:
    made = Made.chain(tmp_path / name, FIRST, name=name).add([{"kind": "call"}] * number)
    return made.checkpoint().before[-1]


def test_last_checkpoint_of_each_chain_is_kept(heads: Heads, tmp_path: Path) -> None:
    assert heads.latest("none") is None
    first, second, other = (line(tmp_path, *one) for one in (("a", 1), ("a", 2), ("b", 1)))
    for one in (first, other, second):
        heads.write(instance_of(one), one)

    assert heads.latest(instance_of(first)) == second
    assert heads.lines([instance_of(first)]) == [second]
    assert heads.lines([instance_of(first), instance_of(other)]) == [second, other]
    assert (tmp_path / "audit.head").stat().st_mode & 0o777 == 0o600


def test_contradicted_checkpoint_stays_for_good(heads: Heads, tmp_path: Path) -> None:
    first, second, third = (line(tmp_path, "a", number) for number in (9, 2, 3))
    name = instance_of(first)
    heads.write(name, first)
    heads.keep(name)
    heads.keep(name)

    assert heads.latest(name) is None
    heads.write(name, second)
    heads.write(name, third)
    assert heads.latest(name) == third
    assert heads.lines([name]) == [first, third]


def test_checkpoint_of_a_later_record_stays(heads: Heads, tmp_path: Path) -> None:
    earlier, later = (line(tmp_path, "a", number) for number in (2, 3))
    name = instance_of(later)

    assert heads.write(name, later)
    assert not heads.write(name, earlier)

    assert heads.latest(name) == later


def test_checkpoint_that_has_no_number_makes_way(heads: Heads, tmp_path: Path) -> None:
    whole = line(tmp_path, "a", 1)
    (tmp_path / "audit.head").write_text(
        f'{{"checkpoint":{{"instance":"{instance_of(whole)}"}}}}\n'
    )

    assert heads.write(instance_of(whole), whole)

    assert heads.latest(instance_of(whole)) == whole


def test_process_waits_for_another_that_writes(heads: Heads, tmp_path: Path) -> None:
    mine, theirs = (line(tmp_path, name, 1) for name in ("a", "b"))
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    writing = threading.Thread(target=heads.write, args=(instance_of(mine), mine))
    writing.start()
    writing.join(0.2)
    (tmp_path / "audit.head").write_text(f"{theirs}\n")
    os.close(folder)
    writing.join()

    assert heads.lines([instance_of(mine), instance_of(theirs)]) == [theirs, mine]


@pytest.mark.parametrize("text", ["", "text", "{}", '{"checkpoint":{}}', '{"checkpoint":1}'])
def test_damaged_line_is_of_no_chain(text: str) -> None:
    assert instance_of(text) == ""
