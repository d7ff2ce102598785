from __future__ import annotations

import asyncio
import random
import secrets
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from callgate.errors import StoreError
from callgate.model import ApprovalState, Effect
from callgate.store import StoreMissingError, open_store
from callgate.store.base import Store
from tests.audit.bundles import FIRST, Made
from tests.fakes import FakeClock
from tests.samples import NOON, decided, pending, tool_call
from tests.store.conftest import Opener
from tests.store.contract import StoreContract, one, record, resolve
from tests.store.direct import contents, execute

ROOT = Path(__file__).parent.parent.parent


class TestSqlStore(StoreContract):
    """The contract, on each kind of store."""


# -- several stores on one database


async def test_stores_on_one_database_agree(store: Store, opened: Opener) -> None:
    stores = [store, await opened(), await opened()]
    attempts = [decided(effect) for effect in (Effect.ALLOW, Effect.DENY, Effect.SANITIZE) * 5]

    answers = await asyncio.gather(
        *(stores[n % 3].put([d], [record(d.trace)]) for n, d in enumerate(attempts))
    )

    assert len({answer[tool_call().key].trace for answer in answers}) == 1
    assert len(await store.records()) == 1


async def test_answer_given_beside_the_proxy_is_seen_at_once(store: Store, opened: Opener) -> None:
    asked = pending()
    await store.put([asked], [])
    assert (await one(store, asked.call.key)).effect is Effect.REQUIRE_APPROVAL

    await resolve(await opened(), asked, ApprovalState.APPROVED)

    assert (await one(store, asked.call.key)).effect is Effect.ALLOW


async def test_one_of_two_stores_resolves(store: Store, opened: Opener) -> None:
    other = await opened()
    for n in range(10):
        asked = pending(tool_call(str(n)))
        await store.put([asked], [])

        states = await asyncio.gather(
            resolve(store, asked, ApprovalState.APPROVED, by="a"),
            resolve(other, asked, ApprovalState.DENIED, by="b"),
        )

        assert states[0] is states[1]
    assert len(await store.records()) == 10


async def test_decision_survives_reopening(opened: Opener) -> None:
    first = await opened()
    asked, denied = pending(tool_call("1")), decided(Effect.DENY, tool_call("2"))
    put = await first.put([asked, denied], [record(denied.trace)])
    await first.close()

    again = await opened()

    assert await again.get(list(put)) == put
    assert [r["trace"] for r in await again.records()] == [denied.trace]


async def test_first_use_by_many_at_once_makes_one_schema(fresh_url: str) -> None:
    program = """
import asyncio, sys
from callgate.store import StoreMissingError, open_store
async def main():
    store = await open_store(sys.argv[1])
    await store.append([{"kind": "start"}])
    await store.close()
asyncio.run(main())
"""
    runs = [_python(program, fresh_url) for _ in range(4)]

    assert [run.wait(120) for run in runs] == [0] * 4
    for run in runs:
        run.communicate()
    store = await open_store(fresh_url)
    assert len(await store.records()) == 4
    await store.close()


# -- nothing acknowledged is lost

_PUT_FOREVER = """
import asyncio, itertools, sys
from dataclasses import replace
from callgate.store import StoreMissingError, open_store
from tests.fakes import FakeClock
from tests.samples import NOON, decided, tool_call

async def main():
    store = await open_store(sys.argv[1])
    async def put(name):
        for n in itertools.count():
            decision = decided(call=tool_call(f"{name}-{n}"))
            await store.put([decision], [{"kind": "call", "call": decision.call.id}])
            print(decision.call.id, flush=True)
    await asyncio.gather(put(sys.argv[2] + "a"), put(sys.argv[2] + "b"))

asyncio.run(main())
"""


async def test_acknowledged_decisions_survive_kill_9(url: str) -> None:
    acknowledged: list[str] = []
    for round in range(5):
        child = _python(_PUT_FOREVER, url, str(round))
        assert child.stdout
        acknowledged.append(child.stdout.readline().strip())
        time.sleep(random.uniform(0.01, 0.15))  # noqa: ASYNC251 - nothing else runs here
        child.send_signal(signal.SIGKILL)
        # the last line may be torn
        acknowledged += child.communicate()[0].split("\n")[:-1]

        store = await open_store(url)
        found = await store.get([tool_call(id).key for id in acknowledged])
        recorded = {r["call"] for r in await store.records()}
        await store.close()

        assert child.returncode == -signal.SIGKILL
        assert len(found) == len(acknowledged) > round
        assert set(acknowledged) <= recorded


