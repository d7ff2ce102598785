"""What every surface promises: bytes of one OpenAI API in, calls and results out.

A surface does no I/O and makes no decisions. It finds calls and results in parsed bodies and
changes bodies the way the enforcement asks, so that the API's SDKs still accept them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from callgate.canonical import Json
from callgate.exchange import Request
from callgate.model import SurfaceName, ToolCall, ToolResult
from callgate.surfaces.sse import SseEvent


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of a surface, as far as the request line tells."""

    surface: Surface
    operation: str
    """Stands in records: `runs.retrieve`, `runs.submit_tool_outputs`."""
    scope: str = ""
    """Scope of the calls where the path already tells it."""
    reads_request: bool = False
    """The request body can carry results, hosted tools or a stream flag."""
    reads_response: bool = False
    """The response body can carry calls."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Ids from the path."""


@dataclass(frozen=True, slots=True)
class HostedTool:
    """A tool that the API itself would run, enabled by a request."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a request carries that matters to the gate."""

    results: Sequence[ToolResult] = ()
    hosted_tools: Sequence[HostedTool] = ()
    answers: str = ""
    """Scope whose waiting calls this request answers, all of them at once."""
    is_streaming: bool = False
    inherits_tools_of: str = ""
    """Id of the assistant whose tools apply because the request names none."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The calls that belong together in a response: those of one run, or of one run step."""

    scope: str
    node: dict[str, Json]
    """The object inside the parsed body; the changing methods edit it in place."""
    calls: Sequence[ToolCall] = ()
    is_waiting: bool = False
    """The API waits for results of these calls now."""
    is_settleable: bool = False
    """The API waits, and one request of Callgate's own can answer the whole turn."""
    expires_at: float | None = None
    """Until when the API waits, in seconds since 1970, where it says so."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Calls of a turn that the app must not see."""

    denied: Mapping[str, str]
    """Call id → notice."""
    pending: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Passing:
    """Bytes of a stream that carry no call."""

    raw: bytes
    is_text: bool = False
    """Goes out at once, even past calls that are held; the rest keeps its place behind them."""


class Group(Protocol):
    """Events of a stream that carry the calls of some turns, held until they are judged."""

    @property
    def turns(self) -> Sequence[Turn]:
        """What is to be judged; the first is the run's where the group holds one."""
        ...

    def render(self, change: Change, comment: bytes) -> bytes:
        """The events as the app may have them.

        Unchanged bytes where nothing of the change concerns them. `comment` stands just before
        the event that completes the calls; without any event left it is not written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed in calls, by call id."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()


class Events(Protocol):
    """Reads one stream: knows which events carry parts of a call."""

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        """Yield what is ready now; nothing for an event that has to wait for others.

        Raises BodyError for calls that can not be told.
        """
        ...

    def finish(self) -> Iterator[Passing | Group]:
        """Yield what was held when the stream ended."""
        ...

    @property
    def held_bytes(self) -> int:
        """Room taken by events that wait for others."""
        ...

    def give_up(self) -> bytes:
        """The bytes of the events that wait for others, and forget them."""
        ...


class Surface(Protocol):
    """One OpenAI API. All methods are pure but for editing the node they are given."""

    name: SurfaceName
    words: Sequence[str]
    """Stand, in lower case, in the path of every operation that carries calls."""

    def endpoint(self, method: str, segments: Sequence[str]) -> Endpoint | None:
        """Tell which operation a request line means, or None when it is not this surface's."""
        ...

    def read_request(self, endpoint: Endpoint, document: Json) -> Outgoing:
        """Find results and hosted tools; raises BodyError where they can not be told apart."""
        ...

    def read_response(self, endpoint: Endpoint, request: Request, document: Json) -> list[Turn]:
        """Find every call that the app could act on; raises BodyError on malformed calls."""
        ...

    def open_events(self, endpoint: Endpoint, request: Request) -> Events:
        """Begin to read a stream of server-sent events."""
        ...

    def error_event(self, error: Mapping[str, Json]) -> bytes:
        """An event that the SDKs raise as an error; `error` as in `{"error": ...}`."""
        ...

    def replace_arguments(self, turn: Turn, arguments: Mapping[str, str]) -> None:
        """Put other arguments into calls, by call id."""
        ...

    def withhold(self, turn: Turn, hidden: Hidden) -> None:
        """Take calls out of a turn; with pending ones the turn looks as if still working."""
        ...

    def replace_results(self, document: Json, outputs: Mapping[str, str]) -> None:
        """Put other outputs into a request's results, by call id; missing ones are added."""
        ...

    def remove_hosted_tools(self, document: Json, names: Sequence[str]) -> None:
        """Take hosted tools out of a request."""
        ...

    def owner(self, request: Request, id: str) -> tuple[Endpoint, Request]:
        """The request that shows whose tools `inherits_tools_of` means."""
        ...

    def inherit_tools(self, document: Json, owner: Json) -> None:
        """Name the owner's tools in the request, so that they can be removed one by one."""
        ...

    def lookups(self, request: Request, scope: str) -> list[tuple[Endpoint, Request]]:
        """Requests whose answers show the calls of a scope that wait for results now."""
        ...

    def settlement(
        self, request: Request, scope: str, notices: Mapping[str, str], *, is_streaming: bool
    ) -> Request:
        """The request that answers a turn whose calls are all denied."""
        ...
