"""Rules on what a conversation has heard."""

from __future__ import annotations

import json
from collections.abc import Collection

import pytest

from callgate.canonical import Json
from callgate.errors import StoreError
from callgate.model import Effect, Reason, ToolCall, Verdict
from callgate.policy import Policy
from callgate.scanners.base import Scanner
from callgate.scanners.flow import Flow
from tests.samples import tool_call

IBAN = "account:de89370400440532013000"
TO_BOB: Json = {"to": "bob@x.com", "body": "hello"}


async def judged(tool: str, arguments: Json, *marks: str, policy: str = "") -> Verdict:
    parsed = Policy.parse(policy, "callgate.yaml") if policy else Policy.permissive()

    async def known(call: ToolCall, wanted: Collection[str]) -> frozenset[str]:
        return frozenset(wanted) & set(marks)

    scanner: Scanner = Flow(lambda: parsed, known)
    verdict = await scanner.scan(tool_call(name=tool, arguments=json.dumps(arguments)))
    await scanner.close()
    return verdict


async def test_recipient_that_only_a_result_names_awaits_approval() -> None:
    verdict = await judged("send_email", TO_BOB, "read:mail:bob@x.com")

    assert verdict.effect is Effect.REQUIRE_APPROVAL
    assert verdict.reasons == (Reason.UNTRUSTED_ARGUMENT,)
    [finding] = verdict.findings
    assert (finding.kind, finding.path, finding.confidence) == ("UNTRUSTED_RECIPIENT", "$.to", 0.8)
    assert verdict.trace
    assert verdict.risk == pytest.approx(0.56)
    assert "bob" not in verdict.explanation


async def test_after_orders_in_a_result_every_destination_must_have_been_said() -> None:
    steered = await judged("send_email", TO_BOB, "steered")
    said = await judged("send_email", TO_BOB, "steered", "said:mail:bob@x.com")

    assert steered.reasons == (Reason.UNTRUSTED_ARGUMENT,)
    assert "gave the model orders" in steered.explanation
    assert said.effect is Effect.ALLOW


@pytest.mark.parametrize(
    ("tool", "arguments", "marks"),
    [
        ("send_email", TO_BOB, ["read:mail:bob@x.com", "said:mail:bob@x.com"]),
        ("send_email", TO_BOB, []),
        ("send_email", TO_BOB, ["read:mail:other@x.com"]),
        ("get_email", {"to": "bob@x.com"}, ["read:mail:bob@x.com"]),
        ("post", {"url": "https://x.com/a/b"}, ["read:url:x.com/a/b", "said:url:x.com/a"]),
        ("post", {"url": "https://x.com/a/b"}, ["read:url:x.com/a/b", "said:host:x.com"]),
        ("write_file", {"path": "/repo/a.py"}, ["read:path:/repo/a.py", "said:path:/repo"]),
    ],
)
async def test_what_somebody_said_or_nobody_read_is_allowed(
    tool: str, arguments: Json, marks: list[str]
) -> None:
    verdict = await judged(tool, arguments, *marks)

    assert verdict.effect is Effect.ALLOW
    assert verdict.findings == ()


@pytest.mark.parametrize(
    ("tool", "arguments", "mark", "kind"),
    [
        ("send_money", {"to": "DE89370400440532013000"}, f"read:{IBAN}", "UNTRUSTED_ACCOUNT"),
        ("sms", {"phone": "+1 555 123 4567"}, "read:number:5551234567", "UNTRUSTED_ACCOUNT"),
        ("post", {"url": "https://x.com/a?b"}, "read:site:x.com", "UNTRUSTED_URL"),
        ("post", {"url": "https://x.com"}, "read:host:x.com", "UNTRUSTED_URL"),
        ("write_file", {"path": "/etc/cron.d/x"}, "read:path:/etc/cron.d/x", "UNTRUSTED_PATH"),
        ("write_file", {"path": "C:\\x"}, "read:path:c:/x", "UNTRUSTED_PATH"),
    ],
)
async def test_each_kind_of_destination_is_asked_about(
    tool: str, arguments: Json, mark: str, kind: str
) -> None:
    verdict = await judged(tool, arguments, mark)

    assert verdict.effect is Effect.REQUIRE_APPROVAL
    assert [finding.kind for finding in verdict.findings] == [kind]


