"""What Callgate writes onto traffic, read back with an RFC 9651 parser."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import cast

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.annotation import PREFIX, calls_field, headers, notice, strictest
from callgate.exchange import Headers
from callgate.model import Decision, Effect, Mode
from tests.samples import decided, pending, tool_call

PRINTABLE = set(string.printable) - set("\t\n\r\x0b\x0c")
TRACE = "0b5a8f9e-3a55-4ef6-9f39-64a1e0c0c9c1"

type Members = list[tuple[str, dict[str, object]]]


def decision(id: str = "call_1", effect: Effect = Effect.DENY, *reasons: str) -> Decision:
    return replace(
        decided(effect, tool_call(id)), reasons=reasons or ("SECRET_DETECTED",), trace=TRACE
    )


def waiting(id: str = "call_1") -> Decision:
    return replace(pending(tool_call(id)), trace=TRACE)


def read(value: str) -> Members:
    """The members of a list; display strings become text."""
    found = http_sf.parse(value.encode("ascii"), tltype="list")
    return [
        (str(item), {key: str(v) if not isinstance(v, int) else v for key, v in params.items()})
        for item, params in cast("list[tuple[object, dict[str, object]]]", found)
    ]


def size(written: Headers) -> int:
    return sum(len(f"{name}: {value}\r\n") for name, value in written)


# -- notices --------------------------------------------------------------------------------


def test_notice_of_a_denied_call_names_reasons_and_trace() -> None:
    denied = decision("call_1", Effect.DENY, "POLICY_DENIED", "SECRET_DETECTED")

    assert notice(denied) == (
        f"Tool call blocked by Callgate: POLICY_DENIED, SECRET_DETECTED (trace {TRACE})"
    )


def test_notice_of_a_pending_call_names_where_to_approve() -> None:
    assert notice(waiting()) == (
        f"Tool call awaits approval at http://127.0.0.1:8081/approvals (trace {TRACE})"
    )


def test_notice_does_not_depend_on_what_was_forgotten() -> None:
    one = decision()
    remembered = replace(one, call=replace(one.call, arguments=""), verdicts=())

    assert notice(remembered) == notice(one)


def test_notice_of_a_call_that_would_need_an_approval_but_has_none_says_blocked() -> None:
    assert notice(replace(waiting(), approval=None)).startswith("Tool call blocked by Callgate")


# -- headers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effects", "found"),
    [
        ([Effect.ALLOW], Effect.ALLOW),
        ([Effect.ALLOW, Effect.SANITIZE], Effect.SANITIZE),
        ([Effect.REQUIRE_APPROVAL, Effect.SANITIZE], Effect.REQUIRE_APPROVAL),
        ([Effect.ALLOW, Effect.DENY, Effect.REQUIRE_APPROVAL], Effect.DENY),
    ],
)
def test_strictest_effect_counts(effects: list[Effect], found: Effect) -> None:
    decisions = [decision(effect=effect) for effect in effects]

    assert strictest(decisions) is found
    assert dict(headers(decisions, Mode.ENFORCE))["Callgate-Decision"] == found.lower()


def test_strictest_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        strictest([])


def test_a_body_without_calls_gets_the_mode_alone() -> None:
    assert headers((), Mode.OBSERVE) == (("Callgate-Mode", "observe"),)


def test_every_header_begins_with_the_prefix_that_is_stripped_from_traffic() -> None:
    written = headers([decision()], Mode.WITHHOLD)

    assert [name for name, _ in written] == ["Callgate-Mode", "Callgate-Decision", "Callgate-Calls"]
    assert all(name.lower().startswith(PREFIX) for name, _ in written)


def test_the_field_is_written_as_documented() -> None:
    allowed = replace(decision("call_b", Effect.ALLOW), reasons=())

    assert calls_field([decision("call_a"), allowed]) == (
        f'"call_a";decision=deny;reason="SECRET_DETECTED";trace="{TRACE}", '
        f'"call_b";decision=allow;trace="{TRACE}"'
    )


def test_a_pending_call_carries_id_and_url_of_its_approval() -> None:
    call = waiting()
    assert call.approval is not None

    [(id, parameters)] = read(calls_field([call]))

    assert id == "call_1"
    assert parameters["decision"] == "require_approval"
    assert parameters["approval"] == call.approval.id
    assert parameters["approval-url"] == call.approval.url


def test_an_approved_call_carries_no_approval_any_more() -> None:
    approved = replace(waiting(), effect=Effect.ALLOW)

    [(_, parameters)] = read(calls_field([approved]))

    assert "approval" not in parameters


@pytest.mark.parametrize(
    "id",
    [
        "",
        "call_1",
        'a"b\\c',
        "a, b;c=d",
        "...",
        "call\r\nSet-Cookie: x=y",
        "tab\tnul\x00del\x7f",
        "80%22",
        "prüfung-検査-\U0001f600",
        "\u2028\u202e",
        "x" * 400,
        "é" * 400,
    ],
    ids=repr,
)
def test_odd_ids_come_back_as_they_were(id: str) -> None:
    [(found, parameters)] = read(calls_field([decision(id)]))

    assert found == id
    assert parameters["trace"] == TRACE


def test_a_lone_surrogate_is_written_as_a_question_mark() -> None:
    assert read(calls_field([decision("a\ud800b")]))[0][0] == "a?b"


def test_reasons_of_other_scanners_may_be_any_text() -> None:
    denied = decision("call_1", Effect.DENY, "POLICY_DENIED", 'grün "x"\r\n')

    assert read(calls_field([denied]))[0][1]["reason"] == 'POLICY_DENIED,grün "x"\r\n'


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


@given(st.lists(st.tuples(ANY_TEXT, st.sampled_from(Effect), ANY_TEXT, ANY_TEXT), max_size=30))
def test_headers_are_printable_ascii_below_4_kib_whatever_calls_hold(
    calls: list[tuple[str, Effect, str, str]],
) -> None:
    decisions = [
        replace(waiting(id), effect=effect, reasons=(reason,), trace=trace)
        for id, effect, reason, trace in calls
    ]

    written = headers(decisions, Mode.ENFORCE)

    assert size(written) < 4096
    for name, value in written:
        assert set(name + value) <= PRINTABLE
    if decisions:
        read(dict(written)["Callgate-Calls"])


# -- the cap --------------------------------------------------------------------------------


def test_calls_that_fit_are_all_there_in_their_order() -> None:
    decisions = [decision(f"call_{n}", Effect.ALLOW) for n in range(30)]

    members = read(dict(headers(decisions, Mode.ENFORCE))["Callgate-Calls"])

    assert [id for id, _ in members] == [f"call_{n}" for n in range(30)]


def test_of_128_calls_the_strictest_are_kept_and_the_rest_is_counted() -> None:
    effects = {3: Effect.DENY, 77: Effect.REQUIRE_APPROVAL, 100: Effect.DENY, 127: Effect.SANITIZE}
    decisions = [decision(f"call_{n}", effects.get(n, Effect.ALLOW)) for n in range(128)]

    written = headers(decisions, Mode.ENFORCE)
    *members, (last, parameters) = read(dict(written)["Callgate-Calls"])

    shown = [int(id.removeprefix("call_")) for id, _ in members]
    assert shown == sorted(shown)
    assert set(effects) <= set(shown)
    assert last == "..."
    assert parameters == {"truncated": 128 - len(shown)}
    assert 3800 < size(written) < 4096


def test_with_128_denied_calls_as_many_as_fit_are_named() -> None:
    decisions = [decision(f"call_{n:030}") for n in range(128)]

    written = headers(decisions, Mode.ENFORCE)
    *members, (_, parameters) = read(dict(written)["Callgate-Calls"])

    assert dict(written)["Callgate-Decision"] == "deny"
    assert [id for id, _ in members] == [d.call.id for d in decisions[: len(members)]]
    assert parameters == {"truncated": 128 - len(members)}
    assert 3800 < size(written) < 4096


def test_an_id_that_does_not_fit_is_counted_and_others_are_named() -> None:
    members = read(calls_field([decision("x" * 5000), decision("call_2", Effect.ALLOW)]))

    assert [id for id, _ in members] == ["call_2", "..."]
    assert members[-1][1] == {"truncated": 1}


def test_ids_of_which_none_fits_leave_their_number() -> None:
    assert calls_field([decision("x" * 5000)] * 3) == '"...";truncated=3'


@given(st.integers(20, 600), st.lists(st.integers(0, 120), min_size=1, max_size=8))
def test_the_field_keeps_to_its_room_and_counts_right(room: int, lengths: list[int]) -> None:
    members = read(field := calls_field([decision("x" * length) for length in lengths], room))

    assert len(field) <= room
    *shown, (last, parameters) = members
    if last == "...":
        assert parameters == {"truncated": len(lengths) - len(shown)}
    else:
        assert len(members) == len(lengths)
