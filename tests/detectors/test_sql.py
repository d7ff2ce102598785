from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from callgate.detectors.base import Text
from callgate.detectors.sql import Sql, dangers
from callgate.model import Reason


def kinds(sql: str) -> list[str]:
    return [danger.kind for danger in dangers(sql)]


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("DROP TABLE users", "DROP_TABLE"),
        ("dRoP/**/tAbLe users", "DROP_TABLE"),
        ("/*!50000 DROP TABLE*/ users", "DROP_TABLE"),
        ("DROP DATABASE shop", "DROP_DATABASE"),
        ("DROP SCHEMA public CASCADE", "DROP_SCHEMA"),
        ("ALTER TABLE users DROP COLUMN name", "DROP_COLUMN"),
        ("ALTER TABLE users DROP PARTITION(d = '2024-01-01')", "DROP_OBJECT"),
        ("TRUNCATE TABLE [dbo].[users]", "TRUNCATE_TABLE"),
        ("truncate users restart identity cascade", "TRUNCATE_TABLE"),
        ("DELETE FROM users", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM `shop`.`users`;", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users -- WHERE id = 1", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE 1=1", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE (id = 5 OR 'a'='a')", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE id = id", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE id IS NOT NULL", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE 1", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE 2 > 1", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE 'a' <> 'b'", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE NOT (false)", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE NOT 1=2", "DELETE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE name LIKE '%'", "DELETE_WITHOUT_WHERE"),
        ("WITH d AS (DELETE FROM users RETURNING *) SELECT 1 FROM d", "DELETE_WITHOUT_WHERE"),
        ("EXPLAIN ANALYZE DELETE FROM users", "DELETE_WITHOUT_WHERE"),
        ("UPDATE users SET admin = true", "UPDATE_WITHOUT_WHERE"),
        ("UPDATE users SET admin = 1 WHERE true", "UPDATE_WITHOUT_WHERE"),
        ("SELECT 1; DROP TABLE users; --", "DROP_TABLE"),
        ("BEGIN; TRUNCATE users; COMMIT;", "TRUNCATE_TABLE"),
        ("DO $$ BEGIN EXECUTE 'DROP TABLE users'; END $$", "DROP_TABLE"),
        ("EXEC('DROP TABLE users')", "DROP_TABLE"),
        ("GRANT ALL PRIVILEGES ON *.* TO 'x'@'%'", "GRANT_ALL"),
        ("COPY t FROM PROGRAM 'id'", "SQL_COMMAND_EXECUTION"),
        ("EXEC master..xp_cmdshell 'dir'", "SQL_COMMAND_EXECUTION"),
        # Harmless where a backslash escapes the quote, a DROP where it does not.
        (r"SELECT '\'; DROP TABLE users; -- '", "DROP_TABLE"),
    ],
)
def test_destructive_statement_is_found(sql: str, kind: str) -> None:
    assert kind in kinds(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t WHERE note = 'DROP TABLE users; DELETE FROM x'",
        "SELECT id AS deleted, name AS drop_date FROM t",
        "SELECT 1 /* DROP TABLE users */",
        "DELETE FROM users WHERE id = 42",
        "DELETE FROM users WHERE id IN (1, 2)",
        "DELETE FROM users WHERE id = 5 AND 1=1",
        "DELETE FROM users WHERE NOT (id = 5)",
        "DELETE FROM users WHERE 0",
        "DELETE FROM users LIMIT 1",
        "UPDATE a SET x = b.x FROM b",
        "DROP TEMPORARY TABLE scratch",
        "UPDATE users SET name = 'x' WHERE id = 42",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
        "CREATE TABLE t (a int)",
        "SELECT 'xp_cmdshell' AS word, drop_count FROM t",
        "",
    ],
)
def test_bounded_or_mentioned_statement_is_not_found(sql: str) -> None:
    assert kinds(sql) == []


