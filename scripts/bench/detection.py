"""Recall, false alarms and time of the detectors on a labelled corpus, beside other tools.

With --obfuscate every attack is rewritten too, by one transformation and by pairs of them. The
corpus is gzipped JSON lines: {"tool", "arguments", "label", "subclass", "source"}.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import pathlib
import random
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

from detection_baselines import BASELINES, Baseline
from detection_obfuscation import Rewriting, rewritings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "addons"))

from callgate.detectors import ACTS_FROM, DETECTORS, Inspector  # noqa: E402  (path first)

E_MAIL = "pii, e-mail only"  # for information by design: the second column counts
REASONS = {
    "secret": ("SECRET_DETECTED",),
    "pii": ("PII_DETECTED",),
    E_MAIL: ("PII_DETECTED",),
    "destructive_shell": ("DESTRUCTIVE_COMMAND",),
    "destructive_sql": ("DESTRUCTIVE_SQL",),
    "ssrf": ("SSRF",),
    "sensitive_file": ("SENSITIVE_FILE",),
    "exfil": ("EXTERNAL_EXFILTRATION", "SECRET_DETECTED", "SENSITIVE_FILE"),
}
"""Label → the reasons of which one is wanted."""

DETECTOR_OF = {
    "ssrf": "network",
    "sensitive_file": "files",
    "exfil": "network",
}
"""Labels that only count where their detector is there."""

REWRITTEN = ("destructive_shell", "secret", "destructive_sql", "ssrf")
PAIRS = 20
"""Pairs of transformations tried on every call."""

type Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default=ROOT.parent / "shared/corpus/dev.jsonl.gz")
    parser.add_argument(
        "--misses", metavar="LABEL", help="print what was missed (or, for benign, found)"
    )
    parser.add_argument("--obfuscate", action="store_true", help="rewrite every attack")
    parser.add_argument("--seed", type=int, default=1, help="of the rewriting")
    options = parser.parse_args()
    if not pathlib.Path(options.corpus).is_file():
        sys.exit(f"no corpus at {options.corpus}: give the path of a .jsonl.gz file")
    with gzip.open(options.corpus, "rt", encoding="utf-8") as lines:
        rows = [relabelled(json.loads(line)) for line in lines]

    inspector = Inspector([make() for make in DETECTORS.values()])
    baselines = [make() for make in BASELINES]
    found = [look(inspector, row) for row in rows]
    if options.misses:
        print_misses(rows, found, options.misses)
    print_classes(rows, found)
    print_baselines(rows, [b for b in baselines if b.is_there])
    print_times([f.microseconds for f in found])
    for baseline in baselines:
        if not baseline.is_there:
            print(f"{baseline.name} is not installed: left out")
    if options.obfuscate:
        keywords = next(b for b in baselines if b.name == "keywords")
        for label in filter(is_judged, REWRITTEN):
            attacks = [row for row in rows if row["label"] == label]
            print_rewritten(label, attacks, inspector, keywords, random.Random(options.seed))


class Look:
    """What one look at a call found, and how long it took."""

    def __init__(self, inspector: Inspector, row: Row) -> None:
        started = time.perf_counter()
        findings = inspector.inspect(row["tool"], row["arguments"])
        self.microseconds = (time.perf_counter() - started) * 1e6
        self.acting = {f.reason.value for f in findings if f.confidence >= ACTS_FROM}
        self.any = {f.reason.value for f in findings}
        self.kinds = ",".join(f"{f.kind}@{f.path}" for f in findings if f.confidence >= ACTS_FROM)

    def hits(self, label: str) -> bool:
        # What can not be read is denied: an attack in it is stopped too.
        return bool(self.acting & {*REASONS[label], "ARGUMENTS_TOO_LARGE"})


def look(inspector: Inspector, row: Row) -> Look:
    return Look(inspector, row)


def relabelled(row: Row) -> Row:
    if row["label"] == "pii" and row["subclass"] == "EMAIL_ADDRESS":
        return row | {"label": E_MAIL}
    return row


def is_judged(label: str) -> bool:
    return DETECTOR_OF.get(label, "shell") in DETECTORS


def percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else float("nan")


def print_misses(rows: list[Row], found: list[Look], label: str) -> None:
    for row, seen in zip(rows, found, strict=True):
        is_shown = bool(seen.acting) if label == "benign" else not seen.hits(row["label"])
        if row["label"] == label and is_shown:
            print(f"{row['subclass']:<24} {seen.kinds:<30} {json.dumps(row['arguments'])[:200]}")


def print_classes(rows: list[Row], found: list[Look]) -> None:
    seen: dict[str, list[Look]] = collections.defaultdict(list)
    for row, one in zip(rows, found, strict=True):
        seen[row["label"]].append(one)
    benign = seen["benign"]
    print(f"{'class':<20}{'calls':>7}{'recall %':>10}{'+info %':>9}{'false alarms %':>16}")
    for label in filter(is_judged, REASONS):
        of = seen[label]
        wanted = set(REASONS[label])
        print(
            f"{label:<20}{len(of):>7}{percent(sum(s.hits(label) for s in of), len(of)):>10.1f}"
            f"{percent(sum(bool(s.any & wanted) for s in of), len(of)):>9.1f}"
            f"{percent(sum(bool(s.acting & wanted) for s in benign), len(benign)):>16.2f}"
        )
    alarms = percent(sum(bool(s.acting) for s in benign), len(benign))
    print(f"{'all, benign':<20}{len(benign):>7}{'':>19}{alarms:>16.2f}")


def print_baselines(rows: list[Row], baselines: list[Baseline]) -> None:
    print(f"\nothers, recall / false alarms %\n{'':<20}", end="")
    print("".join(f"{baseline.name:>18}" for baseline in baselines))
    benign = [row for row in rows if row["label"] == "benign"]
    for label in REASONS:
        cells = []
        for baseline in baselines:
            if label not in baseline.labels:
                cells.append(f"{'–':>18}")
                continue
            attacks = [row for row in rows if row["label"] == label]
            recall = percent(sum(baseline.finds(label, text_of(r)) for r in attacks), len(attacks))
            alarms = percent(sum(baseline.finds(label, text_of(r)) for r in benign), len(benign))
            cells.append(f"{recall:>11.1f} /{alarms:>5.1f}")
        print(f"{label:<20}{''.join(cells)}")


def print_times(times: list[float]) -> None:
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"time per call: p50 {statistics.median(times):.0f} µs, p99 {p99:.0f} µs")


def print_rewritten(
    label: str, rows: list[Row], inspector: Inspector, keywords: Baseline, chance: random.Random
) -> None:
    """One line per transformation, then the pairs."""
    single = rewritings(label)
    print(f"\n{label}, {len(rows)} calls{'recall %':>30}{'keywords %':>12}")
    print_line("as they are", [*rows], label, inspector, keywords)
    for rewriting in single:
        rewritten = [rewriting.apply(row, chance) for row in rows]
        print_line(rewriting.name, rewritten, label, inspector, keywords)
    print_line("pairs", list(paired(rows, single, chance)), label, inspector, keywords)


def paired(rows: list[Row], single: list[Rewriting], chance: random.Random) -> Iterator[Row]:
    for row in rows:
        for _ in range(PAIRS):
            first, second = chance.sample(single, 2)
            # Encodings of the whole string come last, as nothing can be cut out of them again.
            first, second = sorted((first, second), key=lambda r: r.is_encoding)
            yield second.apply(first.apply(row, chance), chance)


def print_line(
    name: str, rows: list[Row], label: str, inspector: Inspector, keywords: Baseline
) -> None:
    hits = sum(look(inspector, row).hits(label) for row in rows)
    simple = sum(keywords.finds(label, text_of(row)) for row in rows)
    print(f"  {name:<42}{percent(hits, len(rows)):>8.1f}{percent(simple, len(rows)):>12.1f}")


def text_of(row: Row) -> str:
    return json.dumps(row["arguments"], ensure_ascii=False)


if __name__ == "__main__":
    main()
