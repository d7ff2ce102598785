"""The canary of `callgate doctor`: a denied call through a real gate, to an API of its own.

The gate has the operator's CA and scanners, and a store, a policy and an address for this one
time. The API is the demonstration's, on this machine, and says what has reached it.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette

from callgate import ca, proxy
from callgate.canonical import Json
from callgate.cli.background import gate
from callgate.cli.finding import Line, fail, ok, warn
from callgate.cli.probes import PROBES, Probe, told
from callgate.cli.run import environment_for
from callgate.demo.certificates import make_certificates
from callgate.demo.launch import serve
from callgate.demo.server import create_app
from callgate.model import Mode
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store.base import Record

_POLICY = """\
version: 1
default: allow
policies:
  - name: canary
    actions:
      - {tool: run_shell, effect: deny}
"""
_HEADERS = {"Authorization": "Bearer sk-" + "canary", "OpenAI-Beta": "assistants=v2"}
_THREAD = {"messages": [{"role": "user", "content": "canary"}]}
_EVENT_SECONDS = 0.1
_BUG = "this is a fault of Callgate: report it with this output"


@dataclass(frozen=True, slots=True)
class Denied:
    """A denied call that waits for its result."""

    url: str
    """Where its result would go."""
    body: str


async def lines(settings: Settings, probes: Sequence[Probe] = PROBES) -> list[Line]:
    """Let a call be denied and its result be refused; raises what keeps the gate from starting."""
    with tempfile.TemporaryDirectory(prefix="callgate-doctor-") as name:
        folder = Path(name)
        certificates = make_certificates(folder / "api", ["localhost"])
        app = create_app(event_seconds=_EVENT_SECONDS)
        (folder / "callgate.yaml").write_text(_POLICY)
        with serve(app, certificates) as address:
            # by name: Bun can not check addresses against the CA's limits
            url = f"https://localhost:{urlsplit(address).port}"
            own = _settings(settings, folder, url, certificates.ca)
            records: list[Record] = []
            policy = PolicyFile(folder / "callgate.yaml")
            async with gate(own, policy, records.append) as running:
                canary = _Canary(app, own, running.ready, f"{url}/v1")
                found = await canary.examine(probes)
            return [*found, *_scanners(own, records)]


def _settings(settings: Settings, folder: Path, url: str, upstream_ca: Path) -> Settings:
    # the operator's CA, and nothing else of that home: the canary's records are no evidence
    home = settings.home.expanduser()
    authority = ca.ensure(home, settings.gated_hosts)
    own = folder / "home"
    own.mkdir()
    (own / "ca").symlink_to(authority.certificate.parent.resolve())
    return settings.model_copy(
        update={
            "home": own,
            "listen": "127.0.0.1:0",
            "console": "off",
            "mode": Mode.ENFORCE,
            "store": f"sqlite:///{folder / 'canary.db'}",
            "gate_host": (*settings.gate_host, urlsplit(url).netloc),
            "upstream_ca": upstream_ca,
            "proxy_auth": None,
            "upstream_proxy": "",
            "transparent": "",
            "reverse": (),
        }
    )


def _scanners(settings: Settings, records: Sequence[Record]) -> list[Line]:
    """Which scanners gave a verdict on the canary's call."""
    found = []
    verdicts = [one for record in records for one in _verdicts(record)]
    for name in settings.scanner:
        own = [one for one in verdicts if one.get("scanner") == name]
        silent = not own or any("SCANNER_UNAVAILABLE" in str(one.get("reasons")) for one in own)
        fix = f"check its address and key, or leave it out of --scanner: {name}"
        found.append(
            fail(f"scanner {name}", "gives no verdict", fix)
            if silent
            else ok(f"scanner {name}", "gives verdicts")
        )
    return found


def _verdicts(record: Record) -> list[dict[str, Json]]:
    found = record.get("verdicts") if record["kind"] == "call" else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


class _Canary:
    def __init__(self, app: Starlette, settings: Settings, ready: proxy.Ready, url: str) -> None:
        self._app = app
        self._settings = settings
        self._ready = ready
        self._url = url

    async def examine(self, probes: Sequence[Probe]) -> list[Line]:
        trust = ssl.create_default_context(cafile=str(self._ready.authority.bundle))
        async with httpx.AsyncClient(
            proxy=self._ready.proxy, verify=trust, trust_env=False, headers=_HEADERS, timeout=30
        ) as client:
            try:
                denied = await self._denied(client)
                found = [await self._refused(client, denied), await self._streamed(client)]
            except (httpx.HTTPError, KeyError, ValueError) as error:
                return [fail("canary", f"{type(error).__name__}: {error}", _BUG)]
        for probe in probes:
            line = await self._probed(probe, denied)
            found += [line] if line else []
        return found

    async def _denied(self, client: httpx.AsyncClient) -> Denied:
        model = {"model": "demo-dangerous"}
        assistant = (await client.post(f"{self._url}/assistants", json=model)).json()
        asked = {"assistant_id": assistant["id"], "thread": _THREAD}
        run = (await client.post(f"{self._url}/threads/runs", json=asked)).json()
        path = f"{self._url}/threads/{run['thread_id']}/runs/{run['id']}"
        async with asyncio.timeout(30):
            while run["status"] != "requires_action":
                await asyncio.sleep(0.05)
                run = (await client.get(path)).json()
        calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = [{"tool_call_id": call["id"], "output": "done"} for call in calls]
        return Denied(f"{path}/submit_tool_outputs", json.dumps({"tool_outputs": outputs}))

    async def _refused(self, client: httpx.AsyncClient, denied: Denied) -> Line:
        answer = await client.post(denied.url, content=denied.body, headers=_JSON)
        if answer.status_code == 403 and self._is_refusal(answer.text) and not self._arrived():
            return ok("canary", "a denied call's result was refused and did not reach the API")
        return fail("canary", f"a denied call's result got {answer.status_code}", _BUG)

    async def _streamed(self, client: httpx.AsyncClient) -> Line:
        model = {"model": "demo-text"}
        assistant = (await client.post(f"{self._url}/assistants", json=model)).json()
        loop = asyncio.get_running_loop()
        at: list[float] = []
        asked = {"assistant_id": assistant["id"], "thread": _THREAD, "stream": True}
        async with client.stream("POST", f"{self._url}/threads/runs", json=asked) as answer:
            async for _ in answer.aiter_raw():
                at.append(loop.time())
        if len(at) > 1 and at[-1] - at[0] > _EVENT_SECONDS:
            return ok("stream", f"{len(at)} pieces of a stream came one by one")
        return fail("stream", "the pieces of a stream came all at once", _BUG)

    async def _probed(self, probe: Probe, denied: Denied) -> Line | None:
        environ = environment_for(self._settings, self._ready, os.environ)
        answer = await told(probe, denied.url, denied.body, environ)
        name = f"client {probe.client}"
        if answer is None:
            return None
        if self._arrived():
            return fail(name, "its denied result reached the API", probe.fix)
        if self._is_refusal(answer):
            return ok(name, "its denied result was refused")
        return warn(name, f"did not go through the gate: {answer[:200]}", probe.fix)

    def _arrived(self) -> bool:
        return any("submit_tool_outputs" in one.path for one in self._app.state.received)

    def _is_refusal(self, text: str) -> bool:
        return "tool_call_denied" in text


_JSON = {"Content-Type": "application/json"}
