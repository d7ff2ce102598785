from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from callgate.audit.keys import Keys
from callgate.audit.ledger import Ledger
from callgate.chain import START, digest, is_signed, link_of, public_key
from callgate.errors import StoreError
from callgate.store import open_store
from callgate.store.base import Line, Store
from tests.fakes import FakeClock
from tests.store.direct import cut


def ledger(home: Path, **stamp: str) -> Ledger:
    return Ledger(Keys(home / "keys"), FakeClock(), lambda: stamp)


async def opened(home: Path, **stamp: str) -> Store:
    return await open_store(f"sqlite:///{home}/callgate.db", chain=ledger(home, **stamp))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await opened(tmp_path, version="1.2.3", policy="hash")
    yield store
    await store.close()


def numbers(lines: list[Line]) -> list[int]:
    return [line.number for line in lines]


async def test_records_hang_together_and_each_is_signed(store: Store, tmp_path: Path) -> None:
    await store.append([{"kind": "a"}, {"kind": "b"}])
    await store.append([{"kind": "c"}])

    lines = [line.line.encode() for line in await store.lines()]
    links = [link for line in lines if (link := link_of(line))]
    key = Keys(tmp_path / "keys").current

    assert [link.number for link in links] == [1, 2, 3]
    assert [link.previous for link in links] == [START, *map(digest, lines[:2])]
    assert {link.key for link in links} == {key.name}
    assert all(is_signed(line, public_key(key.name)) for line in lines)


async def test_each_record_says_version_and_policy(store: Store) -> None:
    await store.append([{"kind": "start", "policy": "its own"}, {"kind": "delivery"}])

    first, second = await store.records()

    assert (first["version"], first["policy"]) == ("1.2.3", "its own")
    assert (second["version"], second["policy"]) == ("1.2.3", "hash")
    assert (second["kind"], second["number"]) == ("delivery", 2)


async def test_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    for kind in ("a", "b"):
        store = await opened(tmp_path)
        await store.append([{"kind": kind}])
        lines = await store.lines()
        await store.close()

    assert numbers(lines) == [1, 2]
    assert len({line.instance for line in lines}) == 1


async def test_processes_of_one_home_share_a_chain(tmp_path: Path) -> None:
    stores = [await opened(tmp_path) for _ in range(3)]
    await asyncio.gather(*(s.append([{"kind": str(n)}]) for n in range(20) for s in stores))
    lines = await stores[0].lines()
    for store in stores:
        await store.close()

    assert numbers(lines) == list(range(1, 61))
    links = [link for line in lines if (link := link_of(line.line.encode()))]
    assert [link.previous for link in links[1:]] == [digest(x.line.encode()) for x in lines[:-1]]


async def test_head_of_a_process_that_is_further_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.audit.ledger._HEAD_SECONDS", 1000)
    first, second = await opened(tmp_path), await opened(tmp_path)
    for one in (first, second, first, second):
        await one.append([{"kind": "call"}])
    await second.close()
    await first.close()

    file = tmp_path / "keys" / "audit.head"
    assert json.loads(file.read_text())["checkpoint"]["number"] == 4


async def test_homes_on_one_store_have_chains_of_their_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/callgate.db"
    homes = [ledger(tmp_path / name) for name in "ab"]
    stores = [await open_store(url, chain=home) for home in homes]
    for store in stores:
        await store.append([{"kind": "start"}])
    lines = await stores[0].lines()
    for store in stores:
        await store.close()

    assert numbers(lines) == [1, 1]
    assert [line.instance for line in lines] == [home.instance for home in homes]


async def test_pages_of_lines_follow_each_other(store: Store) -> None:
    await store.append([{"kind": str(n)} for n in range(5)])

    first = await store.lines(many=3)
    second = await store.lines(after=first[-1].seq, many=3)

    assert [numbers(first), numbers(second)] == [[1, 2, 3], [4, 5]]


async def test_record_without_canonical_form_is_refused_and_the_chain_goes_on(
    store: Store,
) -> None:
    await store.append([{"kind": "a"}])
    with pytest.raises(StoreError, match="can not be signed"):
        await store.append([{"kind": "b", "call": "\ud800"}])
    await store.append([{"kind": "c"}])

    assert numbers(await store.lines()) == [1, 2]


