"""The shape of the code base: who may import whom, and what has tests of its own.

The checker works on any tree, so that each rule is shown to fail on a planted violation.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_cover

ROOT = Path(__file__).parent.parent

LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(layer.split())
    for layer in (
        "__init__ model errors",
        "bounded canonical exchange once hosts files listeners visible tasks settling",
        "forms",
        "settings bodies outcome merging chain roots certificates",
        "surfaces scanners policy detectors store audit annotation metrics upstream ca logs",
        "approvals conversations results lookup judgement sources toolbox retention",
        "stream polling",
        "gate",
        "turns",
        "settlement hosted reporting",
        "delivery wayback",
        "release",
        "enforcement roster",
        "assembly reloading front",
        "streaming flows sockets witness tls sharing bounds frames crowd dispatch",
        "websockets border",
        "addon console gateway demo",
        "proxy",
        "workers",
        "cli",
        "__main__",
    )
)
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

# The local scanner is policies and detectors put together.
# A policy file names rules of a detector's, and their faults are its faults.
SIDEWAYS = {("scanners", "policy"), ("scanners", "detectors"), ("policy", "detectors")}

KNOWS_MITMPROXY = {
    *(
        "addon",
        "border",
        "bounds",
        "crowd",
        "dispatch",
        "flows",
        "frames",
        "proxy",
        "sharing",
        "streaming",
        "tls",
    ),
    *("websockets", "witness"),
}

MAX_LINES = 400

TESTED_ELSEWHERE: Mapping[str, str] = {
    "model": "nouns without behaviour; every test uses them",
    "errors": "exceptions without behaviour",
    "store/queries": "statements without behaviour; tests/store/test_sql.py runs each",
    "cli/finding": "nouns without behaviour; tests of cli/diagnosis and cli/canary use them",
    **dict.fromkeys(
        (
            "demo/api",
            "demo/errors",
            "demo/front",
            "demo/objects",
            "demo/recorder",
            "demo/runs",
            "demo/steps",
            "demo/threads",
        ),
        "parts of the demo server: tests/demo/test_server.py drives it with the real SDK",
    ),
    **dict.fromkeys(
        (
            "store/migrations/env",
            "store/migrations/versions/r0001_memory",
            "store/migrations/versions/r0002_retention",
            "store/migrations/versions/r0003_chains",
            "store/migrations/versions/r0004_minutes",
        ),
        "run by Alembic on both stores: tests/store/test_setup.py",
    ),
    "demo/story": "scripts of the model: played by tests/demo/test_server.py and test_agent.py",
}


@dataclass(frozen=True, slots=True)
class Module:
    path: Path
    """Relative to the package: `store/sql.py`."""
    tree: ast.Module
    lines: int

    @property
    def part(self) -> str:
        """The first name below the package: what the layers are made of."""
        return self.path.parts[0].removesuffix(".py")

    @property
    def name(self) -> str:
        return self.path.with_suffix("").as_posix()


@functools.cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def modules(root: Path) -> list[Module]:
    package = root / "addons" / "callgate"
    return [
        Module(path.relative_to(package), parsed(text := path.read_text()), text.count("\n"))
        for path in sorted(package.rglob("*.py"))
    ]


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Yield every imported module's dotted name; `from a import b` may mean `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "callgate":
                yield from ((f"callgate.{alias.name}", node) for alias in node.names)
            else:
                yield node.module, node


def own_imports(tree: ast.AST) -> Iterator[str]:
    """Yield the part of each import of our own: `gate` for `callgate.gate`."""
    for name, _ in imports(tree):
        head, _, rest = name.partition(".")
        if head == "callgate":
            yield rest.split(".")[0] or "__init__"


def direction_faults(root: Path) -> list[str]:
    faults = []
    for module in modules(root):
        if module.part not in RANK:
            faults.append(f"{module.path}: {module.part} is in no layer")
            continue
        for part in own_imports(module.tree):
            target = part if part in RANK else "__init__"
            is_lower = RANK[target] < RANK[module.part]
            if not (is_lower or target == module.part or (module.part, target) in SIDEWAYS):
                faults.append(f"{module.path}: {module.part} imports {target}")
    return faults


def mitmproxy_faults(root: Path) -> list[str]:
    return [
        f"{module.path}: imports {name}"
        for module in modules(root)
        if module.part not in KNOWS_MITMPROXY
        for name, _ in imports(module.tree)
        if name.split(".")[0].startswith("mitmproxy")
    ]


def relative_faults(root: Path) -> list[str]:
    return [
        f"{module.path}:{node.lineno}: relative import"
        for module in modules(root)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def hidden_faults(root: Path) -> list[str]:
    return [
        f"{module.path}:{statement.lineno}: imports {name} inside {function.name}"
        for module in modules(root)
        for function in ast.walk(module.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for name, statement in imports(function)
        if name.split(".")[0] == "callgate"
    ]


def untested_faults(root: Path) -> list[str]:
    faults = []
    for module in modules(root):
        if module.path.name in ("__init__.py", "__main__.py", "base.py"):
            continue
        test = root / "tests" / module.path.parent / f"test_{module.path.name}"
        if test.exists() == (module.name in TESTED_ELSEWHERE):
            state = "is excused but has" if test.exists() else "lacks"
            faults.append(f"{module.path}: {state} {test.relative_to(root)}")
    return faults


def size_faults(root: Path) -> list[str]:
    return [
        f"{module.path}: {module.lines} lines, at most {MAX_LINES}"
        for module in modules(root)
        if module.lines > MAX_LINES
    ]


def stray_faults(root: Path) -> list[str]:
    expected = {"guard.py", "callgate"}
    made = {"__pycache__", "callgate.egg-info"}
    found = {path.name for path in (root / "addons").iterdir()} - made
    return [f"addons/{name}: not expected here" for name in sorted(found - expected)] + [
        f"addons/{name}: missing" for name in sorted(expected - found)
    ]


CHECKS = (
    direction_faults,
    mitmproxy_faults,
    relative_faults,
    hidden_faults,
    untested_faults,
    size_faults,
    stray_faults,
)


@pytest.mark.parametrize("check", CHECKS)
def test_code_base_keeps_its_shape(check: Callable[[Path], list[str]]) -> None:
    assert check(ROOT) == []


SOUND = {
    "addons/guard.py": "from callgate.addon import Guard\n",
    "addons/callgate/__init__.py": "",
    "addons/callgate/model.py": "import enum\n",
    "addons/callgate/errors.py": "",
    "addons/callgate/gate.py": "import callgate.store.base\nfrom callgate import model\n",
    "addons/callgate/addon.py": "import mitmproxy.http\nfrom callgate import gate\n",
    "addons/callgate/store/base.py": "from callgate.model import ToolCall\n",
    "addons/callgate/scanners/local.py": "import callgate.policy.rules\n",
    "tests/test_gate.py": "",
    "tests/test_addon.py": "",
    "tests/scanners/test_local.py": "",
}


def plant(root: Path, extra: Mapping[str, str]) -> Path:
    for name, text in {**SOUND, **extra}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_sound_tree_has_no_faults(tmp_path: Path) -> None:
    root = plant(tmp_path, {})

    assert [fault for check in CHECKS for fault in check(root)] == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("store/base.py", "from callgate.gate import Gate\n", "store/base.py: store imports gate"),
        ("store/base.py", "from callgate import gate\n", "store/base.py: store imports gate"),
        ("store/base.py", "import callgate.audit.log\n", "store/base.py: store imports audit"),
        ("model.py", "from callgate import errors\n", "model.py: model imports errors"),
        ("gate.py", "def f():\n    import callgate.proxy\n", "gate.py: gate imports proxy"),
        ("stray.py", "", "stray.py: stray is in no layer"),
        ("gate.py", "from mitmproxy import http\n", "gate.py: imports mitmproxy"),
        ("gate.py", "import mitmproxy_rs\n", "gate.py: imports mitmproxy_rs"),
        ("gate.py", "from . import model\n", "gate.py:1: relative import"),
        (
            "gate.py",
            "async def f():\n    from callgate import model\n",
            "gate.py:2: imports callgate.model inside f",
        ),
        ("audit/log.py", "", "audit/log.py: lacks tests/audit/test_log.py"),
        ("gate.py", "\n" * 401, "gate.py: 401 lines, at most 400"),
        ("../requests.py", "", "addons/requests.py: not expected here"),
        ("../../tests/test_model.py", "", "model.py: is excused but has tests/test_model.py"),
    ],
)
def test_planted_violation_is_found(tmp_path: Path, name: str, text: str, fault: str) -> None:
    root = plant(tmp_path, {f"addons/callgate/{name}": text})

    assert fault in [found for check in CHECKS for found in check(root)]


def test_missing_guard_is_found(tmp_path: Path) -> None:
    root = plant(tmp_path, {})
    (root / "addons" / "guard.py").unlink()

    assert stray_faults(root) == ["addons/guard.py: missing"]
