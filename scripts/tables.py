"""Writes the README's tables from the code, between their `made by scripts/tables` marks."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from callgate.model import Reason
from callgate.policy import constraints
from callgate.policy.meanings import BANDS
from callgate.scanners.weighing import FAMILIES
from callgate.settings import Settings, environment_name, is_secret

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PACKAGE = ROOT / "addons" / "callgate"


def settings() -> str:
    rows = ["| flag | variable | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        many = isinstance(field.default, tuple)
        default = ", ".join(field.default) if many else field.default
        shown = "off" if default is False else f"`{default}`" if default not in (None, "") else ""
        choices = [c for c in get_args(field.annotation) if isinstance(c, str)]
        wanted = f" (`{' | '.join(choices)}`)".replace("|", "\\|") if choices else ""
        # every user of a machine sees the flags of its programs
        flag = "" if is_secret(name) else f"`--{name.replace('_', '-')}`"
        rows.append(
            f"| {flag} | `{environment_name(name)}` | {shown} | {field.description}{wanted} |"
        )
    return "\n".join(rows)


def reasons() -> str:
    rows = ["| code | meaning |", "|---|---|"]
    return "\n".join(rows + [f"| `{reason}` | {reason.explanation} |" for reason in Reason])


def families() -> str:
    rows = ["| family | reason code | means |", "|---|---|---|"]
    for reason, family in FAMILIES.items():
        bands = [family.meanings[band] for band in BANDS if band in family.meanings]
        means = f"`{bands[0]}`"
        if len(set(bands)) > 1:
            means += f", less certain `{bands[1]}`"
        for word in dict.fromkeys(family.meanings.values()):
            if kinds := [k for k, w in family.meanings.items() if w == word and k not in BANDS]:
                means += f"; `{word}`: {', '.join(f'`{kind}`' for kind in kinds)}"
        rows.append(f"| `{family.name}` | `{reason}` | {means} |")
    return "\n".join(rows)


def constraint_forms() -> str:
    doc = constraints.__doc__ or ""
    return "\n".join(line for line in doc.splitlines() if line.startswith("|"))


def folders() -> str:
    rows = ["| part of `addons/callgate` | owns |", "|---|---|"]
    parts = sorted(
        p for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    )
    for part in parts:
        source = part / "__init__.py" if part.is_dir() else part
        doc = ast.get_docstring(ast.parse(source.read_text())) or ""
        first = doc.split("\n\n", 1)[0].replace("\n", " ").replace("|", "\\|")
        if part.name not in ("__init__.py", "__main__.py"):
            rows.append(f"| `{part.name}{'/' if part.is_dir() else ''}` | {first} |")
    return "\n".join(rows)


PROMISES = ("found", "annotated", "result refused", "withheld", "sanitized")
CARRIERS = ("stream", "WebSocket")
"""Each says of its column: the promises hold over this, too."""

ABSENT = {
    **{(s, "WebSocket"): "no such API" for s in ("assistants", "chat", "agents")},
    ("conversations", "WebSocket"): "no such API",
    ("conversations", "stream"): "no such API",
    ("realtime", "annotated"): "in the log only",
    ("realtime", "stream"): "no such API",
}
SURFACES = ("assistants", "chat", "responses", "conversations", "agents", "realtime")


class Conforming:
    """A pytest plugin: which tests say by `conforms` that they stand behind a cell."""

    def __init__(self) -> None:
        self.tests: dict[tuple[str, str], list[str]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            said = [mark.kwargs for mark in item.iter_markers("conforms")]
            surfaces = [one["surface"] for one in said if "surface" in one]
            promises = [one["promise"] for one in said if "promise" in one]
            if promises:
                promises += [one["over"] for one in said if "over" in one]
            for surface in surfaces:
                for promise in promises:
                    path = item.path.relative_to(ROOT).as_posix()
                    self.tests[surface, promise].append(path)


def conformance() -> str:
    found = Conforming()
    with contextlib.redirect_stdout(io.StringIO()) as told:
        options = ["--collect-only", "-qq", "-p", "no:cacheprovider", str(ROOT / "tests" / "e2e")]
        if code := pytest.main(options, plugins=[found]):
            raise SystemExit(f"tests/e2e cannot be collected ({code!r}):\n{told.getvalue()}")
    columns = PROMISES + CARRIERS
    unknown = {cell for cell in found.tests if cell[0] not in SURFACES or cell[1] not in columns}
    if unknown:
        raise SystemExit(f"tests stand behind cells that are not in the table: {unknown}")
    rows = [f"| surface | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for surface in SURFACES:
        cells = [_cell(found.tests[surface, column], surface, column) for column in columns]
        rows.append(f"| `{surface}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(tests: list[str], surface: str, column: str) -> str:
    """How many tests, and the file with most of them."""
    if not tests:
        return ABSENT.get((surface, column), "**untested**")
    return f"[{len(tests)}]({max(sorted(set(tests)), key=tests.count)})"


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "reasons": reasons,
    "families": families,
    "constraints": constraint_forms,
    "folders": folders,
    "conformance": conformance,
}


def written(text: str) -> str:
    """The README with every table as the code has it now."""
    for name, table in TABLES.items():
        mark = f"<!-- {name}: made by scripts/tables -->"
        pattern = re.compile(re.escape(mark) + r"\n.*?<!-- end -->", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"README.md has no mark {mark}")
        whole = f"{mark}\n{table()}\n<!-- end -->"
        text = pattern.sub(lambda _, whole=whole: whole, text)
    return text


def main() -> int:
    old = README.read_text()
    new = written(old)
    if "--check" in sys.argv[1:]:
        if old != new:
            print("README.md does not say what the code says: run scripts/tables", file=sys.stderr)
            return 1
        return 0
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
