"""What is loaded once is not looked at by the garbage collector."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
{before}
from callgate.settling import settled
threshold, passes = gc.get_threshold()[0], []
gc.callbacks.append(lambda phase, told: passes.append(phase))
with settled():
    made = [[] for _ in range(10 * threshold)]
    passes_inside = len(passes)
print(passes_inside, gc.get_freeze_count() > 10 * threshold, gc.isenabled())
"""


def said(before: str = "") -> str:
    """What a process of its own says: all of this one would stay frozen."""
    program = PROGRAM.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_nothing_is_collected_inside_and_all_of_it_is_permanent_afterwards() -> None:
    assert said() == "0 True True"


def test_collector_that_was_off_stays_off() -> None:
    assert said("gc.disable()") == "0 True False"
