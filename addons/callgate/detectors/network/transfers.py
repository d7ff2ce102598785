"""Shell commands and code that go out on the network, and what the data is worth that they send.

Reads; what a destination is to the operator, and what follows, is judged elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from callgate.detectors.network import urls
from callgate.detectors.network.clients import CLIENTS, Errand
from callgate.detectors.network.senders import Snippet
from callgate.detectors.network.sources import (
    Worth,
    worth_of_mention,
    worth_of_path,
    worth_of_words,
)
from callgate.detectors.pattern import pattern
from callgate.detectors.shell.bash import UNKNOWN
from callgate.detectors.shell.detector import Ran, read

_COPIERS = frozenset(str.split("cp mv tar zip gzip 7z gpg openssl dd ln install tee split"))

_MAX_INPUTS = 20
"""Files that `<` puts into one command: the last is what it reads."""

_HINT = pattern(
    r"(?:^|[^\w.])(?:" + "|".join(map(re.escape, CLIENTS)) + r")(?:[^\w]|$)|/dev/(?:tcp|udp)/|://"
    r"|\bgit\b.*\bpush\b|base64|xxd|\beval\b|\|\s*(?:ba|z|da)?sh\b|socket|requests|urllib|smtplib"
    r"|ftplib|IO::|Net::|fsockopen|net\.connect|fetch\("
)
_NOISE = str.maketrans("", "", "'\"\\")
_DEVICE = re.compile(r"/dev/(?:tcp|udp)/([^/\s]+)/?(\w*)")
_TOKEN = pattern(r"[^\s'\"=;()|&<>`,]+")
_OPENED_DEVICE = pattern(r"\d*<>\s*/dev/(?:tcp|udp)/([^/\s]+)/?(\w*)")

_FORGES = tuple(
    str.split(
        ".github.com .gitlab.com .bitbucket.org .codeberg.org .dev.azure.com .huggingface.co .sr.ht"
        " .gitea.com .gitee.com .heroku.com"
    )
)
"""Where code is pushed to every day."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One trip to the network."""

    targets: tuple[str, ...]
    """URLs, hosts, `host:port`s; an empty one is not known."""
    worth: Worth
    """Of the data that goes with it."""
    start: int
    end: int
    is_http: bool = False
    is_raw: bool = False
    is_administration: bool = False


def is_candidate(text: str) -> bool:
    """Tell cheaply whether a text may hold a command that goes out on the network."""
    if _HINT.search(text):
        return True
    plain = text.translate(_NOISE)
    return len(plain) != len(text) and _HINT.search(plain) is not None


def transfers(text: str) -> Iterator[Transfer]:
    """Yield what the commands of a script, and code that they run, send and open."""
    reading = read(text)
    script = _Script(text, reading.ran)
    for place in script.places():
        yield from _devices(place)
        if place.ran.words:
            yield from _trips(place)
    for code in reading.code:
        yield from code_transfers(code.text, (code.start, code.end))
    for match in _OPENED_DEVICE.finditer(text):
        worth = script.worst
        target = f"{match[1]}:{match[2]}"
        yield Transfer((target,), worth, match.start(), match.end(), is_raw=True)


class _Script:
    """The commands that a script runs, those of scripts within it among them."""

    def __init__(self, text: str, ran: Sequence[Ran]) -> None:
        self._text = text
        self.ran = ran

    @cached_property
    def worst(self) -> Worth:
        """The most that a file is worth that the text names anywhere."""
        return max(map(worth_of_mention, _TOKEN.findall(self._text)), default=Worth.NONE)

    @cached_property
    def printed(self) -> Worth:
        """What its commands put out together, unless it is any file or text."""
        worth = worth_of_words(word for one in self.ran for word in _said(one))
        return worth if worth >= Worth.PACKED else Worth.NONE

    @cached_property
    def made(self) -> frozenset[str]:
        """Files that its commands write or copy: they hold what others held."""
        written = (name for one in self.ran for name in one.command.writes)
        named = (w for one in self.ran if _program(one) in _COPIERS for w in one.words[1:])
        return frozenset((*written, *named))

    @cached_property
    def read(self) -> Worth:
        """What the files are worth that `<` puts in anywhere."""
        names = (name for one in self.ran for name in one.command.reads)
        return max(map(worth_of_path, names), default=Worth.NONE)

    @cached_property
    def remotes(self) -> Mapping[str, str]:
        """Repositories that `git remote add NAME URL` makes known."""
        added = (one.words for one in self.ran if one.words[:2] == ("git", "remote"))
        return {words[-2]: words[-1] for words in added if _is_url(words[-1])}

    def places(self) -> Iterator[_Place]:
        """Yield each command with the files that `<` puts into it.

        A redirection stands before the commands that it holds for, and behind them in the text.
        """
        given: list[Ran] = []
        for index, ran in enumerate(self.ran):
            if ran.command.words:
                given = [one for one in given[-_MAX_INPUTS:] if _position(one) >= _position(ran)]
            elif ran.command.reads:
                given.append(ran)
                continue
            yield _Place(self, index, tuple(name for one in given for name in one.command.reads))


