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
from collections.abc import Iterator, Sequence
from typing import Any

from detection_baselines import Baseline, baselines, keywords
from detection_obfuscation import Rewriting, rewritings
from detection_times import print_times

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "addons"))

from callgate.detectors import ACTS_FROM, DETECTORS, Inspector  # noqa: E402  (path first)
from callgate.detectors.network.detector import Network  # noqa: E402

E_MAIL = "pii, e-mail only"  # for information by design: the second column counts
BY_MAIL = "exfil, by mail"
REASONS = {
    "secret": ("SECRET_DETECTED",),
    "pii": ("PII_DETECTED",),
    E_MAIL: ("PII_DETECTED",),
    "destructive_shell": ("DESTRUCTIVE_COMMAND",),
    "destructive_sql": ("DESTRUCTIVE_SQL",),
    "ssrf": ("SSRF",),
    "sensitive_file": ("SENSITIVE_FILE",),
    "exfil, technical": ("EXTERNAL_EXFILTRATION", "SECRET_DETECTED", "SENSITIVE_FILE"),
    BY_MAIL: ("EXTERNAL_EXFILTRATION",),
}
"""Label → the reasons of which one is wanted."""

OWN_DOMAINS = ("own.example",)
"""Mail to an attacker reads as any mail: this class is judged with the own domains told.

Nobody in the corpus has such an address, so that every recipient counts as outside.
"""

REWRITTEN = tuple(label for label in REASONS if label not in (E_MAIL, BY_MAIL))
PAIRS = 20
"""Pairs of transformations tried on every call."""

type Row = dict[str, Any]


def shell_part(row: Row) -> str:
    """Which goal a shell command counts for."""
    family, _, rest = row["subclass"].partition(":")
    if family == "obf":
        return "obfuscated"
    # The rule packs of destructive_command_guard: products and services, one by one.
    return "long tail" if family == "dcg-pack" and rest != "core" else "core"


