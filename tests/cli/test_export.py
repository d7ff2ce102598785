from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callgate.audit.keys import Keys, read_public
from callgate.audit.ledger import Ledger
from callgate.audit.verify import VerificationError, Verified, verify
from callgate.chain import digest, key_name
from callgate.cli import app
from callgate.store import open_store
from tests.fakes import FakeClock
from tests.store.direct import cut


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CALLGATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CALLGATE_STORE", raising=False)
    return tmp_path / "home"


def append(home: Path, *kinds: str) -> None:
    async def run() -> None:
        chain = Ledger(Keys(home / "keys"), FakeClock())
        store = await open_store(f"sqlite:///{home}/callgate.db", chain=chain)
        await store.append([{"kind": kind} for kind in kinds])
        await store.close()

    asyncio.run(run())


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def exported(home: Path) -> Verified:
    out = home.parent / "log.jsonl"
    code, said, err = run("audit", "export", "--out", str(out))
    assert (code, err) == (0, "")
    public = key_name(read_public(home / "keys" / "audit.pub"))
    found = verify(out, [public], every_signature=True)
    assert said == f"{found.records} records in {out}\n"
    return found


def test_export_can_be_verified(home: Path, tmp_path: Path) -> None:
    append(home, *(["call"] * 2500))

    found = exported(home)

    assert (found.records, found.checkpoints) == (2500, 1)
    assert (tmp_path / "log.jsonl").stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "log.jsonl"]


def test_export_of_a_cut_log_begins_with_its_anchor(home: Path) -> None:
    append(home, "a", "b", "c")

    async def bound() -> Ledger:
        chain = Ledger(Keys(home / "keys"), FakeClock())
        store = await open_store(f"sqlite:///{home}/callgate.db", chain=chain)
        await store.close()
        return chain

    assert cut(home / "callgate.db", asyncio.run(bound()), 2) == 2

    assert list(exported(home).chains.values()) == [(3, 3)]


def test_new_key_is_named_by_the_old_one_and_used_from_then_on(home: Path) -> None:
    append(home, "a")
    old = key_name(read_public(home / "keys" / "audit.pub"))

    code, said, _ = run("audit", "rotate-key")

    new = key_name(read_public(home / "keys" / "audit.pub"))
    assert code == 0
    assert f"goes on with key {new}" in said
    assert f"the old key was {old}" in said
    append(home, "b")
    assert exported(home).keys == (old, new)
    assert exported(home).records == 3


def test_running_proxy_takes_up_the_new_key(home: Path) -> None:
    async def rotate_meanwhile() -> None:
        chain = Ledger(Keys(home / "keys"), FakeClock())
        store = await open_store(f"sqlite:///{home}/callgate.db", chain=chain)
        await store.append([{"kind": "a"}])
        code, _, err = await asyncio.to_thread(run, "audit", "rotate-key")
        assert (code, err) == (0, "")
        await store.append([{"kind": "b"}])
        await store.close()

    asyncio.run(rotate_meanwhile())

    assert len(exported(home).keys) == 2


def test_log_in_a_new_store_is_another_log(home: Path) -> None:
    append(home, "a", "b")
    append(home, "c")
    head = (home / "keys" / "audit.head").read_text()
    (home / "callgate.db").unlink()
    append(home, "a")

    assert exported(home).records == 1
    assert (home / "keys" / "audit.head").read_text().startswith(head)


def test_log_cut_off_in_the_store_does_not_verify(home: Path) -> None:
    append(home, "a", "b", "c")
    with closing(sqlite3.connect(home / "callgate.db")) as database, database:
        database.execute("DELETE FROM records WHERE number = 3")
        (line,) = database.execute("SELECT line FROM records WHERE number = 2").fetchone()
        database.execute("UPDATE chains SET number = 2, digest = ?", [digest(line.encode())])
    append(home, "d", "e")

    with pytest.raises(VerificationError, match=r"record 3 of .* is not the one signed before"):
        exported(home)


def test_nothing_to_export_is_an_error(home: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "log.jsonl")
    code, _, err = run("audit", "export", "--out", out)
    assert (code, "does not exist" in err) == (1, True)
    assert not home.exists()

    append(home)
    code, _, err = run("audit", "export", "--out", out)
    assert (code, err) == (1, "callgate: nothing to export: the store has no signed records\n")


def test_file_that_can_not_be_written_is_an_error(home: Path, tmp_path: Path) -> None:
    append(home, "a")

    code, _, err = run("audit", "export", "--out", str(tmp_path / "none" / "log"))

    assert (code, "can not write" in err) == (1, True)


def test_failed_export_keeps_the_file_that_was_there(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "log.jsonl"
    out.write_text("old")
    append(home, "a")
    for key in (home / "keys").glob("audit*"):
        key.unlink()

    code, _, err = run("audit", "export", "--out", str(out))

    assert (code, "does not have it" in err) == (1, True)
    assert out.read_text() == "old"
