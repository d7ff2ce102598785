from __future__ import annotations

import ast

import pytest

from callgate.detectors.code.languages.base import UNKNOWN
from callgate.detectors.code.languages.folding import Folder


def folder(program: str) -> tuple[Folder, ast.expr]:
    """The state after all but the last statement, and the last one's expression."""
    tree = ast.parse(program)
    known = Folder(tree)
    *before, last = tree.body
    for statement in before:
        for node in ast.walk(statement):
            known.learn(node)
    assert isinstance(last, ast.Expr)
    return known, last.value


def text(program: str) -> str:
    known, value = folder(program)
    return known.text(value)


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("'rm'", "rm"),
        ("b'rm'", "rm"),
        ("7", UNKNOWN),
        ("['a']", UNKNOWN),
        ("unknown", UNKNOWN),
        ("'r' + 'm'", "rm"),
        ("'r' + x", "r" + UNKNOWN),
        ("x + 'm'", UNKNOWN + "m"),
        ("f'r{\"m\"}{x}'", "rm" + UNKNOWN),
        ("'%s %s' % ('rm', x)", "rm " + UNKNOWN),
        ("'rm %s' % x", "rm " + UNKNOWN),
        ("'ab' * 2", "abab"),
        ("'ab' * 9999999", UNKNOWN),
        ("'ab' * x", UNKNOWN),
        ("'ab' ** 2", UNKNOWN),
        ("x / 'a'", UNKNOWN + "/a"),
        ("a = 'r'\na + 'm'", "rm"),
        ("a: str = 'rm'\na", "rm"),
        ("a: str\na", UNKNOWN),
        ("(a := 'rm')\na", "rm"),
        ("a = 'r'\na += 'm'\na", "rm"),
        ("a += 'm'\na", UNKNOWN),
        ("a = 'm'\na = 'r' + a\na", "rm"),
        ("a = a\na", UNKNOWN),
        ("a, b = 'r', 'm'\na + b", "rm"),
        ("a, b = x\na", UNKNOWN),
        ("a[0] = 'x'\na", UNKNOWN),
        ("with 'rm' as a: pass\na", "rm"),
        ("a = 'x' * 90000\na += a\na", UNKNOWN),
        ("a = 'x' * 90000\nf'{a}{a}'", UNKNOWN),
        ("'mr'[::-1]", "rm"),
        ("'arm'[1:]", "rm"),
        ("'arm'[1]", "r"),
        ("'arm'[9]", UNKNOWN),
        ("'arm'[x]", UNKNOWN),
        ("'arm'[::0]", UNKNOWN),
        ("x[1]", UNKNOWN),
        ("['a', 'rm'][1]", "rm"),
        ("import os\nos.environ['HOME']", "~"),
        ("''.join(['r', 'm'])", "rm"),
        ("''.join(['r'] + ['m'])", "rm"),
        ("''.join(chr(c) for c in [114, 109])", "rm"),
        ("''.join([chr(c ^ 1) for c in b'sl'])", "rm"),
        ("''.join(c for c in 'rm')", "rm"),
        ("''.join(c for c in x)", UNKNOWN),
        ("''.join(c for c in [['r']])", UNKNOWN),
        ("''.join(c for c, d in ['r'])", UNKNOWN),
        ("c = 'x'\n''.join(c for c in 'rm') + c", "rmx"),
        ("''.join(map(chr, [114, 109]))", "rm"),
        ("''.join(map(str, 'rm'))", "rm"),
        ("x('rm')", UNKNOWN),
        ("x.strip('rm')", UNKNOWN),
        ("' rm '.strip()", "rm"),
        ("'rm'.unheard()", UNKNOWN),
        ("import builtins\nbuiltins.chr(114)", "r"),
        ("from pathlib import Path\nPath('/a') / 'b'", "/a/b"),
        ("for a in ['rm', 'x']: pass\na", "rm"),
        ("for a in []: pass\na", UNKNOWN),
        ("for a[0] in ['x']: pass\na", UNKNOWN),
        ("import os\nfor r, d, f in os.walk('/x'): pass\nr", "/x"),
        ("for a in range(3): pass\na", UNKNOWN),
        ("from pathlib import Path\nfor a in Path('/x').rglob('*'): pass\na", "/x"),
        ("from pathlib import Path\nfor a in Path('/x').parts('*'): pass\na", UNKNOWN),
        ("import glob\n[0 for a in glob.glob('/x/*')]\na", "/x/*"),
        ("def f(a): pass\nf('rm')\na", "rm"),
        ("def f(a): pass\nf(a='rm')\na", "rm"),
        ("class C:\n def f(self, a): pass\nC().f('rm')\na", "rm"),
        ("f = lambda a: a\nf('rm')\na", "rm"),
    ],
)
def test_value_is_worked_out(program: str, value: str) -> None:
    assert text(program) == value


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("import os\nos.system", "os.system"),
        ("import os.path as p\np.join", "os.path.join"),
        ("import os.path\nos.system", "os.system"),
        ("from os import system as s\ns", "os.system"),
        ("__import__('os').system", "os.system"),
        ("__import__(x).system", "?.system"),
        ("__import__().system", "__import__.system"),
        ("import importlib\nimportlib.import_module('o' + 's').system", "os.system"),
        ("import os\ngetattr(os, 'sys' + 'tem')", "os.system"),
        ("import os\ngetattr(os, x)", "os.?"),
        ("import os as o\nf = o.system\nf", "os.system"),
        ("import os as o\nf = o\nf.system", "os.system"),
        ("f = 'x'\nf", "f"),
        ("import os\nglobals()['os'].system", "os.system"),
        ("import sys\nsys.modules['os'].system", "os.system"),
        ("__builtins__.__dict__['eval']", "__builtins__.eval"),
        ("x['eval']", ""),
        ("x['a'].b", "b"),
        ("(a or b)()", ""),
        ("'x'.join", "join"),
        ("f().g().h", "f.g.h"),
        ("a" + "()" * 60, ""),
    ],
)
def test_name_is_worked_out(program: str, name: str) -> None:
    known, value = folder(program)
    assert known.name(value) == name


