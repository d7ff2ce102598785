"""README: its tables say what the code says, its links lead somewhere, its commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_group

from callgate.cli import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.split(" #", 1)[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_tables_are_those_of_the_code() -> None:
    checked = subprocess.run(
        [sys.executable, "scripts/tables.py", "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)", README))
def test_link_leads_to_a_file(target: str) -> None:
    assert (ROOT / target).exists()


def test_readme_names_every_command() -> None:
    group = get_group(app)
    names = group.list_commands(group.make_context("callgate", [], resilient_parsing=True))
    assert [name for name in names if f"callgate {name}" not in README] == []
    assert "serve" in names


@pytest.mark.e2e
def test_commands_run(tmp_path: Path) -> None:
    (tmp_path / "my_agent.py").write_text("import os; print(os.environ['HTTPS_PROXY'])")
    ran = []
    for line in commands():
        if not line.startswith("callgate "):
            assert line.split()[0] in ("scripts/demo", "scripts/test", "pip"), line
            continue
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(line.replace(" python ", f" {sys.executable} "))],
            cwd=tmp_path,
            env={**os.environ, "CALLGATE_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)
        ran.append(line)
    assert len(ran) >= 6


def test_set_up_commands_are_scripts_that_can_be_run() -> None:
    for name in ("demo", "test"):
        assert f"scripts/{name}" in README
        assert os.access(ROOT / "scripts" / name, os.X_OK)


def test_no_registry_and_no_path_of_a_machine_stands_in_the_project() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    forbidden = re.compile(
        r"index-url|py" r"pi\.org|registry\.npm" "js|" + re.escape(str(ROOT.parent)) + "/"
    )
    for name in listed:
        path = ROOT / name
        if path.is_file() and path != Path(__file__) and path.suffix not in (".pem", ".gz"):
            assert not forbidden.search(path.read_text(errors="replace")), name
