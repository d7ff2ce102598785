"""Ports that workers listen on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from callgate.errors import SettingsError
from callgate.workers.ports import Port


@pytest.fixture
def port() -> Iterator[Port]:
    with closing(Port("127.0.0.1:0")) as made:
        yield made


def listening(address: str) -> socket.socket:
    """What a worker does: asyncio's `reuse_port`."""
    host, _, number = address.rpartition(":")
    made = socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((host.strip("[]"), int(number)))
    made.listen()
    return made


def test_port_is_picked_and_nobody_listens_yet(port: Port) -> None:
    host, _, number = port.address.rpartition(":")

    assert host == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(number)))


def test_workers_listen_beside_one_another(port: Port) -> None:
    with closing(listening(port.address)) as one, closing(listening(port.address)) as other:
        client = socket.create_connection(one.getsockname())
        client.close()
        assert one.getsockname() == other.getsockname()


@pytest.mark.parametrize("is_listened_on", [False, True])
def test_port_of_another_gate_is_not_shared(port: Port, is_listened_on: bool) -> None:
    worker = listening(port.address) if is_listened_on else None

    with pytest.raises(SettingsError, match=r"can not listen on 127.0.0.1:\d+: Address already"):
        Port(port.address)

    if worker:
        worker.close()


def test_port_is_free_again_after_close(port: Port) -> None:
    port.close()
    port.close()

    Port(port.address).close()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 in this Python")
def test_ipv6_address_keeps_its_brackets() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with closing(Port("[::1]:0")) as port:
        assert port.address.startswith("[::1]:")
        listening(port.address).close()


def test_every_address_of_a_name_has_the_same_port() -> None:
    with closing(Port("localhost:0")) as port:
        assert port.address.startswith("localhost:")
        with closing(listening(port.address.replace("localhost", "127.0.0.1"))):
            pass


def test_address_of_nobody_is_said() -> None:
    with pytest.raises(SettingsError, match=r"can not listen on 192.0.2.1:0"):
        Port("192.0.2.1:0")


def test_name_of_nobody_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SettingsError, match=r"nobody.invalid:0: Name or service not known;"):
        Port("nobody.invalid:0")
