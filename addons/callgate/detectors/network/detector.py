"""Where a call goes: inside, where it has no business, or outside with data.

Nothing is looked up or opened. What is only mentioned is told with little confidence; what a
tool opens, or a command reaches, with much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from callgate.detectors.base import Text
from callgate.detectors.network import addresses, outside, transfers, urls
from callgate.detectors.network.addresses import Inside
from callgate.detectors.network.leaks import hidden_data
from callgate.detectors.network.outside import Own, Standing
from callgate.detectors.network.senders import Snippet
from callgate.detectors.network.sources import Worth
from callgate.detectors.network.targets import Role, role_of
from callgate.detectors.network.transfers import Transfer
from callgate.detectors.network.urls import Url
from callgate.detectors.pattern import pattern
from callgate.model import Finding, Reason

_MENTION = 0.3
_MAX_INNER = 2

_CONTROL_PORTS = frozenset((2375, 2376, 2379, 4243, 10250, 10255))
"""Whoever reaches Docker, etcd or a kubelet there owns the machine."""

_SINGLE_PURPOSE_SCHEMES = frozenset(str.split("gopher dict ldap ldaps tftp netdoc jar sftp"))
_BROWSER_RETURNS = frozenset(
    str.split("redirect_uri redirect_url callback callback_url return_to next continue redirect")
)
"""Parameters that send a browser back: to a developer's own machine, often."""

_SYSTEM_FILE = re.compile(
    r"/+(?:[a-z]:)?/*(?:etc|proc|sys|root|var|home|usr|windows|users|boot|dev)\b", re.IGNORECASE
)
_COMPUTED_LABEL = pattern(r"[\w\-]*(?:\x{fffc}|\$\{?\w+\}?)[\w\-]*\.")
_COMMAND = re.compile(
    r"\s*(?:sudo |/bin/|/usr/bin/)?(?:curl|wget|ncat|nc|scp|rsync|socat|dig|nslookup|openssl"
    r"|python3?|node|cat|tar|base64|env|printenv|aws|gsutil|rclone|git)\s"
)

# Worth of data → what sending it is, and confidence by standing of the destination:
# own, inside, unknown, outside, bare address, drop.
_CONFIDENCES: dict[Worth, tuple[float, ...]] = {
    Worth.NONE: (0.0, 0.0, 0.0, 0.0, 0.0, 0.3),
    Worth.TEXT: (0.0, 0.0, 0.0, 0.0, 0.0, 0.4),
    Worth.FILE: (0.0, 0.0, 0.2, 0.3, 0.6, 0.7),
    Worth.PACKED: (0.0, 0.2, 0.3, 0.6, 0.8, 0.9),
    Worth.PERSONAL: (0.0, 0.3, 0.3, 0.6, 0.8, 0.9),
    Worth.SECRET: (0.0, 0.6, 0.6, 0.9, 0.95, 1.0),
}
_BY_ADMINISTRATION: dict[Worth, tuple[float, ...]] = {
    **_CONFIDENCES,
    Worth.FILE: (0.0, 0.0, 0.2, 0.3, 0.3, 0.7),
    Worth.PACKED: (0.0, 0.2, 0.3, 0.4, 0.4, 0.9),
    Worth.PERSONAL: (0.0, 0.2, 0.3, 0.5, 0.6, 0.9),
    Worth.SECRET: (0.0, 0.3, 0.4, 0.7, 0.8, 1.0),
}
_GOODS = {
    Worth.NONE: "a request",
    Worth.TEXT: "text",
    Worth.FILE: "a file or a program's output",
    Worth.PACKED: "encoded data",
    Worth.PERSONAL: "data that is likely personal or a database's",
    Worth.SECRET: "credentials or system files",
}
_PLACES = {
    Standing.INSIDE: "an inside host",
    Standing.UNKNOWN: "a host that is not told",
    Standing.OUTSIDE: "a host outside",
    Standing.BARE_ADDRESS: "a bare address outside",
    Standing.DROP: "a host that takes anybody's data, or poses as another's",
}


