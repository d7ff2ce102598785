"""Strict JSON in, one canonical form out, and the hash that identifies a call.

Parsers differ on duplicate keys, NaN and encodings; whoever guards must refuse what two
readers could read differently. So `parse` accepts only what has exactly one reading.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from typing import NoReturn

import rfc8785

from callgate.errors import JsonError

type Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

_MAX_DEPTH = 200
_MAX_INTEGER = 2**53 - 1
_FIELD_NAME = re.compile(r"[A-Za-z_]{1,40}")
_QUICK = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def parse(raw: bytes | str) -> Json:
    """Parse strict JSON.

    Raises JsonError for invalid UTF-8, a byte order mark, duplicate keys, NaN, infinities,
    numbers beyond a double and nesting deeper than 200. Its message holds no values.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value: Json = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise JsonError(f"nested deeper than {_MAX_DEPTH}") from error
    if text.count("[") + text.count("{") > _MAX_DEPTH and _depth_exceeds(value, _MAX_DEPTH):
        raise JsonError(f"nested deeper than {_MAX_DEPTH}")
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        key, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        # a key may be the secret: only what looks like a field's name is said
        name = f" {key!r}" if _FIELD_NAME.fullmatch(key) else ""
        raise JsonError(f"not strict JSON: duplicate key{name}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"not JSON: {name}")


def _finite(literal: str) -> float:
    value = float(literal)
    if math.isinf(value):
        raise JsonError("not strict JSON: a number beyond a double")
    return value


def _whole(literal: str) -> int:
    # readers whose numbers are doubles see infinity; int() itself gives up at 4300 digits
    if len(literal) > 300:
        _finite(literal)
    return int(literal)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_refuse_constant,
    parse_float=_finite,
    parse_int=_whole,
)


def _depth_exceeds(value: Json, limit: int) -> bool:
    containers: list[Json] = [value]
    for _ in range(limit):
        containers = [
            child
            for node in containers
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not containers:
            return False
    return True


def dump(value: Json) -> bytes:
    """Compact UTF-8 JSON for bodies that Callgate rewrites; key order is kept.

    Lone surrogates, which UTF-8 can not carry, are escaped.
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def canonical(value: Json) -> bytes:
    """RFC 8785 canonical JSON.

    Raises JsonError where the RFC has no form: integers beyond 2**53, lone surrogates.
    """
    try:
        # Three times as fast, and all that most calls and records hold.
        return _QUICK.encode(value).encode() if _is_plain(value) else rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError, TypeError) as error:
        raise JsonError(f"no canonical form: {error}") from error


def _is_plain(value: Json) -> bool:
    """Tell whether the standard library writes a value in the RFC's form.

    They differ in large integers, whole floats, exponents and in the order of keys beyond the
    basic plane. What is no JSON is left to the RFC's own library to refuse.
    """
    values = [value]
    for one in values:
        if isinstance(one, str) or one is None:
            continue
        if isinstance(one, dict):
            if not "".join(one).isascii():
                return False
            values.extend(one.values())
        elif isinstance(one, list):
            values.extend(one)
        elif isinstance(one, int):
            if not -_MAX_INTEGER <= one <= _MAX_INTEGER:
                return False
        elif not isinstance(one, float) or one.is_integer() or not 1e-4 <= abs(one) < 1e16:
            return False
    return True


def call_digest(kind: str, name: str, arguments: str) -> str:
    """SHA-256, hex, over a call's kind, name and canonical arguments.

    Spelling (spaces, key order, escapes) does not change it, and none at all are `{}`: clients
    quote the one for the other. Arguments without a canonical form, such as integers beyond
    2**53, count by their exact value, those that are not strict JSON by their exact text.
    """
    try:
        value = parse(arguments if arguments.strip() else "{}")
    except JsonError:
        form = b"text:" + arguments.encode("utf-8", "surrogatepass")
    else:
        form = _form(value)
    head = json.dumps([kind, name]).encode()
    return hashlib.sha256(head + b"\n" + form).hexdigest()


def _form(value: Json) -> bytes:
    try:
        return b"json:" + canonical(value)
    except JsonError:
        return b"exact:" + json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
