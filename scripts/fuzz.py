"""Properties of the tests, tried for a while: fuzz.py [TARGET] [SECONDS].

TARGET is `detectors` (arguments made at random, tests/detectors/test_fuzz.py) or one of
tests/fuzz/targets.py: cases of tests/corpus, mutated. With `atheris` installed
(pip install atheris) what is tried is led by which code it reaches. With `--sdk=1` or `--sdk=2`
the older versions of the openai SDK in .venvs are asked, beside the installed one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import json
import logging
import pathlib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "addons"), str(ROOT)]

LED = importlib.util.find_spec("atheris") is not None
MOST_BYTES = 65536
DETECTORS = "detectors"

type Target = Callable[[bytes], None]
type Mutate = Callable[[bytes, random.Random], bytes]


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    target = DETECTORS if not words or words[0].isdecimal() else words.pop(0)
    seconds = int(words[0]) if words else 60
    logging.disable(logging.WARNING)
    versions = [word.removeprefix("--sdk=") for word in sys.argv if word.startswith("--sdk=")]
    if LED:
        import atheris

        leads = atheris.instrument_imports(include=["callgate"])
    else:
        leads = contextlib.nullcontext()
    with leads:
        check, seeds, mutate = load(target, versions)
    seed = random.SystemRandom().randrange(2**32)
    print(f"{target}: {len(seeds)} seeds, seed {seed}", flush=True)
    if LED:
        led(target, check, seeds, mutate, seconds)
    else:
        at_random(target, check, seeds, mutate, seconds, random.Random(seed))


def load(target: str, versions: list[str]) -> tuple[Target, list[bytes], Mutate]:
    """What is to hold, where to start, and how to go on."""
    if target == DETECTORS:
        from tests.detectors import test_fuzz

        promise = test_fuzz.test_any_arguments_are_looked_at_in_time_and_always_alike
        return (
            promise.hypothesis.fuzz_one_input,
            [],
            lambda raw, dice: dice.randbytes(dice.randrange(16, 8192)),
        )
    from tests.fuzz import corpus, targets
    from tests.fuzz.mutations import mutate

    seeds = [*corpus.kept(target).values(), *corpus.recorded(target)]
    check = targets.TARGETS[target]
    if versions:
        newest = check
        checks = [newest, *(partial(targets.check_answer, oracle=Older(v)) for v in versions)]

        def check(raw: bytes) -> None:
            for one in checks:
                one(raw)

    return check, seeds, lambda raw, dice: mutate(raw, dice, seeds)


class Older:
    """What an older version of the SDK sees, asked in a process of its own."""

    def __init__(self, version: str) -> None:
        python = ROOT / ".venvs" / f"openai-{version}" / "bin" / "python"
        self._asked = subprocess.Popen(
            [python, "-m", "tests.fuzz.sdk"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, answer):
        from tests.fuzz.sdk import Seen

        chunks = [base64.b64encode(chunk).decode() for chunk in answer.chunks]
        print(json.dumps([*answer[:4], chunks]), file=self._asked.stdin, flush=True)
        return [Seen(*one) for one in json.loads(self._asked.stdout.readline())]


def at_random(
    target: str,
    check: Target,
    seeds: list[bytes],
    mutate: Mutate,
    seconds: int,
    dice: random.Random,
) -> None:
    """Cases that differ from the seeds more and more."""
    tried, until, pool = 0, time.monotonic() + seconds, list(seeds) or [b""]
    while time.monotonic() < until:
        raw = mutate(dice.choice(pool), dice)[:MOST_BYTES]
        try:
            check(raw)
        except Exception as error:
            print(f"{tried} tried; {keep(target, raw, check, error)}: {error}")
            raise
        tried += 1
        if dice.randrange(20) == 0 and len(pool) < 10 * len(seeds):
            pool.append(raw)
    print(f"{target}: {tried} tried, nothing found")


def led(target: str, check: Target, seeds: list[bytes], mutate: Mutate, seconds: int) -> None:
    """The same, led by coverage."""
    import atheris

    folder = ROOT / ".hypothesis" / "atheris" / target
    folder.mkdir(parents=True, exist_ok=True)
    for raw in seeds:
        (folder / hashlib.sha256(raw).hexdigest()[:16]).write_bytes(raw)

    def one(raw: bytes) -> None:
        try:
            check(raw)
        except Exception as error:
            print(f"{keep(target, raw, check, error)}: {error}")
            raise

    def change(raw: bytes, most: int, seed: int) -> bytes:
        return mutate(raw, random.Random(seed))[:most]

    options = [sys.argv[0], str(folder), f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}"]
    options += ["-len_control=0", "-timeout=60", "-rss_limit_mb=4096"]
    atheris.Setup(options, one, custom_mutator=change if seeds else None)
    atheris.Fuzz()


def keep(target: str, raw: bytes, check: Target, error: Exception) -> pathlib.Path | str:
    """Write down what was found, as short as it still fails in the same way."""
    if target == DETECTORS:
        return "found"

    def fails(shorter: bytes) -> bool:
        try:
            check(shorter)
        except type(error):
            return True
        except Exception:  # noqa: BLE001  another fault than the one that is looked for
            return False
        return False

    step = len(raw) // 2
    while step:
        at = 0
        while at < len(raw):
            shorter = raw[:at] + raw[at + step :]
            if fails(shorter):
                raw = shorter
            else:
                at += step
        step //= 2
    path = ROOT / "tests" / "corpus" / target / f"found-{hashlib.sha256(raw).hexdigest()[:12]}.http"
    path.write_bytes(raw)
    return path.relative_to(ROOT)


if __name__ == "__main__":
    main()
