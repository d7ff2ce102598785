from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from callgate.audit import mirror
from callgate.audit.mirror import FileSink, Mirror, SyslogSink
from callgate.chain import Sealed
from tests.audit.bundles import FIRST, Made


def chain(tmp_path: Path, count: int, name: str = "gate") -> tuple[str, list[Sealed]]:
    made = Made.chain(tmp_path / name, FIRST, name=name).add([{"kind": "call"}] * count)
    return made.ledger.instance, made.sealed


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - of files and logs nobody tells
            await asyncio.sleep(0.01)


class Log:
    """What a store would say of one chain."""

    def __init__(self, sealed: Sequence[Sealed], known: int) -> None:
        self.sealed = sealed
        self.known = known

    async def following(self, number: int) -> Sequence[Sealed]:
        return [one for one in self.sealed[: self.known] if one.number > number][:2]


class Broken:
    """A sink that works when it is told to."""

    name = "broken"

    def __init__(self) -> None:
        self.works = False
        self.got: list[int] = []

    def position(self) -> int | None:
        return max(self.got, default=0)

    def write(self, lines: Sequence[Sealed]) -> None:
        if not self.works:
            raise OSError("disk full")
        self.got += [line.number for line in lines]


async def test_file_follows_the_chain(tmp_path: Path) -> None:
    instance, sealed = chain(tmp_path, 7)
    log, path = Log(sealed, 3), tmp_path / "mirror"
    follower = Mirror(FileSink(path, instance), log.following, 3)
    await until(lambda: path.exists() and path.read_text().count("\n") == 3)
    log.known = 6
    follower.wake()
    await until(lambda: path.read_text().count("\n") == 6)
    log.known = 7
    await follower.close()

    assert path.read_text().splitlines() == [one.line for one in sealed]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_outage_is_said_once_and_nothing_is_missing_after_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_RETRY_SECONDS", 0.01)
    _, sealed = chain(tmp_path, 5)
    sink, log = Broken(), Log(sealed, 5)
    follower = Mirror(sink, log.following, 0)
    await until(lambda: "disk full" in caplog.text)
    for _ in range(5):
        follower.wake()
        await asyncio.sleep(0.02)
    sink.works = True
    await until(lambda: "works again" in caplog.text)
    await follower.close()

    assert sink.got == [1, 2, 3, 4, 5]
    assert caplog.text.count("disk full") == 1


async def test_close_does_not_wait_for_a_sink_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_CLOSE_SECONDS", 0.05)

    async def never(number: int) -> Sequence[Sealed]:
        await asyncio.Event().wait()
        return []

    follower = Mirror(Broken(), never, 0)
    await asyncio.sleep(0)

    await asyncio.wait_for(follower.close(), 30)


def test_torn_last_line_is_taken_off_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    instance, sealed = chain(tmp_path, 3)
    path = tmp_path / "mirror"
    sink = FileSink(path, instance)
    sink.write(sealed)
    whole = path.read_bytes()
    for cut in (1, 2, 100, 300):
        path.write_bytes(whole[:-cut])
        assert sink.position() == 2, cut
        sink.write(sealed)
        assert path.read_bytes() == whole, cut

    assert caplog.text.count("the last line was torn") == 4


def test_processes_of_a_home_share_a_file(tmp_path: Path) -> None:
    instance, sealed = chain(tmp_path, 5)
    path = tmp_path / "mirror"
    one, other = FileSink(path, instance), FileSink(path, instance)

    one.write(sealed[:3])
    other.write(sealed[1:5])
    one.write(sealed[2:5])

    assert path.read_text().splitlines() == [line.line for line in sealed]


def test_chains_of_two_homes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mirror"
    for name in "ab":
        instance, sealed = chain(tmp_path, 2, name)
        FileSink(path, instance).write(sealed)
    instance, sealed = chain(tmp_path, 3, "a")

    sink = FileSink(path, instance)

    assert sink.position() == 2
    sink.write(sealed)
    assert path.read_text().count("\n") == 5
    assert FileSink(path, "another").position() == 0


async def test_syslog_gets_what_is_new(tmp_path: Path) -> None:
    _, sealed = chain(tmp_path, 4)
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(30)
        follower = Mirror(SyslogSink(path), Log(sealed, 4).following, 2)
        got = [await asyncio.to_thread(listener.recv, 65_536) for _ in range(2)]
        await follower.close()

    assert [text.rstrip(b"\0").decode() for text in got] == [
        f"<14>callgate: {one.line}" for one in sealed[2:]
    ]


def test_syslog_over_udp_and_lines_that_are_too_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, sealed = chain(tmp_path, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(30)
        sink = SyslogSink(f"127.0.0.1:{listener.getsockname()[1]}")
        sink.write([Sealed(9, "x" * 100_000), *sealed])
        got = listener.recv(65_536)

    assert sealed[0].line.encode() in got
    assert "record 9 is too long" in caplog.text


def test_missing_syslog_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SyslogSink(str(tmp_path / "none")).write([Sealed(1, "line")])
