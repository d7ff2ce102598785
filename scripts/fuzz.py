"""The property that tests/detectors/test_fuzz.py states, tried for a while.

With `atheris` installed (pip install atheris) what is tried is led by which code it reaches.
"""

from __future__ import annotations

import importlib.util
import pathlib
import random
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "addons"), str(ROOT)]

LED = importlib.util.find_spec("atheris") is not None
MOST_BYTES = 8192


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    if LED:
        import atheris

        with atheris.instrument_imports(include=["callgate"]):
            from tests.detectors import test_fuzz
        options = [sys.argv[0], f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}"]
        promise = test_fuzz.test_any_arguments_are_looked_at_in_time_and_always_alike
        atheris.Setup(options, promise.hypothesis.fuzz_one_input)
        atheris.Fuzz()
        return
    from tests.detectors import test_fuzz

    promise = test_fuzz.test_any_arguments_are_looked_at_in_time_and_always_alike
    seed = random.SystemRandom().randrange(2**32)
    chance, tried, until = random.Random(seed), 0, time.monotonic() + seconds
    print(f"seed {seed}; without atheris, at random")
    while time.monotonic() < until:
        promise.hypothesis.fuzz_one_input(chance.randbytes(chance.randrange(16, MOST_BYTES)))
        tried += 1
    print(f"{tried} tried, nothing found")


if __name__ == "__main__":
    main()
