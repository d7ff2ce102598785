"""`callgate demo`: a real SDK agent through a real gate, told step by step."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from callgate import proxy
from callgate.approvals import Approvals
from callgate.cli.environment import variables
from callgate.cli.options import open_ledger
from callgate.cli.settings import fail
from callgate.demo import report
from callgate.demo.certificates import make_certificates
from callgate.demo.launch import start_server
from callgate.demo.report import Episode
from callgate.errors import CallgateError, SettingsError
from callgate.model import Mode
from callgate.policy import PolicyFile
from callgate.settings import Settings
from callgate.store.base import Record

_THINKING_SECONDS = 1.5
"""How long the demonstration's person looks at a call before approving it."""


def demo(
    mode: Annotated[
        list[Mode] | None, typer.Option(help="Modes to show (default: enforce, then withhold).")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A real server; needs OPENAI_API_KEY."),
    ] = None,
    model: Annotated[str, typer.Option(help="The model that the agent asks for.")] = "gpt-4o",
) -> None:
    """Watch an unmodified OpenAI agent being gated.

    Without --base-url a small OpenAI-compatible server of the project's own plays the model.
    """
    console = Console(highlight=False)
    try:
        with tempfile.TemporaryDirectory(prefix="callgate-demo-") as folder:
            for one in mode or [Mode.ENFORCE, Mode.WITHHOLD]:
                with demo_server(Path(folder), base_url) as (url, upstream_ca):
                    stage = Stage(Path(folder) / one, one, url, upstream_ca, model)
                    _show(console, stage)
    except CallgateError as error:
        raise fail(error) from error
    console.print(
        "\n[bold]Next:[/bold] [cyan]callgate run -- python your_app.py[/cyan] gates your own app, "
        "[cyan]callgate policy init[/cyan] writes a policy to start from."
    )


class Stage:
    """One round of the demonstration: a gate in its own home folder, and the agent."""

    def __init__(
        self, home: Path, mode: Mode, url: str, upstream_ca: Path | None, model: str
    ) -> None:
        self.mode = mode
        self.url = url
        self._model = model
        self._policy = PolicyFile(Path(str(files("callgate.demo") / "policy.yaml")))
        self._settings = Settings(
            home=home,
            mode=mode,
            listen="127.0.0.1:0",
            console="127.0.0.1:0",
            gate_host=(urlsplit(url).netloc,),
            upstream_ca=upstream_ca,
        )
        self.records: list[Record] = []
        self.episodes: list[Episode] = []
        self._people: set[asyncio.Task[None]] = set()

    async def play(self) -> None:
        """Run the agent behind the gate and collect what both say."""
        ready: asyncio.Future[proxy.Ready] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        gate = asyncio.ensure_future(
            proxy.serve(self._settings, self._policy, ready.set_result, stop, self._on_record)
        )
        await asyncio.wait((gate, ready), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await gate
        try:
            await self._agent(ready.result())
        finally:
            stop.set()
            await gate

    async def _agent(self, ready: proxy.Ready) -> None:
        agent = await asyncio.create_subprocess_exec(
            sys.executable,
            str(files("callgate.demo") / "agent.py"),
            "--json",
            "--model",
            self._model,
            env={
                **os.environ,
                **variables(ready.proxy, ready.authority),
                "OPENAI_BASE_URL": self.url,
                "OPENAI_API_KEY": os.environ.get("OPENAI_API_KEY") or "sk-demo",
                "NO_PROXY": "",
                "no_proxy": "",
            },
            stdout=asyncio.subprocess.PIPE,
        )
        if agent.stdout:
            async for line in agent.stdout:
                self._on_event(json.loads(line))
        await agent.wait()

    def _on_event(self, event: report.Event) -> None:
        if event["event"] == "request":
            self.episodes.append(Episode(str(event["text"])))
        elif self.episodes:
            self.episodes[-1].events.append(event)
        else:
            raise CallgateError(f"the agent could not begin: {event.get('message')}")

    def _on_record(self, record: Record) -> None:
        self.records.append(record)
        if self.episodes:
            self.episodes[-1].records.append(record)
        asks = record["kind"] == "call" and record.get("approval")
        if asks and self.mode is Mode.WITHHOLD:
            person = asyncio.ensure_future(self._approve(str(record["approval"])))
            self._people.add(person)

    async def _approve(self, id: str) -> None:
        """What a person does with `callgate approvals approve`, in a connection of its own."""
        await asyncio.sleep(_THINKING_SECONDS)
        home = {"CALLGATE_HOME": str(self._settings.home)}
        store, _ = await open_ledger(self._settings.store_url, home)
        try:
            book = Approvals(store, lambda: datetime.now(UTC), url=str)
            await book.approve(id, by="you", note="demo")
            newest = await store.records(last=1, filters={"kind": "approval"})
        finally:
            await store.close()
        self.records.extend(newest)
        self.episodes[-1].records.extend(newest)


def _show(console: Console, stage: Stage) -> None:
    console.rule(f"[bold]callgate · mode {stage.mode}[/bold]", align="left")
    console.print(_EXPLANATIONS[stage.mode], style="dim")
    asyncio.run(stage.play())
    report.told(console, stage.episodes)
    report.trail(console, stage.records)
    console.print()


_EXPLANATIONS: Mapping[Mode, str] = {
    Mode.OBSERVE: "Nothing is stopped; every call is judged, annotated and recorded.",
    Mode.ENFORCE: "The app sees every call, annotated; results of denied calls are refused.",
    Mode.WITHHOLD: "The app never sees a denied call; one that needs a person waits for one.",
}


@contextlib.contextmanager
def demo_server(folder: Path, base_url: str | None) -> Iterator[tuple[str, Path | None]]:
    """The API that the agent talks to: URL, and the CA to trust for it."""
    if base_url:
        if not os.environ.get("OPENAI_API_KEY"):
            raise SettingsError("--base-url needs OPENAI_API_KEY in the environment")
        if not urlsplit(base_url).netloc:
            raise SettingsError(f"--base-url: {base_url!r} is not a URL")
        yield base_url, None
        return
    certificates = make_certificates(folder / "certificates", ["127.0.0.1", "localhost"])
    with start_server(certificates) as server:
        yield f"{server.url}/v1", certificates.ca
