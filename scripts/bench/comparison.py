"""The contestants side by side: every kind of request, few clients and many."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import guards
from asking import Asking, Say
from chatting import ALLOWED, DENIED, PLAIN, chat, poll
from figures import Figure, Load, Resident
from load import Measured, Route, fixed, fresh
from rig import Config, assembled

POLICY = f"""
version: 1
default: allow
policies:
  - name: bench
    actions:
      - {{tool: {DENIED}, effect: deny}}
"""
GUARDRAIL: dict[str, object] = {
    "litellm_settings": {"telemetry": False},
    "guardrails": [
        {
            "guardrail_name": "bench",
            "litellm_params": {
                "guardrail": "tool_permission",
                "mode": "post_call",
                "default_on": True,
                "default_action": "allow",
                "on_disallowed_action": "rewrite",
                "rules": [{"id": "bench", "tool_name": DENIED, "decision": "deny"}],
            },
        }
    ],
}
type Talk = Callable[[Route, str], Say]
"""How to ask over a route; the text makes requests differ from those of another measurement."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of request."""

    key: str
    talk: Talk
    mark: bytes
    """Stands in every answer."""

    def is_known_to(self, config: Config) -> bool:
        return config.name != "litellm" or not self.key.startswith("run")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    seconds: float = 0.7
    rounds: int = 3
    clients: Sequence[int] = (1, 16, 64)
    warm_seconds: float = 0.4


def _chats(wish: str, streamed: bool) -> Talk:
    def talk(route: Route, _: str) -> Say:
        return lambda: chat(route, wish, next(_serial), streamed=streamed)

    return talk


def _known(run: str) -> Talk:
    def talk(route: Route, _: str) -> Say:
        path = fixed(run)
        return lambda: poll(route, path())

    return talk


def _new(route: Route, tag: str) -> Say:
    path = fresh(tag)
    return lambda: poll(route, path())


_serial = itertools.count(1)
SHAPES = (
    Shape("chat plain", _chats(PLAIN, False), b"word"),
    Shape("chat new", _chats(ALLOWED, False), ALLOWED.encode()),
    Shape("stream plain", _chats(PLAIN, True), b"word"),
    Shape("stream new", _chats(ALLOWED, True), ALLOWED.encode()),
    Shape("run plain", _known("plain"), b"in_progress"),
    Shape("run known", _known("known"), ALLOWED.encode()),
    Shape("run new", _new, ALLOWED.encode()),
)


@contextmanager
def contestants(litellm: Path | None) -> Iterator[list[Config]]:
    """All of them, started; LiteLLM by the Python of its environment, if there is one."""
    with assembled("mixed_upstream.py") as rig:
        policy = rig.folder / "callgate.yaml"
        policy.write_text(POLICY)
        modes = ("enforce", "withhold")
        configs = [
            rig.direct(),
            rig.mitmdump(),
            *(rig.callgate(mode, "--mode", mode, "--policy", policy) for mode in modes),
        ]
        yield [*configs, rig.litellm(litellm, GUARDRAIL)] if litellm else configs


def compare(litellm: Path | None, scale: Scale) -> list[Figure]:
    """All measurements, in turns."""
    with contestants(litellm) as configs:
        found: list[Figure] = []
        for shape, config, kept in _product(configs):
            asyncio.run(_load(config, shape, max(scale.clients[:2]), kept, -1, scale.warm_seconds))
        found += asyncio.run(guards.shown(configs, "before"))
        found += _memory(configs, 0)
        for number in range(1, scale.rounds + 1):
            turn = number % len(configs)
            turned = [*configs[turn:], *configs[:turn]]
            print(f"round {number} of {scale.rounds}", file=sys.stderr, flush=True)
            for shape, kept, clients in itertools.product(SHAPES, (True, False), scale.clients):
                found += [
                    asyncio.run(_load(config, shape, clients, kept, number, scale.seconds))
                    for config in turned
                    if shape.is_known_to(config)
                ]
            found += _memory(configs, number)
        return found + asyncio.run(guards.shown(configs, "after"))


def _product(configs: Sequence[Config]) -> Iterator[tuple[Shape, Config, bool]]:
    for shape, config, kept in itertools.product(SHAPES, configs, (True, False)):
        if shape.is_known_to(config):
            yield shape, config, kept


def _memory(configs: Sequence[Config], number: int) -> list[Resident]:
    return [
        Resident(contestant=config.name, round=number, rss_mb=config.rss_mb())
        for config in configs
        if config.pid
    ]


async def _load(
    config: Config, shape: Shape, clients: int, kept: bool, number: int, seconds: float
) -> Load:
    tag = f"{config.name}-{clients}-{kept:d}-{number}-"
    asking = Asking(config.route, shape.talk(config.route, tag), shape.mark, is_kept=kept)
    before = config.cpu_seconds()
    asked = await asking.run(clients, seconds)
    await asyncio.sleep(0.05)  # what a proxy does after an answer is of the same load
    cpu = config.cpu_seconds() - before
    requests, errors = len(asked.measured.latencies_ms), asked.errors.total()
    if errors:
        print(f"{config.name}, {shape.key}: {dict(asked.errors)}", file=sys.stderr)
    return Load(
        contestant=config.name,
        shape=shape.key,
        clients=clients,
        kept=kept,
        round=number,
        requests=requests,
        errors=errors,
        per_second=asked.measured.per_second,
        p50_ms=_percentile(asked.measured, 50),
        p99_ms=_percentile(asked.measured, 99),
        first_ms=_percentile(asked.firsts, 50),
        cpu_ms=cpu / requests * 1000 if requests else 0,
    )


def _percentile(measured: Measured, percent: float) -> float:
    """0 when nothing was answered."""
    return measured.percentile(percent) if measured.latencies_ms else 0
