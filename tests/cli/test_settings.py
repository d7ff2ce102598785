"""The options that commands get from `Settings`."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from callgate.cli.settings import fail, home_of, resolve, with_settings, with_some_settings
from callgate.errors import PolicyError, SettingsError
from callgate.model import Mode
from callgate.settings import Settings, is_secret

POLICY = "version: 1\nsettings:\n  mode: withhold\n  max_body_mib: 5\npolicies: []\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("CALLGATE_HOME", "CALLGATE_POLICY", "CALLGATE_MODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_every_setting_is_an_option_with_its_help() -> None:
    app = typer.Typer()
    seen: dict[str, object] = {}

    @app.command()
    @with_settings
    def command(**flags: object) -> None:
        """Do it."""
        seen.update(flags)

    result = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["--help"])
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')} "
        # every user of a machine sees the flags of its programs
        assert (flag in result.output) is not is_secret(name)
        if is_secret(name):
            continue
        assert str(field.description)[1:40].split("`", maxsplit=1)[0] in result.output
    arguments = ["--mode", "observe", "--gate-host", "a", "--gate-host", "b:1", "--only-openai"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert (seen["mode"], seen["gate_host"]) == ("observe", ["a", "b:1"])
    assert (seen["only_openai"], seen["policy"]) == (True, None)


def test_default_of_a_command_is_in_its_help_and_below_its_flags() -> None:
    app = typer.Typer()
    seen: dict[str, object] = {}

    @app.command()
    @with_some_settings("listen", "mode", listen="127.0.0.1:0")
    def command(**flags: object) -> None:
        """Do it."""
        seen.update(flags)

    result = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["--help"])
    assert "(default: 127.0.0.1:0)" in result.output
    assert "127.0.0.1:8080" not in result.output
    CliRunner().invoke(app, [])
    assert seen == {"listen": "127.0.0.1:0", "mode": None}
    CliRunner().invoke(app, ["--listen", "127.0.0.1:1", "--mode", "observe"])
    assert seen == {"listen": "127.0.0.1:1", "mode": "observe"}


def test_settings_of_the_policy_file_count_below_flags_and_environment(folder: Path) -> None:
    (folder / "callgate.yaml").write_text(POLICY)
    settings, policy = resolve({}, {})
    assert policy is not None
    assert (settings.mode, settings.max_body_mib) == (Mode.WITHHOLD, 5)
    settings, _ = resolve({"mode": "observe"}, {"CALLGATE_MAX_BODY_MIB": "7"})
    assert (settings.mode, settings.max_body_mib) == (Mode.OBSERVE, 7)


def test_safeclaw_file_of_the_folder_stands_where_there_is_no_other(folder: Path) -> None:
    assert resolve({}, {})[1] is None
    (folder / "safeclaw.yaml").write_text("default: deny\n")
    _, policy = resolve({}, {})
    assert policy is not None
    assert policy.path.name == "safeclaw.yaml"
    (folder / "callgate.yaml").write_text(POLICY)
    _, policy = resolve({}, {})
    assert policy is not None
    assert policy.path.name == "callgate.yaml"


def test_named_policy_file_must_exist(folder: Path) -> None:
    with pytest.raises(PolicyError, match=r"missing\.yaml"):
        resolve({"policy": str(folder / "missing.yaml")}, {})


def test_no_policy_file_is_fine() -> None:
    settings, policy = resolve({}, {})
    assert policy is None
    assert settings.mode is Mode.ENFORCE


def test_faults_name_the_file_that_holds_them(folder: Path) -> None:
    (folder / "callgate.yaml").write_text("version: 1\nsettings: {mode: loud, moon: 1}\n")
    with pytest.raises(SettingsError, match=r"(?s)callgate\.yaml: moon.*callgate\.yaml: mode"):
        resolve({}, {})


def test_home_by_flag_and_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home_of("/x") == Path("/x")
    monkeypatch.setenv("CALLGATE_HOME", str(folder))
    assert home_of(None) == folder


def test_failure_has_no_stack_trace_and_exit_code_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("it broke").exit_code == 2
    assert capsys.readouterr().err == "callgate: it broke\n"
