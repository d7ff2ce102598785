from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.canonical import Json
from callgate.errors import PolicyError
from callgate.model import Effect, SurfaceName, ToolCall
from callgate.policy import Policy, Ruling

SAFECLAW = """
# safeclaw.yaml
version: 1
default: deny

policies:
  - name: "data"
    description: "Reading"
    actions:
      - tool: "get_customer"
        effect: allow
      - tool: "get_analytics"
        effect: allow
        constraints:
          date_range_max_days: 90
  - name: "changes"
    description: "Changing"
    actions:
      - tool: "update_order_status"
        effect: allow
        constraints:
          allowed_statuses: "processing|shipped|delivered"
      - tool: "refund_order"
        effect: allow
        constraints:
          max_amount: 500
      - tool: "delete_customer"
        effect: deny
  - name: "database"
    actions:
      - {tool: query_database, effect: allow, constraints: {operation: SELECT}}
      - {tool: query_database, effect: deny, constraints: {operation: "DROP|DELETE|TRUNCATE"}}
  - name: "files"
    actions:
      - {tool: write_file, effect: allow, constraints: {path_pattern: "output/**",
         max_size_bytes: 50}}
      - {tool: file_edit, effect: allow, constraints: {path_pattern: "src/**"}}
      - {tool: file_edit, effect: deny, constraints: {path_pattern: "**/.env|**/*.key"}}
      - {tool: file_edit, effect: allow, constraints: {path_pattern: "tests/**"}}
      - {tool: read_file, effect: allow,
         constraints: {path_pattern: "**", exclude_pattern: "**/.env|**/secrets/**"}}
  - name: "api"
    actions:
      - {tool: call_api, effect: allow,
         constraints: {url_pattern: "https://api.internal.example.com/**"}}
      - {tool: call_api, effect: deny}
  - name: "shell"
    actions:
      - {tool: bash, effect: deny, constraints: {command_pattern: "rm -rf *|sudo *|curl * | sh"}}
      - {tool: bash, effect: allow, constraints: {command_pattern: "npm test|npm run *|git status"}}
      - {tool: code_execution, effect: allow, constraints: {language: python, sandbox: true,
         timeout_ms: 30000, blocked_imports: ["os", "subprocess"]}}
"""


def call(
    name: str,
    *,
    assistant: str = "",
    agent: str = "",
    model: str = "",
    surface: SurfaceName = SurfaceName.ASSISTANTS,
) -> ToolCall:
    return ToolCall(
        surface, "h:443", "t/r", "c", name, "{}", "", agent=agent, assistant=assistant, model=model
    )


def judge(text: str, name: str, arguments: Json = None, **caller: str) -> Ruling:
    arguments = {} if arguments is None else arguments
    return Policy.parse(text, "callgate.yaml").judge(call(name, **caller), arguments)  # type: ignore[arg-type]


def rules(*actions: str, default: str = "allow") -> str:
    lines = "".join(f"\n      - {action}" for action in actions)
    return f"default: {default}\npolicies:\n  - name: p\n    actions:{lines}"


@pytest.mark.parametrize(
    ("tool", "arguments", "effect"),
    [
        ("get_customer", {"id": 5}, Effect.ALLOW),
        ("get_analytics", {"start_date": "2026-01-01", "end_date": "2026-03-01"}, Effect.ALLOW),
        ("get_analytics", {"start_date": "2025-01-01", "end_date": "2026-03-01"}, Effect.DENY),
        ("update_order_status", {"status": "shipped"}, Effect.ALLOW),
        ("update_order_status", {"status": "refunded"}, Effect.DENY),
        ("refund_order", {"amount": 500}, Effect.ALLOW),
        ("refund_order", {"amount": 500.01}, Effect.DENY),
        ("delete_customer", {}, Effect.DENY),
        ("query_database", {"operation": "SELECT"}, Effect.ALLOW),
        ("query_database", {"operation": "DROP"}, Effect.DENY),
        ("query_database", {"operation": "INSERT"}, Effect.DENY),
        ("write_file", {"path": "output/a.txt", "content": "x"}, Effect.ALLOW),
        ("write_file", {"path": "output/a.txt", "content": "x" * 99}, Effect.DENY),
        ("write_file", {"path": "output/../etc", "content": "x"}, Effect.DENY),
        ("file_edit", {"path": "src/a"}, Effect.ALLOW),
        ("file_edit", {"path": "tests/a"}, Effect.ALLOW),
        ("file_edit", {"path": "tests/.env"}, Effect.DENY),
        ("file_edit", {"path": "docs/a"}, Effect.DENY),
        ("read_file", {"path": "src/a"}, Effect.ALLOW),
        ("read_file", {"path": "src/secrets/a"}, Effect.DENY),
        ("call_api", {"url": "https://api.internal.example.com/v1"}, Effect.ALLOW),
        ("call_api", {"url": "https://api.internal.example.com.evil.net/"}, Effect.DENY),
        ("bash", {"command": "npm run build"}, Effect.ALLOW),
        ("bash", {"command": "npm run build; rm -rf /"}, Effect.DENY),
        ("bash", {"command": "ls"}, Effect.DENY),
        ("code_execution",
         {"language": "python", "sandbox": True, "timeout_ms": 100, "code": "1"}, Effect.ALLOW),
        ("code_execution",
         {"language": "python", "sandbox": True, "timeout_ms": 100, "code": "import os"},
         Effect.DENY),
        ("anything_else", {}, Effect.DENY),
    ],
)  # fmt: skip
def test_safeclaw_file_means_what_it_says(tool: str, arguments: Json, effect: Effect) -> None:
    assert judge(SAFECLAW, tool, arguments).effect is effect


