"""SQL that destroys data, widens rights or runs commands: parsed, in several dialects.

Databases differ in quotes, escapes and comments, so that one text can be harmless in one and a
DROP in another: a finding in any dialect counts. What no dialect parses, is nested too deeply or
is very long is judged by its words, statement by statement; that is stricter, never looser.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.dialects import TSQL, MySQL, Postgres
from sqlglot.errors import SqlglotError

from callgate.detectors.base import Text
from callgate.detectors.pattern import pattern
from callgate.detectors.placement import holds_prose, holds_sql
from callgate.model import Finding, Reason

# The library logs statements that it can not parse, raw values included.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

# by their classes: a name would be loaded when the first statement comes, out of that call's time
_DIALECTS = (Postgres, MySQL, TSQL)
_MAX_PARSED = 10_000
_MAX_STATEMENTS = 5_000
_MAX_IN_BLOCK = 50
_MAX_DEPTH = 40
_MAX_NESTED = 3
"""Statements inside strings: `EXEC('…')`, `DO $$ … $$`."""

_VERB = pattern(
    r"(?i)\b(?:drop|truncate|delete|update|alter|grant|copy|xp_cmdshell|shutdown|load_file"
    r"|merge|outfile|dumpfile|lo_export|lo_import|pg_read_file)\b"
)
_FIRST = pattern(r"^\s*(?:DROP|TRUNCATE|DELETE|UPDATE|ALTER|GRANT|EXEC|COPY|WITH|BEGIN)\b")
_CAPITALS = frozenset("DTUAGECWB")
"""That `_FIRST` can begin with."""
_FIRST_ANY_CASE = pattern(r"(?i)" + _FIRST.pattern + r"[^;]*;\s*$")
_EXECUTABLE_COMMENT = pattern(r"(?s)/\*!\d{0,6}(.*?)\*/")
_COMMENT = pattern(r"(?s)('(?:[^'\\]|\\.|'')*'|\"[^\"]*\")|/\*.*?\*/|--[^\n]*")
_BLOCK = pattern(r"(?is)\$\w*\$(.*)\$\w*\$|^\s*begin\b(.*)\bend\b")
_STATEMENT = pattern(
    r"(?i)(?:^|;|\bbegin\b|\bthen\b|\belse\b|\bdo\b|\banalyze\b|\bas\s*\(|['\"(]|\$\w*\$)"
    r"(?:\s|/\*[^*]*\*/|--[^\n]*\n)*"
    r"(?:(?P<drop>drop(?:\s|/\*[^*]*\*/)+(?:table|database|schema|view|index|user|role|column|function"
    r"|procedure|partition|trigger|sequence|materialized|type|extension|tablespace|keyspace|collection)\b)"
    r"|(?P<truncate>truncate\s+(?:table\s+)?[\w\"`\[.]+)"
    r"|(?P<delete>delete\s+(?:from\s+)?[\w\"`\[.\]]+(?:\s+(?:as\s+)?\w+)?\s*(?:[;'\")$]|$|--|order\b|limit\b"
    r"|using\b|returning\b))"
    r"|(?P<update>update\s+[\w\"`\[.\]]+\s+set\s+[^;]*)"
    r"|(?P<alter>alter\s+table\s+[^;]*\bdrop\b)"
    r"|(?P<grant>grant\s+all\b))"
)
_OPENING = pattern(r"(?i)^\s*(?:declare\b.*\bbegin\b|begin\b|if\b.*\bthen\b|else\b|loop\b)\s*")
_WHERE = pattern(r"(?i)\bwhere\b")
_COMMANDS = pattern(
    r"(?i)\bxp_cmdshell\b|\bcopy\b[^;]*\b(?:from|to)\s+program\b|\binto\s+(?:outfile|dumpfile)\b"
    r"|\blo_export\s*\("
)
_LITERAL = pattern(r"'[^']*'")
_TAUTOLOGY = pattern(r"(?i)\bwhere\s+\(*\s*(?:true\b|1\s*=\s*1\b|'(\w*)'\s*=\s*')")
_DELETE_FIRST = pattern(r"(?i)(?:^|;|\bbegin\b)\s*delete\s+from\b")
_EXPLAIN = pattern(r"(?i)^\s*(?:analyze|verbose|\([^)]*\))\s*")
_CALLS = ("EXEC", "EXECUTE", "DO", "EXPLAIN", "CALL", "PREPARE", "DECLARE", "BEGIN", "CREATE")
"""Statements that carry statements, in parentheses, strings or bodies."""
_OBJECTS = frozenset(
    str.split(
        "TABLE DATABASE SCHEMA VIEW INDEX COLUMN FUNCTION PROCEDURE TRIGGER SEQUENCE USER ROLE"
    )
)


@dataclass(frozen=True, slots=True)
class Danger:
    """One statement that should not run unseen."""

    kind: str
    explanation: str
    confidence: float = 0.9


class Sql:
    """See `Detector`; yields reason DESTRUCTIVE_SQL, its span is the whole text."""

    name = "sql"

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`."""
        if not (holds_sql(text) or _is_bare_statement(text)) or not _VERB.search(text.value):
            return
        for danger in dangers(text.value):
            yield Finding(
                danger.kind,
                Reason.DESTRUCTIVE_SQL,
                text.path,
                0,
                len(text.value),
                danger.confidence,
                danger.explanation,
            )


