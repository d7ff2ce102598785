import json
from importlib.resources import files

import pytest

from callgate.canonical import Json, call_digest
from callgate.model import Effect, SurfaceName, ToolCall
from callgate.policy.policy import Policy


@pytest.fixture
def policy() -> Policy:
    return Policy.parse(files("callgate.demo").joinpath("policy.yaml").read_text(), "policy.yaml")


def effect(policy: Policy, tool: str, arguments: Json) -> Effect:
    text = json.dumps(arguments)
    call = ToolCall(
        surface=SurfaceName.ASSISTANTS,
        origin="api.openai.com:443",
        scope="thread_1/run_1",
        id="call_1",
        name=tool,
        arguments=text,
        digest=call_digest("function", tool, text),
    )
    return policy.judge(call, arguments).effect


@pytest.mark.parametrize("tool", ["get_weather", "run_shell", "send_message"])
def test_everything_but_refunds_is_left_to_the_detectors(policy: Policy, tool: str) -> None:
    assert effect(policy, tool, {"any": "thing"}) is Effect.ALLOW


@pytest.mark.parametrize("amount", [5000, 100.5, 101])
def test_refund_above_the_limit_needs_a_person(policy: Policy, amount: float) -> None:
    arguments: Json = {"order_id": "A-1", "amount": amount}
    assert effect(policy, "refund_order", arguments) is Effect.REQUIRE_APPROVAL


@pytest.mark.parametrize("amount", [0, 100, 99.99])
def test_small_refund_is_allowed(policy: Policy, amount: float) -> None:
    assert effect(policy, "refund_order", {"order_id": "A-1", "amount": amount}) is Effect.ALLOW


@pytest.mark.parametrize("arguments", [{}, {"amount": "5000"}, {"amount": None}])
def test_refund_whose_amount_can_not_be_read_is_not_allowed(
    policy: Policy, arguments: Json
) -> None:
    assert effect(policy, "refund_order", arguments) is not Effect.ALLOW