def test_list_of_words_is_told_from_other_values() -> None:
    known, value = folder("['rm', x]")
    assert known.words(value) == ["rm", UNKNOWN]
    known, value = folder("'rm'")
    assert known.words(value) is None


@pytest.mark.parametrize(
    ("program", "is_path"),
    [
        ("from pathlib import Path\nPath('x') / 'y'", True),
        ("from pathlib import Path\np = Path('x')\np", True),
        ("p = open('x')\np", False),
        ("x", False),
    ],
)
def test_path_objects_are_known(program: str, is_path: bool) -> None:
    known, value = folder(program)
    assert known.is_path(value) is is_path


def test_calls_behind_a_value_are_listed_through_variables() -> None:
    known, value = folder("import base64\na = base64.b64decode(x)\nb = a\nb + b + c")
    assert list(known.calls_in(value)) == ["base64.b64decode"]


def test_calls_that_were_met_are_remembered() -> None:
    known, _ = folder("s.connect()\nx")
    assert known.calls_like(".connect")
    assert not known.calls_like(".bind")


def test_effort_is_bounded() -> None:
    many = "a = 'x' * 90000\n" + "f'{a}'\n" * 100
    known, _ = folder(many)
    for statement in ast.parse(many).body[1:]:
        assert isinstance(statement, ast.Expr)
        known.text(statement.value)
    assert known.is_exhausted
    deep, value = folder("+".join(["'a'"] * 100))
    assert UNKNOWN in deep.text(value)


def test_names_are_looked_for_a_limited_time() -> None:
    known, _ = folder("=".join(f"a{n}" for n in range(400)) + "=" + "b+" * 400 + "b\nx")
    assert known.is_exhausted
