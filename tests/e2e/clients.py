"""Runs the app under an openai version, and reads what it printed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

APP = Path(__file__).with_name("app.py")

type Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What an app saw from start to end."""

    events: list[Event]
    log: str
    """The SDK's own log."""

    @property
    def calls(self) -> list[Event]:
        """Every call that the app was asked to run, in order."""
        return [
            call for event in self.events if event["event"] == "calls" for call in event["calls"]
        ]

    @property
    def call_names(self) -> list[str]:
        return [call["name"] for call in self.calls]

    @property
    def end(self) -> Event:
        """The final state; fails the test where the app met an error instead."""
        assert self.events[-1]["event"] == "end", (self.events, self.log)
        return self.events[-1]

    @property
    def error(self) -> Event:
        """The error that ended the app; fails the test where there was none."""
        assert self.events[-1]["event"] == "error", (self.events, self.log)
        return self.events[-1]

    @property
    def text(self) -> str:
        """What the model said at the end: with these scripts, the outputs that reached it."""
        return "\n".join(self.end["texts"])


class App:
    """A running app."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def finish(self, timeout_seconds: float = 120) -> Told:
        """Wait for its end; it must not crash."""
        try:
            out, err = self._process.communicate(timeout=timeout_seconds)
        finally:
            self._process.kill()
        assert self._process.returncode == 0, err
        return Told([json.loads(line) for line in out.splitlines()], err)

    def end(self) -> None:
        """End it, whatever it does; idempotent."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()


@dataclass(frozen=True, slots=True)
class Client:
    """The app under one openai version."""

    python: Path

    def start(
        self,
        environment: Mapping[str, str],
        assistant: str,
        message: str,
        *,
        only: str = "",
        app: Path = APP,
    ) -> App:
        """Start the app; with `only` it answers the calls whose name contains that, no other."""
        return App(
            subprocess.Popen(
                [str(self.python), "-I", str(app), assistant, message, only],
                env=dict(environment),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )

    def run(
        self,
        environment: Mapping[str, str],
        assistant: str,
        message: str,
        *,
        only: str = "",
        app: Path = APP,
    ) -> Told:
        """Run the app to its end."""
        return self.start(environment, assistant, message, only=only, app=app).finish()
