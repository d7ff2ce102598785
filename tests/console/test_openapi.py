"""The description is valid, and says what the application does."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from callgate.console.app import _ROUTES
from callgate.console.openapi import DESCRIPTION
from tests.console.seat import judged
from tests.fakes import MemoryStore
from tests.samples import decided, pending, tool_call

SPEC: dict[str, Any] = DESCRIPTION


async def test_description_is_valid_and_open_to_all(client: httpx.AsyncClient) -> None:
    served = (await client.get("/api/openapi.json")).json()

    assert served == DESCRIPTION
    validate(served)


def test_every_route_of_the_api_is_described() -> None:
    routes = {
        (route.path, method.lower())
        for route in _ROUTES
        for method in (route.methods or set()) - {"HEAD"}
        if route.path.startswith("/api/") and route.path != "/api/openapi.json"
    }
    described = {
        (path, method)
        for path, item in SPEC["paths"].items()
        for method in item
        if method != "parameters"
    }

    assert described == routes


@pytest.mark.parametrize(
    ("path", "template", "status"),
    [
        ("/api/calls", "/api/calls", 200),
        ("/api/calls?limit=0", "/api/calls", 400),
        ("/api/calls/TRACE", "/api/calls/{trace}", 200),
        ("/api/calls/no", "/api/calls/{trace}", 404),
        ("/api/approvals?state=all", "/api/approvals", 200),
        ("/api/approvals/ID", "/api/approvals/{id}", 200),
        ("/api/approvals/no", "/api/approvals/{id}", 404),
    ],
)
async def test_answers_are_as_described(
    api: httpx.AsyncClient, store: MemoryStore, path: str, template: str, status: int
) -> None:
    asked = pending()
    await judged(store, asked, decided(call=tool_call("call_2")))
    assert asked.approval
    path = path.replace("TRACE", asked.trace).replace("ID", asked.approval.id)

    answer = await api.get(path)

    assert answer.status_code == status
    described = SPEC["paths"][template]["get"]["responses"][str(status)]
    schema = described["content"]["application/json"]["schema"]
    whole = {**schema, "components": SPEC["components"]}
    Draft202012Validator(whole).validate(answer.json())


def test_filters_of_the_description_are_those_of_the_pages() -> None:
    names = {p["name"] for p in SPEC["paths"]["/api/calls"]["get"]["parameters"]}

    assert {"agent", "assistant", "thread", "tool", "decision", "reason", "trace", "q"} <= names
    assert all(re.fullmatch("[a-z]+", name) for name in names)
