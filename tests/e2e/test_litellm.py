"""LiteLLM in front of a model: Chat Completions, Responses, and Responses made of the former.

Its streams name no events, its items change their shape, and its ids have hundreds of characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import sdk
from tests.e2e.contract import MODES, POLICY, Open, ServerContract
from tests.e2e.gate import Gate, StartGate
from tests.e2e.servers import Server

WAYS = (
    "chat",
    "chat streamed",
    "responses",
    "responses streamed",
    "bridged",
    "bridged streamed",
)


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, litellm_server: Server) -> dict[str, Gate]:
    return {
        mode: start_shared_gate(litellm_server.host, mode=mode, policy=POLICY) for mode in MODES
    }


class TestLiteLLM(ServerContract):
    @pytest.fixture(params=WAYS)
    def way(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def server(self, litellm_server: Server) -> Server:
        return litellm_server

    @pytest.fixture
    def conversation(self, gates: dict[str, Gate], server: Server) -> Open:
        @contextmanager
        def conversation(mode: str, way: str) -> Iterator[tuple[sdk.App, sdk.Conversation]]:
            is_streamed = way.endswith("streamed")
            with sdk.app(gates[mode], server.base_url) as app:
                match way.split()[0]:
                    case "chat":
                        yield app, sdk.Chat(app.openai, "gpt-x", is_streamed=is_streamed)
                    case "bridged":
                        # the bridge remembers nothing
                        yield (
                            app,
                            sdk.Responses(
                                app.openai, "bridged", is_streamed=is_streamed, is_stateless=True
                            ),
                        )
                    case _:
                        yield app, sdk.Responses(app.openai, "gpt-x", is_streamed=is_streamed)

        return conversation