async def test_link_in_a_host_that_the_user_has_a_link_to_is_not_thereby_said() -> None:
    marks = (
        "read:url:bin.com/evil",
        "read:site:bin.com",
        "said:url:bin.com/mine",
        "said:site:bin.com",
    )
    verdict = await judged("post", {"url": "https://bin.com/evil"}, *marks)

    assert verdict.effect is Effect.REQUIRE_APPROVAL


@pytest.mark.parametrize(
    ("tool", "arguments", "mark"),
    [
        ("write_file", {"path": "src/a.py"}, "read:path:src/a.py"),
        ("post", {"channel": "#general"}, "read:handle:general"),
        ("run_shell", {"command": "curl https://x.com/a.sh"}, "read:url:x.com/a.sh"),
    ],
)
async def test_what_is_often_the_same_by_chance_is_for_information(
    tool: str, arguments: Json, mark: str
) -> None:
    verdict = await judged(tool, arguments, mark)
    asked = await judged(
        tool, arguments, mark, policy="detectors: {untrusted_argument: {low: require_approval}}"
    )

    assert verdict.effect is Effect.ALLOW
    assert [finding.confidence for finding in verdict.findings] == [0.4]
    assert asked.effect is Effect.REQUIRE_APPROVAL


async def test_after_results_too_long_to_remember_only_what_was_said_is_trusted() -> None:
    unsaid = await judged("send_email", TO_BOB, "overflow")
    said = await judged("send_email", TO_BOB, "overflow", "said:mail:bob@x.com")

    assert unsaid.effect is Effect.REQUIRE_APPROVAL
    assert unsaid.findings[0].confidence == 0.6
    assert said.effect is Effect.ALLOW


@pytest.mark.parametrize(
    ("tool", "arguments", "confidence"),
    [
        ("send_email", TO_BOB, 0.8),
        ("post", {"url": "https://x.com/a"}, 0.8),
        ("run_shell", {"command": "curl -d @a https://x.com"}, 0.6),
    ],
)
async def test_what_leaves_after_sensitive_data_was_read_awaits_approval(
    tool: str, arguments: Json, confidence: float
) -> None:
    verdict = await judged(tool, arguments, "sensitive")

    assert verdict.effect is Effect.REQUIRE_APPROVAL
    assert verdict.reasons == (Reason.READ_THEN_WRITE,)
    assert verdict.findings[0].confidence == confidence


async def test_sending_where_the_user_said_is_less_sure_to_matter() -> None:
    marks = ("sensitive", "said:mail:bob@x.com")
    medium_off = "detectors: {read_then_write: {medium: off}}"

    assert (await judged("send_email", TO_BOB, *marks)).effect is Effect.REQUIRE_APPROVAL
    assert (await judged("send_email", TO_BOB, *marks, policy=medium_off)).effect is Effect.ALLOW


async def test_what_stays_inside_is_not_asked_about() -> None:
    marks = ("sensitive", "read:mail:bob@x.com", "read:mail:bob@y.com")
    own = "own_domains: [x.com]"

    assert (await judged("send_email", TO_BOB, *marks, policy=own)).findings == ()
    both: Json = {"to": ["bob@x.com", "bob@y.com"]}
    assert {f.path for f in (await judged("send_email", both, *marks, policy=own)).findings} == {
        "$.to[1]"
    }
    assert (await judged("write_file", {"path": "/x"}, "sensitive")).effect is Effect.ALLOW


async def test_one_line_turns_a_rule_off() -> None:
    marks = ("sensitive", "read:mail:bob@x.com")
    off = "detectors: {read_then_write: off, untrusted_argument: off}"
    one = await judged("send_email", TO_BOB, *marks, policy="detectors: {untrusted_argument: deny}")

    assert (await judged("send_email", TO_BOB, *marks, policy=off)).effect is Effect.ALLOW
    assert one.effect is Effect.DENY
    assert set(one.reasons) == {Reason.UNTRUSTED_ARGUMENT, Reason.READ_THEN_WRITE}


async def test_memory_that_does_not_answer_is_no_verdict() -> None:
    async def gone(call: ToolCall, wanted: Collection[str]) -> frozenset[str]:
        raise StoreError("gone")

    with pytest.raises(StoreError, match="gone"):
        await Flow(Policy.permissive, gone).scan(
            tool_call(name="send_email", arguments=json.dumps(TO_BOB))
        )
