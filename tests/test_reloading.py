"""Policies that change while a process runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

import pytest

from callgate import reloading
from callgate.errors import StoreError
from callgate.policy import PolicyFile
from callgate.settings import Settings
from tests.fakes import MemoryStore

ALLOW, DENY = "version: 1\ndefault: allow\n", "version: 1\ndefault: deny\n"
SETTINGS = Settings(on_scanner_error="allow")


@pytest.fixture
def policy(tmp_path: Path) -> PolicyFile:
    path = tmp_path / "callgate.yaml"
    path.write_text(ALLOW)
    return PolicyFile(path)


async def test_new_policy_counts_and_is_recorded(policy: PolicyFile) -> None:
    store = MemoryStore()
    policy.path.write_text(DENY)
    await reloading.reload(policy, SETTINGS, store)
    await reloading.reload(policy, SETTINGS, store)
    [record] = await store.records()
    assert (record["kind"], record["policy"]) == ("policy", policy.current.digest)
    assert record["loosened"] == ["on_scanner_error=allow"]


async def test_broken_policy_leaves_the_old_one_in_force(
    policy: PolicyFile, caplog: pytest.LogCaptureFixture
) -> None:
    store, before = MemoryStore(), policy.current.digest
    policy.path.write_text("default: perhaps")
    with caplog.at_level(logging.ERROR):
        await reloading.reload(policy, SETTINGS, store)
    assert policy.current.digest == before
    assert await store.records() == []
    assert "the policy in force stays" in caplog.text


async def test_store_that_fails_is_said_and_the_new_policy_counts(
    policy: PolicyFile, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    store.failure = StoreError("gone")
    before = policy.current.digest
    policy.path.write_text(DENY)
    with caplog.at_level(logging.ERROR):
        await reloading.reload(policy, SETTINGS, store)
    assert policy.current.digest != before
    assert "store: gone" in caplog.text


async def test_policy_is_read_again_when_it_is_wanted(policy: PolicyFile) -> None:
    wanted, before = asyncio.Event(), policy.current.digest
    task = asyncio.ensure_future(reloading.watch(policy, SETTINGS, MemoryStore(), wanted))
    policy.path.write_text(DENY)
    wanted.set()
    for _ in range(3000):
        if policy.current.digest != before:
            break
        await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert policy.current.digest != before
    assert not wanted.is_set()


async def test_process_that_judges_nothing_records_no_policy(policy: PolicyFile) -> None:
    policy.path.write_text(DENY)
    before = policy.current.digest

    await reloading.reload(policy, SETTINGS, None)

    assert policy.current.digest != before
