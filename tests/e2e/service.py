"""An app that stays and has one conversation after the other: slow starters start once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.clients import Event, Told


class Service:
    """Takes lines of JSON, each a conversation; tells its events, `end` or `error` at last."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def begin(self, **wanted: str) -> None:
        """Begin a conversation; the one before must be over."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()

    def finish(self) -> Told:
        """Wait for the end of the conversation."""
        assert self._process.stdout
        events: list[Event] = []
        while not events or events[-1]["event"] not in ("end", "error"):
            line = self._process.stdout.readline()
            assert line, f"the app died: {self._log.read_text()}"
            events.append(json.loads(line))
        return Told(events, self._log.read_text())

    def talk(self, **wanted: str) -> Told:
        """Have a conversation from begin to end."""
        self.begin(**wanted)
        return self.finish()


@contextmanager
def serving(
    command: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path
) -> Iterator[Service]:
    """Run the command in the folder; its standard error goes to `log`."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            yield Service(process, log)
        finally:
            process.kill()
