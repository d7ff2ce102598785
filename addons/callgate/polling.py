"""Approvals that a gateway's people give: asked for in the background until there is an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from callgate.approvals import ApprovalError, Approvals
from callgate.errors import ScannerError, StoreError
from callgate.model import Approval, ApprovalState, Decision
from callgate.scanners.base import Gateway
from callgate.store.base import Store

_log = logging.getLogger(__name__)

_AT_ONCE = 4
"""Questions at the same time, all approvals together."""


class Polling:
    """Brings gateways' answers into the one book of approvals.

    A gateway's yes is good for what that gateway asked: where somebody else asks too, a policy
    for one, a person of ours has to agree as well. A no of anybody stands.
    """

    def __init__(
        self,
        approvals: Approvals,
        store: Store,
        gateways: Mapping[str, Gateway],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`gateways` by the names that their verdicts carry; `sleep` takes seconds."""
        self._approvals = approvals
        self._store = store
        self._gateways = gateways
        self._sleep = sleep
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._followed: dict[str, asyncio.Task[None]] = {}

    async def resume(self) -> None:
        """Follow what was pending when a process ended; raises StoreError."""
        if self._gateways:
            for item in await self._store.approvals(ApprovalState.PENDING):
                self.follow(item.decision)

    def follow(self, decision: Decision) -> None:
        """Ask about a decision's approval until it is answered, by anybody, or expires."""
        approval = decision.approval
        if approval is None or approval.id in self._followed or not self._asked(decision):
            return
        task = asyncio.ensure_future(self._follow(decision, approval))
        self._followed[approval.id] = task
        task.add_done_callback(lambda _: self._followed.pop(approval.id, None))

    async def close(self) -> None:
        """Stop asking; what is pending stays so."""
        tasks = list(self._followed.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _asked(self, decision: Decision) -> dict[str, Gateway]:
        """The gateways' own ids of the approvals that they ask for."""
        return {
            verdict.approval_id: self._gateways[verdict.scanner]
            for verdict in decision.asking
            if verdict.approval_id and verdict.scanner in self._gateways
        }

    async def _follow(self, decision: Decision, approval: Approval) -> None:
        open_ = self._asked(decision)
        is_whole = len(open_) == len(decision.asking)
        pause = max(gateway.poll_seconds for gateway in open_.values())
        while open_:
            # counted from the answer on: at the gateway the questions are never closer
            await self._sleep(pause)
            try:
                if not await self._store.pending([approval.id]):
                    return
                for id, gateway in list(open_.items()):
                    state = await self._state(gateway, id)
                    if state in (ApprovalState.DENIED, ApprovalState.EXPIRED):
                        await self._close(approval.id, state, gateway.name)
                        return
                    if state is ApprovalState.APPROVED:
                        del open_[id]
                        if is_whole and not open_:
                            await self._approvals.approve(approval.id, gateway.name)
            except ApprovalError:
                return  # a person of ours was faster
            except StoreError as error:
                _log.error("store: %s", error)
                open_ = self._asked(decision)

    async def _state(self, gateway: Gateway, id: str) -> ApprovalState:
        """PENDING also where the gateway does not say: the approval's own time runs out."""
        try:
            async with self._at_once:
                return await gateway.approval(id)
        except ScannerError as error:
            _log.warning("scanner %s: approval: %s: %s", gateway.name, error.kind, error)
            if error.retry_after_seconds:
                await self._sleep(min(error.retry_after_seconds, 60))
            return ApprovalState.PENDING

    async def _close(self, id: str, state: ApprovalState, by: str) -> None:
        if state is ApprovalState.DENIED:
            await self._approvals.deny(id, by)
        else:
            await self._approvals.expire(id, by)
