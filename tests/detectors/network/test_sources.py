from __future__ import annotations

import pytest

from callgate.detectors.network.sources import (
    Worth,
    worth_of_mention,
    worth_of_path,
    worth_of_words,
)


@pytest.mark.parametrize(
    ("path", "worth"),
    [
        ("/etc/passwd", Worth.SECRET),
        ("/root/.profile", Worth.SECRET),
        ("~/.ssh/id_rsa", Worth.SECRET),
        ("~/.aws/credentials", Worth.SECRET),
        ("C:\\Users\\a\\.aws\\credentials", Worth.SECRET),
        (".env", Worth.SECRET),
        (".env.production", Worth.SECRET),
        ("server.pem", Worth.SECRET),
        ("secrets.yaml", Worth.SECRET),
        ("~/.bash_history", Worth.SECRET),
        ("customers.csv", Worth.PERSONAL),
        ("export/2024-payroll.xlsx", Worth.PERSONAL),
        ("prod-dump.sql.gz", Worth.PERSONAL),
        ("app.sqlite3", Worth.PERSONAL),
        ("~/.ssh/id_rsa.pub", Worth.FILE),
        (".env.example", Worth.FILE),
        ("/usr/bin/python3", Worth.FILE),
        ("report.pdf", Worth.FILE),
        ("environment.yml", Worth.FILE),
        ("", Worth.FILE),
    ],
)
def test_worth_of_a_file(path: str, worth: Worth) -> None:
    assert worth_of_path(path) is worth


@pytest.mark.parametrize(
    ("words", "worth"),
    [
        (["env"], Worth.SECRET),
        (["/usr/bin/printenv"], Worth.SECRET),
        (["cat", ".env"], Worth.SECRET),
        (["kubectl", "get", "secrets"], Worth.SECRET),
        (["echo", "$DB_PASSWORD"], Worth.SECRET),
        (["pg_dump", "app"], Worth.PERSONAL),
        (["cat", "a", "base64"], Worth.PACKED),
        (["cat", "a.txt"], Worth.FILE),
        (["whoami"], Worth.FILE),
        (["uname", "-s"], Worth.NONE),
        (["date", "+%s", "https://a.example/.env"], Worth.NONE),
        (["x" * 501 + "/.env"], Worth.NONE),
        ([], Worth.NONE),
    ],
)
def test_worth_of_what_commands_print(words: list[str], worth: Worth) -> None:
    assert worth_of_words(words) is worth


def test_word_that_only_may_be_a_path_is_worth_nothing_unless_it_clearly_is_one() -> None:
    assert worth_of_mention("/etc/passwd") is Worth.SECRET
    assert worth_of_mention("id_ed25519") is Worth.SECRET
    assert worth_of_mention("a/b.txt") is Worth.NONE
    assert worth_of_mention("token") is Worth.NONE
    assert worth_of_mention("-/etc/passwd") is Worth.NONE
    assert worth_of_mention("https://a.example/.env") is Worth.NONE
    assert worth_of_mention("") is Worth.NONE
