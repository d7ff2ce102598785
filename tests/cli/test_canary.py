"""The canary: a denied call through a real gate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.cli import canary
from callgate.cli.finding import Line, State
from callgate.cli.probes import PROBES, Probe
from callgate.model import Mode
from callgate.settings import Settings

pytestmark = pytest.mark.e2e

CURL = [probe for probe in PROBES if probe.client == "curl"]
AROUND = "curl -sSk --noproxy '*' -H 'authorization: Bearer sk-x' -H 'openai-beta: assistants=v2'"


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """A gate tightens the process's umask: put it back for the other tests."""
    old = os.umask(0o022)
    yield
    os.umask(old)


def by_check(lines: list[Line]) -> dict[str, Line]:
    return {line.check: line for line in lines}


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.OBSERVE])
async def test_denied_result_is_refused_whatever_the_mode_and_leaves_nothing_behind(
    tmp_path: Path, mode: Mode
) -> None:
    found = by_check(await canary.lines(Settings(home=tmp_path, mode=mode), CURL))

    assert {name: line.state for name, line in found.items()} == {
        "canary": State.OK,
        "stream": State.OK,
        "client curl": State.OK,
        "scanner local": State.OK,
    }
    assert os.listdir(tmp_path) == ["ca"]


async def test_client_that_goes_around_or_reaches_nothing_is_told_apart(tmp_path: Path) -> None:
    around = Probe("around", "sh", ("-c", AROUND + ' --data-binary "$1" "$0"'), "the fix")
    lost = Probe("lost", "sh", ("-c", "echo no way >&2"), "the fix")
    absent = Probe("absent", "no-such-program", ())

    found = by_check(await canary.lines(Settings(home=tmp_path), [lost, absent, around]))

    assert found["client lost"].state is State.WARN
    assert "no way" in found["client lost"].text
    assert found["client around"].state is State.FAIL
    assert found["client around"].fix == "the fix"
    assert "client absent" not in found


async def test_gate_that_refuses_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "_POLICY", "version: 1\ndefault: allow\ndetectors: {shell: off}\n")

    found = by_check(await canary.lines(Settings(home=tmp_path), []))

    assert found["canary"].state is State.FAIL


async def test_scanner_that_gives_no_verdict_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.scanners.local.Local.scan", _broken)

    found = by_check(await canary.lines(Settings(home=tmp_path), []))

    assert found["scanner local"].state is State.FAIL


async def _broken(*_: object) -> None:
    raise RuntimeError("broken")
