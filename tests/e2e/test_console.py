"""The console in a real Chromium, before a real gate that a real SDK app goes through."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.chromium import chromium
from tests.e2e.clients import App, Client
from tests.e2e.gate import Gate, StartGate
from tests.e2e.origin import Origin, Reply
from tests.e2e.servers import Server, wish

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
      - {tool: refund_order, effect: require_approval}
"""
TOKEN = "token-of-maria-" + "0123456789"
PAGES = ("/", "/approvals", "/policy", "/coverage", "/agents")
ATTACK = '<img src=x onerror="window.attacked=1"><script>window.attacked=1</script>\'"`${7*7}'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def gate(start_shared_gate: StartGate, demo_server: Server) -> Gate:
    return start_shared_gate(
        demo_server.host,
        mode="withhold",
        policy=POLICY,
        CALLGATE_CONSOLE="127.0.0.1:0",
        CALLGATE_CONSOLE_TOKEN=f"maria:{TOKEN}",
    )


@contextmanager
def opened(browser: Browser, gate: Gate, **options: Any) -> Iterator[BrowserContext]:
    """A browser of maria's; at the end nothing must have gone wrong in its pages."""
    context = browser.new_context(base_url=gate.console, **options)
    context.set_default_timeout(60_000)
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    try:
        yield context
    finally:
        context.close()
    assert faults == []


def sign_in(page: Page, path: str = "/") -> None:
    page.goto(path)
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation")).to_be_visible()


@pytest.fixture
def page(browser: Browser, gate: Gate) -> Iterator[Page]:
    with opened(browser, gate) as context:
        page = context.new_page()
        sign_in(page)
        yield page


def card(page: Page, order: str) -> Any:
    """The question about the refund of an order."""
    return page.locator("article.ask").filter(has_text=order)


def api(gate: Gate, path: str) -> Any:
    with httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.get(gate.console + path, headers={"Authorization": f"Bearer {TOKEN}"})
    return answer.raise_for_status().json()


def waiting(gate: Gate, order: str) -> str:
    """Wait until the refund of an order needs a person, and return the approval's id."""
    for _ in range(1200):
        for item in api(gate, "/api/approvals")["approvals"]:
            if order in item["arguments"]:
                return str(item["id"])
        time.sleep(0.05)
    raise AssertionError(f"nobody asks for the refund of {order}; log:\n{gate.log}")


type Start = Callable[..., App]


@pytest.fixture
def start(gate: Gate, demo_server: Server, client_for: Callable[[str], Client]) -> Iterator[Start]:
    """Start apps that know nothing of the gate, and whose model asks for these calls."""
    with contextlib.ExitStack() as apps:

        def start_app(*calls: tuple[str, dict[str, object]]) -> App:
            environment = gate.client_environment(demo_server.base_url)
            app = client_for("3").start(environment, demo_server.assistant, wish(*calls))
            apps.callback(app.end)
            return app

        yield start_app


def test_call_arrives_live_and_leads_to_everything_about_it(page: Page, start: Start) -> None:
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.evaluate("window.unchanged = true")

    start(("get_weather", {"city": "Tromsø"})).finish()

    row = page.locator("#calls li").filter(has_text="Tromsø")
    expect(row).to_be_visible()
    expect(row).to_contain_text("allowed")
    assert page.evaluate("window.unchanged")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="get_weather")).to_be_visible()
    expect(page.locator(".history")).to_contain_text("its result passed to the API")


def test_approved_call_lets_the_held_app_go_on(page: Page, gate: Gate, start: Start) -> None:
    page.goto("/approvals")
    app = start(("refund_order", {"order_id": "ORDER-101", "amount": 5000}))
    asked = card(page, "ORDER-101")
    expect(asked).to_be_visible()
    expect(page.locator("nav .count")).to_contain_text("1")
    assert app.is_running

    asked.get_by_label("Reason").fill("as agreed <on the phone>")
    asked.get_by_role("button", name="Approve").click()

    told = app.finish()
    assert told.call_names == ["refund_order"]
    assert "ran refund_order" in told.text
    expect(page.get_by_role("status")).to_contain_text("refund_order approved")
    [call] = api(gate, "/api/calls?q=ORDER-101")["calls"]
    history = api(gate, f"/api/calls/{call['trace']}")["history"]
    [recorded] = [record for record in history if record["kind"] == "approval"]
    assert (recorded["by"], recorded["note"]) == ("maria", "as agreed <on the phone>")


def test_same_call_needs_no_second_answer_for_some_minutes(page: Page, start: Start) -> None:
    call = ("refund_order", {"order_id": "ORDER-103", "amount": 5000})
    first = start(call)
    page.goto("/approvals")
    card(page, "ORDER-103").get_by_label("Approve").select_option("15")
    card(page, "ORDER-103").get_by_role("button", name="Approve").click()
    assert first.finish().call_names == ["refund_order"]

    again = start(call).finish()

    assert again.call_names == ["refund_order"]
    page.goto("/?q=ORDER-103")
    expect(page.locator("#calls li")).to_have_count(2)
    expect(page.locator("#calls li").first).to_contain_text("approved")


