"""What is deployed: the unit that systemd reads, and the pages that say how."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "deploy" / "callgate.service"
PAGE = (ROOT / "docs" / "deploying.md").read_text()


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there on every machine."""
    path = tmp_path / "callgate.service"
    text = UNIT.read_text().replace("/opt/callgate/bin/callgate serve", "/bin/true serve")
    path.write_text(text)
    return path


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    if not shutil.which("systemd-analyze"):
        pytest.skip("this machine has no systemd-analyze")
    command = ["systemd-analyze", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_systemd_accepts_the_unit(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))

    assert done.returncode == 0
    assert done.stderr == ""


def test_unit_is_hardened(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", "--threshold=20", str(unit))
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd can not look at a file")

    assert done.returncode == 0, done.stdout[-300:]


def test_redirect_on_the_page_is_the_script_s() -> None:
    rules = re.findall(r"^ *(meta skuid .*)$", (ROOT / "scripts" / "redirect").read_text(), re.M)

    assert len(rules) == 2
    for rule in rules:
        assert rule.replace("$uid", "agent").replace("$3", "8443") in PAGE


def test_manifest_is_yaml_and_the_key_is_mounted_by_the_gate_alone() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    spec = YAML(typ="safe").load(text)["spec"]
    (gate,), (app,) = spec["initContainers"], spec["containers"]

    assert "home" in [mount["name"] for mount in gate["volumeMounts"]]
    assert [mount["name"] for mount in app["volumeMounts"]] == ["public"]
    assert gate["securityContext"]["runAsUser"] != app["securityContext"]["runAsUser"]
    assert gate["restartPolicy"] == "Always"
