"""Names and values in a JavaScript program, worked out from its tokens as far as they are literal.

Bounded in depth, steps and size; nothing is executed.
"""

from __future__ import annotations

from collections.abc import Sequence

from callgate.detectors.code.languages.base import MAX_TEXT, UNKNOWN
from callgate.detectors.code.languages.tokens import Token, tokens, unquoted
from callgate.detectors.code.languages.values import joined
from callgate.detectors.shell.textpipe import decode_base64

_MAX_DEPTH = 30

_STEPS = 50
"""Tokens looked at for each token of a program, so that none costs more than its length."""

_MAX_CHARACTERS = 5_000_000
"""Characters of all values together, those on the way counted too."""

_NEAR = 200
"""Tokens of an expression that are searched for where its value comes from."""

FETCHES = frozenset(("fetch", "axios", "got", "https", "http", "XMLHttpRequest"))
_DECODES = frozenset(
    ("atob", "Buffer", "unescape", "decodeURIComponent", "fromCharCode", "reverse")
)
_KNOWN = frozenset(
    str.split(
        "Deno Bun process global globalThis child_process fs fs-extra net vm os shelljs rimraf "
        "execa zx"
    )
)


class Expressions:
    """Knows the names that a program has bound so far; positions count tokens."""

    def __init__(self, source: str) -> None:
        """`source` is the text of the whole program."""
        self.tokens = list(tokens(source))
        self._modules: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._sources: dict[str, frozenset[str]] = {}
        self._partners = _partners(self.tokens)
        self._steps = _STEPS * (len(self.tokens) + 50)
        self._characters = _MAX_CHARACTERS
        self._depth = 0

    def at(self, position: int) -> str:
        """The text of a token, empty beyond the ends."""
        return self.tokens[position].text if 0 <= position < len(self.tokens) else ""

    # Names.

    def end_of(self, position: int) -> int:
        """Where a call whose bracket stands at a position ends in the text."""
        closing = self._partners.get(position, position)
        return self.tokens[min(closing, len(self.tokens) - 1)].end

    def bind(self, position: int) -> None:
        """`const {exec: e} = require("child_process")`, `import * as fs from "node:fs"`."""
        is_import = self.at(position) == "import"
        names: list[tuple[str, str]] = []
        position += 1
        is_inside = False
        while (text := self.at(position)) not in ("", "=", "from", ";", "("):
            self._steps -= 1
            if text in "{}":
                is_inside = text == "{"
            elif text in (":", "as"):
                position += 1
                member = names.pop()[0] if names and is_inside else ""
                names.append((member, self.at(position)))
            elif self.tokens[position].kind == "name":
                names.append((text if is_inside else "", text))
            position += 1
        if not names or self.at(position) not in ("=", "from"):
            return
        if is_import:
            module = _module(unquoted(self.at(position + 1)))
        else:
            module, _ = self.chain(position + 1)
        for member, name in names:
            self._modules[name] = f"{module}.{member}" if member and module else module or name

    def assign(self, name: str, position: int) -> None:
        """`name = …`, the value being at a position."""
        self._values[name], end = self.sum(position)
        self._sources[name] = self.sources(position, end)
        chain, after = self.chain(position)
        is_call = self.at(after) == "(" and self.at(position) != "new"
        known = chain.split(".")[0] in _KNOWN or chain in ("eval", "Function")
        self._modules[name] = chain if known and not is_call else ""

    def chain(self, position: int) -> tuple[str, int]:
        """The full name that starts here, and the position after it."""
        while self.at(position) in ("new", "await"):
            position += 1
        name = self.at(position)
        position += 1
        if name in ("require", "import") and self.at(position) == "(":
            value, position = self.sum(position + 1)
            name, position = _module(value), position + 1
        else:
            name = self._modules.get(name) or name
        while True:
            if self.at(position) in (".", "?.") and self.at(position + 1) not in ("(", "["):
                member = self.at(position + 1)
                position += 2
            elif self.at(position) == "[" and self.at(position - 1) not in ("=", "("):
                member, end = self.sum(position + 1)
                if self.at(end) != "]":
                    break
                position = end + 1
            else:
                break
            if member in ("require", "_load") and self.at(position) == "(":
                value, end = self.sum(position + 1)
                name, position = _module(value), end + 1
            elif member not in ("promises", "default") and len(name) < _NEAR:
                name = f"{name}.{member}"
        return name, position

    def sources(self, position: int, end: int) -> frozenset[str]:
        """Names of downloaders and decoders that an expression uses, through variables."""
        names = {self.at(p) for p in range(position, min(end, position + _NEAR))}
        through = [self._sources[name] for name in names if name in self._sources]
        return frozenset(names & (FETCHES | _DECODES)).union(*through)

    def words(self, position: int) -> list[str]:
        """The words of `["a", "b"]`."""
        words = []
        while self.at(position) in ("[", ",") and not self.is_exhausted:
            if self.at(position + 1) == "]":
                break
            value, position = self.sum(position + 1)
            words.append(value)
        return words

    # Values.

    def sum(self, position: int) -> tuple[str, int]:
        """The value of `a + b + …`, and the position of what ends it."""
        pieces = []
        while True:
            value, position = self._value(position)
            self._characters -= len(value)
            pieces.append(value)
            if self.at(position) != "+" or self.is_exhausted:
                break
            position += 1
        return _limited(pieces), self._skip(position)

    @property
    def is_exhausted(self) -> bool:
        """Tell whether values had to be left unknown for their number or size."""
        return self._steps < 0 or self._characters < 0

    def _skip(self, position: int) -> int:
        """Go on to what ends an argument."""
        while self.at(position) not in ("", ")", "]", "}", ",", ";") and self._steps > 0:
            self._steps -= 1
            position = self._partners.get(position, position) + 1
        return position

    def _value(self, position: int) -> tuple[str, int]:
        self._steps -= 1
        if self._depth > _MAX_DEPTH or self.is_exhausted or position >= len(self.tokens):
            return UNKNOWN, min(position, len(self.tokens))
        self._depth += 1
        value, position = self._operand(position)
        self._depth -= 1
        return value, position

    def _operand(self, position: int) -> tuple[str, int]:
        token = self.tokens[position]
        if token.text == "(":
            value, position = self.sum(position + 1)
            position += 1
        elif token.text == "[":
            value, position = self._array(position)
        elif token.kind == "string":
            value, position = unquoted(token.text), position + 1
        elif token.kind == "name" and token.text[:1].isdigit():
            value, position = token.text, position + 1
        elif token.kind == "name":
            return self._named(position)
        else:
            return UNKNOWN, position
        return self._methods(value, position)

    def _named(self, position: int) -> tuple[str, int]:
        known = self._values.get(self.at(position))
        if known is not None and self.at(position + 1) != "(":
            return self._methods(known, position + 1)
        name, after = self.chain(position)
        if self.at(after) != "(":
            return (
                "~" if name in ("process.env.HOME", "process.env.USERPROFILE") else UNKNOWN
            ), after
        if name == "String.fromCharCode":
            codes = [int(code) for code in self._arguments(after) if code.isdigit()]
            value = "".join(chr(code) for code in codes if code < 0x110000)
        else:
            given = self._arguments(after)
            value = _made(name, given)
        return self._methods(value, self.close(after))

    def _methods(self, value: str, position: int) -> tuple[str, int]:
        """`.split("").reverse().join("")` and their like, one after another."""
        while self.at(position) in (".", "?.") and self.at(position + 2) == "(":
            self._characters -= len(value)
            value = _changed(value, self.at(position + 1), self._arguments(position + 2))
            position = self.close(position + 2)
        return value, position

    def _array(self, position: int) -> tuple[str, int]:
        words = self.words(position)
        close = self.close(position)
        if self.at(close) == "." and self.at(close + 1) == "join":
            given = self._arguments(close + 2)
            return _limited(words, given[0] if given else ","), self.close(close + 2)
        return _limited(words) if words else UNKNOWN, close

    def _arguments(self, position: int) -> list[str]:
        given: list[str] = []
        while self.at(position) in ("(", ",") and not self.is_exhausted:
            if self.at(position + 1) == ")":
                break
            value, position = self.sum(position + 1)
            given.append(value)
        return given

    def close(self, position: int) -> int:
        """The position after the bracket that closes the one here."""
        return self._partners.get(position, len(self.tokens)) + 1


