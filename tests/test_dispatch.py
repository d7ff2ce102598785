"""Which addons are told of what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy import exceptions, hooks, options
from mitmproxy.addonmanager import AddonManager

from callgate.dispatch import Dispatch

type Told = list[str]


class Hearing:
    def __init__(self, name: str, told: Told) -> None:
        self.name = name
        self.told = told

    async def running(self) -> None:
        self.told.append(self.name)


class Halting(Hearing):
    async def running(self) -> None:
        await super().running()
        raise exceptions.AddonHalt


class Failing(Hearing):
    async def running(self) -> None:
        await super().running()
        raise ValueError("broken")


class Holding:
    """Has no hook of its own, but an addon that has."""

    def __init__(self, *addons: Any) -> None:
        self.name = "holding"
        self.addons = addons


class Deaf:
    name = "deaf"

    def __getattr__(self, name: str) -> object:
        if name == "running":
            self.asked = getattr(self, "asked", 0) + 1
        raise AttributeError(name)


async def told(kind: type[AddonManager], *kinds: type[Hearing]) -> Told:
    heard: Told = []
    master: Any = SimpleNamespace(options=options.Options())
    manager = kind(master)
    manager.chain = [Holding(one(str(n), heard)) for n, one in enumerate(kinds)]
    await manager.trigger_event(hooks.RunningHook())
    return heard


@pytest.mark.parametrize(
    "kinds",
    [(), (Hearing, Hearing), (Hearing, Halting, Hearing), (Failing, Hearing), (Halting, Hearing)],
)
async def test_addons_are_told_as_mitmproxy_tells_them(kinds: tuple[type[Hearing], ...]) -> None:
    assert await told(Dispatch, *kinds) == await told(AddonManager, *kinds)


async def test_addon_without_the_hook_is_asked_once() -> None:
    master: Any = SimpleNamespace(options=options.Options())
    manager, deaf = Dispatch(master), Deaf()
    manager.chain = [deaf]
    for _ in range(5):
        await manager.trigger_event(hooks.RunningHook())

    assert deaf.asked == 1


async def test_addon_that_is_added_later_is_told() -> None:
    master: Any = SimpleNamespace(options=options.Options())
    manager = Dispatch(master)
    heard: Told = []
    await manager.trigger_event(hooks.RunningHook())
    manager.chain.append(Hearing("late", heard))
    await manager.trigger_event(hooks.RunningHook())

    assert heard == ["late"]
