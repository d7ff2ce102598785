"""What a worker is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import SettingsError
from callgate.settings import Settings
from callgate.workers.order import Order

SECRETS = {
    "console_token": ("kim:" + "t" * 20,),
    "webhook_url": "https://hooks.example/" + "h" * 20,
    "webhook_secret": "whsec_" + "c2Vj" * 8,
    "slack_url": "https://slack.example/" + "s" * 20,
}


def sent(order: Order) -> dict[str, Any]:
    """As it comes out of a channel."""
    arrived: dict[str, Any] = json.loads(json.dumps(order.model_dump(mode="json")))
    return arrived


def test_order_arrives_as_it_was_given(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        listen="127.0.0.1:8080",
        workers=3,
        gate_host=("a.example",),
        reverse=("127.0.0.1:9000=https://a.example",),
        policy=tmp_path / "p.yaml",
    )
    order = Order.to(2, settings, tmp_path / "p.yaml", 8081, "http://127.0.0.1:8081")

    arrived = Order.read(sent(order))

    assert arrived == order
    assert arrived.settings == settings.model_copy(update={"console": "off"})


def test_worker_does_not_do_what_the_parent_does() -> None:
    settings = Settings(
        **SECRETS,  # type: ignore[arg-type]  # one type for each
        audit_file=Path("audit.jsonl"),
        audit_syslog="/dev/log",
    )

    told = Order.to(1, settings, None, None, "").settings

    assert (told.console, told.audit_file, told.audit_syslog) == ("off", None, "")
    assert {name: getattr(told, name) for name in SECRETS} == {
        name: () if isinstance(value, tuple) else "" for name, value in SECRETS.items()
    }


def test_order_of_another_release_is_refused() -> None:
    order = Order.to(1, Settings(), None, None, "")

    with pytest.raises(SettingsError, match=r"and 0\.0\.1 runs: restart the gate"):
        Order.read({**sent(order), "version": "0.0.1"})


def test_file_that_is_gone_when_a_worker_begins_again_is_said(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.touch()
    message = sent(Order.to(1, Settings(proxy_auth=users), None, None, ""))
    users.unlink()

    with pytest.raises(SettingsError, match=r"^proxy_auth: .*no such file"):
        Order.read(message)
