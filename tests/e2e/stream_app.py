"""An app that knows nothing of Callgate and streams: the tool loop with an event handler.

Run as a program under any openai version; prints what `app.py` prints.
"""

import json
import sys
import warnings

import openai
from openai import AssistantEventHandler

warnings.simplefilter("ignore", DeprecationWarning)


def say(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


class Handler(AssistantEventHandler):
    """Collects what the SDK hands to an app."""

    def __init__(self) -> None:
        super().__init__()
        self.created: list[str] = []
        self.done: list[str] = []

    def on_tool_call_created(self, tool_call: object) -> None:
        self.created.append(tool_call.function.name)  # type: ignore[attr-defined]

    def on_tool_call_done(self, tool_call: object) -> None:
        self.done.append(tool_call.function.arguments)  # type: ignore[attr-defined]


def main(assistant: str, message: str, only: str) -> None:
    client = openai.OpenAI()
    threads = client.beta.threads
    thread = threads.create(messages=[{"role": "user", "content": message}])
    handler = Handler()
    with threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant, event_handler=handler
    ) as stream:
        stream.until_done()
    run = handler.current_run
    while run is not None and run.status == "requires_action" and run.required_action:
        calls = run.required_action.submit_tool_outputs.tool_calls
        asked = [
            {"id": c.id, "name": c.function.name, "arguments": c.function.arguments} for c in calls
        ]
        say("calls", calls=asked, run=run.id, thread=thread.id, created=handler.created)
        outputs = [
            {"tool_call_id": c.id, "output": f"ran {c.function.name} {c.function.arguments}"}
            for c in calls
            if only in c.function.name
        ]
        handler = Handler()
        with threads.runs.submit_tool_outputs_stream(
            run_id=run.id,
            thread_id=thread.id,
            tool_outputs=outputs,  # type: ignore[arg-type]  # the same keys
            event_handler=handler,
        ) as stream:
            stream.until_done()
        run = handler.current_run
    messages = threads.messages.list(thread.id, order="desc", limit=1)
    text = "".join(p.text.value for p in messages.data[0].content if p.type == "text")
    say("end", status=run.status if run else None, texts=[text], version=openai.__version__)


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