def _module(name: str) -> str:
    name = name.removeprefix("node:").removesuffix("/promises")
    return "fs" if name == "graceful-fs" else name


def _limited(pieces: Sequence[str], between: str = "") -> str:
    try:
        return joined(pieces, between)
    except OverflowError:
        return UNKNOWN


def _partners(tokens: Sequence[Token]) -> dict[int, int]:
    """Position of every opening bracket → that of the one that closes it."""
    partners: dict[int, int] = {}
    waiting: list[int] = []
    for position, token in enumerate(tokens):
        if token.text in ("(", "[", "{"):
            waiting.append(position)
        elif token.text in (")", "]", "}") and waiting:
            partners[waiting.pop()] = position
    return partners


def _made(name: str, given: list[str]) -> str:
    if not given:
        return "~" if name in ("os.homedir", "homedir") else UNKNOWN
    if name == "atob" or (name == "Buffer.from" and given[1:] == ["base64"]):
        return decode_base64(given[0]) or UNKNOWN
    if name == "Buffer.from" and given[1:] == ["hex"]:
        try:
            return bytes.fromhex(given[0]).decode("utf-8", "replace")
        except ValueError:
            return UNKNOWN
    if name in ("path.join", "path.resolve", "join"):
        return "/".join(given)
    if name in ("Buffer.from", "String", "decodeURIComponent", "unescape", "String.raw"):
        return given[0]
    return UNKNOWN


def _changed(value: str, method: str, given: list[str]) -> str:
    match method:
        case "reverse":
            return value[::-1]
        case "toString" | "split" | "join" | "trim" | "concat" | "normalize" | "flat":
            return value + "".join(given) if method == "concat" else value
        case "replace" | "replaceAll" if len(given) == 2 and UNKNOWN not in given[0] and given[0]:
            changed = value.replace(given[0], given[1])
            return changed if len(changed) <= MAX_TEXT else UNKNOWN
        case "toLowerCase":
            return value.lower()
    return UNKNOWN
