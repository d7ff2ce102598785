"""What notifications say: for programs (Standard Webhooks) and for people (Slack)."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from callgate.canonical import Json
from callgate.store.tables import timestamp
from callgate.visible import visible

type Occasion = Literal["approvals", "denials"]

_FIELDS = (
    "trace",
    "surface",
    "tool",
    "agent",
    "assistant",
    "thread",
    "run",
    "decision",
    "reasons",
    "risk",
    "band",
    "approval",
)
_MOST_NAME = 120


@dataclass(frozen=True, slots=True)
class Message:
    """One notification."""

    id: str
    """The same at every try."""
    type: str
    """`approval.pending` or `call.denied`."""
    at: datetime
    data: Mapping[str, Json]
    """Never arguments: they stay where the link leads."""
    text: str
    """For people, in Slack's mrkdwn."""


def occasion(record: Mapping[str, Any]) -> Occasion | None:
    """What a record is a reason to tell of, if anything."""
    if record["kind"] != "call":
        return None
    if record["decision"] == "DENY":
        return "denials"
    is_waiting = record["decision"] == "REQUIRE_APPROVAL" and record.get("state") == "pending"
    return "approvals" if is_waiting else None


def message(record: Mapping[str, Any], console: str, at: datetime) -> Message:
    """Tell of a record; `console` is the address that links begin with, empty for none."""
    id = record.get("approval")
    is_asking = record["decision"] == "REQUIRE_APPROVAL"
    path = f"/approvals/{id}" if is_asking else f"/calls/{record['trace']}"
    url = console and console + path
    data = {name: record[name] for name in _FIELDS if name in record}
    return Message(
        id=f"msg_{id if is_asking else record['trace']}",
        type="approval.pending" if is_asking else "call.denied",
        at=at,
        data={**data, "url": url} if url else data,
        text=_told(record, url, is_asking=is_asking),
    )


def webhook(message: Message, key: bytes, at: datetime) -> tuple[dict[str, str], bytes]:
    """Headers and body as the Standard Webhooks specification has them.

    `webhook-signature` is `v1,` and base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`.
    """
    body = json.dumps(
        {"type": message.type, "timestamp": timestamp(message.at), "data": message.data}
    ).encode()
    seconds = str(int(at.timestamp()))
    signed = b".".join((message.id.encode(), seconds.encode(), body))
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {
        "content-type": "application/json",
        "webhook-id": message.id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{signature}",
    }, body


def slack(message: Message) -> tuple[dict[str, str], bytes]:
    """Headers and body for an incoming webhook."""
    body = {"text": message.text, "unfurl_links": False}
    return {"content-type": "application/json"}, json.dumps(body).encode()


def key_of(secret: str) -> bytes:
    """The key in `whsec_` and base64; raises ValueError."""
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def _told(record: Mapping[str, Any], url: str, *, is_asking: bool) -> str:
    tool = f"`{_plain(record.get('tool') or '(no name)').replace('`', "'")}`"
    who = _plain(record.get("agent") or record["surface"])
    why = ", ".join(map(_plain, record.get("reasons", ())))
    said = f"*{who}* asks to run {tool}" if is_asking else f"Denied {tool} of *{who}*"
    link = "Decide" if is_asking else "Look at the call"
    return f"{said}{why and ': ' + why}{url and f'\n<{url}|{link}>'}"


def _plain(text: str) -> str:
    """A model's text that is no markup: no link, no mention, nothing bold."""
    cut = visible(text)[:_MOST_NAME].replace("*", "∗")
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
