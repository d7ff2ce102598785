"""Names, and arguments beside them, that policies should not be talked past with."""

from __future__ import annotations

import json

import pytest

from tests.bypasses.exchanges import answered, decision_in
from tests.deciding import bench
from tests.surfaces import chat_objects as chat

LOOK_ALIKES = (
    "Pay",
    "PAY",
    " pay",
    "pay\n",
    "p ay",
    "pay\u200b",
    "p\u0430y",  # Cyrillic a
    "\uff50ay",  # full-width p
    "p\u0301ay",  # a combining accent
    "shop.pay",
    "mcp.shop.Pay",
)


async def decided(policy: str, name: str, arguments: object = None) -> str:
    text = json.dumps(arguments or {})
    document = chat.completion(chat.choice(chat.call(name=name, arguments=text)))
    return decision_in(await answered(bench(policy=policy), document))


# -- row 9: spelled otherwise ----------------------------------------------------------------


@pytest.mark.parametrize("name", LOOK_ALIKES)
@pytest.mark.parametrize(
    ("rest", "default"), [("", "allow"), (", {tool: '*', effect: allow}", "deny")]
)
@pytest.mark.parametrize(
    ("effect", "decision"), [("deny", "deny"), ("require_approval", "require_approval")]
)
async def test_look_alike_of_a_guarded_tool_is_guarded(
    effect: str, decision: str, rest: str, default: str, name: str
) -> None:
    actions = f"[{{tool: pay, effect: {effect}}}{rest}]"
    policy = f"default: {default}\npolicies: [{{name: p, actions: {actions}}}]\n"
    assert await decided(policy, name) == decision


@pytest.mark.parametrize("name", [*LOOK_ALIKES, "evil.pay", "", " "])
async def test_look_alike_of_an_allowed_tool_is_not_allowed(name: str) -> None:
    policy = "default: deny\npolicies: [{name: p, actions: [{tool: pay, effect: allow}]}]\n"
    assert await decided(policy, "pay") == "allow"
    assert await decided(policy, name) == "deny"


@pytest.mark.parametrize("name", ["mcp__shop__pay", "shop/pay", "shop-Pay"])
async def test_name_that_a_client_has_decorated_is_caught_by_a_glob(name: str) -> None:
    policy = "default: allow\npolicies: [{name: p, actions: [{tool: '*pay', effect: deny}]}]\n"
    assert await decided(policy, name) == "deny"


# -- row 10: a tool that calls others --------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"tool": "run_shell", "arguments": {"command": "rm -rf /"}},
        {"name": "run_shell", "args": json.dumps({"command": "rm -rf /"})},
        {"tool_uses": [{"recipient_name": "functions.sh", "parameters": {"command": "rm -rf /"}}]},
        {"tool": "sql", "input": json.dumps({"query": "DROP TABLE users"})},
    ],
)
async def test_what_a_dispatcher_is_to_do_is_seen(arguments: object) -> None:
    assert await decided("default: allow\n", "call_tool", arguments) == "deny"


async def test_target_of_a_dispatcher_can_be_ruled_on() -> None:
    policy = """
default: allow
policies:
  - name: p
    actions: [{tool: call_tool, effect: deny, when: "args.tool == 'wipe'"}]
"""
    assert await decided(policy, "call_tool", {"tool": "wipe"}) == "deny"
    assert await decided(policy, "call_tool", {"tool": "look"}) == "allow"
    assert await decided(policy, "call_tool", {"target": "wipe"}) == "deny"


# -- row 7: fields that differ in case only ---------------------------------------------------


@pytest.mark.parametrize("effect", ["deny", "require_approval"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"database": "prod"},
        {"Database": "prod"},
        {"database": "dev", "Database": "prod"},
        {"database": "dev", "options": [{"a": 1, "A": 2}]},
    ],
)
async def test_condition_is_in_doubt_where_parsers_see_different_fields(
    arguments: object, effect: str
) -> None:
    when = "args.database == 'prod'"
    policy = f"""
default: allow
policies:
  - name: p
    actions:
      - {{tool: sql, effect: {effect}, when: "{when}"}}
"""
    assert await decided(policy, "sql", arguments) == effect
    assert await decided(policy, "sql", {"database": "dev"}) == "allow"


# -- row 31: missing parameters ---------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["", "{}", "null", "[]", "3", '"x"', '{"amount":null}'])
async def test_missing_arguments_meet_no_constraint(arguments: str) -> None:
    actions = "[{tool: refund, effect: allow, constraints: {max_amount: 5}}]"
    policy = f"default: deny\npolicies: [{{name: p, actions: {actions}}}]\n"
    document = chat.completion(chat.choice(chat.call(name="refund", arguments=arguments)))
    assert decision_in(await answered(bench(policy=policy), document)) == "deny"
