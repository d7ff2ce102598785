"""`kill -9` at random moments under load, and what must be true afterwards."""

from __future__ import annotations

import http.client
import json
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.e2e.gate import Gate
from tests.e2e.origin import Origin, Reply, Seen

POLICY = """\
version: 1
default: allow
policies:
  - name: crashes
    actions:
      - {tool: run_shell, effect: deny}
"""

_CLIENTS = 4
_DOWN = Reply(b'{"error":{"message":"down"}}', 500)
_PATH = re.compile(r"/v1/threads/(\w+)/runs/(\w+)$")


@dataclass(slots=True)
class Crashes:
    """One gate, killed again and again; `acknowledged` holds what it told clients it denied."""

    gate: Gate
    origin: Origin
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Trace by the run's path."""
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.origin.answer = _waiting

    def round(self, longest_seconds: float = 0.5) -> int:
        """Load, kill, start and check; returns how many verdicts were acknowledged meanwhile."""
        before = set(self.acknowledged)
        is_over = threading.Event()
        with ThreadPoolExecutor(_CLIENTS) as clients:
            running = [clients.submit(self._ask, is_over) for _ in range(_CLIENTS)]
            while not set(self.acknowledged) - before:
                time.sleep(0.005)
            time.sleep(random.uniform(0, longest_seconds))
            self.gate.kill()
            is_over.set()
        for client in running:
            client.result()
        new = set(self.acknowledged) - before
        self.gate.start()
        self._check(new)
        return len(new)

    def _ask(self, is_over: threading.Event) -> None:
        """Ask for runs, and submit results of denied calls, until the gate is gone."""
        while not is_over.is_set():
            self._numbers += 1
            path = f"/v1/threads/thread_1/runs/run_{self._numbers}_{threading.get_ident()}"
            try:
                answer = self.gate.request(self.origin.host, "GET", path)
                if answer.status != 200:
                    continue
                call = answer.calls["call_1"]
                assert call["decision"] == "deny", answer
                self.acknowledged[path] = str(call["trace"])
                assert self._submit(path)[0] == 403
            except (OSError, http.client.HTTPException):
                continue

    def _check(self, paths: set[str]) -> None:
        """The API does not help here: what is not remembered would not be refused by name."""
        self.origin.answer = lambda _: _DOWN
        try:
            for path in paths:
                status, text = self._submit(path)
                assert status == 403, (path, status, text)
                assert self.acknowledged[path] in text, (path, text)
        finally:
            self.origin.answer = _waiting
        # no result of a denied call has ever reached the API
        assert [seen for seen in self.origin.seen if seen.method == "POST"] == []

    def _submit(self, path: str) -> tuple[int, str]:
        body = json.dumps({"tool_outputs": [{"tool_call_id": "call_1", "output": "done"}]}).encode()
        answer = self.gate.request(self.origin.host, "POST", f"{path}/submit_tool_outputs", body)
        return answer.status, answer.body.decode()


def _waiting(seen: Seen) -> Reply:
    found = _PATH.search(seen.target)
    if found is None:
        return _DOWN
    function = {"name": "run_shell", "arguments": "{}"}
    call = {"id": "call_1", "type": "function", "function": function}
    run = {
        "id": found[2],
        "object": "thread.run",
        "thread_id": found[1],
        "assistant_id": "asst_1",
        "status": "requires_action",
        "required_action": {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": [call]},
        },
    }
    return Reply(json.dumps(run).encode())
