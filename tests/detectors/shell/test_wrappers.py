from __future__ import annotations

import pytest

from callgate.detectors.shell.wrappers import WRAPPERS, skip, unwrap


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("rm x", "rm x"),
        ("sudo -u root rm x", "rm x"),
        ("/usr/bin/sudo -- rm x", "rm x"),
        ("env A=1 timeout -k 5 60 nice -n 10 rm x", "rm x"),
        ("env -S rm x", "rm x"),
        ("! { then rm x", "rm x"),
        ("command rm x", "rm x"),
        ("command -v rm", ""),
        ("then", ""),
        ("sudo", ""),
        ("", ""),
    ],
)
def test_wrappers_are_taken_off(line: str, command: str) -> None:
    assert " ".join(unwrap(line.split())) == command


def test_wrappers_without_end_are_left() -> None:
    assert unwrap(["sudo"] * 60 + ["rm"])[0] in WRAPPERS


def test_own_words_come_after_options() -> None:
    assert skip(["-p", "22", "-v", "host", "rm", "-rf"], "-p", 1) == ["rm", "-rf"]
