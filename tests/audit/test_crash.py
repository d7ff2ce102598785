from __future__ import annotations

import random
from pathlib import Path

from tests.audit.crash import play


def test_killed_at_any_moment_the_log_verifies_and_keeps_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    random_ = random.Random()
    for _ in range(3):
        found = play(tmp_path, random_)
        assert found.records > found.acknowledged > 0
        # as a kill between two writes of one line would leave it
        mirror = tmp_path / "mirror.jsonl"
        mirror.write_bytes(mirror.read_bytes()[: -random_.randrange(1, 200)])
