"""Programs that run another program: `sudo -u root env A=1 timeout 5 rm` is an `rm`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from callgate.detectors.pattern import pattern

_MAX_WRAPPERS = 50

_KEYWORDS = frozenset(("{", "(", "!", "then", "do", "else"))
"""Left before a command where the parser did not expect it: `time { …; }`."""

WRAPPERS: dict[str, tuple[str, int]] = {
    "builtin": ("", 0),
    "bwrap": ("", 0),
    "caffeinate": ("-t -w", 0),
    "chronic": ("", 0),
    "chroot": ("", 1),
    "chrt": ("-T -P -D", 1),
    "command": ("", 0),
    "coproc": ("", 0),
    "cpulimit": ("-l -p", 0),
    "dbus-run-session": ("", 0),
    "doas": ("-u -C", 0),
    "eatmydata": ("", 0),
    "env": ("-u -C -S --unset --chdir", 0),
    "exec": ("-a", 0),
    "fakeroot": ("", 0),
    "firejail": ("", 0),
    "flock": ("-w -E", 1),
    "gosu": ("", 1),
    "ionice": ("-c -n -p", 0),
    "ltrace": ("-e -o -p", 0),
    "nice": ("-n", 0),
    "nohup": ("", 0),
    "nsenter": ("-t -S -G --target", 0),
    "numactl": ("", 0),
    "parallel": ("-j -I", 0),
    "pkexec": ("--user", 0),
    "prlimit": ("", 0),
    "proot": ("-r -b -w", 0),
    "proxychains": ("-f", 0),
    "proxychains4": ("-f", 0),
    "rlwrap": ("", 0),
    "runuser": ("-u -g", 0),
    "setarch": ("", 1),
    "setpriv": ("", 0),
    "setsid": ("", 0),
    "start-stop-daemon": ("-p -n -u -g -c -d -x", 0),
    "stdbuf": ("-i -o -e", 0),
    "strace": ("-e -o -p", 0),
    "su-exec": ("", 1),
    "sudo": ("-u -g -h -p -C -r -t -T -U -D -R", 0),
    "systemd-run": ("-p -u -E -M -H -t", 0),
    "taskset": ("-c", 1),
    "time": ("-f -o", 0),
    "timeout": ("-k -s --kill-after --signal", 1),
    "torsocks": ("", 0),
    "unbuffer": ("", 0),
    "unshare": ("", 0),
    "watch": ("-n --interval", 0),
    "xargs": ("-I -n -P -L -d -E -s -a", 0),
    "xterm": ("", 0),
    "xvfb-run": ("-s -n", 0),
}
"""Wrapper → its options that take a value; how many words of its own precede the command."""
_ASSIGNMENT = pattern(r"^[A-Za-z_]\w*\+?=")


def unwrap(words: Sequence[str]) -> list[str]:
    """Strip `sudo -u root env A=1 timeout 5 …` down to the command that runs."""
    rest = list(words)
    for _ in range(_MAX_WRAPPERS):
        rest = list(itertools.dropwhile(_KEYWORDS.__contains__, rest))
        if not rest:
            break
        wrapper = WRAPPERS.get(rest[0].rsplit("/", 1)[-1])
        if wrapper is None:
            break
        if rest[0] == "command" and rest[1:2] and rest[1] in ("-v", "-V"):
            return []
        rest = skip(rest[1:], *wrapper)
    return rest


def skip(words: list[str], valued: str, own: int, *, is_env: bool = True) -> list[str]:
    """Drop options, those of `valued` with their values, and `own` words after them.

    Assignments go too where the program takes them as `env` does.
    """
    options = valued.split()
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            position += 1
            break
        if word == "-S":
            return " ".join(words[position + 1 :]).split()
        if word in options:
            position += 2
        elif (word.startswith("-") and len(word) > 1) or (is_env and _ASSIGNMENT.match(word)):
            position += 1
        elif own:
            own -= 1
            position += 1
        else:
            break
    return words[position:]
