"""Tools that the API runs itself: what policies make of the requests that enable them."""

from __future__ import annotations

import pytest

from callgate.model import Mode
from callgate.outcome import Outcome
from tests.deciding import (
    ASSISTANT,
    HOSTED,
    THREAD,
    Bench,
    Json,
    bench,
    failing,
    forwarded,
    refused,
    sent_on,
)


def code(outcome: Outcome) -> str:
    return refused(outcome).error.code


RUNS_PATH = f"/v1/threads/{THREAD}/runs"
INTERPRETER: Json = {"type": "code_interpreter"}
FUNCTION: Json = {"type": "function", "function": {"name": "look"}}


async def created(made: Bench, **document: object) -> Outcome:
    return await made.send(document, RUNS_PATH, "")


async def test_hosted_tool_that_policy_denies_is_refused() -> None:
    made = bench(policy=HOSTED)

    outcome = refused(await created(made, tools=[FUNCTION, INTERPRETER]))

    assert outcome.error.code == "hosted_tool_denied"
    assert outcome.error.param == "tools[1].type"
    [record] = await made.records("hosted_tool")
    assert (record["tool"], record["outcome"], record["mode"]) == (
        "code_interpreter",
        "refused",
        "enforce",
    )
    assert len(await made.records("refusal")) == 1


async def test_hosted_tool_that_policy_denies_may_be_removed() -> None:
    made = bench(policy=HOSTED, choices={"on_denied_hosted_tool": "remove"})

    body = sent_on(await created(made, tools=[FUNCTION, INTERPRETER], assistant_id=ASSISTANT))

    assert body == {"tools": [FUNCTION], "assistant_id": ASSISTANT}
    assert (await made.records("hosted_tool"))[0]["outcome"] == "removed"


async def test_hosted_tool_that_needs_approval_is_not_enabled() -> None:
    made = bench(policy=HOSTED.replace("effect: deny}", "effect: require_approval}"))

    assert code(await created(made, tools=[INTERPRETER])) == "hosted_tool_denied"


async def test_hosted_tool_that_policy_allows_passes() -> None:
    made = bench(policy=HOSTED)

    assert forwarded(await created(made, tools=[{"type": "file_search"}])).body is None


async def test_policy_that_governs_no_hosted_tool_asks_nobody() -> None:
    made = bench(policy="version: 1\ndefault: allow\n")

    assert forwarded(await created(made, assistant_id=ASSISTANT)).body is None
    assert made.api.sent == []


async def test_hosted_tool_of_the_assistant_is_refused_too() -> None:
    made = bench(policy=HOSTED)
    made.api.assistants[ASSISTANT] = {"tools": [INTERPRETER]}

    outcome = refused(await created(made, assistant_id=ASSISTANT))

    assert (outcome.error.code, outcome.error.param) == ("hosted_tool_denied", "tools")
    assert ASSISTANT in outcome.error.message


async def test_hosted_tool_of_the_assistant_may_be_removed_from_the_run() -> None:
    made = bench(policy=HOSTED, choices={"on_denied_hosted_tool": "remove"})
    made.api.assistants[ASSISTANT] = {"tools": [INTERPRETER, FUNCTION]}

    assert sent_on(await created(made, assistant_id=ASSISTANT))["tools"] == [FUNCTION]


async def test_assistant_that_does_not_exist_is_left_to_the_api() -> None:
    made = bench(policy=HOSTED)

    assert forwarded(await created(made, assistant_id=ASSISTANT)).body is None


@pytest.mark.parametrize("status", [0, 302, 401, 500])
async def test_assistant_that_can_not_be_read_refuses_the_run(status: int) -> None:
    made = bench(policy=HOSTED)
    made.api.intercept = failing(status)

    assert code(await created(made, assistant_id=ASSISTANT)) == "request_not_inspectable"


@pytest.mark.parametrize("status", [0, 500])
async def test_observe_lets_hosted_tools_through_whatever_fails(status: int) -> None:
    made = bench(policy=HOSTED, mode=Mode.OBSERVE)

    seen = await created(made, tools=[INTERPRETER])
    made.api.intercept = failing(status)
    unseen = await created(made, assistant_id=ASSISTANT)

    assert forwarded(seen).body is forwarded(unseen).body is None
    assert [r["kind"] for r in await made.records()] == ["hosted_tool", "coverage"]
    assert (await made.records("hosted_tool"))[0]["outcome"] == "observed"


async def test_changed_assistant_is_judged_like_a_new_one() -> None:
    made = bench(policy=HOSTED)

    outcome = await made.send({"tools": [INTERPRETER]}, f"/v1/assistants/{ASSISTANT}", "")

    assert code(outcome) == "hosted_tool_denied"


# -- servers that the API can be told to ask before --------------------------------------------

SERVERS = """\
version: 1
default: allow
policies:
  - name: servers
    actions:
      - {tool: mcp.bank, effect: require_approval}
      - {tool: mcp.shell, effect: deny}
      - {tool: web_search, effect: require_approval}
"""


def server(label: str, **more: object) -> Json:
    url = f"https://{label}.test/mcp"
    return {"type": "mcp", "server_label": label, "server_url": url, **more}


async def answered(made: Bench, *tools: Json) -> Outcome:
    return await made.send({"model": "gpt-5", "tools": [*tools]}, "/v1/responses", "")


async def outcomes(made: Bench) -> dict[str, str]:
    return {str(r["tool"]): str(r["outcome"]) for r in await made.records("hosted_tool")}


@pytest.mark.parametrize("choice", ["refuse", "remove"])
@pytest.mark.parametrize("said", [{}, {"require_approval": "never"}], ids=["silent", "never"])
async def test_server_that_needs_approval_is_enabled_but_has_to_ask_before_each_call(
    choice: str, said: Json
) -> None:
    made = bench(policy=SERVERS, choices={"on_denied_hosted_tool": choice})
    docs = server("docs", **said)

    body = sent_on(await answered(made, docs, server("bank", **said)))

    assert body["tools"] == [docs, server("bank", require_approval="always")]
    assert await outcomes(made) == {"mcp.bank": "asks"}
    assert await made.records("refusal") == []


async def test_server_that_asks_does_not_make_up_for_a_denied_one() -> None:
    made = bench(policy=SERVERS)

    outcome = refused(await answered(made, server("bank"), server("shell")))

    assert (outcome.error.code, outcome.error.param) == ("hosted_tool_denied", "tools[1].type")
    assert "mcp.shell" in outcome.error.message


async def test_denied_server_may_be_removed_beside_one_that_asks() -> None:
    made = bench(policy=SERVERS, choices={"on_denied_hosted_tool": "remove"})

    body = sent_on(await answered(made, server("bank"), server("shell")))

    assert body["tools"] == [server("bank", require_approval="always")]
    assert await outcomes(made) == {"mcp.bank": "asks", "mcp.shell": "removed"}


async def test_hosted_tool_that_can_not_ask_is_not_enabled_for_a_person_to_approve() -> None:
    assert code(await answered(bench(policy=SERVERS), {"type": "web_search"})) == (
        "hosted_tool_denied"
    )


async def test_observed_server_is_not_made_to_ask() -> None:
    made = bench(policy=SERVERS, mode=Mode.OBSERVE)

    assert forwarded(await answered(made, server("bank"), server("shell"))).body is None
    assert await outcomes(made) == {"mcp.bank": "observed", "mcp.shell": "observed"}
