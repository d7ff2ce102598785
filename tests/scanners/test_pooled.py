"""Connections under the SDK: reused, bounded, nobody's proxy, failures by their kind."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
import trustme

from callgate.errors import ScannerError
from callgate.scanners.pooled import MAX_REQUEST_BYTES, Pooled
from callgate.scanners.reading import MAX_ANSWER_BYTES, TooLargeError
from tests.standins.gateway import Reply, StandIn


@pytest.fixture
def gateway() -> Iterator[StandIn]:
    with StandIn(lambda _: Reply(body={"decision": "ALLOW"})) as running:
        yield running


@pytest.fixture
def pooled() -> Iterator[Pooled]:
    made = Pooled(4, 60, certifi.where())
    yield made
    made.close()


@pytest.fixture
def hasty() -> Iterator[Pooled]:
    made = Pooled(4, 0.5, certifi.where())
    yield made
    made.close()


def kind(pooled: Pooled, url: str) -> str:
    with pytest.raises(ScannerError) as failed:
        pooled.post(url, json={"x": 1}, headers={})
    return failed.value.kind


def test_answer_is_what_the_sdk_looks_at(gateway: StandIn, pooled: Pooled) -> None:
    answer = pooled.post(f"{gateway.url}/v1/scan", json={"x": "é"}, headers={"A": "b"}, timeout=9)

    assert (answer.status_code, answer.json()) == (200, {"decision": "ALLOW"})
    assert answer.text == '{"decision": "ALLOW"}'
    (asked,) = gateway.asked
    assert (asked.method, asked.body, asked.headers["a"]) == ("POST", {"x": "é"}, "b")


def test_connection_is_kept(gateway: StandIn, pooled: Pooled) -> None:
    for _ in range(5):
        pooled.get(gateway.url, headers={})

    assert gateway.connections == 1


def test_connection_that_was_closed_meanwhile_is_made_again(pooled: Pooled) -> None:
    with StandIn(lambda _: Reply()) as first:
        pooled.get(first.url, headers={})
        port = first.port
    with StandIn(lambda _: Reply(), port=port) as second:
        assert pooled.get(second.url, headers={}).status_code == 200


def test_neither_proxy_nor_netrc_nor_cookies_are_used(
    gateway: StandIn, pooled: Pooled, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login kim password pass")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    gateway.script = lambda _: Reply(headers={"Set-Cookie": "a=b"})

    for _ in range(2):
        pooled.get(gateway.url, headers={"Authorization": "Bearer key"})

    assert {asked.headers["authorization"] for asked in gateway.asked} == {"Bearer key"}
    assert not any("cookie" in asked.headers for asked in gateway.asked)


def test_only_the_given_authorities_are_trusted(pooled: Pooled, tmp_path: Path) -> None:
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    knowing = Pooled(1, 60, str(tmp_path / "ca.pem"))
    with StandIn(lambda _: Reply(), tls=context) as gateway:
        assert knowing.get(gateway.url, headers={}).status_code == 200
        assert kind(pooled, gateway.url) == "SCANNER_UNREACHABLE"
        assert len(gateway.asked) == 1
    knowing.close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "SCANNER_KEY_REFUSED"),
        (402, "SCANNER_FAILED"),
        (429, "SCANNER_RATE_LIMITED"),
        (500, "SCANNER_FAILED"),
        (304, "SCANNER_FAILED"),
    ],
)
def test_status_is_told_by_its_kind(
    gateway: StandIn, pooled: Pooled, status: int, expected: str
) -> None:
    gateway.script = lambda _: Reply(status, headers={"Retry-After": "9"})

    with pytest.raises(ScannerError) as failed:
        pooled.post(gateway.url, json={}, headers={})
    assert (failed.value.kind, failed.value.retry_after_seconds) == (expected, 9)


def test_redirect_is_not_followed(gateway: StandIn, pooled: Pooled) -> None:
    gateway.script = lambda _: Reply(307, headers={"Location": f"{gateway.url}/elsewhere"})

    assert kind(pooled, gateway.url) == "SCANNER_FAILED"
    assert gateway.to("/elsewhere") == []


def test_silence_is_a_timeout(gateway: StandIn, hasty: Pooled) -> None:
    gateway.is_silent = True

    assert kind(hasty, gateway.url) == "SCANNER_TIMEOUT"
    while not gateway.asked:  # the gateway may be slower to read than the client is to give up
        time.sleep(0.01)
    assert len(gateway.asked) == 1


def test_nobody_there_is_unreachable(pooled: Pooled) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # held, and not listened on
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert kind(pooled, nobody) == "SCANNER_UNREACHABLE"


def test_answer_that_breaks_off_is_unreachable(gateway: StandIn, pooled: Pooled) -> None:
    gateway.script = lambda _: Reply(body=b"x" * 1000, breaks_off=True)

    assert kind(pooled, gateway.url) == "SCANNER_UNREACHABLE"


def test_answer_in_drops_does_not_go_on_for_ever(hasty: Pooled) -> None:
    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                # each piece comes in time, all of them together do not
                connection.sendall(b"1\r\nx\r\n")
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip, args=(listening,))
        dripping.start()
        assert kind(hasty, f"http://127.0.0.1:{listening.getsockname()[1]}") == "SCANNER_TIMEOUT"
        dripping.join()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"a":1,"a":2}'])
def test_answer_that_is_no_object_is_unreadable(
    gateway: StandIn, pooled: Pooled, body: bytes
) -> None:
    gateway.script = lambda _: Reply(body=body)

    with pytest.raises(ScannerError) as failed:
        pooled.get(gateway.url, headers={}).json()
    assert failed.value.kind == "SCANNER_ANSWER_UNREADABLE"


def test_answer_that_is_too_large_is_unreadable(gateway: StandIn, pooled: Pooled) -> None:
    gateway.script = lambda _: Reply(body=b"x" * (MAX_ANSWER_BYTES + 1))

    assert kind(pooled, gateway.url) == "SCANNER_ANSWER_UNREADABLE"


def test_question_that_is_too_large_is_not_sent(gateway: StandIn, pooled: Pooled) -> None:
    fits = "x" * (MAX_REQUEST_BYTES - len('{"x": ""}'))
    pooled.post(gateway.url, json={"x": fits}, headers={})

    with pytest.raises(TooLargeError):
        pooled.post(gateway.url, json={"x": fits + "x"}, headers={})
    assert len(gateway.asked) == 1


def test_gateway_may_find_it_too_large_too(gateway: StandIn, pooled: Pooled) -> None:
    gateway.script = lambda _: Reply(413)

    with pytest.raises(TooLargeError):
        pooled.post(gateway.url, json={}, headers={})
