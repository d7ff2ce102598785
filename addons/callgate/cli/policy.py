"""`callgate policy`: write, check, try and explain policy files."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from callgate import settings
from callgate.canonical import Json, parse
from callgate.cli.cases import Case, coloured, findings, judge, read_case, told
from callgate.cli.options import console, printable, standard_file
from callgate.errors import Fault, JsonError, PolicyError
from callgate.model import Effect, Reason, Verdict, band_of
from callgate.policy import Policy, Ruling
from callgate.policy.document import Document, compose, plain

app = typer.Typer(no_args_is_help=True, help="Write, check, try and explain policy files.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")]
ExistingFile = typer.Argument(exists=True, dir_okay=False, readable=True)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="Where to write.")] = Path("callgate.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented starter file."""
    starter = files("callgate.policy").joinpath("starter.yaml").read_text("utf-8")
    try:
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(starter)
    except FileExistsError:
        _fail(f"{file} exists: choose another name, or --force to replace it")
    except OSError as error:
        _fail(f"{file} cannot be written: {error.strerror or error}")
    typer.echo(f"{file} written; edit it, then: callgate policy check {file}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A callgate.yaml or safeclaw.yaml.")],
    as_json: AsJson = False,
) -> None:
    """Print every fault as `FILE:LINE:COLUMN: what, and the fix`; exit 1 if there is one."""
    try:
        policy = Policy.load(file)
    except PolicyError as error:
        _print_faults(error.faults, as_json=as_json)
        raise typer.Exit(1) from error
    if faults := _faults_of_settings(file, policy):
        _print_faults(faults, as_json=as_json)
        raise typer.Exit(1)
    sections, rules = len(policy.content.sections), len(policy.rules)
    default = policy.content.default.lower()
    if as_json:
        found = {"file": str(file), "policies": sections, "rules": rules, "default": default}
        own = {"secret_rules": policy.secret_rules.count, "left_out": policy.secret_rules.left_out}
        typer.echo(json.dumps({**found, **own, "digest": policy.digest}))
    else:
        typer.echo(f"{file}: valid; policies: {sections}, rules: {rules}, default: {default}")
        if named := policy.content.rule_file:
            own_rules = f"rules for secrets: {named.rules.count}, left out: {named.rules.left_out}"
            typer.echo(f"{named.path}: valid; {own_rules}")


def _faults_of_settings(file: Path, policy: Policy) -> list[Fault]:
    """What no gate would take of `settings:`, where it stands."""
    wrong = settings.faults(policy.settings)
    if not wrong:
        return []
    document = Document(str(file))
    root = document.entries(compose(file.read_text("utf-8-sig"), str(file)), (), "the file")
    entries = document.entries(root["settings"][1], (), "`settings`")
    marks = {name: key.start_mark for name, (key, _) in entries.items() if name in wrong}
    return [
        Fault(str(file), mark.line + 1, mark.column + 1, f"settings: {wrong[name]}")
        for name, mark in marks.items()
    ]


@app.command("test")
def try_cases(
    file: Annotated[Path, typer.Argument(help="The policy file.")],
    cases: Annotated[Path, typer.Argument(help="A YAML list, or JSON lines (.jsonl).")],
    as_json: AsJson = False,
) -> None:
    """Judge each case, detectors included, and compare with its `expect`; exit 1 if one differs.

    A case: {tool, arguments, assistant?, agent?, model?, surface?, expect}.
    """
    policy = _load(file, as_json=as_json)
    found = _read_cases(cases, as_json=as_json)
    differing = 0
    for case in found:
        verdict = judge(case, policy)
        got = verdict.effect.lower()
        differing += got != case.expect
        if as_json:
            line = {"place": case.place, "tool": case.call.name, "expect": case.expect, "got": got}
            typer.echo(json.dumps({**line, "explanation": verdict.explanation}))
        elif got != case.expect:
            typer.echo(printable(f"{case.place}: {case.call.name}"))
            typer.echo(f"  - expected: {case.expect}")
            typer.echo(f"  + got:      {got} ({printable(verdict.explanation)})")
    if not as_json:
        typer.echo(f"{len(found) - differing} of {len(found)} cases as expected")
    if differing:
        raise typer.Exit(1)


