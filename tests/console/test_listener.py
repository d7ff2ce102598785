"""Real listeners, with and without TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from callgate.console.app import application
from callgate.console.listener import bind, server
from callgate.console.parts import Parts
from callgate.errors import SettingsError
from tests.console.seat import TOKEN


@asynccontextmanager
async def serving(parts: Parts, *files: Path) -> AsyncIterator[int]:
    bound = bind("127.0.0.1", 0)
    listening = server(application(parts), *files)
    task = asyncio.ensure_future(listening.serve([bound]))
    try:
        yield bound.getsockname()[1]
    finally:
        await parts.feed.close()
        listening.should_exit = True
        await task


async def test_live_stream_ends_with_the_server(parts: Parts) -> None:
    events: list[str] = []
    async with serving(parts) as port:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
            await client.post("/sign-in", data={"token": TOKEN})
            async with client.stream("GET", "/events") as stream:
                assert stream.headers["content-type"].startswith("text/event-stream")
                async for line in stream.aiter_lines():
                    events.append(line)
                    if line.startswith("event: changed"):
                        break
    assert events[0].startswith("retry: ")


async def test_over_tls_cookies_are_secure(parts: Parts, tmp_path: Path) -> None:
    ca = trustme.CA()
    issued = ca.issue_cert("localhost")
    cert, key, root = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    ca.cert_pem.write_to_path(root)
    object.__setattr__(parts, "is_tls", True)

    async with serving(parts, cert, key) as port:
        trust = ssl.create_default_context(cafile=str(root))
        url = f"https://localhost:{port}"
        async with httpx.AsyncClient(
            base_url=url, verify=trust, trust_env=False, timeout=60
        ) as client:
            answer = await client.post("/sign-in", data={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-callgate_")
    assert "Secure" in cookie


def test_unusable_certificates_are_said(parts: Parts, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate")

    with pytest.raises(SettingsError, match="console_cert"):
        server(application(parts), broken, broken)


def test_address_in_use_is_an_error() -> None:
    with bind("127.0.0.1", 0) as bound, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", bound.getsockname()[1])
