from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callgate.cli.approvals import app
from callgate.model import Approval, Decision
from callgate.store import open_store
from callgate.store.base import Record
from tests.samples import pending, tool_call


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("COLUMNS", raising=False)
    url = f"sqlite:///{tmp_path}/home/callgate.db"
    monkeypatch.setenv("CALLGATE_STORE", url)
    return url


def asked(id: str = "call_1", ttl_seconds: float = 600, tool: str = "refund_order") -> Decision:
    now = datetime.now(UTC)
    decision = pending(tool_call(id, name=tool, arguments='{"amount":500}'))
    assert decision.approval
    expires_at = now + timedelta(seconds=ttl_seconds)
    return replace(
        decision, approval=replace(decision.approval, created_at=now, expires_at=expires_at)
    )


def put(url: str, *decisions: Decision) -> list[str]:
    async def work() -> None:
        store = await open_store(url)
        await store.put(decisions, [])
        await store.close()

    asyncio.run(work())
    return [decision.approval.id for decision in decisions if decision.approval]


def read(url: str) -> tuple[list[Approval], Sequence[Record]]:
    async def work() -> tuple[list[Approval], Sequence[Record]]:
        store = await open_store(url)
        items = await store.approvals()
        records = await store.records()
        await store.close()
        return [item.approval for item in items], records

    return asyncio.run(work())


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def objects(*arguments: str) -> list[dict[str, object]]:
    code, out, err = run("list", "--json", *arguments)
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_pending_approvals_are_json_one_a_line(url: str) -> None:
    decision = asked()
    (id,) = put(url, decision)
    assert decision.approval

    (listed,) = objects()

    created, expires = str(listed.pop("created_at")), str(listed.pop("expires_at"))
    assert datetime.fromisoformat(created) == decision.approval.created_at
    assert datetime.fromisoformat(expires) == decision.approval.expires_at
    assert listed == {
        "id": id,
        "state": "pending",
        "tool": "refund_order",
        "arguments": '{"amount":500}',
        "agent": "kim",
        "assistant": "asst_1",
        "reasons": ["SECRET_DETECTED"],
        "trace": decision.trace,
        "url": decision.approval.url,
        "decided_at": None,
        "decided_by": "",
        "note": "",
        "good_until": None,
    }


def test_decided_ones_are_listed_on_demand(url: str) -> None:
    first, second, third = put(url, asked("1"), asked("2"), asked("3", ttl_seconds=-1))
    run("deny", first, "--note", "too much")

    assert [o["id"] for o in objects()] == [second]
    everything = {o["id"]: o for o in objects("--all")}
    assert [everything[id]["state"] for id in (first, second, third)] == [
        "denied",
        "pending",
        "expired",
    ]
    assert everything[first]["note"] == "too much"
    assert everything[first]["decided_at"]


def test_table_shows_what_a_person_decides_on(url: str) -> None:
    (id,) = put(url, asked(tool="refund\x1b[2J_order"))

    code, out, _ = run("list")
    _, line = out.splitlines()

    assert code == 0
    for value in (id, "pending", "refund\\x1b[2J_order", '{"amount":500}', "kim"):
        assert value in line


def test_nothing_pending_is_said(url: str) -> None:
    put(url)

    assert run("list") == (0, "nothing waits for approval\n", "")
    assert objects() == []


@pytest.mark.parametrize(("verb", "state"), [("approve", "approved"), ("deny", "denied")])
def test_answer_is_stored_and_recorded(url: str, verb: str, state: str) -> None:
    decision = asked()
    (id,) = put(url, decision)

    code, out, err = run(verb, id, "--note", "asked by mail")

    (approval,), (record,) = read(url)
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert (code, err) == (0, "")
    assert out == f"{state} {id}: refund_order (trace {decision.trace})\n"
    assert (approval.state, approval.decided_by, approval.note) == (state, user, "asked by mail")
    assert (record["state"], record["by"], record["trace"]) == (state, user, decision.trace)


def test_prefix_and_trace_are_accepted(url: str) -> None:
    second = asked("2")
    first_id, second_id = put(url, asked("1"), second)

    assert run("approve", first_id[:12])[1].startswith(f"approved {first_id}")
    assert run("deny", second.trace)[1].startswith(f"denied {second_id}")


def test_user_variable_does_not_say_who_answers(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    (id,) = put(url, asked())
    run("approve", id)

    assert read(url)[0][0].decided_by != "somebody-else"


def test_user_without_a_name_is_a_number(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 3_999_999)
    (id,) = put(url, asked())
    run("approve", id)

    assert read(url)[0][0].decided_by == "uid 3999999"


def test_second_answer_is_an_error(url: str) -> None:
    (id,) = put(url, asked())
    run("deny", id)

    code, out, err = run("approve", id)

    assert (code, out) == (1, "")
    assert f"callgate: approval {id} was already denied by" in err
    assert len(read(url)[1]) == 1


def test_expired_approval_is_an_error(url: str) -> None:
    (id,) = put(url, asked(ttl_seconds=-1))

    code, _, err = run("approve", id)

    assert code == 1
    assert f"approval {id} expired" in err


@pytest.mark.parametrize("id", ["apr_none", "a", "", "\x1b[2J"])
def test_unknown_approval_is_an_error(url: str, id: str) -> None:
    put(url, asked())

    code, _, err = run("approve", id)

    assert code == 1
    assert "no approval" in err
    assert "\x1b" not in err


def test_missing_database_is_said_and_not_made(url: str, tmp_path: Path) -> None:
    code, out, err = run("list")

    assert (code, out) == (0, "")
    assert err.startswith("no approvals yet: store ")
    assert run("approve", "apr_x")[0] == 1
    assert list(tmp_path.iterdir()) == []
