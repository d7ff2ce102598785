"""Which operation a request line means, whatever stands before it."""

from __future__ import annotations

import re
from pathlib import Path

import openai
import pytest

from callgate.exchange import segments
from callgate.surfaces import endpoint_for, is_plain, mentions_calls
from callgate.surfaces.paths import Operations, locate, query_of, quoted, with_query

OPERATIONS: Operations = (
    (("things",), {"POST": "create", "GET": "list"}),
    (("things", "*"), {"GET": "retrieve"}),
    (("things", "*", "parts"), {"POST": "parts"}),
)


@pytest.mark.parametrize(
    ("method", "path", "operation", "ids", "base"),
    [
        ("POST", ("things",), "create", [], ""),
        ("GET", ("v1", "things"), "list", [], "/v1"),
        ("get", ("v1", "THINGS", "Ab/c"), "retrieve", ["Ab/c"], "/v1"),
        ("DELETE", ("v1", "things", "a"), "retrieve", ["a"], "/v1"),
        ("PUT", ("things",), "create", [], ""),
        ("GET", ("a b", "é", "things", "x", "parts"), "parts", ["x"], "/a%20b/%C3%A9"),
    ],
)
def test_path_is_told_by_its_end(
    method: str, path: tuple[str, ...], operation: str, ids: list[str], base: str
) -> None:
    place = locate(OPERATIONS, method, path)

    assert place is not None
    assert (place.operation, list(place.ids), place.base) == (operation, ids, base)


@pytest.mark.parametrize(
    ("method", "path"),
    [("HEAD", ("things",)), ("connect", ("things",)), ("GET", ("thing",)), ("GET", ())],
)
def test_other_requests_mean_nothing_here(method: str, path: tuple[str, ...]) -> None:
    assert locate(OPERATIONS, method, path) is None


def test_query_keeps_what_is_no_page() -> None:
    assert query_of("api-version=1&limit=5&after=x&&include%5B%5D=a&stream=true") == "api-version=1"
    assert with_query("/a", "", "b=1", "c=2") == "/a?b=1&c=2"
    assert with_query("/a", "") == "/a"
    assert quoted("a/b \ud800") == "a%2Fb%20%3F"


@pytest.mark.parametrize(
    ("target", "mentions"),
    [
        ("/v1/threads/thread_H4JtRunSvOgyvaVAxgEnlO4B/messages", False),
        ("/v1/threads/thread_xRUNS/messages", False),
        ("/v1/threads/thread_runs/messages", False),
        ("/v1/models/gpt-realtime", False),
        ("/v1/files/file-responses", False),
        ("/v1/threads/thread_a/runs_v2", True),
        ("/v1/threads/thread_a;x/%72uns", True),
        ("/v1/threads/thread_a%2fruns/messages", True),
        ("/v1/threads/thread_a%5Cruns", True),
        ("/v1/files/..%252Fresponses", True),
        ("/x=chat/y,completions", True),
    ],
)
def test_word_of_a_surface_counts_where_a_part_begins(target: str, mentions: bool) -> None:
    assert mentions_calls(target) is mentions


def sdk_operations() -> set[tuple[str, str]]:
    """Verbs and paths of all that openai-python calls, with made-up ids."""
    call = re.compile(r'self\._(get|post|delete|put)\w*\(\s*(?:path_template\()?\s*f?"(/[^"]+)"')
    sources = (Path(openai.__file__).parent / "resources").rglob("*.py")
    found = {one for path in sources for one in call.findall(path.read_text(encoding="utf-8"))}
    return {(verb.upper(), re.sub(r"{[^}]+}", "id_1", path)) for verb, path in found}


@pytest.mark.parametrize("base", ["", "/v1", "/openai/v1", "/api/projects/p/openai/v1"])
def test_every_operation_of_the_sdk_is_known(base: str) -> None:
    operations = sdk_operations()
    assert len(operations) > 100
    unknown = {
        (verb, path)
        for verb, path in operations
        if endpoint_for(verb, segments(base + path)) is None
        and (mentions_calls(base + path) or not is_plain(verb, segments(base + path)))
    }
    # what is run unattended, and where: nobody here knows what its answers hold
    beta = ("/agents/automations", "/agents/environments")
    assert {path for _, path in unknown if not path.startswith(beta)} == set()