def test_call_without_matching_rule_is_denied_where_the_default_denies() -> None:
    ruling = judge("default: deny", "x")
    assert (ruling.effect, ruling.reasons) == (Effect.DENY, ("NO_MATCHING_POLICY",))
    assert ruling.rule == "default"
    assert ruling.tried == ()


def test_call_without_matching_rule_follows_the_other_defaults() -> None:
    assert judge("version: 1", "x").effect is Effect.ALLOW
    ruling = judge("default: require_approval", "x")
    assert (ruling.effect, ruling.reasons) == (Effect.REQUIRE_APPROVAL, ("POLICY_APPROVAL",))


def test_the_first_action_that_applies_decides() -> None:
    text = rules(
        "{tool: get_*, effect: require_approval}",
        "{tool: get_x, effect: deny}",
    )
    ruling = judge(text, "get_x")
    assert (ruling.effect, ruling.reasons) == (Effect.REQUIRE_APPROVAL, ("POLICY_APPROVAL",))
    assert ruling.rule == "p/get_*"


def test_a_failed_constraint_is_denied_and_named_even_where_a_later_rule_allows() -> None:
    text = rules(
        "{tool: refund, effect: allow, constraints: {max_amount: 100}}",
        "{tool: refund, effect: allow}",
        '{tool: "*", effect: allow}',
    )
    ruling = judge(text, "refund", {"amount": 5000})
    assert (ruling.effect, ruling.reasons) == (Effect.DENY, ("POLICY_DENIED",))
    assert "`max_amount`: the field is more than 100" in ruling.explanation
    assert "callgate.yaml:5" in ruling.explanation
    assert "5000" not in ruling.explanation


def test_constrained_actions_of_one_tool_are_alternatives() -> None:
    text = rules(
        "{tool: refund, effect: allow, constraints: {max_amount: 100}}",
        "{tool: refund, effect: require_approval, constraints: {max_amount: 1000}}",
    )
    assert judge(text, "refund", {"amount": 100}).effect is Effect.ALLOW
    assert judge(text, "refund", {"amount": 1000}).effect is Effect.REQUIRE_APPROVAL
    ruling = judge(text, "refund", {"amount": 1001})
    assert ruling.effect is Effect.DENY
    assert "100;" in ruling.explanation
    assert "1000" in ruling.explanation


def test_a_denial_between_alternatives_is_heard() -> None:
    text = rules(
        "{tool: edit, effect: allow, constraints: {path_pattern: src/**}}",
        "{tool: edit, effect: deny, constraints: {path_pattern: '*.key'}}",
        "{tool: edit, effect: allow, constraints: {path_pattern: tests/**}}",
    )
    assert judge(text, "edit", {"path": "tests/a.key"}).effect is Effect.DENY
    assert judge(text, "edit", {"path": "tests/a"}).effect is Effect.ALLOW


def test_a_conditional_deny_lets_other_calls_go_on() -> None:
    text = rules("{tool: run_sql, effect: deny, constraints: {operation: DROP}}")
    assert judge(text, "run_sql", {"operation": "SELECT"}).effect is Effect.ALLOW
    assert judge(text, "run_sql", {"operation": "drop"}).effect is Effect.DENY
    assert judge(text, "run_sql", {}).effect is Effect.DENY


