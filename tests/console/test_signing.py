from __future__ import annotations

import httpx
import pytest

from tests.console.seat import TOKEN, Seat
from tests.fakes import FakeClock


async def test_token_signs_in_and_leads_back(client: httpx.AsyncClient) -> None:
    asked = await client.get("/sign-in?next=%2Fpolicy")
    assert 'name="next" value="/policy"' in asked.text

    answer = await client.post("/sign-in", data={"token": f" {TOKEN}\n", "next": "/policy"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/policy")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("callgate_8081=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert "secure" not in cookie
    assert (await client.get("/policy")).status_code == 200
    assert (await client.get("/sign-in?next=/agents")).headers["location"] == "/agents"


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil", "javascript:x"],
)
async def test_sign_in_leads_nowhere_else(client: httpx.AsyncClient, wanted: str) -> None:
    answer = await client.post("/sign-in", data={"token": TOKEN, "next": wanted})

    assert answer.headers["location"] == "/"


async def test_wrong_token_is_refused_and_guesses_are_counted(
    client: httpx.AsyncClient, clock: FakeClock
) -> None:
    for _ in range(10):
        answer = await client.post("/sign-in", data={"token": "wrong"})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    limited = await client.post("/sign-in", data={"token": TOKEN})
    by_api = await client.get("/api/calls", headers={"authorization": f"Bearer {TOKEN}"})

    assert (limited.status_code, by_api.status_code) == (429, 429)
    assert limited.headers["retry-after"] == "6"
    clock.advance(6)
    assert (await client.post("/sign-in", data={"token": TOKEN})).status_code == 303


async def test_form_of_another_site_does_not_sign_in(client: httpx.AsyncClient) -> None:
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = await client.post("/sign-in", data={"token": TOKEN}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_signing_out_ends_the_session_not_only_the_cookie(seat: Seat) -> None:
    cookie = seat.client.cookies["callgate_8081"]

    answer = await seat.post("/sign-out")

    assert answer.headers["location"] == "/sign-in"
    seat.client.cookies.set("callgate_8081", cookie)
    assert (await seat.get("/")).status_code == 303


async def test_chosen_theme_is_kept(seat: Seat) -> None:
    assert "data-theme" not in await seat.text("/agents")

    answer = await seat.post("/theme", theme="dark", next="/agents")

    assert answer.headers["location"] == "/agents"
    assert '<html lang="en" data-theme="dark">' in await seat.text("/agents")
    await seat.post("/theme", theme='"><script>')
    assert '<html lang="en" data-theme="dark">' in await seat.text("/agents")


@pytest.mark.parametrize("path", ["/sign-out", "/theme"])
async def test_forms_without_the_session_s_token_are_refused(seat: Seat, path: str) -> None:
    for csrf in ("", "wrong"):
        answer = await seat.post(path, csrf=csrf, theme="dark")
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert "data-theme" not in await seat.text("/")