def test_statement_nested_too_deeply_to_parse_is_judged_by_its_words() -> None:
    deep = "SELECT " + "(" * 5000 + "1" + ")" * 5000
    assert kinds(deep + "; DROP TABLE users") == ["DROP_TABLE"]


def test_very_long_statement_is_judged_by_its_words() -> None:
    assert kinds("SELECT 1; " * 5000 + "DELETE FROM users;") == ["DELETE_WITHOUT_WHERE"]
    assert kinds("UPDATE t SET a = 1 WHERE id = 2; " * 5000) == []


@pytest.mark.parametrize(
    ("tool", "field", "value", "is_found"),
    [
        ("run_query", "query", "drop table users", True),
        ("database", "statement", "drop table users", True),
        ("update_row", "value", "DROP TABLE users", True),
        ("send_message", "text", "please do not DROP TABLE users", False),
        ("send_message", "text", "DROP TABLE users", False),
        ("send_message", "text", "DROP TABLE users;", True),
        ("search_emails", "query", "delete from cart", False),
        ("create_ticket", "description", "Drop the table and call me", False),
        ("create_ticket", "description", "Update me on set dates", False),
    ],
)
def test_place_decides_whether_a_text_is_sql(
    tool: str, field: str, value: str, is_found: bool
) -> None:
    found = list(Sql().inspect(Text(value, "$.x", tool, field)))
    assert bool(found) is is_found
    assert all(f.reason == Reason.DESTRUCTIVE_SQL for f in found)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("TRUNCATE TABLE users", "TRUNCATE_TABLE"),
        ("ALTER TABLE users DROP name", "DROP_COLUMN"),
        ("GRANT ALL ON users TO x", "GRANT_ALL"),
        ("UPDATE users SET a = 1", "UPDATE_WITHOUT_WHERE"),
        ("DELETE FROM users WHERE 1=1", "DELETE_WITHOUT_WHERE"),
    ],
)
def test_what_no_dialect_parses_is_judged_by_its_words(statement: str, kind: str) -> None:
    assert kinds(f"SELECT ((( ; {statement}") == [kind]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP/**/TABLE users",
        "DROP -- x\nTABLE users",
        "DO $$ BEGIN DELETE FROM users WHERE id IS NOT NULL; END $$;",
        "DO $$ DECLARE x int; BEGIN IF true THEN DROP TABLE users; END IF; END $$;",
        "BEGIN DELETE FROM users WHERE 1=1; END",
    ],
)
def test_statement_hidden_by_comments_or_in_a_block_is_found(sql: str) -> None:
    assert dangers(sql)


def test_block_without_harm_is_not_found() -> None:
    assert dangers("DO $$ BEGIN DELETE FROM users WHERE id = 5; PERFORM 1; END $$;") == []


def test_too_many_statements_are_a_finding() -> None:
    harmless = "UPDATE t SET a = 1 WHERE b = 2; " * 6000
    assert "SQL_TOO_LONG" in {danger.kind for danger in dangers(harmless)}


@pytest.mark.parametrize("sql", ["DELETE FROM t WHERE " + " OR ".join(["a = b"] * 80)])
def test_condition_too_deep_to_be_read_counts_as_always_true(sql: str) -> None:
    assert "DELETE_WITHOUT_WHERE" in {danger.kind for danger in dangers(sql)}


def test_condition_that_compares_nothing_is_not_taken_for_always_true() -> None:
    assert dangers("DELETE FROM t WHERE 1 + 1") == []


def test_statements_in_strings_are_read_a_few_levels_deep() -> None:
    sql = "DROP TABLE x"
    for _ in range(5):
        sql = "EXEC('" + sql.replace("'", "''") + "')"
    assert isinstance(dangers(sql), list)


def test_first_statement_waits_for_nothing_to_be_loaded() -> None:
    program = (
        "import sys\n"
        "from callgate.detectors.sql import dangers\n"
        "before = set(sys.modules)\n"
        "assert list(dangers('DROP TABLE users'))\n"
        "print(*(set(sys.modules) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "addons")},
    )

    assert done.stdout.split() == []
