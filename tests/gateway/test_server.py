"""The gateway's process: how it starts, listens, reloads and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from callgate.errors import SettingsError
from callgate.gateway.keys import KeyFile
from callgate.gateway.server import Front, serve
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store import open_store
from tests.gateway.front import KEY, OTHER_KEY, POLICY

LOOPBACK = Front("127.0.0.1:0")


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(keys_file(tmp_path, KEY))


@pytest.fixture
def policy(tmp_path: Path) -> PolicyFile:
    path = tmp_path / "callgate.yaml"
    path.write_text(POLICY)
    return PolicyFile(path)


def keys_file(folder: Path, key: str) -> Path:
    path = folder / "gateway-keys"
    path.write_text(f"shop {key}\n")
    path.chmod(0o600)
    return path


@asynccontextmanager
async def running(
    home: Path, keys: KeyFile, policy: PolicyFile | None = None, front: Front = LOOPBACK
) -> AsyncIterator[str]:
    """A gateway until the end of the block, which it ends by SIGTERM; yields its URL."""
    umask = os.umask(0o022)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(Settings(home=home), policy, front, keys, ready.set_result))
    try:
        await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield await ready
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 30)
    finally:
        os.umask(umask)
        task.cancel()


async def ask(url: str, tool: str, key: str = KEY, verify: ssl.SSLContext | bool = True) -> str:
    async with httpx.AsyncClient(trust_env=False, verify=verify) as client:
        answer = await client.post(
            f"{url}/v1/scan",
            json={"method": "POST", "url": f"mcp://{tool}"},
            headers={"authorization": f"Bearer {key}"},
            timeout=60,
        )
    return str(answer.json().get("decision", answer.status_code))


async def test_gateway_serves_until_it_is_told_to_stop_and_records_both(
    tmp_path: Path, keys: KeyFile, policy: PolicyFile
) -> None:
    async with running(tmp_path, keys, policy) as url:
        assert url.startswith("http://127.0.0.1:")
        assert await ask(url, "look") == "ALLOW"
        assert await ask(url, "wipe") == "DENY"
    store = await open_store(f"sqlite:///{tmp_path}/callgate.db")
    kinds = [record["kind"] for record in await store.records()]
    await store.close()
    assert kinds == ["start", "call", "call", "stop"]


async def test_policy_and_keys_are_read_again_on_sighup(
    tmp_path: Path, keys: KeyFile, policy: PolicyFile
) -> None:
    async with running(tmp_path, keys, policy) as url:
        policy.path.write_text(POLICY.replace("tool: wipe", "tool: look"))
        keys_file(tmp_path, OTHER_KEY)
        os.kill(os.getpid(), signal.SIGHUP)
        for _ in range(300):
            if await ask(url, "look", OTHER_KEY) == "DENY":
                break
            await asyncio.sleep(0.1)
        assert await ask(url, "look", OTHER_KEY) == "DENY"
        assert await ask(url, "look", KEY) == "401"


async def test_gateway_speaks_tls_when_it_has_a_certificate(tmp_path: Path, keys: KeyFile) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    for number, blob in enumerate(made.cert_chain_pems):
        blob.write_to_path(tmp_path / "cert.pem", append=number > 0)
    front = Front("127.0.0.1:0", tmp_path / "cert.pem", tmp_path / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with running(tmp_path, keys, front=front) as url:
        assert url.startswith("https://")
        assert await ask(url, "look", verify=context) == "ALLOW"


async def test_certificate_that_can_not_be_used_is_said(tmp_path: Path, keys: KeyFile) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    with pytest.raises(SettingsError, match="can not be used"):
        async with running(tmp_path, keys, front=Front("127.0.0.1:0", broken, broken)):
            pytest.fail("it started")


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "gateway.example"])
async def test_keys_do_not_travel_to_other_machines_in_the_clear(
    tmp_path: Path, keys: KeyFile, host: str
) -> None:
    with pytest.raises(SettingsError, match="--tls-cert"):
        async with running(tmp_path, keys, front=Front(f"{host}:0")):
            pytest.fail("it started")
    Front(f"{host}:0", Path("cert"), Path("key")).check()


@pytest.mark.parametrize(
    ("front", "said"),
    [
        (Front("4000"), "HOST:PORT"),
        (Front("127.0.0.1:0", certificate=Path("cert")), "go together"),
        (Front("127.0.0.1:0", private_key=Path("key")), "go together"),
    ],
)
def test_wrong_choice_is_said(front: Front, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        front.check()


def test_taken_address_is_said_and_no_connection_waits_for_acknowledgements() -> None:
    with LOOPBACK.bind() as bound:
        port = bound.getsockname()[1]
        with pytest.raises(
            SettingsError, match=f"can not listen on 127.0.0.1:{port}: Address already in use; "
        ):
            Front(f"127.0.0.1:{port}").bind()
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = bound.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_address_of_an_ipv6_listener_has_brackets() -> None:
    with Front("[::1]:0").bind() as bound:
        assert Front("[::1]:0").url(bound).startswith("http://[::1]:")
