import pytest

from callgate.canonical import Json
from callgate.demo import bodies
from callgate.demo.errors import ApiError


@pytest.mark.parametrize(
    ("model", "document", "param", "message"),
    [
        (bodies.Submission, {}, "tool_outputs", "Missing required parameter: 'tool_outputs'."),
        (
            bodies.Submission,
            {"tool_outputs": [{"output": "x"}]},
            "tool_outputs[0].tool_call_id",
            "Missing required parameter: 'tool_outputs[0].tool_call_id'.",
        ),
        (
            bodies.Submission,
            {"tool_outputs": [{"tool_call_id": "c", "output": {"a": 1}}]},
            "tool_outputs[0].output",
            "Invalid type for 'tool_outputs[0].output': expected a string, but got an object "
            "instead.",
        ),
        (
            bodies.Submission,
            {"tool_outputs": [], "extra": 1},
            "extra",
            "Unknown parameter: 'extra'.",
        ),
        (
            bodies.NewMessage,
            {"role": "tool", "content": "x"},
            "role",
            "Invalid value: 'tool'. Supported values are: 'user' and 'assistant'.",
        ),
        (
            bodies.ModifyRun,
            {"metadata": {"modified": True}},
            "metadata.modified",
            "Invalid type for 'metadata.modified': expected a string, but got a boolean instead.",
        ),
        (
            bodies.NewRun,
            {"assistant_id": "a", "stream": "yes"},
            "stream",
            "Invalid type for 'stream': expected a boolean, but got a string instead.",
        ),
        (bodies.NewThread, None, None, "Invalid type: expected an object, but got null instead."),
    ],
)
def test_fault_is_named_in_openais_words(
    model: type[bodies.Body], document: Json, param: str | None, message: str
) -> None:
    with pytest.raises(ApiError) as error:
        bodies.read(model, document)
    assert (error.value.status, error.value.param) == (400, param)
    assert error.value.message == message


def test_output_may_be_missing_or_null() -> None:
    read = bodies.read(
        bodies.Submission,
        {"tool_outputs": [{"tool_call_id": "a"}, {"tool_call_id": "b", "output": None}]},
    )
    assert [item.output for item in read.tool_outputs] == [None, None]


def test_content_parts_are_one_text() -> None:
    parts: Json = [
        {"type": "text", "text": "a"},
        {"type": "image_file", "image_file": {"file_id": "file_1"}},
        {"type": "text", "text": "b"},
    ]
    assert bodies.read(bodies.NewMessage, {"role": "user", "content": parts}).text == "a\nb"
