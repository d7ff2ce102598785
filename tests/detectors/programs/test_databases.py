from __future__ import annotations

import shlex

import pytest

from callgate.detectors.programs import danger_of


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
    ],
)
def test_everyday_work_is_not_found(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert danger_of(program, arguments) is None
