"""Apps that know nothing of Callgate: the tool loops of Chat Completions and of Responses.

Run as a program under any openai version: `API STREAMED MESSAGE`, `API` being `chat`,
`responses` (by `previous_response_id`) or `stateless` (the whole input every time). Prints what
`app.py` prints.
"""

import json
import sys
from typing import Any

import openai

CLIENT = openai.OpenAI(max_retries=0)
TOOL: Any = {"type": "function", "function": {"name": "any", "parameters": {"type": "object"}}}


def say(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def ran(name: str, arguments: str) -> str:
    return f"ran {name} {arguments}"


def chat(message: str, *, is_streamed: bool) -> str:
    messages: list[Any] = [{"role": "user", "content": message}]
    while True:
        told = _completion(messages) if is_streamed else _whole_completion(messages)
        messages.append(told)
        calls = told.get("tool_calls")
        if not calls:
            return str(told["content"])
        say("calls", calls=[{"id": c["id"], **c["function"]} for c in calls])
        for call in calls:
            output = ran(call["function"]["name"], call["function"]["arguments"])
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": output})


def _whole_completion(messages: list[Any]) -> Any:
    answer = CLIENT.chat.completions.create(model="gpt-x", messages=messages, tools=[TOOL])
    return answer.choices[0].message.model_dump(exclude_none=True)


def _completion(messages: list[Any]) -> Any:
    content = ""
    calls: dict[int, Any] = {}
    stream: Any = CLIENT.chat.completions.create(
        model="gpt-x", messages=messages, tools=[TOOL], stream=True
    )
    for chunk in stream:
        for choice in chunk.choices:
            content += choice.delta.content or ""
            for piece in choice.delta.tool_calls or ():
                call = calls.setdefault(
                    piece.index,
                    {"id": "", "type": "function", "function": {"name": "", "arguments": ""}},
                )
                call["id"] += piece.id or ""
                call["function"]["name"] += piece.function.name or ""
                call["function"]["arguments"] += piece.function.arguments or ""
    told: Any = {"role": "assistant", "content": content or None}
    if calls:
        told["tool_calls"] = [calls[index] for index in sorted(calls)]
    return told


def responses(message: str, *, is_streamed: bool, is_stateless: bool) -> str:
    history: list[Any] = [{"role": "user", "content": message}]
    given, before = history, None
    while True:
        fields: Any = {"model": "gpt-x", "input": given}
        if before and not is_stateless:
            fields["previous_response_id"] = before
        answer = _response(fields) if is_streamed else CLIENT.responses.create(**fields)
        calls = [item for item in answer.output if item.type == "function_call"]
        history += [item.model_dump(exclude_none=True) for item in answer.output]
        if not calls:
            return str(answer.output_text)
        say(
            "calls",
            calls=[{"id": c.call_id, "name": c.name, "arguments": c.arguments} for c in calls],
        )
        outputs = [
            {
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": ran(call.name, call.arguments),
            }
            for call in calls
        ]
        history += outputs
        given, before = (history if is_stateless else outputs), answer.id


def _response(fields: Any) -> Any:
    stream: Any = CLIENT.responses.create(**fields, stream=True)
    final = None
    for event in stream:
        if event.type == "response.completed":
            final = event.response
    return final


def main(api: str, streamed: str, message: str) -> None:
    is_streamed = streamed == "streamed"
    if api == "chat":
        text = chat(message, is_streamed=is_streamed)
    else:
        is_stateless = api == "stateless"
        text = responses(message, is_streamed=is_streamed, is_stateless=is_stateless)
    say("end", status="completed", texts=[text], version=openai.__version__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except openai.APIError as error:
        say(
            "error",
            kind=type(error).__name__,
            status=getattr(error, "status_code", None),
            code=error.code,
            param=error.param,
            message=str(error),
        )
