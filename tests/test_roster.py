"""Which scanners are made of settings and environment, and what is said where one can not be."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import certifi
import pytest

from callgate import roster as rosters
from callgate.errors import SettingsError
from callgate.roster import Roster
from callgate.settings import Settings, load
from tests.deciding import ScriptedScanner

ROOTS = Path(certifi.where())
INTERVEN = {"INTERVEN_API_KEY": "iv_" + "key", "INTERVEN_GATEWAY_URL": "http://127.0.0.1:1/"}
AEGIS = {"AEGIS_API_KEY": "acp_" + "key", "AEGIS_URL": "http://127.0.0.1:1"}
BOTH = {**INTERVEN, **AEGIS}


class Making:
    """Makes rosters, and closes their scanners at the end."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    def __call__(
        self, settings: Settings, environ: Mapping[str, str] = BOTH, roots: Path = ROOTS
    ) -> Roster:
        made = rosters.roster(settings, environ, lambda: ScriptedScanner(name="local"), roots)
        for scanner in made.scanners:
            self._stack.push_async_callback(scanner.close)
        return made


@pytest.fixture
async def make() -> AsyncIterator[Making]:
    async with AsyncExitStack() as stack:
        yield Making(stack)


def names(made: Roster) -> list[str]:
    return [scanner.name for scanner in made.scanners]


async def test_local_alone_needs_nothing(make: Making) -> None:
    made = make(Settings(), {})

    assert (names(made), made.states(), made.advisory) == (["local"], {}, frozenset())


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ["local"]),
        (INTERVEN, ["local", "interven"]),
        (AEGIS, ["local", "aegis"]),
        (BOTH, ["local", "interven", "aegis"]),
    ],
)
async def test_gateways_join_where_there_is_a_key(
    make: Making, environ: Mapping[str, str], expected: list[str]
) -> None:
    made = make(load({}, environ, {}), environ)

    assert names(made) == expected
    assert made.states() == dict.fromkeys(expected[1:], "untried")
    assert set(made.classifiers) == set(expected) & {"interven"}


@pytest.mark.parametrize("source", ["flag", "variable", "file"])
async def test_named_scanners_are_asked_and_no_others(make: Making, source: str) -> None:
    environ = {**BOTH, **({"CALLGATE_SCANNER": "aegis"} if source == "variable" else {})}
    flags = {"scanner": ["aegis"]} if source == "flag" else {}
    file = {"scanner": ["aegis"]} if source == "file" else {}

    assert names(make(load(flags, environ, file), environ)) == ["aegis"]


async def test_advisory_scanner_is_asked_once_too(make: Making) -> None:
    made = make(Settings(scanner=("local", "local"), advisory_scanner=("interven",)))
    both = make(Settings(scanner=("local", "aegis"), advisory_scanner=("aegis",)))

    assert (names(made), set(made.advisory)) == (["local", "interven"], {"interven"})
    assert (names(both), set(both.advisory)) == (["local", "aegis"], {"aegis"})


def broken(fails: str, environ: Mapping[str, str] = BOTH, **chosen: Any) -> None:
    with pytest.raises(SettingsError, match=fails):
        rosters.roster(Settings(**chosen), environ, ScriptedScanner, ROOTS)


def test_somebody_has_to_decide() -> None:
    broken("at least one scanner has to decide", scanner=("aegis",), advisory_scanner=("aegis",))


def test_unknown_name_is_said_with_those_there_are() -> None:
    broken("'magic' is not in this release; there are: local, interven, aegis", scanner=("magic",))


@pytest.mark.parametrize(
    ("name", "variable"), [("interven", "INTERVEN_API_KEY"), ("aegis", "AEGIS_API_KEY")]
)
@pytest.mark.parametrize("value", ["", "  "])
def test_missing_key_is_said(name: str, variable: str, value: str) -> None:
    broken(f"'{name}' needs {variable}", {**BOTH, variable: value}, scanner=(name,))


@pytest.mark.parametrize("variable", ["INTERVEN_API_KEY", "INTERVEN_AGENT_ID"])
@pytest.mark.parametrize("value", ["a b", "a\nb", "é", "x" * 5000])
def test_what_can_not_be_sent_in_a_header_is_said_but_not_quoted(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}: has characters") as said:
        rosters.roster(
            Settings(scanner=("interven",)), {**BOTH, variable: value}, ScriptedScanner, ROOTS
        )
    assert value not in str(said.value)


@pytest.mark.parametrize(
    "url",
    [
        "gateway.example",
        "ftp://gateway.example",
        "https://",
        "https://user:pass@gateway.example",
        "https://gateway.example/?key=1",
        "https://gateway.example/#x",
        "https://gateway.example:0",
        "https://gateway.example:99999",
        "https://[::1",
        "https://gateway example",
        "https://é.example/\n",
    ],
)
def test_address_that_is_none_is_said(url: str) -> None:
    environ = {**BOTH, "INTERVEN_GATEWAY_URL": url}
    broken("INTERVEN_GATEWAY_URL: expected http", environ, scanner=("interven",))


@pytest.mark.parametrize(
    ("url", "is_said"),
    [("http://gateway.corp", True), ("https://gateway.corp", False), ("http://[::1]:8", False)],
)
async def test_key_that_goes_out_in_plain_text_is_said(
    make: Making, url: str, is_said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    make(Settings(scanner=("aegis",)), {**BOTH, "AEGIS_URL": url})

    assert ("AEGIS_URL: the key and all arguments go to" in caplog.text) is is_said


def test_roots_that_can_not_be_used_are_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="upstream_ca"):
        rosters.roster(Settings(scanner=("aegis",)), BOTH, ScriptedScanner, tmp_path / "no.pem")
