"""The Interven gateway through its real SDK, against a stand-in at the socket."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import certifi
import pytest
from interven_openai_assistants import scan_tool_calls

from callgate.errors import ScannerError, SettingsError
from callgate.model import ApprovalState, Band, Effect, SurfaceName
from callgate.scanners.interven import Interven
from tests.deciding import call, tool
from tests.standins.gateway import Asked, Reply
from tests.standins.interven import KEY, IntervenGateway


@pytest.fixture
def gateway() -> Iterator[IntervenGateway]:
    with IntervenGateway() as running:
        yield running


@pytest.fixture
async def scanner(gateway: IntervenGateway) -> AsyncIterator[Interven]:
    made = scanner_of(gateway)
    yield made
    await made.close()


def scanner_of(gateway: IntervenGateway, key: str = KEY, timeout: float = 60) -> Interven:
    return Interven(key, gateway.url, "", timeout_seconds=timeout, roots=certifi.where())


async def failed(scanner: Interven) -> ScannerError:
    with pytest.raises(ScannerError) as error:
        await scanner.scan(call())
    return error.value


async def test_allow(scanner: Interven) -> None:
    verdict = await scanner.scan(call())

    assert (verdict.scanner, verdict.effect, verdict.reasons) == ("interven", Effect.ALLOW, ())
    assert (verdict.risk, verdict.is_final) == (0.1, True)
    assert scanner.state == "ok"


async def test_deny_with_reasons_risk_and_trace(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    trace = str(uuid.uuid4())
    gateway.decisions["look"] = {
        "decision": "deny",
        "risk_score": 0.9,
        "risk_band": "CRITICAL",
        "reason_codes": ["THREAT_INTEL_HIT", "PII_DETECTED"],
        "trace_id": trace,
    }
    verdict = await scanner.scan(call())

    assert (verdict.effect, verdict.trace) == (Effect.DENY, trace)
    assert verdict.reasons == ("THREAT_INTEL_HIT", "PII_DETECTED")
    assert (verdict.risk, verdict.band) == (0.9, Band.CRITICAL)
    assert verdict.explanation == "Interven: DENY (THREAT_INTEL_HIT, PII_DETECTED)"


async def test_sanitize_gives_the_arguments_to_use(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    gateway.decisions["look"] = {"decision": "SANITIZE", "sanitized_body": {"x": "[SSN]"}}

    assert (await scanner.scan(call())).sanitized_arguments == '{"x":"[SSN]"}'


async def test_sanitize_without_a_body_is_no_allow(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    gateway.decisions["look"] = {"decision": "SANITIZE", "sanitized_body": None}
    (original,) = scan_tool_calls([tool("look")], api_key=KEY, gateway_url=gateway.url)

    assert original.effective_arguments == {"x": 1}
    assert (await failed(scanner)).kind == "SCANNER_ANSWER_UNREADABLE"


async def test_require_approval_with_id_and_address(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    gateway.decisions["look"] = {
        "decision": "REQUIRE_APPROVAL",
        "approval_id": "appr-1",
        "approval_url": "https://app.example/appr-1",
    }
    verdict = await scanner.scan(call())

    assert verdict.effect is Effect.REQUIRE_APPROVAL
    assert (verdict.approval_id, verdict.approval_url) == ("appr-1", "https://app.example/appr-1")


async def test_approval_without_an_id_is_asked_of_our_own_people(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    gateway.decisions["look"] = {"decision": "REQUIRE_APPROVAL", "approval_id": None}

    assert (await scanner.scan(call())).approval_id is None


async def test_question_says_who_asks_and_through_what(gateway: IntervenGateway) -> None:
    made = Interven(KEY, gateway.url, "agent-1", timeout_seconds=60, roots=certifi.where())
    await made.scan(replace(call(), surface=SurfaceName.CHAT))
    await made.close()

    (asked,) = gateway.scans
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        "method": "POST",
        "url": "tool://openai-assistants/look",
        "body": {"x": 1},
        "runtime_type": "openai_chat",
        "agent_id": "agent-1",
    }


async def test_question_is_the_one_of_the_original_package(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    arguments = '{"owner":"o","repo":"r","title":"é"}'
    scan_tool_calls(
        [tool("github_pull_request", arguments=arguments)], api_key=KEY, gateway_url=gateway.url
    )
    await scanner.scan(call("github_pull_request", arguments=arguments))

    original, ours = gateway.scans
    assert original.body == ours.body
    assert original.headers["authorization"] == ours.headers["authorization"]


async def test_calls_are_asked_about_side_by_side_and_connections_kept(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    gateway.http.answers_from = 16
    for _ in range(2):
        await asyncio.gather(*(scanner.scan(call(id=str(n))) for n in range(16)))

    assert gateway.http.most_at_once == 16
    assert gateway.http.connections <= 32


async def test_loop_goes_on_while_the_sdk_waits(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    gateway.http.answers_from = 2
    scan = asyncio.ensure_future(scanner.scan(call()))
    for _ in range(10):
        await asyncio.sleep(0.01)
    assert not scan.done()

    await asyncio.gather(scan, scanner.scan(call(id="call_2")))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(401), "SCANNER_KEY_REFUSED"),
        (Reply(429, headers={"Retry-After": "9"}), "SCANNER_RATE_LIMITED"),
        (Reply(500), "SCANNER_FAILED"),
        (Reply(204, b""), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body=b"<html>"), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body=b'{"decision":"DENY","decision":"ALLOW"}'), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body=[]), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"decision": "ALLOW", "risk_score": "high"}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"decision": "ALLOW", "risk_score": []}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"decision": "ALLOW", "risk_score": -1}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"decision": "ALLOW", "reason_codes": 7}), "SCANNER_ANSWER_UNREADABLE"),
        (Reply(body={"decision": "ALLOW", "reason_codes": "X"}), "SCANNER_ANSWER_UNREADABLE"),
        (
            Reply(body={"decision": "REQUIRE_APPROVAL", "approval_id": "../x"}),
            "SCANNER_ANSWER_UNREADABLE",
        ),
        (Reply(body={"decision": "MAYBE"}), "SCANNER_DECISION_UNKNOWN"),
        (Reply(body={"decision": "ALLOW "}), "SCANNER_DECISION_UNKNOWN"),
        (Reply(body={"decision": ["ALLOW"]}), "SCANNER_DECISION_UNKNOWN"),
        (Reply(body={"decision": ""}), "SCANNER_DECISION_UNKNOWN"),
        (Reply(body={}), "SCANNER_DECISION_UNKNOWN"),
        (Reply(body=b"x" * 100, breaks_off=True), "SCANNER_UNREACHABLE"),
    ],
)
async def test_whatever_is_not_a_clear_answer_is_an_error_of_its_kind_and_heals(
    scanner: Interven, gateway: IntervenGateway, reply: Reply, kind: str
) -> None:
    gateway.fault = reply
    error = await failed(scanner)
    assert (error.kind, scanner.state) == (kind, kind)

    gateway.fault = None
    if kind != "SCANNER_RATE_LIMITED":
        assert (await scanner.scan(call())).effect is Effect.ALLOW
        assert scanner.state == "ok"


async def test_retry_after_is_kept_to(scanner: Interven, gateway: IntervenGateway) -> None:
    gateway.fault = Reply(429, headers={"Retry-After": "60"})
    assert (await failed(scanner)).retry_after_seconds == 60
    gateway.fault = None

    assert (await failed(scanner)).kind == "SCANNER_RATE_LIMITED"
    assert len(gateway.scans) == 1


async def test_bad_key_is_told(gateway: IntervenGateway) -> None:
    made = scanner_of(gateway, "iv_" + "live_" + "other")
    assert (await failed(made)).kind == "SCANNER_KEY_REFUSED"
    await made.close()


async def test_dead_gateway_costs_its_timeout_a_few_times_only(gateway: IntervenGateway) -> None:
    made = scanner_of(gateway, timeout=0.3)
    gateway.http.is_silent = True
    kinds = {(await failed(made)).kind for _ in range(30)}
    await made.close()

    assert kinds == {"SCANNER_TIMEOUT"}
    # after three it is asked once in a second, in two, in four and so on
    assert gateway.http.connections < 15


async def test_busy_threads_are_a_timeout(gateway: IntervenGateway) -> None:
    made = scanner_of(gateway, timeout=0.3)
    gateway.http.is_silent = True
    answers = await asyncio.gather(
        *(made.scan(call(id=str(n))) for n in range(40)), return_exceptions=True
    )
    await made.close()

    assert all(isinstance(answer, ScannerError) for answer in answers)


async def test_arguments_that_are_too_large_are_denied_for_good(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    large = call(arguments=json.dumps({"x": "y" * 262_144}))
    verdict = await scanner.scan(large)

    assert (verdict.effect, verdict.is_final) == (Effect.DENY, True)
    assert verdict.reasons == ("SCANNER_UNAVAILABLE", "ARGUMENTS_TOO_LARGE")
    assert gateway.scans == []


async def test_sdk_that_fails_by_itself_is_an_error(
    scanner: Interven, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise scanner._error("its text may quote the call")

    monkeypatch.setattr(scanner._client, "scan", broken)
    error = await failed(scanner)

    assert (error.kind, str(error)) == ("SCANNER_FAILED", "its SDK failed with AifError")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", ApprovalState.PENDING),
        ("approved", ApprovalState.APPROVED),
        ("denied", ApprovalState.DENIED),
        ("expired", ApprovalState.EXPIRED),
        ("executed", ApprovalState.DENIED),
        ("APPROVED?", ApprovalState.PENDING),
    ],
)
async def test_approval_stands_as_the_gateway_says(
    scanner: Interven, gateway: IntervenGateway, status: str, state: ApprovalState
) -> None:
    gateway.approvals["appr-1"] = status
    gateway._urls["appr-1"] = "tool://x"

    assert await scanner.approval("appr-1") is state


async def test_question_about_an_approval_may_fail_and_does_not_stop_scans(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    with pytest.raises(ScannerError):
        await scanner.approval("unknown")
    gateway.approvals["appr-1"] = "pending"
    await scanner.approval("appr-1")
    with pytest.raises(ScannerError) as often:
        await scanner.approval("appr-1")

    assert (often.value.kind, often.value.retry_after_seconds) == ("SCANNER_RATE_LIMITED", 2)
    assert (await scanner.scan(call())).effect is Effect.ALLOW


async def test_result_is_told_and_what_was_seen_comes_back(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    gateway.classes = ["PII", "SECRET"]
    found = await scanner.classify("trace-1", {"mail": "x"}, 200)

    assert (found.classes, found.redacted) == (["PII", "SECRET"], 2)
    assert found.fingerprint == "sha256:0123"
    assert gateway.results[0].body == {
        "trace_id": "trace-1",
        "response_body": {"mail": "x"},
        "response_status": 200,
    }


async def test_odd_answer_about_a_result_is_nothing_seen(
    scanner: Interven, gateway: IntervenGateway
) -> None:
    def script(_: Asked) -> Reply:
        return Reply(body={"data_classes": 7, "content_fingerprint": []})

    gateway.http.script = script
    found = await scanner.classify("trace-1", "x", 200)

    assert (list(found.classes), found.redacted, found.fingerprint) == ([], None, "")


@pytest.mark.parametrize("missing", ["requests", "aif_sdk.scan"])
def test_missing_sdk_is_said(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    if missing == "requests":
        monkeypatch.setattr("callgate.scanners.pooled.importlib.import_module", import_module)
    else:
        monkeypatch.setattr("callgate.scanners.interven.importlib.util.find_spec", lambda _: None)

    with pytest.raises(SettingsError, match=r"pip install 'callgate\[interven\]'"):
        Interven(KEY, "http://127.0.0.1:1", "", timeout_seconds=1, roots=certifi.where())
