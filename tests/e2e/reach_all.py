"""Runs clients side by side and tells of each: `reach_all.py '[[NAME, COMMAND, FOLDER], …]'`."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def ask(order: tuple[str, list[str], str]) -> dict[str, str]:
    name, command, folder = order
    done = subprocess.run(
        command,
        cwd=folder if Path(folder).is_dir() else None,
        capture_output=True,
        text=True,
        timeout=120,
    )
    last = done.stdout.strip().splitlines()[-1:] if done.returncode == 0 else []
    told = json.loads(last[0]) if last else {}
    return {
        "name": name,
        "mode": told.get("mode") or "",
        "version": told.get("version", ""),
        "log": done.stderr[-2000:],
    }


if __name__ == "__main__":
    with ThreadPoolExecutor(3) as pool:
        for told in pool.map(ask, json.loads(sys.argv[1])):
            sys.stdout.write(json.dumps(told) + "\n")
