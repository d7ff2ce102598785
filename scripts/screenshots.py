"""Draws docs/images/*.png: the console after some hours of a made-up support desk."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, async_playwright

from callgate import proxy
from callgate.annotation import notice
from callgate.approvals import Approvals
from callgate.assembly import redactor
from callgate.audit import record
from callgate.canonical import call_digest
from callgate.demo.story import fake_api_key
from callgate.detectors import DETECTORS, Inspector
from callgate.gate import Gate, Rules
from callgate.model import Mode, SurfaceName, ToolCall, ToolResult
from callgate.policy import PolicyFile
from callgate.scanners.local import Local
from callgate.settings import Settings
from callgate.store import open_store

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images"
HOURS = 23
CHROMIUM = "/usr/bin/chromium"

POLICY = """\
version: 1
default: deny
policies:
  - name: support
    actions:
      - {tool: get_*, effect: allow}
      - {tool: search_*, effect: allow}
      - {tool: send_message, effect: allow}
      - {tool: run_shell, effect: allow}
      - tool: refund_order
        effect: require_approval
        when: 'args.amount > 100.0'
      - {tool: refund_order, effect: allow}
      - {tool: delete_*, effect: deny}
"""

USUAL: Sequence[tuple[str, str, dict[str, object]]] = (
    ("support-desk", "get_order", {"order_id": "A-1007"}),
    ("support-desk", "get_customer", {"customer": "C-2291", "fields": ["name", "plan"]}),
    ("support-desk", "search_articles", {"query": "reset a router", "limit": 5}),
    ("night-batch", "get_weather", {"city": "Hamburg"}),
    ("support-desk", "refund_order", {"order_id": "A-0994", "amount": 19.9}),
    ("night-batch", "search_tickets", {"status": "open", "older_than_days": 14}),
)
SEND = {"to": "#partners", "text": f"Welcome! For the staging API use this key: {fake_api_key()}"}
ODD: Sequence[tuple[str, str, dict[str, object]]] = (
    ("support-desk", "send_message", dict(SEND)),
    ("ops-agent", "run_shell", {"command": "rm -rf /srv/customers /var/backups"}),
    ("ops-agent", "delete_user", {"id": "C-2291"}),
    ("support-desk", "send_message", dict(SEND)),
)
LAST: Sequence[tuple[str, str, dict[str, object]]] = (
    ("support-desk", "get_order", {"order_id": "A-1007"}),
    ("support-desk", "send_message", dict(SEND)),
    (
        "support-desk",
        "refund_order",
        {"order_id": "A-1007", "amount": 5000, "reason": "The customer is angry"},
    ),
    ("support-desk", "search_articles", {"query": "refund policy", "limit": 3}),
    ("ops-agent", "run_shell", {"command": "rm -rf /srv/customers /var/backups"}),
)


VIEWS: Sequence[tuple[str, Literal["light", "dark"], int, int, str]] = (
    ("activity-light", "light", 1280, 860, "/?span=day"),
    ("activity-dark", "dark", 1280, 860, "/?span=day"),
    ("activity-narrow", "light", 360, 780, "/?span=day"),
    ("call-dark", "dark", 1280, 900, "/calls/DENIED"),
    ("call-light", "light", 1280, 900, "/calls/REDACTED"),
    ("call-narrow", "light", 360, 1200, "/calls/DENIED"),
    ("approvals-light", "light", 1280, 640, "/approvals"),
    ("approvals-narrow", "dark", 360, 780, "/approvals"),
    ("policy-light", "light", 1280, 900, "/policy"),
    ("policy-narrow", "light", 360, 780, "/policy"),
    ("coverage-dark", "dark", 1280, 900, "/coverage"),
    ("coverage-narrow", "dark", 360, 780, "/coverage"),
    ("agents-light", "light", 1280, 500, "/agents"),
    ("sign-in", "dark", 800, 560, "/sign-in"),
)
KEPT = ("activity-light", "activity-narrow", "call-dark", "approvals-light", "coverage-dark")
"""Drawn where no name is given; the others are to be looked at."""


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC) - timedelta(hours=HOURS)

    def __call__(self) -> datetime:
        return self.now


class Paced(Local):
    """Takes a little longer now and then, so that the chart has something to show."""

    async def scan(self, call: ToolCall):  # type: ignore[no-untyped-def]
        await asyncio.sleep(random.expovariate(1 / 0.0015))
        return await super().scan(call)


def called(number: int, agent: str, tool: str, arguments: dict[str, object]) -> ToolCall:
    text = json.dumps(arguments)
    return ToolCall(
        surface=SurfaceName.RESPONSES if agent == "night-batch" else SurfaceName.ASSISTANTS,
        origin="api.openai.com:443",
        scope=f"thread_{number // 4:04}/run_{number:04}",
        id=f"call_{number:05}",
        name=tool,
        arguments=text,
        digest=call_digest("function", tool, text),
        agent=agent,
        assistant="asst_support" if agent == "support-desk" else "",
        model="gpt-4o",
    )


async def play(url: str, policy: PolicyFile) -> None:
    """Fill a store with the calls of a day."""
    random.seed(7)
    clock = Clock()
    store = await open_store(url, clock=clock, instance="proxy-1")
    inspector = Inspector([make() for make in DETECTORS.values()])
    approvals = Approvals(
        store, clock, 3600, url=lambda id: f"http://127.0.0.1:8081/approvals/{id}"
    )
    local = Paced(lambda: policy.current, inspector)
    gate = Gate(
        Rules(Mode.WITHHOLD),
        store,
        [local],
        approvals,
        redactor(inspector),
        lambda: policy.current.digest,
    )

    async def judge(number: int, call: tuple[str, str, dict[str, object]]) -> None:
        [decision] = await gate.decide([called(number, *call)])
        effect = decision.effect.value
        word = {"DENY": "withheld", "REQUIRE_APPROVAL": "held", "SANITIZE": "sanitized"}
        await gate.delivered([decision], word.get(effect, "delivered"))
        if effect in ("ALLOW", "SANITIZE"):
            result = ToolResult(decision.call.id, "done", "tool_outputs[0].output")
            await gate.append([record.result_record(decision, result, "passed", Mode.WITHHOLD)])
        if effect == "DENY":
            assert notice(decision)
            await gate.append([record.notice_record(decision, Mode.WITHHOLD)])
        if effect == "REQUIRE_APPROVAL" and number < 100_000:
            asked = decision.approval
            assert asked
            answer = approvals.deny if number % 3 else approvals.approve
            await answer(asked.id, "maria", "as agreed on the phone" if number % 3 == 0 else "")

    number = 0
    end = datetime.now(UTC) - timedelta(minutes=4)
    while True:
        busy = 0.25 + 0.75 * abs(((clock.now.hour + 5) % 24) - 12) / 12
        clock.now += timedelta(seconds=random.expovariate(busy / 160))
        if clock.now >= end:
            break
        number += 1
        pool = ODD if random.random() < 0.12 else USUAL
        await judge(number, random.choice(pool))
    clock.now = end
    refund = ("support-desk", "refund_order", {"order_id": "A-0871", "amount": 450})
    await judge(99_999, refund)
    await gate.append(
        [
            record.coverage_record(
                "endpoint",
                "nobody knows this path",
                "POST",
                "/v1/fine_tuning/jobs",
                agent="night-batch",
            )
        ]
    )
    for call in LAST:
        clock.now += timedelta(seconds=23)
        number += 1
        await judge(100_000 + number, call)
    await store.close()


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[proxy.Ready]:
    file = folder / "callgate.yaml"
    file.write_text(POLICY)
    policy = PolicyFile(file)
    settings = Settings(
        home=folder, listen="127.0.0.1:0", console="127.0.0.1:0", mode=Mode.WITHHOLD
    )
    await play(settings.store_url, policy)
    ready: asyncio.Future[proxy.Ready] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    gate = asyncio.ensure_future(proxy.serve(settings, policy, ready.set_result, stop))
    try:
        yield await ready
    finally:
        stop.set()
        await gate


async def draw(browser: Browser, ready: proxy.Ready, chosen: Sequence[str]) -> None:
    for name, scheme, width, height, path in VIEWS:
        if name not in (chosen or KEPT):
            continue
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
        )
        page = await context.new_page()
        await page.goto(ready.console + "/sign-in")
        if name != "sign-in":
            await page.fill("[name=token]", ready.token)
            await page.click("button")
            if path.startswith("/calls/"):
                effect = "DENY" if path.endswith("DENIED") else "SANITIZE"
                await page.goto(f"{ready.console}/?decision={effect}")
                await page.click(".calls .what a")
            else:
                await page.goto(ready.console + path)
            await page.wait_for_timeout(600)
        overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if overflow > 0:
            print(f"{name}: {overflow} pixels wider than the window", file=sys.stderr)
        await page.screenshot(path=TARGET / f"{name}.png")
        await context.close()


async def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with served(Path(folder)) as ready, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox"]
            )
            await draw(browser, ready, sys.argv[1:])
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
