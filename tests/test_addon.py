"""Guard in a real mitmproxy addon manager, with a scripted enforcement behind it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import pytest
from mitmproxy import connection, http, options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import context
from mitmproxy.proxy import layer as proxy_layer
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons, tflow, tutils

from callgate import streaming, surfaces
from callgate.addon import Guard
from callgate.enforcement import Enforcement
from callgate.errors import BodyError
from callgate.exchange import ApiError, Request, Response, segments
from callgate.hosts import Hosts
from callgate.model import Mode
from callgate.outcome import Forward, Outcome, Refuse, not_deliverable
from callgate.stream import GatedStream
from callgate.surfaces.base import Endpoint

DENIED = ApiError("denied", "tool_call_denied", param="tool_outputs[0].output")
RUN = "/v1/threads/t/runs/r"


class Scripted:
    """Says what the test wants, and keeps what it was asked."""

    def __init__(self, outcome: Outcome | Exception, mode: Mode = Mode.ENFORCE) -> None:
        self.outcome = outcome
        self.mode = mode
        self.observes = mode is Mode.OBSERVE
        self.holds = mode is Mode.WITHHOLD
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.whys: list[str] = []
        self.unread: list[str] = []
        self.encodings: list[str] = []
        self.gated: object = object()
        self.path: Outcome = Forward()
        self.setup: Outcome = Forward()

    def endpoint(self, method: str, target: str) -> Endpoint | None:
        return surfaces.endpoint_for(method, segments(target))

    def _say(self) -> Outcome:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def check_request(self, endpoint: Endpoint, request: Request) -> Outcome:
        self.requests.append(request)
        return self._say()

    async def check_response(
        self, endpoint: Endpoint, request: Request, response: Response
    ) -> Outcome:
        self.requests.append(request)
        self.responses.append(response)
        return self._say()

    async def refuse_body(self, request: Request, why: str, *, is_request: bool) -> Outcome:
        self.whys.append(why)
        return self._say()

    async def passes_upgraded(self, request: Request) -> None:
        self.whys.append("upgraded")

    async def passes_unread(self, request: Request) -> None:
        self.unread.append(request.target)

    async def check_path(self, endpoint: Endpoint | None, request: Request) -> Outcome:
        return self.path

    async def check_setup(self, endpoint: Endpoint | None, request: Request) -> Outcome:
        return self.setup

    def elsewhere(self, request: Request) -> Endpoint | None:
        path = segments(request.target)
        return (
            None
            if surfaces.is_plain(request.method, path)
            else surfaces.ELSEWHERE.endpoint("", path)
        )

    def open_stream(self, endpoint: Endpoint, request: Request, encoding: str) -> object:
        self.encodings.append(encoding)
        if isinstance(self.gated, Exception):
            raise self.gated
        return self.gated


def guard(enforcement: Scripted | None, *, only_gated: bool = False) -> Guard:
    made = Guard(
        Hosts(["api.openai.com"]), max_bytes=1 << 20, only_gated=only_gated, console_port=8081
    )
    if enforcement:
        made.arm(cast(Enforcement, enforcement))
    return made


def flow_to(
    path: str = RUN, method: str = "GET", host: str = "api.openai.com", body: bytes = b"{}"
) -> http.HTTPFlow:
    flow = tflow.tflow(
        req=tutils.treq(
            method=method.encode(), host=host, port=443, path=path.encode(), content=body
        )
    )
    flow.request.scheme = "https"
    return flow


def answered(
    flow: http.HTTPFlow, body: bytes = b"{}", headers: dict[str, str] | None = None
) -> http.HTTPFlow:
    all_headers = {"content-type": "application/json"} | (headers or {})
    flow.response = http.Response.make(200, b"", all_headers)
    flow.response.raw_content = body
    return flow


def error_of(flow: http.HTTPFlow) -> dict[str, str]:
    assert flow.response is not None
    is_for_good = flow.response.status_code != 503
    assert flow.response.headers.get("x-should-retry") == ("false" if is_for_good else None)
    error: dict[str, str] = json.loads(flow.response.content or b"")["error"]
    return error


async def exchange(
    made: Guard,
    flow: http.HTTPFlow,
    body: bytes = b"{}",
    headers: dict[str, str] | None = None,
) -> None:
    """The four hooks in the order of a flow, as mitmproxy calls them."""
    await made.requestheaders(flow)
    await made.request(flow)
    if flow.response is None:
        answered(flow, body, headers)
    await made.responseheaders(flow)
    await made.response(flow)


HTTP_HOOKS = ("http_connect", "requestheaders", "request", "responseheaders", "response")


def test_every_hook_that_can_let_a_flow_pass_is_wrapped() -> None:
    hooks = {
        name
        for name, member in inspect.getmembers(Guard, inspect.isfunction)
        if not name.startswith("_") and list(inspect.signature(member).parameters)[1:2] == ["flow"]
    } - {"shut", "error", "callgate_judge"}
    hooks = {name for name in hooks if not name.startswith("websocket_")}
    assert hooks == set(HTTP_HOOKS)
    assert all(hasattr(getattr(Guard, name), "__wrapped__") for name in hooks)


def test_addon_can_be_registered_with_mitmproxy() -> None:
    with taddons.context(guard(None)) as context:
        assert context.master.addons.get("callgate") is not None


async def test_before_arming_everything_to_a_gated_host_is_refused() -> None:
    flow = flow_to()
    await guard(None).requestheaders(flow)
    assert flow.response is not None
    assert flow.response.status_code == 503
    assert error_of(flow)["code"] == "callgate_unavailable"


@pytest.mark.parametrize("path", [RUN, f"{RUN}/submit_tool_outputs"])
async def test_exception_while_checking_is_a_refusal_without_a_stack_trace(path: str) -> None:
    flow = flow_to(path, "POST")
    await exchange(guard(Scripted(ValueError("secret detail"))), flow)
    assert flow.response is not None
    assert flow.response.status_code == 503
    assert "secret detail" not in (flow.response.text or "")
    assert error_of(flow)["code"] == "callgate_unavailable"


async def test_exception_in_responseheaders_refuses_when_the_body_has_come() -> None:
    made = guard(Scripted(Forward()))
    flow = flow_to()
    await made.requestheaders(flow)
    await made.request(flow)
    answered(flow)
    made._enforcement = None
    await made.responseheaders(flow)
    assert flow.response is not None
    assert flow.response.stream is False
    made.arm(cast(Enforcement, Scripted(Forward())))
    await made.response(flow)
    assert flow.response.status_code == 503


async def test_exception_in_observe_mode_lets_the_flow_pass() -> None:
    flow = flow_to()
    await exchange(guard(Scripted(ValueError(), Mode.OBSERVE)), flow, b'{"id": 1}')
    assert flow.response is not None
    assert (flow.response.status_code, flow.response.content) == (200, b'{"id": 1}')


async def test_refused_request_is_answered_in_the_apis_own_form() -> None:
    flow = flow_to(f"{RUN}/submit_tool_outputs", "POST")
    await exchange(guard(Scripted(Refuse(DENIED))), flow)
    assert flow.response is not None
    assert flow.response.status_code == 403
    assert flow.response.headers["Callgate-Mode"] == "enforce"
    error = error_of(flow)
    assert (error["code"], error["param"]) == ("tool_call_denied", "tool_outputs[0].output")


async def test_refused_response_keeps_the_apis_request_id() -> None:
    flow = flow_to()
    refusal = Refuse(ApiError("no", "response_not_inspectable", status=502))
    await exchange(guard(Scripted(refusal)), flow, headers={"x-request-id": "req_1"})
    assert flow.response is not None
    assert flow.response.status_code == 502
    assert flow.response.headers["x-request-id"] == "req_1"


async def test_headers_that_only_callgate_writes_are_stripped_both_ways() -> None:
    scripted = Scripted(Forward(headers=(("Callgate-Mode", "enforce"),)))
    flow = flow_to()
    flow.request.headers["CALLGATE-Decision"] = "allow"
    await exchange(
        guard(scripted), flow, headers={"Callgate-Calls": '"x"', "callgate-mode": "observe"}
    )
    assert flow.response is not None
    assert "callgate-decision" not in flow.request.headers
    assert "callgate-calls" not in flow.response.headers
    assert flow.response.headers.get_all("callgate-mode") == ["enforce"]


async def test_allowed_response_keeps_its_bytes_and_encoding() -> None:
    flow = flow_to()
    await exchange(guard(Scripted(Forward())), flow, b"\x1f\x8braw", {"content-encoding": "gzip"})
    assert flow.response is not None
    assert flow.response.raw_content == b"\x1f\x8braw"
    assert flow.response.headers["content-encoding"] == "gzip"


async def test_rewritten_response_loses_what_described_the_old_bytes() -> None:
    flow = flow_to()
    headers = {"content-encoding": "gzip", "etag": '"1"', "content-length": "999"}
    await exchange(guard(Scripted(Forward(b'{"new": 1}'))), flow, headers=headers)
    assert flow.response is not None
    assert flow.response.raw_content == b'{"new": 1}'
    assert flow.response.headers["content-length"] == "10"
    assert not {"content-encoding", "etag"} & set(flow.response.headers)


async def test_rewritten_request_is_sent_plain() -> None:
    flow = flow_to(f"{RUN}/submit_tool_outputs", "POST")
    flow.request.headers["content-encoding"] = "gzip"
    made = guard(Scripted(Forward(b"{}")))
    await made.requestheaders(flow)
    await made.request(flow)
    assert flow.request.raw_content == b"{}"
    assert "content-encoding" not in flow.request.headers


async def test_bodies_that_are_not_read_are_streamed_both_ways() -> None:
    scripted = Scripted(Forward())
    made = guard(scripted)
    flow = flow_to("/v1/files", "POST")
    await made.requestheaders(flow)
    assert flow.request.stream is True
    answered(flow)
    await made.responseheaders(flow)
    assert flow.response is not None
    assert flow.response.stream is True
    assert flow.response.headers["Callgate-Mode"] == "enforce"
    await made.response(flow)
    assert scripted.requests == []
    assert scripted.unread == ["/v1/files"]


@pytest.mark.parametrize("mode", Mode)
async def test_event_stream_is_gated_and_told_without_its_encoding(mode: Mode) -> None:
    scripted = Scripted(Forward(), mode)
    flow = flow_to()
    made = guard(scripted)
    await made.requestheaders(flow)
    headers = {"content-type": "Text/Event-Stream; charset=utf-8", "content-encoding": "gzip"}
    answered(flow, headers=headers)
    await made.responseheaders(flow)
    assert flow.response is not None
    assert flow.response.stream is scripted.gated
    assert scripted.encodings == ["gzip"]
    assert flow.response.headers["Callgate-Mode"] == mode
    assert "content-encoding" not in flow.response.headers
    assert "content-length" not in flow.response.headers
    assert flow.response.headers["transfer-encoding"] == "chunked"
    await made.response(flow)
    assert scripted.responses == []


async def test_event_stream_of_an_unknown_encoding_is_refused_but_observed() -> None:
    for mode, is_refused in ((Mode.ENFORCE, True), (Mode.OBSERVE, False)):
        scripted = Scripted(Forward(), mode)
        scripted.gated = BodyError("unknown content encoding")
        flow = flow_to()
        made = guard(scripted)
        await made.requestheaders(flow)
        answered(flow, headers={"content-type": "text/event-stream"})
        await made.responseheaders(flow)
        await made.response(flow)
        assert flow.response is not None
        assert (flow.response.status_code == 502) is is_refused


@pytest.mark.parametrize(("charset", "status"), [("utf-7", 502), ("utf-8", 200)])
async def test_event_stream_in_a_charset_that_hides_lines_is_refused(
    charset: str, status: int
) -> None:
    scripted = Scripted(Forward())
    flow = flow_to()
    made = guard(scripted)
    await made.requestheaders(flow)
    answered(flow, headers={"content-type": f"text/event-stream; charset={charset}"})
    await made.responseheaders(flow)
    await made.response(flow)
    assert flow.response is not None
    assert flow.response.status_code == status


async def test_ambiguous_path_is_refused_before_the_body_comes() -> None:
    scripted = Scripted(Forward())
    scripted.path = Refuse(ApiError("odd", "request_not_inspectable"))
    flow = flow_to()
    await guard(scripted).requestheaders(flow)
    assert error_of(flow)["code"] == "request_not_inspectable"


async def test_other_protocol_on_an_endpoint_with_calls_is_refused() -> None:
    refusal = Refuse(ApiError("no", "response_not_inspectable", status=502))
    scripted = Scripted(refusal)
    made = guard(scripted)
    flow = flow_to()
    await made.requestheaders(flow)
    flow.response = http.Response.make(101, b"", {"upgrade": "websocket"})
    await made.responseheaders(flow)
    await made.response(flow)
    assert flow.response.status_code == 502
    assert "another protocol" in scripted.whys[0]


def waiting(gated: object, flow: http.HTTPFlow) -> streaming.Wait:
    return streaming.Wait(cast(GatedStream, gated), flow.client_conn, flow.server_conn)


async def test_wait_hook_waits_for_the_stream() -> None:
    class Waited:
        seconds = 0.0
        is_crowded = False

        async def wait(self, seconds: float) -> None:
            self.seconds = seconds

    waited = Waited()
    flow = flow_to()
    made = guard(Scripted(Forward()))
    await made.callgate_wait(waiting(waited, flow))
    assert waited.seconds == 15


@pytest.mark.parametrize(
    ("mark", "path"),
    [
        (streaming.REQUEST_TOO_LARGE, f"{RUN}/submit_tool_outputs"),
        (streaming.RESPONSE_TOO_LARGE, RUN),
    ],
)
async def test_body_beyond_the_limit_is_refused_as_such(mark: str, path: str) -> None:
    scripted = Scripted(Refuse(DENIED))
    flow = flow_to(path, "POST" if "submit" in path else "GET")
    flow.metadata[mark] = True
    await exchange(guard(scripted), flow)
    assert "larger than 1 MiB" in scripted.whys[0]
    assert scripted.requests == []
    assert error_of(flow)


@pytest.mark.parametrize("is_observed", [False, True])
async def test_redirect_to_a_host_that_is_not_gated_is_refused(is_observed: bool) -> None:
    refusal = Refuse(ApiError("no", "response_not_inspectable", status=502))
    scripted = Scripted(Forward() if is_observed else refusal)
    made = guard(scripted)
    flow = flow_to()
    await made.requestheaders(flow)
    flow.response = http.Response.make(307, b"{}", {"location": "https://evil.example/v1"})
    await made.responseheaders(flow)
    await made.response(flow)
    assert flow.response.status_code == (307 if is_observed else 502)
    assert "location" not in flow.response.headers or is_observed
    assert "not gated" in scripted.whys[0]


async def test_other_addresses_of_the_api_are_not_told() -> None:
    for path in ("/v1/models", RUN):
        flow = flow_to(path)
        made = guard(Scripted(Forward()))
        await made.requestheaders(flow)
        headers = {"alt-svc": 'h3=":443"; ma=86400', "content-type": "application/json"}
        flow.response = http.Response.make(200, b"{}", headers)
        await made.responseheaders(flow)
        assert "alt-svc" not in flow.response.headers


async def test_protocol_upgrade_is_recorded_as_not_inspected() -> None:
    scripted = Scripted(Forward())
    made = guard(scripted)
    flow = flow_to("/v1/elsewhere")
    await made.requestheaders(flow)
    flow.response = http.Response.make(101, b"", {"upgrade": "websocket"})
    await made.responseheaders(flow)
    assert scripted.whys == ["upgraded"]


async def test_plain_http_to_another_host_is_left_alone() -> None:
    made = guard(Scripted(Refuse(DENIED)))
    flow = flow_to(host="example.org")
    flow.request.headers["Callgate-Decision"] = "kept"
    await made.requestheaders(flow)
    await made.request(flow)
    answered(flow, headers={"callgate-mode": "kept"})
    await made.responseheaders(flow)
    await made.response(flow)
    assert flow.response is not None
    assert flow.response.status_code == 200
    assert flow.response.stream is True
    assert flow.response.headers["callgate-mode"] == "kept"
    assert flow.request.headers["Callgate-Decision"] == "kept"


async def test_only_gated_refuses_tunnels_and_plain_requests_elsewhere() -> None:
    made = guard(Scripted(Forward()), only_gated=True)
    tunnel, plain, fine = (flow_to(host=h) for h in ("evil.test", "evil.test", "api.openai.com"))
    await made.http_connect(tunnel)
    await made.requestheaders(plain)
    await made.http_connect(fine)
    assert error_of(tunnel)["code"] == error_of(plain)["code"] == "host_not_gated"
    assert fine.response is None


async def test_gated_name_in_the_handshake_counts_when_the_app_dials_an_address() -> None:
    scripted = Scripted(Forward())
    flow = flow_to(host="203.0.113.5")
    flow.client_conn.sni = "api.openai.com"
    await exchange(guard(scripted), flow)
    assert scripted.requests[0].host == "api.openai.com"


async def test_proxy_user_becomes_the_agent() -> None:
    scripted = Scripted(Forward())
    flow = flow_to()
    flow.metadata["proxyauth"] = ("billing-bot", "pw")
    await exchange(guard(scripted), flow)
    assert scripted.requests[0].agent == "billing-bot"


async def test_answer_of_proxy_authentication_is_not_touched() -> None:
    scripted = Scripted(Refuse(DENIED))
    flow = flow_to()
    flow.response = http.Response.make(407, b"who are you")
    made = guard(scripted)
    for hook in ("requestheaders", "request", "responseheaders", "response"):
        await cast(Callable[[http.HTTPFlow], Awaitable[None]], getattr(made, hook))(flow)
    assert flow.response.status_code == 407
    assert scripted.requests == []


async def test_idle_waits_for_flows_in_flight() -> None:
    made = guard(Scripted(Forward()))
    first, second = flow_to(), flow_to()
    await made.requestheaders(first)
    await made.requestheaders(second)
    assert not made._is_idle.is_set()
    await exchange(made, first)
    assert not made._is_idle.is_set()
    await made.error(second)
    await made.idle()


def dial(host: str, port: int) -> ServerConnectionHookData:
    server = connection.Server(address=(host, port))
    return ServerConnectionHookData(server=server, client=tflow.tclient_conn())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::1", "127.9.9.9"])
async def test_console_can_not_be_reached_through_the_proxy(host: str) -> None:
    data = dial(host, 8081)
    await guard(Scripted(Forward())).server_connect(data)
    assert "console" in str(data.server.error)


async def test_same_port_elsewhere_is_reached_at_the_address_that_was_checked() -> None:
    data = dial("203.0.113.5", 8081)
    await guard(Scripted(Forward())).server_connect(data)
    assert data.server.error is None
    assert data.server.address == ("203.0.113.5", 8081)


async def test_other_ports_and_unresolvable_names() -> None:
    made = guard(Scripted(Forward()))
    other, unknown = dial("127.0.0.1", 443), dial("no-such-host.invalid", 8081)
    await made.server_connect(other)
    await made.server_connect(unknown)
    assert other.server.error is None
    assert "no-such-host.invalid" in str(unknown.server.error)


async def test_console_is_protected_from_when_its_port_is_known() -> None:
    made = Guard(Hosts(["api.openai.com"]), max_bytes=1)
    before = dial("127.0.0.1", 9999)
    await made.server_connect(before)
    assert before.server.error is None
    made.protect(9999)
    after = dial("127.0.0.1", 9999)
    await made.server_connect(after)
    assert after.server.error is not None


@pytest.mark.parametrize(("mode", "is_bounded"), [(Mode.ENFORCE, True), (Mode.OBSERVE, False)])
def test_buffers_are_bounded_but_in_observe_mode(mode: Mode, is_bounded: bool) -> None:
    opts = options.Options()
    layer_context = context.Context(tflow.tclient_conn(), opts)
    http_layer = HttpLayer(layer_context, HTTPMode.transparent)
    other = proxy_layer.NextLayer(context.Context(tflow.tclient_conn(), opts))
    asked = proxy_layer.NextLayer(layer_context)
    asked.layer = http_layer
    made = guard(Scripted(Forward(), mode))
    made.next_layer(asked)
    made.next_layer(other)
    assert "make_stream" in vars(http_layer)
    assert list(http_layer.make_stream(1)) is not None
    stream = http_layer.streams[1]
    assert isinstance(stream, streaming.GuardedStream)
    assert (stream.max_bytes == 1 << 20) is is_bounded


async def test_response_without_any_request_hook_is_left_alone() -> None:
    flow = flow_to(host="example.org")
    await guard(Scripted(Forward())).responseheaders(flow)
    assert flow.response is None


async def test_allowed_request_goes_on_with_its_bytes() -> None:
    flow = flow_to(f"{RUN}/submit_tool_outputs", "POST", body=b'{"tool_outputs":  []}')
    made = guard(Scripted(Forward()))
    await made.requestheaders(flow)
    await made.request(flow)
    assert flow.response is None
    assert flow.request.raw_content == b'{"tool_outputs":  []}'


async def test_other_protocol_is_observed_in_observe_mode() -> None:
    made = guard(Scripted(Forward(), Mode.OBSERVE))
    flow = flow_to()
    await made.requestheaders(flow)
    flow.response = http.Response.make(101, b"", {"upgrade": "websocket"})
    await made.responseheaders(flow)
    await made.response(flow)
    assert flow.response.status_code == 101


@pytest.mark.parametrize("status", [204, 304])
async def test_stream_without_a_body_is_not_said_to_come_in_chunks(status: int) -> None:
    made = guard(Scripted(Forward()))
    flow = flow_to()
    await made.requestheaders(flow)
    answered(flow, headers={"content-type": "text/event-stream"})
    assert flow.response is not None
    flow.response.status_code = status
    await made.responseheaders(flow)
    assert "transfer-encoding" not in flow.response.headers
    assert not flow.response.stream


async def test_stream_over_http2_has_no_transfer_encoding() -> None:
    made = guard(Scripted(Forward()))
    flow = flow_to()
    flow.request.http_version = "HTTP/2.0"
    await made.requestheaders(flow)
    answered(flow, headers={"content-type": "text/event-stream"})
    await made.responseheaders(flow)
    assert flow.response is not None
    assert "transfer-encoding" not in flow.response.headers


async def test_crowded_stream_is_not_read_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    class Waited:
        is_crowded = True

        async def wait(self, seconds: float) -> None:
            steps.append("waits")

    @contextlib.contextmanager
    def paused(*_: object) -> Iterator[None]:
        steps.append("paused")
        yield
        steps.append("resumed")

    monkeypatch.setattr(streaming, "paused", paused)
    flow = flow_to()
    made = guard(Scripted(Forward()))
    await made.callgate_wait(waiting(Waited(), flow))
    assert steps == ["paused", "waits", "resumed"]


async def test_connection_whose_task_has_ended_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    monkeypatch.setattr(streaming, "hang_up", lambda *told: closed.extend(told[1:]))
    flow = flow_to()
    data = ServerConnectionHookData(flow.server_conn, flow.client_conn)
    await guard(Scripted(Forward())).server_disconnected(data)
    assert closed == [flow.client_conn, flow.server_conn]


async def test_withheld_body_is_judged_before_its_response_hook() -> None:
    scripted = Scripted(Forward(b"{}"), Mode.WITHHOLD)
    made = guard(scripted)
    flow = flow_to()
    await made.requestheaders(flow)
    answered(flow)
    await made.responseheaders(flow)
    assert streaming.HELD in flow.metadata
    await made.callgate_judge(flow)
    assert len(scripted.responses) == 1
    await made.response(flow)
    assert len(scripted.responses) == 1
    assert flow.response is not None
    assert flow.response.content == b"{}"


async def test_judge_that_takes_long_is_asked_again_and_judges_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "INTERIM_SECONDS", 0.01)
    go, scripted = asyncio.Event(), Scripted(Forward(b"{}"), Mode.WITHHOLD)
    check = scripted.check_response

    async def slow(*args: Any) -> Outcome:
        await go.wait()
        return await check(*args)

    monkeypatch.setattr(scripted, "check_response", slow)
    made, flow = guard(scripted), flow_to()
    await made.requestheaders(flow)
    answered(flow)
    await made.responseheaders(flow)
    for _ in range(2):
        await made.callgate_judge(flow)
        assert streaming.JUDGING in flow.metadata
    go.set()
    await flow.metadata[streaming.JUDGING]
    await made.callgate_judge(flow)
    assert streaming.JUDGING not in flow.metadata
    await made.response(flow)
    assert len(scripted.responses) == 1
    assert flow.response is not None
    assert flow.response.content == b"{}"


async def test_failing_judge_refuses_the_body() -> None:
    made = guard(Scripted(RuntimeError("broken"), Mode.WITHHOLD))
    flow = flow_to()
    await made.requestheaders(flow)
    answered(flow)
    await made.responseheaders(flow)
    await made.callgate_judge(flow)
    await made.response(flow)
    assert flow.response is not None
    assert flow.response.status_code == 503


async def test_nothing_is_judged_of_an_answer_of_our_own() -> None:
    scripted = Scripted(Forward(), Mode.WITHHOLD)
    made = guard(scripted)
    await made.callgate_judge(flow_to())
    assert scripted.responses == []


@pytest.mark.parametrize(
    ("path", "kind", "is_read"),
    [
        ("/v1/unheard-of", "application/json", True),
        ("/v1/unheard-of", "text/html", False),
        ("/v1/embeddings", "application/json", False),
    ],
)
async def test_json_on_unknown_paths_is_read(path: str, kind: str, is_read: bool) -> None:
    scripted = Scripted(Forward())
    made = guard(scripted)
    flow = flow_to(path)
    await made.requestheaders(flow)
    assert flow.request.stream
    answered(flow, headers={"content-type": kind})
    await made.responseheaders(flow)
    await made.response(flow)
    assert bool(scripted.responses) is is_read


async def test_stream_on_an_unknown_path_is_read() -> None:
    scripted = Scripted(Forward())
    made = guard(scripted)
    flow = flow_to("/v1/unheard-of")
    await made.requestheaders(flow)
    answered(flow, headers={"content-type": "text/event-stream"})
    await made.responseheaders(flow)
    assert flow.response is not None
    assert flow.response.stream is scripted.gated


async def test_what_would_go_on_out_of_sight_is_refused_before_it_is_sent() -> None:
    scripted = Scripted(Forward())
    scripted.setup = not_deliverable("WebRTC")
    flow = flow_to("/v1/realtime/calls", "POST")
    await guard(scripted).requestheaders(flow)
    assert flow.response is not None
    assert flow.response.status_code == 502


# -- WebSockets --------------------------------------------------------------------------------


class Sockets:
    """Takes what the hooks tell."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.failure: Exception | None = None

    def open(self, flow: http.HTTPFlow, *_: object) -> None:
        self.steps.append("open")

    async def message(self, flow: http.HTTPFlow) -> None:
        self.steps.append("message")
        if self.failure:
            raise self.failure

    def close(self, flow: http.HTTPFlow) -> None:
        self.steps.append("close")


