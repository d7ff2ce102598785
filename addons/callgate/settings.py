"""Settings: each with its default and help; flags > environment > file > defaults.

The README's table and the command line's help are made from the fields here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails

from callgate.errors import SettingsError
from callgate.forms import (
    Address,
    AddressOrNone,
    AddressOrOff,
    File,
    HostPatterns,
    Mib,
    Names,
    Occasions,
    Operators,
    ProxyAddress,
    Reverses,
    SigningKey,
    SyslogAddress,
    WebAddress,
    is_loopback,
    split_address,
    split_operator,
)
from callgate.listeners import Reverse
from callgate.model import Mode

_DEFAULT_HOSTS = (
    "api.openai.com",
    "*.api.openai.com",
    "*.openai.azure.com",
    "*.services.ai.azure.com",
    "*.cognitiveservices.azure.com",
)

_OF_COMMANDS = frozenset(
    f"CALLGATE_GATEWAY_{name}" for name in ("LISTEN", "KEYS", "TLS_CERT", "TLS_KEY")
)
"""Variables of one command only."""

_JOINING = {"interven": "INTERVEN_API_KEY", "aegis": "AEGIS_API_KEY"}
"""Scanners that are asked where there is a key for them, unless others are named."""

_SECRET = frozenset({"upstream_proxy"})
"""May hold a password: never shown."""

SECRET: JsonDict = {"is_secret": True}
"""Marks a setting that has no flag, as every user of a machine sees those, and is never shown."""


class Settings(BaseModel):
    """Everything an operator can choose; immutable once the proxy is assembled."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    home: Path = Field(
        default=Path("~/.callgate"),
        description="folder of the CA, keys and database; everything in it is private (0600)",
    )
    listen: Address = Field(default="127.0.0.1:8080", description="proxy address; port 0 picks one")
    console: AddressOrOff = Field(
        default="127.0.0.1:8081",
        description="address of the console and its API, or `off`; beyond loopback it needs TLS",
    )
    console_token: Operators = Field(
        default=(),
        description="`NAME:TOKEN` of each operator; without any, a token is made at every start",
        json_schema_extra=SECRET,
    )
    console_cert: File | None = Field(
        default=None, description="PEM file of the console's certificate and its chain"
    )
    console_key: File | None = Field(
        default=None, description="PEM file of the console's private key"
    )
    console_url: WebAddress = Field(
        default="", description="where people reach the console, for links; empty: its address"
    )
    webhook_url: WebAddress = Field(
        default="",
        description="gets a signed JSON message for each occasion in `notify`",
        json_schema_extra=SECRET,
    )
    webhook_secret: SigningKey = Field(
        default="",
        description="`whsec_` and base64: what `webhook_url` gets is signed with",
        json_schema_extra=SECRET,
    )
    slack_url: WebAddress = Field(
        default="",
        description="Slack-compatible incoming webhook that is told of each occasion",
        json_schema_extra=SECRET,
    )
    notify: Occasions = Field(
        default=("approvals", "denials"), description="occasions to tell of: approvals, denials"
    )
    mode: Mode = Field(default=Mode.ENFORCE, description="observe, enforce or withhold")
    gate_host: HostPatterns = Field(
        default=(),
        description="further hosts to gate, `HOST` or `HOST:PORT`; `*.` in front takes subdomains",
    )
    reverse: Reverses = Field(
        default=(),
        description="address that stands for one API, for apps that are given a base URL: "
        "`HOST:PORT=https://HOST`",
    )
    transparent: AddressOrNone = Field(
        default="", description="address for connections that the firewall redirects, on Linux"
    )
    upstream_proxy: ProxyAddress = Field(
        default="",
        description="proxy that everything goes through, gated or not: "
        "`http://USER:PASSWORD@HOST:PORT`",
    )
    only_openai: bool = Field(
        default=False, description="refuse connections to hosts that are not gated"
    )
    upstream_ca: File | None = Field(
        default=None, description="PEM file of a private CA to trust upstream, beside the public"
    )
    policy: Path | None = Field(default=None, description="policy file (callgate.yaml)")
    store: str = Field(
        default="",
        description="`sqlite:///PATH` or, for many proxies, `postgresql://USER@HOST/DATABASE`; "
        "empty means sqlite in the home folder",
    )
    scanner: Names = Field(
        default=("local",),
        description="scanners to ask: local, interven, aegis; without it `interven` and `aegis` "
        "join where `INTERVEN_API_KEY` and `AEGIS_API_KEY` are set",
    )
    advisory_scanner: Names = Field(
        default=(),
        description="scanners that are asked, and recorded, but have no say in the decision",
    )
    on_scanner_error: Literal["deny", "require_approval", "allow"] = Field(
        default="deny", description="what a failed scanner counts as; `allow` fails open"
    )
    on_denied_result: Literal["refuse", "replace"] = Field(
        default="refuse",
        description="a denied call's result: refuse the request, or send the notice instead",
    )
    on_denied_hosted_tool: Literal["refuse", "remove"] = Field(
        default="refuse",
        description="a hosted tool that policy denies: refuse the request, or take the tool out",
    )
    unknown_result: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="results of calls that neither Callgate nor the API knows",
    )
    realtime_uninspectable: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="setting up WebRTC or SIP sessions, whose events no proxy sees",
    )
    unknown_endpoints: Literal["inspect", "refuse"] = Field(
        default="inspect",
        description="paths of gated hosts that no surface knows: search their bodies for calls, "
        "or refuse them",
    )
    results: Literal["scan", "redact", "off"] = Field(
        default="scan", description="look for secrets and personal data in tool results"
    )
    audit_file: Path | None = Field(
        default=None,
        description="mirror of the audit log: a file of signed lines, written behind the store",
    )
    audit_syslog: SyslogAddress = Field(
        default="", description="mirror to syslog: a socket like /dev/log, or HOST:PORT over UDP"
    )
    keep_arguments: File | None = Field(
        default=None,
        description="X25519 public key (PEM): records keep raw arguments and results too, sealed "
        "so that only `callgate audit --open KEY` with the private key reads them",
    )
    scan_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = Field(
        default=10.0, description="a scanner that takes longer has failed"
    )
    approval_ttl_seconds: Annotated[int, Field(ge=1)] = Field(
        default=3600, description="a call that nobody decided on is denied after this"
    )
    retention_days: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="remove calls, approvals and records older than this; 0 keeps everything",
    )
    upstream_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="for Callgate's own requests to the API"
    )
    max_body_mib: Mib = Field(
        default=32, description="largest body that is inspected; a larger one is refused"
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="processes of `callgate serve` that share its ports, on Linux"
    )
    max_connections: Annotated[int, Field(ge=1)] = Field(
        default=16384,
        description="connections of apps at the same time; further ones get 503. Fewer where the "
        "system does not allow two open files for each",
    )
    proxy_auth: File | None = Field(
        default=None, description="htpasswd file; the user name becomes the agent"
    )
    no_proxy_auth: bool = Field(
        default=False, description="listen beyond loopback without asking for a user"
    )
    grace_seconds: Annotated[float, Field(ge=0)] = Field(
        default=10.0, description="how long SIGTERM lets flows in flight finish"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="what goes to standard error"
    )

    @property
    def gated_hosts(self) -> tuple[str, ...]:
        """Every pattern of a gated host, defaults first."""
        return (*_DEFAULT_HOSTS, *self.gate_host, *(one.host for one in self.reverses))

    @property
    def reverses(self) -> tuple[Reverse, ...]:
        """The reverse listeners."""
        return tuple(Reverse.parse(text) for text in self.reverse)

    @property
    def operators(self) -> dict[str, str]:
        """Tokens by the names of their owners."""
        return dict(map(split_operator, self.console_token))

    @property
    def store_url(self) -> str:
        """Database URL with the default filled in."""
        return self.store or f"sqlite:///{self.home.expanduser() / 'callgate.db'}"

    @property
    def loosened(self) -> tuple[str, ...]:
        """Settings that give up protection; said at start and in the start record."""
        choices = {
            "mode=observe": self.mode is Mode.OBSERVE,
            f"on_scanner_error={self.on_scanner_error}": self.on_scanner_error != "deny",
            f"advisory_scanner={','.join(self.advisory_scanner)}": bool(self.advisory_scanner),
            "unknown_result=allow": self.unknown_result == "allow",
            "realtime_uninspectable=allow": self.realtime_uninspectable == "allow",
            "no_proxy_auth": self.no_proxy_auth,
        }
        return tuple(name for name, is_set in choices.items() if is_set)


