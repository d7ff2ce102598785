"""Bundles as the product writes them, from fixed keys and times, and what one can do to them.

`python -m tests.audit.bundles` writes the test vectors of docs/audit-log.md anew. The keys are
made from seeds that stand here: they sign test vectors and nothing else.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from callgate.audit import bundle
from callgate.audit.keys import Key, Keys
from callgate.audit.ledger import Ledger
from callgate.canonical import Json
from callgate.chain import Head, Sealed, digest, link_of, sign
from tests.fakes import FakeClock

VECTORS = Path(__file__).parent / "vectors"

FIRST, SECOND, STRANGER = (
    Key(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)) for seed in (1, 2, 3)
)

RECORDS: Sequence[Mapping[str, Json]] = [
    {"kind": "start", "at": "2030-01-01T12:00:00.000000Z", "mode": "enforce"},
    {
        "kind": "call",
        "at": "2030-01-01T12:00:01.000000Z",
        "tool": "send_message",
        "arguments": '{"text":"[REDACTED:AWS_ACCESS_KEY] – ☃"}',
        "decision": "DENY",
        "reasons": ["SECRET_DETECTED"],
        "risk": 0.9,
    },
    {"kind": "delivery", "at": "2030-01-01T12:00:02.000000Z", "delivery": "withheld"},
    {"kind": "coverage", "at": "2030-01-01T12:00:03.000000Z", "cause": "channel", "risk": 1e-7},
    {"kind": "stop", "at": "2030-01-01T12:00:04.000000Z"},
]


def pem(key: Key) -> bytes:
    return key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def home(folder: Path, *keys: Key, name: str = "gate") -> Keys:
    """A keys folder with these keys, the first in use."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "instance").write_text(name)
    (folder / "audit.pub").write_bytes(pem(keys[0]))
    for key in keys:
        private = key.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / key.file_name).write_bytes(private)
    return Keys(folder)


@dataclass(slots=True)
class Made:
    """One chain in the making, and the bundle of it."""

    ledger: Ledger
    head: Head | None
    sealed: list[Sealed]
    before: list[str]

    @classmethod
    def chain(cls, folder: Path, *keys: Key, name: str = "gate") -> Made:
        ledger = Ledger(
            home(folder, *keys, name=name),
            FakeClock(),
            lambda: {"version": "0.0.0", "policy": "0" * 64},
        )
        ledger.bind(b"store")
        return cls(ledger, None, [], [])

    def add(self, records: Sequence[Mapping[str, Json]] = RECORDS) -> Made:
        sealed, self.head = self.ledger.seal(records, self.head)
        self.sealed += sealed
        return self

    def rotate(self, key: Key) -> Made:
        return self.add([{"kind": "key", "at": "2030-01-01T13:00:00.000000Z", "next": key.name}])

    def checkpoint(self) -> Made:
        assert self.head
        self.before.append(self.ledger.checkpoint(self.head))
        return self

    def cut(self, number: int) -> Made:
        """Remove the records up to a number, as retention does."""
        assert self.head
        last, kept = self.sealed[number - 1], self.sealed[number]
        link = link_of(kept.line.encode())
        assert link
        head = Head(number, link.previous, link.key)
        assert last.number == number
        self.before.insert(0, self.ledger.anchor(head, self.head))
        del self.sealed[:number]
        return self

    def lines(self) -> list[str]:
        return bundled(self)


def bundled(*chains: Made) -> list[str]:
    lines = [bundle.FIRST_LINE.decode()]
    lines += [line for chain in chains for line in chain.before]
    lines += [sealed.line for chain in chains for sealed in chain.sealed]
    heads = {chain.ledger.instance: chain.head for chain in chains if chain.head}
    first = chains[0]
    end = bundle.end_line(heads, len(lines), first.ledger.key(first.head), FakeClock()())
    return [*lines, end]


def sound(folder: Path) -> list[str]:
    return Made.chain(folder, FIRST).add().checkpoint().lines()


def rotated(folder: Path) -> list[str]:
    made = Made.chain(folder, FIRST, SECOND)
    return made.add().rotate(SECOND).add().checkpoint().lines()


def anchored(folder: Path) -> list[str]:
    return Made.chain(folder, FIRST).add().cut(2).checkpoint().lines()


def two_chains(folder: Path) -> list[str]:
    one = Made.chain(folder / "a", FIRST, name="a").add()
    return bundled(one, Made.chain(folder / "b", SECOND, name="b").add())


def resigned(line: str, key: Key) -> str:
    """The same line, signed with another key without saying so."""
    value = json.loads(line)
    del value["signature"]
    return sign(value, key.private)


def claimed(line: str, key: Key) -> str:
    """The same record as another key's, properly signed by that."""
    value = json.loads(line)
    del value["signature"]
    for said in value.values():
        if "key" in said:
            said["key"] = key.name
    return sign(value, key.private)


def flipped(line: str, place: int) -> str:
    """One bit changed, such that the line stays printable."""
    return line[:place] + chr(ord(line[place]) ^ 1) + line[place + 1 :]


type Tamper = Callable[[list[str]], list[str]]


def changed(number: int, old: str, new: str) -> Tamper:
    def tamper(lines: list[str]) -> list[str]:
        assert old in lines[number]
        return [*lines[:number], lines[number].replace(old, new), *lines[number + 1 :]]

    return tamper


