from __future__ import annotations

import threading
import warnings

import pytest

from callgate.detectors.code.languages.base import UNKNOWN, Does
from callgate.detectors.code.languages.python import MAX_PROGRAM, read


def does(program: str) -> list[tuple[Does, str]]:
    return [(act.does, act.text) for act in read(program) or []]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import os; os.system('ls')", [(Does.RUN, "ls")]),
        ("import os; os.system()", []),
        ("import os; os.system(x)", []),
        ("import os, base64; os.system(base64.b64decode(x))", [(Does.OPAQUE, "")]),
        ("import subprocess; subprocess.run(['ls', 'a b'])", [(Does.RUN, "ls 'a b'")]),
        ("import subprocess; subprocess.run(check=True, args=['ls'])", [(Does.RUN, "ls")]),
        ("import os; os.execv('/bin/ls', ['ls', '-l'])", [(Does.RUN, "ls -l")]),
        ("import os; os.execlp('ls', 'ls', '-l')", [(Does.RUN, "ls -l")]),
        ("import os; os.execv()", []),
        ("import os; os.spawnlp(0, 'ls', 'ls', '-l')", [(Does.RUN, "ls -l")]),
        (
            "import asyncio; asyncio.create_subprocess_exec('ls', '-l')",
            [(Does.RUN, "ls -l")],
        ),
        ("import shutil; shutil.rmtree('a')", [(Does.DELETE_TREE, "a")]),
        ("import os; os.remove()", [(Does.DELETE, UNKNOWN)]),
        ("exec('a')", [(Does.EVALUATE, "a")]),
        ("exec()", []),
        ("exec(a)", []),
        ("exec(bytes.fromhex(a))", [(Does.OPAQUE, "")]),
        ("import requests; exec(requests.get(u).text)", [(Does.FETCHED, "")]),
        ("import pickle; pickle.loads(b'x')", [(Does.UNPACK, "")]),
        ("import pickle; pickle.loads(x)", []),
        ("import ctypes; ctypes.windll.kernel32.VirtualAlloc(0)", [(Does.NATIVE, "")]),
        ("import ctypes; ctypes.CDLL('x')", []),
        ("import os; getattr(os, x)('ls')", [(Does.OPAQUE, "")]),
        ("open('a')", [(Does.READ, "a")]),
        ("open('a', 'wb')", [(Does.WRITE, "a")]),
        ("open('a', mode='x')", [(Does.WRITE, "a")]),
        ("open()", []),
        ("import pandas as pd; pd.read_csv('a')", [(Does.READ, "a")]),
        ("import shutil; shutil.copy('a', 'b')", [(Does.READ, "a"), (Does.WRITE, "b")]),
        ("from pathlib import Path; Path('a').read_text()", [(Does.READ, "a")]),
        ("from pathlib import Path; Path('a').open('w')", [(Does.WRITE, "a")]),
        ("from pathlib import Path; Path('a').unlink()", [(Does.DELETE, "a")]),
        ("x.read_text()", []),
        ("import zipfile; z = zipfile.ZipFile('x'); z.write('a')", [(Does.READ, "a")]),
        ("f.write('a')", []),
        ("x.__class__.__subclasses__()", [(Does.ESCAPE, "")]),
        ("import os\nwhile True: os.fork()", [(Does.FORK_BOMB, "")]),
        ("import os\nwhile x: os.fork()", []),
        ("while True: pass", []),
        ("!ls -l", [(Does.RUN, "ls -l")]),
        ("x = 1\n!ls\ny = (", [(Does.RUN, "ls")]),
        ("!a", [(Does.RUN, "a")]),
        ("%%bash -e\nls\nid", [(Does.RUN, "ls\nid")]),
        ("%matplotlib inline", []),
        ("print('done!')", []),
    ],
)
def test_program_does_what_it_says(program: str, expected: list[tuple[Does, str]]) -> None:
    assert does(program) == expected


@pytest.mark.parametrize(
    "last", ["os.dup2(s.fileno(), 0)", "subprocess.call(['/bin/sh', '-i'])", "pty.spawn('bash')"]
)
def test_shell_on_a_connection_is_known(last: str) -> None:
    program = f"import os, pty, socket, subprocess\ns = socket.socket()\ns.connect(a)\n{last}"
    assert Does.REVERSE_SHELL in dict(does(program))
    assert Does.REVERSE_SHELL not in dict(does(program.replace("connect", "bind")))


def test_act_spans_the_call_in_characters() -> None:
    program = "é = 'ö'; open('日本')\nopen(\n 'ü')\n"
    spans = [program[act.start : act.end] for act in read(program) or []]
    assert spans == ["open('日本')", "open(\n 'ü')"]
    (act,) = read("x = 1\nopen('a')") or []
    assert (act.start, act.end) == (6, 15)


@pytest.mark.parametrize("text", ["const a = 1;", "(", "\0", "'" * 3, "def f(:"])
def test_text_that_is_no_python_is_none(text: str) -> None:
    assert read(text) is None


def test_broken_program_that_plainly_runs_what_it_decodes_is_opaque() -> None:
    assert does("exec(base64.b64decode(x)) )") == [(Does.OPAQUE, "")]


@pytest.mark.parametrize(
    "program",
    [
        "x" * (MAX_PROGRAM + 1),
        "(" * 200,
        "-" * 300 + "1",
        "a" + ".b" * 600,
        "a='" + "x" * 90000 + "'\n" + "exec(a+b)\n" * 80,
    ],
)
def test_program_too_long_or_too_deep_is_unread(program: str) -> None:
    assert (Does.UNREAD, "") in does(program)


def test_parser_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read("x = '\\d'; 1 is 1") == []


@pytest.mark.parametrize("program", ["[" * 149 + "]" * 149, "a" + "(1)" * 3000, "1+" * 20000 + "1"])
def test_deep_program_ends_in_a_thread_as_well(program: str) -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(read(program)))
    thread.start()
    thread.join(30)
    assert len(found) == 1