class Network:
    """See `Detector`; yields reasons SSRF and EXTERNAL_EXFILTRATION."""

    name = "network"

    def __init__(self, own: Sequence[str] = ()) -> None:
        """`own` are the operator's own domains, `HOST` or `*.HOST`; raises ValueError otherwise.

        With none given, only data that leaves in a telling way is found; with some, every
        recipient and every host beyond them that a tool sends to is, too.
        """
        self._own = Own(own)

    def inspect(self, text: Text) -> Iterable[Finding]:
        """See `Detector.inspect`."""
        role = role_of(text)
        if role.says_nothing and ":" not in text.value and not _COMMAND.match(text.value):
            return ()
        found: dict[tuple[str, int, int], Finding] = {}
        for finding in self._all(text, role):
            key = (finding.kind, finding.start, finding.end)
            if key not in found or found[key].confidence < finding.confidence:
                found[key] = finding
        return found.values()

    def _all(self, text: Text, role: Role) -> Iterator[Finding]:
        value = text.value
        if role.has_recipients and self._own.is_known:
            yield from self._recipients(text)
        if role.is_command or (not role.is_prose and _COMMAND.match(value)):
            if transfers.is_candidate(value):
                yield from self._command(text)
        elif role.is_target or role.is_fetched or role.may_be_host:
            yield from self._target(text, role)
        elif "://" in value or ":\\" in value:
            yield from self._mentions(text, role)

    def _recipients(self, text: Text) -> Iterator[Finding]:
        for span in self._own.strangers(text.value):
            yield _leaving(text, "EXTERNAL_RECIPIENT", *span, 0.6, "a recipient outside")

    # Arguments that are URLs or hosts.

    def _target(self, text: Text, role: Role) -> Iterator[Finding]:
        url = urls.whole(text.value)
        if url is None or not (role.is_target or url.scheme or role.may_be_host):
            yield from self._mentions(text, role)
            return
        is_opened = role.is_target or bool(role.is_fetched and url.scheme)
        yield from self._led_inside(text, url, is_opened)
        yield from self._carried_out(text, url)
        if role.is_sent_to:
            yield from self._sent_to(text, url)
        elif is_opened and self._is_bait(url):
            yield _leaving(
                text, "DATA_DROP", url.start, url.end, 0.6, "a host that only records who asks"
            )

    def _led_inside(self, text: Text, url: Url, is_opened: bool) -> Iterator[Finding]:
        if url.is_local_file:
            is_system = _SYSTEM_FILE.match(url.rest) is not None
            confidence = (0.9 if is_system else 0.6) if is_opened else _MENTION
            yield _inward(text, "LOCAL_FILE", url, confidence, "opens a file of the machine")
            return
        for found in _found(url):
            confidence = 0.9 if is_opened or found.is_disguised else 0.4
            yield _inward(text, found.kind, url, confidence, _explained(found))
        yield from self._redirected(text, url, url, is_opened, 0)

    def _redirected(
        self, text: Text, url: Url, outer: Url, is_opened: bool, depth: int
    ) -> Iterator[Finding]:
        for name, inner in urls.inner(url):
            for found in _found(inner):
                is_return = name in _BROWSER_RETURNS and found.kind == addresses.LOOPBACK
                is_name = found.kind == addresses.INTERNAL_NAME
                is_plain = (is_return or is_name) and not found.is_disguised
                confidence = 0.8 if is_opened and not is_plain else _MENTION
                explanation = "by way of another host " + _explained(found)
                yield _inward(text, found.kind, outer, confidence, explanation)
            if depth < _MAX_INNER:
                yield from self._redirected(text, inner, outer, is_opened, depth + 1)

    def _carried_out(self, text: Text, url: Url) -> Iterator[Finding]:
        if not (what := hidden_data(url)):
            return
        standing = self._worst((url,))
        if standing > Standing.UNKNOWN:
            yield _leaving(
                text, "DATA_IN_URL", url.start, url.end, 0.8, f"asks a host outside, and {what}"
            )

    def _sent_to(self, text: Text, url: Url) -> Iterator[Finding]:
        standing = self._worst((url,))
        if standing is Standing.DROP:
            yield _leaving(text, "DATA_DROP", url.start, url.end, 0.6, _PLACES[standing])
        elif standing is Standing.BARE_ADDRESS:
            yield _leaving(text, "EXTERNAL_HOST", url.start, url.end, 0.5, _PLACES[standing])
        elif self._own.is_known and standing is Standing.OUTSIDE:
            yield _leaving(
                text, "EXTERNAL_HOST", url.start, url.end, 0.6, "sends to a host outside"
            )

    def _mentions(self, text: Text, role: Role) -> Iterator[Finding]:
        for url in urls.within(text.value):
            for found in _found(url):
                is_metadata = found.kind == addresses.METADATA
                confidence = (0.6 if role.is_prose else 0.9) if is_metadata else _MENTION
                yield _inward(text, found.kind, url, confidence, _explained(found))
            yield from self._carried_out(text, url)

    # Commands and code.

    def _command(self, text: Text) -> Iterator[Finding]:
        code = Snippet(text.value)
        if code.is_likely:
            trips = transfers.code_transfers(text.value, (0, len(text.value)))
        else:
            trips = transfers.transfers(text.value)
        for trip in trips:
            plain = (_COMPUTED_LABEL.sub("", target) for target in trip.targets)
            read = [url for target in plain if (url := urls.whole(target))]
            for url in read:
                yield from _reached(text, trip, url)
            yield from self._taken_out(text, trip, read)

    def _taken_out(self, text: Text, trip: Transfer, read: Sequence[Url]) -> Iterator[Finding]:
        if not trip.targets:
            return
        standing = self._worst(read)
        table = _BY_ADMINISTRATION if trip.is_administration else _CONFIDENCES
        confidence = table[trip.worth][standing]
        if trip.is_raw and trip.worth is Worth.FILE and standing is Standing.OUTSIDE:
            confidence = 0.6
        if any(map(self._is_bait, read)):
            confidence = max(confidence, 0.6)
        if confidence:
            explanation = f"sends {_GOODS[trip.worth]} to {_PLACES[standing]}"
            yield _leaving(text, "DATA_SENT_OUT", trip.start, trip.end, confidence, explanation)
        for url in read:
            if standing > Standing.UNKNOWN and (what := hidden_data(url)):
                explanation = f"asks a host outside, and {what}"
                yield _leaving(text, "DATA_IN_URL", trip.start, trip.end, 0.8, explanation)

    def _is_bait(self, url: Url) -> bool:
        return any(outside.is_bait(host) and not self._own.holds(host) for host in url.hosts)

    def _worst(self, read: Sequence[Url]) -> Standing:
        standings = [self._own.standing(host, url.rest) for url in read for host in url.hosts]
        return max(standings, default=Standing.UNKNOWN)