def dangers(sql: str) -> list[Danger]:
    """Return what is destructive in a script, each kind once, in a fixed order.

    Never raises; takes time linear in the length beyond 10,000 characters.
    """
    found = {danger.kind: danger for danger in _dangers(sql, 0)}
    return [found[kind] for kind in sorted(found)]


def _is_bare_statement(text: Text) -> bool:
    """A statement in a field of no particular meaning; prose starts with capitals too."""
    if ";" in text.value and _FIRST_ANY_CASE.search(text.value):
        return True
    is_capital = text.value.lstrip()[:1] in _CAPITALS
    return is_capital and not holds_prose(text) and _FIRST.search(text.value) is not None


def _dangers(sql: str, nested: int) -> Iterator[Danger]:
    sql = _EXECUTABLE_COMMENT.sub(r" \1 ", sql)
    bare = _COMMENT.sub(lambda match: match[1] or " ", sql)
    if bare != sql and nested < _MAX_NESTED:
        yield from _dangers(bare, nested + 1)  # some comments hide words from the parser
    if _COMMANDS.search(_LITERAL.sub("''", sql)):
        yield Danger("SQL_COMMAND_EXECUTION", "the statement runs programs or writes server files")
    if len(sql) > _MAX_PARSED or _depth(sql) > _MAX_DEPTH:
        yield from _by_words(sql)
        return
    understood = False
    for dialect in _DIALECTS:
        try:
            statements = sqlglot.parse(sql, dialect=dialect)
        except (SqlglotError, RecursionError, ValueError):
            continue
        understood = True
        for statement in statements:
            if statement is not None:
                yield from _judge(statement, nested)
    if not understood:
        yield from _by_words(sql)


def _depth(sql: str) -> int:
    depth = deepest = 0
    for character in sql:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _judge(statement: exp.Expr, nested: int) -> Iterator[Danger]:
    for node in statement.walk():
        match node:
            case exp.Drop():
                if not node.args.get("temporary"):
                    yield _drop(str(node.args.get("kind") or ""))
            case exp.DropPartition():
                yield _drop("PARTITION")
            case exp.TruncateTable():
                yield _TRUNCATE
            case exp.Delete() | exp.Update():
                if _is_unbounded(node):
                    yield _DELETE if isinstance(node, exp.Delete) else _UPDATE
            case exp.Command():
                yield from _judge_command(node, nested)
    if isinstance(statement, exp.Execute | exp.Anonymous):
        yield from _judge_strings(statement, nested)


def _judge_command(command: exp.Command, nested: int) -> Iterator[Danger]:
    """Judge what the parser keeps as text: by its words, and the statements it carries."""
    name = str(command.this).upper()
    rest = command.expression
    body = rest.name if isinstance(rest, exp.Expression) else str(rest or "")
    if name in _CALLS:
        yield from _by_words(body)
        if nested < _MAX_NESTED and (block := _BLOCK.search(body)):
            yield from _block(block[1] or block[2], nested)
        if name == "EXPLAIN" and nested < _MAX_NESTED:
            yield from _dangers(_EXPLAIN.sub("", body), nested + 1)
    else:
        yield from _by_words(f"{name} {body}")


