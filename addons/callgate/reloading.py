"""Policies that change while a process runs: on a signal, or when their file has changed."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from callgate import __version__
from callgate.audit import record
from callgate.errors import StoreError
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store.base import Store

_log = logging.getLogger(__name__)

_WATCH_SECONDS = 1.0


async def watch(
    policy: PolicyFile, settings: Settings, store: Store | None, wanted: asyncio.Event
) -> None:
    """Read the policy file again when it has changed, or when `wanted` is set; never returns.

    A process that judges no calls gives no `store`.
    """
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wanted.wait(), _WATCH_SECONDS)
        if wanted.is_set() or policy.changed():
            wanted.clear()
            await reload(policy, settings, store)


async def reload(policy: PolicyFile, settings: Settings, store: Store | None) -> None:
    """A broken file keeps the old policy and is said; a new policy is recorded, in a store."""
    before = policy.current.digest
    if error := policy.reload():
        _log.error("the policy in force stays, the new one is broken:\n%s", error)
    elif policy.current.digest != before:
        _log.warning("policy reloaded: %s", policy.current.digest[:12])
        if store is None:
            return
        new = record.process_record(
            "policy", __version__, settings.mode, settings.loosened, policy=policy.current.digest
        )
        try:
            await store.append([new])
        except StoreError as failure:
            _log.error("store: %s", failure)