def _python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'addons'}:{ROOT}"},
    )


async def test_cancelled_caller_does_not_tear_its_write(store: Store) -> None:
    for n in range(50):
        decision = decided(call=tool_call(str(n)))
        task = asyncio.ensure_future(store.put([decision], [record(decision.trace)]))
        await asyncio.sleep(random.uniform(0, 0.003))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.append([record(kind="stop")])

    records = await store.records()
    remembered = await store.get([tool_call(str(n)).key for n in range(50)])

    assert len(records) - 1 == len(remembered)


async def test_cancelled_reader_does_not_spoil_a_connection(store: Store) -> None:
    await store.put([decided()], [record()])
    for _ in range(50):
        task = asyncio.ensure_future(store.records())
        await asyncio.sleep(random.uniform(0, 0.002))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert len(await store.records()) == 1


async def test_closing_waits_for_writes_under_way(opened: Opener) -> None:
    store = await opened()
    writes = [asyncio.ensure_future(store.append([record(n=n)])) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)

    assert len(await (await opened()).records()) == 20


async def test_closing_waits_for_reads_under_way(store: Store) -> None:
    await store.append([record(n=1)])
    read = asyncio.ensure_future(store.records())
    await asyncio.sleep(0)
    await store.close()

    assert len(await read) == 1


# -- fails with a clear error


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE decisions SET body = 'no json'",
        "UPDATE decisions SET body = '{}'",
        "UPDATE decisions SET body = '7'",
        "UPDATE decisions SET effect = 'PERHAPS'",
        "UPDATE decisions SET scope = 'a\"b'",
    ],
)
async def test_damaged_row_fails(store: Store, url: str, damage: str) -> None:
    await store.put([decided()], [])
    execute(url, damage)

    with pytest.raises(StoreError, match="damaged"):
        await store.get([tool_call().key])


async def test_failing_write_of_one_leaves_the_others(store: Store) -> None:
    asked = pending(tool_call("first"))
    twice = pending(tool_call("second"))
    assert asked.approval
    clash = type(twice)(call=twice.call, effect=twice.effect, approval=asked.approval)

    answers = await asyncio.gather(
        store.put([asked], [record(n=1)]),
        store.put([clash], [record(n=2)]),
        store.append([record(n=3)]),
        return_exceptions=True,
    )

    assert [isinstance(answer, StoreError) for answer in answers] == [False, True, False]
    assert [r["n"] for r in await store.records()] == [1, 3]
    assert await store.get([twice.call.key]) == {}


async def test_follower_misses_no_record_of_several_writers(store: Store, opened: Opener) -> None:
    writers = [store, await opened(), await opened()]
    seen: list[object] = []
    after = 0

    async def write(writer: Store, name: str) -> None:
        for n in range(30):
            await writer.append([record(n=f"{name}{n}")])

    writing = asyncio.gather(*(write(w, str(n)) for n, w in enumerate(writers)))
    while not writing.done() or len(seen) < 90:
        found = await store.records(after=after)
        seen += [r["n"] for r in found]
        after = int(str(found[-1]["seq"])) if found else after
    await writing

    assert len(seen) == len(set(seen)) == 90


async def test_many_records_are_read_page_by_page(store: Store) -> None:
    await store.append([record(n=n, is_odd=bool(n % 2)) for n in range(2500)])

    assert [r["n"] for r in await store.records()] == list(range(2500))
    assert [r["n"] for r in await store.records(last=1500)] == list(range(1000, 2500))
    odd = await store.records(last=1200, filters={"is_odd": "true"})
    assert [r["n"] for r in odd] == list(range(101, 2500, 2))


# -- what is not there is not made unless wanted


async def test_empty_database_is_missing_unless_wanted(fresh_url: str) -> None:
    with pytest.raises(StoreMissingError):
        await open_store(fresh_url, should_create=False)

    await (await open_store(fresh_url)).close()
    await (await open_store(fresh_url, should_create=False)).close()


# -- waiting for a person


