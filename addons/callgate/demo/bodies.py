"""Request bodies, and OpenAI's words for what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from callgate.canonical import Json
from callgate.demo.errors import ApiError

type Metadata = dict[str, str]
type JsonObject = dict[str, object]


class Body(BaseModel):
    """Any request body: no coercion, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Part(Body):
    """One part of a message's content; only text is looked into."""

    model_config = ConfigDict(extra="allow")

    type: str
    text: str = ""


def _as_parts(content: object) -> object:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class NewMessage(Body):
    """POST /threads/{t}/messages."""

    role: Literal["user", "assistant"]
    content: Annotated[list[Part], BeforeValidator(_as_parts)]
    attachments: list[JsonObject] | None = None
    metadata: Metadata | None = None

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "\n".join(part.text for part in self.content if part.type == "text")


class Generation(Body):
    """Settings that assistants and runs share; kept and shown, without effect."""

    description: str | None = None
    instructions: str | None = None
    metadata: Metadata | None = None
    name: str | None = None
    reasoning_effort: str | None = None
    response_format: object = None
    temperature: float | None = None
    tool_resources: JsonObject | None = None
    tools: list[JsonObject] | None = None
    top_p: float | None = None


class NewAssistant(Generation):
    """POST /assistants."""

    model: str


class ModifyAssistant(Generation):
    """POST /assistants/{a}."""

    model: str | None = None


class NewThread(Body):
    """POST /threads."""

    messages: list[NewMessage] = Field(default_factory=list)
    metadata: Metadata | None = None
    tool_resources: JsonObject | None = None


class RunSettings(Body):
    """What both ways to create a run take."""

    assistant_id: str
    instructions: str | None = None
    max_completion_tokens: int | None = None
    max_prompt_tokens: int | None = None
    metadata: Metadata | None = None
    model: str | None = None
    parallel_tool_calls: bool | None = None
    response_format: object = None
    stream: bool | None = None
    temperature: float | None = None
    tool_choice: object = None
    tools: list[JsonObject] | None = None
    top_p: float | None = None
    truncation_strategy: JsonObject | None = None


class NewRun(RunSettings):
    """POST /threads/{t}/runs."""

    additional_instructions: str | None = None
    additional_messages: list[NewMessage] | None = None
    reasoning_effort: str | None = None


class NewThreadAndRun(RunSettings):
    """POST /threads/runs."""

    thread: NewThread = Field(default_factory=NewThread)
    tool_resources: JsonObject | None = None


class ModifyRun(Body):
    """POST /threads/{t}/runs/{r}."""

    metadata: Metadata | None = None


class ToolOutput(Body):
    """One entry of `tool_outputs`."""

    tool_call_id: str
    output: str | None = None


class Submission(Body):
    """POST …/submit_tool_outputs."""

    tool_outputs: list[ToolOutput]
    stream: bool | None = None


def _as_texts(value: object) -> object:
    """One text, or one text as token numbers, is a list of one."""
    is_tokens = isinstance(value, list) and value and isinstance(value[0], int)
    return [value] if isinstance(value, str) or is_tokens else value


class NewEmbedding(Body):
    """POST /embeddings."""

    input: Annotated[list[object], BeforeValidator(_as_texts)]
    model: str
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None


def read[T: Body](model: type[T], document: Json) -> T:
    """Check a body; raises ApiError 400 with the first fault in OpenAI's words."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _refusal(error.errors()[0]) from error


_EXPECTED = {
    "string_type": "a string",
    "string_unicode": "valid Unicode",
    "int_type": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array of objects",
    "dict_type": "an object",
    "model_type": "an object",
}
_GIVEN: Mapping[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a decimal",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def _refusal(error: ErrorDetails) -> ApiError:
    param, given = _path(error["loc"]), error["input"]
    match error["type"]:
        case "missing":
            message, code = f"Missing required parameter: '{param}'.", "missing_required_parameter"
        case "extra_forbidden":
            message, code = f"Unknown parameter: '{param}'.", "unknown_parameter"
        case "literal_error":
            supported = error["ctx"]["expected"].replace(" or ", " and ")
            message = f"Invalid value: '{given}'. Supported values are: {supported}."
            code = "invalid_value"
        case kind:
            subject = f"Invalid type for '{param}'" if param else "Invalid type"
            expected = _EXPECTED.get(kind, "another type")
            message = f"{subject}: expected {expected}, but got {_GIVEN[type(given)]} instead."
            code = "invalid_type"
    return ApiError(400, message, param=param or None, code=code)


def _path(location: tuple[int | str, ...]) -> str:
    """`("tool_outputs", 0, "output")` → `tool_outputs[0].output`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")
