from __future__ import annotations

from starlette.requests import Request

from callgate.console.parts import address_of
from tests.console.seat import made
from tests.fakes import FakeClock, MemoryStore


def test_cookies_of_two_consoles_on_one_host_do_not_meet() -> None:
    names = {
        made(MemoryStore(), FakeClock(), port=port, is_tls=is_tls).cookie
        for port in (8081, 8082)
        for is_tls in (False, True)
    }

    assert names == {
        "callgate_8081",
        "callgate_8082",
        "__Host-callgate_8081",
        "__Host-callgate_8082",
    }


def test_address_of_a_request_may_be_unknown() -> None:
    assert address_of(Request({"type": "http", "headers": []})) == ""
    assert address_of(Request({"type": "http", "headers": [], "client": ("::1", 5)})) == "::1"
