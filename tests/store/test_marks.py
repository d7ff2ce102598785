import secrets
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

from callgate.store import open_store


async def test_stores_on_one_database_share_marks_and_names(url: str) -> None:
    one, other = await open_store(url), await open_store(url)
    await one.mark("talk", ["a"])
    await one.join("answer", "talk")
    await other.mark("answer", ["b"])

    assert await one.marked("talk", ["a", "b"]) == {"a", "b"}
    assert await other.marked("answer", ["a", "b"]) == {"a", "b"}
    await one.close()
    await other.close()


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_nothing_of_a_name_or_mark_reaches_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "callgate.db"
    store = await open_store(f"sqlite:///{file}")
    name, mark = secrets.token_hex(8), secrets.token_hex(8)
    await store.mark(name, [mark])
    await store.join(mark, name)
    await store.close()

    content = on_disk(tmp_path)
    assert name.encode() not in content
    assert mark.encode() not in content
    with closing(connect(file)) as rows:
        assert rows.execute("SELECT count(*) FROM marks").fetchone() == (1,)
        assert rows.execute("SELECT count(*) FROM conversations").fetchone() == (1,)
