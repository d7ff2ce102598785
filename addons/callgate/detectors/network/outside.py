"""Hosts and recipients outside: whose they are, and which are made to take data in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import lru_cache

from callgate.detectors.network.addresses import inside, is_address
from callgate.detectors.pattern import pattern
from callgate.hosts import Hosts

_MAIL = pattern(r"[A-Za-z0-9._%+\-']{1,64}@([A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+)")

# Anyone can take data in at these, and nobody is told whose it is.
_DROPS = tuple(
    "." + host
    for host in str.split(
        # pastes and file drops
        "pastebin.com paste.ee hastebin.com dpaste.com dpaste.org ix.io sprunge.us termbin.com "
        "paste.rs rentry.co ghostbin.com privatebin.net paste.mozilla.org controlc.com "
        "0x0.st transfer.sh file.io oshi.at bashupload.com temp.sh uguu.se catbox.moe litter.box "
        "gofile.io anonfiles.com filebin.net keep.sh tmpfiles.org pixeldrain.com ufile.io "
        "wetransfer.com send.vis.ee paste.c-net.org clbin.com store1.gofile.io x0.at envs.sh "
        # requests are shown to whoever made the name
        "webhook.site requestbin.net requestbin.com pipedream.net beeceptor.com hookbin.com "
        "requestcatcher.com postb.in ptsv2.com ptsv3.com mockbin.org webhookinbox.com "
        "requestinspector.com hookdeck.com typedwebhook.tools svix.com canarytokens.com "
        "canarytokens.org burpcollaborator.net oastify.com interact.sh interactsh.com oast.pro "
        "oast.live oast.site oast.online oast.fun oast.me dnslog.cn ceye.io dnsbin.zhack.ca "
        "requestrepo.com xss.ht bxss.me r87.me eyes.sh pingb.in "
        # tunnels into anyone's machine
        "ngrok.io ngrok-free.app ngrok.app ngrok.dev trycloudflare.com loca.lt localhost.run "
        "lhr.life serveo.net pagekite.me localtunnel.me bore.pub playit.gg tunnelmole.net "
        "pinggy.link pinggy.io devtunnels.ms zrok.io telebit.io "
        # bots and messages, unless they are the operator's own
        "api.telegram.org"
    )
)
# Of discord.com, where anyone makes such an address.
_DROP_PATHS = re.compile(r"/api/webhooks/", re.IGNORECASE)
_BAITS = frozenset(
    str.split(
        "burpcollaborator.net oastify.com interact.sh interactsh.com oast.pro oast.live oast.site "
        "oast.online oast.fun oast.me dnslog.cn ceye.io bxss.me r87.me requestrepo.com"
    )
)
_BRANDS = frozenset(
    str.split(
        "slack google gmail googleapis github gitlab microsoft office outlook azure windows amazon "
        "aws amazonaws apple icloud dropbox paypal stripe discord facebook openai okta salesforce "
        "atlassian zoom twilio linkedin cloudflare docusign notion adobe box"
    )
)
_REAL_PARENTS = tuple(
    str.split(".amazonaws.com .cloudflare.net .akamai.net .edgekey.net .akadns.net")
)


class Standing(IntEnum):
    """How far a destination is to be trusted with data, the least trusted last."""

    OWN = 0
    INSIDE = 1
    UNKNOWN = 2
    """A name without a domain, or one that only a run would tell."""
    OUTSIDE = 3
    BARE_ADDRESS = 4
    """A public address where a name is usual."""
    DROP = 5
    """Made to take anybody's data, or posing as somebody else's host."""


class Own:
    """The operator's own hosts and mail domains."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Patterns as in `callgate.hosts`; a name also stands for mail to it.

        Raises ValueError for what is no pattern.
        """
        self.is_known = bool(patterns)
        self._hosts = Hosts(patterns)

    def holds(self, host: str, port: int | None = None) -> bool:
        """Tell whether a host is the operator's own."""
        return self.is_known and self._hosts.match(host, port or 443)

    def standing(self, host: str, path: str = "") -> Standing:
        """Tell what a host, and a path on it, is to the operator."""
        if self.holds(host):
            return Standing.OWN
        return _standing(host.lower().rstrip("."), bool(path and _DROP_PATHS.match(path)))

    def strangers(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of mail addresses in a text that are not the operator's own."""
        if "@" in text:
            for match in _MAIL.finditer(text):
                if not self.holds(match[1]):
                    yield match.span()


@lru_cache(maxsize=4096)
def _standing(host: str, is_drop_path: bool) -> Standing:
    if "\ufffc" in host or "$" in host or not host:
        return Standing.UNKNOWN
    if _is_drop(host) or (is_drop_path and host.endswith(("discord.com", "discordapp.com"))):
        return Standing.DROP
    if inside(host):
        return Standing.INSIDE
    if is_address(host):
        return Standing.BARE_ADDRESS
    return Standing.OUTSIDE if "." in host else Standing.UNKNOWN


def _is_drop(host: str) -> bool:
    return ("." + host).endswith(_DROPS) or poses(host)


def is_bait(host: str) -> bool:
    """Tell whether a host exists to record that somebody asked for it."""
    return any(host == bait or host.endswith("." + bait) for bait in _BAITS)


def poses(host: str) -> bool:
    """Tell whether a host begins with another's name: `hooks.slack.com.evil.example`."""
    labels = host.split(".")
    if host.endswith(_REAL_PARENTS):
        return False
    for position, label in enumerate(labels[:-2]):
        if label in _BRANDS and labels[position + 1] == "com":
            # `google.com.au` is the brand's own name in a country
            return position + 3 < len(labels) or len(labels[-1]) > 2
    return False
