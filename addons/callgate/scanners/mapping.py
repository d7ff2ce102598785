"""A tool call as the HTTP request that Interven's policies are written for.

The names are those of `interven-openai-assistants` (its `scan.py` and its README), so that rules
for Slack, GitHub and Drive hold for calls that Callgate sees too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import JsonError, ScannerError
from callgate.model import Reason, ToolCall

_METHOD = re.compile(r"[A-Za-z]{1,16}")
_READS = ("get", "fetch", "read", "list", "search")
_SLACK = ("slack", "post_message", "webhook")
_GITHUB = ("github", "pull_request", "commit")
_DRIVE = ("drive", "gdrive", "share_file")
_WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Outbound:
    """What the call would do, as a request."""

    method: str
    url: str
    body: Mapping[str, Json]
    is_wrapped: bool = False
    """The arguments are no object: they stand in the body as `input`."""

    def arguments(self, sanitized: Json) -> str:
        """JSON arguments from a sanitized body; raises ScannerError where it is none."""
        if not isinstance(sanitized, dict):
            raise _unclear("no object")
        if not self.is_wrapped:
            return canonical.dump(sanitized).decode()
        text = sanitized.get("input")
        if not isinstance(text, str) or len(sanitized) != 1:
            raise _unclear("not the input it was given")
        try:
            canonical.parse(text)
        except JsonError as error:
            raise _unclear("no JSON any more") from error
        return text


def outbound(call: ToolCall) -> Outbound:
    """Map a call; its arguments have to be JSON, or empty (raises JsonError)."""
    value = canonical.parse(call.arguments) if call.arguments.strip() else {}
    is_wrapped = not isinstance(value, dict)
    body: Mapping[str, Json] = value if isinstance(value, dict) else {"input": call.arguments}
    return Outbound(_method(call.name, body), _url(call.name, body), body, is_wrapped)


def _url(tool: str, given: Mapping[str, Json]) -> str:
    name = tool.lower()
    if _has(name, _SLACK):
        hook = _text(given, "webhook_url") or _text(given, "url")
        return hook if "hooks.slack.com" in hook else "https://slack.com/api/chat.postMessage"
    if _has(name, _GITHUB):
        return _github(name, given)
    if _has(name, _DRIVE):
        file = _text(given, "file_id") or _text(given, "fileId") or "unknown"
        shared = "/permissions" if _has(name, ("share", "permission")) else ""
        return f"https://www.googleapis.com/drive/v3/files/{file}{shared}"
    # its README promises this for every name, its code has it for fetch, http and request
    url = _text(given, "url")
    return url if url.startswith(_WEB) else f"tool://openai-assistants/{tool}"


def _github(name: str, given: Mapping[str, Json]) -> str:
    owner = _text(given, "owner") or _text(given, "org")
    repository = _text(given, "repo") or _text(given, "repository")
    if not owner or not repository:
        return "https://api.github.com/"
    pulls = "/pulls" if "pr" in name or "pull_request" in name else ""
    return f"https://api.github.com/repos/{owner}/{repository}{pulls}"


def _method(tool: str, given: Mapping[str, Json]) -> str:
    method = _text(given, "method")
    if _METHOD.fullmatch(method):
        return method.upper()
    return "GET" if _has(tool.lower(), _READS) else "POST"


def _has(name: str, parts: tuple[str, ...]) -> bool:
    return any(part in name for part in parts)


def _text(given: Mapping[str, Json], key: str) -> str:
    value = given.get(key)
    return value if isinstance(value, str) else ""


def _unclear(what: str) -> ScannerError:
    return ScannerError(Reason.SCANNER_ANSWER_UNREADABLE, f"its sanitized body is {what}")
