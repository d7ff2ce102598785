from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import typer

from callgate.cli.options import (
    console,
    errors_reported,
    home_folder,
    printable,
    store_url,
)
from callgate.errors import StoreError


def test_flag_beats_environment_beats_default() -> None:
    environ = {"CALLGATE_STORE": "sqlite:///b", "CALLGATE_HOME": "/c", "HOME": "/d"}

    assert store_url("sqlite:///a", environ) == "sqlite:///a"
    assert store_url(None, environ) == "sqlite:///b"
    del environ["CALLGATE_STORE"]
    assert store_url(None, environ) == "sqlite:////c/callgate.db"
    del environ["CALLGATE_HOME"]
    assert store_url(None, environ) == "sqlite:////d/.callgate/callgate.db"
    assert store_url(None, {}) == f"sqlite:///{Path.home()}/.callgate/callgate.db"


def test_empty_variables_count_as_unset() -> None:
    environ = {"CALLGATE_STORE": "", "CALLGATE_HOME": "", "HOME": "/d"}

    assert store_url(None, environ) == "sqlite:////d/.callgate/callgate.db"


def test_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert store_url(None, {"CALLGATE_HOME": "h"}) == f"sqlite:///{tmp_path}/h/callgate.db"


def test_settings_of_the_policy_file_count_as_for_the_gate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("callgate.yaml").write_text('settings: {store: "sqlite:///a.db", home: h}\n')
    Path("other.yaml").write_text("settings: {home: o}\n")

    assert store_url(None, {"CALLGATE_HOME": "/c"}) == "sqlite:///a.db"
    assert store_url(None, {"CALLGATE_STORE": "sqlite:///b"}) == "sqlite:///b"
    assert home_folder({}) == tmp_path / "h"
    assert home_folder({"CALLGATE_HOME": "/c"}) == Path("/c")
    assert (
        store_url(None, {"CALLGATE_POLICY": "other.yaml"}) == f"sqlite:///{tmp_path}/o/callgate.db"
    )


def test_broken_policy_file_keeps_nobody_from_an_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("callgate.yaml").write_text("settings: {store: a}\ndefault: alow\n")

    assert store_url(None, {"CALLGATE_HOME": "/c"}) == "sqlite:////c/callgate.db"

    said = capsys.readouterr().err
    assert said.startswith("callgate: callgate.yaml:2:10: ")
    assert said.endswith("; settings of this file are not used\n")


def test_error_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as exit, errors_reported():
        raise StoreError("store a:\x1b[2J gone\nforged line")

    assert exit.value.exit_code == 1
    assert capsys.readouterr() == ("", "callgate: store a:\\x1b[2J gone\\nforged line\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Ω 🔧", "plain Ω 🔧"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\x9b1m", "\\x9b1m"),
        ("lone\ud800", "lone\\ud800"),
        ("nul\x00", "nul\\x00"),
    ],
)
def test_what_steers_a_terminal_is_escaped(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))

    assert printable(text) == shown


def test_what_the_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))

    assert printable("Grüße") == "Gr\\xfc\\xdfe"


def test_pipe_gets_unwrapped_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console().width == 1000

    monkeypatch.setenv("COLUMNS", "60")
    assert console().width == 60