async def test_answer_on_one_proxy_wakes_another(store: Store, opened: Opener) -> None:
    other = await opened()
    asked = pending()
    await store.put([asked], [])
    assert asked.approval
    await other.stirred()

    await resolve(store, asked, ApprovalState.APPROVED)
    for _ in range(20):
        await other.stirred()
        if not await other.pending([asked.approval.id]):
            break

    assert await other.pending([asked.approval.id]) == frozenset()


# -- retention


async def test_what_is_old_is_removed(store: Store, clock: FakeClock) -> None:
    old, waiting = (
        decided(call=tool_call("old")),
        pending(tool_call("waiting"), ttl_seconds=1e7),
    )
    answered = pending(tool_call("answered"))
    await store.put([old, waiting, answered], [record(n=1), record(n=2)])
    await resolve(store, answered, ApprovalState.APPROVED)
    clock.advance(86400)
    new = decided(call=tool_call("new"))
    await store.put([new], [record(n=3)])

    assert await store.prune(clock() - timedelta(hours=1))
    assert not await store.prune(clock() - timedelta(hours=1))

    keys = [d.call.key for d in (old, waiting, answered, new)]
    assert set(await store.get(keys)) == {waiting.call.key, new.call.key}
    assert [item.decision.call.id for item in await store.approvals()] == ["waiting"]
    assert [r.get("n", r["kind"]) for r in await store.records()] == [3, "retention"]


async def test_nothing_young_is_removed(store: Store, clock: FakeClock) -> None:
    put = await store.put([decided()], [record(n=1)])

    assert not await store.prune(clock())
    assert await store.get(list(put)) == put
    assert len(await store.records()) == 1


async def test_removal_is_a_record(store: Store, clock: FakeClock) -> None:
    await store.append([record(n=1), record(n=2)])
    clock.advance(86400)
    await store.append([record(n=3)])

    await store.prune(clock())
    kept, cut = await store.records()

    assert kept["seq"] == 3
    assert cut["before"] == "2030-01-02T12:00:00.000000Z"
    assert cut["removed"] == 2


async def test_much_that_is_old_is_removed_in_parts(store: Store, clock: FakeClock) -> None:
    await store.put([decided(call=tool_call(str(n))) for n in range(600)], [])
    await store.append([record(n=n) for n in range(600)])
    clock.advance(86400)

    rounds = 0
    while await store.prune(clock() - timedelta(hours=1)):
        rounds += 1

    assert rounds == 2
    assert {r["kind"] for r in await store.records()} == {"retention"}
    assert await store.find("assistants", "api.openai.com:443", "thread_1/run_1") == []


async def test_clock_that_went_back_leaves_no_hole(store: Store, clock: FakeClock) -> None:
    await store.append([record(n=1)])
    clock.advance(86400)
    await store.append([record(n=2)])
    clock.advance(-86400)
    await store.append([record(n=3)])
    clock.advance(90000)

    await store.prune(NOON + timedelta(hours=1))

    assert [r.get("n") for r in await store.records()][:2] == [2, 3]


# -- secrets


async def test_nothing_raw_is_in_the_tables(store: Store, url: str) -> None:
    secret = "AKIA" + secrets.token_hex(8).upper()
    decisions = [
        decided(effect, tool_call(effect.value), secret=secret)
        for effect in (Effect.ALLOW, Effect.DENY, Effect.SANITIZE)
    ]
    await store.put(decisions, [record(d.trace) for d in decisions])

    content = contents(url)

    assert decisions[0].trace in content
    assert secret not in content
    for decision in decisions:
        assert decision.call.digest not in content


# -- sealed records; what the chain promises is in tests/audit/test_ledger.py


async def test_sealed_records_are_listed_followed_and_pruned(url: str, tmp_path: Path) -> None:
    made = Made.chain(tmp_path / "keys", FIRST)
    clock = FakeClock()
    store = await open_store(url, chain=made.ledger, clock=clock)
    await store.append([{"kind": str(number)} for number in range(2)])
    clock.advance(100)
    await store.append([{"kind": str(number)} for number in range(2, 5)])
    (state,) = await store.chains()

    followed = await store.following(state.instance, 3)
    assert [line.number for line in followed] == [4, 5]
    assert await store.following("another", 0) == []
    assert await store.prune(clock() - timedelta(seconds=50))
    assert not await store.prune(clock() - timedelta(seconds=50))
    assert [line.number for line in await store.lines()] == [3, 4, 5, 6]
    (state,) = await store.chains()
    assert '"number":2' in (state.anchor or "")
    await store.close()
