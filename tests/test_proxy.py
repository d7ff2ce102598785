"""The proxy in this process: real ports, real TLS, the demo server behind it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from callgate import proxy
from callgate.demo.certificates import Certificates, make_certificates
from callgate.demo.launch import serve
from callgate.demo.server import create_app
from callgate.errors import SettingsError
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store import open_store

pytestmark = pytest.mark.e2e
HEADERS = {"Authorization": "Bearer sk-test", "OpenAI-Beta": "assistants=v2"}


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """`serve` tightens the process's umask: put it back for the other tests."""
    old = os.umask(0o022)
    yield
    os.umask(old)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"), ["127.0.0.1"])


@pytest.fixture
def api(certificates: Certificates) -> Iterator[str]:
    with serve(create_app(), certificates) as url:
        yield url


def settings_for(api: str, home: Path, certificates: Certificates, **more: Any) -> Settings:
    return Settings(
        home=home,
        listen="127.0.0.1:0",
        console="127.0.0.1:0",
        gate_host=(urlsplit(api).netloc,),
        upstream_ca=certificates.ca,
        **more,
    )


@asynccontextmanager
async def running(
    settings: Settings, policy: PolicyFile | None = None
) -> AsyncIterator[proxy.Ready]:
    ready: asyncio.Future[proxy.Ready] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.ensure_future(proxy.serve(settings, policy, ready.set_result, stop))
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield ready.result()
    finally:
        stop.set()
        await task


def client(ready: proxy.Ready) -> httpx.AsyncClient:
    trust = ssl.create_default_context(cafile=str(ready.authority.certificate))
    return httpx.AsyncClient(proxy=ready.proxy, verify=trust, headers=HEADERS, timeout=60)


async def test_ready_line_names_what_scripts_need(
    api: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with running(settings_for(api, tmp_path, certificates)) as ready:
        certificate = tmp_path / "ca" / "callgate-ca.pem"
        assert ready.line == (
            f"callgate ready proxy={ready.proxy} console={ready.console} ca={certificate}"
        )
        async with httpx.AsyncClient(trust_env=False, timeout=60) as direct:
            assert (await direct.get(f"{ready.console}/readyz")).json() == {"ready": True}


async def test_traffic_to_the_gated_host_is_decrypted_and_marked(
    api: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with running(settings_for(api, tmp_path, certificates)) as ready, client(ready) as http:
        answer = await http.post(f"{api}/v1/threads", json={})
        run = await http.post(
            f"{api}/v1/threads/{answer.json()['id']}/runs", json={"assistant_id": "asst_none"}
        )
    assert answer.status_code == 200
    assert answer.headers["callgate-mode"] == "enforce"
    assert run.status_code == 404
    assert "callgate-decision" not in run.headers


async def test_console_is_unreachable_through_the_proxy(
    api: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with running(settings_for(api, tmp_path, certificates)) as ready, client(ready) as http:
        answer = await http.get(f"{ready.console}/healthz")
        assert answer.status_code == 502
        assert "status" not in answer.text.split("<")[0]


@pytest.mark.parametrize("line", ["ann:$apr1$salt$hash", "no colon", "\xff"])
async def test_users_that_can_not_be_read_are_said_with_the_fix(
    line: str, api: str, tmp_path: Path, certificates: Certificates
) -> None:
    users = tmp_path / "users"
    users.write_bytes(line.encode("latin-1"))

    with pytest.raises(SettingsError, match=r"proxy_auth: .*users is not .* htpasswd -B") as said:
        async with running(settings_for(api, tmp_path, certificates, proxy_auth=users)):
            pass
    assert line not in str(said.value)


async def test_port_in_use_is_said_once_and_nothing_runs(
    api: str, tmp_path: Path, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(settings_for(api, tmp_path, certificates)) as ready:
        taken = ready.proxy.removeprefix("http://")
        with pytest.raises(SettingsError, match="listen"):
            async with running(
                settings_for(api, tmp_path / "b", certificates).model_copy(update={"listen": taken})
            ):
                pass
        assert "failed to listen" not in caplog.text
        taken = ready.console.removeprefix("http://")
        with pytest.raises(SettingsError, match="console"):
            async with running(
                settings_for(api, tmp_path / "c", certificates).model_copy(
                    update={"console": taken}
                )
            ):
                pass


async def test_address_of_nobody_is_said(
    api: str, tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    settings = settings_for(api, tmp_path / "a", certificates)
    nobodys = settings.model_copy(update={"listen": "nobody.invalid:0"})
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SettingsError, match=r"nobody.invalid:0: Name or service not known;"):
        async with running(nobodys):
            pass


async def test_changed_policy_is_read_and_a_broken_one_is_not(
    api: str, tmp_path: Path, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "callgate.yaml"
    file.write_text("version: 1\ndefault: allow\n")
    policy = PolicyFile(file)
    first = policy.current.digest
    async with running(settings_for(api, tmp_path, certificates), policy):
        file.write_text("version: 1\ndefault: deny\n")
        for _ in range(1200):
            await asyncio.sleep(0.05)
            if policy.current.digest != first:
                break
        second = policy.current.digest
        assert second != first
        file.write_text("version: 1\ndefault: perhaps\n")
        for _ in range(1200):
            await asyncio.sleep(0.05)
            if "broken" in caplog.text:
                break
    assert policy.current.digest == second
    store = await open_store(f"sqlite:///{tmp_path / 'callgate.db'}")
    recorded = await store.records(filters={"kind": "policy"})
    await store.close()
    assert [one["policy"] for one in recorded] == [second]
    assert "callgate.yaml:2:" in caplog.text


async def test_script_for_mitmdump_refuses_until_it_runs_and_then_gates(
    api: str, tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("CALLGATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLGATE_HOME", str(tmp_path))
    monkeypatch.setenv("CALLGATE_GATE_HOST", urlsplit(api).netloc)
    monkeypatch.setenv("CALLGATE_UPSTREAM_CA", str(certificates.ca))
    guard = proxy.ScriptGuard.from_environment()
    with pytest.raises(RuntimeError, match="not assembled"):
        guard._armed()
    with taddons.context(Proxyserver()):  # what a script finds in mitmdump
        await guard.running()
        assert guard._armed().mode == "enforce"
        await guard.done()