def _block(body: str, nested: int) -> Iterator[Danger]:
    """The statements of an anonymous block, one by one."""
    for statement in body.split(";")[:_MAX_IN_BLOCK]:
        bare = _OPENING.sub("", statement)
        if _VERB.search(bare):
            yield from _dangers(bare, nested + 1)


def _judge_strings(node: exp.Expression, nested: int) -> Iterator[Danger]:
    if nested >= _MAX_NESTED:
        return
    for child in node.find_all(exp.Literal, exp.Identifier):
        if _VERB.search(child.name):
            yield from _dangers(child.name, nested + 1)


def _by_words(sql: str) -> Iterator[Danger]:
    for number, match in enumerate(_STATEMENT.finditer(sql)):
        if number >= _MAX_STATEMENTS:
            yield Danger("SQL_TOO_LONG", "too many statements to be read", 0.6)
            return
        statement = match.group(0)
        if match.group("drop"):
            yield _drop(match.group("drop").replace("*/", " ").split()[-1])
        elif match.group("truncate"):
            yield _TRUNCATE
        elif match.group("delete"):
            yield _DELETE
        elif match.group("update"):
            if not _WHERE.search(statement) or _TAUTOLOGY.search(statement):
                yield _UPDATE
        elif match.group("alter"):
            yield _drop("COLUMN")
        else:
            yield Danger("GRANT_ALL", "the statement gives every right away")
    if _TAUTOLOGY.search(sql) and _DELETE_FIRST.search(sql):
        yield _DELETE


_TRUNCATE = Danger("TRUNCATE_TABLE", "the statement empties a table")
_DELETE = Danger("DELETE_WITHOUT_WHERE", "the statement deletes every row of a table")
_UPDATE = Danger("UPDATE_WITHOUT_WHERE", "the statement changes every row of a table")


def _drop(kind: str) -> Danger:
    word = kind.upper()
    name = f"DROP_{word}" if word in _OBJECTS else "DROP_OBJECT"
    return Danger(name, "the statement drops a part of the database and what it holds")


def _is_unbounded(node: exp.Delete | exp.Update) -> bool:
    where = node.args.get("where")
    if isinstance(where, exp.Where):
        return _is_tautology(where.this, 0)
    if node.args.get("limit"):
        return False
    # A join or FROM names the rows as a condition does; DELETE … USING alone does not.
    return not (isinstance(node, exp.Update) and (node.args.get("from_") or node.find(exp.Join)))


def _is_tautology(condition: exp.Expr | None, depth: int) -> bool:
    """True for `1=1`, `true`, `'a'='a'`, `x = x`, `x IS NOT NULL`, `… OR 1=1` and their like."""
    if condition is None or depth > _MAX_DEPTH:
        return True
    match condition:
        case exp.Paren():
            return _is_tautology(condition.this, depth + 1)
        case exp.Or() | exp.And():
            sides = (_is_tautology(side, depth + 1) for side in (condition.left, condition.right))
            return any(sides) if isinstance(condition, exp.Or) else all(sides)
        case exp.Not():
            return isinstance(condition.this, exp.Is) or _is_contradiction(condition.this)
        case exp.Boolean():
            return bool(condition.this)
        case exp.Literal():
            return condition.name not in ("0", "")
        case exp.Like() | exp.ILike():
            return condition.expression.name in ("%", "%%")
        case exp.Binary():
            return _compares_true(condition)
    return False


def _is_contradiction(condition: exp.Expression) -> bool:
    if isinstance(condition, exp.Paren):
        condition = condition.this
    if isinstance(condition, exp.Boolean):
        return not condition.this
    return isinstance(condition, exp.Binary) and _compares(condition) is False


def _compares_true(condition: exp.Binary) -> bool:
    if isinstance(condition, exp.EQ | exp.GTE | exp.LTE) and condition.left == condition.right:
        return True
    return _compares(condition) is True


def _compares(condition: exp.Binary) -> bool | None:
    """Result of comparing two constants; None where one is not constant."""
    left, right = condition.left, condition.right
    if not (isinstance(left, exp.Literal) and isinstance(right, exp.Literal)):
        return None
    match condition:
        case exp.EQ():
            return left.name == right.name
        case exp.NEQ():
            return left.name != right.name
        case exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
            # Both orders count: telling them apart needs the database's own collation.
            return left.name != right.name
    return None
