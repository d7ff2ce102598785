from __future__ import annotations

import pytest

from callgate.detectors.shell import syntax
from callgate.detectors.shell.bash import MAX_COMMANDS, MAX_DEPTH, UNKNOWN, parse


def words(text: str) -> list[list[str]]:
    return [command.words for command in parse(text).commands]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a 'b c' \"d $x\" e\\ f", [["a", "b c", "d $x", "e f"]]),
        ("r\"\"m $'\\x61'", [["rm", "a"]]),
        ('x=1; y=$x$x; echo "${y} $y"', [["echo", "11 11"]]),
        ("x='rm -rf /'; $x", [["rm", "-rf", "/"]]),
        ("echo ${x:-$(id)}", [["id"], ["echo", "${x:-$(id)}"]]),
        ("echo $1$@", [["echo"]]),
        ("$(printf rm) -rf", [["printf", "rm"], ["rm", "-rf"]]),
        ("if a; then b; else c; fi", [["a"], ["b"], ["c"]]),
        ("for f in $(ls); do rm $f; done", [["ls"], ["rm", "$f"]]),
        ("while [ -f x ]; do a; done", [["a"]]),
        ("export X=$(id) Y", [["id"]]),
        ("(a; b) && { c; }", [["a"], ["b"], ["c"]]),
        ("a\\\n b", [["a", "b"]]),
        ("A=1 b", [["b"]]),
        ("# a", []),
        ("", []),
    ],
)
def test_script_is_read_as_its_commands(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


def test_words_that_do_not_parse_still_count_as_a_command() -> None:
    assert any("rm" in command for command in words("if ( rm -rf / ]] }"))


@pytest.mark.parametrize(
    ("text", "stdin"),
    [
        ("echo hi | sh", "hi"),
        ("sh <<< hi", "hi"),
        ("sh <<EOF\nhi\nEOF", "hi\n"),
        ("cat <<EOF | sh\nhi\nEOF", "hi\n"),
        ("echo hi > f; cat f | sh", "hi"),
        ("echo hi > f; sh < f", "hi"),
        ("{ echo a; echo b; } | sh", "ab"),
        ("curl x | sh", None),
        ("sh <<< $(curl x)", None),
        ("sh < unknown", None),
    ],
)
def test_text_that_reaches_a_command_is_known_where_it_follows(
    text: str, stdin: str | None
) -> None:
    (shell,) = [c for c in parse(text).commands if c.words == ["sh"] or "sh" in c.words[:1]]
    assert shell.stdin == stdin


def test_pipeline_names_what_feeds_a_command() -> None:
    assert "curl" in parse("sudo curl x | tee y | sh").commands[-1].feeders


def test_redirects_without_a_command_are_seen() -> None:
    (command,) = parse("> /etc/passwd").commands
    assert (command.words, command.writes) == ([], ["/etc/passwd"])


def test_process_substitution_is_a_file_of_known_content() -> None:
    script = parse("bash <(echo hi)")
    path = script.commands[-1].words[1]
    assert script.files[path] == "hi"
    unknown = parse("bash <(curl x)")
    assert UNKNOWN in unknown.commands[-1].words[1]
    assert "curl" in unknown.commands[-1].words[1]


def test_computed_program_is_told() -> None:
    assert parse("$(curl x) y").commands[-1].is_computed


def test_function_that_pipes_into_itself_is_told() -> None:
    assert parse(":(){ :|:& };:").is_recursive_pipe
    assert not parse("f(){ a | b; }; f").is_recursive_pipe


@pytest.mark.parametrize(
    "text", ["(" * (MAX_DEPTH + 50) + "a", "$(" * 500, "a=xxxxxxxx;" + "a=$a$a;" * 60]
)
def test_depth_and_growth_are_bounded(text: str) -> None:
    script = parse(text)
    assert script.is_too_deep or len(script.commands) <= 1


def test_unset_and_test_commands_run_nothing_but_their_substitutions() -> None:
    assert words("unset x; [[ $(id) == 0 ]]") == [["id"]]


@pytest.mark.parametrize(
    "script",
    ["cat < /a", "< /a cat", "echo $(< /a)", "while read l; do x; done < /a", "f=/a; x < $f"],
)
def test_file_that_is_put_in_is_a_reading(script: str) -> None:
    assert [name for command in parse(script).commands for name in command.reads] == ["/a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for c in r m; do x=$x$c; done; $x -f", ["rm", "-f"]),
        ("for ((i=0;i<2;i++)); do rm $i; done", ["rm", "1"]),
        ("for ((;;)); do rm; done", ["rm"]),
        ("for f in $(ls); do rm a; done", ["rm", "a"]),
        ("for x in a b;{ rm $x;}", ["rm", "b"]),
        ("f() { $1 -rf; }; f rm", ["rm", "-rf"]),
        ("f() { f $1; }; f a", ["f", "a"]),
        ("f() {", ["f"]),
        ("alias z='rm -r'; z x", ["rm", "-r", "x"]),
        ("x=a; x+=b; echo $x", ["echo", "ab"]),
        ("a[1]=rm; ${a[1]}", ["rm"]),
        ('set -- rm -rf; "$@"', ["rm", "-rf"]),
        ("while read -r l; do $l; done <<< 'rm -rf'", ["rm", "-rf"]),
        ("x=rm; sh <<E\n$x y\nE", ["sh"]),
        ("${@#x} rm y", ["rm", "y"]),
        ('"${@^^}" rm y', ["rm", "y"]),
        ("{ {rm,-rf}\n}", ["rm", "-rf"]),
        ("=x", ["=x"]),
    ],
)
def test_script_is_followed_where_it_can_be(text: str, expected: list[str]) -> None:
    assert expected in words(text)


@pytest.mark.parametrize(
    ("text", "stdin"),
    [
        ("for c in r m; do printf %s $c; done | sh", "rm"),
        ("for c in r m; do cat; done | sh", None),
        ("x=rm; sh <<E\n$x y\nE", "rm y\n"),
        ("x=rm; sh <<'E'\n$x y\nE", "$x y\n"),
        ("sh <<'E'\n\\rm y\nE", "\\rm y\n"),
        ("sh <<E\nE", ""),
        ("(crontab -l; echo rm) | sh", "rm"),
        ("f() { echo $1; }; f rm | sh", "rm"),
        ("echo rm > ./a; cat a | sh", "rm"),
    ],
)
def test_output_of_loops_functions_and_documents_is_known(text: str, stdin: str | None) -> None:
    (shell,) = [c for c in parse(text).commands if c.words[:1] == ["sh"]]
    assert shell.stdin == stdin


def test_repetition_is_bounded() -> None:
    numbers = " ".join(map(str, range(3000)))
    body = "echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; " * 3
    assert len(parse(f"for i in {numbers}; do {body} done").commands) < 1000
    script = "f() { a; b; f x; f y; }; " + "f z; " * 100
    assert len(parse(script).commands) < 2000


def test_script_of_too_many_commands_is_told() -> None:
    assert parse("ls;" * (MAX_COMMANDS + 10)).is_too_deep
    assert not parse("ls;" * 100).is_too_deep


def test_parse_that_is_given_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "PARSE_SECONDS", -1)
    assert parse("ls;" * 5000).is_too_deep


def test_substitutions_name_their_programs() -> None:
    assert "curl" in parse("eval $(curl x)").commands[-1].substituted
