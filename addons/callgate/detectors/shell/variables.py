"""Variables of a shell script, and what `${…}` makes of them: parts, defaults, replacements.

Knows nothing of commands. Values that do not follow from the script are unknown, never guessed.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping

from callgate.detectors.pattern import pattern
from callgate.detectors.shell.textpipe import unescape

MAX_EXPANDED = 1_000_000
"""Characters that variables may expand to in all."""

_MAX_VALUE = 100_000
_MAX_PATTERN = 500
_MAX_ARITHMETIC = 200

_NAME = re.compile(r"\$(\w+|[@*#])")
_BRACED = re.compile(r"\$\{([!#]?)(\w+|[@*])(?:\[([^\]]*)\])?(.*)\}", re.S)
_DEFAULT = re.compile(r":?([-=+?])(.*)", re.S)
_PART = re.compile(r":\s*([^:]+)(?::(.*))?", re.S)
_TRIM = re.compile(r"(##?|%%?)(.*)", re.S)
_REPLACE = re.compile(r"/([/#%]?)((?:\\.|[^/\\])*)(?:/(.*))?", re.S)
_BASED = re.compile(r"\b(\d{1,2})#(\w+)")
_OCTAL = re.compile(r"\b0(\d+)\b")
_WORD = re.compile(r"(?<!\w)\$?\{?([A-Za-z_]\w*)\}?")

_ENVIRONMENT = {
    "0": "bash",
    "BASH": "/bin/bash",
    "SHELL": "/bin/bash",
    "IFS": " ",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
"""What nearly every shell has set."""

_CUT_ONLY = {"HOME": "/root", "PWD": "/", "OLDPWD": "/"}
"""Known well enough to cut characters out of them: `${HOME:0:1}` is a slash."""

_CASES: Mapping[str, Callable[[str], str]] = {
    "^^": str.upper,
    "@U": str.upper,
    ",,": str.lower,
    "@L": str.lower,
    ",^": str.swapcase,  # as `syntax` spells `~~`
    "^": lambda text: text[:1].upper() + text[1:],
    "@u": lambda text: text[:1].upper() + text[1:],
    ",": lambda text: text[:1].lower() + text[1:],
    "@E": unescape,
    "@P": str,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitXor: operator.xor,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.RShift: operator.rshift,
}


class Variables:
    """Scalars, arrays and positional parameters that a script has set so far."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._arrays: dict[str, dict[str, str]] = {}
        self._left = MAX_EXPANDED
        self.positional: list[str] | None = None
        """Where None, the script has not set them: they are empty."""

    @property
    def is_exhausted(self) -> bool:
        """Tell whether more was expanded than is allowed; all that follows is unknown."""
        return self._left < 0

    def assign(self, name: str, value: str, index: str = "", *, is_added: bool = False) -> None:
        """`name=value`, `name[index]=value`, `name+=value`."""
        if index:
            where = self._arrays.setdefault(name, {})
            key = self._key(index)
        else:
            where, key = self._values, name
        where[key] = where.get(key, "") + value if is_added else value

    def assign_list(self, name: str, values: list[str], *, is_added: bool = False) -> None:
        """`name=(…)`; elements `[key]=value` name their place."""
        items = self._arrays.get(name, {}) if is_added else {}
        for value in values:
            named = re.fullmatch(r"\[([^\]]+)\]=(.*)", value, re.S)
            items[self._key(named[1]) if named else str(len(items))] = named[2] if named else value
        self._arrays[name] = items

    def unset(self, name: str) -> None:
        """Forget a variable."""
        self._values.pop(name, None)
        self._arrays.pop(name, None)

    def expand(self, raw: str) -> str | None:
        """Return what `$name` or `${…}` stands for, None where that is unknown."""
        value = self._expand(raw)
        if value is not None:
            self._left -= len(value)
        return None if self.is_exhausted else value

    def number(self, text: str) -> int | None:
        """Work out `1 + 2#101 * x`; None where a part is unknown."""
        if len(text) > _MAX_ARITHMETIC:
            return None
        text = _BASED.sub(_decimal, text)
        text = _OCTAL.sub(lambda m: str(int(m[1], 8)) if m[1].strip("89") else m[1], text)
        text = _WORD.sub(lambda m: self._values.get(m[1], "?").strip() or "0", text)
        try:
            return _compute(ast.parse(text.strip(), mode="eval").body)
        except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
            return None

    def _expand(self, raw: str) -> str | None:
        if name := _NAME.fullmatch(raw):
            return self._plain(name[1])
        if not (match := _BRACED.fullmatch(raw)):
            return None
        sign, name_, index, rest = match[1], match[2], match[3], match[4]
        value = self._plain(name_) if index is None else self._element(name_, index)
        if sign == "!":
            return self._plain(value) if value and not rest else None
        if sign == "#":
            return None if value is None else str(len(value))
        if not rest:
            return value
        return self._operate(name_, value, self._inner(rest))

    def _plain(self, name: str) -> str | None:
        if name in ("@", "*", "#"):
            words = self.positional or []
            return str(len(words)) if name == "#" else " ".join(words)
        if name.isascii() and name.isdigit() and name != "0":
            words, place = self.positional or [], int(name[:6])
            return words[place - 1] if 0 < place <= len(words) else ""
        if name in self._arrays:
            return self._arrays[name].get("0", "")
        return self._values.get(name, _ENVIRONMENT.get(name))

    def _element(self, name: str, index: str) -> str | None:
        items = self._arrays.get(name)
        if items is None:
            return self._plain(name) if index in ("0", "@", "*") else None
        if index in ("@", "*"):
            return " ".join(items.values())
        return items.get(self._key(index), "")

    def _key(self, index: str) -> str:
        number = self.number(self._inner(index))
        return index.strip("'\"") if number is None else str(number)

    def _inner(self, text: str) -> str:
        """Expand plain variables in the operand of an expansion."""
        return _NAME.sub(
            lambda m: value if (value := self._plain(m[1])) is not None else m[0], text
        )

    def _operate(self, name: str, value: str | None, rest: str) -> str | None:
        if default := _DEFAULT.fullmatch(rest):
            return self._defaulted(name, value, default[1], default[2])
        if value is None:
            value = _CUT_ONLY.get(name)
        if value is None or len(value) > _MAX_VALUE or len(rest) > _MAX_PATTERN:
            return None
        if rest in _CASES:
            return _CASES[rest](value)
        if part := _PART.fullmatch(rest):
            return self._part(name, value, part[1], part[2])
        if trim := _TRIM.fullmatch(rest):
            return _trimmed(value, trim[1], _unquoted(trim[2]))
        if replace := _REPLACE.fullmatch(rest):
            return _replaced(value, replace[1], _unquoted(replace[2]), _unquoted(replace[3] or ""))
        return None

    def _defaulted(self, name: str, value: str | None, sign: str, word: str) -> str | None:
        word = _unquoted(word)
        if sign == "+":
            return word if value else None
        if value:
            return value
        if "$" in word or "`" in word or sign == "?":
            return None
        if sign == "=":
            self._values[name] = word
        return word

    def _part(self, name: str, value: str, start: str, length: str | None) -> str | None:
        first = self.number(start)
        count = self.number(length) if length else None
        if first is None or (length and count is None):
            return None
        if name in ("@", "*"):
            words = (self.positional or [])[max(first - 1, 0) :]
            return " ".join(words if count is None else words[:count])
        value = value[first:]
        return value if count is None else value[:count]


