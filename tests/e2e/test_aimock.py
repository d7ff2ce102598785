"""aimock: Chat Completions and Responses, whole, streamed and over WebSockets, and Realtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import sdk
from tests.e2e.contract import MODES, POLICY, Open, ServerContract
from tests.e2e.gate import Gate, StartGate
from tests.e2e.servers import Server

MODEL = "gpt-x"
WAYS = (
    "chat",
    "chat streamed",
    "responses",
    "responses streamed",
    "responses socket",
    "realtime socket",
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:connect.. must be used as a context manager:DeprecationWarning"  # openai does not
)


@pytest.fixture(scope="module")
def gates(start_shared_gate: StartGate, aimock_server: Server) -> dict[str, Gate]:
    return {mode: start_shared_gate(aimock_server.host, mode=mode, policy=POLICY) for mode in MODES}


class TestAimock(ServerContract):
    @pytest.fixture(params=WAYS)
    def way(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def server(self, aimock_server: Server) -> Server:
        return aimock_server

    @pytest.fixture
    def conversation(self, gates: dict[str, Gate], server: Server) -> Open:
        @contextmanager
        def conversation(mode: str, way: str) -> Iterator[tuple[sdk.App, sdk.Conversation]]:
            gate, is_streamed = gates[mode], way.endswith("streamed")
            with sdk.app(gate, server.base_url) as app:
                match way.split():
                    case ["chat", *_]:
                        yield app, sdk.Chat(app.openai, MODEL, is_streamed=is_streamed)
                    case ["realtime", _]:
                        with sdk.realtime(gate, app, MODEL) as socket:
                            yield app, socket
                    case [_, "socket"]:
                        with sdk.responses(gate, app, MODEL) as socket:
                            yield app, socket
                    case _:
                        yield app, sdk.Responses(app.openai, MODEL, is_streamed=is_streamed)

        return conversation
