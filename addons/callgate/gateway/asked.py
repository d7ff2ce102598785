"""What a client asks about: HTTP requests and tools' calls, as one kind of tool call.

Pure. Names that the SDKs put into URLs become the tool's name again, so that one policy holds
for an app behind the proxy and for one that asks the gateway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import JsonError

HTTP_TOOL = "http_request"
"""What a plain HTTP request is called; its arguments are `method`, `url`, `headers`, `body`."""

_NAMED = (
    # interven_openai_assistants/scan.py: _infer_tool_url
    re.compile(r"tool://[^/]*/(?P<name>.+)", re.DOTALL),
    re.compile(r"(?:tool|mcp)://(?P<name>[^/]+)", re.DOTALL),
    re.compile(r"mcp://(?P<name>.+)", re.DOTALL),
)


class AskingError(Exception):
    """The body does not say what the call is; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a client."""

    contract: str
    """`interven`, `aegis` or `aif`: whose words the client speaks."""
    client: str
    """Name of its key."""
    tool: str
    arguments: str
    """JSON text."""
    claimed: str = ""
    """Which agent the client says it is; nobody has proved it."""
    is_http: bool = False
    """The tool is `HTTP_TOOL`: of its arguments only the body can be exchanged."""


def parse(body: bytes) -> dict[str, Json]:
    """Read a request's body; raises AskingError unless it is a JSON object with one reading."""
    try:
        document = canonical.parse(body)
    except JsonError as error:
        raise AskingError(f"the body is {error}") from error
    if not isinstance(document, dict):
        raise AskingError("the body is not a JSON object")
    return document


def scan(document: dict[str, Json], client: str) -> Asked:
    """Interven's `POST /v1/scan` (aif_sdk/scan.py); raises AskingError."""
    method, url = text(document, "method"), text(document, "url")
    headers, body = document.get("headers"), document.get("body")
    claimed = text(document, "agent_id", default="")
    for pattern in _NAMED:
        if named := pattern.fullmatch(url):
            if headers:
                raise AskingError("`headers` have no meaning for the call of a tool")
            return Asked("interven", client, named["name"], _json(body), claimed)
    arguments: dict[str, Json] = {"method": method, "url": url}
    if headers:
        arguments["headers"] = headers
    # clients send an empty object where there is no body
    if body not in (None, {}):
        arguments["body"] = body
    return Asked("interven", client, HTTP_TOOL, _json(arguments), claimed, is_http=True)


def execute(document: dict[str, Json], client: str, agent: str) -> Asked:
    """Aegis' `POST /execute` (aegis_openai/__init__.py); raises AskingError."""
    tool = text(document, "tool" if "tool" in document else "tool_name")
    spelled = [key for key in ("arguments", "parameters") if key in document]
    if len(spelled) != 1:
        # what is not judged could be what is run
        raise AskingError("the call's arguments have to stand in `arguments`, `{}` where none are")
    arguments = document[spelled[0]]
    claimed = text(document, "agent_id", default=agent)
    return Asked("aegis", client, tool, _json(arguments), claimed)


def invoke(document: dict[str, Json], client: str) -> Asked:
    """Interven's older `POST /invoke` (aif_sdk/client.py); raises AskingError.

    The credential that it carries for the upstream is read by nobody here.
    """
    upstream, agent = part(document, "upstream_request"), part(document, "agent_context")
    name, operation = text(document, "tool_name"), text(document, "operation", default="")
    arguments: dict[str, Json] = {
        "method": text(upstream, "method"),
        "url_path": text(upstream, "url_path"),
        **{key: upstream[key] for key in ("headers", "body") if upstream.get(key) is not None},
    }
    tool = f"{name}.{operation}" if operation else name
    return Asked("aif", client, tool, _json(arguments), text(agent, "agent_id", default=""))


def part(document: dict[str, Json], name: str) -> dict[str, Json]:
    """Return an object inside the document; raises AskingError."""
    value = document.get(name)
    if not isinstance(value, dict):
        raise AskingError(f"`{name}` is not an object")
    return value


def text(document: dict[str, Json], name: str, default: str | None = None) -> str:
    """Return a text inside the document; raises AskingError for anything else, and for none."""
    value = document.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or (not value and default is None):
        raise AskingError(f"`{name}` is not a text")
    return value


def _json(value: Json) -> str:
    return canonical.dump({} if value is None else value).decode()
