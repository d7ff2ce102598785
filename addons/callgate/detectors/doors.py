"""The gate's own doors: calls that would open it, end it, or lead around it.

What guards an app is itself within the reach of the app's tools where both run as one user. A
shell that answers an approval, kills the gate, or writes its policy is a door, whatever the
command would be elsewhere. Only what is run or written counts: to look at a policy is no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import re2

from callgate.detectors.base import Text
from callgate.detectors.code.detector import Code
from callgate.detectors.files.detector import holds_path
from callgate.detectors.files.openers import Mode, opened_by
from callgate.detectors.files.paths import MAX_PATH, path_of
from callgate.detectors.pattern import pattern
from callgate.detectors.placement import COMMAND_FIELDS, PROSE_FIELDS, holds_command, words
from callgate.detectors.shell.detector import Ran, read
from callgate.model import Finding, Reason

_EXPLANATIONS = {
    "GATE_COMMAND": "runs a command that opens or changes the gate",
    "GATE_STOP": "ends the gate",
    "GATE_POLICY": "writes the policy that the gate goes by",
    "GATE_FILE": "opens the gate's keys, memory or log",
    "GATE_AROUND": "takes away what sends traffic through the gate",
}
_CERTAIN, _LIKELY = 0.95, 0.6

_POLICY = pattern(r"^(?:.*/)?(?:callgate|safeclaw)\.ya?ml$")
_HOME = pattern(r"^(?:(?:.*/)?\.callgate|\$\{?callgate_home\}?|%callgate_home%)(?:/.*)?$")
_PUBLIC = pattern(r"(?:/(?:callgate-ca|previous-ca|bundle|upstream)\.pem|\.pub)$")
_PATCHED = pattern(
    r"(?m)^(?:\*\*\* (?:(?:Add|Update|Delete) File|Move to): |\+\+\+ (?:b/)?|rename to )"
    r"(\S[^\t\n]*)"
)

_HARMLESS = frozenset(str.split("verify scan doctor env audit --version --help"))
_ASKED = frozenset(str.split("run serve gateway demo"))
"""Start another gate: with another policy, but seldom in secret."""
_HARMLESS_PAIRS = frozenset(
    str.split(
        "approvals:list approvals:--help policy:check policy:test policy:explain policy:--help "
        "ca:path ca:trust ca:--help"
    )
)
_NEVER_PAIRS = frozenset(("audit:rotate-key",))
_RUNNERS = pattern(r"^(?:python[\d.]*|py|uvx?|pipx|poetry|hatch|pdm|rye|docker|podman|kubectl)$")
_OPTIONS_END = frozenset(("-m", "run", "exec", "--"))

_NAMED = pattern(r"(?i)callgate|mitmproxy|mitmdump")
_KILLERS = frozenset(
    str.split(
        "kill pkill killall killall5 skill xkill taskkill stop-process spps stop-service fuser "
        "htop gdb"
    )
)
_BY_PATTERN = frozenset(("pkill", "killall", "skill"))
_MANAGERS = frozenset(
    str.split(
        "systemctl service launchctl supervisorctl rc-service sv s6-rc docker docker-compose "
        "podman nerdctl kubectl oc helm brew pip pip3 pipx uv apt apt-get dnf yum apk pacman "
        "snap sc nssm pm2 runit initctl tmux screen"
    )
)
_ENDING = frozenset(
    str.split(
        "stop kill rm remove disable mask delete uninstall bootout unload down pause scale purge "
        "kill-session quit revert edit unenroll try-restart"
    )
)
_CHANGERS = frozenset(
    str.split(
        "rm unlink shred truncate chmod chown chgrp chattr setfacl mv ln rmdir touch vi vim nvim "
        "nano emacs ed ex patch perl ruby del erase remove-item ri rename-item move-item "
        "clear-content"
    )
)
_LOOKERS = frozenset(
    str.split("ls stat find du file cd echo printf test [ mkdir pwd tree export callgate git")
)
_RESTORES = frozenset(str.split("checkout restore rm mv apply reset"))
_READING_TOOLS = frozenset(
    str.split("read cat view show get open list ls stat head tail load search grep find glob")
)

_VARIABLE = r"(?:https?|all)_proxy"
_AROUND = pattern(
    rf"(?i)(?:^|[;&|({{\n`]|\s-l?c\s+[\"'])\s*unset\s(?:[^;&|\n]*\s)?{_VARIABLE}\b"
    rf"|\benv\s(?:[^;&|\n]*\s)?(?:-u\s*|--unset[= ]){_VARIABLE}\b"
    r"|\benv\s(?:-\S+\s+)*(?:-i|--ignore-environment|-)\s[^;&|\n]*\b(?:python|node|agent)"
    rf"|(?:^|[\s;&|(\"'`]|env:){_VARIABLE}\s?=\s?(?:\"\"|''|\$null\b|[;&|]|\s|$)"
    r"|\bno_proxy\s?=\s?[\"']?(?:[^\s\"';&|]*,)?(?:\*|\.?(?:[\w-]+\.)*(?:openai|azure)\.com)"
    rf"|\b(?:remove-item|ri|del)\s+env:\W?{_VARIABLE}\b"
    rf"|\benviron\w*(?:\.pop\(\s*|\[\s*)[\"']{_VARIABLE}[\"']\s*(?:[,)]|\]\s*=\s*(?:\"\"|''))"
    rf"|\bdel\s+os\.environ\[\s*[\"']{_VARIABLE}[\"']|\bunsetenv\(\s*[\"']{_VARIABLE}[\"']"
    r"|\s--noproxy\b[^;&|\n]*\b(?:openai|azure)\.com"
    rf"|\bdelete\s+process\.env(?:\.|\[[\"']){_VARIABLE}\b"
)
_SETTING = pattern(r"(?:^|[\s;&|(]|env:|environ\[[\"'])CALLGATE_[A-Z_]+(?:[\"']\])?\s?=")
_MENTIONS = pattern(r"(?i)callgate|safeclaw|mitm|_proxy")


class Doors:
    """See `Detector`; yields reason GATE_TAMPERING."""

    name = "gate"

    def __init__(self) -> None:
        """Programs are read by the detector of code: what they run and open comes back here."""
        acts = _Acts()
        self._acts = acts
        self._code = Code(shell=acts, files=acts)

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`."""
        yield from self._acts.inspect(text)
        if _MENTIONS.search(text.value):
            for finding in self._code.inspect(text):
                if finding.reason == Reason.GATE_TAMPERING:
                    yield finding


