"""Files that an agent has no business with: credentials, accounts, start-up files, `../../…`.

Looked for where an argument is a path, and in shell commands, by what would be opened. A file
that is only named (a ticket text, `ls`, `chmod`, `ssh -i KEY`) is not opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from callgate.detectors.base import Text
from callgate.detectors.files.openers import Mode, opened_by
from callgate.detectors.files.paths import MAX_PATH, Path, path_of
from callgate.detectors.files.places import Place, place_of
from callgate.detectors.pattern import pattern
from callgate.detectors.placement import COMMAND_FIELDS, PROSE_FIELDS, holds_command, words
from callgate.detectors.shell.detector import Ran, read
from callgate.model import Finding, Reason

_PATH_FIELDS = frozenset(
    str.split(
        "path paths file files filename filenames filepath filepaths pathname dir directory "
        "folder src source dest destination target template page include load input output "
        "attachment attachments cwd workdir root location uri url href document key object "
        "from to image"
    )
)
_PATH_WORDS = frozenset(
    str.split("path paths file files filename filepath dir directory folder attachment attachments")
)
_PATH_SUFFIXES = ("path", "filename", "directory", "folder")
_FILE_TOOLS = frozenset(
    str.split(
        "read write open cat load include download file files edit create save append view delete "
        "remove move rename copy patch upload attach fs filesystem head tail less import"
    )
)
_NEVER = (
    PROSE_FIELDS | COMMAND_FIELDS | {"query", "pattern", "search", "regex", "sql"}
) - _PATH_FIELDS
_WRITING_TOOLS = frozenset(
    str.split(
        "write create save edit append update put delete remove move rename copy patch replace "
        "insert modify touch upload"
    )
)
_LOOKING_TOOLS = frozenset(str.split("list ls stat exists find search glob tree mkdir cd chdir"))
_TARGETS = frozenset(str.split("dest destination target to output output_path outputpath"))
_LOOKING_FIELDS = frozenset(str.split("cwd workdir root working_directory"))

# Anything that makes a path more than its letters: dots, escapes, wildcards, other alphabets.
_PLAIN = pattern(r"^[A-Za-z0-9_./ +,@()=-]*$")
_PATHLIKE = re.compile(r"^(?:[/~.\\$%]|[A-Za-z]:[\\/]|file:)")
_WRAPPER = pattern(r"(?i)^(?:php|phar|expect|zip|jar|compress\.\w+|data|glob|netdoc|ogg|rar)://?")
_UNCOMMON_WRAPPER = pattern(r"(?i)^(?:php|phar|expect|netdoc)://")
_WINDOWS = pattern(
    r"(?i)(?:^|[\s\"'=])(?:[a-z]:\\|%\w+%\\|\$env:|\\\\[\w.?]|hk(?:lm|cu|ey_)\w*:?\\)"
)
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_UNSET = re.compile(r"\$(?:\{[a-z_]\w*\}|[a-z_]\w*)|\$\{?[@*]\}?")
_DOWNLOADS = frozenset(str.split("curl wget nc ncat base64 xxd openssl"))

_MAX_SPELLINGS = 16
"""Paths that one word with braces stands for."""


@dataclass(frozen=True, slots=True)
class _Access:
    """What a path means where it stands."""

    kind: str
    confidence: float
    explanation: str


class Files:
    """See `Detector`; yields reason SENSITIVE_FILE.

    Writing start-up files and the system's own has kinds WRITE_…; climbing out of a folder is
    PATH_TRAVERSAL, wherever it leads.
    """

    name = "files"

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`."""
        if text.field in COMMAND_FIELDS or (holds_command(text) and text.field not in _PATH_FIELDS):
            yield from self._command(text)
        elif access := _judge_argument(text):
            yield _finding(text, access, 0, len(text.value))

    def _command(self, text: Text) -> Iterator[Finding]:
        scripts = [text.value]
        if "\\" in text.value and _WINDOWS.search(text.value):
            # Same length, so that spans keep their meaning.
            scripts.append(text.value.replace("\\", "/"))
        surest: dict[tuple[str, int, int], _Access] = {}
        for script in scripts:
            for ran in read(script).ran:
                for access in _accesses(ran):
                    key = access.kind, ran.start, ran.end
                    if key not in surest or surest[key].confidence < access.confidence:
                        surest[key] = access
        for (_, start, end), access in surest.items():
            yield _finding(text, access, start, end)


def _finding(text: Text, access: _Access, start: int, end: int) -> Finding:
    return Finding(
        access.kind,
        Reason.SENSITIVE_FILE,
        text.path,
        start,
        end,
        access.confidence,
        access.explanation,
    )


# Arguments.


