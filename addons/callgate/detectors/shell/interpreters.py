"""Text that reaches an interpreter: as an argument, from a file, through a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callgate.detectors.pattern import pattern
from callgate.detectors.shell.bash import UNKNOWN, Command, Script
from callgate.detectors.shell.programs.base import Danger

SHELLS = frozenset(str.split("sh bash zsh dash ksh mksh ash fish rbash busybox exe"))
"""Programs that run shell scripts; `/proc/self/exe` is the shell itself."""

INTERPRETERS = SHELLS | frozenset(
    str.split(
        "python python2 python3 perl ruby node nodejs deno bun php lua osascript pwsh powershell "
        "iex tclsh Rscript groovy jshell"
    )
)
"""Programs that run text."""

_VERSIONED = re.compile(r"(python|perl|ruby|php|lua|node|ksh|bash)-?[\d.]+")
_DOWNLOADERS = frozenset(
    str.split(
        "curl wget fetch aria2c http https nc ncat netcat lynx socat ftp scp lwp-request GET axel "
        "curlie xh telnet openssl-client dig nslookup host"
    )
)
_DECODERS = frozenset(
    str.split(
        "base64 base32 basenc xxd openssl gunzip zcat gzip bzip2 bunzip2 bzcat xz unxz xzcat rev "
        "tr printf sed awk perl cut od hexdump uudecode gpg md5sum sha1sum sha256sum fold tac dd "
        "strings python python3 ruby node php lua"
    )
)
_CODE_FLAGS = {"sh": "c", "python": "c", "php": "r", "perl": "eE", "ruby": "e", "lua": "e"}
_SOCKETS = pattern(
    r"(?i)\bsocket\b|TCPSocket|fsockopen|stream_socket_client|IO::Socket|/inet/tcp|net\.Socket|net\.connect"
)
_SHELL_WORDS = pattern(r"(?i)/bin/(?:ba|z|da|k)?sh|\bcmd\.exe|\bsh\s+-i\b|powershell")
_RUNS = pattern(
    r"\b(?:system|exec|eval|popen|spawn\w*|shell_exec|passthru|proc_open|assert|os\.execute)\b|`"
)
_UNPACKS = pattern(
    r"(?i)_base64|base64\w*\s*[(.:]|\bb64\w*\s*\(|unpack\b|\bpack\s*\(|fromhex|unhexlify|\bchr\s*\("
    r"|\.chr\b|str_rot13|gzinflate|fromCharCode|zlib|\breverse\b|strrev"
)


@dataclass(frozen=True, slots=True)
class Program:
    """Text that an interpreter would run."""

    text: str
    is_shell: bool


def base_name(program: str) -> str:
    """`python3.12` is a `python3`, as far as an interpreter goes."""
    match = _VERSIONED.fullmatch(program)
    return match[1] if match else program


def run_by(
    program: str, arguments: Sequence[str], command: Command, script: Script
) -> Iterator[Danger | Program]:
    """Yield the texts that an interpreter runs, and a danger where they can not be known."""
    is_shell = program in SHELLS or program in (".", "source")
    for text in _code(program, arguments):
        yield Program(text, is_shell)
    operand = next((word for word in arguments if not word.startswith("-")), "")
    if (content := script.content(operand)) is not None:
        yield Program(content, is_shell)
    elif UNKNOWN in operand:
        yield from unread(operand.split(UNKNOWN)[-1].split())
    if command.stdin is not None:
        yield Program(command.stdin, is_shell)
    elif command.feeders and not (operand and not operand.startswith("/dev/")):
        yield from unread(command.feeders)
    if any(UNKNOWN in word for word in arguments) and not operand.startswith("/dev/fd"):
        yield from unread(command.substituted)
        yield Danger("OPAQUE_EXECUTION", "runs text that only a run would tell", 0.6)


def unread(feeders: Sequence[str]) -> Iterator[Danger]:
    """Judge text that is run but not known, by the programs that it comes from."""
    names = {name.rsplit("/", 1)[-1] for name in feeders}
    if names & _DOWNLOADERS:
        yield Danger("PIPE_TO_SHELL", "runs what it downloads, unseen", 0.95)
    elif names & _DECODERS:
        yield Danger("OPAQUE_EXECUTION", "runs text that is decoded on the way", 0.7)


def in_code(program: str, code: str) -> Iterator[Danger]:
    """Look cheaply at Perl, Ruby, PHP and others: sockets to shells, decoded text that runs."""
    if _SOCKETS.search(code) and (_SHELL_WORDS.search(code) or "STDIN" in code):
        yield Danger("REVERSE_SHELL", "connects a shell to another host", 0.95)
    is_read_elsewhere = program.startswith("python") or program in ("node", "nodejs", "deno", "bun")
    if not is_read_elsewhere and _RUNS.search(code) and _UNPACKS.search(code):
        yield Danger("OPAQUE_EXECUTION", "runs text that is decoded on the way", 0.7)


def _code(program: str, arguments: Sequence[str]) -> Iterator[str]:
    kind = "sh" if program in SHELLS else re.sub(r"\d.*", "", program)
    flags = _CODE_FLAGS.get(kind, "eErpc")
    for position, word in enumerate(arguments):
        is_flag = word.startswith("-") and not word.startswith("--") and word[-1:] in flags
        if position + 1 < len(arguments) and (
            is_flag or word in ("--eval", "--command", "-Command", "-c", "--print")
        ):
            yield _with_parameters(arguments[position + 1], arguments[position + 2 :])
            return


def _with_parameters(code: str, parameters: Sequence[str]) -> str:
    """`sh -c 'rm "$@"' sh -rf /`: parameters count as set."""
    if not parameters or "$" not in code or UNKNOWN in code:
        return code
    quoted = ["'" + word.replace("'", "'\\''") + "'" for word in parameters]
    zeroth = code.replace("${0}", parameters[0]).replace("$0", parameters[0])
    return f"set -- {' '.join(quoted[1:])}\n{zeroth}" if quoted[1:] else zeroth