@pytest.mark.parametrize(
    "name", ["DELETE_user", " delete_user ", "delete\u200b_user", "dеlete_user", "ｄelete_user"]
)
def test_look_alikes_are_denied_but_never_allowed(name: str) -> None:
    assert judge(rules("{tool: delete_*, effect: deny}"), name).effect is Effect.DENY
    allowing = rules("{tool: delete_user, effect: allow}", default="deny")
    assert judge(allowing, name).effect is Effect.DENY


@pytest.mark.parametrize("name", ["wipe", "disk.wipe", "mcp.disk.wipe", "disk.WIPE"])
@pytest.mark.parametrize("effect", ["deny", "require_approval"])
def test_what_is_not_allowed_is_not_allowed_in_any_namespace(name: str, effect: str) -> None:
    text = rules(f"{{tool: wipe, effect: {effect}}}")
    assert judge(text, name).effect.value == effect.upper()
    assert judge(text, name + ".not").effect is Effect.ALLOW


def test_what_is_allowed_is_not_allowed_in_another_namespace() -> None:
    text = rules("{tool: read, effect: allow}", "{tool: mcp.disk.*, effect: allow}", default="deny")
    assert judge(text, "read").effect is Effect.ALLOW
    assert judge(text, "mcp.disk.read").effect is Effect.ALLOW
    assert judge(text, "mcp.other.read").effect is Effect.DENY
    assert judge(text, "other.read").effect is Effect.DENY


def test_the_most_specific_policy_is_asked_first() -> None:
    text = """
default: deny
policies:
  - {name: all, actions: [{tool: "*", effect: deny}]}
  - {name: model, model: "gpt-4*", actions: [{tool: x, effect: require_approval}]}
  - {name: mine, assistant_id: asst_a, actions: [{tool: x, effect: allow}]}
  - {name: chat, surface: chat, actions: [{tool: x, effect: allow}]}
"""
    assert judge(text, "x").rule == "all/*"
    assert judge(text, "x", assistant="asst_a", model="gpt-4o").rule == "mine/x"
    assert judge(text, "x", assistant="asst_b", model="gpt-4o").rule == "model/x"
    assert judge(text, "x", assistant="asst_A").rule == "all/*"
    assert judge(text, "x", surface=SurfaceName.CHAT).rule == "chat/x"


def test_conditions_see_who_calls() -> None:
    text = rules('{tool: x, effect: deny, when: \'agent == "eve" && surface == "assistants"\'}')
    assert judge(text, "x", agent="eve").effect is Effect.DENY
    assert judge(text, "x", agent="adam").effect is Effect.ALLOW


@pytest.mark.parametrize("arguments", [[], "x", 5, True])
def test_arguments_of_any_type_get_a_ruling(arguments: Json) -> None:
    text = rules(
        "{tool: a, effect: allow, constraints: {max_x: 5}}",
        "{tool: b, effect: require_approval, when: 'args.x > 5'}",
        "{tool: c, effect: allow}",
    )
    assert judge(text, "a", arguments).effect is Effect.DENY
    assert judge(text, "b", arguments).effect is Effect.REQUIRE_APPROVAL
    assert judge(text, "c", arguments).effect is Effect.ALLOW


def test_a_ruling_tells_what_was_tried() -> None:
    text = rules(
        "{tool: x, effect: allow, when: 'args.a == 1'}",
        "{tool: other, effect: deny}",
        "{tool: x, effect: deny}",
    )
    ruling = judge(text, "x", {"a": 2})
    assert ruling.tried == (
        "p/x (callgate.yaml:5, allow): passes: `when` is false",
        "p/x (callgate.yaml:7, deny): applies",
    )


def hosted(text: str, name: str, assistant: str = "") -> Ruling:
    policy = Policy.parse(text, "f")
    return policy.judge_hosted(
        name, surface=SurfaceName.ASSISTANTS, agent="", assistant=assistant, model=""
    )


def test_hosted_tools_follow_the_same_rules() -> None:
    text = rules(
        "{tool: code_interpreter, effect: deny}",
        "{tool: file_search, effect: require_approval}",
        "{tool: web_search, effect: allow, constraints: {max_results: 5}}",
    )
    assert hosted(text, "code_interpreter").effect is Effect.DENY
    assert hosted(text, "file_search").effect is Effect.REQUIRE_APPROVAL
    assert hosted(text, "web_search").effect is Effect.DENY
    assert "only the API sees" in hosted(text, "web_search").explanation
    assert hosted(text, "mcp").effect is Effect.ALLOW
    assert hosted("default: deny", "mcp").reasons == ("NO_MATCHING_POLICY",)


