"""Shared work: once a key at a time, never stale, never lost."""

from __future__ import annotations

import asyncio

import pytest

from callgate.once import Once, Tell


class Counted:
    """Answers `KEY` with `KEY!N`, N counting how often it was worked on.

    What begins with `fast` is answered at once, what begins with `first` the first time.
    """

    def __init__(self) -> None:
        self.worked: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.failure: Exception | None = None

    async def __call__(self, wanted: dict[str, int], tell: Tell[str, str]) -> None:
        self.worked += wanted
        answers = {key: f"{key}!{self.worked.count(key)}" for key in wanted if key != "never"}
        now = {k for k, v in answers.items() if k.startswith("fast") or v == "first!1"}
        tell({key: answers[key] for key in now})
        await self.may_end.wait()
        if self.failure:
            raise self.failure
        tell({key: answers[key] for key in answers.keys() - now})


@pytest.fixture
def work() -> Counted:
    return Counted()


async def started(once: Once[str, int, str], *keys: str) -> asyncio.Task[dict[str, str]]:
    task = asyncio.ensure_future(once.run(dict.fromkeys(keys, 0)))
    await asyncio.sleep(0)
    return task


async def test_nothing_wanted_is_nothing_done(work: Counted) -> None:
    assert await Once(work).run({}) == {}
    assert work.worked == []


async def test_those_who_ask_meanwhile_share_the_answer(work: Counted) -> None:
    once = Once(work)
    work.may_end.clear()
    tasks = [await started(once, "slow"), await started(once, "slow"), await started(once, "slow")]
    work.may_end.set()

    assert await asyncio.gather(*tasks) == [{"slow": "slow!1"}] * 3


async def test_who_asks_afterwards_is_answered_anew(work: Counted) -> None:
    once = Once(work)
    await once.run({"slow": 0})

    assert await once.run({"slow": 0}) == {"slow": "slow!2"}


async def test_early_answer_is_given_early_and_is_not_kept(work: Counted) -> None:
    once = Once(work)
    work.may_end.clear()
    first = await started(once, "fast", "slow")
    second = await started(once, "fast")
    work.may_end.set()

    assert await second == {"fast": "fast!2"}
    assert await first == {"fast": "fast!1", "slow": "slow!1"}


async def test_work_begun_anew_is_not_forgotten_by_the_end_of_the_old(work: Counted) -> None:
    once = Once(work)
    work.may_end.clear()
    old = await started(once, "first", "slow")
    new = await started(once, "first")
    old.cancel()
    await asyncio.sleep(0)
    shared = await started(once, "first")
    work.may_end.set()

    assert await new == await shared == {"first": "first!2"}
    assert old.cancelled()


async def test_failure_is_raised_where_it_happened_and_tried_again_by_a_waiter(
    work: Counted,
) -> None:
    once = Once(work)
    work.may_end.clear()
    work.failure = LookupError("no")
    first = await started(once, "slow")
    second = await started(once, "slow")
    work.may_end.set()
    with pytest.raises(LookupError):
        await first
    work.failure = None

    assert await second == {"slow": "slow!2"}


async def test_cancelled_worker_hands_over_to_one_waiter(work: Counted) -> None:
    once = Once(work)
    work.may_end.clear()
    tasks = [await started(once, "slow") for _ in range(4)]
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    work.may_end.set()

    assert await asyncio.gather(*tasks[1:]) == [{"slow": "slow!2"}] * 3


async def test_work_that_answers_nothing_is_an_error_not_a_hang(work: Counted) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.InvalidStateError):
            await Once(work).run({"never": 0})


async def test_key_is_known_while_its_work_is_under_way(work: Counted) -> None:
    once = Once(work)
    work.may_end.clear()

    task = await started(once, "a")
    while_working = "a" in once, "b" in once
    work.may_end.set()
    await task

    assert while_working == (True, False)
    assert "a" not in once
