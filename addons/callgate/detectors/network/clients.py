"""Network programs of the command line: where their words make them go, and what they send."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(slots=True)
class Errand:
    """What one run of a program does on the network."""

    targets: list[str] = field(default_factory=list)
    """URLs, hosts, `host:port`s; empty strings where not told."""
    files: list[str] = field(default_factory=list)
    """Files that are sent."""
    texts: list[str] = field(default_factory=list)
    """Text that is sent, names and URLs that are asked for among it."""
    sends_input: bool = False
    """What it reads from its standard input is sent."""
    is_http: bool = False
    is_raw: bool = False
    """It sends bytes with no protocol, or names: there is seldom a good reason."""
    is_administration: bool = False
    """It goes where its user has an account."""


type Reader = Callable[[Sequence[str]], Errand]

_ELSEWHERE = "storage.example"
"""Stands for targets that are outside, but no hosts: buckets, people with a code."""

_PASTE = "paste.rs"
"""Stands for whichever paste a program uses."""

_REMOTE = re.compile(r"(?:[\w.\-$\ufffc]+@)?(\[[^\]]+\]|[\w.\-$\ufffc]{2,}):")
_SCHEME = re.compile(r"[a-z][a-z0-9+]{1,10}://", re.I)
_FIELD = re.compile(r"[\w\-\[\].]*(?::?=@|@)(.+)")
_SOCKET = re.compile(r"(?:tcp|udp|openssl|ssl|sctp|socks)\w*(?:-connect)?:(.+?)(?:,|$)", re.I)
_SOCKET_FILE = re.compile(r"(?:file|open|gopen):([^,]+)", re.I)


@dataclass(frozen=True, slots=True)
class _Options:
    given: list[tuple[str, str]]
    """Options with their values."""
    operands: list[str]

    def values(self, names: str) -> list[str]:
        wanted = names.split()
        return [value for name, value in self.given if name in wanted]


def _read(arguments: Sequence[str], letters: str, names: str = "") -> _Options:
    """Split arguments; `letters` and `names` are the options that take a value."""
    long_names = frozenset(names.split())
    options = _Options([], [])
    words = list(arguments)
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        following = words[position] if position < len(words) else ""
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            takes_next = not equals and name in long_names
            options.given.append((name, following if takes_next else value))
            position += takes_next
        elif word.startswith("-") and len(word) > 1:
            position += _bundle(word[1:], following, letters, options.given)
        else:
            options.operands.append(word)
    return options


def _bundle(bundle: str, following: str, letters: str, given: list[tuple[str, str]]) -> bool:
    """Read `-sSd@file`; tell whether the following word was the value."""
    for index, letter in enumerate(bundle):
        if letter in letters:
            rest = bundle[index + 1 :]
            given.append((letter, rest or following))
            return not rest
        given.append((letter, ""))
    return False


def _curl(arguments: Sequence[str]) -> Errand:
    options = _read(
        arguments,
        "dFTHuAeoXbcmwxKErYyzCQPtUD",
        "data data-binary data-raw data-urlencode data-ascii json form form-string upload-file url "
        "header user user-agent referer output request cookie cookie-jar max-time write-out proxy "
        "config cert key cacert capath resolve connect-to connect-timeout retry retry-delay range "
        "oauth2-bearer unix-socket interface limit-rate url-query max-redirs dns-servers",
    )
    errand = Errand(options.operands + options.values("url"), is_http=True)
    for value in options.values("resolve connect-to"):
        errand.targets.append("//" + value.split(":", 2)[-1].lstrip("+"))
    for value in options.values("d data data-binary data-ascii json"):
        _data(errand, value)
    for value in options.values("data-urlencode url-query"):
        name, mark, content = re.split(r"([=@])|$", value, maxsplit=1)
        _data(errand, "@" + content if mark == "@" else content or name)
    for value in options.values("F form"):
        content = value.partition("=")[2]
        _data(errand, content.split(";")[0].replace("<", "@", 1))
    for value in options.values("T upload-file"):
        _data(errand, "@" + value)
    errand.texts += options.values("data-raw form-string b cookie A user-agent e referer")
    errand.texts += [
        value for value in options.values("H header") if not value.lower().startswith("auth")
    ]
    errand.texts += errand.targets
    return errand


def _data(errand: Errand, value: str) -> None:
    """`@file`, `@-` for the input, or the text itself."""
    if value in ("@-", "@.", "@/dev/stdin"):
        errand.sends_input = True
    elif value.startswith("@"):
        errand.files += value[1:].strip("{}").split(",")
    else:
        errand.texts.append(value)


def _wget(arguments: Sequence[str]) -> Errand:
    options = _read(
        arguments,
        "OoPeUtTQailARDB",
        "post-file body-file post-data body-data header user-agent output-document method tries "
        "timeout directory-prefix user password referer input-file execute",
    )
    errand = Errand(options.operands, is_http=True)
    for value in options.values("post-file body-file"):
        _data(errand, "@" + value)
    errand.texts += options.values("post-data body-data U user-agent referer") + options.operands
    errand.texts += [v for v in options.values("header") if not v.lower().startswith("auth")]
    return errand


def _httpie(arguments: Sequence[str]) -> Errand:
    options = _read(arguments, "apPso", "auth auth-type output timeout session proxy print verify")
    operands = [word for word in options.operands if not re.fullmatch(r"[A-Z]{3,7}", word)]
    errand = Errand(operands[:1], sends_input=True, is_http=True)
    for item in operands[1:]:
        match = _FIELD.fullmatch(item)
        if match:
            errand.files.append(match[1])
    errand.texts += operands
    return errand


def _powershell(arguments: Sequence[str]) -> Errand:
    errand = Errand(is_http=True)
    for option, value in zip(("", *arguments), arguments, strict=False):
        name = option.lower()
        if name == "-infile":
            errand.files.append("")  # its backslashes are gone, the script's text has them
        elif name == "-body":
            errand.texts.append(value)
        elif name in ("-uri", "-url") or _SCHEME.match(value):
            errand.targets.append(value)
    errand.texts += errand.targets
    return errand


def _page(arguments: Sequence[str]) -> Errand:
    return Errand(
        [word for word in arguments if not word.startswith("-")],
        texts=list(arguments),
        is_http=True,
    )


def _socket(arguments: Sequence[str]) -> Errand:
    options = _read(arguments, "wpsqieXxgGmTIO", "wait source-port proxy exec sh-exec send-only")
    target = ":".join(options.operands[:2]) if options.operands[1:] else "".join(options.operands)
    return Errand([target], sends_input=True, is_raw=True)


def _socat(arguments: Sequence[str]) -> Errand:
    errand = Errand(is_raw=True, sends_input=True)
    for word in arguments:
        if match := _SOCKET.match(word):
            errand.targets.append(match[1])
        elif match := _SOCKET_FILE.match(word):
            errand.files.append(match[1])
    return errand


def _openssl(arguments: Sequence[str]) -> Errand:
    if tuple(arguments[:1]) != ("s_client",):
        return Errand()
    targets = [b for a, b in pairwise(arguments) if a == "-connect"]
    return Errand(targets, sends_input=True, is_raw=True)


def _copy(arguments: Sequence[str]) -> Errand:
    options = _read(
        arguments, "PiFolcJSeEBT", "exclude include rsh exclude-from include-from files-from"
    )
    return _to_last(options.operands)


def _to_last(operands: Sequence[str]) -> Errand:
    """Copies everything to the last operand; sends where that is remote."""
    errand = Errand(is_administration=True)
    if len(operands) < 2 or not _is_remote(operands[-1]):
        return errand
    errand.targets.append(_host(operands[-1]))
    errand.files += [word for word in operands[:-1] if not _is_remote(word)]
    return errand


def _is_remote(word: str) -> bool:
    return bool(_SCHEME.match(word) or _REMOTE.match(word))


def _host(word: str) -> str:
    match = None if _SCHEME.match(word) else _REMOTE.match(word)
    return match[1] if match else word


def _login(arguments: Sequence[str]) -> Errand:
    options = _read(arguments, "pilFoLRDJbcemSWE")
    host = options.operands[0].rpartition("@")[2] if options.operands else ""
    errand = Errand([host], sends_input=True, is_administration=True)
    errand.texts += options.values("e")
    return errand


def _share(arguments: Sequence[str]) -> Errand:
    options = _read(arguments, "cUWIpDn", "command user workgroup")
    errand = Errand(options.operands[:1], sends_input=True, is_administration=True)
    errand.texts += options.values("c command")
    return errand


def _mail(arguments: Sequence[str]) -> Errand:
    options = _read(arguments, "sarAcbiefFSq", "attach subject to from cc bcc body server")
    people = [*options.operands, *options.values("to cc bcc c b")]
    errand = Errand([p.rpartition("@")[2] for p in people if "@" in p], sends_input=True)
    errand.files += options.values("a A attach i")
    return errand


def _lookup(arguments: Sequence[str]) -> Errand:
    options = _read(arguments, "cwWtTisIpbxfkyqm")
    names = [name for name in options.operands if not name.startswith(("@", "+"))]
    return Errand(names, texts=names, is_raw=True)


def _cloud(arguments: Sequence[str]) -> Errand:
    options = _read(arguments, "f", "body file src source name container-name bucket key profile")
    errand = _to_last([word for word in options.operands if _is_place(word)])
    errand.files += options.values("body file f")
    errand.targets = [_ELSEWHERE] if errand.files else []
    return errand


_CLOUD_VERBS = frozenset(
    str.split("s3 s3api cp mv sync copy put upload storage blob copyto moveto rsync put-object")
)


def _is_place(word: str) -> bool:
    return word not in _CLOUD_VERBS


def _drop(arguments: Sequence[str]) -> Errand:
    """Programs whose only use is to hand files to strangers."""
    verbs = {"gist", "create", "send", "upload", "share", "transfer"}
    files = [word for word in arguments if not word.startswith("-") and word not in verbs]
    return Errand([_PASTE], files=files, sends_input=True)


def _github(arguments: Sequence[str]) -> Errand:
    return _drop(arguments) if tuple(arguments[:2]) == ("gist", "create") else Errand()


def _handing(arguments: Sequence[str]) -> Errand:
    """Programs that hand files to whoever is told a code."""
    if next(iter(arguments), "") not in ("send", "upload", "share"):
        return Errand()
    files = [word for word in arguments[1:] if not word.startswith("-")]
    return Errand([_ELSEWHERE], files=files, sends_input=True)


def _table(rows: Iterable[tuple[Reader, str]]) -> dict[str, Reader]:
    return {name: reader for reader, names in rows for name in names.split()}


CLIENTS = _table(
    (
        (_curl, "curl curl.exe curlie"),
        (_wget, "wget wget2 wget.exe"),
        (_httpie, "http https xh httpie"),
        (_powershell, "Invoke-WebRequest Invoke-RestMethod iwr irm Start-BitsTransfer"),
        (_page, "aria2c axel fetch lynx links w3m elinks hurl bombardier"),
        (_socket, "nc ncat netcat telnet nc.traditional nc.openbsd"),
        (_socat, "socat"),
        (_openssl, "openssl"),
        (_copy, "scp rsync pscp"),
        (_login, "ssh sftp ftp lftp plink"),
        (_share, "smbclient"),
        (_mail, "mail mailx mutt neomutt sendmail msmtp swaks s-nail"),
        (_lookup, "dig nslookup host drill kdig ping ping6 getent delv"),
        (_cloud, "aws gsutil gcloud az azcopy rclone s3cmd s5cmd mc"),
        (_drop, "pastebinit gist dpaste ix wgetpaste ffsend"),
        (_handing, "croc wormhole transfer onionshare"),
        (_github, "gh"),
    )
)
"""Program → how its arguments are read."""
