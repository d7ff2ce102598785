"""One exchange as a file: a request line, the answer's headers, an empty line, and the body.

What is between empty line and end is bytes as they are; of a WebSocket each line is a message,
`<` from the API and `>` from the app. Names that begin with a colon are no headers:

* `:status` of the answer, 200 without it
* `:encoded` names what the body is packed with on the wire (`gzip`), whatever the headers say
* `:cuts` are the places where the wire cuts the body
"""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import brotli
import zstandard

_PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": lambda raw: gzip.compress(raw, mtime=0),
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


@dataclass(frozen=True, slots=True)
class Case:
    """What the API answers to one request, or what an app sends in one."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    """In lower case, with those that begin with a colon."""
    body: bytes

    @classmethod
    def read(cls, raw: bytes) -> Self | None:
        """The case that a file tells; None for what is none."""
        head, found, body = raw.partition(b"\n\n")
        line, *fields = head.decode("latin-1").split("\n")
        method, _, target = line.partition(" ")
        headers = [_field(one) for one in fields]
        is_told = (
            found and method in ("GET", "POST") and target.startswith("/v1/") and target.isascii()
        )
        if not is_told or not target.isprintable() or " " in target or None in headers:
            return None
        return cls(method, target, tuple(one for one in headers if one), body)

    def written(self) -> bytes:
        """The file that `read` reads."""
        head = [f"{self.method} {self.target}", *(f"{key}: {value}" for key, value in self.headers)]
        return "\n".join(head).encode("latin-1") + b"\n\n" + self.body

    def told(self, name: str) -> str:
        """The first header of this name; empty without one."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def status(self) -> int:
        """Of the answer: one that can stand at the end of an exchange."""
        told = self.told(":status")
        return int(told) if told.isdecimal() and 200 <= int(told[:4]) <= 599 else 200

    @property
    def sent_headers(self) -> dict[str, str]:
        """The headers on the wire."""
        return {key: value for key, value in self.headers if not key.startswith(":")}

    @property
    def sent_body(self) -> bytes:
        """The body on the wire."""
        return _PACKERS.get(self.told(":encoded"), bytes)(self.body)

    @property
    def chunks(self) -> list[bytes]:
        """The body on the wire, cut."""
        raw = self.sent_body
        cuts = {int(one[:9]) for one in self.told(":cuts").split() if one.isdecimal()}
        places = [0, *sorted(cut for cut in cuts if 0 < cut < len(raw)), len(raw)]
        return [raw[start:end] for start, end in itertools.pairwise(places)]

    @property
    def messages(self) -> list[tuple[bool, bytes]]:
        """Of a WebSocket: whether it is the API's, and the message."""
        lines = [line for line in self.body.split(b"\n") if line[:1] in (b"<", b">")]
        return [(line.startswith(b"<"), line[1:].removeprefix(b" ")) for line in lines]


def _field(line: str) -> tuple[str, str] | None:
    name, found, value = line.rpartition(": ") if line.startswith(":") else line.partition(": ")
    is_name = name.removeprefix(":").replace("-", "").isalnum() and name.isascii()
    return (name.lower(), value) if found and is_name and value.isprintable() else None
