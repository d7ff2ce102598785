"""`callgate run` and each client: whom variables bring to the gate, and whom they do not."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from tests.e2e.origin import Origin, Reply
from tests.e2e.runtimes import RUNTIMES, Reached, Runtime, ask_all

MODELS = Reply(b'{"object":"list","data":[]}')


@pytest.fixture(scope="module")
def asked(
    server_context: ssl.SSLContext, upstream_ca_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Reached | LookupError]:
    home = tmp_path_factory.mktemp("home")
    with Origin(server_context) as origin:
        origin.answer = lambda _: MODELS
        return ask_all(RUNTIMES, f"https://localhost:{origin.port}/v1", upstream_ca_file, home)


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_client_is_where_the_table_says(
    asked: dict[str, Reached | LookupError], runtime: Runtime
) -> None:
    reached = asked[runtime.name]
    if isinstance(reached, LookupError):
        assert not os.environ.get("CI"), reached
        pytest.skip(str(reached))

    assert (reached.mode == "enforce") == runtime.is_reached, reached.log