# A sound bundle's lines: 0 first line, 1 checkpoint, 2 to 6 records 1 to 5, 7 end.
TAMPERED: Mapping[str, tuple[Tamper, str, str]] = {
    "changed": (changed(4, "withheld", "delivered"), "chains", "record 3 of .* was changed"),
    "changed_signature": (
        lambda lines: [*lines[:4], flipped(lines[4], -20), *lines[5:]],
        "chains",
        "record 3 of .* was changed",
    ),
    "changed_previous": (
        changed(4, '"previous":"', '"previous":"0'),
        "chains",
        "line 5 is no record",
    ),
    "changed_last": (changed(6, '"stop"', '"stoq"'), "signatures", "record 5 of .* was changed"),
    "changed_place": (changed(4, '"number":3', '"number":4'), "chains", "record 4 .* was changed"),
    "dropped": (
        lambda lines: [*lines[:4], *lines[5:]],
        "chains",
        "record 4 of .* follows record 2: 1 between them are missing",
    ),
    "dropped_first": (
        lambda lines: [*lines[:2], *lines[3:]],
        "chains",
        "begins with record 2, and no signed anchor",
    ),
    "dropped_last": (
        lambda lines: [*lines[:6], lines[7]],
        "heads",
        "ends with record 4, but 5 was signed",
    ),
    "dropped_checkpoint": (
        lambda lines: [lines[0], *lines[2:]],
        "heads",
        "7 lines, but 8 were signed",
    ),
    "swapped": (
        lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]],
        "chains",
        "record 3 of .* follows record 1",
    ),
    "repeated": (
        lambda lines: [*lines[:4], lines[3], *lines[4:]],
        "chains",
        "record 2 of .* stands in the wrong place",
    ),
    "cut_short": (lambda lines: lines[:6], "bundle", "cut short"),
    "cut_in_a_line": (lambda lines: [*lines[:6], lines[6][:100]], "bundle", "cut short"),
    "empty": (lambda lines: [], "bundle", "first line"),
    "other_format": (
        lambda lines: ['{"callgate-audit":2}', *lines[1:]],
        "bundle",
        "first line",
    ),
    "signed_by_another": (
        lambda lines: [*lines[:4], resigned(lines[4], STRANGER), *lines[5:]],
        "chains",
        "record 3 of .* was changed",
    ),
    "claimed_by_another": (
        lambda lines: [*lines[:4], claimed(lines[4], STRANGER), *lines[5:]],
        "chains",
        "record 3 of .* names key",
    ),
    "last_claimed_by_another": (
        lambda lines: [*lines[:6], claimed(lines[6], STRANGER), lines[7]],
        "chains",
        "record 5 of .* names key",
    ),
    "end_changed": (changed(7, "2030-", "2031-"), "signatures", "the end of the bundle"),
    "end_signed_by_another": (
        lambda lines: [*lines[:7], claimed(lines[7], STRANGER)],
        "keys",
        "end is signed with key",
    ),
    "end_under_another_name": (
        lambda lines: [*lines[:7], resigned(lines[7], STRANGER)],
        "signatures",
        "the end of the bundle was changed",
    ),
    "checkpoint_changed": (
        changed(1, '"number":5', '"number":4'),
        "signatures",
        "checkpoint at record 4",
    ),
    "line_added": (
        lambda lines: [*lines[:4], '{"chain":{}}', *lines[4:]],
        "chains",
        "line 5 is no record",
    ),
    "blank_line": (lambda lines: [*lines[:4], "", *lines[4:]], "chains", "line 5 is no record"),
}


def _all_claimed(folder: Path) -> list[str]:
    """What somebody with a key of their own would hand in instead."""
    return Made.chain(folder, STRANGER).add().checkpoint().lines()


def _shortened_in_the_store(folder: Path) -> list[str]:
    """The store lost its newest records, and the rest was exported with the right key."""
    made = Made.chain(folder, FIRST).add().checkpoint()
    del made.sealed[3:]
    number, line = made.sealed[-1].number, made.sealed[-1].line
    made.head = Head(number, digest(line.encode()), FIRST.name)
    return made.lines()


def _rewritten_in_the_store(folder: Path) -> list[str]:
    """After the checkpoint the chain was written anew by who has the key."""
    first = Made.chain(folder, FIRST).add().checkpoint()
    again = Made.chain(folder, FIRST).add(RECORDS[:4]).add([{**RECORDS[4], "mode": "observe"}])
    again.before = first.before
    return again.lines()


FORGED: Mapping[str, tuple[Callable[[Path], list[str]], str, str]] = {
    "all_by_another": (_all_claimed, "keys", "which is not given"),
    "shortened_in_the_store": (
        _shortened_in_the_store,
        "heads",
        "ends with record 3, but record 5 was signed",
    ),
    "rewritten_in_the_store": (
        _rewritten_in_the_store,
        "heads",
        "record 5 of .* is not the one signed before",
    ),
}


def vectors() -> Iterator[tuple[str, list[str], Key, str]]:
    """Name, lines, trusted key and the step that fails; empty where none does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = sound(folder / "sound")
        yield "sound", plain, FIRST, ""
        yield "rotated", rotated(folder / "rotated"), SECOND, ""
        yield "rotated_old_key", rotated(folder / "rotated_old"), FIRST, ""
        yield "anchored", anchored(folder / "anchored"), FIRST, ""
        for case, (tamper, step, _) in TAMPERED.items():
            yield case, tamper(plain), FIRST, step
        for case, (make, step, _) in FORGED.items():
            yield case, make(folder / case), FIRST, step


def text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    VECTORS.mkdir(exist_ok=True)
    table: list[dict[str, str]] = []
    for name, lines, key, step in vectors():
        (VECTORS / f"{name}.jsonl").write_text(text(lines))
        public = "first.pub" if key is FIRST else "second.pub"
        (VECTORS / public).write_bytes(pem(key))
        table.append({"bundle": f"{name}.jsonl", "key": public, "fails": step})
    (VECTORS / "vectors.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