async def test_lost_key_stops_the_log(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.append([{"kind": "a"}])
    await store.close()
    for file in (tmp_path / "keys").glob("audit*"):
        file.unlink()
    store = await opened(tmp_path)

    with pytest.raises(StoreError, match=r"goes on with key .* does not have it"):
        await store.append([{"kind": "b"}])
    await store.close()


async def test_log_cut_off_in_the_store_is_said_and_stays_on_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(tmp_path)
    await store.append([{"kind": "a"}, {"kind": "b"}])
    await store.close()
    with closing(sqlite3.connect(tmp_path / "callgate.db")) as database, database:
        database.execute("DELETE FROM records WHERE number = 2")
        (line,) = database.execute("SELECT line FROM records").fetchone()
        database.execute("UPDATE chains SET number = 1, digest = ?", [digest(line.encode())])

    for _ in range(2):
        store = await opened(tmp_path)
        await store.append([{"kind": "c"}])
        await store.close()

    assert caplog.text.count("ends with record 1, but record 2 was signed") == 1
    kept = (tmp_path / "keys" / "audit.head").read_text().splitlines()
    assert [json.loads(k.lstrip("!"))["checkpoint"]["number"] for k in kept] == [2, 3]


async def test_record_changed_in_the_store_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(tmp_path)
    await store.append([{"kind": "a"}])
    await store.close()
    with closing(sqlite3.connect(tmp_path / "callgate.db")) as database, database:
        database.execute("UPDATE records SET line = replace(line, '\"a\"', '\"b\"')")

    await (await opened(tmp_path)).close()

    assert "record 1 of chain" in caplog.text


async def test_unwritable_head_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(tmp_path)
    (tmp_path / "keys" / "audit.head").mkdir()

    await store.append([{"kind": "a"}])
    await store.close()

    assert "can not write" in caplog.text


async def test_chain_may_begin_with_an_anchor(tmp_path: Path) -> None:
    chain, file = ledger(tmp_path), tmp_path / "callgate.db"
    store = await open_store(f"sqlite:///{file}", chain=chain)
    await store.append([{"kind": str(n)} for n in range(5)])

    assert cut(file, chain, (await store.lines())[2].seq) == 3
    assert cut(file, chain, 1_000) == 1
    assert cut(file, chain, 1_000) == 0

    (last,) = await store.lines()
    (state,) = await store.chains()
    anchor = json.loads(state.anchor or "")["anchor"]
    link = link_of(last.line.encode())
    assert link
    assert (last.number, state.head.number) == (5, 5)
    assert (anchor["number"], anchor["digest"]) == (4, link.previous)
    assert anchor["next"] == link.key
    await store.close()


async def test_damaged_file_of_heads_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(tmp_path)
    await store.append([{"kind": "a"}])
    await store.close()
    file = tmp_path / "keys" / "audit.head"
    file.write_text(file.read_text().replace('"number":1', '"number":"x"'))

    await (await opened(tmp_path)).close()

    assert "audit.head is damaged" in caplog.text


def test_unreadable_file_of_heads_is_an_error(tmp_path: Path) -> None:
    made = ledger(tmp_path)
    (tmp_path / "keys" / "audit.head").mkdir()

    with pytest.raises(StoreError, match="can not read"):
        made.remembered()


async def test_what_an_app_or_a_model_may_have_written_itself_is_redacted(tmp_path: Path) -> None:
    chain = Ledger(Keys(tmp_path / "keys"), FakeClock(), redact=lambda text: text.upper())
    store = await open_store(f"sqlite:///{tmp_path}/callgate.db", chain=chain)
    await store.append(
        [{"kind": "coverage", "path": "/a", "why": "b", "message": "c", "tool": "d"}]
    )
    (record,) = await store.records()
    await store.close()

    assert [record[name] for name in ("path", "why", "message", "tool")] == ["/A", "B", "C", "D"]


async def test_chain_goes_on_with_a_new_key_once_a_record_names_it(tmp_path: Path) -> None:
    chain = ledger(tmp_path)
    old = chain.key(None)
    store = await open_store(f"sqlite:///{tmp_path}/callgate.db", chain=chain)
    new = chain.new_key()
    await store.append([{"kind": "a"}, {"kind": "key", "next": new.name}, {"kind": "b"}])
    (state,) = await store.chains()
    links = [link_of(line.line.encode()) for line in await store.lines()]
    await store.close()

    assert [link.key for link in links if link] == [old.name, old.name, new.name]
    assert state.head.key == new.name == chain.key(state.head).name
    assert Keys(tmp_path / "keys").current.name == new.name


async def test_checkpoints_are_those_of_the_wanted_chains(tmp_path: Path) -> None:
    chain = ledger(tmp_path)
    store = await open_store(f"sqlite:///{tmp_path}/callgate.db", chain=chain)
    await store.append([{"kind": "a"}])
    await store.close()

    (line,) = chain.checkpoints([chain.instance])
    assert json.loads(line)["checkpoint"]["number"] == 1
    assert chain.checkpoints(["another"]) == []


def test_unusable_folder_is_an_error(tmp_path: Path) -> None:
    chain = ledger(tmp_path)
    (tmp_path / "keys" / "audit.head").mkdir()
    with pytest.raises(StoreError, match="can not read"):
        chain.checkpoints([])

    (tmp_path / "keys").rename(tmp_path / "gone")
    with pytest.raises(StoreError, match="can not make a key"):
        chain.new_key()


async def test_head_is_kept_once_a_second_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.audit.ledger._HEAD_SECONDS", 1000)
    store = await opened(tmp_path)
    file = tmp_path / "keys" / "audit.head"
    kept = []
    for kind in "abc":
        await store.append([{"kind": kind}])
        kept.append(json.loads(file.read_text())["checkpoint"]["number"])
    await store.close()

    assert kept == [1, 1, 1]
    assert json.loads(file.read_text())["checkpoint"]["number"] == 3
