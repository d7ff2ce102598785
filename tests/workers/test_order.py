"""What a worker is told."""

from __future__ import annotations

import json
from pathlib import Path

from callgate.settings import Settings
from callgate.workers.order import Order

SECRETS = {
    "console_token": ("kim:" + "t" * 20,),
    "webhook_url": "https://hooks.example/" + "h" * 20,
    "webhook_secret": "whsec_" + "c2Vj" * 8,
    "slack_url": "https://slack.example/" + "s" * 20,
}


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

    arrived = Order.model_validate(json.loads(json.dumps(order.model_dump(mode="json"))))

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
