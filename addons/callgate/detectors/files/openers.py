"""Which files a command line reads or writes: what programs do with the words after their name.

Only programs that show, copy or send what a file holds are readers. `ls`, `chmod`, `ssh -i KEY`,
`openssl -key KEY` or `kubectl --kubeconfig FILE` use a file for what it is there for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from callgate.detectors.shell.programs.base import has, operands


class Mode(StrEnum):
    """What happens to the file."""

    READ = "read"
    GLANCE = "glance"
    """Parts are picked out, or it is followed as it grows."""
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Opened:
    """One file that a command touches, as the command line names it."""

    path: str
    mode: Mode


type _Opener = Callable[[Sequence[str]], Iterator[Opened]]

_VALUED = re.compile(
    r"^-(?:[ncwsdkfFtojpP]|-(?:lines|bytes|delimiter|fields|color|key|separator))$"
)
_SEARCH_VALUED = re.compile(r"^-(?:[mABCefFvgtT]|-(?:max-count|include|exclude|glob|type))$")
_UPLOAD = re.compile(r"^(?:[^=]*=)?[@<]([^;]+)")
_SETTING = re.compile(r"^(?:if|of)=(.+)$")
_ALL = re.compile(r"[\^$.*]*|1|p|\{ ?print(?: \$0)? ?;?\}")
_UNPACKS = re.compile(r"-?[vzjJpfkC]*x[vzjJpfkC]*|e|--(?:extract|get)")
_LOOKS = re.compile(r"^-(?:i?name|i?path|i?wholename|i?regex)$")
_SHOWING = frozenset(str.split("cat head tail less more base64 xxd strings cp tar curl nc od scp"))


def opened_by(words: Sequence[str]) -> Iterator[Opened]:
    """Yield the files that a command reads or writes, wrappers already taken off."""
    if words:
        program = re.split(r"[/\\]", words[0])[-1].lower().removesuffix(".exe")
        if opener := _OPENERS.get(program):
            yield from opener(list(words[1:]))


def _operands(arguments: Sequence[str], valued: re.Pattern[str] = _VALUED) -> Iterator[str]:
    """Words that are neither flags nor what flags take."""
    is_value = False
    for word in arguments:
        if not is_value and (not word.startswith("-") or word == "-"):
            yield word
        is_value = bool(valued.match(word)) and not is_value


def _shown(arguments: Sequence[str]) -> Iterator[Opened]:
    # Whatever looks like a path is one, so that `head -c /etc/shadow` is not missed.
    for word in arguments:
        path = word.split("=", 1)[1] if word.startswith("--") and "=" in word else word
        yield Opened(path, Mode.READ)


def _followed(arguments: Sequence[str]) -> Iterator[Opened]:
    mode = Mode.GLANCE if has(arguments, "fF", "--follow") else Mode.READ
    return (Opened(opened.path, mode) for opened in _shown(arguments))


def _glanced(arguments: Sequence[str]) -> Iterator[Opened]:
    return (Opened(word, Mode.GLANCE) for word in _operands(arguments))


def _searched(arguments: Sequence[str]) -> Iterator[Opened]:
    """`grep PATTERN FILE…`, `sed SCRIPT FILE…`, `awk PROGRAM FILE…`."""
    is_given = any(word in ("-e", "-f") or word.startswith("--regexp") for word in arguments)
    rest = list(_operands(arguments, _SEARCH_VALUED))
    files = rest if is_given else rest[1:]
    if has(arguments, "qlc", "--quiet", "--count", "--files-with-matches"):
        return
    yield from (Opened(word, Mode.GLANCE) for word in files)
    # `grep '' FILE` and `awk 1 FILE` show all of it.
    if not is_given and rest and _ALL.fullmatch(rest[0]):
        yield from (Opened(word, Mode.READ) for word in files)


def _edited(arguments: Sequence[str]) -> Iterator[Opened]:
    if any(re.match(r"-[nErs]*i|--in-place", word) for word in arguments):
        rest = list(_operands(arguments, _SEARCH_VALUED))
        return (Opened(word, Mode.WRITE) for word in rest[1:])
    return _searched(arguments)


def _copied(arguments: Sequence[str]) -> Iterator[Opened]:
    words = operands(arguments)
    target = next((w.split("=", 1)[1] for w in arguments if w.startswith("--target-dir")), "")
    sources = words if target else words[:-1]
    target = target or (words[-1] if len(words) > 1 else "")
    yield Opened(_local(target), Mode.WRITE)
    for source in sources:
        # A backup beside the original, or a cluster's file put where its client looks for it.
        if not target.startswith(source) and not target.endswith("/.kube/config"):
            yield Opened(_local(source), Mode.READ)


def _local(path: str) -> str:
    """Without the host of `scp host:path`."""
    host, colon, rest = path.partition(":")
    return rest if colon and len(host) > 1 and "/" not in host else path


def _transferred(arguments: Sequence[str]) -> Iterator[Opened]:
    """`scp -i KEY FILE host:`."""
    kept, is_value = [], False
    for word in arguments:
        if not is_value and word not in ("-i", "-F", "-o", "-e", "-P", "--rsh"):
            kept.append(word)
        is_value = not is_value and word in ("-i", "-F", "-o", "-e", "-P", "--rsh")
    return _copied(kept)


def _linked(arguments: Sequence[str]) -> Iterator[Opened]:
    return (Opened(word, Mode.READ) for word in operands(arguments)[:1])


def _packed(arguments: Sequence[str]) -> Iterator[Opened]:
    if any(map(_UNPACKS.fullmatch, arguments[:1])):
        return
    yield from (Opened(word, Mode.READ) for word in operands(arguments))


def _uploaded(arguments: Sequence[str]) -> Iterator[Opened]:
    previous = ""
    for word in arguments:
        value = word.split("=", 1)[1] if word.startswith("--") and "=" in word else word
        option = word.split("=", 1)[0] if value is not word else previous
        if option in ("-T", "--upload-file", "--post-file", "--body-file"):
            yield Opened(value, Mode.READ)
        elif option in ("-o", "-O", "--output", "--output-document"):
            yield Opened(value, Mode.WRITE)
        elif (option.startswith(("-d", "-F", "--data", "--form", "--json"))) or "@" in word[:3]:
            if match := _UPLOAD.match(value.removeprefix("-d").removeprefix("-F")):
                yield Opened(match[1], Mode.READ)
        elif word.lower().startswith("file:"):
            yield Opened(word, Mode.READ)
        previous = word


def _duplicated(arguments: Sequence[str]) -> Iterator[Opened]:
    for word in arguments:
        if match := _SETTING.match(word):
            yield Opened(match[1], Mode.READ if word[0] == "i" else Mode.WRITE)


def _found(arguments: Sequence[str]) -> Iterator[Opened]:
    """`find / -name id_rsa -exec cat {} +`."""
    if not _SHOWING & {word.rsplit("/", 1)[-1] for word in arguments}:
        return
    for position, word in enumerate(arguments[:-1]):
        if _LOOKS.match(word):
            yield Opened(arguments[position + 1], Mode.READ)


def _mounted(arguments: Sequence[str]) -> Iterator[Opened]:
    """`docker run -v /:/host`, `docker cp`: what a container gets to see."""
    if arguments[:1] == ["cp"] or arguments[:2] == ["container", "cp"]:
        yield from _copied(arguments[1:])
    for position, word in enumerate(arguments):
        value = ""
        if word in ("-v", "--volume", "--mount") and position + 1 < len(arguments):
            value = arguments[position + 1]
        elif word.startswith(("--volume=", "--mount=")):
            value = word.split("=", 1)[1]
        source = re.search(r"(?:^|[,=])(?:source|src)=([^,]+)", value)
        root = source[1] if source else value.split(":", 1)[0]
        if root in ("/", "/etc", "/root", "/home", "/proc"):
            yield Opened(
                f"{root.rstrip('/')}/etc/shadow" if root == "/" else "/etc/shadow", Mode.READ
            )


def _stored(arguments: Sequence[str]) -> Iterator[Opened]:
    """`aws s3 cp FILE s3://…`, `gsutil cp`, `rclone copy`."""
    words = list(arguments)
    for verb in ("cp", "mv", "sync", "copy", "copyto", "rsync", "upload"):
        if verb in words[:3]:
            return (Opened(word, Mode.READ) for word in operands(words[words.index(verb) + 1 :]))
    return iter(())


def _registered(arguments: Sequence[str]) -> Iterator[Opened]:
    """`reg save HKLM\\SAM FILE`, `reg add HKCU\\…\\Run`."""
    verb = arguments[0].lower() if arguments else ""
    if verb in ("save", "export", "query", "copy"):
        yield from (Opened(word, Mode.READ) for word in arguments[1:2])
    elif verb in ("add", "import", "restore"):
        yield from (Opened(word, Mode.WRITE) for word in arguments[1:2])


def _written(arguments: Sequence[str]) -> Iterator[Opened]:
    return (Opened(word, Mode.WRITE) for word in operands(arguments))


def _openers() -> Iterator[tuple[str, _Opener]]:
    for names, opener in (
        (
            "cat tac nl less more head bat batcat view strings xxd od hexdump hd base64 base32 "
            "uuencode rev paste fold pr fmt type gc get-content more.com certutil nc ncat mail "
            "mutt mapfile readarray expand iconv gzip bzip2 xz zstd most pg "
            "hexyl glow ed vipw unshadow john hashcat xclip pbcopy wl-copy qrencode",
            _shown,
        ),
        ("tail multitail lnav", _followed),
        ("cut sort uniq column comm diff cmp wdiff jq yq tr csvlook join look", _glanced),
        ("grep egrep fgrep zgrep rg ag ack awk gawk mawk findstr select-string", _searched),
        ("sed gsed", _edited),
        ("cp mv install copy xcopy move copy-item cpio ditto", _copied),
        ("scp rsync sftp rcp", _transferred),
        ("ln mklink", _linked),
        ("tar zip 7z 7za rar jar ar compress-archive bsdtar", _packed),
        ("curl wget http https xh httpie", _uploaded),
        ("dd", _duplicated),
        ("find fd fdfind", _found),
        ("docker podman nerdctl", _mounted),
        ("aws gsutil gcloud az rclone mc s3cmd", _stored),
        ("reg", _registered),
        ("tee sponge set-content add-content out-file new-itemproperty set-itemproperty", _written),
    ):
        for name in names.split():
            yield name, opener


_OPENERS: dict[str, _Opener] = dict(_openers())
