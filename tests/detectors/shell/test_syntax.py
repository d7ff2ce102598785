from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from callgate.detectors.shell import syntax
from callgate.detectors.shell.syntax import Source


def test_spans_count_characters() -> None:
    source = Source("echo ü; ls")
    assert source.root is not None
    last = source.root.named_children[-1]
    assert source.span(last) == (8, 10)
    assert source.text(last) == "ls"


@pytest.mark.parametrize("text", ["rm${IFS}-rf", "rm$IFS$9-rf", "rm\x00-rf", "{rm,-rf}"])
def test_what_separates_words_counts_as_blanks_of_the_same_length(text: str) -> None:
    source = Source(text)
    assert source.root is not None
    blanked = source.between(0, len(text))
    assert len(blanked) == len(text)
    assert blanked.split() == ["rm", "-rf"]


def test_parse_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "PARSE_SECONDS", -1)
    assert Source("ls; " * 5000).root is None
    assert Source("ls").root is not None


@pytest.mark.parametrize(
    "text",
    ["{1\U0010ffff", "{1..\U0010ffff", "case a in -\U0010ffff) ls;; *\U0010ffff) ls;; esac",
     "cat <<E\n x $\U0010ffff\nE", "[ -\U0010ffff ]", "${a?\U0010ffff}"],
)  # fmt: skip
def test_no_character_ends_the_process(text: str) -> None:
    program = (
        "import sys; from callgate.detectors.shell.syntax import Source; "
        "assert Source(sys.argv[1]).root.text"
    )
    package = str(Path(syntax.__file__).parents[2])
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program, text], cwd=package, check=True)


def test_text_keeps_its_own_characters() -> None:
    source = Source("echo 日本 é; ls")
    assert source.root is not None
    assert source.text(source.root.named_children[0]) == "echo 日本 é"


def test_brace_loop_reads_as_any_other() -> None:
    source = Source("for i in a b; { echo '}' ${i} \"{\"; }")
    assert source.root is not None
    assert source.root.named_children[0].type == "for_statement"
    assert source.span(source.root.named_children[0]) == (0, 36)


@pytest.mark.parametrize("text", ["for i in a; { ls", "for i in a; {" * 50])
def test_brace_loop_that_never_ends_is_read_all_the_same(text: str) -> None:
    assert Source(text).root is not None


@pytest.mark.parametrize("text", ["r${@^^}m", "r${*#a\\}b}m", 'r"${@/a/b}"m', "r$@m"])
def test_parameters_that_nothing_sets_keep_their_length(text: str) -> None:
    source = Source(text)
    assert source.root is not None
    assert source.span(source.root) == (0, len(text))