def environment_name(field: str) -> str:
    """`max_body_mib` → `CALLGATE_MAX_BODY_MIB`."""
    return f"CALLGATE_{field.upper()}"


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    file: Mapping[str, object],
    file_name: str = "",
) -> Settings:
    """Merge the sources; a flag that is None or empty was not given.

    Scanners that are not named join by their keys in `environ`. Raises SettingsError that names
    every fault with its source, all at once.
    """
    merged: dict[str, object] = {}
    sources: dict[str, str] = {}
    file_label = file_name or "settings"
    for name in Settings.model_fields:
        key = environment_name(name)
        if flags.get(name) not in (None, "", (), []):
            merged[name], sources[name] = flags[name], f"--{name.replace('_', '-')}"
        elif environ.get(key):
            merged[name], sources[name] = environ[key], key
        elif name in file:
            merged[name], sources[name] = file[name], f"{file_label}: {name}"
    joining = [name for name, key in _JOINING.items() if environ.get(key)]
    if joining and "scanner" not in merged:
        merged["scanner"] = (*Settings.model_fields["scanner"].default, *joining)
    faults = _unknown(environ, file, file_label)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        faults += [_describe(fault, sources) for fault in error.errors()]
    else:
        faults += _exposed(settings, sources) + _incomplete(settings, sources)
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def faults(file: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with settings of a policy file, each by itself, by their names."""
    known = {name: value for name, value in file.items() if name in Settings.model_fields}
    found = {name: f"{name}: no such setting" for name in file if name not in known}
    try:
        Settings.model_validate(known)
    except ValidationError as error:
        found |= {str(fault["loc"][0]): _describe(fault, {}) for fault in error.errors()}
    return found


def _unknown(environ: Mapping[str, str], file: Mapping[str, object], file_label: str) -> list[str]:
    known = {environment_name(name) for name in Settings.model_fields} | _OF_COMMANDS
    variables = [key for key in environ if key.startswith("CALLGATE_") and key not in known]
    keys = [f"{file_label}: {name}" for name in file if name not in Settings.model_fields]
    return [f"{source}: no such setting" for source in (*variables, *keys)]


def _describe(fault: ErrorDetails, sources: Mapping[str, str]) -> str:
    field = str(fault["loc"][0])
    what = fault["msg"].removeprefix("Value error, ")
    got = "" if is_secret(field) or field in _SECRET else f" (got {fault['input']!r})"
    return f"{sources.get(field, field)}: {what}{got}"


def _exposed(settings: Settings, sources: Mapping[str, str]) -> list[str]:
    listeners = [("listen", settings.listen), ("transparent", settings.transparent)]
    listeners += [("reverse", one.listen) for one in settings.reverses]
    return _unprotected(settings, sources, listeners) + _excluded(settings, sources)


def _unprotected(
    settings: Settings, sources: Mapping[str, str], listeners: Sequence[tuple[str, str]]
) -> list[str]:
    if settings.no_proxy_auth:
        return []
    hosts = [(name, split_address(address)[0]) for name, address in listeners if address]
    return [
        f"{sources[name]}: {host} is reachable from other machines; give "
        + ("--proxy-auth HTPASSWD, or " if name == "listen" else "")
        + "--no-proxy-auth to serve anybody"
        for name, host in hosts
        if not is_loopback(host) and not (name == "listen" and settings.proxy_auth)
    ]


def _excluded(settings: Settings, sources: Mapping[str, str]) -> list[str]:
    faults = []
    for name in ("reverse", "transparent"):
        if getattr(settings, name) and settings.proxy_auth:
            faults.append(f"{sources[name]}: asks no user, so it can not go with --proxy-auth")
        if getattr(settings, name) and settings.upstream_proxy:
            faults.append(f"{sources[name]}: goes to the API itself, not through --upstream-proxy")
    return faults


def _incomplete(settings: Settings, sources: Mapping[str, str]) -> list[str]:
    """Settings that need another one beside them."""
    faults = []
    if (settings.console_cert is None) != (settings.console_key is None):
        faults.append("console_cert, console_key: give both, or neither")
    host = "" if settings.console == "off" else split_address(settings.console)[0]
    if host and not is_loopback(host) and settings.console_cert is None:
        faults.append(
            f"{sources['console']}: only loopback addresses are served without TLS; "
            "give --console-cert and --console-key"
        )
    if len(settings.operators) < len(settings.console_token):
        faults.append(f"{sources['console_token']}: two operators have the same name")
    if settings.webhook_url and not settings.webhook_secret:
        faults.append(
            f"{sources['webhook_url']}: needs {environment_name('webhook_secret')}, "
            "so that the receiver can tell who calls"
        )
    return faults


def is_secret(field: str) -> bool:
    """Tell whether a setting's value must not be shown."""
    info = Settings.model_fields.get(field)
    return info is not None and info.json_schema_extra == SECRET


def is_secret_variable(key: str) -> bool:
    """Tell whether an environment variable carries a secret setting."""
    return any(
        key == environment_name(field) for field in Settings.model_fields if is_secret(field)
    )
