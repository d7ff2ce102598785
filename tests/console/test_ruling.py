from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from callgate.console.app import application
from callgate.console.ruling import _matched
from callgate.policy import Policy, PolicyFile
from tests.console.seat import TOKEN, Seat, made
from tests.fakes import FakeClock, MemoryStore

POLICY = """\
version: 1
default: deny
policies:
  - name: shop
    actions:
      - {tool: refund_order, effect: require_approval, when: 'args.amount > 100.0'}
      - {tool: refund_order, effect: allow, constraints: {max_amount: 100}}
      - {tool: send_message, effect: allow}
"""


@pytest.fixture
def file(tmp_path: Path) -> PolicyFile:
    path = tmp_path / "callgate.yaml"
    path.write_text(POLICY)
    return PolicyFile(path)


@pytest.fixture
async def desk(
    client: httpx.AsyncClient, store: MemoryStore, clock: FakeClock, file: PolicyFile
) -> Seat:
    parts = made(store, clock, file)
    client._transport = httpx.ASGITransport(application(parts))
    await client.post("/sign-in", data={"token": TOKEN})
    return Seat(client, parts)


async def test_without_a_file_the_page_says_how_to_write_one(seat: Seat) -> None:
    text = await seat.text("/policy")

    assert "callgate policy init" in text
    assert "every tool is allowed" in text


async def test_rules_stand_in_order_with_what_they_matched(desk: Seat, store: MemoryStore) -> None:
    verdict = {"scanner": "local", "effect": "ALLOW", "rule": "shop/refund_order (callgate.yaml:7)"}
    call = {"kind": "call", "surface": "chat", "decision": "ALLOW", "verdicts": [verdict]}
    await store.append([call, call])  # type: ignore[list-item]  # JSON
    text = await desk.text("/policy")

    assert text.index("callgate.yaml:6<") < text.index(":7<") < text.index(":8<")
    assert "args.amount &gt; 100.0" in text
    assert "max_amount" in text
    assert text.count("never") == 3
    assert '<td class="num"><strong>2</strong></td>' in text


def test_what_was_decided_by_a_line_that_moved_counts_by_name() -> None:
    rules = Policy.parse(POLICY, "f").rules
    counts = {
        ("shop/refund_order (f:6)", "REQUIRE_APPROVAL"): 1,
        ("shop/refund_order (f:7)", "ALLOW"): 10,
        ("shop/send_message (f:99)", "ALLOW"): 100,
        ("shop/refund_order (f:99)", "DENY"): 1000,
        ("gone/rule (f:1)", "DENY"): 5,
        ("default", "DENY"): 7,
    }

    assert _matched(rules, counts) == [1001, 10, 100, 7]


async def test_broken_file_is_said_with_its_place(desk: Seat, file: PolicyFile) -> None:
    file.path.write_text("version: 1\ndefault: <perhaps>\n")
    file.reload()
    text = await desk.text("/policy")

    assert "the version before stays in force" in text
    assert f"{file.path}:2:" in text
    assert "&lt;perhaps&gt;" in text
    file.path.write_text(POLICY)
    file.reload()
    assert 'role="alert"' not in await desk.text("/policy")


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("refund_order", '{"amount": 5000.0}', ["asked", "POLICY_APPROVAL", "shop/refund_order"]),
        ("refund_order", '{"amount": 5}', ["allowed"]),
        ("wipe", "{}", ["denied", "NO_MATCHING_POLICY"]),
        ("send_message", '{"a": }', ["denied", "MALFORMED_ARGUMENTS"]),
        ("send_message", "", ["allowed"]),
        ("<script>", "{}", ["denied", "&lt;script&gt;"]),
    ],
)
async def test_call_can_be_tried(
    desk: Seat, store: MemoryStore, tool: str, arguments: str, said: list[str]
) -> None:
    answer = await desk.post("/policy", tool=tool, arguments=arguments, surface="nonsense")

    assert answer.status_code == 200
    tried = answer.text[answer.text.index('<section class="panel try"') :]
    for word in said:
        assert word in tried, word
    assert await store.records() == []


async def test_tried_secret_is_shown_as_it_would_be_passed_on(desk: Seat) -> None:
    arguments = '{"text": "AKIA' + 'Q3EGRZ7XKWN2PLVT"}'

    answer = await desk.post("/policy", tool="send_message", arguments=arguments)

    assert "Would be passed on as" in answer.text
    assert "[REDACTED:" in answer.text


async def test_trial_is_a_form_of_this_session(desk: Seat) -> None:
    assert (await desk.post("/policy", csrf="x", tool="a")).status_code == 403
