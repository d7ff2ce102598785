"""What a Python program would do, by its syntax tree; values are folded where they are literal.

Aliases (`import os as o`, `getattr(os, "sys" + "tem")`), string building and the usual decoders
are undone. Branches and function bodies count as run.
"""

from __future__ import annotations

import ast
import re
import shlex
import threading
import warnings
from collections.abc import Iterator, Sequence

from callgate.detectors.code.languages.base import UNKNOWN, Act, Does
from callgate.detectors.code.languages.folding import Folder
from callgate.detectors.pattern import pattern

MAX_PROGRAM = 100_000
"""Characters; longer programs count as UNREAD."""

_MAGIC = re.compile(r"(?m)^[ \t]*(!{1,2}|%%?(?:bash|sh|script|sx|system)\b)(.*)$")
_CELL = re.compile(r"^\s*%%(?:bash|sh|script|sx|system)\b[^\n]*\n")
_DEEP = pattern(r"(?:[(\[{][^()\[\]{}]*){150}|(?:[-+~] *|not ){200}|(?:\.\w+ *){500}")
_NOT_LOADED = pattern(
    r"\b(?:exec|eval)\s*\(.{0,200}(?:b64decode|fromhex|decompress|marshal|rot_?13)"
)

# `warnings` filters belong to the whole process.
_QUIET = threading.Lock()

_RUNNERS = frozenset(
    f"{module}.{name}"
    for module, names in (
        ("os", "system popen popen2 popen3 popen4 startfile"),
        (
            "subprocess",
            "run call Popen check_call check_output getoutput getstatusoutput",
        ),
        ("pty", "spawn"),
        ("commands", "getoutput getstatusoutput"),
        ("asyncio", "create_subprocess_shell"),
        ("pexpect", "spawn run"),
        ("platform", "popen"),
    )
    for name in names.split()
)
_LISTS = re.compile(
    r"^(?:os\.(?:exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?)|asyncio\.create_subprocess_exec)$"
)
_DELETERS = {
    "os.remove": Does.DELETE,
    "os.unlink": Does.DELETE,
    "os.rmdir": Does.DELETE,
    "os.truncate": Does.DELETE,
    "os.removedirs": Does.DELETE_TREE,
    "shutil.rmtree": Does.DELETE_TREE,
}
_READERS = frozenset(
    str.split(
        "numpy.loadtxt pandas.read_csv pandas.read_json pandas.read_table pandas.read_fwf "
        "linecache.getlines fileinput.input os.symlink os.link sqlite3.connect "
        "json.load pickle.load"
    )
)
_COPIERS = frozenset(
    str.split(
        "shutil.copy shutil.copy2 shutil.copyfile shutil.copytree shutil.move os.rename os.replace"
    )
)
_OPENERS = frozenset(str.split("open io.open codecs.open os.open builtins.open gzip.open"))
_EVALUATORS = frozenset(
    str.split(
        "exec eval compile builtins.exec builtins.eval builtins.compile __builtins__.exec "
        "__builtins__.eval code.interact InteractiveInterpreter.runcode timeit.timeit"
    )
)
_LOADERS = frozenset(
    str.split(
        "pickle.loads marshal.loads cPickle.loads _pickle.loads dill.loads cloudpickle.loads "
        "jsonpickle.decode yaml.unsafe_load"
    )
)
_DECODERS = re.compile(
    r"(?:^|\.)(?:[ab]\d\d(?:de|en)code|standard_b64decode|urlsafe_b64decode|unhexlify|a2b_\w+|fromhex"
    r"|decompress|loads|decode|decrypt|chr|reverse[d]?)$"
)
_FETCHERS = re.compile(
    r"(?:^|\.)(?:urlopen|urlretrieve|(?:requests|httpx|session|client)\.(?:get|post|request)|recv)$"
)
_PATH_METHODS = {
    "read_text": Does.READ,
    "read_bytes": Does.READ,
    "write_text": Does.WRITE,
    "write_bytes": Does.WRITE,
    "unlink": Does.DELETE,
    "rmdir": Does.DELETE,
}
_SUBJECTS = frozenset(
    str.split("args cmd command path file source filename name src dst fd data s")
)
_ARCHIVES = re.compile(r"(?:ZipFile|TarFile|tarfile\.open)$")
_MACHINE = frozenset(
    str.split("VirtualAlloc RtlMoveMemory CreateThread mprotect CFUNCTYPE WriteProcessMemory")
)