def _found(url: Url) -> Iterator[Inside]:
    for host in url.hosts:
        found = addresses.inside(host)
        if found is None and len(url.hosts) == 1 and _is_single_label(host):
            found = addresses.Inside(addresses.INTERNAL_NAME, "names a host without a domain")
        if found is not None:
            if url.is_disguised or url.scheme in _SINGLE_PURPOSE_SCHEMES:
                found = addresses.Inside(found.kind, found.explanation, is_disguised=True)
            yield found


def _is_single_label(host: str) -> bool:
    return "." not in host and host[:1].isalpha()


def _reached(text: Text, trip: Transfer, url: Url) -> Iterator[Finding]:
    """Inside hosts that a command goes to: a developer's daily work, unless hidden."""
    for found in _found(url):
        confidence = _MENTION
        if found.kind == addresses.METADATA:
            confidence = 1.0
        elif not trip.is_http:
            pass
        elif found.is_disguised:
            confidence = 0.9
        elif found.kind == addresses.LOOPBACK:
            confidence = 0.7 if url.port in _CONTROL_PORTS else _MENTION
        elif found.kind != addresses.INTERNAL_NAME:
            confidence = 0.6
        yield Finding(
            found.kind, Reason.SSRF, text.path, trip.start, trip.end, confidence, _explained(found)
        )


def _explained(found: Inside) -> str:
    return found.explanation + (", in a spelling that hides it" if found.is_disguised else "")


def _inward(text: Text, kind: str, url: Url, confidence: float, explanation: str) -> Finding:
    if kind == addresses.METADATA and confidence > _MENTION:
        confidence = max(confidence, 0.6)
    return Finding(kind, Reason.SSRF, text.path, url.start, url.end, confidence, explanation)


def _leaving(
    text: Text, kind: str, start: int, end: int, confidence: float, explanation: str
) -> Finding:
    return Finding(
        kind, Reason.EXTERNAL_EXFILTRATION, text.path, start, end, confidence, explanation
    )
