from __future__ import annotations

import base64
import bz2
import gzip
import lzma

import pytest

from callgate.detectors.shell.textpipe import MAX_OUTPUT, decode_base64, output_of, unescape


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"\x72\155\u0020\n", "rm \n"),
        (r"\U0010ffff1", "\U0010ffff1"[:1] + "1"),
        (r"\ud800\U00110000", "??"),
        (r"a\qb\\", r"a\qb" + "\\"),
        ("", ""),
    ],
)
def test_escapes_are_undone(escaped: str, plain: str) -> None:
    assert unescape(escaped) == plain


@pytest.mark.parametrize(
    ("words", "stdin", "output"),
    [
        (["echo", "a", "b"], None, "a b"),
        (["/bin/echo", "-ne", r"\x61"], None, "a"),
        (["printf", r"\x72\x6d"], None, "rm"),
        (["printf", "--", "%s-%d", "a", "1"], None, "a-1"),
        (["printf", "%s ", "a", "b"], None, "a b "),
        (["printf", "100%%"], None, "100%"),
        (["printf", "-v", "x"], None, None),
        (["printf", "%o %x %c|", "114", "0x1f", "abc"], None, "162 1f a|"),
        (["printf", "%b", "\\x61"], None, "a"),
        (["printf", "%x", "z"], None, "z"),
        (["printf", "%s%s", "a"], None, "a"),
        (["seq", "3"], None, "1\n2\n3"),
        (["seq", "2", "3"], None, "2\n3"),
        (["seq", "x"], None, None),
        (["base32", "-d"], "OJWQ====", "rm"),
        (["base32", "-d"], "!", None),
        (["base32"], "rm", None),
        (["openssl", "base64", "-d"], "cm0=", "rm"),
        (["openssl", "enc", "-aes-256-cbc", "-a", "-d"], "cm0=", None),
        (["md5sum"], "rm", "d67f249b90615ca158b1258712c3a9fc  -"),
        (["base64", "-d"], "cm0=", "rm"),
        (["base64"], "rm", "cm0="),
        (["base64", "--decode"], "!!", None),
        (["xxd", "-r", "-p"], "726d", "rm"),
        (["xxd", "-r", "-p"], "zz", None),
        (["xxd"], "726d", None),
        (["rev"], "mr", "rm"),
        (["rot13"], "ez", "rm"),
        (["tr", "a-z", "n-za-m"], "ez", "rm"),
        (["tr", "-d", "x"], "rxm", "rm"),
        (["tr", "-s", "x"], "rxm", None),
        (["tr", "a", ""], "a", None),
        (["cat"], "x", "x"),
        (["cat", "file"], "x", None),
        (["gunzip"], "not zipped", None),
        (["gzip"], "x", None),
        (["curl", "http://x"], "x", None),
        (["cat"], None, None),
        ([], "x", None),
    ],
)
def test_output_is_worked_out_or_unknown(
    words: list[str], stdin: str | None, output: str | None
) -> None:
    assert output_of(words, stdin) == output


def test_gzip_is_undone_and_bounded() -> None:
    zipped = gzip.compress(b"rm -rf /data", mtime=0).decode("latin-1")
    assert output_of(["gzip", "-dc"], zipped) == "rm -rf /data"
    bomb = gzip.compress(b"x" * 10 * MAX_OUTPUT, mtime=0).decode("latin-1")
    assert len(output_of(["zcat"], bomb) or "") <= MAX_OUTPUT


def test_output_beyond_the_bound_is_unknown() -> None:
    assert output_of(["cat"], "x" * (MAX_OUTPUT + 1)) is None


def test_base64_is_decoded_without_padding_and_url_safe() -> None:
    raw = base64.urlsafe_b64encode(b"\xfb\xff>?").decode().rstrip("=")
    assert decode_base64(raw) == "\xfb\xff>?"
    assert decode_base64("a") is None


@pytest.mark.parametrize(
    ("program", "packed"),
    [
        ("bunzip2", bz2.compress(b"rm -rf /data")),
        ("xzcat", lzma.compress(b"rm -rf /data")),
        ("zcat", gzip.compress(b"rm -rf /data", mtime=0)),
    ],
)
def test_compressed_text_is_undone(program: str, packed: bytes) -> None:
    assert output_of([program], packed.decode("latin-1")) == "rm -rf /data"
    assert output_of([program], packed[:9].decode("latin-1")) in (None, "")


def test_output_that_repeats_beyond_the_bound_is_unknown() -> None:
    assert output_of(["printf", "x" * MAX_OUTPUT + "%s", "a", "b"], None) is None
