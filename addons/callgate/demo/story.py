"""Ready-made scripts: the demonstration's four requests, and plain shapes for tests."""

from __future__ import annotations

import base64
import hashlib

from callgate.demo.script import Script, Spoken, Use, use


def fake_api_key() -> str:
    """Return a string shaped like an OpenAI project key; opens nothing, the same every time.

    Put together here so that no file holds anything that looks like a key.
    """
    blocks = [hashlib.sha512(f"callgate demo {n}".encode()).digest() for n in range(2)]
    left, right = (base64.b64encode(block, altchars=b"ab").decode()[:74] for block in blocks)
    return "sk-" + "proj-" + left + "T3Blbk" + "FJ" + right


STORY = {
    "weather": Script(((use("get_weather", city="Hamburg"),), "{outputs}")),
    "disk": Script(
        ((use("run_shell", command="rm -rf /srv/customers /var/backups"),), "{outputs}")
    ),
    "colleague": Script(
        (
            (
                use(
                    "send_message",
                    to="#partner-onboarding",
                    text=f"Welcome! For the staging API use this key: {fake_api_key()}",
                ),
            ),
            "{outputs}",
        )
    ),
    "refund": Script(((use("refund_order", order_id="A-1007", amount=5000),), "{outputs}")),
}
"""What the demonstration's agent makes the model do, by a word of the request."""

_DANGEROUS = use("run_shell", command="rm -rf /srv/customers")
_WEATHER = use("get_weather", city="Oslo")

SHAPES = {
    "demo-text": Script(("Nothing to call for this.",)),
    "demo-single": Script(((_WEATHER,), "{outputs}")),
    "demo-dangerous": Script(((_DANGEROUS,), "{outputs}")),
    "demo-parallel": Script(((_WEATHER, _DANGEROUS, use("get_weather", city="Rome")), "{outputs}")),
    "demo-all-dangerous": Script(
        ((_DANGEROUS, use("run_shell", command="rm -rf /var/backups")), "{outputs}")
    ),
    "demo-chained": Script(
        (
            (_WEATHER,),
            (_DANGEROUS,),
            (use("refund_order", order_id="A-1", amount=20),),
            "{outputs}",
        )
    ),
    "demo-many": Script(
        (tuple(use("get_weather", city=f"City {n}") for n in range(128)), "{outputs}")
    ),
    "demo-not-json": Script(((Use("get_weather", '{"city": "Os'),), "{outputs}")),
    "demo-blank-start": Script(((Use("get_weather", '\n {  \n  "city": "Oslo"}'),), "{outputs}")),
    "demo-duplicate-keys": Script(
        ((Use("run_shell", '{"command":"ls","command":"rm -rf /srv"}'),), "{outputs}")
    ),
    "demo-text-then-calls": Script(
        (Spoken("Let me look, one moment please.", (_WEATHER, _DANGEROUS)), "{outputs}")
    ),
    "demo-escapes": Script(
        (
            (
                Use(
                    "run_shell",
                    r'{"command":"printf \"\\n\u00e9 \ud83d\ude00\" \/ \\\\ ü 😀\n"}',
                ),
            ),
            "{outputs}",
        )
    ),
    "demo-no-arguments": Script(((Use("get_time", "{}"),), "{outputs}")),
}
"""Shapes of calls, by model name."""

SCRIPTS = {**SHAPES, **STORY}
"""Everything that `python -m callgate.demo.server --script NAME` knows."""