def _decimal(match: re.Match[str]) -> str:
    radix = int(match[1])
    try:
        return str(int(match[2], radix)) if 2 <= radix <= 36 else "?"
    except ValueError:
        return "?"


def _compute(node: ast.expr) -> int:
    match node:
        case ast.Constant(int(value)):
            return value
        case ast.UnaryOp(ast.USub(), operand):
            return -_compute(operand)
        case ast.UnaryOp(ast.UAdd(), operand):
            return _compute(operand)
        case ast.UnaryOp(ast.Invert(), operand):
            return ~_compute(operand)
        case ast.BinOp(left, ast.LShift(), right):
            return _compute(left) << min(_compute(right), 64)
        case ast.BinOp(left, sign, right) if type(sign) in _OPERATORS:
            return _OPERATORS[type(sign)](_compute(left), _compute(right))
    raise ValueError("not arithmetic")


def _unquoted(text: str) -> str:
    """Undo quotes and backslashes in an operand."""
    return re.sub(r"\\(.)|['\"]", lambda m: m[1] or "", text, flags=re.S)


def _glob(glob: str, *, is_lazy: bool) -> str:
    """A shell pattern as an RE2 expression."""
    many = "[\\s\\S]*?" if is_lazy else "[\\s\\S]*"
    pieces = {"*": many, "?": "[\\s\\S]"}
    return "".join(pieces.get(letter, re.escape(letter)) for letter in glob)


def _trimmed(value: str, sign: str, glob: str) -> str:
    is_lazy = len(sign) == 1
    if sign[0] == "#":
        found = pattern(f"^(?:{_glob(glob, is_lazy=is_lazy)})").search(value)
        return value[found.end() :] if found else value
    head = "[\\s\\S]*" if is_lazy else "[\\s\\S]*?"
    found = pattern(f"^({head})(?:{_glob(glob, is_lazy=False)})$").search(value)
    return str(found[1]) if found else value


def _replaced(value: str, mode: str, glob: str, text: str) -> str:
    if not glob:
        return value
    expression = _glob(glob, is_lazy=False)
    expression = {"#": f"^{expression}", "%": f"{expression}$"}.get(mode, expression)
    replaced = pattern(expression).sub(lambda _: text, value, 0 if mode == "/" else 1)
    return str(replaced)
