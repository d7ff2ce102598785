"""Draws docs/demo.svg from a real run of the demonstration."""

from __future__ import annotations

import asyncio
import io
import re
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from callgate.cli.demo import Stage, demo_server
from callgate.demo import report
from callgate.model import Mode

TARGET = Path(__file__).resolve().parent.parent / "docs" / "demo.svg"


def main() -> None:
    console = Console(record=True, width=116, file=io.StringIO(), highlight=False)
    with tempfile.TemporaryDirectory() as folder, demo_server(Path(folder), None) as (url, ca):
        for mode in (Mode.ENFORCE, Mode.WITHHOLD):
            stage = Stage(Path(folder) / mode, mode, url, ca, "gpt-4o")
            asyncio.run(stage.play())
            console.rule(f"[bold]callgate demo · mode {mode}[/bold]", align="left")
            chosen = [stage.episodes[1], stage.episodes[3]]
            report.told(console, chosen)
            console.print()
    # no web fonts: the picture must not call home
    plain = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    TARGET.write_text(console.export_svg(title="callgate demo", code_format=plain))


if __name__ == "__main__":
    main()
