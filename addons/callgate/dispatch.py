"""Tells addons of events, and only those that want to hear of them.

mitmproxy asks every addon at every event: some fifty times a request, half of them for `update`,
which is for its user interfaces.
"""

from __future__ import annotations

from typing import Any

from mitmproxy import exceptions, hooks
from mitmproxy.addonmanager import AddonManager, safecall, traverse


class Dispatch(AddonManager):
    """An AddonManager for addons whose hooks are all there when they are added."""

    def __init__(self, master: Any) -> None:
        """As AddonManager's."""
        super().__init__(master)  # type: ignore[no-untyped-call]
        self._hearing: dict[str, list[Any]] = {}
        self._among = 0

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Tell the addons that have such a hook, in their order; see AddonManager."""
        for addon in self._that_hear(event.name):
            try:
                with safecall():
                    await self.invoke_addon(addon, event)
            except exceptions.AddonHalt:
                return

    def _that_hear(self, name: str) -> list[Any]:
        if self._among != len(self.chain):
            self._hearing.clear()
            self._among = len(self.chain)
        if name not in self._hearing:
            self._hearing[name] = [
                addon
                for addon in self.chain
                if any(getattr(one, name, None) for one in traverse([addon]))
            ]
        return self._hearing[name]
