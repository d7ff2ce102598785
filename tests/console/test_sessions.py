from __future__ import annotations

from callgate.console.sessions import LIFETIME, Sessions
from tests.fakes import FakeClock


def test_cookie_finds_its_session_until_it_ends(clock: FakeClock) -> None:
    sessions = Sessions(clock)
    cookie = sessions.begin("kim")

    found = sessions.find(cookie)
    assert found is not None
    assert found.operator == "kim"
    assert sessions.find(cookie[:-1]) is None
    sessions.end(cookie)
    assert sessions.find(cookie) is None
    sessions.end(cookie)


def test_session_ends_by_itself(clock: FakeClock) -> None:
    sessions = Sessions(clock)
    cookie = sessions.begin("kim")

    clock.advance(LIFETIME.total_seconds() - 1)
    assert sessions.find(cookie)
    clock.advance(1)
    assert sessions.find(cookie) is None


def test_form_needs_the_session_s_own_token(clock: FakeClock) -> None:
    sessions = Sessions(clock)
    kim, robin = (sessions.find(sessions.begin(name)) for name in ("kim", "robin"))
    assert kim
    assert robin

    assert kim.has_csrf(kim.csrf)
    assert not kim.has_csrf(robin.csrf)
    assert not kim.has_csrf("")
    assert not kim.has_csrf("é\ud800")


def test_secrets_of_cookies_are_not_kept_and_memory_is_bounded(clock: FakeClock) -> None:
    sessions = Sessions(clock)
    first = sessions.begin("kim")
    for _ in range(1000):
        sessions.begin("kim")

    assert sessions.find(first) is None
    assert len(sessions._sessions) == 1000
    assert sessions.begin("kim") not in sessions._sessions