class _Acts:
    name = "gate"

    def inspect(self, text: Text) -> Iterator[Finding]:
        is_command = text.field in COMMAND_FIELDS or (
            holds_command(text) and text.field not in PROSE_FIELDS
        )
        if is_command:
            found = dict.fromkeys(_commanded(text.value))
            for kind, confidence, start, end in found:
                yield _finding(text, kind, confidence, start, end)
        elif holds_path(text) and len(text.value) <= MAX_PATH:
            is_read = bool(words(text.tool) & _READING_TOOLS)
            if kind := _opened(text.value, Mode.READ if is_read else Mode.WRITE):
                yield _finding(text, kind, _CERTAIN, 0, len(text.value))
        for match in _PATCHED.finditer(text.value):
            if kind := _opened(match[1], Mode.WRITE):
                yield _finding(text, kind, _CERTAIN, *match.span())


def _finding(text: Text, kind: str, confidence: float, start: int, end: int) -> Finding:
    return Finding(
        kind, Reason.GATE_TAMPERING, text.path, start, end, confidence, _EXPLANATIONS[kind]
    )


def _commanded(script: str) -> Iterator[tuple[str, float, int, int]]:
    for ran in read(script).ran:
        for kind, confidence in _acts_of(ran):
            yield kind, confidence, ran.start, ran.end
    for around in (_AROUND, _SETTING):
        if match := around.search(script):
            yield "GATE_AROUND", _LIKELY, *match.span()


def _acts_of(ran: Ran) -> Iterator[tuple[str, float]]:
    for path, mode in (
        *((path, Mode.READ) for path in ran.command.reads),
        *((path, Mode.WRITE) for path in ran.command.writes),
        *((opened.path, opened.mode) for opened in opened_by(ran.words)),
    ):
        if kind := _opened(path, mode):
            yield kind, _CERTAIN
    if not ran.words:
        return
    program, arguments = _base(ran.words[0]), ran.words[1:]
    if program not in _LOOKERS or (program == "git" and _RESTORES & {*arguments[:2]}):
        is_changed = program in _CHANGERS or program == "git"
        mode = Mode.WRITE if is_changed else Mode.GLANCE
        yield from ((kind, _CERTAIN) for word in arguments if (kind := _opened(word, mode)))
    if confidence := _own_command(program, ran.words):
        yield "GATE_COMMAND", confidence
    if _ends(program, arguments, ran):
        yield "GATE_STOP", _CERTAIN


def _base(word: str) -> str:
    return re.split(r"[/\\]", word)[-1].lower().removesuffix(".exe")


def _opened(path: str, mode: Mode) -> str:
    plain = path_of(path[:MAX_PATH]).text
    if _POLICY.search(plain):
        return "GATE_POLICY" if mode is Mode.WRITE else ""
    if not _HOME.search(plain) or (mode is not Mode.WRITE and _PUBLIC.search(plain)):
        return ""
    return "GATE_FILE"


def _own_command(program: str, all_words: Sequence[str]) -> float:
    """How sure it is that the gate's own program is run for what only its operator may do."""
    position = 0
    if program != "callgate":
        if not _RUNNERS.search(program):
            return 0.0
        named = (i for i, word in enumerate(all_words) if _base(word) == "callgate")
        position = next(named, 0)
        if not position or not _OPTIONS_END.union(("uvx", "--from")) & {*all_words[:position]}:
            return 0.0
    rest = all_words[position + 1 :]
    pair = ":".join(rest[:2])
    if not rest or pair in _HARMLESS_PAIRS or (rest[0] in _HARMLESS and pair not in _NEVER_PAIRS):
        return 0.0
    return _LIKELY if rest[0] in _ASKED else _CERTAIN


def _ends(program: str, arguments: Sequence[str], ran: Ran) -> bool:
    if program in _KILLERS:
        told = (*arguments, *ran.command.feeders, *ran.command.substituted)
        if any(map(_NAMED.search, told)):
            return True
        return program in _BY_PATTERN and any(
            _matches(word) for word in arguments if not word.startswith("-")
        )
    if program in _MANAGERS and _ENDING & {word.lower() for word in arguments}:
        return any(map(_NAMED.search, arguments))
    return False


def _matches(expression: str) -> bool:
    """Tell whether `pkill` would take the gate's process for meant."""
    try:
        return bool(pattern(expression[:200]).search("callgate"))
    except re2.error:
        return False
