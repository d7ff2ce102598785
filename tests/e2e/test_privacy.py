"""What must never be written: keys of the API at all, other secrets in clear; nowhere, ever.

Real traffic in every mode, at the most talkative level, with secrets wherever an app may have
them; then everything that Callgate wrote is searched: home folder, database and its journals,
mirror, standard output and error.
"""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.e2e.gate import Gate, StartGate
from tests.e2e.origin import Origin, Reply, Seen

POLICY = """\
version: 1
default: allow
policies:
  - name: e2e
    actions:
      - {tool: run_shell, effect: deny}
      - {tool: refund_order, effect: require_approval}
"""

RUN = "/v1/threads/thread_1/runs/run_1"


def _token(prefix: str, length: int) -> str:
    return prefix + "".join(secrets.choice("ABCDEFGHJKMNPQRSTVWXYZ23456789") for _ in range(length))


API_KEYS = {
    "bearer": "sk-proj-" + secrets.token_urlsafe(40),
    "azure": secrets.token_hex(16),
    "cookie": "session-" + secrets.token_hex(12),
    "query": "sk-" + secrets.token_hex(24),
    "proxy": "hunter-" + secrets.token_hex(8),
}
VALUES = {
    "argument": _token("AKIA", 16),
    "argument in an object": "ghp_" + secrets.token_hex(18),
    "denied argument": _token("AKIA", 16),
    "pending argument": _token("AKIA", 16),
    "streamed argument": _token("AKIA", 16),
    "broken argument": _token("AKIA", 16),
    "result": "ghp_" + secrets.token_hex(18),
    "refused result": _token("AKIA", 16),
    "words in a result": "the patient in bed " + secrets.token_hex(6),
    "words in an answer": "she said " + secrets.token_hex(6),
    "words in a prompt": "please tell " + secrets.token_hex(6),
    "broken body": _token("AKIA", 16),
    "double key": _token("AKIA", 16),
    "error of the API": "sk-" + secrets.token_hex(24),
    "path": "ghp_" + secrets.token_hex(18),
    "unknown endpoint": _token("AKIA", 16),
}
HEADERS = {
    "Authorization": f"Bearer {API_KEYS['bearer']}",
    "api-key": API_KEYS["azure"],
    "Cookie": f"s={API_KEYS['cookie']}",
}
QUERY = f"?api-version=1&key={API_KEYS['query']}"


def call(id: str, name: str, secret: str, **more: object) -> dict[str, object]:
    arguments = json.dumps({"text": f"use {secret} now", **more})
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def waiting_run() -> bytes:
    nested = {"deep": [VALUES["argument in an object"]]}
    calls = [
        call("call_ok", "send", VALUES["argument"], more=nested),
        call("call_no", "run_shell", VALUES["denied argument"]),
        call("call_ask", "refund_order", VALUES["pending argument"]),
    ]
    broken = call("call_broken", "send", "")
    broken["function"] = {"name": "send", "arguments": '{"a": "' + VALUES["broken argument"]}
    action = {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": [*calls, broken]},
    }
    run = {
        "id": "run_1",
        "object": "thread.run",
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "status": "requires_action",
        "required_action": action,
    }
    return json.dumps(run).encode()


