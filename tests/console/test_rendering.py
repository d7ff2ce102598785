from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest

from callgate.errors import StoreError
from callgate.model import Effect
from tests.console.seat import Seat, judged
from tests.fakes import MemoryStore
from tests.samples import decided, pending, tool_call

EVIL = "<script>alert('x')</script>"


async def test_link_from_elsewhere_is_followed_with_the_cookie_that_strict_left_out(
    seat: Seat,
) -> None:
    seat.client.cookies.clear()

    answer = await seat.get("/approvals/apr_1?x=1", **{"sec-fetch-site": "cross-site"})

    assert answer.status_code == 200
    assert 'http-equiv="refresh"' in answer.text
    assert 'href="/approvals/apr_1?x=1"' in answer.text


async def test_store_that_does_not_answer_is_said(seat: Seat, store: MemoryStore) -> None:
    store.failure = StoreError("the disk is full")

    for path in ("/", "/approvals", "/coverage", "/agents", "/policy", "/calls/t"):
        text = await seat.text(path, 503)
        assert "the disk is full" in text
        assert "Calls are denied" in text


async def test_markup_of_a_model_stays_text_on_every_page(seat: Seat, store: MemoryStore) -> None:
    call = tool_call(
        id=EVIL, scope=f"{EVIL}/{EVIL}", name=EVIL, arguments=json.dumps({EVIL: [EVIL]})
    )
    await judged(store, pending(call))
    [item] = await store.approvals()
    trace = item.decision.trace

    for path in ("/", f"/calls/{trace}", "/approvals", f"/approvals/{item.approval.id}", "/agents"):
        text = await seat.text(path)
        assert "alert(" in text, path
        assert "<script>alert" not in text, path


async def test_what_would_deceive_an_eye_is_escaped(seat: Seat, store: MemoryStore) -> None:
    call = tool_call(name="pay\u202eyap\x1b[2J\ud800", arguments='{"to":"a\u2066b\ud800"}')
    await judged(store, pending(call), decided(Effect.DENY, tool_call("call_2", name="\u200b")))
    odd = replace(tool_call("call_3"), agent="ki\u202em\ud800", assistant="\u202e")
    await judged(store, pending(odd))
    item = (await store.approvals())[0]

    for path in ("/", f"/calls/{item.decision.trace}", "/approvals", "/agents"):
        text = await seat.text(path)
        assert not {"\u202e", "\u2066", "\x1b", "\u200b"} & set(text), path
        assert "\\u202e" in text


async def test_pages_have_no_script_and_no_style_of_their_own(
    seat: Seat, store: MemoryStore
) -> None:
    await judged(store, pending())
    for path in ("/", "/approvals", "/policy", "/coverage", "/agents"):
        text = await seat.text(path)
        assert " style=" not in text
        assert "<style" not in text
        assert " on" + "click" not in text
        assert text.count("<script") == text.count('<script src="/static/live.js')


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({}, {"csrf": ""}),
        ({}, {"csrf": "wrong"}),
        ({"origin": "http://evil.example"}, {}),
        ({"origin": "null"}, {}),
        ({"origin": "http://127.0.0.1:9999"}, {}),
        ({"sec-fetch-site": "same-site"}, {}),
        ({"sec-fetch-site": "cross-site"}, {}),
    ],
)
async def test_forged_form_is_refused(
    seat: Seat, store: MemoryStore, headers: dict[str, str], fields: dict[str, str]
) -> None:
    await judged(store, pending())
    [item] = await store.approvals()

    answer = await seat.post(
        f"/approvals/{item.approval.id}", headers=headers, answer="approve", **fields
    )

    assert answer.status_code == 403
    [item] = await store.approvals()
    assert item.approval.state == "pending"


async def test_form_of_this_site_is_taken(seat: Seat) -> None:
    headers = {"origin": "http://127.0.0.1:8081", "sec-fetch-site": "same-origin"}
    assert (await seat.post("/theme", headers=headers, theme="dark")).status_code == 303


@pytest.mark.parametrize(
    "body", [b"x=" + b"y" * (1 << 20), b"csrf=\xff\xfe", b"&".join([b"a=1"] * 60)]
)
async def test_broken_or_huge_forms_are_refused(seat: Seat, body: bytes) -> None:
    answer = await seat.client.post("/theme", content=body)

    assert answer.status_code == 403


async def test_stranger_is_asked_to_sign_in_and_decides_nothing(
    client: httpx.AsyncClient,
) -> None:
    asked = await client.get("/policy?x=1")
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        "/sign-in?next=%2Fpolicy%3Fx%3D1",
    )

    refused = await client.post("/approvals/apr_1", data={"answer": "approve"})
    assert refused.status_code == 403
    assert "not signed in" in refused.text