def socket_flow(path: str) -> http.HTTPFlow:
    flow = tflow.twebsocketflow()
    flow.request.path, flow.request.host, flow.request.port = path, "api.openai.com", 443
    flow.request.scheme = "https"
    flow.response = None
    return flow


async def through_sockets(made: Guard, flow: http.HTTPFlow) -> None:
    await made.requestheaders(flow)
    flow.response = http.Response.make(101, b"", {"upgrade": "websocket"})
    await made.responseheaders(flow)
    await made.response(flow)
    await made.websocket_start(flow)
    await made.websocket_message(flow)
    await made.websocket_end(flow)


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("/v1/realtime?model=x", ["open", "message", "close"]),
        ("/v1/responses", ["open", "message", "close"]),
        ("/v1/unheard-of", ["message", "close"]),
    ],
)
async def test_websocket_is_guarded_where_calls_travel_on_it(path: str, steps: list[str]) -> None:
    made, sockets = guard(Scripted(Forward())), Sockets()
    made._sockets = sockets  # type: ignore[assignment]
    flow = socket_flow(path)
    await through_sockets(made, flow)
    assert sockets.steps == steps
    assert flow.response is not None
    assert flow.response.headers["Callgate-Mode"] == "enforce"
    await made.error(flow)
    assert sockets.steps[-1] == "close"


@pytest.mark.parametrize(("mode", "drops"), [(Mode.ENFORCE, True), (Mode.OBSERVE, False)])
async def test_failing_message_hook_lets_nothing_through(mode: Mode, drops: bool) -> None:
    made, sockets = guard(Scripted(Forward(), mode)), Sockets()
    sockets.failure = RuntimeError("broken")
    made._sockets = sockets  # type: ignore[assignment]
    flow = socket_flow("/v1/realtime")
    await through_sockets(made, flow)
    assert flow.websocket is not None
    assert flow.websocket.messages[-1].dropped is drops


async def test_messages_are_dropped_before_arming() -> None:
    made, sockets = Guard(Hosts(["api.openai.com"]), max_bytes=1), Sockets()
    sockets.failure = RuntimeError("broken")
    made._sockets = sockets  # type: ignore[assignment]
    flow = socket_flow("/v1/realtime")
    await made.websocket_message(flow)
    assert flow.websocket is not None
    assert flow.websocket.messages[-1].dropped
    made.use(Proxyserver())
