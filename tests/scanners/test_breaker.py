"""When a gateway is asked, and how it is said to do."""

from __future__ import annotations

import asyncio
import logging

import pytest

from callgate.errors import ScannerError
from callgate.model import Reason
from callgate.scanners import breaker
from callgate.scanners.breaker import Breaker
from callgate.scanners.reading import TooLargeError


class Gateway:
    """Answers or fails as it is told, and counts."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.fails: ScannerError | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.breaker = Breaker("interven", lambda: self.now)

    async def _ask(self) -> str:
        self.asked += 1
        fails, may_answer = self.fails, self.may_answer
        await may_answer.wait()
        if fails:
            raise fails
        return "yes"

    async def ask(self) -> str:
        return await self.breaker.run(self._ask)

    async def kind(self) -> str:
        """How asking fails; empty where it does not."""
        try:
            await self.ask()
        except ScannerError as error:
            return error.kind
        return ""


def down(kind: Reason = Reason.SCANNER_TIMEOUT, retry_after: float | None = None) -> ScannerError:
    return ScannerError(kind, "did not answer in time", retry_after)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


async def test_answer_is_given_back_and_the_state_is_told(gateway: Gateway) -> None:
    assert gateway.breaker.state == "untried"
    assert await gateway.ask() == "yes"
    assert gateway.breaker.state == "ok"


@pytest.mark.parametrize(
    "kind", [Reason.SCANNER_TIMEOUT, Reason.SCANNER_UNREACHABLE, Reason.SCANNER_FAILED]
)
async def test_dead_gateway_is_not_asked_with_every_call(gateway: Gateway, kind: Reason) -> None:
    gateway.fails = down(kind)
    kinds = {await gateway.kind() for _ in range(10)}

    assert kinds == {kind}
    assert gateway.asked == 3


async def test_one_question_finds_out_whether_it_is_back(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "_MOMENT_SECONDS", 0.01)
    gateway.fails = down()
    for _ in range(3):
        await gateway.kind()
    gateway.fails, gateway.now = None, 1.0
    gateway.may_answer.clear()
    probe = asyncio.ensure_future(gateway.ask())
    await asyncio.sleep(0)

    with pytest.raises(ScannerError, match="being asked again now"):
        await gateway.ask()
    gateway.may_answer.set()
    assert await probe == "yes"
    assert await gateway.ask() == "yes"
    assert (gateway.asked, gateway.breaker.state) == (5, "ok")


@pytest.mark.parametrize("is_back", [True, False])
async def test_calls_that_come_together_wait_a_moment_for_the_first(
    gateway: Gateway, is_back: bool
) -> None:
    gateway.fails = down()
    for _ in range(3):
        await gateway.kind()
    gateway.fails, gateway.now = None if is_back else down(), 1.0
    gateway.may_answer.clear()
    asking = [asyncio.ensure_future(gateway.kind()) for _ in range(16)]
    await asyncio.sleep(0)
    assert gateway.asked == 4
    gateway.may_answer.set()

    assert set(await asyncio.gather(*asking)) == {"" if is_back else "SCANNER_TIMEOUT"}
    assert gateway.asked == 3 + (16 if is_back else 1)


async def test_pauses_grow_to_half_a_minute_while_it_stays_dead(gateway: Gateway) -> None:
    gateway.fails = down()
    pauses: list[float] = []
    for _ in range(2):
        await gateway.kind()
    for _ in range(8):
        await gateway.kind()
        with pytest.raises(ScannerError) as refused:
            await gateway.ask()
        pauses.append(refused.value.retry_after_seconds or 0)
        gateway.now += pauses[-1]

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert gateway.asked == 10


async def test_rate_limit_is_kept_for_as_long_as_the_gateway_says(gateway: Gateway) -> None:
    gateway.fails = down(Reason.SCANNER_RATE_LIMITED, 7)
    await gateway.kind()
    gateway.fails = None

    gateway.now = 6.9
    assert await gateway.kind() == "SCANNER_RATE_LIMITED"
    gateway.now = 7.0
    assert await gateway.ask() == "yes"


@pytest.mark.parametrize(("said", "kept"), [(None, 1), (0, 0), (86_400, 300)])
async def test_rate_limit_is_bounded(gateway: Gateway, said: float | None, kept: float) -> None:
    gateway.fails = down(Reason.SCANNER_RATE_LIMITED, said)
    await gateway.kind()
    gateway.fails, gateway.now = None, float(kept)

    assert await gateway.ask() == "yes"


@pytest.mark.parametrize("kind", [Reason.SCANNER_KEY_REFUSED, Reason.SCANNER_ANSWER_UNREADABLE])
async def test_quick_failures_are_asked_about_each_time(gateway: Gateway, kind: Reason) -> None:
    gateway.fails = down(kind)
    for _ in range(5):
        await gateway.kind()

    assert gateway.asked == 5
    assert gateway.breaker.state == kind


async def test_answers_in_between_keep_it_closed(gateway: Gateway) -> None:
    for _ in range(5):
        gateway.fails = down()
        await gateway.kind()
        await gateway.kind()
        gateway.fails = None
        await gateway.ask()

    assert gateway.asked == 15


async def test_calls_that_fail_side_by_side_open_it_once(gateway: Gateway) -> None:
    gateway.fails = down()
    gateway.may_answer.clear()
    asking = [asyncio.ensure_future(gateway.kind()) for _ in range(16)]
    await asyncio.sleep(0)
    gateway.may_answer.set()
    assert set(await asyncio.gather(*asking)) == {"SCANNER_TIMEOUT"}
    assert gateway.asked == 16
    gateway.now, gateway.fails = 1.0, None

    assert await gateway.ask() == "yes"


async def test_late_answer_does_not_end_a_pause(gateway: Gateway) -> None:
    at_once, late_one = gateway.may_answer, asyncio.Event()
    gateway.may_answer = late_one
    late = asyncio.ensure_future(gateway.ask())
    await asyncio.sleep(0)
    gateway.may_answer = at_once
    gateway.fails = down(Reason.SCANNER_RATE_LIMITED, 5)
    assert await gateway.kind() == "SCANNER_RATE_LIMITED"
    gateway.fails = None
    late_one.set()

    assert await late == "yes"
    assert await gateway.kind() == "SCANNER_RATE_LIMITED"


async def test_question_that_is_given_up_lets_the_next_one_ask(gateway: Gateway) -> None:
    gateway.fails = down()
    for _ in range(3):
        await gateway.kind()
    gateway.fails, gateway.now = None, 1.0
    gateway.may_answer.clear()
    probe = asyncio.ensure_future(gateway.ask())
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    gateway.may_answer.set()

    assert await gateway.ask() == "yes"


async def test_call_that_is_too_large_says_nothing_about_the_gateway(gateway: Gateway) -> None:
    gateway.fails = down()
    for _ in range(3):
        await gateway.kind()
    gateway.now, gateway.fails = 1.0, TooLargeError()
    with pytest.raises(TooLargeError):
        await gateway.ask()

    assert gateway.breaker.state == "SCANNER_TIMEOUT"
    gateway.fails = down()
    await gateway.kind()
    assert await gateway.kind() == "SCANNER_TIMEOUT"
    assert gateway.asked == 5


async def test_changes_are_logged_once_each(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await gateway.ask()
    gateway.fails = down(Reason.SCANNER_KEY_REFUSED)
    await gateway.kind()
    await gateway.kind()
    gateway.fails = down(Reason.SCANNER_ANSWER_UNREADABLE)
    await gateway.kind()
    gateway.fails = None
    await gateway.ask()

    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("ERROR", "scanner interven: SCANNER_KEY_REFUSED: did not answer in time"),
        ("ERROR", "scanner interven: SCANNER_ANSWER_UNREADABLE: did not answer in time"),
        ("WARNING", "scanner interven: ok: answers again"),
    ]
