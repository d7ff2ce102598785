from __future__ import annotations

from pathlib import Path

import pytest

from callgate.files import write_private


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"one")

    with pytest.raises(TypeError):
        write_private(path, "text")  # type: ignore[arg-type]

    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_kept_where_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"one", replace=False)
    write_private(path, b"two", replace=False)

    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
