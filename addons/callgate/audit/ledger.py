"""One proxy's chain: numbers, links and signs its records as the store commits them."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from callgate.audit.heads import Heads
from callgate.audit.keys import Key, Keys
from callgate.canonical import Json, parse
from callgate.chain import START, Head, Sealed, digest, sign
from callgate.errors import JsonError, StoreError

_log = logging.getLogger(__name__)

_HEAD_SECONDS = 1.0
"""The head is kept outside of the store at most this often."""

_NAMES = 4096
"""Tools' names are few and come again with each record."""

_FREE_TEXTS = ("path", "message", "why")


class Ledger:
    """See `Chain`. All processes of one home continue one chain in a store."""

    def __init__(
        self,
        keys: Keys,
        clock: Callable[[], datetime],
        stamp: Callable[[], Mapping[str, Json]] = dict,
        on_committed: Callable[[], None] = lambda: None,
        redact: Callable[[str], str] = str,
    ) -> None:
        """`stamp` gives what every record says besides its own: versions, policy, weak settings.

        `on_committed` is told that there are new records; it must not raise. `redact` takes
        secrets out of what an app may have put into a URL or a broken body, a model into the
        name of a tool.
        """
        self._redact = redact
        self._redact_name = lru_cache(maxsize=_NAMES)(redact)
        self._keys = keys
        self._clock = clock
        self._stamp = stamp
        self._on_committed = on_committed
        self._heads = Heads(keys.head_file)
        self._instance = keys.home
        self._unwritten: Head | None = None
        self._written_at = float("-inf")

    @property
    def instance(self) -> str:
        """See `Chain.instance`."""
        return self._instance

    def bind(self, salt: bytes) -> None:
        """See `Chain.bind`."""
        store = hashlib.sha256(b"callgate store\n" + salt).hexdigest()[:8]
        self._instance = f"{self._keys.home}-{store}"

    def seal(
        self, records: Sequence[Mapping[str, Json]], head: Head | None
    ) -> tuple[list[Sealed], Head]:
        """See `Chain.seal`; a record of kind `key` says by which key the chain goes on."""
        head = head or Head(0, START, self._keys.current.name)
        stamp = self._stamp()
        sealed: list[Sealed] = []
        for record in records:
            line = self._line({**stamp, **self._redacted(record)}, head)
            after = record.get("next") if record.get("kind") == "key" else None
            key = after if isinstance(after, str) else head.key
            head = Head(head.number + 1, digest(line.encode()), key)
            sealed.append(Sealed(head.number, line))
        return sealed, head

    def _redacted(self, record: Mapping[str, Json]) -> Mapping[str, Json]:
        """The record without secrets in texts that are an app's own, or a model's."""
        free = {name: record[name] for name in _FREE_TEXTS if name in record}
        clean = {name: self._redact(t) for name, t in free.items() if isinstance(t, str)}
        if isinstance(tool := record.get("tool"), str):
            clean["tool"] = self._redact_name(tool)
        return {**record, **clean}

    def _line(self, record: Mapping[str, Json], head: Head) -> str:
        place: dict[str, Json] = {
            "instance": self._instance,
            "key": head.key,
            "number": head.number + 1,
            "previous": head.digest,
        }
        try:
            return sign({"chain": place, "record": dict(record)}, self._key(head).private)
        except JsonError as error:
            raise StoreError(f"audit: a record can not be signed: {error}") from error

    def _key(self, head: Head) -> Key:
        key = self._keys.named(head.key)
        if key is None:
            raise StoreError(
                f"audit: chain {self._instance} goes on with key {head.key}, "
                "and this home's keys folder does not have it"
            )
        return key

    def key(self, head: Head | None) -> Key:
        """The key that signs where the chain stands at `head`; raises StoreError."""
        return self._key(head) if head else self._keys.current

    def checkpoints(self, instances: Sequence[str]) -> list[str]:
        """What this home has signed of these chains outside of the store; raises StoreError."""
        try:
            return self._heads.lines(instances)
        except OSError as error:
            raise StoreError(f"audit: can not read {self._keys.head_file}: {error}") from error

    def new_key(self) -> Key:
        """A key to go on with, once a record of kind `key` has named it; raises StoreError."""
        try:
            return self._keys.make()
        except OSError as error:
            raise StoreError(f"audit: can not make a key: {error}") from error

    def checkpoint(self, head: Head) -> str:
        """A signed line that says where the chain stands now; raises StoreError."""
        return self._statement("checkpoint", head, {})

    def anchor(self, head: Head, current: Head) -> str:
        """See `Chain.anchor`."""
        return self._statement("anchor", head, {"next": head.key}, current)

    def _statement(
        self, name: str, head: Head, more: Mapping[str, Json], current: Head | None = None
    ) -> str:
        signer = self._key(current or head)
        said: dict[str, Json] = {
            "at": self._clock().isoformat(),
            "digest": head.digest,
            "instance": self._instance,
            "key": signer.name,
            "number": head.number,
            **more,
        }
        return sign({name: said}, signer.private)

    def committed(self, head: Head) -> None:
        """See `Chain.committed`; trouble with the file is said and stops nothing."""
        self._unwritten = head
        if time.monotonic() - self._written_at >= _HEAD_SECONDS:
            self._write()
        self._on_committed()

    def remembered(self) -> Head | None:
        """See `Chain.remembered`; raises StoreError."""
        try:
            line = self._heads.latest(self._instance)
        except OSError as error:
            raise StoreError(f"audit: can not read {self._keys.head_file}: {error}") from error
        if line is None:
            return None
        match parse(line):
            case {"checkpoint": {"number": int(number), "digest": str(digest), "key": str(key)}}:
                return Head(number, digest, key)
        _log.error("audit: %s is damaged", self._keys.head_file)
        return None

    def contradicted(self, why: str) -> None:
        """See `Chain.contradicted`: the checkpoint stays, and every bundle carries it."""
        _log.error("audit: %s; %s keeps the checkpoint that shows it", why, self._keys.head_file)
        self._heads.keep(self._instance)

    def close(self) -> None:
        """See `Chain.close`."""
        self._write()

    def _write(self) -> None:
        if self._unwritten is None:
            return
        self._written_at = time.monotonic()
        try:
            # what another process has written later may be signed with another key
            if self._heads.write(self._instance, self.checkpoint(self._unwritten)):
                self._keys.use(self._unwritten.key)
        except (OSError, StoreError) as error:
            _log.error("audit: can not write %s: %s", self._keys.head_file, error)
        else:
            self._unwritten = None