def _program(ran: Ran) -> str:
    return ran.words[0].rsplit("/", 1)[-1] if ran.words else ""


def _said(ran: Ran) -> tuple[str, ...]:
    return (*ran.command.words, *ran.command.reads)


def _position(ran: Ran) -> tuple[int, int]:
    return ran.start, ran.command.start


@dataclass(frozen=True, slots=True)
class _Place:
    """A command, and what stands around it."""

    script: _Script
    index: int
    inputs: tuple[str, ...]
    """Files that `<` puts in."""

    @property
    def ran(self) -> Ran:
        return self.script.ran[self.index]

    def nested(self) -> list[str]:
        """Words of the commands within it, which stand before it in the list."""
        words: list[str] = []
        for position in range(self.index - 1, -1, -1):
            other = self.script.ran[position]
            if _position(other) < _position(self.ran):
                break
            words += _said(other)
        return words


def _trips(place: _Place) -> Iterator[Transfer]:
    program = _program(place.ran)
    arguments = place.ran.words[1:]
    if program == "git":
        yield from _pushed(arguments, place)
    elif read := CLIENTS.get(program):
        errand = read(arguments)
        yield Transfer(
            tuple(errand.targets),
            _worth(errand, place),
            place.ran.start,
            place.ran.end,
            is_http=errand.is_http,
            is_raw=errand.is_raw,
            is_administration=errand.is_administration,
        )


def _devices(place: _Place) -> Iterator[Transfer]:
    """`cat file > /dev/tcp/HOST/PORT`."""
    command = place.ran.command
    for name in command.writes:
        if match := _DEVICE.match(name):
            words = (*command.words, *command.feeders, *place.nested(), *place.inputs)
            worth = max(worth_of_words(words), Worth.FILE)
            target = f"{match[1]}:{match[2]}"
            yield Transfer((target,), worth, place.ran.start, place.ran.end, is_raw=True)


def _worth(errand: Errand, place: _Place) -> Worth:
    worths = [Worth.NONE]
    worths += [_of_file(name, place) for name in errand.files]
    if errand.sends_input:
        worths += _of_input(place)
    for text in errand.texts:
        if "$" in text:
            worths += map(worth_of_path, place.inputs)  # a loop reads it from there
        if UNKNOWN in text:
            worths.append(_computed(place))
        elif errand.is_raw and text.startswith("$"):
            worths.append(place.script.printed)
        elif text not in errand.targets:
            is_script = errand.is_administration  # `put /etc/passwd`
            words = text.split() if is_script else ()
            worths.append(max((Worth.TEXT, *map(worth_of_mention, words))))
    return max(worths)


def _of_file(name: str, place: _Place) -> Worth:
    if _is_open(name):
        return _unsaid(place)
    worth = worth_of_path(name)
    if worth is Worth.FILE and name in place.script.made:
        return max(worth, place.script.worst, place.script.printed)
    return worth


def _of_input(place: _Place) -> Iterator[Worth]:
    command = place.ran.command
    if command.feeders and command.stdin is None:
        yield max(Worth.FILE, worth_of_words(command.feeders), place.script.read)
    for name in set(place.inputs) - {"/dev/null"}:
        yield _unsaid(place) if _is_open(name) else worth_of_path(name)
    if command.stdin is not None:
        yield max((Worth.TEXT, *map(worth_of_mention, command.stdin.split())))


def _is_open(name: str) -> bool:
    return name in ("", "{}", "/") or UNKNOWN in name or name.startswith("$")


def _unsaid(place: _Place) -> Worth:
    """A file that a variable or a command names: the worst that the script speaks of."""
    if near := place.nested():
        return max(Worth.FILE, worth_of_words(near))
    return max(Worth.FILE, place.script.worst)


def _computed(place: _Place) -> Worth:
    """What a command prints, within the text or before it."""
    if near := place.nested():
        return worth_of_words(near)
    return place.script.printed


def _pushed(arguments: Sequence[str], place: _Place) -> Iterator[Transfer]:
    """`git push` to a URL, or to a remote that the script itself adds."""
    operands = [word for word in arguments if not word.startswith("-")]
    if "push" not in operands[:3]:
        return
    for name in operands[operands.index("push") + 1 :][:1]:
        if url := name if _is_url(name) else place.script.remotes.get(name):
            target = url if "://" in url else url.rpartition("@")[2].partition(":")[0]
            found = urls.whole(target)
            is_forge = found is not None and all(
                ("." + host).endswith(_FORGES) for host in found.hosts
            )
            worth = Worth.FILE if is_forge else Worth.PERSONAL
            yield Transfer((target,), worth, place.ran.start, place.ran.end)


def _is_url(name: str) -> bool:
    return "://" in name or ("@" in name and ":" in name)


def code_transfers(text: str, where: tuple[int, int]) -> Iterator[Transfer]:
    """Yield what a piece of Python, JavaScript, Ruby, Perl or PHP sends and opens."""
    code = Snippet(text)
    if code.reaches_out:
        yield Transfer(code.targets, code.worth, *where, is_http=True, is_raw=code.is_raw)
