"""Command-line options of the proxy, made from the fields of `Settings`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from callgate import settings
from callgate.cli.options import standard_file
from callgate.policy import PolicyFile
from callgate.settings import Settings

_METAVARS = {
    "home": "FOLDER",
    "listen": "HOST:PORT",
    "console": "HOST:PORT",
    "gate_host": "HOST[:PORT]",
    "reverse": "HOST:PORT=URL",
    "transparent": "HOST:PORT",
    "upstream_proxy": "URL",
    "upstream_ca": "PEM",
    "policy": "FILE",
    "store": "URL",
    "mode": "observe|enforce|withhold",
    "scanner": "NAME",
    "advisory_scanner": "NAME",
    "proxy_auth": "HTPASSWD",
    "keep_arguments": "PEM",
    "audit_file": "FILE",
    "audit_syslog": "SOCKET",
    "console_cert": "PEM",
    "console_key": "PEM",
    "console_url": "URL",
    "notify": "OCCASION",
}

Home = Annotated[
    str | None, typer.Option("--home", metavar="FOLDER", help="Home folder (CALLGATE_HOME).")
]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a typer command one option for each setting; they arrive as keyword arguments."""
    return with_some_settings(*Settings.model_fields)(command)


def with_some_settings(
    *names: str, **defaults: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Like `with_settings`, for the settings that matter to a command.

    `defaults` are the command's own; they go before environment and file, as flags do.
    """
    return lambda command: _with_options(command, names, defaults)


def _with_options(
    command: Callable[..., None], names: Iterable[str], defaults: Mapping[str, str]
) -> Callable[..., None]:
    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    options = [
        _option(name, Settings.model_fields[name], defaults.get(name))
        for name in names
        if not settings.is_secret(name)
    ]

    def wrapped(**values: object) -> None:
        given = {name: value or defaults.get(name, value) for name, value in values.items()}
        command(**given)

    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *options)
    ]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapped


def _option(name: str, field: FieldInfo, own_default: str | None) -> inspect.Parameter:
    kind: Any = bool | None if field.annotation is bool else str | None
    if isinstance(field.default, tuple):
        kind = list[str] | None
    choices = [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=_help(field, own_default),
        metavar=None if kind == bool | None else _METAVARS.get(name) or "|".join(choices) or "N",
        show_default=False,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, option],
    )


def _help(field: FieldInfo, own_default: str | None) -> str:
    text = field.description or ""
    is_many = isinstance(field.default, tuple)
    default = own_default or (", ".join(field.default) if is_many else field.default)
    shown = f" (default: {default})" if default not in (None, "", False) else ""
    return f"{text[:1].upper()}{text[1:]}{shown}."


def resolve(
    flags: Mapping[str, object], environ: Mapping[str, str] | None = None
) -> tuple[Settings, PolicyFile | None]:
    """Merge flags, environment and the policy file's `settings:`.

    The file is the one of `--policy` or `CALLGATE_POLICY`, else the `standard_file`.
    Raises SettingsError and PolicyError.
    """
    environ = os.environ if environ is None else environ
    named = flags.get("policy") or environ.get(settings.environment_name("policy"))
    path = Path(str(named)).expanduser() if named else standard_file()
    policy = PolicyFile(path) if path else None
    section = policy.current.settings if policy else {}
    return settings.load(flags, environ, section, str(path or "")), policy


def home_of(flag: str | None) -> Path:
    """The home folder as set by flag, environment or file; raises SettingsError, PolicyError."""
    chosen, _ = resolve({"home": flag})
    return chosen.home.expanduser()


def fail(error: Exception | str) -> typer.Exit:
    """Say what is wrong, without a stack trace; exit code 2."""
    typer.echo(f"callgate: {error}", err=True)
    return typer.Exit(2)
