"""Requests as plain values: origins, callers and paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.exchange import ApiError, Headers, Request, Response, header, is_ambiguous, segments

RUN = ("v1", "threads", "t", "runs", "r")


def request(
    target: str = "/v1/threads",
    host: str = "api.openai.com",
    headers: Headers = (),
    agent: str = "",
) -> Request:
    return Request("GET", "https", host, 443, target, headers, agent=agent)


# -- paths ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/v1/threads/t/runs/r",
        "/v1/threads/t/runs/r/",
        "//v1//threads/t///runs/r//",
        "/v1/threads/t/runs/r?api-version=2024-05-01-preview",
        "/v1/threads/t/runs/r?next=/v1/models",
        "/v1/threads/t/runs/r#part",
        "/v1/threads/t/runs/r?a#b",
        "/v1/./threads/t/runs/./r/.",
        "/v1/models/../threads/t/runs/r",
        "/../../v1/threads/t/runs/r",
        "/v1/threads/t/runs/x/../r",
        "/v1/threads/t/runs/r/steps/..",
        "/v1/models/%2e%2e/threads/t/runs/r",
        "/v1/models%2f..%2Fthreads/t/runs/r",
        "/v1/%74hreads/%74/run%73/r",
        "/v1%2Fthreads%2Ft%2Fruns%2Fr",
        "/v1\\threads\\t/runs/r",
        "/v1%5Cthreads/t/runs/r",
        "/v1;a=b/threads;x/t;v=1.2/runs;/r;jsessionid=1",
        "/v1/;x/threads/t/runs/r",
        "/v1/models/..;/threads/t/runs/r",
        "v1/threads/t/runs/r",
    ],
)
def test_every_spelling_of_a_path_is_read_as_the_most_lenient_server_would(target: str) -> None:
    assert segments(target) == RUN


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("", ()),
        ("/", ()),
        ("*", ("*",)),
        ("?x", ()),
        ("/..", ()),
        ("/V1/Threads", ("V1", "Threads")),
        ("/a%20b/%C3%A9", ("a b", "é")),
        ("/a%252Fb", ("a%2Fb",)),
        ("/a%zz/%", ("a%zz", "%")),
        ("/%ff", ("\ufffd",)),
        ("/a%3Fb%23c", ("a?b#c",)),
        ("/...", ("...",)),
    ],
)
def test_other_paths_keep_their_segments(target: str, found: tuple[str, ...]) -> None:
    assert segments(target) == found


@given(st.text(st.characters(exclude_categories=())))
def test_segments_take_any_text(target: str) -> None:
    assert not {"", ".", ".."} & set(segments(target))


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/a", ""),
        ("/a?", ""),
        ("/a?b=c&d", "b=c&d"),
        ("/a?b?c", "b?c"),
        ("/a?b#c?d", "b"),
        ("[::1?x=[", "x=["),
        ("/a?%0d%0a=\u00e9", "%0d%0a=\u00e9"),
    ],
)
def test_query_is_as_sent(target: str, query: str) -> None:
    assert request(target).query == query


# -- origin, url ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["api.openai.com", "API.OpenAI.com", "api.openai.com."])
def test_one_host_has_one_origin(host: str) -> None:
    assert request(host=host).origin == "api.openai.com:443"


def test_url_puts_ipv6_addresses_into_brackets() -> None:
    assert request("/v1?x", host="::1").url == "https://[::1]:443/v1?x"
    assert request("/v1").url == "https://api.openai.com:443/v1"


def test_another_request_keeps_origin_headers_and_agent() -> None:
    first = request("/v1/a?b", headers=(("authorization", "Bearer k"),), agent="kim")
    other = first.with_target("POST", "/v1/c", b"{}")

    assert (other.method, other.target, other.body) == ("POST", "/v1/c", b"{}")
    assert (other.origin, other.headers, other.agent) == (first.origin, first.headers, "kim")


# -- headers --------------------------------------------------------------------------------


def test_values_of_one_header_are_joined_in_order() -> None:
    headers = (("X-A", "1"), ("x-b", "2"), ("x-a", "3"))

    assert header(headers, "X-a") == "1, 3"
    assert header(headers, "x-c") == ""
    assert request(headers=headers).header("x-B") == "2"
    assert Response(200, headers).header("X-B") == "2"


# -- caller ---------------------------------------------------------------------------------


def test_caller_is_the_proxy_user_else_the_assistant_else_the_key() -> None:
    key = (("Authorization", "Bearer sk-" + "x" * 20),)

    assert request(headers=key, agent="kim").caller("asst_1") == "kim"
    assert request(headers=key).caller("asst_1") == "asst_1"
    assert request(headers=key).caller().startswith("key:")
    assert request().caller() == "anonymous"


def test_caller_tells_keys_apart_and_shows_none() -> None:
    secret = "sk-" + "x" * 20
    callers = {
        request(headers=((name, value),)).caller()
        for name in ("authorization", "api-key")
        for value in (secret, secret + "y", "\udcff" + secret)
    }

    assert len(callers) == 3
    assert not any(secret[-8:] in caller for caller in callers)


# -- errors ---------------------------------------------------------------------------------


def test_api_error_has_the_form_that_sdks_raise() -> None:
    error = ApiError("denied", "tool_call_denied", param="tool_outputs[0].output", extra={"a": "b"})

    assert error.status == 403
    assert error.as_json() == {
        "error": {
            "message": "denied",
            "type": "permission_error",
            "param": "tool_outputs[0].output",
            "code": "tool_call_denied",
            "a": "b",
        }
    }


@pytest.mark.parametrize(
    "target",
    ["/v1/threads/t/runs/r", "//v1//threads/t/", "/V1/%74hreads", "/a/b%5Fc?x=%2F..", "/", "/é"],
)
def test_path_with_one_meaning(target: str) -> None:
    assert not is_ambiguous(target)


@pytest.mark.parametrize(
    "target",
    [
        "/a/../b",
        "/a/./b",
        "/a/%2e%2e/b",
        "/a%2Fb",
        "/a;x/b",
        "/a%5Cb",
        "/a%3Fb",
        "/a%2523",
        "/a%00",
    ],
)
def test_path_that_servers_may_read_differently(target: str) -> None:
    assert is_ambiguous(target)
