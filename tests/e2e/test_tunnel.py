"""What the gate does not read: hosts that are not gated, and bodies that carry no calls."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from tests.e2e.gate import StartGate
from tests.e2e.origin import Origin, Reply

PIECE = os.urandom(1 << 20)


def test_host_that_is_not_gated_shows_its_own_certificate(
    start_gate: StartGate, origin: Origin, upstream_ca_file: Path
) -> None:
    gate = start_gate("127.0.0.1:1")  # some other host
    origin.answer = lambda _: Reply(b'{"status":"requires_action"}')
    connection = gate.connect(origin.host, ca=str(upstream_ca_file))

    connection.request("GET", "/v1/threads/t/runs/r")
    response = connection.getresponse()

    assert response.read() == b'{"status":"requires_action"}'
    assert not [name for name in response.headers if name.lower().startswith("callgate-")]
    connection.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        gate.request(origin.host, "GET", "/v1/threads/t/runs/r")


def test_gated_host_shows_a_certificate_of_the_gate(
    start_gate: StartGate, origin: Origin, upstream_ca_file: Path
) -> None:
    gate = start_gate(origin.host)
    origin.answer = lambda _: Reply(b"{}")

    assert gate.request(origin.host, "GET", "/v1/models").status == 200
    connection = gate.connect(origin.host, ca=str(upstream_ca_file))
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/v1/models")
    connection.close()


def test_upstream_with_an_untrusted_certificate_is_refused(
    start_gate: StartGate, origin: Origin
) -> None:
    gate = start_gate(origin.host, trusts_upstream=False)

    answer = gate.request(origin.host, "GET", "/v1/models")

    assert answer.status == 502
    assert not origin.seen


def test_only_openai_refuses_other_hosts(start_gate: StartGate, origin: Origin) -> None:
    gate = start_gate("127.0.0.1:1", CALLGATE_ONLY_OPENAI="true")

    with pytest.raises(OSError, match=r"Tunnel connection failed|403|refused|reset|closed"):
        gate.request(origin.host, "GET", "/v1/models")
    assert not origin.seen


def test_file_upload_is_streamed(start_gate: StartGate, origin: Origin) -> None:
    """The API has the first bytes before the app has sent the last of 50 MB."""
    gate = start_gate(origin.host)
    origin.answer = lambda _: Reply(b'{"id":"file-1","object":"file"}')
    connection = gate.connect(origin.host)
    connection.putrequest("POST", "/v1/files")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(50 * len(PIECE)))
    connection.endheaders()
    for _ in range(49):
        connection.send(PIECE)

    assert origin.first_body_bytes.wait(30)

    connection.send(PIECE)
    response = connection.getresponse()
    assert response.status == 200
    response.read()
    connection.close()
    assert [len(seen.body) for seen in origin.seen] == [50 * len(PIECE)]
    assert origin.seen[0].body[-len(PIECE) :] == PIECE


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/audio/speech", "/v1/models"])
def test_answers_that_carry_no_calls_pass_byte_for_byte(
    start_gate: StartGate, origin: Origin, path: str
) -> None:
    gate = start_gate(origin.host)
    body = b'{"tool_calls": not JSON at all' + os.urandom(100)
    origin.answer = lambda _: Reply(body, 200, (("Content-Type", "application/json"),))

    assert gate.request(origin.host, "POST", path, b"{}").body == body
