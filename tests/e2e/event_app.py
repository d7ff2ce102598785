"""An app that knows nothing of Callgate and reads the events itself: `create(stream=True)`.

Run as a program under any openai version; prints what `app.py` prints. Calls are put together
from the steps alone, as servers without `required_action` make it necessary.
"""

import json
import sys
import warnings

import openai

warnings.simplefilter("ignore", DeprecationWarning)


def say(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


class Heard:
    """What one stream told."""

    def __init__(self, stream: object) -> None:
        self.calls: dict[tuple[str, int], dict[str, str]] = {}
        self.run = self.status = self.text = ""
        for event in stream:  # type: ignore[attr-defined]  # any version's Stream
            self._hear(event)

    def _hear(self, event: object) -> None:
        name, data = event.event, event.data  # type: ignore[attr-defined]
        if name == "thread.run.step.delta":
            for call in data.delta.step_details.tool_calls:
                self._add(data.id, call.index, call)
        elif name == "thread.run.step.created":
            for index, call in enumerate(getattr(data.step_details, "tool_calls", ())):
                self._add(data.id, index, call)
        elif name == "thread.message.delta":
            self.text += "".join(p.text.value for p in data.delta.content)
        elif name.startswith("thread.run.") and not name.startswith("thread.run.step."):
            self.run, self.status = data.id, data.status

    def _add(self, step: str, index: int, call: object) -> None:
        new = {"id": "", "name": "", "arguments": ""}
        known = self.calls.setdefault((step, index), new)
        function = call.function  # type: ignore[attr-defined]
        known["id"] = known["id"] or call.id or ""  # type: ignore[attr-defined]
        known["name"] += function.name or ""
        known["arguments"] += function.arguments or ""


def main(assistant: str, message: str, only: str) -> None:
    client = openai.OpenAI()
    threads = client.beta.threads
    thread = threads.create(messages=[{"role": "user", "content": message}])
    heard = Heard(threads.runs.create(thread.id, assistant_id=assistant, stream=True))
    while heard.status == "requires_action":
        calls = list(heard.calls.values())
        say("calls", calls=calls, run=heard.run, thread=thread.id)
        outputs = [
            {"tool_call_id": call["id"], "output": f"ran {call['name']} {call['arguments']}"}
            for call in calls
            if only in call["name"]
        ]
        answer = threads.runs.submit_tool_outputs(
            heard.run,
            thread_id=thread.id,
            tool_outputs=outputs,  # type: ignore[arg-type]  # the same keys
            stream=True,
        )
        heard = Heard(answer)
    say("end", status=heard.status, texts=[heard.text], version=openai.__version__)


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
