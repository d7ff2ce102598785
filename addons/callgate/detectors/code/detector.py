"""Programs in arguments that destroy, take over or open what they should not.

Python and JavaScript are read (see `languages`), not matched; what they hand to a shell goes to
the shell's detector, what they open to that of files. Ordinary programs are silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from callgate.detectors.base import Detector, Text
from callgate.detectors.code.languages import javascript, python
from callgate.detectors.code.languages.base import UNKNOWN, Act, Does
from callgate.detectors.files.detector import Files
from callgate.detectors.pattern import pattern
from callgate.detectors.placement import PROSE_FIELDS, holds_command, words
from callgate.detectors.shell.detector import Shell, read
from callgate.detectors.shell.programs.base import is_device, is_scratch_path, is_system_path
from callgate.model import Finding, Reason

MAX_NESTED = 4
"""Programs in strings of programs: `exec("exec('…')")`."""

_CODE_FIELDS = frozenset(
    str.split(
        "code source source_code sourcecode python python_code py js javascript javascript_code "
        "node program snippet script cell code_snippet codeblock expression expr function body_code"
    )
)
_PYTHON = frozenset(str.split("python python2 python3 py ipython jupyter notebook pandas"))
_JAVASCRIPT = frozenset(str.split("javascript js node nodejs deno bun typescript ts"))
_CODE_TOOLS = _PYTHON | _JAVASCRIPT | frozenset(str.split("code interpreter repl eval sandbox"))

# Words without which no program does anything that is looked for.
_TELLING = pattern(
    r"(?i)system|popen|subprocess|spawn|exec|eval|compile|rmtree|rmdir|unlink|remove|fork|pty"
    r"|pickle|marshal|ctypes|socket|__|getattr|open|path|read_|_text|_bytes|shutil|importlib|zipfile|tarfile|glob"
    r"|child_process|require|import\s*[({\"']|fs\.|\brm\b|rmsync|function\s*\(|\bvm\b|rimraf|deno|bun\.|shell"
    r"|^\s*[!%]|\n\s*!"
)
_JAVASCRIPT_SIGNS = pattern(
    r"\brequire\s*\(|\bconst\s|\blet\s|\bvar\s|=>|\bfunction\b|\bprocess\.|\bnew\s+Function|;\s*$"
    r"|\b(?:fetch|atob|eval)\s*\(|\b(?:Buffer|Deno|Bun|globalThis|window|global)\."
    r"|\bimport\s+[\w*{][^\n]*\sfrom\s"
)

_ACTS: dict[Does, tuple[str, float, str]] = {
    Does.OPAQUE: ("OPAQUE_EXECUTION", 0.8, "runs text that is decoded on the way"),
    Does.FETCHED: ("PIPE_TO_SHELL", 0.9, "runs what it downloads, unseen"),
    Does.UNPACK: ("OPAQUE_EXECUTION", 0.7, "loads packed objects that may run code"),
    Does.NATIVE: ("OPAQUE_EXECUTION", 0.7, "calls machine code by address"),
    Does.REVERSE_SHELL: ("REVERSE_SHELL", 0.95, "connects a shell to another host"),
    Does.FORK_BOMB: ("FORK_BOMB", 0.95, "starts processes without end"),
    Does.UNREAD: ("CODE_TOO_DEEP", 0.6, "too long or nested too deeply to be read"),
    Does.ESCAPE: ("SANDBOX_ESCAPE", 0.6, "climbs out of a restricted interpreter"),
}
_SHELL_TOOL = "run_command"
_READ_TOOL, _WRITE_TOOL = "read_file", "write_file"


class Code:
    """See `Detector`; yields reasons DESTRUCTIVE_COMMAND and SENSITIVE_FILE.

    Looks at program text in arguments and at what a shell command hands to an interpreter. Text
    that does not parse is judged only where it plainly runs what it decodes.
    """

    name = "code"

    def __init__(self, shell: Detector | None = None, files: Detector | None = None) -> None:
        """`shell` judges the commands in a program, `files` what it and they open."""
        self._shell = shell or Shell()
        self._files = files or Files()

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`."""
        found: dict[Finding, None] = {}
        if _holds_code(text) and _TELLING.search(text.value):
            found.update(dict.fromkeys(self._program(text, text.value, _language(text), 0)))
        elif holds_command(text) and text.field not in PROSE_FIELDS:
            for code in read(text.value).code if _INTERPRETED.search(text.value) else ():
                language = _of_program(code.program)
                for finding in self._program(text, code.text, language, 0) if language else ():
                    found[replace(finding, start=code.start, end=code.end)] = None
        yield from found

    def _program(self, text: Text, source: str, language: str, depth: int) -> Iterator[Finding]:
        for act in _acts(source, language):
            for finding in self._judge(text, act, language, depth):
                yield replace(finding, path=text.path, start=act.start, end=act.end)

    def _judge(self, text: Text, act: Act, language: str, depth: int) -> Iterable[Finding]:
        match act.does:
            case Does.RUN:
                command = Text(
                    act.text.replace(UNKNOWN, "$unknown"), text.path, _SHELL_TOOL, "command"
                )
                return [*self._shell.inspect(command), *self._files.inspect(command)]
            case Does.READ:
                return self._files.inspect(Text(act.text, text.path, _READ_TOOL, "path"))
            case Does.WRITE:
                return self._write(text, act)
            case Does.DELETE | Does.DELETE_TREE:
                return _deletion(text, act)
            case Does.EVALUATE:
                if depth >= MAX_NESTED and _TELLING.search(act.text):
                    return [
                        _finding(text, act, "OPAQUE_EXECUTION", 0.8, "nested too deeply to be read")
                    ]
                if depth >= MAX_NESTED or not _TELLING.search(act.text):
                    return []
                return self._program(text, act.text, language, depth + 1)
        return [_finding(text, act, *_ACTS[act.does])]

    def _write(self, text: Text, act: Act) -> list[Finding]:
        if is_device(act.text):
            return [_finding(text, act, "OVERWRITE_DISK", 1.0, "writes over a disk")]
        return list(self._files.inspect(Text(act.text, text.path, _WRITE_TOOL, "path")))


