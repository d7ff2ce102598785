"""Streams as the API could send them on a bad day: valid ones, mangled and cut into chunks."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.surfaces import chat_objects, response_objects

type Json = dict[str, Any]
type Event = tuple[str, Json]
"""Name and data; no name in Chat Completions."""

NAMES = ("look", "wipe", "pay")
_ARGUMENTS = ('{"x":1}', "{}", '{"deep":[1,"{}"]}', "")


@st.composite
def told_calls(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    """Id, name and arguments of some calls."""
    count = draw(st.integers(1, 3))
    one = st.tuples(st.sampled_from(NAMES), st.sampled_from(_ARGUMENTS))
    return [(f"call_{n}", *draw(one)) for n in range(count)]


@st.composite
def chat(draw: st.DrawFn) -> list[Event]:
    """Chunks of one or two choices that ask for calls, or say something."""
    delta, chunk = chat_objects.delta, chat_objects.chunk
    chunks = []
    for choice in range(draw(st.integers(1, 2))):
        calls = [chat_objects.call(*one) for one in draw(told_calls())]
        for one in calls:
            one["id"] += f"_{choice}"
        chunks.append(chunk(delta(choice, role="assistant", content="")))
        if draw(st.booleans()):
            chunks.append(chunk(delta(choice, content="Hi")))
        for index, one in enumerate(calls):
            chunks += chat_objects.pieces(one, index, choice)
        chunks.append(chunk(delta(choice, finish="tool_calls")))
    return [("", one) for one in copy.deepcopy(chunks)]


@st.composite
def responses(draw: st.DrawFn) -> list[Event]:
    """Events of a response with messages and calls."""
    output: list[Json] = []
    for id, name, arguments in draw(told_calls()):
        match draw(st.sampled_from(["call", "call", "custom", "text"])):
            case "call":
                output.append(response_objects.call(id, name, arguments))
            case "custom":
                told = {"type": "custom_tool_call", "call_id": id, "name": name}
                output.append({"id": f"ctc_{id}", "status": "completed", **told, "input": "abcde"})
            case _:
                output.append(response_objects.said(id=f"msg_{id}"))
    events = copy.deepcopy(response_objects.script(*output))
    return [(str(one["type"]), one) for one in events]


@st.composite
def assistants(draw: st.DrawFn) -> list[Event]:
    """Events of a run that tells its calls in a step, and waits for them."""
    calls = [chat_objects.call(*one) for one in draw(told_calls())]
    run = {"id": "run_1", "thread_id": "thread_1", "object": "thread.run"}
    step = {"id": "step_1", "run_id": "run_1", "thread_id": "thread_1"}
    step |= {"object": "thread.run.step", "type": "tool_calls", "status": "in_progress"}
    empty = {**step, "step_details": {"type": "tool_calls", "tool_calls": []}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    deltas = [
        {"id": "step_1", "object": "thread.run.step.delta", "delta": {"step_details": details}}
        for index, one in enumerate(calls)
        for piece in chat_objects.pieces(one, index)
        for details in [{"type": "tool_calls", **piece["choices"][0]["delta"]}]
    ]
    events: list[Event] = [
        ("thread.run.created", {**run, "status": "queued", "required_action": None}),
        ("thread.run.step.created", empty),
        ("thread.run.step.in_progress", empty),
        *(("thread.run.step.delta", delta) for delta in deltas),
    ]
    match draw(st.sampled_from(["waits", "waits", "run alone", "step alone", "whole step"])):
        case "waits" | "run alone" as how:
            if how == "run alone":
                del events[1:]
            waiting = {**run, "status": "requires_action", "required_action": action}
            events.append(("thread.run.requires_action", waiting))
        case "whole step":
            details = {"type": "tool_calls", "tool_calls": calls}
            whole = {**step, "status": "completed", "step_details": details}
            events.append(("thread.run.step.completed", whole))
            events.append(("thread.run.completed", {**run, "status": "completed"}))
        case _:
            events.append(("thread.run.completed", {**run, "status": "completed"}))
    return copy.deepcopy(events)


STREAMS = {"chat": chat(), "responses": responses(), "assistants": assistants()}
_MANGLINGS = ("drop", "double", "swap", "late", "number", "name", "wrap")


@st.composite
def mangled(draw: st.DrawFn, api: str) -> list[Event]:
    """The events of a stream, some of them lost, repeated, late, or about something else."""
    events = draw(STREAMS[api])
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(events) - 1))
        match draw(st.sampled_from(_MANGLINGS)):
            case "drop" if len(events) > 1:
                events.pop(place)
            case "double":
                events.insert(place, copy.deepcopy(draw(st.sampled_from(events))))
            case "swap":
                other = draw(st.integers(0, len(events) - 1))
                events[place], events[other] = events[other], events[place]
            case "late":
                events.append(events.pop(place))
            case "number":
                _renumber(events[place][1], draw(st.integers(0, 3)))
            case "name":
                events[place] = (draw(st.sampled_from(events))[0], events[place][1])
            case "wrap":
                name, data = events[place]
                events[place] = ("", {"event": name, "data": data})
    return events


def _renumber(node: object, number: int) -> None:
    """Say another number wherever an event says which item or call it is about."""
    if isinstance(node, dict):
        for key in ("index", "output_index"):
            if key in node:
                node[key] = number
        for value in node.values():
            _renumber(value, number)
    elif isinstance(node, list):
        for value in node:
            _renumber(value, number)


@st.composite
def written(draw: st.DrawFn, api: str) -> bytes:
    """The bytes of a mangled stream, in one of the spellings that clients understand."""
    blocks = []
    space = draw(st.sampled_from([" ", ""]))
    indent = draw(st.sampled_from([None, None, 1]))
    for name, data in draw(mangled(api)):
        lines = [f"event:{space}{name}"] if name else []
        lines += [f"data:{space}{one}" for one in json.dumps(data, indent=indent).split("\n")]
        if draw(st.integers(0, 9)) == 0:
            lines.insert(0, ": a comment")
        if draw(st.integers(0, 19)) == 0:
            lines[-1] = "\ufeff" + lines[-1]
        blocks.append("\n".join([*lines, "", ""]))
    if draw(st.integers(0, 4)):
        blocks.append("data: [DONE]\n\n")
    text = "".join(blocks).replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])))
    bom = draw(st.sampled_from(["", "", "", "\ufeff"]))
    return (bom + text).encode()


def chunks(raw: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The bytes, cut at these places as far as there are so many."""
    places = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    return [raw[start:end] for start, end in itertools.pairwise(places)]
