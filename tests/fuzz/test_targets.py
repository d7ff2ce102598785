"""The promises of `tests.fuzz.targets`: for every kept case, and for some like them.

`scripts/fuzz TARGET` tries the same for as long as one likes.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import corpus
from tests.fuzz.case import Case
from tests.fuzz.gate import Gate, Left
from tests.fuzz.mutations import mutate
from tests.fuzz.sdk import Answer, seen_in, seen_in_messages, views_of
from tests.fuzz.targets import TARGETS, BrokenPromiseError

KEPT = {target: corpus.kept(target) for target in TARGETS}
CASES = [(target, name) for target, cases in KEPT.items() for name in cases]
EXAMPLES = 24


@pytest.mark.parametrize(("target", "name"), CASES)
def test_kept_case_breaks_no_promise(target: str, name: str) -> None:
    TARGETS[target](KEPT[target][name])


@pytest.mark.parametrize("target", TARGETS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32 - 1))
def test_case_like_a_kept_one_breaks_no_promise(target: str, seed: int) -> None:
    dice, cases = random.Random(seed), list(KEPT[target].values())

    TARGETS[target](mutate(dice.choice(cases), dice, cases))


# -- the targets themselves -----------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_gate_that_lets_everything_through_is_found_out(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("answer", "request", "talk"):
        monkeypatch.setattr(Gate, name, globals()[f"open_{name}"])
    broken = []
    for name, raw in KEPT[target].items():
        try:
            TARGETS[target](raw)
        except BrokenPromiseError:
            broken.append(name)

    assert len(broken) >= len(KEPT[target]) / 2


async def open_answer(gate: Gate, case: Case) -> Left:
    return Left(case.status, case.sent_headers, case.chunks)


async def open_request(gate: Gate, case: Case) -> Left:
    return Left(to_api=[case.body])


async def open_talk(gate: Gate, case: Case) -> Left:
    told: dict[bool, list[bytes]] = {True: [], False: []}
    for is_apis, message in case.messages:
        told[is_apis].append(message)
    denied = [{"call_b", "call_2"}] * len(told[False])
    return Left(chunks=told[True], to_api=told[False], denied_by_then=denied)


@pytest.mark.parametrize(("target", "name"), CASES)
def test_kept_case_is_one_that_the_sdk_reads(target: str, name: str) -> None:
    case = Case.read(KEPT[target][name])
    assert case is not None
    assert case.written() == KEPT[target][name]
    if target == "sockets":
        assert case.messages
    elif target != "results":
        assert views_of(case.method, case.target)


def whole(**changes: Any) -> Answer:
    body = b'{"id":"c","choices":[{"message":{"tool_calls":[' + (
        b'{"id":"call_1","type":"function","function":{"name":"look","arguments":"{}"}}]}}]}'
    )
    headers = {"content-type": "application/json"}
    return Answer("POST", "/v1/chat/completions", 200, headers, [body])._replace(**changes)


def test_oracle_reads_what_the_sdk_reads_whatever_it_is_called() -> None:
    raw = b"".join(whole().chunks).decode()
    by_encoding = [whole(chunks=[raw.encode(name)]) for name in ("utf-8", "utf-16", "utf-32-le")]
    by_type = [whole(headers={"content-type": name}) for name in ("text/plain", "x/event-stream")]
    for answer in (*by_encoding, *by_type, whole(status=205)):
        assert [(seen.id, seen.name, seen.arguments) for seen in seen_in(answer)] == [
            ("call_1", "look", "{}")
        ]
    assert seen_in(whole(status=400)) == []
    assert seen_in(whole(chunks=[b"{"])) == []


def test_oracle_reads_messages_in_any_encoding() -> None:
    item = '{"type":"function_call","id":"i","call_id":"call_1","name":"look","arguments":"{}"}'
    message = f'{{"type":"response.output_item.done","item":{item}}}'
    for encoding in ("utf-8", "utf-16"):
        [seen] = seen_in_messages("/v1/realtime?model=m", [b"{", message.encode(encoding)])
        assert seen == ("call_1", "look", "{}")
