"""Where settings come from, which are refused, and how that is said."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from callgate.errors import SettingsError
from callgate.model import Mode
from callgate.settings import Settings, environment_name, is_secret, is_secret_variable, load


def faults(
    flags: dict[str, object] | None = None,
    environ: dict[str, str] | None = None,
    file: dict[str, object] | None = None,
) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(flags or {}, environ or {}, file or {}, "callgate.yaml")
    return str(caught.value).splitlines()


# -- precedence -----------------------------------------------------------------------------


def test_flags_beat_the_environment_and_that_beats_the_file_and_that_the_default() -> None:
    flags: dict[str, object] = {"mode": "withhold"}
    environ = {"CALLGATE_MODE": "observe", "CALLGATE_STORE": "sqlite:///e.db"}
    file = {"mode": "enforce", "store": "sqlite:///f.db", "max_body_mib": 8}

    settings = load(flags, environ, file)

    assert settings.mode is Mode.WITHHOLD
    assert settings.store == "sqlite:///e.db"
    assert settings.max_body_mib == 8
    assert settings.on_denied_result == "refuse"


@pytest.mark.parametrize("absent", [None, "", (), []], ids=repr)
def test_a_flag_that_was_not_given_hides_nothing(absent: object) -> None:
    settings = load({"gate_host": absent, "mode": absent}, {"CALLGATE_GATE_HOST": "a.example"}, {})

    assert settings.gate_host == ("a.example",)
    assert settings.mode is Mode.ENFORCE


def test_a_switch_turned_off_by_flag_beats_the_environment() -> None:
    environ = {"CALLGATE_ONLY_OPENAI": "true"}

    assert load({"only_openai": None}, environ, {}).only_openai
    assert not load({"only_openai": False}, environ, {}).only_openai


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({}, {"CALLGATE_MODE": ""}, {"mode": "observe"}).mode is Mode.OBSERVE


@pytest.mark.parametrize("value", ["a.example,b.example:8443", " a.example , b.example:8443 "])
def test_lists_are_given_with_commas(value: str) -> None:
    assert load({}, {"CALLGATE_GATE_HOST": value}, {}).gate_host == (
        "a.example",
        "b.example:8443",
    )
    assert load({}, {}, {"gate_host": value}).gate_host == ("a.example", "b.example:8443")


def test_lists_of_flags_and_files_are_lists() -> None:
    assert load({"gate_host": ["a.example"]}, {}, {}).gate_host == ("a.example",)
    assert load({}, {}, {"gate_host": ["a.example"]}).gate_host == ("a.example",)


def test_every_setting_has_a_variable_and_a_text_for_people() -> None:
    assert environment_name("max_body_mib") == "CALLGATE_MAX_BODY_MIB"
    assert all(field.description for field in Settings.model_fields.values())


# -- faults ---------------------------------------------------------------------------------


def test_all_faults_are_reported_together_with_their_sources() -> None:
    found = faults(
        {"listen": "8080"},
        {"CALLGATE_MODE": "strict", "CALLGATE_GATE_HOST": "ok.example,a/b", "CALLGATE_MODES": "x"},
        {"max_body_mib": 0, "polices": "x", "console": "0.0.0.0", "upstream_ca": "/no/such"},
    )

    assert sorted(line.split(": ")[0] for line in found) == [
        "--listen",
        "CALLGATE_GATE_HOST",
        "CALLGATE_MODE",
        "CALLGATE_MODES",
        "callgate.yaml",
        "callgate.yaml",
        "callgate.yaml",
        "callgate.yaml",
    ]
    text = "\n".join(found)
    assert "CALLGATE_MODES: no such setting" in found
    assert "callgate.yaml: polices: no such setting" in found
    assert "expected HOST:PORT" in text
    assert "'a/b' is not HOST" in text
    assert "'observe', 'enforce' or 'withhold' (got 'strict')" in text
    assert "callgate.yaml: upstream_ca: no such file (got " in text


def test_foreign_variables_are_left_alone() -> None:
    assert load({}, {"HOME": "/h", "CALLGATES": "x", "callgate_mode": "observe"}, {}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "ENFORCE"),
        ("mode", 1),
        ("listen", 8080),
        ("listen", None),
        ("only_openai", "perhaps"),
        ("max_body_mib", 0),
        ("max_body_mib", 1025),
        ("max_body_mib", "32MB"),
        ("max_body_mib", 1.5),
        ("scan_timeout_seconds", 0),
        ("scan_timeout_seconds", "nan"),
        ("scan_timeout_seconds", 121),
        ("upstream_timeout_seconds", "inf"),
        ("upstream_timeout_seconds", -1),
        ("workers", 0),
        ("workers", 65),
        ("workers", "many"),
        ("grace_seconds", -0.1),
        ("grace_seconds", float("inf")),
        ("approval_ttl_seconds", 0),
        ("on_scanner_error", "ALLOW"),
        ("results", "none"),
        ("log_level", "trace"),
        ("scanner", {"local": True}),
        ("gate_host", [1]),
        ("gate_host", ["*"]),
        ("gate_host", ["https://a.example"]),
        ("gate_host", ["a.example:http"]),
        ("gate_host", "a.example,"),
        ("proxy_auth", "/no/such/htpasswd"),
        ("console", "example.com:80"),
        ("console", "OFF"),
        ("home", 5),
    ],
    ids=str,
)
def test_a_wrong_value_is_named_with_its_source(name: str, value: object) -> None:
    [found] = faults(file={name: value})

    assert found.startswith(f"callgate.yaml: {name}: ")


def test_settings_do_not_change_and_take_nothing_else() -> None:
    with pytest.raises(ValidationError):
        Settings().mode = Mode.OBSERVE
    with pytest.raises(ValidationError):
        Settings(listne="127.0.0.1:1")  # type: ignore[call-arg]


# -- addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:1", "host.example:1"])
def test_listening_beyond_loopback_needs_users_or_the_explicit_choice(
    listen: str, tmp_path: Path
) -> None:
    users = tmp_path / "htpasswd"
    users.touch()

    [fault] = faults({"listen": listen})

    assert fault.startswith("--listen: ")
    assert "--proxy-auth" in fault
    assert "--no-proxy-auth" in fault
    assert load({"listen": listen, "proxy_auth": str(users)}, {}, {}).proxy_auth == users
    assert load({"listen": listen, "no_proxy_auth": True}, {}, {}).no_proxy_auth
    assert faults({"listen": listen, "no_proxy_auth": False}) == [fault]


@pytest.mark.parametrize("console", ["off", "127.0.0.1:0", "localhost:8081", "[::1]:8081"])
def test_the_console_is_on_loopback_or_off(console: str) -> None:
    assert load({"console": console}, {}, {}).console == console


@pytest.mark.parametrize("console", ["0.0.0.0:8081", "[::]:8081", "10.0.0.1:8081"])
def test_the_console_is_on_other_addresses_only_with_tls(console: str, tmp_path: Path) -> None:
    [fault] = faults({"console": console, "no_proxy_auth": True})
    pem = tmp_path / "x.pem"
    pem.touch()

    assert "only loopback" in fault
    assert "--console-cert" in fault
    tls = {"console_cert": str(pem), "console_key": str(pem)}
    assert load({"console": console, **tls}, {}, {}).console == console
    [fault] = faults({"console_cert": str(pem)})
    assert "give both" in fault


TOKEN = "0123456789" + "abcdefgh"


@pytest.mark.parametrize(
    ("value", "operators"),
    [
        ("", {}),
        (TOKEN, {"operator": TOKEN}),
        (
            f"kim:{TOKEN}, robin@x.example:{TOKEN}:x",
            {"kim": TOKEN, "robin@x.example": f"{TOKEN}:x"},
        ),
    ],
)
def test_operators_have_names_and_tokens(value: str, operators: dict[str, str]) -> None:
    assert load({}, {"CALLGATE_CONSOLE_TOKEN": value}, {}).operators == operators


SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("CONSOLE_TOKEN", "kim:" + "short-secret", "at least 16"),
        ("CONSOLE_TOKEN", "k m:" + TOKEN, "NAME:TOKEN"),
        ("CONSOLE_TOKEN", f"kim:{TOKEN},kim:{TOKEN}x", "the same name"),
        ("WEBHOOK_URL", "https://hooks.example/" + "secret", "CALLGATE_WEBHOOK_SECRET"),
        ("WEBHOOK_URL", "ftp://hooks.example/" + "secret", "begins with https"),
        ("SLACK_URL", "hooks.example/" + "secret", "begins with https"),
        ("WEBHOOK_SECRET", "whsec_" + "c2hvcnQ=", "24 to 64"),
        ("WEBHOOK_SECRET", "whsec_" + "not-base64-secret", "base64"),
    ],
)
def test_faults_of_secrets_are_said_without_them(name: str, value: str, why: str) -> None:
    [fault] = faults({}, {f"CALLGATE_{name}": value})

    assert fault.startswith(f"CALLGATE_{name}: ")
    assert why in fault
    assert value not in fault
    assert "secret" not in fault.replace("CALLGATE_WEBHOOK_SECRET", "")


def test_notifications_are_for_chosen_occasions() -> None:
    environ = {
        "CALLGATE_WEBHOOK_URL": "https://hooks.example/x",
        "CALLGATE_WEBHOOK_SECRET": SECRET,
        "CALLGATE_NOTIFY": "denials",
    }

    assert load({}, environ, {}).notify == ("denials",)
    assert load({}, {}, {}).notify == ("approvals", "denials")
    [fault] = faults({"notify": ["everything"]})
    assert "approvals" in fault


def test_variables_with_secrets_are_known() -> None:
    secret = {name for name in Settings.model_fields if is_secret(name)}

    assert secret == {"console_token", "webhook_url", "webhook_secret", "slack_url"}
    assert is_secret_variable("CALLGATE_CONSOLE_TOKEN")
    assert not is_secret_variable("CALLGATE_CONSOLE")
    assert not is_secret_variable("CALLGATE_NO_SUCH")


# -- what follows from settings -------------------------------------------------------------


def test_the_store_is_a_database_in_the_home_folder_by_default(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).store_url == f"sqlite:///{tmp_path}/callgate.db"
    assert "~" not in Settings().store_url
    assert Settings(store="postgresql://db/callgate").store_url == "postgresql://db/callgate"


def test_gated_hosts_are_the_defaults_and_the_further_ones() -> None:
    hosts = Settings(gate_host=("a.example",)).gated_hosts

    assert hosts[0] == "api.openai.com"
    assert hosts[-1] == "a.example"


def test_what_gives_up_protection_is_named() -> None:
    assert Settings().loosened == ()
    assert Settings(
        mode=Mode.OBSERVE,
        on_scanner_error="allow",
        advisory_scanner=("interven", "aegis"),
        unknown_result="allow",
        no_proxy_auth=True,
    ).loosened == (
        "mode=observe",
        "on_scanner_error=allow",
        "advisory_scanner=interven,aegis",
        "unknown_result=allow",
        "no_proxy_auth",
    )


def test_variables_of_one_command_are_no_faults_of_the_others() -> None:
    load({}, {"CALLGATE_GATEWAY_KEYS": "keys", "CALLGATE_GATEWAY_LISTEN": "127.0.0.1:1"}, {})
    with pytest.raises(SettingsError, match="CALLGATE_GATEWAY_KEY: no such setting"):
        load({}, {"CALLGATE_GATEWAY_KEY": "key"}, {})


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, ("local",)),
        ({"INTERVEN_API_KEY": "", "AEGIS_API_KEY": ""}, ("local",)),
        ({"INTERVEN_API_KEY": "k", "AEGIS_API_KEY": "k"}, ("local", "interven", "aegis")),
        ({"INTERVEN_API_KEY": "k", "CALLGATE_SCANNER": "local"}, ("local",)),
    ],
)
def test_scanners_join_by_their_keys_unless_others_are_named(
    environ: dict[str, str], asked: tuple[str, ...]
) -> None:
    assert load({}, environ, {}).scanner == asked


@pytest.mark.parametrize("address", ["/dev/log", "127.0.0.1:514", "log.internal:514", ""])
def test_syslog_is_a_socket_or_an_address(address: str) -> None:
    assert load({"audit_syslog": address}, {}, {}).audit_syslog == address


@pytest.mark.parametrize("address", ["syslog", "host:port", "host:99999"])
def test_other_addresses_of_syslog_are_an_error(address: str) -> None:
    with pytest.raises(SettingsError, match="--audit-syslog: expected HOST:PORT"):
        load({"audit_syslog": address}, {}, {})


# -- listeners ------------------------------------------------------------------------------

REVERSE = "127.0.0.1:9000=https://llm.example"
PROXY = "http://ann:" + "secret" + "@proxy"


def test_api_of_a_reverse_listener_is_gated() -> None:
    found = load({"reverse": [REVERSE]}, {}, {})

    assert found.gated_hosts[-1] == "llm.example:443"
    assert [one.upstream for one in found.reverses] == ["https://llm.example:443"]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"reverse": ["9000=https://llm.example"]}, "--reverse: expected HOST:PORT"),
        ({"reverse": ["127.0.0.1:9000"]}, "--reverse: expected a URL"),
        ({"reverse": ["0.0.0.0:9000=https://llm.example"]}, "--reverse: 0.0.0.0 is reachable"),
        ({"transparent": "0.0.0.0:8443"}, "--transparent: 0.0.0.0 is reachable"),
        ({"transparent": "8443"}, "--transparent: expected HOST:PORT"),
        ({"reverse": [REVERSE], "upstream_proxy": PROXY}, "--reverse: goes to the API itself"),
        (
            {"transparent": "127.0.0.1:1", "upstream_proxy": PROXY},
            "--transparent: goes to the API itself",
        ),
        ({"reverse": [REVERSE], "proxy_auth": __file__}, "--reverse: asks no user"),
        ({"transparent": "127.0.0.1:1", "proxy_auth": __file__}, "--transparent: asks no user"),
    ],
)
def test_listener_that_can_not_be_is_said(given: dict[str, object], fault: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(fault)):
        load(given, {}, {})


def test_listeners_beyond_loopback_are_served_when_anybody_may() -> None:
    given = {"reverse": ["0.0.0.0:9000=https://llm.example"], "no_proxy_auth": True}

    assert load(given, {}, {}).reverses


@pytest.mark.parametrize("text", ["ftp://ann:hidden@proxy", "http://ann:hidden@proxy/path"])
def test_password_of_the_proxy_behind_is_never_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="CALLGATE_UPSTREAM_PROXY") as raised:
        load({}, {"CALLGATE_UPSTREAM_PROXY": text}, {})

    assert "hidden" not in str(raised.value)