def _acts(source: str, language: str) -> list[Act]:
    acts = python.read(source) if language != "javascript" else None
    is_other = language == "javascript" or (not language and _JAVASCRIPT_SIGNS.search(source))
    return acts or (javascript.read(source) if is_other else [])


def _deletion(text: Text, act: Act) -> list[Finding]:
    path = act.text
    known = path.split(UNKNOWN)[0]
    if is_scratch_path(known) or not known.strip():
        return []
    if act.does is Does.DELETE_TREE:
        is_wide = is_system_path(known) or path in (".", "..", "./", "../", "*", "~", "~/")
        confidence = 1.0 if is_wide else 0.6 if known.startswith(("/", "~")) else 0.3
        return [
            _finding(text, act, "RECURSIVE_DELETE", confidence, "deletes folders and all in them")
        ]
    if is_system_path(known):
        return [_finding(text, act, "DELETE_SYSTEM_FILE", 0.9, "deletes files of the system")]
    return []


def _finding(text: Text, act: Act, kind: str, confidence: float, explanation: str) -> Finding:
    return Finding(
        kind, Reason.DESTRUCTIVE_COMMAND, text.path, act.start, act.end, confidence, explanation
    )


def _holds_code(text: Text) -> bool:
    if text.field in _CODE_FIELDS:
        return True
    return text.field not in PROSE_FIELDS and bool(words(text.tool) & _CODE_TOOLS)


def _language(text: Text) -> str:
    named = words(text.tool) | words(text.field)
    if named & _JAVASCRIPT:
        return "javascript"
    return "python" if named & _PYTHON else ""


_INTERPRETED = pattern(r"(?i)python|node|deno|bun\b")


def _of_program(program: str) -> str:
    if program.startswith("python"):
        return "python"
    return "javascript" if program in ("node", "nodejs", "deno", "bun") else ""
