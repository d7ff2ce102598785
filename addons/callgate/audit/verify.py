"""Checks a bundle offline, in numbered steps; needs the file and public keys, nothing else.

1. bundle      the file has its first line and, at its end, a line that says where chains stand
2. chains      every record is in its place, and has the digest of the one before
3. keys        each chain leads to a given key, and so does the end
4. signatures  of the end, of anchors and checkpoints, and of the last record of each key
5. heads       the chains begin and end where those lines say
6. records     each record's own signature and form; only where it is asked for

Step 4 is enough for every record: a signature covers the digest of the line before, which covers
the line before that. Step 6 finds nothing else in a bundle of a sound writer, and takes a
hundred times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from callgate.audit.bundle import FIRST_LINE, Statement, last_line, statement
from callgate.audit.thorough import check_all
from callgate.canonical import parse
from callgate.chain import START, Head, Link, digest, is_signed, link_of, public_key
from callgate.errors import CallgateError, JsonError

STEPS = ("bundle", "chains", "keys", "signatures", "heads", "records")

_TELL_LINES = 4096

type Progress = Callable[[str, int], None]
"""Told a step and how many bytes of the file it is done with."""


class VerificationError(CallgateError):
    """The bundle is not what was signed; the message names the first bad record."""

    def __init__(self, step: str, message: str) -> None:
        """`step` is one of `STEPS`."""
        super().__init__(message)
        self.step = step


@dataclass(frozen=True, slots=True)
class Verified:
    """What a sound bundle holds."""

    made_at: str
    records: int
    chains: Mapping[str, tuple[int, int]]
    """First and last number, by instance."""
    keys: tuple[str, ...]
    checkpoints: int


@dataclass(slots=True)
class _Chain:
    """One chain, as far as it has been read."""

    instance: str
    head: Head
    before: int
    """Number before the first record here: 0, or the anchor's."""
    line: bytes = b""
    """Of the record that `head` tells of."""
    keys: list[str] = field(default_factory=list)
    last_of_key: list[tuple[int, bytes, str]] = field(default_factory=list)


def verify(
    path: Path,
    keys: Collection[str],
    *,
    every_signature: bool = False,
    progress: Progress = lambda step, done: None,
) -> Verified:
    """Check a bundle against trusted keys, given by their names (`chain.key_name`).

    Raises VerificationError for the first thing that is wrong, OSError for a file that can not
    be read.
    """
    end = _end(path)
    reader = _Reader(progress)
    reader.read(path)
    chains = reader.chains
    trusted = _trusted(chains, frozenset(keys))
    if end.text("key") not in trusted:
        _fail("keys", f"the bundle's end is signed with key {end.text('key')}, which is not given")
    _check_signatures(reader, end)
    _check_heads(reader, end)
    if every_signature and (fault := check_all(path, lambda done: progress("records", done))):
        _fail("records", f"{_named(fault.link)}: {fault.why}")
    return Verified(
        made_at=end.text("at"),
        records=reader.records,
        chains={c.instance: (c.before + 1, c.head.number) for c in chains.values()},
        keys=tuple(dict.fromkeys(key for chain in chains.values() for key in chain.keys)),
        checkpoints=len(reader.checkpoints),
    )


def _fail(step: str, message: str) -> NoReturn:
    raise VerificationError(step, message)


def _named(link: Link) -> str:
    return f"record {link.number} of {link.instance}"


def _end(path: Path) -> Statement:
    with path.open("rb") as file:
        if file.readline(100) != FIRST_LINE + b"\n":
            _fail("bundle", "line 1 is not the first line of a bundle, format 1")
    end = statement(last_line(path), "end")
    if end is None:
        _fail("bundle", "the last line is not the end of a bundle: it was cut short or changed")
    return end


