"""A gate in `withhold` under everything at once, and what must be true at the end.

Clients poll, stream, submit, hang up and dawdle; the API resets connections; a scanner fails now
and then; a person answers some approvals; the policy is written anew, at times with a fault.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.e2e.gate import Gate, StartGate
from tests.e2e.origin import NOT_FOUND, Origin, Reply, Seen, Wire
from tests.e2e.reception import without_comments
from tests.standins.gateway import Reply as Answer
from tests.standins.interven import KEY, IntervenGateway
from tests.surfaces import chat_objects as chat

TOKEN = "token-of-maria-" + "0123456789"
POLICY = """\
version: 1
default: allow
policies:
  - name: soak
    actions:
      - {tool: wipe, effect: deny}
      - {tool: pay, effect: require_approval}
"""
_RUN = re.compile(r"/v1/threads/thread_1/runs/(\w+)(/\w+)?$")
_CALL = re.compile(rb"call_(look|wipe|pay)_\d+")
_CHAT = "/v1/chat/completions"
_BROKEN = (OSError, http.client.HTTPException)
_LOOKS = 20


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the gate's process takes."""

    files: int
    threads: int
    rss_mb: float

    @classmethod
    def of(cls, pid: int) -> Footprint:
        status = Path(f"/proc/{pid}/status").read_text()
        found = dict(re.findall(r"^(Threads|VmRSS):\s+(\d+)", status, re.MULTILINE))
        files = len(os.listdir(f"/proc/{pid}/fd"))
        return cls(files, int(found["Threads"]), int(found["VmRSS"]) / 1024)


