from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.detectors.files.paths import MAX_PATH, Path, path_of

ENCODED = "encoded dots or slashes"
ALIKE = "look-alike dots or slashes"
FILTERED = "dots that a filter turns into .."


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("src/Main.py", Path("src/main.py")),
        ("./a//b/./c/", Path("a/b/c")),
        ("a/../b", Path("b")),
        ("../../a", Path("a", climbs=2)),
        ("a/../../b", Path("b", climbs=1)),
        ("/../etc", Path("/etc", leaves_root=True)),
        ("/usr/../etc", Path("/etc", leaves_root=True)),
        ("/usr/lib/../bin", Path("/usr/bin")),
        ("~/../../etc", Path("/etc", leaves_root=True)),
        ("$HOME/.ssh", Path("/home/~/.ssh")),
        ("%USERPROFILE%\\.ssh", Path("/home/~/.ssh")),
        ("'/etc/passwd'", Path("/etc/passwd")),
        ("C:\\Users\\Bob", Path("/users/bob")),
        ("/mnt/c/users", Path("/users")),
        ("/c/users", Path("/users")),
        ("file:///etc/passwd", Path("/etc/passwd")),
        ("file:/etc/passwd", Path("/etc/passwd")),
        ("\\\\?\\C:\\x", Path("/x")),
        ("\\\\localhost\\c$\\x", Path("/x")),
        ("\\\\10.0.0.1\\C$\\x", Path("/x", host="10.0.0.1")),
        ("//host/share/x", Path("/share/x", host="host")),
        ("/proc/self/root/etc/shadow", Path("/etc/shadow")),
        ("%2e%2e%2fa", Path("a", climbs=1, disguise=ENCODED)),
        ("%252e%252e%252fa", Path("a", climbs=1, disguise=ENCODED)),
        ("%%32%65%%32%65%%32%66a", Path("a", climbs=1, disguise=ENCODED)),
        ("%c0%ae%c0%ae%c0%afa", Path("a", climbs=1, disguise=ENCODED)),
        ("%c0%2e%c0%2e%c0%2fa", Path("a", climbs=1, disguise=ENCODED)),
        ("..%c1%9ca", Path("a", climbs=1, disguise=ENCODED)),
        ("%e0%80%ae%e0%80%ae/a", Path("a", climbs=1, disguise=ENCODED)),
        ("%u002e%u002e%u2215a", Path("a", climbs=1, disguise=ENCODED)),
        ("\\u002e\\u002e\\u002fa", Path("a", climbs=1, disguise=ENCODED)),
        ("\\x2e\\x2e\\x2fa", Path("a", climbs=1, disguise=ENCODED)),
        ("..0x2fa", Path("a", climbs=1, disguise=ENCODED)),
        ("....//a", Path("a", climbs=1, disguise=FILTERED)),
        ("..;/a", Path("a", climbs=1, disguise=FILTERED)),
        ("a/..\\..\\b", Path("b", climbs=1, disguise="mixed slashes")),
        ("a.txt\0.jpg", Path("a.txt", disguise="NUL byte")),
        ("a.txt%00.jpg", Path("a.txt", disguise="NUL byte")),
        ("../a\0", Path("a", climbs=1, disguise="NUL byte")),
        ("．．／a", Path("a", climbs=1, disguise=ALIKE)),
        ("‥/a", Path("a", climbs=1, disguise=ALIKE)),
        ("..∕a", Path("a", climbs=1, disguise=ALIKE)),
        (".e\u0301nv", Path(".env")),
        (".e\u200bnv", Path(".env")),
        (".\u0435nv", Path(".env")),
        ("résumé.pdf", Path("resume.pdf")),
        ("100%25.txt", Path("100%.txt")),
        ("100%.txt", Path("100%.txt")),
        ("0x2e5f.bin", Path("0x2e5f.bin")),
        ("./...", Path("...")),
        ("", Path("")),
    ],
)
def test_every_spelling_comes_to_its_plain_form(text: str, path: Path) -> None:
    assert path_of(text) == path


def test_encodings_are_undone_a_few_times_only() -> None:
    assert path_of("%" + "25" * 50 + "2e/x").climbs == 0


def test_text_beyond_the_longest_path_is_not_looked_at() -> None:
    assert len(path_of("a" * (2 * MAX_PATH)).text) == MAX_PATH


@given(st.text(max_size=60))
def test_plain_form_has_no_steps_left(text: str) -> None:
    names = path_of(text).text.split("/")
    assert "." not in names
    assert ".." not in names