def test_denied_calls_never_reach_the_app_and_what_arrives_disturbs_no_writing(
    page: Page, start: Start
) -> None:
    first = start(("refund_order", {"order_id": "ORDER-104", "amount": 1}))
    page.goto("/approvals")
    note = card(page, "ORDER-104").get_by_label("Reason")
    note.fill("half a sen")

    second = start(("refund_order", {"order_id": "ORDER-105", "amount": 1}))
    expect(card(page, "ORDER-105")).to_be_visible()

    expect(note).to_have_value("half a sen")
    expect(note).to_be_focused()
    note.press_sequentially("tence")
    card(page, "ORDER-104").get_by_role("button", name="Deny").click()
    expect(page.locator(".answered")).to_contain_text("half a sentence")
    card(page, "ORDER-105").get_by_role("button", name="Deny").click()
    expect(card(page, "ORDER-105")).to_have_count(0)
    for app in (first, second):
        told = app.finish()
        assert told.call_names == []
        assert "APPROVAL_DENIED" in told.text


def test_everything_can_be_read_and_decided_without_scripts(
    browser: Browser, gate: Gate, start: Start
) -> None:
    app = start(("refund_order", {"order_id": "ORDER-106", "amount": 1}))
    waiting(gate, "ORDER-106")
    with opened(browser, gate, java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, "/approvals")
        card(page, "ORDER-106").get_by_role("button", name="Approve").click()
        assert "ran refund_order" in app.finish().text
        for path in PAGES:
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_keyboard_is_enough(browser: Browser, gate: Gate, start: Start) -> None:
    app = start(("refund_order", {"order_id": "ORDER-107", "amount": 1}))
    id = waiting(gate, "ORDER-107")
    with opened(browser, gate) as context:
        page = context.new_page()
        page.goto(f"/approvals/{id}")
        expect(page.get_by_label("Token")).to_be_focused()
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        note = card(page, "ORDER-107").get_by_label("Reason")
        expect(note).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        note.focus()
        page.keyboard.type("by hand")
        for _ in range(2):
            page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Approve")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("approved")
        page.goto("/")
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
    assert "ran refund_order" in app.finish().text


def test_wrong_token_stays_outside(browser: Browser, gate: Gate) -> None:
    context = browser.new_context(base_url=gate.console)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/agents")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_contain_text("not known")
    page.goto("/agents")
    expect(page.get_by_label("Token")).to_be_visible()
    context.close()


def test_markup_in_names_and_arguments_is_never_run(
    browser: Browser, start_gate: StartGate, origin: Origin
) -> None:
    gate = start_gate(
        origin.host,
        policy="version: 1\ndefault: require_approval\n",
        CALLGATE_CONSOLE="127.0.0.1:0",
        CALLGATE_CONSOLE_TOKEN=f"maria:{TOKEN}",
    )
    call = {
        "id": ATTACK,
        "type": "function",
        "function": {"name": ATTACK, "arguments": json.dumps({ATTACK: [ATTACK]})},
    }
    run = {
        "id": "run_1",
        "object": "thread.run",
        "thread_id": "thread_1",
        "assistant_id": ATTACK,
        "model": ATTACK,
        "status": "requires_action",
        "required_action": {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": [call]},
        },
    }
    origin.answer = lambda _: Reply(json.dumps(run).encode())
    with opened(browser, gate) as context:
        page = context.new_page()
        sign_in(page)
        gate.request(origin.host, "GET", "/v1/threads/thread_1/runs/run_1")
        expect(page.locator("#calls li").first).to_contain_text("onerror")
        paths = [page.locator("#calls a").first.get_attribute("href"), *PAGES]
        for path in filter(None, paths):
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.evaluate("window.attacked") is None, path
            assert page.locator("main img, main script").count() == 0
        page.goto("/policy")
        page.get_by_label("Tool").fill(ATTACK)
        page.get_by_label("Arguments").fill(json.dumps({"x": ATTACK}))
        page.get_by_role("button", name="Try").click()
        expect(page.locator(".tried")).to_contain_text("asked")
        assert page.evaluate("window.attacked") is None


@contextmanager
def another_site(html: str) -> Iterator[str]:
    """A page on another port of this machine: browsers count it as the same site."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_form_of_another_page_decides_nothing(page: Page, gate: Gate, start: Start) -> None:
    app = start(("refund_order", {"order_id": "ORDER-108", "amount": 1}))
    id = waiting(gate, "ORDER-108")
    forged = (
        f'<form method="post" action="{gate.console}/approvals/{id}">'
        '<input name="answer" value="approve"></form><script>document.forms[0].submit()</script>'
    )
    with another_site(forged) as url:
        other = page.context.browser.new_context()  # type: ignore[union-attr]
        other.set_default_timeout(60_000)
        other.add_cookies(page.context.cookies())  # type: ignore[arg-type]  # the same form
        victim = other.new_page()
        victim.goto(url)
        expect(victim.get_by_role("alert")).to_contain_text("another site")
        other.close()

    assert api(gate, f"/api/approvals/{id}")["state"] == "pending"
    page.goto("/approvals")
    card(page, "ORDER-108").get_by_role("button", name="Approve").click()
    assert app.finish().call_names == ["refund_order"]


def test_pages_fit_a_narrow_window_in_both_themes(browser: Browser, gate: Gate) -> None:
    narrow = {"width": 360, "height": 740}
    with opened(browser, gate, viewport=narrow, color_scheme="light") as context:
        page = context.new_page()
        sign_in(page)
        for theme in ("dark", "light"):
            page.get_by_role("button", name=f"{theme.capitalize()} colours").click()
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            for path in PAGES:
                page.goto(path)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= narrow["width"], (path, theme)
            page.goto("/")


def test_app_behind_the_gate_can_not_reach_the_console(gate: Gate) -> None:
    host = gate.console.removeprefix("http://")
    with pytest.raises(OSError, match=r"502|Tunnel"):
        gate.request(host, "GET", "/api/approvals", headers={"Authorization": f"Bearer {TOKEN}"})
