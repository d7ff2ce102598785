"""Streams of the Assistants API: which events carry parts of a call, and how to change them.

Types: openai SDK `types/beta/assistant_stream_event.py`; the SDK tells events by their
`event:` line, here the shape of the data counts as well. A function's call comes as a group:
`thread.run.step.created`, `.in_progress`, `.delta` …, and `thread.run.requires_action` with
the whole call. Some servers put whole calls into the step at once and send no deltas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.exchange import Request
from callgate.surfaces import runs, sse
from callgate.surfaces.base import Change, Endpoint, Frame, Group, Passing, Turn
from callgate.surfaces.fields import Object
from callgate.surfaces.messages import refuse_odd_keys
from callgate.surfaces.sse import SseEvent

_ENDS = ("completed", "failed", "cancelled", "expired", "incomplete", "requires_action")
"""States after which a step, or a run, asks for nothing more."""


@dataclass(slots=True)
class Part:
    """One call of a step, as its deltas tell it so far."""

    id: str = ""
    kind: str = ""
    name: str = ""
    arguments: str = ""
    is_function: bool = False

    def add(self, item: Object) -> None:
        """Take in one delta; raises BodyError for pieces of wrong types."""
        refuse_odd_keys(item)
        kind, function = item.get("type"), item.get("function")
        self.id = self.id or runs.as_id(item.get("id")) or ""
        self.kind = self.kind or (kind if isinstance(kind, str) else "")
        self.is_function |= self.kind == "function" or function is not None
        if function is not None:
            if not isinstance(function, dict):
                raise BodyError("the function of a tool call must be an object")
            name = _piece(function, "name")
            if self.name and name:
                # SDKs tell an app of the call before all pieces have come
                raise BodyError("the name of a tool call is told in pieces")
            self.name += name
            self.arguments += _piece(function, "arguments")


def _piece(function: Object, key: str) -> str:
    value = function.get(key)
    if value is not None and not isinstance(value, str):
        raise BodyError(f"the {key} of a tool call must be a string")
    return value or ""


@dataclass(slots=True)
class Step:
    """A step whose calls are still being told, with its events."""

    node: Object = field(default_factory=dict)
    parts: dict[int, Part] = field(default_factory=dict)
    events: list[SseEvent] = field(default_factory=list)
    documents: list[Object] = field(default_factory=list)

    @property
    def is_hosted(self) -> bool:
        """Every call seen so far is one that the API runs itself."""
        parts = self.parts.values()
        return bool(parts) and all(part.kind and not part.is_function for part in parts)

    def keep(self, event: SseEvent, document: Object) -> None:
        """Hold an event of this step."""
        self.events.append(event)
        self.documents.append(document)

    def told(self) -> Object:
        """The step as if it had been told in one piece."""
        calls: list[Json] = [
            {
                "id": part.id,
                "type": "function",
                "function": {"name": part.name, "arguments": part.arguments},
            }
            for _, part in sorted(self.parts.items())
            if part.is_function
        ]
        details: Object = {"type": "tool_calls", "tool_calls": calls}
        return {**self.node, "status": "in_progress", "step_details": details}


@dataclass(frozen=True, slots=True)
class RunGroup:
    """See `Group`: the events of some steps, or of the run that waits for their calls."""

    events: Sequence[SseEvent]
    documents: Sequence[Object]
    turns: Sequence[Turn]
    ids: Mapping[tuple[str, int], str]
    """(step id, index) → the id that the call was judged under; deltas may not tell it."""
    frame: Frame

    def render(self, change: Change, comment: bytes) -> list[bytes]:
        """See `Group.render`."""
        concerned = {call.id for turn in self.turns for call in turn.calls}
        if concerned & (change.hidden.keys() | change.arguments.keys()):
            edit = _Edit(change, self.ids, self.frame)
            pairs = zip(self.events, self.documents, strict=True)
            kept = [raw for event, document in pairs if (raw := edit.render(event, document))]
        else:
            kept = [event.raw for event in self.events]
        if kept and comment:
            kept.insert(-1, comment)
        return kept


class _Edit:
    """Changes the events of one group, in their order."""

    def __init__(self, change: Change, ids: Mapping[tuple[str, int], str], frame: Frame) -> None:
        self._change = change
        self._ids = ids
        self._frame = frame
        self._written: set[str] = set()

    def render(self, event: SseEvent, document: Object) -> bytes:
        """The event without hidden calls and with other arguments; empty where none is left."""
        is_delta = "delta" in document
        listings = (
            _delta_lists(document) if is_delta else [x.calls for x in runs.listings(document)]
        )
        step = runs.as_id(document.get("id")) or ""
        before = sum(map(len, listings))
        for calls in listings:
            calls[:] = self._kept(step, calls, is_delta=is_delta)
        after = sum(map(len, listings))
        if before and not after:
            return b""
        if not before and self._hides_step(step):
            return b""
        return self._frame(event.name, canonical.dump(document).decode())

    def _hides_step(self, step: str) -> bool:
        """A step all of whose calls are hidden goes, with the events that told none of them."""
        mine = {id for (owner, _), id in self._ids.items() if owner == step}
        return bool(mine) and mine <= self._change.hidden.keys()

    def _kept(self, step: str, calls: Sequence[Json], *, is_delta: bool) -> list[Json]:
        kept: list[Json] = []
        for position, item in enumerate(item for item in calls if isinstance(item, dict)):
            index = _index(item, position) if is_delta else position
            id = self._ids.get((step, index)) if is_delta else runs.as_id(item.get("id"))
            if id in self._change.hidden:
                continue
            if is_delta:
                item["index"] = index - self._hidden_before(step, index)
            if id is not None and (new := self._change.arguments.get(id)) is not None:
                self._replace(item, id, new, is_delta=is_delta)
            kept.append(item)
        return kept

    def _hidden_before(self, step: str, index: int) -> int:
        """SDKs put a call at its index: a gap would tear the others."""
        return sum(
            owner == step and place < index and id in self._change.hidden
            for (owner, place), id in self._ids.items()
        )

    def _replace(self, item: Object, id: str, new: str, *, is_delta: bool) -> None:
        holder = runs.holder_of(item)
        if not is_delta:
            is_text = isinstance(holder.get("arguments"), str)
            holder["arguments"] = new if is_text else canonical.parse(new)
        elif isinstance(holder.get("arguments"), str) and holder["arguments"]:
            holder["arguments"] = "" if id in self._written else new
            self._written.add(id)


class RunEvents:
    """See `Events`."""

    scope = ""

    def __init__(self, endpoint: Endpoint, request: Request, frame: Frame) -> None:
        """`request` is the one that the stream answers."""
        self._endpoint, self._request, self._frame = endpoint, request, frame
        self.begun: list[str] = []
        self._steps: dict[str, Step] = {}
        self._hosted: dict[str, Step] = {}
        """Steps of calls that the API runs itself; a call for the app may join them later."""
        self._is_run_told = True
        """False while calls were told by a step and not by the run that waits for them."""

    @property
    def held_bytes(self) -> int:
        """See `Events.held_bytes`."""
        return sum(len(event.raw) for step in self._steps.values() for event in step.events)

    def give_up(self) -> list[bytes]:
        """See `Events.give_up`."""
        steps, self._steps = self._steps, {}
        return [event.raw for step in steps.values() for event in step.events]

    def feed(self, event: SseEvent) -> Iterator[Passing | Group]:
        """See `Events.feed`."""
        document = _document(event)
        if document is None:
            # comments and the like stay where they are; `[DONE]` ends what is open
            if event.data:
                yield from self.finish()
            if event.data and not self._is_run_told:
                yield RunGroup([event], [{}], [], {}, self._frame)
            else:
                yield Passing(event.raw)
        elif _delta_lists(document):
            yield from self._delta(event, document)
        elif runs.is_step(document):
            yield from self._step(event, document)
        elif turn := runs.turn_of(self._endpoint, self._request, document):
            yield self._run_group(event, document, turn)
        else:
            self.begun = self.begun or runs.threads_in(document)
            if _ends(event, document):
                yield from self.finish()
            told = event.name.startswith("thread.message.")
            yield Passing(event.raw, is_text=told, is_typical=told)

    def finish(self) -> Iterator[Passing | Group]:
        """See `Events.finish`."""
        steps, self._steps = self._steps, {}
        for id, step in steps.items():
            yield self._step_group(id, step)

    def _delta(self, event: SseEvent, document: Object) -> Iterator[Passing | Group]:
        id = runs.as_id(document.get("id")) or ""
        step = self._steps.setdefault(id, self._hosted.pop(id, Step()))
        for calls in _delta_lists(document):
            for position, item in enumerate(calls):
                if not isinstance(item, dict):
                    raise BodyError("a tool call must be an object")
                index = _index(item, position)
                if index not in step.parts and index != len(step.parts):
                    # SDKs would put its pieces into another call
                    raise BodyError("the index of a tool call skips another")
                step.parts.setdefault(index, Part()).add(item)
        step.keep(event, document)
        yield from self._release_hosted(id, step)

    def _step(self, event: SseEvent, document: Object) -> Iterator[Passing | Group]:
        id = runs.as_id(document.get("id")) or ""
        if not list(runs.listings(document)):
            yield Passing(event.raw)
            return
        step = self._steps.setdefault(id, self._hosted.pop(id, Step()))
        step.node = step.node or document
        listed = [item for listing in runs.listings(document) for item in listing.calls]
        is_begun = any(part.is_function for part in step.parts.values())
        if is_begun and not listed and document.get("status") not in _ENDS:
            # SDKs forget the pieces that were told before
            raise BodyError("a step begins anew after pieces of its tool calls")
        step.keep(event, document)
        if list(runs.executables(document)):
            # the calls are whole: whatever was held of the step is told with them
            del self._steps[id]
            yield self._told_group(id, step, document)
        elif listed or step.is_hosted:
            yield from self._release_hosted(id, step, is_hosted=True)
        elif document.get("status") in _ENDS:
            del self._steps[id]
            yield self._step_group(id, step)

    def _release_hosted(
        self, id: str, step: Step, *, is_hosted: bool = False
    ) -> Iterator[Passing | Group]:
        """The API runs these calls itself: nothing of the step needs a verdict."""
        if is_hosted or step.is_hosted:
            self._hosted[id] = self._steps.pop(id)
            released, step.events, step.documents = step.events, [], []
            for event in released:
                yield Passing(event.raw)

    def _step_group(self, id: str, step: Step) -> Passing | Group:
        turn = self._turn(step.told()) if step.node and step.parts else None
        if turn is None and any(part.is_function for part in step.parts.values()):
            raise BodyError("a tool call of a step that was never created")
        if turn is None:
            return Passing(b"".join(event.raw for event in step.events))
        ids = self._ids({id: step}, turn)
        return RunGroup(step.events, step.documents, [turn], ids, self._frame)

    def _told_group(self, id: str, step: Step, document: Object) -> Group:
        turns = [turn for turn in (self._turn(document),) if turn]
        self._is_run_told &= not any(turn.is_waiting for turn in turns)
        if any(part.is_function for part in step.parts.values()) and step.node:
            # what the deltas told may differ from what the step says at its end
            turns += [turn for turn in (self._turn(step.told()),) if turn]
        ids = {
            (id, place): call_id
            for place, item in enumerate(runs.executables(document))
            if (call_id := runs.as_id(item.get("id")))
        }
        told = self._ids({id: step}, turns[-1] if turns else None)
        return RunGroup(step.events, step.documents, turns, ids | told, self._frame)

    def _run_group(self, event: SseEvent, document: Object, turn: Turn) -> Group:
        self._is_run_told = True
        steps, self._steps = self._steps, {}
        turns = [turn]
        for step in steps.values():
            if step.parts and not step.node:
                raise BodyError("a tool call of a step that was never created")
            if step.parts and (told := self._turn(step.told())):
                turns.append(_without_repeats(told, turn))
        events = [held for step in steps.values() for held in step.events]
        documents = [held for step in steps.values() for held in step.documents]
        return RunGroup(
            [*events, event],
            [*documents, document],
            turns,
            self._ids(steps, turn),
            self._frame,
        )

    def _turn(self, node: Object) -> Turn | None:
        return runs.turn_of(self._endpoint, self._request, node)

    def _ids(self, steps: Mapping[str, Step], turn: Turn | None) -> dict[tuple[str, int], str]:
        """Under which id each call of the deltas is judged; raises BodyError for none."""
        known = {call.id: call for call in turn.calls} if turn else {}
        ids: dict[tuple[str, int], str] = {}
        for step_id, step in steps.items():
            for index, part in step.parts.items():
                if part.is_function:
                    ids[step_id, index] = part.id if part.id in known else _same(part, known)
        return ids


def _same(part: Part, known: Mapping[str, object]) -> str:
    """A server that makes up ids in deltas: the call with the same name and arguments."""
    from_run = [
        id
        for id, call in known.items()
        if canonical.call_digest("function", part.name, part.arguments)
        == getattr(call, "digest", None)
    ]
    return from_run[0] if from_run else part.id


def _without_repeats(told: Turn, run: Turn) -> Turn:
    """Leave out calls of deltas that the run names too, under this or another id."""
    digests = {call.digest for call in run.calls}
    calls = [call for call in told.calls if call.digest not in digests]
    return Turn(told.scope, told.node, calls, told.is_waiting)


def _document(event: SseEvent) -> Object | None:
    value = sse.document(event, is_of_run=True)
    if value is None:
        return None
    is_step = event.name.startswith("thread.run.step.")
    if is_step and (event.name == "thread.run.step.delta") != ("delta" in value):
        # SDKs go by the name, and would put the pieces of a call together in another way
        raise BodyError("an event's data is not what its name says")
    if _delta_lists(value) and event.name != "thread.run.step.delta":
        raise BodyError("a piece of a tool call under another event's name")
    if isinstance(value.get("event"), str) and isinstance(value.get("data"), dict):
        # SDKs take an event without a name for what it holds
        raise BodyError("an event inside an event")
    return value


def _delta_lists(document: Object) -> list[list[Json]]:
    calls: Json = document
    for key in ("delta", "step_details", "tool_calls"):
        if isinstance(calls, list):
            raise BodyError("what tells pieces of tool calls must be an object")
        calls = calls.get(key) if isinstance(calls, dict) else None
    if calls is None:
        return []
    if not isinstance(calls, list):
        raise BodyError("tool_calls of a delta must be a list")
    return [calls]


def _index(item: Object, position: int) -> int:
    index = item.get("index", position)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 10_000:
        raise BodyError("the index of a tool call must be a number")
    return index


def _ends(event: SseEvent, document: Object) -> bool:
    is_run = event.name.startswith("thread.run.") or document.get("object") == "thread.run"
    return is_run and document.get("status") in _ENDS