class _Reader:
    """Step 2, in one pass: whatever the size, only the chains' heads are kept."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.chains: dict[str, _Chain] = {}
        self.anchors: dict[str, Statement] = {}
        self.checkpoints: list[Statement] = []
        self.signed: dict[tuple[str, int], str] = {}
        """Digests of the records that checkpoints are about."""
        self.records = 0
        self.lines = 0

    def read(self, path: Path) -> None:
        done = 0
        with path.open("rb") as file:
            for whole in file:
                line = whole.removesuffix(b"\n")
                if link := link_of(line):
                    self._record(link, line)
                else:
                    self._statement(line)
                self.lines += 1
                done += len(whole)
                if self.lines % _TELL_LINES == 0:
                    self._progress("chains", done)

    def _statement(self, line: bytes) -> None:
        if found := statement(line, "checkpoint"):
            self.checkpoints.append(found)
            self.signed[found.text("instance"), found.number()] = ""
        elif (found := statement(line, "anchor")) and found.text("instance") not in self.anchors:
            self.anchors[found.text("instance")] = found
        elif not (statement(line, "end") or (self.lines == 0 and line == FIRST_LINE)):
            _fail("chains", f"line {self.lines + 1} is no record: it was changed or cut")

    def _record(self, link: Link, line: bytes) -> None:
        chain = self.chains.get(link.instance) or self._begin(link)
        head = chain.head
        if link.number != head.number + 1 or link.previous != head.digest:
            _fail("chains", _misplaced(chain, link, line))
        if link.key != head.key:
            self._change_key(chain, link)
        chain.head = Head(link.number, digest(line), link.key)
        chain.line = line
        self.records += 1
        if (place := (link.instance, link.number)) in self.signed:
            self.signed[place] = chain.head.digest

    def _begin(self, link: Link) -> _Chain:
        head = Head(0, START, link.key)
        if anchor := self.anchors.get(link.instance):
            head = Head(anchor.number(), anchor.text("digest"), anchor.text("next"))
        elif link.number != 1:
            _fail(
                "chains",
                f"{link.instance} begins with record {link.number}, and no signed anchor says "
                "that the records before it were removed",
            )
        chain = _Chain(link.instance, head, head.number, keys=[head.key])
        self.chains[link.instance] = chain
        return chain

    def _change_key(self, chain: _Chain, link: Link) -> None:
        if _next_key(chain.line) != link.key:
            _fail(
                "chains",
                f"{_named(link)} names key {link.key}, but the chain goes on with {chain.head.key}",
            )
        chain.last_of_key.append((chain.head.number, chain.line, chain.head.key))
        chain.keys.append(link.key)


def _next_key(line: bytes) -> str:
    """The key by which a chain goes on, where this record says so."""
    try:
        match parse(line) if line else None:
            case {"record": {"kind": "key", "next": str(key)}}:
                return key
    except JsonError:
        pass
    return ""


def _misplaced(chain: _Chain, link: Link, line: bytes) -> str:
    """Which record is to blame where two do not fit together: their own signatures tell."""
    head = chain.head
    if chain.line and not _is_signed(chain.line, head.key):
        return f"record {head.number} of {chain.instance} was changed: its signature does not fit"
    if not _is_signed(line, link.key):
        return f"{_named(link)} was changed: its signature does not fit"
    if link.number > head.number + 1:
        return (
            f"{_named(link)} follows record {head.number}: "
            f"{link.number - head.number - 1} between them are missing"
        )
    if link.number <= head.number:
        return f"{_named(link)} stands in the wrong place: it follows record {head.number}"
    if not chain.line:
        return f"{_named(link)} does not continue what its anchor stands for"
    return f"{_named(link)} continues another record {head.number} than the one that stands here"


def _is_signed(line: bytes, key: str) -> bool:
    try:
        return is_signed(line, public_key(key))
    except ValueError:
        return False


def _trusted(chains: Mapping[str, _Chain], given: frozenset[str]) -> frozenset[str]:
    """The given keys, and those that they have signed over to.

    A key is not trusted for what an older one it replaced says: only ever forwards.
    """
    trusted: set[str] = set(given)
    for chain in chains.values():
        chain.last_of_key.append((chain.head.number, chain.line, chain.head.key))
        if after := _next_key(chain.line):
            chain.keys.append(after)
        known = [index for index, key in enumerate(chain.keys) if key in given]
        if not known:
            _fail(
                "keys",
                f"{chain.instance} is signed with key {chain.keys[-1]}, which is not given",
            )
        trusted.update(chain.keys[known[0] :])
    return frozenset(trusted)


def _check_signatures(reader: _Reader, end: Statement) -> None:
    if not _is_signed(end.line, end.text("key")):
        _fail("signatures", "the end of the bundle was changed: its signature does not fit")
    for chain in reader.chains.values():
        for number, line, key in chain.last_of_key:
            if not _is_signed(line, key):
                _fail(
                    "signatures",
                    f"record {number} of {chain.instance} was changed: its signature does not fit",
                )
    for name, said in (
        *(("anchor", said) for said in reader.anchors.values()),
        *(("checkpoint", said) for said in reader.checkpoints),
    ):
        chain_of = reader.chains.get(said.text("instance"))
        key = said.text("key")
        if chain_of is None or key not in chain_of.keys or not _is_signed(said.line, key):
            _fail(
                "signatures",
                f"the {name} at record {said.number()} of {said.text('instance')} "
                "is not signed with a key of its chain",
            )


def _check_heads(reader: _Reader, end: Statement) -> None:
    said = end.said.get("chains")
    signed = {
        str(one.get("instance")): (one.get("number"), one.get("digest"))
        for one in (said if isinstance(said, list) else [])
        if isinstance(one, dict)
    }
    for instance, (number, found) in signed.items():
        chain = reader.chains.get(instance)
        ends_with = chain.head.number if chain else 0
        if chain is None or ends_with != number or chain.head.digest != found:
            _fail("heads", f"{instance} ends with record {ends_with}, but {number} was signed")
    if extra := reader.chains.keys() - signed.keys():
        _fail("heads", f"the end of the bundle does not know {min(extra)}")
    for checkpoint in reader.checkpoints:
        _check_point(reader, checkpoint)
    if end.number("lines") != reader.lines - 1:
        _fail("heads", f"{reader.lines} lines, but {end.number('lines') + 1} were signed")


def _check_point(reader: _Reader, checkpoint: Statement) -> None:
    instance, number = checkpoint.text("instance"), checkpoint.number()
    chain = reader.chains[instance]
    if number <= chain.before:
        return
    if number > chain.head.number:
        _fail(
            "heads",
            f"{instance} ends with record {chain.head.number}, but record {number} was signed "
            f"at {checkpoint.text('at')}: the records after {chain.head.number} were removed",
        )
    if reader.signed[instance, number] != checkpoint.text("digest"):
        _fail("heads", f"record {number} of {instance} is not the one signed before")
