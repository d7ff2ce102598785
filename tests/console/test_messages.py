from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from callgate.audit.record import call_record, delivery_record
from callgate.console import messages
from callgate.model import ApprovalState, Effect, Mode
from tests.samples import decided, pending, tool_call

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
CONSOLE = "https://gate.example"
NOW = datetime.now(UTC)


def record(effect: Effect = Effect.DENY, name: str = "pay") -> dict[str, Any]:
    call = tool_call(name=name)
    asks = effect is Effect.REQUIRE_APPROVAL
    return dict(call_record(pending(call) if asks else decided(effect, call), Mode.ENFORCE))


def test_only_denials_and_pending_approvals_are_told() -> None:
    answered = pending()
    assert answered.approval
    settled = replace(answered, approval=replace(answered.approval, state=ApprovalState.APPROVED))

    assert messages.occasion(record()) == "denials"
    assert messages.occasion(record(Effect.REQUIRE_APPROVAL)) == "approvals"
    assert messages.occasion(record(Effect.ALLOW)) is None
    assert messages.occasion(record(Effect.SANITIZE)) is None
    assert messages.occasion(call_record(settled, Mode.ENFORCE)) is None
    assert messages.occasion(delivery_record(decided(), "withheld", Mode.ENFORCE)) is None


def test_message_leads_to_where_a_person_decides() -> None:
    asked = record(Effect.REQUIRE_APPROVAL)
    told = messages.message(asked, CONSOLE, NOW)

    assert told.type == "approval.pending"
    assert told.data["url"] == f"{CONSOLE}/approvals/{asked['approval']}"
    assert f"<{CONSOLE}/approvals/{asked['approval']}|Decide>" in told.text
    denied = record()
    assert (
        messages.message(denied, CONSOLE, NOW).data["url"] == f"{CONSOLE}/calls/{denied['trace']}"
    )


def test_without_a_console_there_is_no_link() -> None:
    told = messages.message(record(), "", NOW)

    assert "url" not in told.data
    assert "http" not in told.text


def test_arguments_do_not_leave_the_house() -> None:
    told = messages.message(record(), CONSOLE, NOW)

    assert "hello" not in json.dumps(dict(told.data)) + told.text


def test_signature_is_what_receivers_of_standard_webhooks_check() -> None:
    now = datetime.now(UTC)  # receivers refuse what was signed minutes ago
    told = messages.message(record(), CONSOLE, now)
    headers, body = messages.webhook(told, messages.key_of(SECRET), now)

    payload = Webhook(SECRET).verify(body, headers)

    assert payload["type"] == "call.denied"
    assert payload["data"]["tool"] == "pay"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"pay", b"pal"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**headers, "webhook-id": "msg_other"})


def test_every_try_has_the_same_id() -> None:
    denied = record()

    assert messages.message(denied, "", NOW).id == messages.message(denied, CONSOLE, NOW).id


@pytest.mark.parametrize(
    "name", ["<!channel>", "<https://evil.example|click>", "a`*b*`", "\u202epay", "x" * 500]
)
def test_names_of_a_model_are_no_markup(name: str) -> None:
    headers, body = messages.slack(messages.message(record(name=name), CONSOLE, NOW))

    text = json.loads(body)["text"]
    assert headers["content-type"] == "application/json"
    first = text.split("\n")[0]
    assert "<" not in first
    assert first.count("`") == 2
    assert "\u202e" not in first
    assert len(first) < 300
