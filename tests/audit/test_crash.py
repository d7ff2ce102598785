from __future__ import annotations

import random
from pathlib import Path

import pytest

from callgate.audit import mirror
from tests.audit.crash import play


def test_killed_at_any_moment_the_log_verifies_and_keeps_what_it_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_CLOSE_SECONDS", 60)  # to catch up, however slow the disk
    random_ = random.Random()
    for _ in range(3):
        found = play(tmp_path, random_)
        assert found.records > found.acknowledged > 0
        # as a kill between two writes of one line would leave it
        copy = tmp_path / "mirror.jsonl"
        copy.write_bytes(copy.read_bytes()[: -random_.randrange(1, 200)])
