"""Judge the last test run: every guarding module is covered, each branch, by its own tests.

Reads `.coverage` with a context per test, as scripts/test leaves it, and the table
`[tool.callgate.coverage]` of pyproject.toml. Lines that run at import count for every file.
"""

from __future__ import annotations

import fnmatch
import sys
import tomllib
from pathlib import Path

import coverage

PACKAGE = Path("addons/callgate")


def own_tests(module: Path) -> Path:
    """`store/sql.py` → `tests/store/test_sql.py`."""
    return Path("tests") / module.parent / f"test_{module.name}"


def uncovered(measured: coverage.Coverage, module: Path) -> str:
    """What the module's own tests leave out, or an empty string."""
    tests = own_tests(module)
    if not tests.exists():
        return f"has no {tests}"
    # The empty context is what runs while modules are imported.
    measured.get_data().set_query_contexts([f"^{tests.as_posix()}::", "^$"])
    source = str(PACKAGE / module)
    *_, missing = measured.analysis2(source)
    branches = measured.branch_stats(source).items()
    partial = [str(line) for line, (exits, taken) in branches if 0 < taken < exits]
    if not missing and not partial:
        return ""
    return (
        f"not covered by {tests}: lines {missing or '-'}, branches at {', '.join(partial) or '-'}"
    )


def faults() -> list[str]:
    """Everything to put right, one line each."""
    table = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["callgate"]["coverage"]
    excused: dict[str, str] = dict(table["excused"])
    measured = coverage.Coverage()
    measured.load()
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE)
        name = module.with_suffix("").as_posix()
        is_guarding = any(fnmatch.fnmatch(name, pattern) for pattern in table["guarding"])
        if not is_guarding or path.name in ("__init__.py", "base.py"):
            continue
        gap = uncovered(measured, module)
        reason = excused.pop(name, None)
        if gap and reason is None:
            found.append(f"{name}: {gap}")
        elif reason is not None and not gap:
            found.append(f"{name}: is covered now: take it out of [tool.callgate.coverage.excused]")
    return found + [f"{name}: excused, but not a guarding module" for name in excused]


if __name__ == "__main__":
    if lines := faults():
        sys.exit("coverage by own tests:\n  " + "\n  ".join(lines))
