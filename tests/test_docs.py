"""README: its tables say what the code says, its links lead somewhere, its commands run."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.main import get_group

from callgate.cli import app
from callgate.store.rows import retention_record

ROOT = Path(__file__).resolve().parent.parent
README_FILE = ROOT / "README.md"
README = README_FILE.read_text()
DOCS = sorted((ROOT / "docs").glob("*.md"))


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


def headings(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", [README_FILE, *DOCS], ids=lambda page: page.name)
def test_anchors_of_links_are_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", page.read_text()):
        assert anchor in headings(page.parent / target if target else page), anchor


def test_readme_names_every_code_of_an_error() -> None:
    codes = set()
    for file in (ROOT / "addons" / "callgate").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ApiError":
                told = (n for argument in node.args[1:2] for n in ast.walk(argument))
                codes |= {str(n.value) for n in told if isinstance(n, ast.Constant)}
    assert len(codes) > 10
    assert [code for code in sorted(codes) if f"`{code}`" not in README] == []


def test_page_of_the_log_names_every_kind_of_record() -> None:
    page = (ROOT / "docs" / "audit-log.md").read_text()
    source = (ROOT / "addons" / "callgate" / "audit" / "record.py").read_text()
    kinds = {*re.findall(r'_record\(\s*"(\w+)"', source), "start", "stop", "policy"}
    kinds |= {"key", str(retention_record(datetime.now(UTC), 0)["kind"])}
    assert len(kinds) > 10
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in page] == []


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
            timeout=200,
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
