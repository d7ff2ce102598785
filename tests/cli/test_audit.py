from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from callgate.audit.raw import seal
from callgate.audit.record import call_record, delivery_record, refusal_record
from callgate.canonical import Json
from callgate.cli.audit import app
from callgate.exchange import ApiError
from callgate.model import Effect, Mode
from callgate.store import open_store
from tests.samples import decided, tool_call

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("CALLGATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CALLGATE_STORE", raising=False)
    return f"sqlite:///{tmp_path}/home/callgate.db"


def append(url: str, records: Sequence[dict[str, Json]]) -> None:
    async def run() -> None:
        store = await open_store(url)
        await store.append(records)
        await store.close()

    asyncio.run(run())


def call(tool: str = "send_message", effect: Effect = Effect.DENY) -> dict[str, Json]:
    return call_record(decided(effect, tool_call(name=tool)), Mode.ENFORCE)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def objects(*arguments: str) -> list[dict[str, object]]:
    code, out, err = run(*arguments, "--json")
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_records_are_json_one_a_line(url: str) -> None:
    made = call()
    append(url, [made, delivery_record(decided(), "withheld", Mode.ENFORCE)])

    first, second = objects()

    assert made.items() <= first.items()
    assert {"seq", "at", "instance"} <= set(first)
    assert second["delivery"] == "withheld"


def test_only_the_newest_are_listed_oldest_first(url: str) -> None:
    append(url, [call(str(n)) for n in range(120)])

    assert [r["tool"] for r in objects("--last", "2")] == ["118", "119"]
    assert len(objects()) == 100


def test_filters_must_all_hold(url: str) -> None:
    append(url, [call("a"), call("a", Effect.ALLOW), call("b")])

    found = objects("--filter", "decision=deny", "--filter", "tool=a")

    assert [(r["tool"], r["decision"]) for r in found] == [("a", "DENY")]


def test_decision_without_reasons_says_so(url: str) -> None:
    made = {name: value for name, value in call(effect=Effect.ALLOW).items() if name != "reasons"}
    append(url, [made, {"kind": "coverage", "why": "a"}])

    allowed, skipped = objects()

    assert allowed["reasons"] == []
    assert "reasons" not in skipped


def test_filters_that_nothing_meets_are_told_so(url: str) -> None:
    append(url, [call("a")])

    assert run("--filter", "decision=allow") == (0, "", "no record matches\n")


def test_filter_value_may_hold_an_equals_sign(url: str) -> None:
    append(url, [{"kind": "coverage", "why": "a=b"}])

    assert len(objects("--filter", "why=a=b")) == 1


@pytest.mark.parametrize("text", ["decision", "=deny", ""])
def test_filter_without_key_and_value_is_a_usage_error(url: str, text: str) -> None:
    code, _, err = run("--filter", text)

    assert code == 2
    assert "KEY=VALUE" in err


@pytest.mark.parametrize("last", ["-1", "many"])
def test_impossible_number_is_a_usage_error(url: str, last: str) -> None:
    assert run("--last", last)[0] == 2


def test_table_shows_what_a_person_asks_first(url: str) -> None:
    made = call()
    error = ApiError("denied", "tool_call_denied")
    append(url, [made, refusal_record(error, "POST", "/v1/x", Mode.ENFORCE)])

    code, out, _ = run()
    head, first, second = out.splitlines()

    assert code == 0
    assert head.split()[:3] == ["time", "(UTC)", "kind"]
    for value in ("call", "DENY", "send_message", "SECRET_DETECTED", "kim", str(made["trace"])):
        assert value in first
    assert "refusal tool_call_denied" in second


def test_table_is_wrapped_to_a_narrow_terminal(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    append(url, [call("t" * 200)])

    _, out, _ = run()

    assert max(len(line) for line in out.splitlines()) <= 70
    assert out.count("t") > 200


def test_model_can_not_paint_the_terminal(url: str) -> None:
    append(url, [call("\x1b[2J[red]x[/red]\n\u202e")])

    _, out, _ = run()

    assert "\\x1b[2J[red]x[/red]\\n\\u202e" in out


def test_nothing_recorded_prints_nothing(url: str) -> None:
    append(url, [])

    assert run() == (0, "", "")


def test_missing_database_is_said_and_not_made(url: str, tmp_path: Path) -> None:
    code, out, err = run()

    assert (code, out) == (0, "")
    assert err.startswith("no records yet: store ")
    assert list(tmp_path.iterdir()) == []


def test_store_option_and_variable_choose_the_store(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    append(other, [call("there")])

    assert [r["tool"] for r in objects("--store", other)] == ["there"]
    monkeypatch.setenv("CALLGATE_STORE", other)
    assert [r["tool"] for r in objects()] == ["there"]


def test_unusable_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("text " * 1000)

    code, _, err = run("--store", f"sqlite:///{tmp_path}/a.db")

    assert code == 1
    assert err.startswith("callgate: store ")
    assert "not a database" in err
    assert run("--store", "postgresql://x/y")[0] == 1


@contextmanager
def following(url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from callgate.cli.audit import app; app()", "--follow", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            "PYTHONPATH": str(ROOT / "addons"),
            "CALLGATE_STORE": url,
            "PYTHONIOENCODING": "utf-8",
        },
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], 60)
    assert ready
    return process.stdout.readline()


def test_follow_prints_new_records_until_interrupted(url: str) -> None:
    append(url, [call("old"), call("older", Effect.ALLOW)])
    with following(url, "--json", "--filter", "decision=DENY") as process:
        assert json.loads(next_line(process))["tool"] == "old"
        append(url, [call("hidden", Effect.ALLOW), call("new")])
        assert json.loads(next_line(process))["tool"] == "new"
        append(url, [call("newer")])
        assert json.loads(next_line(process))["tool"] == "newer"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)

    assert process.returncode == 0
    assert err == ""


def test_follow_for_people_is_one_line_a_record(url: str) -> None:
    append(url, [call("tool\n1")])
    with following(url, "--last", "1") as process:
        line = next_line(process)

    assert "DENY  tool\\n1  SECRET_DETECTED  kim  " in line


def test_follow_waits_for_the_first_record(url: str, tmp_path: Path) -> None:
    with following(url, "--json") as process:
        assert process.stderr
        assert process.stderr.readline().startswith("no records yet")
        time.sleep(0.5)
        assert os.listdir(tmp_path) == []
        append(url, [call("first")])
        assert json.loads(next_line(process))["tool"] == "first"


def test_sealed_arguments_open_with_the_operators_key(url: str, tmp_path: Path) -> None:
    key, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    append(url, [{**call(), "sealed": seal(b'{"n":1}', key.public_key())}, call()])
    for name, one in (("key", key), ("other", other)):
        (tmp_path / name).write_bytes(
            one.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )

    first, second = objects("--open", str(tmp_path / "key"))

    assert (first["raw"], "raw" in second) == ('{"n":1}', False)
    assert "raw" not in objects()[0]
    code, _, err = run("--json", "--open", str(tmp_path / "other"))
    assert (code, err) == (1, "callgate: record 1: sealed for another key, or changed\n")
    assert run("--open", str(tmp_path / "none"))[0] == 1
