"""Order of events and states in between, without HTTP."""

from itertools import count, groupby
from typing import Any

import pytest

from callgate.canonical import Json
from callgate.demo.bodies import NewMessage, NewRun, ToolOutput
from callgate.demo.events import Log, Style
from callgate.demo.objects import Assistant
from callgate.demo.runs import Run, World
from callgate.demo.script import Script, Spoken, use
from callgate.demo.threads import Thread
from tests.demo.conftest import Clock

CALLS = (use("get_weather", city="Oslo"), use("refund_order", amount=5))
BEGIN = ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]
STEP = ["thread.run.step.created", "thread.run.step.in_progress"]
MESSAGE = [
    *STEP,
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
]


class Play:
    """A run that is listened to; each event takes a second."""

    def __init__(self, script: Script, style: Style = "openai", run_seconds: float = 600) -> None:
        self.clock = Clock()
        numbers = count(1)
        self.thread = Thread(
            id="thread_1",
            created_at=self.clock.now,
            world=World(
                clock=self.clock,
                new_id=lambda kind: f"{kind}_{next(numbers)}",
                choose=lambda model, text: script,
                run_seconds=run_seconds,
                think_seconds=10,
                event_seconds=1,
                style=style,
            ),
        )
        self.thread.add(NewMessage.model_validate({"role": "user", "content": "go"}))
        self.log = Log()
        assistant = Assistant("asst_1", self.clock.now, {"model": "m"})
        self.run: Run = self.thread.start(assistant, NewRun(assistant_id="asst_1"), self.log)

    def later(self, seconds: float) -> str:
        self.clock.now += seconds
        self.thread.advance()
        return self.run.status.value

    def submit(self) -> None:
        outputs = [ToolOutput(tool_call_id=call.id, output="ok") for call in self.run.waiting]
        self.log = Log()
        self.run.submit(outputs, self.log)

    def names(self) -> list[str]:
        """Names of events, repetitions left out."""
        return [name for name, _ in groupby(event.name for event in self.log.events)]

    def data(self, name: str) -> list[Any]:
        return [event.data for event in self.log.events if event.name == name]

    def calls(self, name: str) -> list[dict[str, Any]]:
        """Calls in the steps or deltas of these events."""
        found = [data.get("delta", data)["step_details"] for data in self.data(name)]
        return [call for details in found for call in details.get("tool_calls", [])]


def test_calls_are_told_in_the_recorded_order() -> None:
    play = Play(Script((CALLS, "Done.")))
    assert play.later(500) == "requires_action"
    assert play.names() == [
        *BEGIN,
        *STEP,
        "thread.run.step.delta",
        "thread.run.requires_action",
        "done",
    ]
    assert play.calls("thread.run.step.created") == []


def test_outputs_are_told_first_then_the_message() -> None:
    play = Play(Script((CALLS, "It is done.")))
    play.later(100)
    play.submit()
    assert play.later(100) == "completed"
    assert play.names() == [
        "thread.run.step.completed",
        *BEGIN[1:],
        *MESSAGE,
        "thread.run.completed",
        "done",
    ]
    outputs = [c["function"]["output"] for c in play.calls("thread.run.step.completed")]
    assert outputs == ["ok", "ok"]
    parts = [data["delta"]["content"][0]["text"] for data in play.data("thread.message.delta")]
    assert parts == [{"value": "It", "annotations": []}, {"value": " is"}, {"value": " done."}]
    (message,) = play.data("thread.message.completed")
    assert message["content"][0]["text"]["value"] == "It is done."


def test_chained_round_ends_waiting_again() -> None:
    play = Play(Script((CALLS, CALLS, "Done.")))
    play.later(100)
    play.submit()
    assert play.later(100) == "requires_action"
    assert play.names() == [
        "thread.run.step.completed",
        *BEGIN[1:],
        *STEP,
        "thread.run.step.delta",
        "thread.run.requires_action",
        "done",
    ]


