"""Streams of every API, cut anywhere: the same calls are found and no byte changes.

Through the whole of `GatedStream`: byte by byte for each stream, in two pieces at every offset
of the shortest stream of each API, and at random places (with a seed) of all others: every
two-piece cut of all of them would be quadratic. Messages of a WebSocket come whole; theirs is
`test_realtime_events`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import openai
import pytest
from openai import AssistantEventHandler

from callgate import stream as streams
from callgate.exchange import ApiError, Request, segments
from callgate.sources import SseSource
from callgate.stream import GatedStream, Rest
from callgate.surfaces import endpoint_for, sse
from callgate.surfaces.base import Change, Group
from tests.e2e.stories import STORIES
from tests.surfaces import chat_objects, response_objects

pytestmark = pytest.mark.no_cover

type Shown = list[tuple[str, str, str]]
"""Id, name and arguments of calls, as an app would run them."""

SAMPLES = 12


@dataclass(frozen=True, slots=True)
class Recorded:
    """One stream, and the request that it answers."""

    api: str
    target: str
    raw: bytes


class Judge:
    """Allows everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: Shown = []

    async def __call__(self, group: Group, rest: Rest) -> AsyncIterator[bytes]:
        calls = [call for turn in group.turns for call in turn.calls]
        self.calls += [(call.id, call.name, call.arguments) for call in calls]
        for event in group.render(Change(), b""):
            yield event


async def through(stream: Recorded, cuts: Iterable[int]) -> tuple[bytes, Shown]:
    """What leaves of a stream that comes in these pieces, and which calls were judged."""
    endpoint = endpoint_for("POST", segments(stream.target))
    assert endpoint is not None
    request = Request("POST", "https", "api.openai.com", 443, stream.target)
    judge = Judge()

    def refusal(error: ApiError) -> bytes:
        raise AssertionError(error)

    gated = GatedStream(
        endpoint.surface.open_events(endpoint, request, sse.event),
        judge,
        refusal,
        source=SseSource("", 1 << 20),
        max_held_bytes=1 << 20,
    )
    out = bytearray()
    for start, end in itertools.pairwise([0, *cuts, len(stream.raw)]):
        gated.feed(stream.raw[start:end])
        out += await drained(gated)
    gated.finish()
    out += await drained(gated)
    return bytes(out), list(dict.fromkeys(judge.calls))


async def drained(gated: GatedStream) -> bytes:
    out = gated.take()
    while gated.is_holding:
        await gated.wait(30)
        out += gated.take()
    return out


# -- what the SDK finds ----------------------------------------------------------------------


class Handler(AssistantEventHandler):
    """Collects the function calls of runs that wait, and of steps that are over."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Shown = []

    def on_event(self, event: Any) -> None:
        calls: Iterable[Any] = ()
        if event.event == "thread.run.requires_action":
            calls = event.data.required_action.submit_tool_outputs.tool_calls
        elif event.event == "thread.run.step.completed":
            calls = getattr(event.data.step_details, "tool_calls", ())
        self.calls += [
            (call.id, call.function.name, call.function.arguments)
            for call in calls
            if call.type == "function"
        ]


def assistants_calls(raw: bytes) -> Shown:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=raw)

    handler = Handler()
    with (
        openai.OpenAI(
            api_key="x",
            base_url="https://api.test/v1",
            http_client=openai.DefaultHttpxClient(transport=httpx.MockTransport(answer)),
        ) as client,
        client.beta.threads.runs.stream(
            thread_id="thread_1", assistant_id="asst_1", event_handler=handler
        ) as events,
    ):
        events.until_done()
    return list(dict.fromkeys(handler.calls))


BY_SDK: dict[str, Callable[[bytes], Shown]] = {
    "assistants": assistants_calls,
    "chat": lambda raw: chat_objects.sdk_calls(chat_objects.sdk_stream(raw)),
    "responses": lambda raw: response_objects.sdk_stream(raw)[1],
}


# -- the streams -----------------------------------------------------------------------------


def recorded() -> list[Recorded]:
    found = []
    folder = chat_objects.RECORDED
    for path in sorted(folder.glob("*.json")) if folder.exists() else ():
        exchange = json.loads(path.read_text())
        raw, target = exchange["response_body"], exchange["url"].partition("openai.com")[2]
        if isinstance(raw, str) and "sse" in exchange["flags"]:
            found.append(Recorded(exchange["surface"], target, raw.encode()))
    return found


def own() -> list[Recorded]:
    stories = {api: tell("call_1", '{"amount": 5}') for api, tell in STORIES.items()}
    return [Recorded(api, one.path, one.word + one.call) for api, one in stories.items()]


ALL = [*own(), *recorded()]


def shortest(streams: Sequence[Recorded]) -> dict[str, Recorded]:
    """Of each API, the shortest stream with a call in it."""
    found: dict[str, Recorded] = {}
    for stream in sorted(streams, key=lambda one: -len(one.raw)):
        if BY_SDK[stream.api](stream.raw):
            found[stream.api] = stream
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("api", BY_SDK)
async def test_stream_that_comes_byte_by_byte_is_the_same_and_shows_the_calls_that_the_sdk_finds(
    api: str,
) -> None:
    with_calls = 0
    for stream in ALL:
        if stream.api == api:
            by_sdk = await asyncio.to_thread(BY_SDK[api], stream.raw)
            assert await through(stream, range(1, len(stream.raw))) == (stream.raw, by_sdk)
            with_calls += bool(by_sdk)
    assert with_calls >= (3 if recorded() else 1)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, text keeps its place behind calls."""
    monkeypatch.setattr(streams, "ORDER_SECONDS", 60.0)


async def check(stream: Recorded, every: Iterable[Sequence[int]]) -> None:
    """The stream is the same for all these cuts."""
    _, calls = await through(stream, [])
    for cuts in every:
        assert await through(stream, cuts) == (stream.raw, calls), cuts


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_stream_in_two_pieces_is_the_same_wherever_it_is_cut() -> None:
    for stream in (await asyncio.to_thread(shortest, recorded() or own())).values():
        await check(stream, ([cut] for cut in range(len(stream.raw))))


async def test_stream_is_the_same_however_it_is_cut() -> None:
    dice = random.Random(7)  # the same cuts each time
    for stream in ALL:
        places = range(1, len(stream.raw))
        pieces = [2] * SAMPLES + [3, 10, 100]
        await check(stream, [sorted(dice.sample(places, n - 1)) for n in pieces])
