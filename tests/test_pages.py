"""The pages of docs/: their links lead somewhere, and what they name exists."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from callgate.cli import app
from callgate.model import Reason
from callgate.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
COMMANDS = get_command(app)
CONTEXT = COMMANDS.make_context("callgate", [], resilient_parsing=True)


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            yield page, target


@pytest.mark.parametrize(
    ("page", "target"), list(links()), ids=lambda part: getattr(part, "name", part)
)
def test_link_leads_to_a_file(page: Path, target: str) -> None:
    assert (page.parent / target).exists()


def options_of(words: list[str]) -> set[str]:
    """Options of the command that the words begin with; fails where there is none."""
    command = COMMANDS
    while isinstance(command, TyperGroup):
        assert words, "a command is missing"
        if words[0].startswith("-"):
            break
        name = words.pop(0)
        found = command.get_command(CONTEXT, name)
        assert found, name
        command = found
    return {option for parameter in command.params for option in parameter.opts}


def named() -> Iterator[tuple[str, str]]:
    """Every `callgate …` in code on a page, without what stands behind ` -- `."""
    for page in PAGES:
        text = page.read_text()
        spans = re.findall(r"`(callgate [a-z-][^`\n]*)`", text)
        blocks = re.findall(r"```(?:sh|text)\n(.*?)```", text, re.DOTALL)
        lines = [line.strip() for block in blocks for line in block.splitlines()]
        for line in spans + [line for line in lines if line.startswith("callgate ")]:
            if not line.startswith("callgate ready"):
                yield page.name, line.split(" #")[0].partition(" -- ")[0].rstrip("\\")


@pytest.mark.parametrize(("page", "line"), list(named()))
def test_command_exists_with_its_options(page: str, line: str) -> None:
    words = shlex.split(line)[1:]
    known = options_of(words)

    asked = {word.split("=")[0] for word in words if word.startswith("--")} - {"--"}
    assert asked <= known, page


def test_settings_and_reasons_that_pages_name_exist() -> None:
    flags = {f"--{name.replace('_', '-')}" for name in Settings.model_fields}
    codes = {str(reason) for reason in Reason}
    for page in PAGES:
        text = page.read_text()
        for code in re.findall(r"\(`([A-Z]+_[A-Z_]+)`\)", text):
            assert code in codes, (page.name, code)
        for flag in re.findall(r"`(--[a-z-]+)[ `=]", text):
            assert flag in flags | OTHERS, (page.name, flag)


OTHERS = {
    "--undo",
    "--overlap",
    "--force",
    "--filter",
    "--last",
    "--json",
    "--every-signature",
    "--key",
}


def test_quick_start_runs_as_it_stands(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "quick-start.md").read_text()
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    (tmp_path / "my_agent.py").write_text("import os; print(os.environ['HTTPS_PROXY'])")
    ran = [line for line in lines if line.startswith("callgate ")]
    for line in ran:
        command = shlex.split(line.replace(" python ", f" {sys.executable} "))
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env={**os.environ, "CALLGATE_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, (line, done.stderr)
    assert len(ran) == 4
