"""Writes the README's tables from the code, between their `made by scripts/tables` marks."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from callgate.model import Reason
from callgate.policy import constraints
from callgate.settings import Settings, environment_name

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
        rows.append(
            f"| `--{name.replace('_', '-')}` | `{environment_name(name)}` | {shown} "
            f"| {field.description}{wanted} |"
        )
    return "\n".join(rows)


def reasons() -> str:
    rows = ["| code | meaning |", "|---|---|"]
    return "\n".join(rows + [f"| `{reason}` | {reason.explanation} |" for reason in Reason])


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


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "reasons": reasons,
    "constraints": constraint_forms,
    "folders": folders,
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
