from __future__ import annotations

import pytest

from callgate.detectors.code.languages.base import UNKNOWN, Does
from callgate.detectors.code.languages.javascript import MAX_PROGRAM, read


def does(program: str) -> list[tuple[Does, str]]:
    return [(act.does, act.text) for act in read(program)]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("require('child_process').exec('ls')", [(Does.RUN, "ls")]),
        ("require('child_process')?.exec?.('ls')", [(Does.RUN, "ls")]),
        ("execSync('ls')", [(Does.RUN, "ls")]),
        ("require('child_process').spawn('ls', ['-l', 'a b'])", [(Does.RUN, "ls -l 'a b'")]),
        ("Bun.spawn(['ls', '-l'])", [(Does.RUN, "ls -l")]),
        ("new Deno.Command('ls', {args: ['-l']})", [(Does.RUN, "ls -l")]),
        ("Deno.run({cmd: ['ls']})", [(Does.RUN, "ls")]),
        ("import {$} from 'zx'; $`ls`", [(Does.RUN, "ls")]),
        ("execSync(x)", []),
        ("execSync(atob(x))", [(Does.OPAQUE, "")]),
        ("const r = require('shelljs'); r.rm('-rf', 'a')", [(Does.DELETE_TREE, "a")]),
        ("const r = require('shelljs'); r.rm('-f', 'a')", [(Does.DELETE, "a")]),
        ("require('rimraf')('a')", [(Does.DELETE_TREE, "a")]),
        ("require('fs').rmSync('a', {recursive: true})", [(Does.DELETE_TREE, "a")]),
        ("require('fs').unlinkSync('a')", [(Does.DELETE, "a")]),
        ("require('fs-extra').emptyDirSync('a')", [(Does.DELETE_TREE, "a")]),
        ("require('fs').readFileSync('a')", [(Does.READ, "a")]),
        ("require('fs').appendFile('a', 'b')", [(Does.WRITE, "a")]),
        ("require('fs').existsSync('a')", []),
        ("eval('1')", [(Does.EVALUATE, "1")]),
        ("new Function('a', 'return a')", [(Does.EVALUATE, "return a")]),
        ("eval(x)", []),
        ("eval(await (await fetch('x')).text())", [(Does.FETCHED, "")]),
        ("const a = atob(x); eval(a)", [(Does.OPAQUE, "")]),
        ("setTimeout(atob(x))", []),
        ("setTimeout('x')", [(Does.EVALUATE, "x")]),
        ("f(a).exec('x')", []),
        ("x.execSync", []),
    ],
)
def test_program_does_what_it_says(program: str, expected: list[tuple[Does, str]]) -> None:
    assert does(program) == expected


@pytest.mark.parametrize("shell", ["/bin/sh", "bash -i", "cmd.exe"])
def test_shell_on_a_connection_is_known(shell: str) -> None:
    start = f"const n = require('net'), s = require('child_process').spawn('{shell}');"
    assert Does.REVERSE_SHELL in dict(does(start + "const c = new n.Socket(); c.pipe(s.stdin)"))
    assert Does.REVERSE_SHELL not in dict(does(start + "n.connect(80)"))


def test_act_spans_the_call() -> None:
    program = "let ö = 1; execSync('ls', f(1)); x"
    (act,) = read(program)
    assert program[act.start : act.end] == "execSync('ls', f(1))"


def test_program_too_long_or_too_costly_is_unread() -> None:
    assert does("x" * (MAX_PROGRAM + 1)) == [(Does.UNREAD, "")]
    assert (Does.UNREAD, "") in does(
        "const a='" + "x" * 60000 + "';" + "eval([" + "a," * 9000 + UNKNOWN + "])"
    )
