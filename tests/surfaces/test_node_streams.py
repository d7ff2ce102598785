"""Streams through a real gate, beside openai-node: it hands out nothing that was not allowed."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.model import CallKey, Decision, Effect, Mode, ToolCall, Verdict
from callgate.store.base import Record
from tests import node
from tests.deciding import asked, at, bench
from tests.fakes import MemoryStore
from tests.surfaces.mangled import NAMES, STREAMS, chunks, written

TARGETS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "assistants": "/v1/threads/thread_1/runs",
}
PARSER = Path(__file__).with_name("node_parser.mjs")
CLEAN = '{"input":"clean"}'


@dataclass(frozen=True, slots=True)
class Shown:
    """A call that openai-node hands to an app."""

    name: str
    arguments: str
    is_early: bool
    """Told while the stream went on: pieces of its arguments could still come."""

    def is_one_of(self, calls: Sequence[tuple[str, str]]) -> bool:
        """An early one may be cut short: the beginning of an object is not an object."""
        return any(
            self.name == name
            and (self.arguments == whole or (self.is_early and whole.startswith(self.arguments)))
            for name, whole in calls
        )


class Parser:
    """The running parser."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(self, api: str, *streams: Sequence[bytes]) -> list[list[Shown]]:
        """What openai-node hands to an app of each stream, given its chunks."""
        assert self._process.stdin
        assert self._process.stdout
        packed = [[base64.b64encode(chunk).decode() for chunk in chunks] for chunks in streams]
        self._process.stdin.write(json.dumps({"api": api, "streams": packed}) + "\n")
        self._process.stdin.flush()
        told: list[Any] = json.loads(self._process.stdout.readline())
        return [
            [
                Shown(call["name"], call.get("arguments", ""), call["isEarly"])
                for call in one["calls"]
                if call.get("name")  # nobody can run what has no name
            ]
            for one in told
        ]


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    installed = node.installed()
    with subprocess.Popen(
        [installed.executable, str(PARSER)],
        cwd=installed.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Parser(process)
        finally:
            process.kill()


@dataclass
class ByName:
    """A scanner whose verdict depends on the tool's name alone."""

    effects: Mapping[str, Effect]
    name: str = "by name"

    async def scan(self, call: ToolCall) -> Verdict:
        effect = self.effects.get(call.name, Effect.ALLOW)
        if effect is Effect.SANITIZE and not call.arguments:
            effect = Effect.ALLOW  # nothing is there that could be taken out
        clean = CLEAN if effect is Effect.SANITIZE else None
        return Verdict(self.name, effect, trace="trace", sanitized_arguments=clean)

    async def close(self) -> None:
        pass


class Memory(MemoryStore):
    """Keeps every decision as it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.decisions: list[Decision] = []

    @property
    def found(self) -> list[tuple[str, str]]:
        return [(d.call.name, d.call.arguments) for d in self.decisions]

    def deliverable(self, mode: Mode) -> list[tuple[str, str]]:
        """What an app may have of them, and in which form: changes go by the call's id."""
        clean = {d.call.id for d in self.decisions if d.sanitized_arguments is not None}
        return [
            (d.call.name, CLEAN if d.call.id in clean else d.call.arguments)
            for d in self.decisions
            if not (mode is Mode.WITHHOLD and d.effect is Effect.DENY)
        ]

    async def put(
        self, decisions: Sequence[Decision], records: Sequence[Record]
    ) -> dict[CallKey, Decision]:
        self.decisions += decisions
        return await super().put(decisions, records)


async def gated(
    api: str, mode: Mode, memory: Memory, scanner: ByName, given: Sequence[bytes]
) -> bytes:
    """What the app gets of a stream."""
    request = asked("POST", TARGETS[api])
    made = bench(mode=mode, scanners=[scanner], store=memory)
    stream = made.enforcement.open_stream(at(request), request, "")
    got = b""
    for chunk in given:
        stream.feed(chunk)
        got += stream.take()
    stream.finish()
    got += stream.take()
    async with asyncio.timeout(30):
        while stream.is_holding:
            await stream.wait(15)
            got += stream.take()
    return got + stream.take()


EFFECTS = {
    Mode.ENFORCE: st.sampled_from(list(Effect)),
    # a pending call is held until a person decides: not a matter of parsers
    Mode.WITHHOLD: st.sampled_from([Effect.ALLOW, Effect.SANITIZE, Effect.DENY]),
}


@pytest.mark.parametrize("api", STREAMS)
@settings(
    max_examples=150,
    derandomize=True,  # what random bytes find belongs into a test of its surface
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_openai_node_hands_out_only_what_was_found_and_allowed(
    parser: Parser, api: str, data: st.DataObject
) -> None:
    raw = data.draw(written(api), "stream")
    mode = data.draw(st.sampled_from(list(EFFECTS)), "mode")
    effects = {name: data.draw(EFFECTS[mode], name) for name in NAMES}
    cuts = data.draw(st.lists(st.integers(1, 4000), max_size=6), "cuts")
    memory, given = Memory(), chunks(raw, cuts)

    got = asyncio.run(gated(api, mode, memory, ByName(effects), given))
    untouched, shown = parser.read(api, given, chunks(got, cuts))

    if b"response_not_inspectable" not in got:
        assert [one for one in untouched if not one.is_one_of(memory.found)] == []
    assert [one for one in shown if not one.is_one_of(memory.deliverable(mode))] == []