def read(source: str) -> list[Act] | None:
    """Return what a program would do, in the order of its text; None where it is not Python.

    Never raises; takes time linear in the program. What is too long or deep to be read is UNREAD.
    """
    if len(source) > MAX_PROGRAM or _DEEP.search(source):
        return [Act(Does.UNREAD, "", 0, len(source))]
    if cell := _CELL.match(source):
        return [Act(Does.RUN, source[cell.end() :], 0, len(source))]
    acts: list[Act] = []

    def outside(match: re.Match[str]) -> str:
        acts.append(Act(Does.RUN, match[2].strip(), *match.span()))
        return "pass".ljust(len(match[0]))[: len(match[0])] if len(match[0]) >= 4 else match[0]

    plain = _MAGIC.sub(outside, source) if "!" in source or "%" in source else source
    tree = _parse(plain)
    if tree is None:
        opaque = _NOT_LOADED.search(source)
        return [*acts, Act(Does.OPAQUE, "", *opaque.span())] if opaque else acts or None
    return acts + list(_Reader(plain, tree).acts())


def _parse(source: str) -> ast.Module | None:
    try:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Reader:
    def __init__(self, source: str, tree: ast.Module) -> None:
        self._lines = [0]
        self._source = source
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._tree = tree
        self._folder = Folder(tree)
        self._seen: set[str] = set()

    def acts(self) -> Iterator[Act]:
        for node in _in_order(self._tree):
            self._folder.learn(node)
            if isinstance(node, ast.Call):
                for does, text in self._call(node):
                    yield self._act(does, text, node)
            elif isinstance(node, ast.Attribute) and node.attr == "__subclasses__":
                yield self._act(Does.ESCAPE, "", node)
            elif isinstance(node, ast.While) and _forks(node, self._folder):
                yield self._act(Does.FORK_BOMB, "", node)
        if self._folder.calls_like(".connect") and self._seen & {"dup2", "shell"}:
            yield Act(Does.REVERSE_SHELL, "", 0, len(self._source))
        if self._folder.is_exhausted:
            yield Act(Does.UNREAD, "", 0, len(self._source))

    def _act(self, does: Does, text: str, node: ast.expr | ast.stmt) -> Act:
        end_line, end = node.end_lineno or node.lineno, node.end_col_offset or 0
        return Act(
            does, text, self._offset(node.lineno, node.col_offset), self._offset(end_line, end)
        )

    def _offset(self, line: int, column: int) -> int:
        """Column in bytes → offset in characters."""
        start = self._lines[min(line, len(self._lines)) - 1]
        if self._source.isascii():
            return min(start + column, len(self._source))
        text = self._source[start : start + column].encode()[:column]
        return min(start + len(text.decode("utf-8", "ignore")), len(self._source))

    def _call(self, node: ast.Call) -> Iterator[tuple[Does, str]]:
        name = self._folder.name(node.func)
        values = [*node.args, *(k.value for k in node.keywords if k.arg in _SUBJECTS)]
        if name in _RUNNERS or _LISTS.match(name):
            yield from self._run(name, values)
        elif name == "os.dup2":
            self._seen.add("dup2")
        elif does := _DELETERS.get(name):
            yield does, self._folder.text(values[0]) if values else UNKNOWN
        elif name in _EVALUATORS:
            yield from self._evaluate(values)
        elif name in _LOADERS:
            yield from self._load(values)
        elif name.startswith("ctypes.") and name.rsplit(".", 1)[-1] in _MACHINE:
            yield Does.NATIVE, ""
        elif name.startswith(("os.?", "subprocess.?", "builtins.?", "__builtins__.?")):
            yield Does.OPAQUE, ""
        else:
            yield from self._touch(node, name, values)

    def _run(self, name: str, values: Sequence[ast.expr]) -> Iterator[tuple[Does, str]]:
        words = self._folder.words(values[0]) if values else None
        if _LISTS.match(name):
            rest = values[1:] if name.startswith("os.") else values
            listed = self._folder.words(rest[0]) if rest else None
            words = listed or [self._folder.text(value) for value in rest if value]
            words = words[1:] if name.startswith("os.spawn") and not listed else words
        line = self._folder.text(values[0]) if values and words is None else shlex.join(words or [])
        if re.match(r"['\"]?(?:/\w+)*/?(?:ba|z|da|k)?sh['\"]?(?: -i)?$|cmd(?:\.exe)?$", line):
            self._seen.add("shell")
        if line.strip(UNKNOWN + " '"):
            yield Does.RUN, line
        elif values and (does := self._origin(values[0])):
            yield does, ""

    def _evaluate(self, values: Sequence[ast.expr]) -> Iterator[tuple[Does, str]]:
        if not values:
            return
        text = self._folder.text(values[0])
        if UNKNOWN not in text:
            yield Does.EVALUATE, text
        elif does := self._origin(values[0]):
            yield does, ""

    def _load(self, values: Sequence[ast.expr]) -> Iterator[tuple[Does, str]]:
        if values and (UNKNOWN not in self._folder.text(values[0]) or self._origin(values[0])):
            yield Does.UNPACK, ""

    def _origin(self, value: ast.expr) -> Does | None:
        """Where text comes from that only a run would tell."""
        names = set(self._folder.calls_in(value))
        if any(map(_FETCHERS.search, names)):
            return Does.FETCHED
        return Does.OPAQUE if any(map(_DECODERS.search, names)) else None

    def _touch(
        self, node: ast.Call, name: str, values: Sequence[ast.expr]
    ) -> Iterator[tuple[Does, str]]:
        if name in _OPENERS and values:
            yield _mode(self._folder, node), self._folder.text(values[0])
        elif name in _READERS and values:
            yield Does.READ, self._folder.text(values[0])
        elif name in _COPIERS and len(values) > 1:
            yield Does.READ, self._folder.text(values[0])
            yield Does.WRITE, self._folder.text(values[1])
        elif isinstance(node.func, ast.Attribute):
            does = _PATH_METHODS.get(node.func.attr)
            if node.func.attr == "open" and self._folder.is_path(node.func.value):
                does = _mode(self._folder, node, 0)
            if does and (path := self._folder.text(node.func.value)).strip(UNKNOWN):
                yield does, path
            elif values and node.func.attr in ("add", "write") and self._is_archive(node.func):
                yield Does.READ, self._folder.text(values[0])

    def _is_archive(self, method: ast.Attribute) -> bool:
        return bool(_ARCHIVES.search(self._folder.name(method.value)))


def _mode(folder: Folder, node: ast.Call, position: int = 1) -> Does:
    given = [k.value for k in node.keywords if k.arg in ("mode", "flags")]
    mode = given[0] if given else node.args[position] if len(node.args) > position else None
    text = folder.text(mode) if mode else "r"
    return Does.WRITE if any(letter in text for letter in "wax+") else Does.READ


def _forks(loop: ast.While, folder: Folder) -> bool:
    if not (isinstance(loop.test, ast.Constant) and loop.test.value):
        return False
    statements = [s.value for s in loop.body if isinstance(s, ast.Expr)]
    return any(isinstance(v, ast.Call) and folder.name(v.func) == "os.fork" for v in statements)


def _in_order(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node, in the order in which it is met."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        children = list(ast.iter_child_nodes(node))
        # `f(x) for x in …` is read from its loops on.
        children.sort(key=lambda child: not isinstance(child, ast.comprehension))
        stack.extend(reversed(children))
