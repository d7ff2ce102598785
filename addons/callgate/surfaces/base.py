"""What every surface promises: bytes of one OpenAI API in, calls and results out.

A surface does no I/O and makes no decisions. It finds calls and results in parsed bodies and
changes bodies the way the enforcement asks, so that the API's SDKs still accept them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
    is_socket: bool = False
    """The exchange goes on as a WebSocket, whose messages carry calls and results."""
    hides: str = ""
    """What would go past every proxy once this operation has set it up; empty for most."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Ids from the path."""
    is_overheard: bool = False
    """No calls and no results travel here: what can not be read passes as it is."""


@dataclass(frozen=True, slots=True)
class HostedTool:
    """A tool that the API itself would run, enabled by a request."""

    name: str
    """Its type; of an MCP server `mcp.LABEL`."""
    path: str
    can_ask: bool = False
    """The API can be told to ask before each call; then the calls are judged one by one."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a request carries that matters to the gate."""

    results: Sequence[ToolResult] = ()
    hosted_tools: Sequence[HostedTool] = ()
    answers: str = ""
    """Scope that this request continues: the API wants results of all its waiting calls."""
    echoes: Sequence[ToolCall] = ()
    """Calls that the request itself quotes, as histories do; its results name them by id."""
    answers_each: bool = False
    """The API takes each result by itself: calls that are not answered here are no matter."""
    reaches_back: bool = False
    """Results may also answer calls of scopes before that one."""
    is_streaming: bool = False
    inherits_tools_of: str = ""
    """Id of the assistant whose tools apply because the request names none."""
    said: Sequence[str] = ()
    """Texts of people and of the operator: messages and instructions, nothing of a tool's."""
    conversation: str = ""
    """The conversation that the request belongs to, where the API keeps one and calls it
    something else than `answers` does."""


@dataclass(frozen=True, slots=True)
class Substitute:
    """A text that takes the place of a call's result in a request, or is added as one."""

    call_id: str
    text: str
    kind: str = "function"
    """Of the call (`ToolCall.kind`): results differ in form."""
    path: str = ""
    """Of the one result whose place it takes (`ToolResult.path`), where that is known."""


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
    settles_each: bool = False
    """The API waits, and takes the answer to each call by itself."""
    is_polled: bool = False
    """The app asks again by itself: with undecided calls the turn may look still at work."""
    is_told: bool = False
    """Quotes calls of other turns, as histories do: they were judged where they were issued."""
    unanswerable: frozenset[str] = frozenset()
    """Ids of calls for whose result no notice can stand in: a program at the API would take it
    for data, or it has to be a picture. Where such a call is denied, the turn ends in an error."""
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
    is_typical: bool = False
    """An event like this one (see `likeness`) passes as it does and tells the reader nothing
    that it has to remember, until it has been fed another one."""


class Group(Protocol):
    """Events of a stream that carry the calls of some turns, held until they are judged."""

    @property
    def turns(self) -> Sequence[Turn]:
        """What is to be judged; the first is the run's where the group holds one."""
        ...

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """The events as the app may have them, one element each.

        Unchanged bytes where nothing of the change concerns them. `comment`, unless empty,
        stands just before the event that completes the calls; without any event left it is
        not written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed in calls, by call id."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Calls to take out, with the notice that the app may be shown instead."""


type Frame = Callable[[str, str], bytes]
"""Makes an event from its name and its data: `sse.event`, or `message` for a WebSocket."""


def message(name: str, data: str) -> bytes:
    """The data alone: a WebSocket message tells its name inside."""
    return data.encode()


class Events(Protocol):
    """Reads one stream: knows which events carry parts of a call.

    Of a WebSocket it reads what the API sends; each message is an event without a name.
    """

    @property
    def scope(self) -> str:
        """Scope of the calls on a WebSocket, once the API has told it; else empty."""
        ...

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        """Yield what is ready now; nothing for an event that has to wait for others.

        Raises BodyError for calls that can not be told.
        """
        ...

    def finish(self) -> Iterator[Passing | Group]:
        """Yield what was held when the stream ended."""
        ...

    @property
    def begun(self) -> Collection[str]:
        """What the stream has told that requests can go on with; see `Surface.begins`."""
        ...

    @property
    def held_bytes(self) -> int:
        """Room taken by events that wait for others."""
        ...

    def give_up(self) -> Sequence[bytes]:
        """The bytes of the events that wait for others, in order, and forget them."""
        ...


class Surface(Protocol):
    """One OpenAI API. All methods are pure but for editing the node they are given."""

    name: SurfaceName
    words: Sequence[str]
    """Stand, in lower case, in the path of every operation that carries calls."""

    def endpoint(self, method: str, segments: Sequence[str]) -> Endpoint | None:
        """Tell which operation a request line means, or None when it is not this surface's."""
        ...

    def read_request(self, endpoint: Endpoint, request: Request, document: Json) -> Outgoing:
        """Find results, echoed calls and hosted tools.

        Raises BodyError where they can not be told apart. Of a WebSocket the document is one
        message of the app's; the endpoint's scope is the connection's then.
        """
        ...

    def read_response(self, endpoint: Endpoint, request: Request, document: Json) -> list[Turn]:
        """Find every call that the app could act on; raises BodyError on malformed calls."""
        ...

    def begins(self, endpoint: Endpoint, document: Json) -> str:
        """The name by which requests can go on with a response, as `Outgoing` has it.

        Empty where they can not, or tell everything again.
        """
        return ""

    def open_events(self, endpoint: Endpoint, request: Request, frame: Frame) -> Events:
        """Begin to read a stream; changed events are made by `frame`."""
        ...

    def error_event(self, error: Mapping[str, Json], frame: Frame, cause: Json = None) -> bytes:
        """An event that the SDKs raise as an error; `error` as in `{"error": ...}`.

        `cause` is the app's message that is refused, on a WebSocket.
        """
        ...

    def replace_arguments(self, turn: Turn, arguments: Mapping[str, str]) -> None:
        """Put other arguments into calls, by call id."""
        ...

    def withhold(self, turn: Turn, hidden: Hidden) -> None:
        """Take calls out of a turn, so that SDKs still accept it.

        With pending ones, which only a turn that `is_polled` can have, it looks still at work.
        """
        ...

    def replace_results(self, document: Json, outputs: Sequence[Substitute]) -> None:
        """Put other outputs into a request's results, by call id; missing ones are added."""
        ...

    def remove_hosted_tools(self, document: Json, names: Sequence[str]) -> None:
        """Take hosted tools out of a request."""
        ...

    def ask_before(self, document: Json, names: Sequence[str]) -> None:
        """Have the API ask before each call of these hosted tools (`can_ask`)."""
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
        self, request: Request, scope: str, notices: Sequence[Substitute], *, is_streaming: bool
    ) -> Request:
        """The request that answers a turn whose calls are all denied."""
        ...
