from __future__ import annotations

import base64

import pytest

from callgate.detectors.code.languages.base import UNKNOWN
from callgate.detectors.code.languages.expressions import Expressions

PACKED = base64.b64encode(b"rm -rf /").decode()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'r' + 'm'", "rm"),
        ("('r') + 7", "r7"),
        ("x + 'm'", UNKNOWN + "m"),
        ("'a' * 2", "a"),
        ("-x", UNKNOWN),
        ("", UNKNOWN),
        ("['r', 'm'].join('')", "rm"),
        ("['r', 'm'].join()", "r,m"),
        ("['r', 'm']", "rm"),
        ("[]", UNKNOWN),
        ("'mr'.split('').reverse().join('')", "rm"),
        ("'RM'.toLowerCase()", "rm"),
        ("'r'.concat('m')", "rm"),
        ("'rxm'.replace('x', '')", "rm"),
        ("'rxm'.replace(y, '')", UNKNOWN),
        ("'" + "a" * 1000 + "'.replaceAll('a', '" + "b" * 1000 + "')", UNKNOWN),
        ("'rm'.unheard()", UNKNOWN),
        ("String.fromCharCode(114, 109, x, 99999999)", "rm"),
        (f"atob('{PACKED}')", "rm -rf /"),
        ("atob('!')", UNKNOWN),
        (f"Buffer.from('{PACKED}', 'base64').toString()", "rm -rf /"),
        ("Buffer.from('726d', 'hex').toString()", "rm"),
        ("Buffer.from('no', 'hex')", UNKNOWN),
        ("Buffer.from('rm')", "rm"),
        ("path.join('/a', 'b')", "/a/b"),
        ("os.homedir()", "~"),
        ("unheard()", UNKNOWN),
        ("unheard(1)", UNKNOWN),
        ("process.env.HOME", "~"),
        ("process.env.X", UNKNOWN),
        ("(" * 60 + "'rm'", UNKNOWN),
    ],
)
def test_value_is_worked_out(expression: str, value: str) -> None:
    assert Expressions(expression).sum(0)[0] == value


def test_call_ends_with_its_bracket() -> None:
    assert Expressions("f(a, (b)) c").end_of(1) == 9
    assert Expressions("f(a").end_of(1) == 2


def test_variable_has_its_last_value() -> None:
    program = Expressions("a = 'rm'; a.trim(); a()")
    program.assign("a", 2)
    assert program.sum(4)[0] == "rm"
    assert program.sum(10)[0] == UNKNOWN


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a.b?.c", "a.b.c"),
        ("await new a.b", "a.b"),
        ("a['b' + 'c']", "a.bc"),
        ("a['b'", "a"),
        ("a.(b)", "a"),
        ("require('node:fs').promises.rm", "fs.rm"),
        ("require('graceful-fs').rm", "fs.rm"),
        ("process.mainModule.require('fs').rm", "fs.rm"),
        ("import('fs/promises').rm", "fs.rm"),
        ("require", "require"),
    ],
)
def test_name_is_worked_out(source: str, name: str) -> None:
    assert Expressions(source).chain(0)[0] == name


@pytest.mark.parametrize(
    ("source", "used", "name"),
    [
        ("const {exec: e} = require('child_process')", "e", "child_process.exec"),
        ("const {exec, spawn} = require('child_process')", "spawn", "child_process.spawn"),
        ("import * as f from 'fs'", "f", "fs"),
        ("import f from 'node:fs'", "f", "fs"),
        ("import {rm as r} from 'fs'", "r", "fs.rm"),
        ("const {a} = b(c)", "a", "b.a"),
        ("let x;", "x", "x"),
        ("import 'fs'", "fs", "fs"),
        ("const [a] = require('fs')", "a", "fs"),
    ],
)
def test_module_is_bound(source: str, used: str, name: str) -> None:
    program = Expressions(f"{source}\n{used}")
    program.bind(0)
    assert program.chain(len(program.tokens) - 1)[0] == name


def test_only_known_modules_keep_their_names_in_variables() -> None:
    program = Expressions("a = require('fs'); b = fetch('x'); a.rm; b.c")
    program.assign("a", 2)
    program.assign("b", 9)
    assert program.chain(14)[0] == "fs.rm"
    assert program.chain(18)[0] == "b.c"


def test_sources_are_followed_through_variables() -> None:
    program = Expressions("a = fetch('x'); b = a + 1; b")
    program.assign("a", 2)
    program.assign("b", 9)
    assert program.sources(13, 14) == {"fetch"}


def test_effort_is_bounded() -> None:
    program = Expressions("['" + "x" * 90000 + "'," + "1," * 10 + "1]")
    for _ in range(100):
        program.sum(0)
    assert program.is_exhausted
    assert program.sum(0)[0] == UNKNOWN
    long = Expressions("'" + "x" * 60000 + "' + '" + "x" * 60000 + "'")
    assert long.sum(0)[0] == UNKNOWN