def test_rules_for_one_mcp_server_come_before_those_for_all() -> None:
    text = rules("{tool: mcp, effect: deny}", "{tool: mcp.docs, effect: allow}")
    assert hosted(text, "mcp.docs").effect is Effect.ALLOW
    assert hosted(text, "mcp.other").effect is Effect.DENY
    assert hosted(text, "mcp").effect is Effect.DENY


@pytest.mark.parametrize(
    ("text", "governs"),
    [
        ("version: 1", False),
        (rules("{tool: x, effect: allow}"), False),
        (rules("{tool: x, effect: allow, when: 'args.x > 1'}"), False),
        (rules("{tool: x, effect: allow, constraints: {max_x: 1}}"), True),
        (rules("{tool: x, effect: deny}"), True),
        ("default: deny", True),
        ("default: require_approval", True),
    ],
)
def test_a_policy_knows_whether_it_governs_hosted_tools(text: str, governs: bool) -> None:
    assert Policy.parse(text, "f").governs_hosted is governs


def test_the_permissive_policy_has_no_objection() -> None:
    policy = Policy.permissive()
    assert policy.judge(call("anything"), {"x": 1}).effect is Effect.ALLOW
    assert not policy.governs_hosted
    assert policy.digest == hashlib.sha256(b"").hexdigest()
    assert (policy.settings, policy.detectors) == ({}, {})


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "callgate.yaml"
    raw = b"\xef\xbb\xbfdefault: deny\r\n"
    file.write_bytes(raw)
    policy = Policy.load(file)
    assert policy.digest == hashlib.sha256(raw).hexdigest()
    assert policy.judge(call("x"), {}).effect is Effect.DENY


def test_a_file_that_is_not_utf8_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "callgate.yaml"
    file.write_bytes(b"version: 1\nname: \xff")
    with pytest.raises(PolicyError, match="not UTF-8") as caught:
        Policy.load(file)
    assert (caught.value.faults[0].line, caught.value.faults[0].column) == (2, 7)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path, name: str) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.load(tmp_path / name)


def test_policy_without_a_file_of_rules_has_no_rules_for_secrets() -> None:
    assert Policy.permissive().secret_rules.count == 0


def test_rules_for_secrets_are_part_of_the_policy_and_of_its_digest(tmp_path: Path) -> None:
    text = "detectors: {secrets: {rules: rules.toml}}"
    rules, file = tmp_path / "rules.toml", str(tmp_path / "callgate.yaml")
    rules.write_text("[[rules]]\nid = 'a'\nregex = 'a'\n")
    one = Policy.parse(text, file)
    assert one.secret_rules.count == 1
    rules.write_text("[[rules]]\nid = 'b'\nregex = 'b'\n")
    assert Policy.parse(text, file).digest != one.digest


def test_settings_and_detectors_are_given_out_as_copies() -> None:
    policy = Policy.parse("settings: {mode: observe}\ndetectors: {pii: off}", "f")
    policy.settings["mode"] = "x"
    assert policy.settings == {"mode": "observe"}
    assert policy.detectors == {"pii": {"*": "off"}}


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_has_faults(text: str) -> None:
    with suppress(PolicyError):
        Policy.parse(text, "f")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.no_cover
@given(
    name=st.text(max_size=30),
    field=st.sampled_from(["amount", "path", "url", "command", "status", "start", "to", "x"]),
    value=_JSON,
)
def test_any_call_gets_a_ruling(name: str, field: str, value: Json) -> None:
    policy = Policy.parse(
        rules(
            "{tool: '*', effect: deny, when: 'args.x > 5'}",
            "{tool: '*', effect: deny, constraints: {command_pattern: 'rm *', max_amount: 5}}",
            "{tool: '*', effect: allow, constraints: {path_pattern: 'a/**', url_pattern: 'b/**'}}",
            "{tool: '*', effect: allow, constraints: {allowed_statuses: a, to_pattern: '*@b'}}",
            "{tool: '*', effect: allow, constraints: {date_range_max_days: 5}}",
            "{tool: '*', effect: allow, constraints: {exclude_pattern: c, blocked_imports: os}}",
        ),
        "f",
    )
    assert policy.judge(call(name), {field: value}).tried
    assert policy.judge(call(name), value).tried


def test_policy_says_what_is_inside() -> None:
    assert Policy.parse("own_domains: [a.example]", "f.yaml").own_domains == ("a.example",)
    assert Policy.permissive().own_domains == ()