def test_text_before_calls_is_a_message_and_a_step_of_its_own() -> None:
    play = Play(Script((Spoken("Let me see.", CALLS), "Done.")))
    assert play.later(100) == "requires_action"
    assert play.names() == [
        *BEGIN,
        *MESSAGE,
        *STEP,
        "thread.run.step.delta",
        "thread.run.requires_action",
        "done",
    ]
    assert [step.json(play.run)["type"] for step in play.run.steps] == [
        "message_creation",
        "tool_calls",
    ]
    play.submit()
    assert play.later(100) == "completed"
    texts = [message.text for message in play.thread.messages]
    assert texts == ["go", "Let me see.", "Done."]


def test_deltas_give_id_and_name_once_and_the_arguments_in_pieces_by_index() -> None:
    play = Play(Script((CALLS, "Done.")))
    play.later(100)
    deltas = play.calls("thread.run.step.delta")
    assert [delta["index"] for delta in deltas] == sorted(delta["index"] for delta in deltas)
    for index, call in enumerate(play.run.waiting):
        first, *rest = [delta for delta in deltas if delta["index"] == index]
        function: Json = {"name": call.use.name, "arguments": "", "output": None}
        assert first == {"index": index, "id": call.id, "type": "function", "function": function}
        assert len(rest) > 2
        assert {tuple(delta) for delta in rest} == {("index", "type", "function")}
        assert "".join(delta["function"]["arguments"] for delta in rest) == call.use.arguments


def test_new_ids_server_names_no_delta_like_its_call() -> None:
    play = Play(Script((CALLS, "Done.")), "new-ids")
    play.later(100)
    deltas = play.calls("thread.run.step.delta")
    ids = {delta["id"] for delta in deltas}
    assert len(ids) == len(deltas)
    assert ids.isdisjoint(call.id for call in play.run.waiting)


@pytest.mark.parametrize("style", ["full-step", "no-required-action"])
def test_full_step_servers_tell_whole_calls_at_once(style: Style) -> None:
    play = Play(Script((CALLS, "Done.")), style)
    play.later(100)
    assert play.names() == [*BEGIN, *STEP, "thread.run.requires_action", "done"]
    told = [call["function"]["arguments"] for call in play.calls("thread.run.step.created")]
    assert told == [call.arguments for call in CALLS]
    (run,) = play.data("thread.run.requires_action")
    assert (run["required_action"] is None) == (style == "no-required-action")
    play.submit()
    assert play.later(100) == "completed"


def test_turn_takes_its_time_and_shows_it() -> None:
    play = Play(Script(("one two three",)))
    assert play.later(10) == "in_progress"
    assert play.run.steps == []
    assert play.later(10) == "in_progress"
    assert play.names()[-1] == "thread.run.step.created"
    assert play.later(5) == "in_progress"
    assert play.names()[-1] == "thread.message.delta"
    reply = play.thread.messages[-1]
    assert (reply.text, reply.json()["content"]) == ("one two", [])
    assert play.later(4) == "completed"


def test_turn_of_a_run_without_listener_takes_no_time() -> None:
    play = Play(Script(("one two three",)))
    play.run.log = None
    assert play.later(20) == "completed"


@pytest.mark.parametrize("status", ["cancelled", "expired"])
def test_run_that_stops_in_a_message_leaves_it_incomplete(status: str) -> None:
    play = Play(Script(("one two three",)), run_seconds=25 if status == "expired" else 600)
    play.later(25)
    if status == "cancelled":
        play.run.cancel()
        assert play.later(9) == "cancelling"
        assert play.names()[-1] == "thread.run.cancelling"
    assert play.later(600) == status
    assert play.names()[-4:] == [
        "thread.message.incomplete",
        f"thread.run.step.{status}",
        f"thread.run.{status}",
        "done",
    ]
    (message,) = play.data("thread.message.incomplete")
    assert message["incomplete_details"] == {"reason": f"run_{status}"}
    assert message["content"][0]["text"]["value"] == "one two"


def test_run_cancelled_amid_deltas_never_issues_the_calls() -> None:
    play = Play(Script((CALLS, "Done.")))
    play.later(24)
    assert play.names()[-1] == "thread.run.step.delta"
    play.run.cancel()
    assert play.later(600) == "cancelled"
    assert play.names()[-2:] == ["thread.run.cancelled", "done"]
    assert play.run.steps[0].json(play.run)["status"] == "cancelled"
    assert play.run.json()["required_action"] is None
