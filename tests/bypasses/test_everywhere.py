"""The same attack at every place where a call reaches an app, and on every way back."""

from __future__ import annotations

import json

import pytest

from callgate.model import Mode
from tests.bypasses.answers import QUOTING, WAYS
from tests.bypasses.places import PLACES, Call, heard
from tests.deciding import bench, secret

NEEDLE = "needle-7f3a"
HARMLESS: Call = ("call_1", "look", '{"x":1}')


def wiping(name: str = "wipe", id: str = "call_1") -> Call:
    return id, name, json.dumps({"x": NEEDLE})


def looking(arguments: str) -> Call:
    return "call_1", "look", arguments


DENIED: dict[str, Call] = {
    "plain": wiping(),
    "capitals": wiping("WIPE"),
    "blank": wiping(" wipe"),
    "wide": wiping("\uff57ipe"),
    "cyrillic": wiping("w\u0456pe"),
    "joined": wiping("wi\u200bpe"),
    "empty id": wiping(id=""),
    "key twice": looking(f'{{"x":"{NEEDLE}","x":1}}'),
    "no number": looking(f'{{"x":NaN,"y":"{NEEDLE}"}}'),
    "cut off": looking(f'{{"x":"{NEEDLE}'),
    "two texts": looking(f'{{"x":1}}{{"x":"{NEEDLE}"}}'),
    "deep": looking(f'{{"a":{"[" * 300}"{NEEDLE}"{"]" * 300}}}'),
    "encoded": (
        "call_1",
        "run_shell",
        f'{{"command": "echo cm0gLXJmIC8=|base64 -d|sh #{NEEDLE}"}}',
    ),
    "gate": ("call_1", "run_shell", f'{{"command": "callgate approvals approve {NEEDLE}"}}'),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("technique", DENIED)
async def test_call_is_denied_and_can_be_withheld_at_every_place(
    technique: str, place: str
) -> None:
    made = bench()
    got = await PLACES[place](made, [DENIED[technique]])
    if b"not_inspectable" not in got:
        assert {record["decision"] for record in await made.records("call")} == {"DENY"}
        assert NEEDLE in heard(got)

    withheld = await PLACES[place](bench(mode=Mode.WITHHOLD), [DENIED[technique]])

    assert NEEDLE not in heard(withheld)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "calls", [[HARMLESS, wiping()], [wiping(), HARMLESS]], ids=["last", "first"]
)
async def test_second_call_under_the_id_of_an_allowed_one_is_withheld(
    calls: list[Call], place: str
) -> None:
    assert NEEDLE not in heard(await PLACES[place](bench(mode=Mode.WITHHOLD), calls))


@pytest.mark.parametrize("place", PLACES)
async def test_call_that_changes_after_its_verdict_is_judged_anew(place: str) -> None:
    made = bench(mode=Mode.WITHHOLD)
    await PLACES[place](made, [HARMLESS])

    assert NEEDLE not in heard(await PLACES[place](made, [wiping()]))
    assert "DENY" in {record["decision"] for record in await made.records("call")}


@pytest.mark.parametrize("place", PLACES)
async def test_secret_is_redacted_at_every_place(place: str) -> None:
    call = ("call_1", "send", json.dumps({"text": f"use {secret()} now"}))

    got = heard(await PLACES[place](bench(), [call]))

    assert secret() not in got
    assert "REDACTED" in got


@pytest.mark.parametrize("place", PLACES)
async def test_sibling_of_a_denied_call_is_all_that_is_left(place: str) -> None:
    sibling = ("call_2", "look", '{"y":"sibling"}')
    got = heard(await PLACES[place](bench(mode=Mode.WITHHOLD), [wiping(), sibling]))

    assert NEEDLE not in got
    assert ("sibling" in got) is not place.startswith("unknown")


# -- the way back ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.WITHHOLD])
@pytest.mark.parametrize("way", WAYS)
async def test_result_of_a_denied_call_is_refused_on_every_way(way: str, mode: Mode) -> None:
    show, send = WAYS[way]
    made = bench(mode=mode)
    if show:
        await show(made, [wiping()])

    assert await send(made, wiping()) == "tool_call_denied"


@pytest.mark.parametrize("way", WAYS)
async def test_result_of_an_allowed_call_passes_on_every_way(way: str) -> None:
    show, send = WAYS[way]
    made = bench()
    if show:
        await show(made, [HARMLESS])

    assert await send(made, HARMLESS) == ""


@pytest.mark.parametrize("way", WAYS)
async def test_result_of_a_call_that_waits_for_a_person_is_refused_on_every_way(way: str) -> None:
    show, send = WAYS[way]
    made = bench()
    if show:
        await show(made, [wiping("pay")])

    assert await send(made, wiping("pay")) == "tool_call_pending_approval"


@pytest.mark.parametrize("told", ["assistants-run", "chat-body", "responses-body"])
@pytest.mark.parametrize("way", QUOTING)
async def test_result_sent_on_another_surface_is_judged_by_the_call_it_quotes(
    way: str, told: str
) -> None:
    made = bench()
    await PLACES[told](made, [wiping()])

    assert await QUOTING[way](made, wiping()) == "tool_call_denied"
    assert await QUOTING[way](made, wiping(id="call_9")) == "tool_call_denied"


@pytest.mark.parametrize("way", WAYS)
async def test_result_of_a_call_that_nobody_was_told_does_not_pass_unjudged(way: str) -> None:
    assert await WAYS[way][1](bench(), wiping()) in ("tool_call_denied", "tool_call_unknown")
