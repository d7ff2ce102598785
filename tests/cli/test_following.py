"""A command under the gate, and what is said of its traffic."""

from __future__ import annotations

import os
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from callgate.cli import following, sockets
from callgate.cli.finding import State
from callgate.settings import Settings
from tests.e2e.origin import Origin, Reply

pytestmark = pytest.mark.e2e

ASK = """\
import ssl, sys, urllib.request as r
url, cafile, mode = sys.argv[1:]
handlers = [r.ProxyHandler({})] if mode == "around" else []
trust = ssl.create_default_context(cafile=cafile or None)
print(r.build_opener(r.HTTPSHandler(context=trust), *handlers).open(url, timeout=60).read())
"""


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """A gate tightens the process's umask: put it back for the other tests."""
    old = os.umask(0o022)
    yield
    os.umask(old)


class Stage:
    def __init__(self, origin: Origin, home: Path, ca: Path) -> None:
        self.origin = origin
        self.ca = str(ca)
        self._home = home

    async def states(self, *command: str, gates: bool = True) -> dict[str, tuple[State, str]]:
        settings = Settings(
            home=self._home,
            listen="127.0.0.1:0",
            console="off",
            gate_host=(self.origin.host if gates else "127.0.0.1:1",),
            upstream_ca=Path(self.ca),
        )
        lines = await following.lines(settings, None, command)
        assert all(line.fix for line in lines if line.state is not State.OK)
        return {line.check: (line.state, line.text) for line in lines}

    async def asking(self, cafile: str, mode: str = "", *, gates: bool = True) -> tuple[State, str]:
        url = f"https://{self.origin.host}/v1/models"
        found = await self.states(sys.executable, "-c", ASK, url, cafile, mode, gates=gates)
        return found["traffic"]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Origin(context) as origin:
        origin.answer = lambda _: Reply(b"{}")
        yield Stage(origin, tmp_path / "home", tmp_path / "ca.pem")


async def test_command_that_goes_through_is_said_to(stage: Stage) -> None:
    state, text = await stage.asking("")

    assert state is State.OK
    assert stage.origin.host in text


@pytest.mark.skipif(not sockets.can_be_seen(), reason="no /proc/net/tcp here")
async def test_command_that_goes_around_fails_with_the_address(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, is_seen = sockets.remotes, threading.Event()

    def remotes(pid: int) -> set[tuple[str, int]]:
        found = look(pid)
        if ("127.0.0.1", stage.origin.port) in found:
            is_seen.set()
        return found

    def answer(_: object) -> Reply:
        is_seen.wait(60)
        return Reply(b"{}")

    monkeypatch.setattr(sockets, "remotes", remotes)
    stage.origin.answer = answer
    state, text = await stage.asking(stage.ca, "around")

    assert state is State.FAIL
    assert f"around the gate, to {stage.origin.host}" in text


async def test_command_that_trusts_its_own_roots_alone_is_found_out(stage: Stage) -> None:
    state, text = await stage.asking(stage.ca)

    assert state is State.FAIL
    assert "certificate" in text


async def test_command_that_asks_another_host_only(stage: Stage) -> None:
    state, text = await stage.asking(stage.ca, gates=False)

    assert state is State.FAIL
    assert "no gated host" in text


async def test_command_that_asks_nobody_proves_nothing(stage: Stage) -> None:
    found = await stage.states("sh", "-c", "exit 3")

    assert found["command"] == (State.WARN, "ended with exit code 3")
    assert found["traffic"][0] is State.FAIL
