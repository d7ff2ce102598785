"""Connections beyond the number that may be, and the descriptors that they take."""

from __future__ import annotations

import errno
import json
import logging
import resource
from typing import Any, cast

import pytest
from mitmproxy import connection
from mitmproxy.proxy.server import ConnectionHandler

from callgate.crowd import Crowd, Shortage, most_connections, raise_limit


class Writer:
    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data


class Handler:
    """As much of mitmproxy's as is looked at."""

    def __init__(self, client: connection.Client) -> None:
        self.writer = Writer()
        self.transports = {client: self}


def connected(made: Crowd, handlers: dict[Any, ConnectionHandler]) -> tuple[str | None, bytes]:
    client = connection.Client(
        peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0
    )
    handler = Handler(client)
    handlers[client.id] = cast(ConnectionHandler, handler)
    made.client_connected(client)
    if client.error:
        del handlers[client.id]
    return client.error, handler.writer.sent


def test_connection_too_many_is_told_so_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    handlers: dict[Any, ConnectionHandler] = {}
    made = Crowd(handlers, 2)
    assert [connected(made, handlers) for _ in range(2)] == [(None, b"")] * 2
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            error, sent = connected(made, handlers)
            assert error == "too many connections"
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body)["error"]["code"] == "callgate_unavailable"
    assert len(caplog.records) == 1  # said once, not for each

    handlers.popitem()
    assert connected(made, handlers) == (None, b"")


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ((256, 1024), [(1024, 1024)]),
        ((256, resource.RLIM_INFINITY), [(1 << 20, resource.RLIM_INFINITY)]),
        ((1024, 1024), []),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), []),
    ],
)
def test_limit_of_descriptors_is_raised_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], wanted: list[tuple[int, int]]
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda kind, pair: given.append(pair))
    raise_limit()
    assert given == wanted


def test_system_that_allows_less_than_it_says_is_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(kind: int, pair: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 1024))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_limit()
    assert "only 256" in caplog.text


def test_shortage_is_said_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    shortage = Shortage(lambda: now[0])
    no_files = OSError(errno.EMFILE, "Too many open files")
    assert all(shortage.is_told(no_files) for _ in range(5))
    assert len(caplog.records) == 1
    now[0] += 11
    assert shortage.is_told(MemoryError())
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == [
        "Too many open files",
        "no memory",
    ]


@pytest.mark.parametrize("error", [None, ValueError("x"), OSError(errno.ECONNRESET, "reset")])
def test_other_errors_are_no_shortage(error: object) -> None:
    assert not Shortage().is_told(error)


@pytest.mark.parametrize(
    ("soft", "most"),
    [(1024, 462), (20, 1), (1 << 20, 5000), (resource.RLIM_INFINITY, 5000)],
)
def test_no_more_connections_than_there_are_descriptors_for(
    monkeypatch: pytest.MonkeyPatch, soft: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft, soft))
    assert most_connections(5000) == most