@app.command()
def explain(
    call: Annotated[Path, ExistingFile],
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            envvar="CALLGATE_POLICY",
            help="The policy file; else callgate.yaml or safeclaw.yaml here.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the detectors found in a call, which rules were tried, and the decision.

    The call: {"tool": …, "arguments": …, "assistant"?, "agent"?, "model"?, "surface"?}.
    """
    path = policy or standard_file()
    loaded = _load(path, as_json=as_json) if path else Policy.permissive()
    case = _read_call(call, as_json=as_json)
    ruling, verdict = _judge(loaded, case), judge(case, loaded)
    if as_json:
        why = {"rule": ruling.rule, "explanation": verdict.explanation, "tried": ruling.tried}
        line = {**told(case, verdict, loaded), "ruling": ruling.effect, **why}
        typer.echo(json.dumps({**line, "policy": str(path) if path else None}))
        return
    _show(case, ruling, verdict, loaded, str(path) if path else "no policy file")


def _show(case: Case, ruling: Ruling, verdict: Verdict, policy: Policy, source: str) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("tool", escape(printable(case.call.name)))
    table.add_row("decision", f"{coloured(verdict.effect)} {escape(' '.join(verdict.reasons))}")
    table.add_row("risk", f"{verdict.risk:.2f} {band_of(verdict.risk)}")
    table.add_row("why", escape(printable(verdict.explanation)))
    table.add_row("ruling", f"{coloured(ruling.effect)} by {escape(printable(ruling.rule))}")
    for number, line in enumerate(ruling.tried, 1):
        table.add_row(f"tried {number}", escape(printable(line)))
    if not ruling.tried:
        table.add_row("tried", "no rule names this tool")
    for finding in findings(verdict, policy):
        place = f"{finding['path']} {finding['start']}–{finding['end']}"
        asks = f"asks for {finding['asks']}" if finding["asks"] else "for information"
        text = f"{finding['kind']} at {place}, confidence {finding['confidence']}, {asks}"
        table.add_row("finding", escape(printable(f"{text}: {finding['explanation']}")))
    if verdict.sanitized_arguments is not None:
        table.add_row("sanitized", escape(printable(verdict.sanitized_arguments)))
    table.add_row("policy", escape(printable(source)))
    console().print(table)


def _judge(policy: Policy, case: Case) -> Ruling:
    if case.is_malformed:
        why = Reason.MALFORMED_ARGUMENTS.explanation
        return Ruling(Effect.DENY, (str(Reason.MALFORMED_ARGUMENTS),), "arguments", why, ())
    return policy.judge(case.call, case.arguments)


def _load(file: Path, *, as_json: bool) -> Policy:
    try:
        return Policy.load(file)
    except PolicyError as error:
        _print_faults(error.faults, as_json=as_json)
        raise typer.Exit(1) from error


def _read_call(file: Path, *, as_json: bool) -> Case:
    try:
        value = parse(file.read_bytes())
        return read_case(value, str(file), expects=False)
    except (JsonError, ValueError) as error:
        _print_faults([Fault(str(file), 1, 1, str(error))], as_json=as_json)
        raise typer.Exit(1) from error


def _read_cases(file: Path, *, as_json: bool) -> list[Case]:
    cases: list[Case] = []
    faults: list[Fault] = []
    try:
        entries = _entries(file)
    except PolicyError as error:
        _print_faults(error.faults, as_json=as_json)
        raise typer.Exit(1) from error
    for line, value in entries:
        try:
            cases.append(read_case(value, f"{file}:{line}", expects=True))
        except ValueError as error:
            faults.append(Fault(str(file), line, 1, str(error)))
    if faults:
        _print_faults(faults, as_json=as_json)
        raise typer.Exit(1)
    return cases


def _entries(file: Path) -> list[tuple[int, Json]]:
    """Each case with its line. Raises PolicyError for what is no list of cases."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError([Fault(str(file), 1, 1, f"cannot be read: {error}")]) from error
    if file.suffix == ".jsonl":
        return [
            _json_line(file, n, raw) for n, raw in enumerate(text.split("\n"), 1) if raw.strip()
        ]
    document = Document(str(file))
    items = document.items(compose(text, str(file)), "the file of cases")
    if document.faults:
        raise PolicyError(document.faults)
    return [(item.start_mark.line + 1, plain(item)) for item in items]


def _json_line(file: Path, number: int, raw: str) -> tuple[int, Json]:
    try:
        return number, parse(raw)
    except JsonError as error:
        raise PolicyError([Fault(str(file), number, 1, str(error))]) from error


def _print_faults(faults: list[Fault], *, as_json: bool) -> None:
    for fault in faults:
        if as_json:
            place = {"file": fault.file, "line": fault.line, "column": fault.column}
            typer.echo(json.dumps({**place, "message": fault.message}))
        else:
            typer.echo(printable(str(fault)))


def _fail(message: str) -> NoReturn:
    typer.echo(printable(message), err=True)
    raise typer.Exit(1)
