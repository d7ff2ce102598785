from __future__ import annotations

import shlex

import pytest

from callgate.detectors.shell.programs import danger_of, fed


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("psql -h db -c 'DROP DATABASE x'", "DROP_DATABASE"),
        ("psql --command='DROP TABLE x'", "DROP_TABLE"),
        ("mysql -e 'DELETE FROM users'", "DELETE_WITHOUT_WHERE"),
        ("sqlite3 x.db 'TRUNCATE TABLE x'", "TRUNCATE_TABLE"),
        ("dropdb production", "DROP_DATABASE"),
        ("mysqladmin -u root drop x", "DROP_DATABASE"),
        ("redis-cli flushall", "DROP_DATABASE"),
        ("mongo prod --eval 'db.dropDatabase()'", "DROP_DATABASE"),
        ("mongorestore --drop dump", "DROP_DATABASE"),
        ("pg_restore --clean -d x dump", "DROP_DATABASE"),
    ],
)
def test_lost_data_is_found(line: str, kind: str) -> None:
    program, *arguments = shlex.split(line)
    danger = danger_of(program, arguments)
    assert danger is not None
    assert danger.kind == kind


@pytest.mark.parametrize(
    "line",
    [
        "psql -c 'SELECT 1'",
        "psql",
        "mysql -u root",
        "mysqladmin status",
        "redis-cli GET x",
        "mongo --eval 'db.users.find()'",
        "dropdb",
        "pg_restore -l dump",
    ],
)
def test_everyday_work_is_not_found(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert danger_of(program, arguments) is None


@pytest.mark.parametrize(
    ("program", "given", "kind"),
    [
        ("psql", "DROP DATABASE x", "DROP_DATABASE"),
        ("redis-cli", "FLUSHALL", "DROP_DATABASE"),
        ("mongosh", "db.dropDatabase()", "DROP_DATABASE"),
    ],
)
def test_statement_on_standard_input_is_found(program: str, given: str, kind: str) -> None:
    danger = fed(program, [], given)
    assert danger is not None
    assert danger.kind == kind


def test_input_of_other_programs_is_no_statement() -> None:
    assert fed("cat", [], "DROP DATABASE x") is None
    assert fed("psql", [], None) is None
    assert fed("psql", [], "SELECT 1") is None
