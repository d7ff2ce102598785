"""An app that knows nothing of Callgate: the tool loop of OpenAI's documentation.

Run as a program under any openai version. Prints what happened to it, a JSON object a line:
`calls` it was asked to run, `error` it was given, and `end` with the final state.
"""

import json
import sys
import warnings

import openai

# The Assistants API is deprecated as a whole; that is not what is tested.
warnings.simplefilter("ignore", DeprecationWarning)


def say(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def asked_for(client: openai.OpenAI, run: object) -> list[dict[str, str]]:
    """The calls of a waiting run; servers without `required_action` show them in the steps."""
    action = getattr(run, "required_action", None)
    if action is not None:
        found = action.submit_tool_outputs.tool_calls
    else:
        steps = client.beta.threads.runs.steps.list(
            run_id=run.id,  # type: ignore[attr-defined]  # any version's Run
            thread_id=run.thread_id,  # type: ignore[attr-defined]
        )
        # a hidden call is not there; a step that is over has its outputs
        found = [
            call
            for step in steps.data
            if step.status == "in_progress" and step.step_details.type == "tool_calls"
            for call in step.step_details.tool_calls
        ]
    return [{"id": c.id, "name": c.function.name, "arguments": c.function.arguments} for c in found]


def main(assistant: str, message: str, only: str) -> None:
    client = openai.OpenAI()
    threads = client.beta.threads
    thread = threads.create(messages=[{"role": "user", "content": message}])
    run = threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant, poll_interval_ms=50
    )
    while run.status == "requires_action":
        calls = asked_for(client, run)
        say("calls", calls=calls, run=run.id, thread=thread.id)
        outputs = [
            {"tool_call_id": call["id"], "output": f"ran {call['name']} {call['arguments']}"}
            for call in calls
            if only in call["name"]
        ]
        run = threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id,
            thread_id=thread.id,
            tool_outputs=outputs,  # type: ignore[arg-type]  # the same keys
            poll_interval_ms=50,
        )
    page = threads.messages.list(thread.id, order="asc")
    texts = [
        getattr(block.text, "value", block.text)  # llamphouse: a plain string
        for item in page.data
        if item.role == "assistant"
        for block in item.content
        if block.type == "text"
    ]
    say("end", status=run.status, texts=texts, version=openai.__version__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except openai.APIStatusError as error:
        say(
            "error",
            kind=type(error).__name__,
            status=error.status_code,
            code=error.code,
            param=error.param,
            type=error.type,
            message=str(error),
            retry=error.response.headers.get("x-should-retry"),
        )
