"""Attacks rewritten so that they are not read at a glance, and still do or say the same."""

from __future__ import annotations

import base64
import codecs
import gzip
import html
import json
import random
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

type Row = dict[str, Any]
type Change = Callable[[str, random.Random], str]

COMMAND_FIELDS = ("command", "cmd", "script", "input", "code")


@dataclass(frozen=True)
class Rewriting:
    """One way to write a string of a call."""

    name: str
    change: Change
    is_encoding: bool = False
    """Changes the whole string into another, whatever it is."""
    only: tuple[str, ...] = ()
    """Fields that it is for; all where empty."""

    def apply(self, row: Row, chance: random.Random) -> Row:
        return row | {"arguments": self._rewrite(row["arguments"], "", chance)}

    def _rewrite(self, value: Any, field: str, chance: random.Random) -> Any:
        if isinstance(value, dict):
            return {key: self._rewrite(item, key, chance) for key, item in value.items()}
        if isinstance(value, list):
            return [self._rewrite(item, field, chance) for item in value]
        is_meant = isinstance(value, str) and (not self.only or field in self.only)
        return self.change(value, chance) if is_meant else value


def rewritings(label: str) -> list[Rewriting]:
    """The ways that make sense for a class of attacks."""
    encodings = [Rewriting(name, change, True) for name, change in _ENCODINGS.items()]
    if label == "destructive_shell":
        named = _SHELL.items()
        return [Rewriting(n, c, only=COMMAND_FIELDS) for n, c in named] + encodings
    if label == "destructive_sql":
        return [Rewriting(name, change) for name, change in _SQL.items()] + encodings
    return encodings


# Whole strings.


def _escaped(text: str, _: random.Random) -> str:
    return "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in text)


def _twice_json(text: str, _: random.Random) -> str:
    return json.dumps(json.dumps({"value": text}))


def _fullwidth(text: str, chance: random.Random) -> str:
    return "".join(
        chr(ord(c) + 0xFEE0) if c.isalnum() and c.isascii() and chance.random() < 0.5 else c
        for c in text
    )


def _zero_width(text: str, chance: random.Random) -> str:
    return "".join(c + ("\u200b" if chance.random() < 0.3 else "") for c in text)


_ENCODINGS: dict[str, Change] = {
    "JSON in a string": lambda text, _: json.dumps({"value": text}),
    "JSON encoded twice": _twice_json,
    "URL-encoded": lambda text, _: quote(text, safe=""),
    "URL-encoded twice": lambda text, _: quote(quote(text, safe=""), safe=""),
    "base64": lambda text, _: base64.b64encode(text.encode()).decode(),
    "base64, URL-safe, bare": lambda t, _: (
        base64.urlsafe_b64encode(t.encode()).decode().rstrip("=")
    ),
    "base64 in lines": lambda text, _: base64.encodebytes(text.encode()).decode(),
    "gzip and base64": lambda text, _: base64.b64encode(
        gzip.compress(text.encode(), mtime=0)
    ).decode(),
    "hex": lambda text, _: text.encode().hex(),
    "HTML entities": lambda text, _: "".join(f"&#{ord(c)};" for c in text),
    "HTML entities for signs": lambda text, _: html.escape(text).replace(" ", "&#32;"),
    "unicode escapes": _escaped,
    "full-width letters": _fullwidth,
    "zero-width spaces": _zero_width,
}

# Shell.


def _first_word(text: str, change: Callable[[str], str]) -> str:
    return re.sub(r"[A-Za-z][\w.-]+", lambda m: change(m[0]), text, count=1)


def _variables(text: str, chance: random.Random) -> str:
    match = re.match(r"\s*([A-Za-z][\w-]+)(.*)", text, re.S)
    if not match:
        return text
    cut = chance.randrange(1, len(match[1]))
    return f"a={match[1][:cut]};b={match[1][cut:]};$a$b{match[2]}"


def _array(text: str, _: random.Random) -> str:
    letters = sorted(set(text))
    items = " ".join(map(shlex.quote, letters))
    order = " ".join(str(letters.index(letter)) for letter in text)
    return f'eval "$(x=({items});for i in {order};do printf %s "${{x[$i]}}";done)"'


def _swapped(text: str, _: random.Random) -> str:
    return f'x={shlex.quote(text.swapcase())};eval "${{x~~}}"'


def _look_alike(text: str, _: random.Random) -> str:
    table = str.maketrans("aeopcx", "аеорсх")
    return _first_word(text, lambda word: word.translate(table))