def stream() -> bytes:
    def chunk(delta: object, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        body = {"id": "c1", "object": "chat.completion.chunk", "choices": [choice]}
        return b"data: " + json.dumps({**body, "model": "m", "created": 1}).encode() + b"\n\n"

    streamed = call("call_s", "send", VALUES["streamed argument"])
    return b"".join(
        (
            chunk({"role": "assistant", "content": VALUES["words in an answer"]}),
            chunk({"tool_calls": [{"index": 0, **streamed}]}),
            chunk({}, "tool_calls"),
            b"data: [DONE]\n\n",
        )
    )


def answer(seen: Seen) -> Reply:
    """The API: a run that waits, a stream, errors that quote a key, and a body cut short."""
    path = seen.target.partition("?")[0]
    if path == "/v1/chat/completions":
        return Reply(stream(), headers=(("Content-Type", "text/event-stream"),))
    if path == "/v1/models":
        message = f"Incorrect API key provided: {VALUES['error of the API']}"
        return Reply(json.dumps({"error": {"message": message}}).encode(), 401)
    if path == "/v1/threads/thread_2/runs/run_1":
        return Reply(b'{"status": "' + VALUES["broken body"].encode())
    return Reply(waiting_run())


def drive(gate: Gate, host: str) -> None:
    """Everything that an app does, well and badly."""

    def send(method: str, target: str, body: object = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
        gate.request(host, method, target + QUERY, raw, HEADERS)

    prompt = {"role": "user", "content": VALUES["words in a prompt"]}
    send("GET", RUN)
    outputs = [
        {"tool_call_id": "call_ok", "output": VALUES["result"]},
        {"tool_call_id": "call_ok", "output": VALUES["words in a result"]},
    ]
    send("POST", f"{RUN}/submit_tool_outputs", {"tool_outputs": outputs})
    denied = [{"tool_call_id": "call_no", "output": VALUES["refused result"]}]
    send("POST", f"{RUN}/submit_tool_outputs", {"tool_outputs": denied})
    send("POST", "/v1/chat/completions", {"model": "m", "stream": True, "messages": [prompt]})
    double = f'{{"tool_outputs":[],"{VALUES["double key"]}":1,"{VALUES["double key"]}":2}}'
    send("POST", f"{RUN}/submit_tool_outputs", double.encode())
    send("POST", f"{RUN}/submit_tool_outputs", f'["{VALUES["broken body"]}'.encode())
    send("GET", "/v1/threads/thread_2/runs/run_1")
    send("GET", "/v1/models")
    send("POST", f"/v1/unknown/{VALUES['path']}", {"a": VALUES["unknown endpoint"]})


def spellings(secret: str) -> Iterator[bytes]:
    """As it is, and as it would be after another layer's encoding."""
    for text in (secret, quote(secret), json.dumps(secret)[1:-1], secret.encode().hex()):
        yield text.encode()
    for padding in range(3):
        encoded = base64.b64encode(b"\0" * padding + secret.encode())
        # the characters at both ends depend on what stands beside it
        yield encoded[4:-4]


def written(*places: Path) -> Mapping[Path, bytes]:
    files = [f for place in places for f in ([place] if place.is_file() else place.rglob("*"))]
    return {file: file.read_bytes() for file in files if file.is_file()}


@pytest.fixture
def operator(tmp_path: Path) -> Path:
    key = X25519PrivateKey.generate()
    private = tmp_path / "operator.key"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private.with_suffix(".pub").write_bytes(public)
    return private


@pytest.mark.parametrize("mode", ["observe", "enforce", "withhold"])
def test_secrets_are_written_nowhere(
    start_gate: StartGate, origin: Origin, tmp_path: Path, operator: Path, mode: str
) -> None:
    origin.answer = answer
    gate = start_gate(
        origin.host,
        mode=mode,
        policy=POLICY,
        CALLGATE_LOG_LEVEL="debug",
        CALLGATE_KEEP_ARGUMENTS=str(operator.with_suffix(".pub")),
        CALLGATE_AUDIT_FILE=str(tmp_path / "mirror.jsonl"),
        CALLGATE_APPROVAL_TTL_SECONDS="1",
    )
    drive(gate, origin.host)
    listed = gate.run("audit", "--json").stdout + gate.run("approvals", "list", "--all").stdout
    places = gate.home, Path(f"{gate.home}.log"), tmp_path / "mirror.jsonl"
    files = written(*places)
    assert any(path.name.endswith("-wal") for path in files)
    gate.stop()
    files = {**files, **written(*places), Path("out"): listed.encode()}

    found = [
        (name, path.name)
        for name, secret in {**API_KEYS, **VALUES}.items()
        for spelling in spellings(secret)
        for path, content in files.items()
        if spelling in content
    ]
    assert found == []
    # the search would have found them: the operator's key opens what was kept
    opened = gate.lines("audit", "--open", str(operator))
    raw = [str(record["raw"]) for record in opened if "raw" in record]
    kept = [name for name, secret in VALUES.items() if any(secret in text for text in raw)]
    assert {"argument", "denied argument", "streamed argument", "broken argument"} <= set(kept)
    assert (tmp_path / "mirror.jsonl").read_bytes().count(b"\n") > 8
    with closing(sqlite3.connect(gate.home / "callgate.db")) as database:
        assert database.execute("SELECT count(*) FROM records").fetchone()[0] > 8
