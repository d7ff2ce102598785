import json

import pytest

from callgate.demo.script import Answer, Script, Spoken, choice, use
from callgate.demo.story import SCRIPTS, STORY, fake_api_key

RAIN = Answer(use("get_weather", city="Oslo"), "call_1", "rain {outputs} {0}")
HELLO, BYE = Script(("hello",)), Script(("bye",))


def test_text_quotes_outputs_of_the_turn_before_and_nothing_else() -> None:
    old = Answer(use("first"), "call_0", "old")
    script = Script(
        (),
    )
    assert script.action(0, [old, RAIN], [RAIN]) == "get_weather (call_1): rain {outputs} {0}"


def test_turn_can_be_a_function_of_all_answers() -> None:
    script = Script((lambda answers: f"{len(answers)} answers",))
    assert script.action(0, [RAIN, RAIN], [RAIN]) == "2 answers"


def test_text_before_calls_quotes_outputs_too() -> None:
    action = Script((Spoken("{outputs}!", (use("first"),)),)).action(0, [RAIN], [RAIN])
    assert action == Spoken("get_weather (call_1): rain {outputs} {0}!", (use("first"),))


def test_turn_without_calls_ends_the_run() -> None:
    assert Script(((),)).action(0, [], []) == ""


@pytest.mark.parametrize(
    ("model", "text", "expected"),
    [
        ("hello", "bye", HELLO),
        ("gpt-4o", "Say BYE, please", BYE),
        ("gpt-4o", "goodbye", Script(("I have no script for this request.",))),
    ],
)
def test_script_is_chosen_by_model_then_by_word(model: str, text: str, expected: Script) -> None:
    assert choice({"hello": HELLO, "bye": BYE})(model, text) == expected


def test_default_script_is_played_when_nothing_fits() -> None:
    assert choice({"default": HELLO})("gpt-4o", "anything") is HELLO


def test_story_asks_for_one_harmless_and_three_dangerous_things() -> None:
    calls = [script.action(0, [], []) for script in STORY.values()]
    names = [call[0].name for call in calls if not isinstance(call, str | Spoken)]
    assert names == ["get_weather", "run_shell", "send_message", "refund_order"]


def test_fake_key_is_stable_and_shaped_like_a_real_one() -> None:
    assert fake_api_key() == fake_api_key()
    assert fake_api_key().startswith("sk-" + "proj-")
    assert "T3Blbk" + "FJ" in fake_api_key()


def test_scripted_arguments_are_json_unless_meant_to_be_broken() -> None:
    for name, script in SCRIPTS.items():
        action = script.action(0, [], [])
        if isinstance(action, str) or name == "demo-not-json":
            continue
        for call in action.calls if isinstance(action, Spoken) else action:
            assert isinstance(json.loads(call.arguments), dict)
