"""What `callgate doctor` can see without starting anything: files, store, clock, variables."""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from callgate import ca, certificates, roots
from callgate.cli.environment import CA_VARIABLES, PROXY_VARIABLES, around
from callgate.cli.finding import Line, fail, ok, warn
from callgate.errors import CallgateError
from callgate.forms import split_address
from callgate.hosts import Hosts
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store import open_store

_CLOCK_TOLERANCE = timedelta(seconds=5)
_CA_NOTICE = timedelta(days=30)


def settings_lines(settings: Settings, policy: PolicyFile | None) -> Iterator[Line]:
    """Which protections are off, whether a policy is in force, and what workers there can be."""
    for loosened in settings.loosened:
        yield warn("settings", f"{loosened}: protection is loosened", "leave this setting out")
    if policy:
        yield ok("policy", f"{policy.path}: valid")
    else:
        yield warn(
            "policy",
            "no policy file: every tool is allowed, only the detectors decide",
            "write one: callgate policy init",
        )
    yield from _workers_lines(settings.workers)


def _workers_lines(many: int) -> Iterator[Line]:
    if many > 1 and not sys.platform.startswith("linux"):
        yield fail("workers", "only Linux shares out connections between them", "set workers to 1")
    elif many > (processors := os.cpu_count() or 1):
        yield warn(
            "workers",
            f"{many} of them, on {processors} processors: more only cost memory",
            f"set workers to at most {processors}",
        )


def home_lines(home: Path) -> Iterator[Line]:
    """Everything below the home folder is the owner's alone."""
    fix = f"chmod -R go= {home}"
    exposed = [path for path in _kept(home) if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    for path in exposed[:5]:
        yield fail("files", f"{path} is open to other users", fix)
    if not exposed:
        yield ok("files", f"{home}: keys and records are private")


def _kept(home: Path) -> Iterator[Path]:
    return (path for path in home.rglob("*") if not path.is_symlink())


def authority_lines(home: Path, hosts: Sequence[str], now: datetime) -> Iterator[Line]:
    """The CA can be used, now and for a while."""
    try:
        authority = ca.ensure(home, hosts)
    except CallgateError as error:
        yield fail("ca", str(error), "make a new one: callgate ca new --force")
        return
    certificate = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    ends = certificate.not_valid_after_utc
    if certificate.not_valid_before_utc > now:
        yield fail("clock", "the CA is not valid yet: the clock is behind", _SET_CLOCK)
    elif ends - now < _CA_NOTICE:
        text = f"{authority.certificate} ends on {ends:%Y-%m-%d}"
        yield warn("ca", text, "make the next one: callgate ca new --overlap")
    elif certificates.permitted(certificate) is None:
        text = f"{authority.certificate} can sign for any host"
        yield warn("ca", text, "make one that is limited: callgate ca new --overlap")
    else:
        yield ok(
            "ca", f"{authority.certificate}: limited to gated hosts, valid until {ends:%Y-%m-%d}"
        )


_SET_CLOCK = "set the clock: timedatectl set-ntp true"


async def store_lines(settings: Settings, now: datetime) -> list[Line]:
    """The store answers, and holds nothing from the future."""
    shown = settings.store or str(settings.home / "callgate.db")
    name = shown.rpartition("@")[2]  # whatever stands before may be a password
    try:
        store = await open_store(settings.store_url)
        try:
            newest = await store.records(last=1)
        finally:
            await store.close()
    except CallgateError as error:
        fix = "free its disk, start its server, or name another: --store"
        return [fail("store", f"{error}", fix)]
    lines = [ok("store", f"{name}: answers")]
    ahead = [
        one for one in newest if datetime.fromisoformat(str(one["at"])) - now > _CLOCK_TOLERANCE
    ]
    if ahead:
        lines.append(fail("clock", f"the newest record is from {ahead[0]['at']}", _SET_CLOCK))
    else:
        lines.append(ok("clock", f"{now:%Y-%m-%d %H:%M} UTC, not before any record"))
    return lines


def shell_lines(settings: Settings, environ: Mapping[str, str], bundle: Path) -> Iterator[Line]:
    """What this shell's variables do to a client that is started here without `callgate run`."""
    hosts = Hosts(settings.gated_hosts)
    for name, kept in around(environ, hosts).items():
        if kept != ",".join(filter(None, map(str.strip, environ[name].split(",")))):
            text = f"{name}={environ[name]} takes gated hosts around the gate"
            yield fail("variables", text, f"export {name}={kept!r} (callgate run does it)")
    proxies = {environ[name] for name in PROXY_VARIABLES if environ.get(name)}
    if not proxies:
        fix = 'start apps with callgate run -- CMD, or: eval "$(callgate env)"'
        yield warn("variables", "no proxy is set in this shell", fix)
        return
    if others := [name for name in PROXY_VARIABLES if _leads_elsewhere(environ, name, settings)]:
        text = f"{', '.join(others)} lead to another proxy than {settings.listen}"
        fix = "callgate run sets its own; to go on through that proxy: --upstream-proxy URL"
        yield warn("variables", text, fix)
        return
    if not _listens(settings.listen):
        text = f"a proxy is set, but nothing listens on {settings.listen}"
        yield fail("variables", text, "start it: callgate serve")
    yield from _authority_variables(environ, bundle)


def _leads_elsewhere(environ: Mapping[str, str], name: str, settings: Settings) -> bool:
    # what a variable says is not shown: it may hold a password
    value = environ.get(name, "")
    return value != "" and _address_of(value) != settings.listen.lower()


def _address_of(url: str) -> str:
    return urlsplit(url if "//" in url else f"//{url}").netloc.rpartition("@")[2].lower()


def _authority_variables(environ: Mapping[str, str], bundle: Path) -> Iterator[Line]:
    own = roots.certificates(bundle.read_bytes())[-1]
    lacking = [name for name in CA_VARIABLES if own not in _named(environ.get(name, ""))]
    if lacking:
        text = f"{', '.join(lacking)} do not lead to the CA"
        yield fail("variables", text, 'eval "$(callgate env)"')
    else:
        yield ok("variables", "proxy and CA are set in this shell")


def _named(path: str) -> list[bytes]:
    try:
        return roots.certificates(Path(path).read_bytes())
    except (OSError, ValueError):
        return []


def _listens(address: str) -> bool:
    try:
        socket.create_connection(split_address(address), timeout=2).close()
    except OSError:
        return False
    return True
