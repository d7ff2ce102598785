from __future__ import annotations

import base64

import pytest

from callgate.detectors.shell.windows.reading import (
    commands,
    decode_command,
    decoded,
    may_hold,
    plain,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("del /s C:\\x & dir", [["del", "/s", "C:\\x"], ["dir"]]),
        ('copy "a b"c d', [["copy", "a bc", "d"]]),
        ("bcdedit /set {default} x", [["bcdedit", "/set", "{default}", "x"]]),
        ("a | b; c", [["a"], ["b"], ["c"]]),
        ("'unclosed", [["'unclosed"]]),
        (";;", []),
        ("", []),
    ],
)
def test_text_is_read_as_commands(text: str, expected: list[list[str]]) -> None:
    assert list(commands(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d^el x", "del x"),
        ("Remove`-Item x", "Remove-Item x"),
        ("a `\n b", "a   b"),
        ("'Rem'+'ove'", "'Remove'"),
        ("[char]0x69+[char]101+[char]120", "'iex'"),
        ("[char]7", "''"),
        ("(\"{1}{0}\" -f 'x','ie')", "'iex'"),
        ("\"{0}{9}\" -f 'x'", "'x'"),
        ("'abc'.Replace('b','x')", "'axc'"),
        ("set x=del&& %x% y", "set x=del&& del y"),
        ("$a='iex'; $a", "iex='iex'; iex"),
        ("%comspec:~0,2%", "C:"),
        ("%comspec:~-4%", ".exe"),
        ("%unknown% $unknown", "%unknown% $unknown"),
        ("&('iex') x", " & 'iex'  x"),
    ],
)
def test_what_the_text_tells_is_undone(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_encoded_command_is_utf_16_or_utf_8() -> None:
    assert decode_command(base64.b64encode("rm x".encode("utf-16-le")).decode()) == "rm x"
    assert decode_command(base64.b64encode(b"rm x!").decode()) == "rm x!"
    assert decode_command("!") is None
    packed = base64.b64encode(b"rm -rf /data").decode()
    assert list(decoded(f"[Convert]::FromBase64String('{packed}')")) == ["rm -rf /data"]
    assert list(decoded("FromBase64String('aaaaa')")) == []


def test_ordinary_text_is_passed_over() -> None:
    assert not may_hold("ls -la | grep x")
    assert may_hold("d^el /s x")


def test_number_of_words_is_bounded() -> None:
    assert sum(map(len, commands("a " * 20_000))) < 10_000