class Soak:
    """One gate, its API and its scanner; `run` may be called again."""

    def __init__(self, gate: Gate, origin: Origin, scanner: IntervenGateway, policy: Path) -> None:
        self.asked: Counter[str] = Counter()
        """Requests by kind."""
        self.ended: Counter[str] = Counter()
        """How they ended."""
        self.faults: list[str] = []
        self.seen: set[str] = set()
        """Ids of calls that the app got."""
        self.approved: set[str] = set()
        """Ids of calls that the person has said yes to, from before it was said."""
        self.gate = gate
        self._origin = origin
        self._scanner = scanner
        self._policy = policy
        self._over = threading.Event()
        self._number = 0
        self._lock = threading.Lock()
        self._done: set[str] = set()
        origin.answer = self._answer

    @classmethod
    def begin(
        cls, start: StartGate, origin: Origin, scanner: IntervenGateway, folder: Path
    ) -> Soak:
        """Start the gate in a folder, with a person who decides."""
        gate = start(
            origin.host,
            mode="withhold",
            policy=POLICY,
            CALLGATE_SCANNER="local,interven",
            CALLGATE_CONSOLE="127.0.0.1:0",
            CALLGATE_CONSOLE_TOKEN=f"maria:{TOKEN}",
            INTERVEN_API_KEY=KEY,
            INTERVEN_GATEWAY_URL=scanner.url,
        )
        return cls(gate, origin, scanner, folder / "policy-0.yaml")

    def run(self, seconds: float, clients: int) -> None:
        """Load the gate; raises what a client did not expect."""
        self._over.clear()
        with ThreadPoolExecutor(clients + 3) as pool:
            others = (self._decide, self._disturb, self._dawdle)
            running = [pool.submit(work) for work in others]
            running += [pool.submit(self._use) for _ in range(clients)]
            end = time.monotonic() + seconds
            while time.monotonic() < end and not any(work.done() for work in running):
                time.sleep(0.1)
            self._over.set()
        self._scanner.fault = None
        for work in running:
            work.result()

    # -- the app --------------------------------------------------------------------------

    def _use(self) -> None:
        connection: http.client.HTTPSConnection | None = None
        kinds: list[tuple[Callable[[http.client.HTTPSConnection], None], int]] = [
            *((self._poll, 6), (self._look, 4), (self._wipe, 3), (self._pay, 2)),
            *((self._stream, 4), (self._submit, 2), (self._reset, 1), (self._leave, 1)),
        ]
        works, weights = zip(*kinds, strict=True)
        while not self._over.is_set():
            connection = connection or self.gate.connect(self._origin.host)
            (work,) = random.choices(works, weights)
            self.asked[work.__name__] += 1
            try:
                work(connection)
            except _BROKEN as error:
                self._end(work.__name__, type(error).__name__)
                connection.close()
                connection = None
        if connection:
            connection.close()

    def _poll(self, connection: http.client.HTTPSConnection) -> None:
        status, body = self._ask(connection, "GET", _path("plain"))
        self._expect("_poll", (status, body) == (200, _run("plain", False)), status, body)

    def _look(self, connection: http.client.HTTPSConnection) -> None:
        path = _path(self._new("look"))
        for _ in range(2):
            status, body = self._ask(connection, "GET", path)
            self._expect("_look", status == 200, status, body)

    def _wipe(self, connection: http.client.HTTPSConnection) -> None:
        status, body = self._ask(connection, "GET", _path(self._new("wipe")))
        self._expect("_wipe", status in (200, 403, 502, 503), status, body)

    def _pay(self, connection: http.client.HTTPSConnection) -> None:
        path = _path(self._new("pay"))
        for _ in range(_LOOKS):
            status, body = self._ask(connection, "GET", path)
            self._expect("_pay", status in (200, 403, 502, 503), status, body)
            if self._over.wait(0.2) or b'"in_progress"' not in body:
                return

    def _stream(self, connection: http.client.HTTPSConnection) -> None:
        id = self._new(random.choice(("look", "wipe")))
        cut = random.choice(("", "", "reset", "cut"))
        status, body = self._ask(connection, "POST", _CHAT, _asking(id, cut))
        is_whole = body.rstrip().endswith(b"data: [DONE]") or b'"error"' in body
        self._expect("_stream", status == 200 and is_whole, status, body)

    def _submit(self, connection: http.client.HTTPSConnection) -> None:
        """A result of a call that was denied: nothing of it may reach the API."""
        id = self._new("wipe")
        output = {"tool_outputs": [{"tool_call_id": f"call_{id}", "output": "done"}]}
        path = f"{_path(id)}/submit_tool_outputs"
        status, body = self._ask(connection, "POST", path, json.dumps(output).encode())
        self._expect("_submit", status in (403, 503), status, body)

    def _reset(self, connection: http.client.HTTPSConnection) -> None:
        status, body = self._ask(connection, "GET", _path("reset"))
        self._expect("_reset", status == 502 and b"upstream_failed" in body, status, body)

    def _leave(self, connection: http.client.HTTPSConnection) -> None:
        connection.request("POST", _CHAT, _asking(self._new("look"), "slow"), _headers())
        self._over.wait(random.uniform(0, 0.1))
        connection.close()
        self._end("_leave", "left")

    def _ask(
        self, connection: http.client.HTTPSConnection, method: str, path: str, body: bytes = b""
    ) -> tuple[int, bytes]:
        connection.request(method, path, body or None, _headers())
        with connection.getresponse() as response:
            got = response.read()
        found = {match[0].decode() for match in _CALL.finditer(without_comments(got))}
        if b'"error"' not in got:  # an error names the call that it is about
            with self._lock:
                self.seen |= found
        return response.status, got

    def _expect(self, kind: str, is_fine: bool, status: int, body: bytes) -> None:
        self._end(kind, str(status))
        if not is_fine:
            self.faults.append(f"{kind}: {status} {body[:300]!r}")

    def _end(self, kind: str, how: str) -> None:
        with self._lock:
            self.ended[f"{kind[1:]} {how}"] += 1

    def _new(self, tool: str) -> str:
        with self._lock:
            self._number += 1
            return f"{tool}_{self._number}"

    # -- the others -----------------------------------------------------------------------

    def _decide(self) -> None:
        """A person says yes or no to what waits, and leaves some."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=self.gate.console, headers=headers, trust_env=False) as client:
            while not self._over.wait(0.3):
                listed = client.get("/api/approvals", timeout=60).raise_for_status().json()
                waiting = [one for one in _items(listed) if one["state"] == "pending"]
                for one in random.sample(waiting, min(len(waiting), 5)):
                    answer = random.choice(("approve", "deny"))
                    (number,) = re.findall(r"\d+", str(one["arguments"]))
                    if answer == "approve":
                        self.approved.add(f"call_pay_{number}")
                    client.post(f"/api/approvals/{one['id']}", json={"answer": answer}, timeout=60)

    def _disturb(self) -> None:
        """The scanner fails, and the policy is written anew, at times with a fault."""
        faults = (None, None, Answer(500), Answer(200, b"not json"), Answer(200, breaks_off=True))
        while not self._over.wait(random.uniform(0.2, 1)):
            self._scanner.fault = random.choice(faults)
            fault = random.choice(("", "", "\n  - {"))
            self._policy.write_text(f"{POLICY}# {time.monotonic()}{fault}\n")
            self.gate.signal(signal.SIGHUP)
        self._policy.write_text(POLICY)

    def _dawdle(self) -> None:
        """Connections that send a byte now and then, or nothing, and go."""
        proxy = urlsplit(self.gate.proxy)
        idle: list[socket.socket] = []
        while not self._over.wait(0.1):
            with contextlib.suppress(OSError):
                idle.append(socket.create_connection((str(proxy.hostname), proxy.port)))
                random.choice(idle).send(b"C")
            if len(idle) > 50:
                idle.pop(random.randrange(len(idle))).close()
        for connection in idle:
            connection.close()

    # -- the API --------------------------------------------------------------------------

    def _answer(self, seen: Seen) -> Reply:
        self._origin.seen.clear()  # an hour's worth is too many to keep
        if seen.target == _CHAT:
            return self._streamed(json.loads(seen.body))
        found = _RUN.search(seen.target)
        if not found:
            return NOT_FOUND
        id, tail = found[1], found[2]
        if tail == "/submit_tool_outputs":
            self._check_outputs(seen.body)
            self._done.add(id)
        elif tail:
            return Reply(json.dumps({"object": "list", "data": []}).encode())
        body = _run(id, id not in ("plain", "reset") and id not in self._done)
        return Reply(body, promised_length=len(body) + 9 if id == "reset" else None)

    def _check_outputs(self, body: bytes) -> None:
        for output in json.loads(body)["tool_outputs"]:
            id, told = output["tool_call_id"], output["output"]
            if not told.startswith("Tool call blocked by Callgate"):
                self.faults.append(f"the API got {told!r} of {id}")

    def _streamed(self, asked: dict[str, Any]) -> Reply:
        id, cut = asked["metadata"]["id"], asked["metadata"]["cut"]
        word, call, last = _pieces(id)

        def play(wire: Wire) -> None:
            with contextlib.suppress(OSError):
                wire.send(word)
                self._over.wait(0.5 if cut == "slow" else 0)
                wire.send(call)
                if cut in ("reset", "cut"):
                    wire.reset() if cut == "reset" else wire.cut()
                    return
                wire.send(last)

        return Reply(headers=(("Content-Type", "text/event-stream"),), play=play)


def unjudged(seen: set[str], approved: set[str], bundle: Path) -> set[str]:
    """Those of the calls that the app got of which the exported log does not say that it may."""
    may = set()
    with bundle.open("rb") as lines:
        for line in lines:
            record = json.loads(line).get("record", {})
            if record.get("kind") != "call":
                continue
            effect, id = record["decision"], str(record["call"])
            if effect == "ALLOW" or (effect == "REQUIRE_APPROVAL" and id in approved):
                may.add(id)
    return seen - may


def _items(listed: Any) -> list[dict[str, Any]]:
    return list(listed["approvals"] if isinstance(listed, dict) else listed)


def _path(id: str) -> str:
    return f"/v1/threads/thread_1/runs/{id}"


def _headers() -> dict[str, str]:
    return {"Authorization": "Bearer sk-" + "app", "Content-Type": "application/json"}


def _asking(id: str, cut: str) -> bytes:
    asked: dict[str, object] = {"model": "gpt-4o", "stream": True}
    asked["messages"] = [{"role": "user", "content": "hi"}]
    return json.dumps({**asked, "metadata": {"id": id, "cut": cut}}).encode()


def _pieces(id: str) -> list[bytes]:
    """A stream of Chat Completions: a word, a call but for its end, and the end."""
    tool, number = id.split("_")
    call = chat.call(f"call_{id}", tool, json.dumps({"n": int(number)}))
    return [
        chat.stream(chat.chunk(chat.delta(role="assistant", content="hello")), done=False),
        chat.stream(*chat.pieces(call), done=False),
        chat.stream(chat.chunk(chat.delta(finish="tool_calls"))),
    ]


def _run(id: str, waits: bool) -> bytes:
    tool, _, number = id.partition("_")
    function = {"name": tool, "arguments": json.dumps({"n": int(number or 0)})}
    call = {"id": f"call_{id}", "type": "function", "function": function}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    run: dict[str, object] = {
        "id": id,
        "object": "thread.run",
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "status": "requires_action" if waits else "queued",
        "required_action": action if waits else None,
        "tools": [],
    }
    return json.dumps(run).encode()