def _judge_argument(text: Text) -> _Access | None:
    value = text.value
    if not value or len(value) > MAX_PATH or "\n" in value:
        return None
    is_path = holds_path(text)
    if not is_path and (text.field in _NEVER or not _PATHLIKE.match(value) or " " in value):
        return None
    tool = words(text.tool)
    mode = Mode.READ
    if tool & _LOOKING_TOOLS or text.field in _LOOKING_FIELDS:
        mode = Mode.GLANCE
    elif text.field in _TARGETS or (tool & _WRITING_TOOLS and not tool & {"upload", "copy"}):
        mode = Mode.WRITE
    if "://" in value and value[:5].lower() != "file:":
        return _wrapped(value) if is_path else None
    access = _judge_path(value, mode, is_shell=False)
    if access and mode is Mode.GLANCE and access.kind != "PATH_TRAVERSAL":
        return _Access(access.kind, min(access.confidence, 0.4), access.explanation)
    if access and not is_path:
        return _Access(access.kind, min(access.confidence, 0.6), access.explanation)
    return access


def holds_path(text: Text) -> bool:
    """Tell whether the string is likely opened as a file."""
    field = text.field
    if field in _PATH_FIELDS or field.endswith(_PATH_SUFFIXES) or words(field) & _PATH_WORDS:
        return True
    return field not in _NEVER and bool(words(text.tool) & _FILE_TOOLS)


def _wrapped(value: str) -> _Access | None:
    if not _UNCOMMON_WRAPPER.match(value):
        return None
    return _Access("STREAM_WRAPPER", 0.8, "reads or runs through a wrapper of the interpreter")


# Commands.


def _accesses(ran: Ran) -> Iterator[_Access]:
    is_fetched = bool(_DOWNLOADS & {*ran.words[:1], *ran.command.feeders})
    for opened in opened_by(ran.words):
        for path in _spellings(opened.path):
            if access := _judge_path(path, opened.mode, is_shell=True, is_fetched=is_fetched):
                yield access
    for name, mode in (
        *((name, Mode.READ) for name in ran.command.reads),
        *((name, Mode.WRITE) for name in ran.command.writes),
    ):
        if access := _judge_path(name, mode, is_shell=True, is_fetched=is_fetched):
            yield access


def _spellings(word: str) -> list[str]:
    """Every path that a word of a shell may stand for: braces spread, unset variables gone."""
    found = [word]
    for path in found:
        if len(found) < _MAX_SPELLINGS and (braces := _BRACES.search(path)):
            head, tail = path[: braces.start()], path[braces.end() :]
            found.extend(f"{head}{part}{tail}" for part in braces[1].split(",")[:_MAX_SPELLINGS])
    if "$" in word and (bare := _UNSET.sub("", word)) != word:
        found.append(bare)
    return found[: 2 * _MAX_SPELLINGS]


# Paths.


def _judge_path(
    value: str, mode: Mode, *, is_shell: bool, is_fetched: bool = False
) -> _Access | None:
    if ".." not in value and _PLAIN.match(value):
        path = Path(re.sub(r"/+(?:\./+)*", "/", value).lower().removeprefix("./"))
    else:
        path = path_of(value)
    place = place_of(path.text)
    if place is None and path.climbs:
        place = place_of("/" + path.text)
        # A project's own `etc` beside the folder is no news.
        place = None if place and path.climbs == 1 and place.read < 0.7 else place
    found = _touched(place, mode, is_shell, is_fetched) if place else None
    climbed = _climbed(path, found)
    if climbed and (found is None or not found.kind.startswith("WRITE_")):
        return climbed
    if found and path.disguise:
        return _Access(found.kind, 0.9, f"{found.explanation}, its name hidden by {path.disguise}")
    return found


def _touched(place: Place, mode: Mode, is_shell: bool, is_fetched: bool) -> _Access:
    if mode is Mode.WRITE:
        confidence = place.write
        # People add lines to their own shell's start-up files every day.
        if place.kind == "STARTUP_FILE" and is_shell and place.write < 0.9:
            confidence = 0.9 if is_fetched else 0.45
        return _Access(f"WRITE_{place.kind}", confidence, f"writes {place.name}")
    confidence = place.glance if mode is Mode.GLANCE else place.read
    if is_shell and place.kind == "SERVER_FILE":
        confidence = place.glance
    return _Access(place.kind, confidence, f"reads {place.name}")


def _climbed(path: Path, found: _Access | None) -> _Access | None:
    is_climbing = path.climbs > 0 or path.leaves_root
    where = f", to {found.explanation.split(' ', 1)[1]}" if found else ""
    if path.disguise == "NUL byte" or (path.disguise and is_climbing):
        return _Access("PATH_TRAVERSAL", 0.9, f"leaves its folder by {path.disguise}{where}")
    if path.host and ("." in path.host or found):
        return _Access("REMOTE_SHARE", 0.6, "opens a share of another host, which sees the login")
    if is_climbing and found and found.confidence >= 0.3:
        return _Access("PATH_TRAVERSAL", 0.9, f"leaves its folder{where}")
    if path.leaves_root or path.climbs >= 7:
        return _Access("PATH_TRAVERSAL", 0.8, "climbs above the root")
    if path.climbs >= 5:
        return _Access("PATH_TRAVERSAL", 0.6, "climbs far above its folder")
    return None
