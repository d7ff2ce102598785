"""The gateway in this process: real engine and routes, a store in memory, a clock that is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from callgate.approvals import Approvals
from callgate.assembly import Engine, redactor, result_inspector
from callgate.conversations import Conversations
from callgate.detectors import DETECTORS, Inspector
from callgate.gate import Gate, Rules
from callgate.gateway.app import application
from callgate.gateway.asked import Asked
from callgate.gateway.decisions import Decisions
from callgate.gateway.keys import Keys
from callgate.model import Mode
from callgate.policy import Policy
from callgate.roster import Roster
from callgate.scanners.base import Scanner
from callgate.scanners.flow import Flow
from callgate.scanners.local import Local
from callgate.settings import Settings
from callgate.store.base import Record
from tests.fakes import FakeClock, MemoryStore

type Json = dict[str, Any]

POLICY = """\
version: 1
default: allow
policies:
  - name: one-agent
    assistant_id: agent-strict
    actions:
      - {tool: "*", effect: deny}
  - name: rules
    actions:
      - {tool: wipe, effect: deny}
      - {tool: pay, effect: require_approval}
      - {tool: http_request, effect: require_approval, when: 'args.url.contains("bank")'}
"""
KEY, OTHER_KEY = "iv_live_" + "k" * 24, "iv_live_" + "o" * 24
URL = "http://gateway.test"
SSN = "478-23-" + "9156"
TTL_SECONDS = 600


@dataclass
class Seconds:
    """A clock that never goes back, and is told the time."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Front:
    """Everything that a test of the gateway looks at."""

    engine: Engine
    store: MemoryStore
    clock: FakeClock
    approvals: Approvals
    seconds: Seconds = field(default_factory=Seconds)
    app: Starlette = field(init=False)

    def __post_init__(self) -> None:
        self.app = application(self.engine, keys, self.clock, self.seconds)

    @property
    def decisions(self) -> Decisions:
        """New ones, as after a restart: only the store is remembered."""
        return Decisions(self.engine, self.clock)

    @asynccontextmanager
    async def client(self, key: str | None = KEY) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as made:
            yield made

    async def post(self, path: str, document: object, key: str | None = KEY) -> httpx.Response:
        async with self.client(key) as client:
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            return await client.post(path, content=content)

    async def get(self, path: str, key: str | None = KEY) -> httpx.Response:
        async with self.client(key) as client:
            return await client.get(path)

    async def scan(self, url: str, body: object = None, **more: object) -> Json:
        """What the SDK's `Client.scan` sends; fails the test unless the answer is a verdict."""
        document = {"method": "POST", "url": url, "body": {} if body is None else body, **more}
        answer = await self.post("/v1/scan", document)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def records(self, kind: str) -> list[Record]:
        return [record for record in await self.store.records() if record["kind"] == kind]


def keys() -> Keys:
    return Keys([("shop", KEY), ("other", OTHER_KEY)])


def asking(tool: str = "look", arguments: str = "{}", **more: Any) -> Asked:
    return Asked("interven", "shop", tool, arguments, **more)


def front(
    mode: Mode = Mode.ENFORCE,
    scanners: Sequence[Scanner] | None = None,
    policy: Callable[[], Policy] | None = None,
) -> Front:
    """A gateway with this file's policy."""
    clock = FakeClock()
    store = MemoryStore(clock)
    inspector = Inspector([make() for make in DETECTORS.values()])
    parsed = Policy.parse(POLICY, "callgate.yaml")
    current = policy or (lambda: parsed)
    conversations = Conversations(store)
    approvals = Approvals(store, clock, TTL_SECONDS, url=lambda id: f"{URL}/approvals/{id}")
    gate = Gate(
        Rules(mode),
        store,
        [Local(current, inspector), Flow(current, conversations.marks)]
        if scanners is None
        else scanners,
        approvals,
        redactor(inspector),
        lambda: current().digest,
    )
    roster = Roster([], {}, {}, frozenset())
    settings = Settings(home=Path("unused"), mode=mode, approval_ttl_seconds=TTL_SECONDS)
    engine = Engine(settings, gate, store, conversations, result_inspector(inspector), roster)
    return Front(engine, store, clock, approvals)
