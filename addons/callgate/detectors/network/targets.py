"""Which arguments say where a call goes: read off the names of the tool and of the field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from callgate.detectors.base import Text
from callgate.detectors.placement import PROSE_FIELDS, holds_command, words

_URL_FIELD = re.compile(
    r"(?:^|[^a-z])(?:urls?|uris?|endpoints?|webhooks?|callbacks?|href|base|site|website"
    r"|web_?page|page_?address)$|ur[il]s?$|endpoint$|webhook$|callback$|^(?:url|uri|href|webhook)"
)
_HOST_FIELD = re.compile(
    r"(?:^|[^a-z])(?:hosts?|host_?names?|servers?|targets?|address|domains?|proxy|links?|src"
    r"|source|origin|remote|destination|upstream|backend|image|redirect)$|hostname$|server$"
)
_FETCH_TOOLS = frozenset(
    str.split(
        "fetch http https request requests httpx aiohttp axios browse browser curl wget webhook "
        "download crawl scrape scraper screenshot navigate url urls webpage web visit goto api rest"
    )
)
_SEND_TOOLS = frozenset(
    str.split(
        "send share invite forward post publish upload email mail message notify webhook transfer "
        "reply submit push put export sms dm tweet grant request requests collaborator"
    )
)
_WRITE_TOOLS = frozenset(str.split("create add update schedule set invite"))
_READ_TOOLS = frozenset(
    str.split("get list search find read lookup view delete remove fetch browse download check")
)
_RECIPIENT_FIELD = re.compile(
    r"(?:^|[^a-z])(?:to|cc|bcc|e?mails?|recipients?|receivers?|to_?addr\w*|to_?emails?|addressees?"
    r"|participants?|attendees?|invitees?|guests?|share_?with|collaborators?|grantees?|members?"
    r"|forward_?to|reply_?to|send_?to|destinations?|users?|address(?:es)?)$"
)
_GUEST_FIELD = re.compile(r"participants?|attendees?|invitees?|guests?|collaborators?|share_?with")
_NO_TARGET_FIELD = re.compile(r"header|cookie|auth|token|query|sql|prompt|pattern|regex|selector")


@dataclass(frozen=True, slots=True)
class Role:
    """What an argument is to the call."""

    is_target: bool
    """A URL or a host in it is what the call opens."""
    is_fetched: bool
    """The tool opens URLs: a text that is a URL from start to end is one of them."""
    may_be_host: bool
    """Its field may name a host, and often names something else."""
    is_sent_to: bool
    """The tool sends, and this says where to."""
    has_recipients: bool
    """The tool sends or shares, and this says with whom."""
    is_command: bool
    """It is handed to a shell or an interpreter."""
    is_prose: bool
    """It is written for people."""
    says_nothing: bool
    """Nothing of the above but perhaps prose."""


def role_of(text: Text) -> Role:
    """Tell what a string is to its call."""
    return _role(text.tool, text.field)


@lru_cache(maxsize=4096)
def _role(tool: str, field: str) -> Role:
    verbs = words(tool)
    is_url = _URL_FIELD.search(field) is not None
    is_host = _HOST_FIELD.search(field) is not None
    is_prose = field in PROSE_FIELDS and field not in ("url", "path")
    fetches = bool(verbs & _FETCH_TOOLS)
    sends = bool(verbs & _SEND_TOOLS) and not verbs & _READ_TOOLS
    shares = sends or (bool(verbs & _WRITE_TOOLS) and _GUEST_FIELD.search(field) is not None)
    is_fetched = fetches and not is_prose and not _NO_TARGET_FIELD.search(field)
    has_recipients = shares and _RECIPIENT_FIELD.search(field) is not None
    is_command = holds_command(Text("", "", tool, field))
    return Role(
        is_target=is_url or (is_host and fetches),
        is_fetched=is_fetched,
        may_be_host=is_host,
        is_sent_to=sends and (is_url or is_host),
        has_recipients=has_recipients,
        is_command=is_command,
        is_prose=is_prose,
        says_nothing=not (is_url or is_host or is_fetched or has_recipients or is_command),
    )
