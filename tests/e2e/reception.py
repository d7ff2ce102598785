"""A plain HTTP client that keeps every byte of an answer and when it came."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import http_sf
import httpx

from tests.e2e.gate import Gate

type Event = tuple[str, Any]


class Reception:
    """Context manager: asks, and receives in a thread until the answer ends or it is left."""

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        body: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.arrivals: list[tuple[float, bytes]] = []
        """Monotonic seconds, and what came; encodings are not undone."""
        self.error: httpx.HTTPError | None = None
        self.status = 0
        self.version = ""
        self.headers = httpx.Headers()
        self._request = client.build_request("POST", url, json=dict(body), headers=headers)
        self._client = client
        self._thread = threading.Thread(target=self._receive)
        self._changed = threading.Condition()
        self._is_left = threading.Event()
        self._socket: socket.socket | None = None

    @property
    def body(self) -> bytes:
        """Everything so far."""
        return b"".join(data for _, data in list(self.arrivals))

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def at(self, needle: bytes) -> float:
        """When the needle was whole; fails the test where it is not there."""
        body = b""
        for when, data in self.arrivals:
            body += data
            if needle in body:
                return when
        raise AssertionError(f"{needle!r} is not in {body!r}")

    def wait_for(self, needle: bytes, seconds: float = 60) -> None:
        """Return once the needle has come; fails the test where it does not."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: needle in self.body or self.is_over, timeout=seconds
            )
        assert found, f"no {needle!r} within {seconds} s but {self.body!r}"
        assert needle in self.body, (self.status, self.body, self.error)

    def finish(self, seconds: float = 60) -> Self:
        """Wait for the end of the answer."""
        self._thread.join(seconds)
        assert self.is_over, f"still open after {seconds} s: {self.body!r}"
        return self

    def leave(self) -> None:
        """Hang up at once, as a client that was killed does, and wait until that is done."""
        self._is_left.set()
        if self._socket:
            # closing alone does not end what another thread reads from
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()
        self._client.close()

    def _receive(self) -> None:
        try:
            response = self._client.send(self._request, stream=True)
            self.status, self.headers = response.status_code, response.headers
            self.version = response.http_version
            self._socket = response.extensions["network_stream"].get_extra_info("socket")
            with contextlib.closing(response):
                for data in response.iter_raw():
                    with self._changed:
                        self.arrivals.append((time.monotonic(), data))
                        self._changed.notify_all()
        except (httpx.HTTPError, httpx.StreamError, RuntimeError) as error:
            if isinstance(error, httpx.HTTPError):
                self.error = error
            elif not self._is_left.is_set():
                raise
        with self._changed:
            self._changed.notify_all()


def client_of(gate: Gate, *, http2: bool = False) -> httpx.Client:
    """A client of the gate with a connection of its own."""
    return httpx.Client(
        proxy=gate.proxy,
        verify=ssl.create_default_context(cafile=gate.ca),
        http2=http2,
        trust_env=False,
        timeout=60,
        headers={
            "Authorization": "Bearer sk-" + "app",
            "OpenAI-Beta": "assistants=v2",
            "Accept-Encoding": "identity",
        },
    )


def events_of(body: bytes) -> list[Event]:
    """Name and data of each event; data that is JSON is parsed."""
    found: list[Event] = []
    for block in body.decode().replace("\r\n", "\n").split("\n\n"):
        fields = dict(_fields(block))
        if data := fields.get("data"):
            found.append((fields.get("event", ""), data if data == "[DONE]" else json.loads(data)))
    return found


def _fields(block: str) -> Iterator[tuple[str, str]]:
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        if name:
            yield name, value.removeprefix(" ")


def without_comments(body: bytes) -> bytes:
    """The body less the lines that Callgate adds."""
    lines = body.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b": callgate"))


def calls_in(headers: httpx.Headers) -> dict[str, dict[str, str]]:
    """`Callgate-Calls`: parameters by call id."""
    return _members(headers["Callgate-Calls"].encode())


def annotated_calls(body: bytes) -> list[dict[str, dict[str, str]]]:
    """Each annotation, as parameters by call id; fails where one is no structured field."""
    found = []
    for line in body.splitlines():
        value = line.removeprefix(b": callgate ")
        if value != line and value != b"callgate":
            found.append(_members(value))
    return found


def _members(field: bytes) -> dict[str, dict[str, str]]:
    members: Any = http_sf.parse(field, tltype="list")
    return {str(id): {k: str(v) for k, v in found.items()} for id, found in members}


def text_of(body: bytes) -> str:
    """What the model said, put together from the deltas."""
    return "".join(
        part["text"]["value"]
        for name, data in events_of(body)
        if name == "thread.message.delta"
        for part in data["delta"]["content"]
    )


def delta_arguments(body: bytes) -> dict[int, str]:
    """Arguments by index, put together from the deltas the way the SDKs do."""
    found: dict[int, str] = {}
    for name, data in events_of(body):
        if name == "thread.run.step.delta":
            for call in data["delta"]["step_details"]["tool_calls"]:
                new = call["function"].get("arguments") or ""
                found[call["index"]] = found.get(call["index"], "") + new
    return found


def waiting_calls(body: bytes) -> list[dict[str, Any]]:
    """The calls that the run waits for, as its event lists them."""
    return [
        call
        for name, data in events_of(body)
        if name == "thread.run.requires_action"
        for call in data["required_action"]["submit_tool_outputs"]["tool_calls"]
    ]
