"""The memory of conversations: what was heard in one is known in it, whatever it is called."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from callgate import conversations
from callgate.canonical import Json
from callgate.conversations import Conversations, Followed, Reading
from callgate.detectors.identifiers import MOST, Identifiers, identifiers_in
from callgate.errors import BodyError, StoreError
from callgate.exchange import Request
from callgate.model import Mark, SurfaceName, ToolCall, ToolResult
from callgate.surfaces.base import Group, Outgoing, Passing
from callgate.surfaces.sse import SseEvent
from tests.deciding import asked, call
from tests.fakes import MemoryStore

RESPONSES = SurfaceName.RESPONSES
SAID, READ = "said:mail:bob@x.com", "read:mail:eve@x.com"
BOB, EVE = "write to bob@x.com", Reading("write to eve@x.com")
RESULT = ToolResult("call_1", "", "input[0].output")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def talks(store: MemoryStore) -> Conversations:
    return Conversations(store)


async def heard(
    talks: Conversations,
    *said: str,
    readings: tuple[Reading, ...] = (),
    answers: str = "",
    conversation: str = "",
    request: Request | None = None,
    first: str = "call_1",
) -> Request:
    """The request, as its response is judged with it."""
    results = [replace(RESULT, call_id=first)] if readings else []
    outgoing = Outgoing(results=results, said=said, answers=answers, conversation=conversation)
    request = request or asked("POST")
    name = await talks.heard(RESPONSES, request, outgoing, readings)
    return replace(request, conversation=name)


def of(request: Request, scope: str = "responses/r") -> ToolCall:
    made = replace(call(), surface=RESPONSES, scope=scope)
    return replace(made, conversation=request.conversation)


async def known(talks: Conversations, one: ToolCall, *more: str) -> frozenset[str]:
    return await talks.marks(one, [SAID, READ, *Mark, *more])


async def test_what_people_say_and_tools_tell_is_kept_apart(talks: Conversations) -> None:
    request = await heard(talks, BOB, readings=(EVE,))

    assert await known(talks, of(request)) == {SAID, READ}


async def test_request_that_tells_nothing_has_no_conversation(talks: Conversations) -> None:
    assert (await heard(talks)).conversation == ""


async def test_sensitive_and_overlong_results_mark_the_conversation(talks: Conversations) -> None:
    many = [f"u{n}@x.com" for n in range(MOST + 1)]
    readings = (
        Reading({"rows": [*many]}),
        Reading("ok", frozenset({Mark.SENSITIVE, Mark.STEERED})),
        Reading(None),
    )
    request = await heard(talks, readings=readings)

    assert await known(talks, of(request)) == {*Mark}


async def test_what_a_call_read_marks_its_conversation_only(talks: Conversations) -> None:
    one = replace(call(), surface=RESPONSES, conversation="one")
    await talks.read(one, [replace(EVE, marks=frozenset({Mark.SENSITIVE}))])
    assert await known(talks, one) == {READ, Mark.SENSITIVE}
    assert await known(talks, replace(one, conversation="another")) == frozenset()


async def test_named_conversation_grows_with_each_request(talks: Conversations) -> None:
    first = await heard(talks, BOB, conversation="thread/t")
    await heard(talks, readings=(EVE,), conversation="thread/t", answers="t/r")
    other = await heard(talks, "nothing", conversation="thread/u")

    assert await known(talks, of(first)) == {SAID, READ}
    assert await known(talks, of(other)) == frozenset()


async def test_history_that_the_app_keeps_is_one_conversation_and_grows(
    talks: Conversations, store: MemoryStore
) -> None:
    once = await heard(talks, BOB, readings=(EVE,))
    again = await heard(talks, BOB, "go on", "and on", readings=(EVE, Reading("call 1234567")))
    longer = await heard(talks, BOB, "go on", readings=(EVE,))

    assert once.conversation != again.conversation == longer.conversation
    assert await known(talks, of(longer), "read:number:1234567") == {
        SAID,
        READ,
        "read:number:1234567",
    }
    assert len(store.marks) == 2


async def test_histories_with_other_calls_are_others(talks: Conversations) -> None:
    one = await heard(talks, BOB, readings=(EVE,))
    other = await heard(talks, BOB, readings=(Reading("fine, thanks"),), first="call_2")

    assert await known(talks, of(other)) == {SAID}
    assert one.conversation != other.conversation


async def test_conversations_of_other_servers_and_callers_are_others(talks: Conversations) -> None:
    request = await heard(talks, BOB, readings=(EVE,))
    elsewhere = replace(of(request), origin="other:443")
    kim = await heard(talks, readings=(EVE,), request=replace(asked("POST"), agent="kim"))

    assert await known(talks, elsewhere) == frozenset()
    assert kim.conversation != request.conversation


async def test_answer_is_gone_on_with_by_its_name(talks: Conversations, store: MemoryStore) -> None:
    first = await heard(talks, BOB)
    assert store.marks == {}, "nobody may ever go on with it"
    await talks.continued(RESPONSES, first, "responses/1")
    second = await heard(talks, readings=(EVE,), answers="responses/1")
    await talks.continued(RESPONSES, second, "responses/2")
    third = await heard(talks, "and now?", answers="responses/2")

    assert await known(talks, of(third)) == {SAID, READ}
    assert await known(Conversations(store), of(third)) == {SAID, READ}
    polled = replace(of(third), conversation="", scope="responses/2")
    assert await known(Conversations(store), polled) == {SAID, READ}


async def test_conversation_that_begins_without_a_mark_is_found_when_it_gets_one(
    talks: Conversations, store: MemoryStore
) -> None:
    first = await heard(talks, "hello there")
    await talks.continued(RESPONSES, first, "responses/1")
    second = await heard(talks, readings=(EVE,), answers="responses/1")
    await talks.continued(RESPONSES, second, "responses/2")

    other = Conversations(store)
    third = await heard(other, "go on", answers="responses/2")
    assert await known(other, of(third)) == {READ}


async def test_conversation_goes_on_through_other_proxies(
    talks: Conversations, store: MemoryStore
) -> None:
    first = await heard(talks, BOB)
    await talks.continued(RESPONSES, first, "responses/1")
    second = Conversations(store)
    request = await heard(second, "go on", answers="responses/1")
    await second.continued(RESPONSES, request, "responses/2")
    third = Conversations(store)
    request = await heard(third, readings=(EVE,), answers="responses/2")

    assert await known(third, of(request)) == {SAID, READ}
    assert await known(talks, replace(of(asked()), scope="responses/1")) == {SAID, READ}


async def test_two_that_begin_with_the_same_words_are_two(talks: Conversations) -> None:
    names = ["responses/1", "responses/2"]
    for name in names:
        await talks.continued(RESPONSES, await heard(talks, BOB), name)
    one = await heard(talks, readings=(EVE,), answers=names[0])
    two = await heard(talks, "go on", answers=names[1])

    assert await known(talks, of(one)) == {SAID, READ}
    assert await known(talks, of(two)) == {SAID}


async def test_first_calls_of_a_conversation_are_not_looked_up(
    talks: Conversations, store: MemoryStore
) -> None:
    request = await heard(talks, BOB)
    store.failure = StoreError("gone")

    assert await known(talks, of(request)) == frozenset()


async def test_response_without_name_or_conversation_continues_nothing(
    talks: Conversations, store: MemoryStore
) -> None:
    store.failure = StoreError("gone")
    await talks.continued(RESPONSES, asked("POST"), "responses/1")
    await talks.continued(RESPONSES, replace(asked("POST"), conversation="new/1"), "")
    await talks.continued(RESPONSES, replace(asked("POST"), conversation="thread/t"), "thread/t")


async def test_name_is_stored_again_after_the_store_had_failed(
    talks: Conversations, store: MemoryStore
) -> None:
    request = await heard(talks, BOB)
    store.failure = StoreError("gone")
    with pytest.raises(StoreError):
        await talks.continued(RESPONSES, request, "responses/1")
    store.failure = None
    await talks.continued(RESPONSES, request, "responses/1")

    later = replace(of(asked()), scope="responses/1")
    assert await known(Conversations(store), later) == {SAID}


async def test_failing_store_is_not_hidden(talks: Conversations, store: MemoryStore) -> None:
    store.failure = StoreError("gone")

    with pytest.raises(StoreError):
        await heard(talks, readings=(EVE,))
    with pytest.raises(StoreError):
        await known(talks, of(asked()))


async def test_stream_counts_from_when_it_tells_its_name(
    talks: Conversations, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    request = await heard(talks, BOB)
    talks.continues(RESPONSES, request, "responses/1")
    assert await known(talks, replace(of(asked()), scope="responses/1")) == {SAID}

    store.failure = StoreError("gone")
    talks.continues(RESPONSES, await heard(talks, BOB), "responses/2")
    await asyncio.sleep(0)
    assert "gone" in caplog.text


# -- connections


async def test_connection_is_a_conversation(talks: Conversations, store: MemoryStore) -> None:
    line = replace(asked(), conversation="sockets/1")
    await heard(talks, BOB, request=line)
    await heard(talks, readings=(EVE,), request=line)
    await talks.continued(RESPONSES, line, "responses/1")
    await heard(talks, "go on", answers="responses/1", request=line)

    assert await known(talks, of(line)) == {SAID, READ}
    assert await known(Conversations(store), of(line)) == {SAID, READ}
    other = await heard(talks, "hello", answers="responses/1")
    assert await known(talks, of(other)) == {SAID, READ}


async def test_connection_goes_on_with_what_its_first_message_names(talks: Conversations) -> None:
    request = await heard(talks, BOB)
    await talks.continued(RESPONSES, request, "responses/1")
    line = replace(asked(), conversation="sockets/1")
    await heard(talks, readings=(EVE,), answers="responses/1", request=line)
    await heard(talks, "more", request=line)

    assert await known(talks, of(line)) == {SAID, READ}


async def test_session_that_a_connection_names_later_is_the_connection(
    talks: Conversations,
) -> None:
    line = replace(asked(), conversation="sockets/1")
    await heard(talks, BOB, request=line)
    await heard(talks, readings=(EVE,), answers="sessions/s", request=line)

    assert await known(talks, of(line)) == {SAID, READ}
    assert await known(talks, replace(of(asked()), scope="sessions/s")) == {SAID, READ}


async def test_silent_connection_leaves_nothing_in_the_store(
    talks: Conversations, store: MemoryStore
) -> None:
    line = replace(asked(), conversation="sockets/1")
    store.failure = StoreError("gone")
    await heard(talks, "hello there", request=line)
    await talks.continued(RESPONSES, line, "responses/1")


# -- texts


async def test_long_texts_are_read_whole_and_once(
    talks: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = []

    def read(value: Json) -> Identifiers:
        texts.append(value)
        return identifiers_in(value)

    monkeypatch.setattr(conversations, "identifiers_in", read)
    long = "nothing in here " * 2000 + "bob@x.com \ud800"
    for _ in range(3):
        request = await heard(talks, long, readings=(EVE,))

    assert await known(talks, of(request)) == {SAID, READ}
    assert len(texts) == 2


async def test_memory_is_bounded(talks: Conversations, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_TEXTS", "_NAMES", "_MARKS"):
        monkeypatch.setattr(conversations, name, 1)
    first = await heard(talks, BOB, readings=(EVE,))
    for n in range(3):
        request = await heard(talks, f"number {n}: u{n}@x.com")
        await talks.continued(RESPONSES, request, f"responses/{n}")

    assert await known(talks, of(first)) == {SAID, READ}


# -- streams


class Script:
    """A stream that tells its name in its second event."""

    scope = "scope"
    held_bytes = 7

    def __init__(self) -> None:
        self.begun: list[str] = []

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        if event.name == "broken":
            yield Passing(b"before")
            raise BodyError("broken")
        if event.name == "named":
            self.begun = ["responses/1"]
        if event.name != "held":
            yield Passing(event.raw)

    def finish(self) -> Iterator[Passing | Group]:
        yield Passing(b"end")

    def give_up(self) -> list[bytes]:
        return [b"rest"]


def test_followed_stream_is_the_same_and_tells_its_name_once() -> None:
    told: list[str] = []
    stream = Followed(Script(), told.append)
    out = [
        part.raw
        for name in ("created", "named", "more", "held")
        for part in stream.feed(SseEvent(name.encode(), name, ""))
        if isinstance(part, Passing)
    ]

    assert out == [b"created", b"named", b"more"]
    assert told == ["responses/1"]
    assert [part.raw for part in stream.finish() if isinstance(part, Passing)] == [b"end"]
    assert (stream.scope, stream.held_bytes, stream.give_up()) == ("scope", 7, [b"rest"])
    assert list(stream.begun) == told


def test_what_comes_before_a_broken_event_is_not_lost() -> None:
    stream = Followed(Script(), lambda name: None)
    parts = stream.feed(SseEvent(b"", "broken", ""))

    assert next(parts) == Passing(b"before")
    with pytest.raises(BodyError):
        next(parts)
