"""What `callgate doctor` sees without starting anything."""

from __future__ import annotations

import os
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callgate import ca, roots
from callgate.audit import record
from callgate.cli import diagnosis
from callgate.cli.environment import variables
from callgate.cli.finding import Line, State
from callgate.model import Mode
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store import open_store

GATED = Settings().gated_hosts
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _usual_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in roots.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def states(lines: list[Line]) -> dict[str, State]:
    return {line.check: line.state for line in lines}


def test_each_line_that_is_not_well_says_the_fix(tmp_path: Path) -> None:
    (tmp_path / "open").write_text("x")
    (tmp_path / "open").chmod(0o644)
    settings = Settings(home=tmp_path, mode=Mode.OBSERVE, no_proxy_auth=True)
    lines = [
        *diagnosis.settings_lines(settings, None),
        *diagnosis.home_lines(tmp_path),
        *diagnosis.authority_lines(tmp_path, GATED, NOW - timedelta(days=30)),
        *diagnosis.shell_lines(settings, {"NO_PROXY": "*"}, ca.ensure(tmp_path).bundle),
    ]

    assert len(lines) == 7
    assert all(line.fix for line in lines)
    assert all(line.state is not State.OK for line in lines)


def test_policy_and_settings_that_hold(tmp_path: Path) -> None:
    (tmp_path / "callgate.yaml").write_text("version: 1\ndefault: deny\n")
    policy = PolicyFile(tmp_path / "callgate.yaml")

    lines = list(diagnosis.settings_lines(Settings(home=tmp_path), policy))

    assert states(lines) == {"policy": State.OK}


@pytest.mark.parametrize(
    ("platform", "workers", "state"),
    [
        ("linux", 1, None),
        ("linux", 2, None),
        ("linux", 3, State.WARN),
        ("darwin", 1, None),
        ("darwin", 2, State.FAIL),
    ],
)
def test_workers_that_are_no_use_are_said(
    platform: str, workers: int, state: State | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)

    lines = list(diagnosis.settings_lines(Settings(workers=workers), None))

    assert states(lines).get("workers") is state


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_file_that_others_can_open_fails(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "keys").mkdir(mode=0o700)
    key = tmp_path / "keys" / "audit.key"
    key.touch(0o600)
    assert states(list(diagnosis.home_lines(tmp_path))) == {"files": State.OK}

    key.chmod(mode)

    (line,) = diagnosis.home_lines(tmp_path)
    assert line.state is State.FAIL
    assert str(key) in line.text
    assert line.fix == f"chmod -R go= {tmp_path}"


def test_authority_ok_expiring_early_and_broken(tmp_path: Path) -> None:
    assert states(list(diagnosis.authority_lines(tmp_path, GATED, NOW))) == {"ca": State.OK}
    soon = NOW + timedelta(days=3640)
    assert states(list(diagnosis.authority_lines(tmp_path, GATED, soon))) == {"ca": State.WARN}
    early = NOW - timedelta(days=3)
    assert states(list(diagnosis.authority_lines(tmp_path, GATED, early))) == {"clock": State.FAIL}
    ca.create(tmp_path)
    (line,) = diagnosis.authority_lines(tmp_path, GATED, NOW)
    assert line.state is State.WARN
    assert "any host" in line.text
    ca.Authority(tmp_path / "ca").key_file.write_bytes(b"torn")
    assert states(list(diagnosis.authority_lines(tmp_path, GATED, NOW))) == {"ca": State.FAIL}


async def test_store_that_answers_and_one_that_does_not(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert states(await diagnosis.store_lines(settings, NOW)) == {
        "store": State.OK,
        "clock": State.OK,
    }

    (tmp_path / "none.db").write_text("no database")
    broken = Settings(home=tmp_path, store=f"sqlite:///{tmp_path / 'none.db'}")
    (line,) = await diagnosis.store_lines(broken, NOW)
    assert line.state is State.FAIL
    assert "--store" in line.fix


async def test_record_from_the_future_tells_of_the_clock(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    store = await open_store(settings.store_url)
    await store.append([record.process_record("start", "1", Mode.ENFORCE)])
    await store.close()

    lines = await diagnosis.store_lines(settings, datetime.now(UTC) - timedelta(hours=1))

    assert states(lines)["clock"] is State.FAIL
    lines = await diagnosis.store_lines(settings, datetime.now(UTC))
    assert states(lines)["clock"] is State.OK


def test_shell_is_well_when_it_leads_to_a_gate_that_listens(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        settings = Settings(home=tmp_path, listen=listen)
        environ = {**variables(f"http://{listen}", authority), "NO_PROXY": "localhost, ::1"}

        (line,) = diagnosis.shell_lines(settings, environ, authority.bundle)

    assert line.state is State.OK
    lines = list(diagnosis.shell_lines(settings, environ, authority.bundle))
    assert [line.state for line in lines] == [State.FAIL, State.OK]
    assert "callgate serve" in lines[0].fix


def test_shell_that_lacks_a_ca_variable_names_it(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path / "home")
    other = ca.ensure(tmp_path / "other")
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        settings = Settings(home=tmp_path, listen=listen)
        environ = variables(f"http://{listen}", authority)
        environ["SSL_CERT_FILE"] = str(other.bundle)
        del environ["DENO_CERT"]

        (line,) = diagnosis.shell_lines(settings, environ, authority.bundle)

    assert line.state is State.FAIL
    assert line.text.startswith("SSL_CERT_FILE, DENO_CERT do not")


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_that_leads_around_fails_with_what_may_stay(tmp_path: Path, name: str) -> None:
    environ = {name: "localhost,api.openai.com"}

    lines = list(
        diagnosis.shell_lines(Settings(home=tmp_path), environ, ca.ensure(tmp_path).bundle)
    )

    assert lines[0].state is State.FAIL
    assert f"export {name}='localhost'" in lines[0].fix


def test_another_proxy_is_told_from_a_gate_that_is_down(tmp_path: Path) -> None:
    bundle = ca.ensure(tmp_path).bundle
    settings = Settings(home=tmp_path, listen="127.0.0.1:1")
    company = {"HTTPS_PROXY": "http://ann:" + "hidden@proxy.example:3128"}

    (line,) = diagnosis.shell_lines(settings, company, bundle)

    assert line.state is State.WARN
    assert "HTTPS_PROXY" in line.text
    assert "--upstream-proxy" in line.fix
    assert "hidden" not in line.text + line.fix
    down = list(diagnosis.shell_lines(settings, {"https_proxy": "http://127.0.0.1:1"}, bundle))
    assert "callgate serve" in down[0].fix
