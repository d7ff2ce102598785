"""`callgate scan`: judge calls from standard input, one verdict line each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from callgate.canonical import Json, parse
from callgate.cli.cases import CALL_KEYS, Case, judge, read_case, told
from callgate.cli.options import errors_reported, printable, standard_file
from callgate.errors import JsonError
from callgate.model import Verdict, band_of
from callgate.policy import Policy


def scan(
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            envvar="CALLGATE_POLICY",
            help="The policy file; else callgate.yaml or safeclaw.yaml here.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, for scripts.")
    ] = False,
) -> None:
    """Judge the calls on standard input: JSON lines, or one JSON object.

    A call: {"tool": …, "arguments": …, "assistant"?, "agent"?, "model"?, "surface"?}, or as
    the API tells it: {"function": {"name": …, "arguments": …}}; other keys are passed over. Each
    gets a line: effect, tool, reasons, risk, why. Exits with 1 if a line is no call.
    """
    path = policy or standard_file()
    with errors_reported():
        loaded = Policy.load(path) if path else Policy.permissive()
    broken = 0
    for number, text in _lines(sys.stdin.buffer.read().decode("utf-8", "replace")):
        try:
            case = read_case(_call(parse(text)), f"line {number}", expects=False)
        except (JsonError, ValueError) as error:
            broken += 1
            print(printable(f"line {number}: {error}"), file=sys.stderr)
            continue
        verdict = judge(case, loaded)
        if as_json:
            print(json.dumps({"line": number, **told(case, verdict, loaded)}), flush=True)
        else:
            print(_line(case, verdict), flush=True)
    if broken:
        raise typer.Exit(1)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each JSON line with its number; an object that is spread over lines is one."""
    try:
        parse(text)
    except JsonError:
        yield from ((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())
    else:
        yield 1, text


def _call(value: Json) -> Json:
    """Take a call in any of its forms as `read_case` wants it."""
    if not isinstance(value, dict):
        return value
    function = value.get("function")
    named = function if isinstance(function, dict) else value
    found = {key: value[key] for key in CALL_KEYS if key in value}
    if "tool" not in value and "name" in named:
        found["tool"] = named["name"]
    if "arguments" in named:
        found["arguments"] = named["arguments"]
    return found


def _line(case: Case, verdict: Verdict) -> str:
    reasons = ",".join(verdict.reasons) or "-"
    risk = f"{verdict.risk:.2f} {band_of(verdict.risk)}"
    return printable(
        f"{verdict.effect:<16}  {case.call.name}  {reasons}  {risk}  {verdict.explanation}"
    )
