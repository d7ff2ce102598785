from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from callgate.audit.record import call_record
from callgate.console import messages, notifications
from callgate.console.notifications import Notifications, Receiver
from callgate.model import Effect, Mode
from tests.console.seat import until
from tests.fakes import FakeClock
from tests.samples import decided, pending

PATH = "/services/" + "secret-in-the-path"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be sent at the end is, however slow the machine."""
    monkeypatch.setattr(notifications, "_FAREWELL_SECONDS", 60)
    monkeypatch.setattr(notifications, "_TIMEOUT_SECONDS", 60)


class Hook:
    """A receiver on a real port: answers with the statuses it is given, then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{PATH}"

    async def received(self, number: int) -> None:
        await until(lambda: len(self.bodies) >= number)


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def telling(
    url: str, occasions: tuple[messages.Occasion, ...] = ("approvals", "denials")
) -> Notifications:
    receiver = Receiver("slack", url, lambda told, _: messages.slack(told))
    return Notifications([receiver], occasions, "http://gate", FakeClock(), [0.01] * 3)


DENIED = call_record(decided(Effect.DENY), Mode.ENFORCE)


async def test_denials_and_approvals_are_sent(hook: Hook) -> None:
    told = telling(hook.url)
    told.start()
    told.tell(DENIED)
    told.tell(call_record(pending(), Mode.ENFORCE))
    told.tell(call_record(decided(Effect.ALLOW), Mode.ENFORCE))

    await told.close()

    assert len(hook.bodies) == 2
    assert b"Denied" in hook.bodies[0]
    assert b"asks to run" in hook.bodies[1]


async def test_call_that_is_judged_at_every_look_is_told_once(hook: Hook) -> None:
    told = telling(hook.url)
    told.start()
    for _ in range(3):
        told.tell(DENIED)

    await told.close()

    assert len(hook.bodies) == 1
    for _ in range(1100):
        told.tell(call_record(decided(Effect.DENY), Mode.ENFORCE))
    assert len(told._told) == 1000


async def test_only_chosen_occasions_are_sent(hook: Hook) -> None:
    told = telling(hook.url, ("approvals",))
    told.start()
    told.tell(DENIED)
    told.tell(call_record(pending(), Mode.ENFORCE))

    await told.close()

    assert len(hook.bodies) == 1


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_passing_failure_is_tried_again(hook: Hook, status: int) -> None:
    hook.statuses = [status, status]
    told = telling(hook.url)
    told.start()
    told.tell(DENIED)

    await hook.received(3)
    await told.close()

    assert len(set(hook.bodies)) == 1


@pytest.mark.parametrize(("statuses", "tries"), [([404], 1), ([302], 1), ([500] * 4, 4)])
async def test_message_that_is_turned_down_is_said_without_its_address(
    hook: Hook, caplog: pytest.LogCaptureFixture, statuses: list[int], tries: int
) -> None:
    caplog.set_level(logging.DEBUG, "callgate")
    hook.statuses = list(statuses)
    told = telling(hook.url)
    told.start()
    told.tell(DENIED)
    await hook.received(tries)
    await told.close()

    assert len(hook.bodies) == tries
    [line] = [r.getMessage() for r in caplog.records if r.name.startswith("callgate")]
    assert line.endswith(f"was not accepted: status {statuses[0]}")
    assert "secret" not in line


async def test_unreachable_receiver_is_given_up_without_its_address(
    hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    told = telling("http://127.0.0.1:1" + PATH)
    told.start()
    told.tell(DENIED)
    await told.close()

    [line] = [r.getMessage() for r in caplog.records if r.name.startswith("callgate")]
    assert "ConnectError" in line
    assert "secret" not in line


async def test_telling_never_waits_and_never_fills_memory(
    hook: Hook, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_MOST_WAITING", 2)
    told = telling(hook.url)
    for _ in range(5):  # nobody has started to send
        told.tell(call_record(decided(Effect.DENY), Mode.ENFORCE))

    assert caplog.text.count("too many messages wait") == 3
    told.start()
    await told.close()
    assert len(hook.bodies) == 2


async def test_close_does_not_wait_for_a_dead_receiver(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_FAREWELL_SECONDS", 0.05)
    hook.statuses = [500] * 50
    receiver = Receiver("slack", hook.url, lambda told, _: messages.slack(told))
    told = Notifications([receiver], ["denials"], "", FakeClock(), [60.0])
    told.start()
    told.tell(DENIED)

    async with asyncio.timeout(30):
        await told.close()


async def test_without_receivers_nothing_is_made() -> None:
    told = Notifications([], ["denials"], "", FakeClock())
    told.start()
    told.tell(DENIED)
    await told.close()