PARTS = {"destructive_shell": shell_part}
"""Label → which part of it a call belongs to."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default=ROOT.parent / "shared/corpus/dev.jsonl.gz")
    parser.add_argument(
        "--misses",
        metavar="LABEL",
        choices=[*REASONS, "benign"],
        help="print what was missed (or, for benign, found) of: %(choices)s",
    )
    parser.add_argument("--obfuscate", action="store_true", help="rewrite every attack")
    parser.add_argument("--verbose", action="store_true", help="each transformation by itself")
    parser.add_argument("--seed", type=int, default=1, help="of the rewriting")
    options = parser.parse_args()
    if not pathlib.Path(options.corpus).is_file():
        sys.exit(f"no corpus at {options.corpus}: give the path of a .jsonl.gz file")
    with gzip.open(options.corpus, "rt", encoding="utf-8") as lines:
        rows = [relabelled(json.loads(line)) for line in lines]

    inspector = Inspector([make() for make in DETECTORS.values()])
    found = [look(inspector, row) for row in rows]
    if options.misses:
        print_misses(rows, found, options.misses)
        return
    print_classes(rows, found, baselines([text_of(row) for row in rows]))
    print_times(inspector, rows, random.Random(options.seed))
    if options.obfuscate:
        print_obfuscated(rows, inspector, random.Random(options.seed), verbose=options.verbose)


class Look:
    """What one look at a call found."""

    def __init__(self, inspector: Inspector, row: Row) -> None:
        findings = inspector.inspect(row["tool"], row["arguments"])
        self.acting = {f.reason.value for f in findings if f.confidence >= ACTS_FROM}
        self.any = {f.reason.value for f in findings}
        self.kinds = ",".join(f"{f.kind}@{f.path}" for f in findings if f.confidence >= ACTS_FROM)

    def hits(self, label: str) -> bool:
        # What can not be read is denied: an attack in it is stopped too.
        return bool(self.acting & {*REASONS[label], "ARGUMENTS_TOO_LARGE"})


def look(inspector: Inspector, row: Row) -> Look:
    return Look(inspector, row)


def knowing_own_domains() -> Inspector:
    made = {name: make() for name, make in DETECTORS.items()}
    return Inspector([*(made | {"network": Network(OWN_DOMAINS)}).values()])


def relabelled(row: Row) -> Row:
    if row["label"] == "pii" and row["subclass"] == "EMAIL_ADDRESS":
        return row | {"label": E_MAIL}
    if row["label"] == "exfil":
        return row | {"label": BY_MAIL if row["subclass"] == "semantic" else "exfil, technical"}
    return row


def text_of(row: Row) -> str:
    return json.dumps(row["arguments"], ensure_ascii=False)


def percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else float("nan")


def print_misses(rows: Sequence[Row], found: Sequence[Look], label: str) -> None:
    for row, seen in zip(rows, found, strict=True):
        if row["label"] != label:
            continue
        if seen.acting if label == "benign" else not seen.hits(label):
            print(f"{row['subclass']:<24} {seen.kinds:<30} {json.dumps(row['arguments'])[:200]}")


def print_classes(rows: Sequence[Row], found: Sequence[Look], others: Sequence[Baseline]) -> None:
    """One line per class: recall and false alarms in per cent."""
    seen: dict[str, list[int]] = collections.defaultdict(list)
    for number, row in enumerate(rows):
        seen[row["label"]].append(number)
    benign = seen["benign"]
    print("recall / false alarms, %")
    heads = "".join(f"{name:>16}" for name in ("callgate", *(other.name for other in others)))
    print(f"{'class':<20}{'calls':>7}{heads}{'callgate, +info':>18}")
    for label, wanted in REASONS.items():
        looks = found
        if label == BY_MAIL:
            told = knowing_own_domains()
            looks = [look(told, row) for row in rows]
        recall = percent(sum(looks[n].hits(label) for n in seen[label]), len(seen[label]))
        alarms = percent(sum(bool(looks[n].acting & {*wanted}) for n in benign), len(benign))
        told_of = percent(
            sum(bool(looks[n].any & {*wanted}) for n in seen[label]), len(seen[label])
        )
        cells = [f"{recall:.1f} / {alarms:.2f}"]
        cells += [rate(other, label, seen[label], benign) for other in others]
        print(
            f"{label:<20}{len(seen[label]):>7}{''.join(f'{c:>16}' for c in cells)}{told_of:>18.1f}"
        )
        if label in PARTS:
            print_parts([(PARTS[label](rows[n]), looks[n].hits(label)) for n in seen[label]])
    alarms = percent(sum(bool(found[n].acting) for n in benign), len(benign))
    print(f"{'all, benign':<20}{len(benign):>7}{f'{alarms:.2f}':>16}")
    print(f"{BY_MAIL}: with own_domains told; by what was read and said: scripts/bench/flows")
    if len(others) == 1:
        print("left out: detect-secrets, presidio (scripts/setup-clients detection)")


def print_parts(hits: Sequence[tuple[str, bool]]) -> None:
    for part in sorted({part for part, _ in hits}):
        of_part = [hit for name, hit in hits if name == part]
        print(f"  {part:<18}{len(of_part):>7}{percent(sum(of_part), len(of_part)):>16.1f}")


def rate(other: Baseline, label: str, attacks: Sequence[int], benign: Sequence[int]) -> str:
    if label not in other.labels:
        return "–"
    recall = percent(sum(label in other.said[n] for n in attacks), len(attacks))
    alarms = percent(sum(label in other.said[n] for n in benign), len(benign))
    return f"{recall:.1f} / {alarms:.1f}"


# Obfuscated.


def print_obfuscated(
    rows: Sequence[Row], inspector: Inspector, chance: random.Random, *, verbose: bool
) -> None:
    print("\nobfuscated: recall, % (keywords)")
    print(f"{'class':<20}{'ways':>6}{'as they are':>16}{'mean':>16}{'pairs':>16}{'least':>9}  by")
    for label in REWRITTEN:
        attacks = [row for row in rows if row["label"] == label]
        ways = rewritings(label)
        rates = {
            way.name: rates_of([way.apply(row, chance) for row in attacks], label, inspector)
            for way in ways
        }
        plain = rates_of(attacks, label, inspector)
        pairs = rates_of(list(paired(attacks, ways, chance)), label, inspector)
        least = min(rates, key=lambda name: rates[name][0])
        mean = tuple(statistics.mean(rate[i] for rate in rates.values()) for i in (0, 1))
        cells = "".join(
            f"{f'{hit:.1f} ({simple:.1f})':>16}" for hit, simple in (plain, mean, pairs)
        )
        print(f"{label:<20}{len(ways):>6}{cells}{rates[least][0]:>9.1f}  {least}")
        if verbose:
            for name, (hit, simple) in rates.items():
                print(f"    {name:<40}{hit:>8.1f}{f'({simple:.1f})':>9}")


def rates_of(rows: Sequence[Row], label: str, inspector: Inspector) -> tuple[float, float]:
    """Recall of Callgate and of the keywords."""
    simple = keywords([text_of(row) for row in rows])
    hits = sum(look(inspector, row).hits(label) for row in rows)
    return percent(hits, len(rows)), percent(sum(label in s for s in simple.said), len(rows))


def paired(
    rows: Sequence[Row], single: Sequence[Rewriting], chance: random.Random
) -> Iterator[Row]:
    for row in rows:
        for _ in range(PAIRS):
            first, second = chance.sample(single, 2)
            # Encodings of the whole string come last, as nothing can be cut out of them again.
            first, second = sorted((first, second), key=lambda r: r.is_encoding)
            yield second.apply(first.apply(row, chance), chance)


if __name__ == "__main__":
    main()