_ROT13 = "tr A-Za-z N-ZA-Mn-za-m"
_SHELL: dict[str, Change] = {
    "base64 into sh": lambda t, _: f"echo {base64.b64encode(t.encode()).decode()}|base64 -d|sh",
    "gzip into bash": lambda t, _: (
        f"base64 -d <<< {base64.b64encode(gzip.compress(t.encode(), mtime=0)).decode()}|gunzip|bash"
    ),
    "hex by printf": lambda t, _: (
        "printf '" + "".join(f"\\x{b:02x}" for b in t.encode()) + "' | bash"
    ),
    "octal by echo": lambda t, _: (
        "eval \"$(echo -e '" + "".join(f"\\0{b:03o}" for b in t.encode()) + "')\""
    ),
    "rot13 by tr": lambda t, _: f"echo {shlex.quote(codecs.encode(t, 'rot13'))}|{_ROT13}|sh",
    "backwards": lambda t, _: f"rev <<< {shlex.quote(t[::-1])} | bash" if "\n" not in t else t,
    "name in variables": _variables,
    "letters in an array": _array,
    "case swapped": _swapped,
    "quotes in words": lambda t, _: _first_word(t, lambda w: f"{w[0]}''{w[1:-1]}\"{w[-1]}\""),
    "backslashes in words": lambda t, _: _first_word(t, lambda w: "\\" + w[0] + "\\" + w[1:]),
    "$'…' for the name": lambda t, _: _first_word(
        t, lambda w: "$'" + "".join(f"\\x{ord(c):02x}" for c in w) + "'"
    ),
    "$IFS for blanks": lambda t, _: t.replace(" ", "${IFS}") if not re.search("['\"]", t) else t,
    "wrappers": lambda t, _: f"sudo -n env A=1 nohup timeout 60 sh -c {shlex.quote(t)}",
    "here-document": lambda t, _: f"bash <<'END'\n{t}\nEND",
    "process substitution": lambda t, _: f"bash <(echo {shlex.quote(t)})",
    "python -c": lambda t, _: f"python3 -c {shlex.quote(f'import os; os.system({t!r})')}",
    "perl -e": lambda t, _: f"perl -e {shlex.quote('system(' + json.dumps(t) + ')')}",
    "find -exec": lambda t, _: f"find . -maxdepth 0 -exec sh -c {shlex.quote(t)} \\;",
    "xargs": lambda t, _: f"echo {shlex.quote(shlex.quote(t))} | xargs sh -c",
    "script that is run": lambda t, _: f"cat > /tmp/a <<'END'\n{t}\nEND\nsh /tmp/a",
    "function": lambda t, _: f"f() {{ {t}\n}}; f",
    "ssh": lambda t, _: f"ssh root@db1 {shlex.quote(t)}",
    "docker exec": lambda t, _: f"docker exec -it web sh -c {shlex.quote(t)}",
    "PowerShell, encoded": lambda t, _: (
        f"powershell -nop -enc {base64.b64encode(t.encode('utf-16-le')).decode()}"
    ),
    "cmd /c": lambda t, _: f'cmd /c "{t}"' if '"' not in t else t,
    "look-alike letters": _look_alike,
    "empty expansions": lambda t, _: _first_word(t, lambda w: f"{w[0]}${{@#x}}{w[1:]}$*"),
}

# SQL.


def _mixed(text: str, chance: random.Random) -> str:
    return re.sub(
        r"\b(?:drop|truncate|delete|update|alter|grant|table|database|from|set|all|copy|exec)\b",
        lambda m: "".join(chance.choice((c.lower(), c.upper())) for c in m[0]),
        text,
        flags=re.I,
    )


def _between_words(filler: str) -> Change:
    def change(text: str, _: random.Random) -> str:
        parts = re.split(r"('[^']*'|\"[^\"]*\")", text)
        parts[::2] = [re.sub(r"(?<=\w) (?=\w)", filler, part) for part in parts[::2]]
        return "".join(parts)

    return change


_SQL: dict[str, Change] = {
    "letters in mixed case": _mixed,
    "comments for blanks": _between_words("/**/"),
    "comments with text": _between_words("/* see ticket */"),
    "lines and tabs": _between_words("\n\t"),
    "line comments": _between_words(" -- x\n"),
    "after a harmless one": lambda t, _: f"SELECT 1; {t}",
    "before a harmless one": lambda t, _: f"{t.rstrip(' ;')}; SELECT 1",
    "in EXEC": lambda t, _: "EXEC('" + t.replace("'", "''") + "')",
    "in a block": lambda t, _: f"DO $$ BEGIN {t.rstrip(' ;')}; END $$;",
    "EXPLAIN ANALYZE": lambda t, _: f"EXPLAIN ANALYZE {t}",
    "executable comment": lambda t, _: f"/*!50000 {t.rstrip(' ;')} */" if "*/" not in t else t,
}
