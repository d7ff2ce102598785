"""The Aegis gateway against a stand-in at the socket: only a clear allow lets a call through."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trustme
from aegis_openai import AegisClient

from callgate.errors import ScannerError
from callgate.model import ApprovalState, Effect, Verdict
from callgate.scanners.aegis import Aegis
from callgate.scanners.reading import MAX_ANSWER_BYTES
from tests.deciding import call
from tests.standins.aegis import KEY, WAF_PAGE, AegisGateway, allowed, decided
from tests.standins.gateway import Reply, StandIn

TRUST = ssl.create_default_context()


@pytest.fixture
def gateway() -> Iterator[AegisGateway]:
    with AegisGateway() as running:
        yield running


@pytest.fixture
async def scanner(gateway: AegisGateway) -> AsyncIterator[Aegis]:
    made = scanner_of(gateway.url)
    yield made
    await made.close()


def scanner_of(url: str, key: str = KEY, timeout: float = 60) -> Aegis:
    return Aegis(key, url, "tenant-1", "agent-1", timeout_seconds=timeout, trust=TRUST)


async def told(scanner: Aegis, gateway: AegisGateway, reply: Reply) -> Verdict:
    gateway.replies["look"] = reply
    return await scanner.scan(call())


async def test_nobodys_proxy_is_used_and_only_the_given_authorities_are_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
    with StandIn(lambda _: allowed(), tls=context) as server:
        knowing = Aegis(KEY, server.url, "", "", timeout_seconds=5, trust=trust)
        stranger = scanner_of(server.url)
        assert (await knowing.scan(call())).effect is Effect.ALLOW
        with pytest.raises(ScannerError) as failed:
            await stranger.scan(call())
        for made in (knowing, stranger):
            await made.close()

    assert failed.value.kind == "SCANNER_UNREACHABLE"
    assert len(server.asked) == 1


async def test_question_is_the_one_of_the_original_package(
    scanner: Aegis, gateway: AegisGateway
) -> None:
    await scanner.scan(call(arguments='{"x":[1,"é"]}'))
    original = AegisClient(KEY, gateway.url, "tenant-1", "agent-1")
    original.check("look", {"x": [1, "é"]})
    original.close()

    ours, theirs = gateway.http.to("/execute")
    assert ours.body == theirs.body
    for name in ("authorization", "x-tenant-id", "x-agent-id", "content-type"):
        assert ours.headers[name] == theirs.headers[name]
    assert ours.headers["user-agent"].startswith("Mozilla/5.0 (compatible; callgate/")


async def test_allow(scanner: Aegis, gateway: AegisGateway) -> None:
    verdict = await told(scanner, gateway, allowed())

    assert (verdict.scanner, verdict.effect, verdict.risk) == ("aegis", Effect.ALLOW, 0.1)
    assert scanner.state == "ok"


async def test_allow_without_an_envelope(scanner: Aegis, gateway: AegisGateway) -> None:
    verdict = await told(scanner, gateway, Reply(body={"action": "ALLOW"}))

    assert (verdict.effect, verdict.risk) == (Effect.ALLOW, 0)


@pytest.mark.parametrize("word", ["deny", "block", "policy_deny", "reject", "Deny"])
@pytest.mark.parametrize("status", [200, 403])
async def test_denials(scanner: Aegis, gateway: AegisGateway, word: str, status: int) -> None:
    verdict = await told(scanner, gateway, decided(word, status, risk=0.9, findings=["rm -rf"]))

    assert (verdict.effect, verdict.risk, verdict.is_final) == (Effect.DENY, 0.9, True)
    assert verdict.reasons == ("RM_RF",)
    assert verdict.explanation == "Aegis: DENY (RM_RF)"


@pytest.mark.parametrize(
    ("findings", "reasons"),
    [
        (
            [{"code": "drop table"}, {"type": "pii"}, {"name": 7, "id": "x"}, {}],
            ("DROP_TABLE", "PII", "X"),
        ),
        ([], ()),
        (None, ()),
    ],
)
async def test_findings_become_reason_codes(
    scanner: Aegis, gateway: AegisGateway, findings: Any, reasons: tuple[str, ...]
) -> None:
    assert (await told(scanner, gateway, decided("deny", findings=findings))).reasons == reasons


@pytest.mark.parametrize(
    ("reply", "id"),
    [
        (decided("escalate", approval_id="a-1", approval_url="https://aegis.example/a-1"), "a-1"),
        (Reply(403, {"error": "approval_required", "approval_id": "a-1"}), "a-1"),
        (Reply(403, {"error": "approval_required"}), None),
    ],
)
async def test_escalations_ask_for_an_approval(
    scanner: Aegis, gateway: AegisGateway, reply: Reply, id: str | None
) -> None:
    verdict = await told(scanner, gateway, reply)

    assert (verdict.effect, verdict.approval_id) == (Effect.REQUIRE_APPROVAL, id)


async def test_approval_has_its_address(scanner: Aegis, gateway: AegisGateway) -> None:
    url = "https://aegis.example/a-1"
    verdict = await told(scanner, gateway, decided("escalate", approval_id="a", approval_url=url))

    assert verdict.approval_url == url


async def test_error_without_an_action_is_a_denial(scanner: Aegis, gateway: AegisGateway) -> None:
    verdict = await told(scanner, gateway, Reply(403, {"error": "policy denied", "data": None}))

    assert (verdict.effect, verdict.reasons) == (Effect.DENY, ("POLICY_DENIED",))


async def test_page_of_the_web_firewall_is_a_denial(scanner: Aegis, gateway: AegisGateway) -> None:
    verdict = await told(scanner, gateway, WAF_PAGE)

    assert (verdict.effect, verdict.reasons) == (Effect.DENY, ("WAF_BLOCKED",))


async def test_call_that_is_too_large_is_a_denial(scanner: Aegis, gateway: AegisGateway) -> None:
    verdict = await told(scanner, gateway, Reply(413))

    assert (verdict.effect, verdict.is_final) == (Effect.DENY, True)
    assert "ARGUMENTS_TOO_LARGE" in verdict.reasons


HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(401), "SCANNER_KEY_REFUSED"),
        (Reply(429, headers={"Retry-After": "9"}), "SCANNER_RATE_LIMITED"),
        (Reply(500), "SCANNER_FAILED"),
        (Reply(202, {"approval_id": "a"}), "SCANNER_FAILED"),
        (Reply(302, headers={"Location": "/elsewhere"}), "SCANNER_FAILED"),
        (Reply(200, b"<html>", HTML), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(403, b"{"), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body=[]), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"error": ""}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"action": 7}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"action": "deny", "data": {"action": "allow"}}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"action": ["x"], "data": {"action": "allow"}}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body=b'{"action":"deny","action":"allow"}'), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"action": "allow", "success": False}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"action": "allow", "error": "no"}), "SCANNER_ANSWER_UNREADABLE"),
        (decided("allow", 403), "SCANNER_ANSWER_UNREADABLE"),
        (decided("allow", risk="low"), "SCANNER_ANSWER_UNREADABLE"),
        (decided("escalate", approval_id="../x"), "SCANNER_ANSWER_UNREADABLE"),
        (decided("rate_limited"), "SCANNER_DECISION_UNKNOWN"),
        (decided("monitor"), "SCANNER_DECISION_UNKNOWN"),
        (decided("allow!"), "SCANNER_DECISION_UNKNOWN"),
        (Reply(body=b"x" * 1000, breaks_off=True), "SCANNER_UNREACHABLE"),
    ],
)
async def test_whatever_is_not_a_clear_answer_is_an_error_of_its_kind(
    scanner: Aegis, gateway: AegisGateway, reply: Reply, kind: str
) -> None:
    with pytest.raises(ScannerError) as failed:
        await told(scanner, gateway, reply)

    assert (failed.value.kind, scanner.state) == (kind, kind)
    assert gateway.http.to("/elsewhere") == []


async def test_bad_key_silence_and_nobody_are_told_apart(gateway: AegisGateway) -> None:
    with socket.socket() as taken, StandIn(lambda _: Reply()) as silent:
        taken.bind(("127.0.0.1", 0))  # held, and not listened on
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        silent.is_silent = True
        kinds = []
        for made in (
            scanner_of(gateway.url, "acp_" + "other"),
            scanner_of(silent.url, timeout=0.3),
            scanner_of(nobody),
        ):
            with pytest.raises(ScannerError) as failed:
                await made.scan(call())
            kinds.append(failed.value.kind)
            await made.close()

    assert kinds == ["SCANNER_KEY_REFUSED", "SCANNER_TIMEOUT", "SCANNER_UNREACHABLE"]


async def test_answer_that_is_too_large_is_unreadable(
    scanner: Aegis, gateway: AegisGateway
) -> None:
    with pytest.raises(ScannerError, match="too large"):
        await told(scanner, gateway, Reply(body=b" " * (MAX_ANSWER_BYTES + 1)))


async def test_calls_are_asked_about_side_by_side_on_kept_connections(
    scanner: Aegis, gateway: AegisGateway
) -> None:
    gateway.http.answers_from = 16
    for _ in range(2):
        await asyncio.gather(*(scanner.scan(call(id=str(n))) for n in range(16)))

    assert gateway.http.most_at_once == 16
    assert gateway.http.connections <= 32


async def test_connection_that_was_closed_meanwhile_is_made_again() -> None:
    with StandIn(lambda _: allowed()) as first:
        made = scanner_of(first.url)
        await made.scan(call())
        port = first.port
    with StandIn(lambda _: allowed(), port=port):
        assert (await made.scan(call(arguments=""))).effect is Effect.ALLOW
    await made.close()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", ApprovalState.PENDING),
        ("Approved", ApprovalState.APPROVED),
        ("rejected", ApprovalState.DENIED),
        ("denied", ApprovalState.DENIED),
        ("expired", ApprovalState.EXPIRED),
        (7, ApprovalState.PENDING),
    ],
)
async def test_approval_stands_as_the_gateway_says(
    scanner: Aegis, gateway: AegisGateway, status: Any, state: ApprovalState
) -> None:
    gateway.approvals["a-1"] = status

    assert await scanner.approval("a-1") is state
    assert gateway.http.asked[0].headers["x-api-key"] == KEY


async def test_approval_that_the_gateway_does_not_know_is_an_error(scanner: Aegis) -> None:
    with pytest.raises(ScannerError) as failed:
        await scanner.approval("unknown")

    assert failed.value.kind == "SCANNER_FAILED"


async def test_odd_answer_about_an_approval_leaves_it_pending(
    scanner: Aegis, gateway: AegisGateway
) -> None:
    gateway.http.script = lambda _: Reply(body={"data": json.dumps({"status": "approved"})})

    assert await scanner.approval("a-1") is ApprovalState.PENDING
