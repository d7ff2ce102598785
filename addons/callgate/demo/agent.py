"""A support agent on the Assistants API, as one would write it from OpenAI's guide.

    export OPENAI_API_KEY=…
    python agent.py                 four requests of a support desk
    python agent.py "What is the weather in Hamburg?"

Its tools are simulated: they only say what they would have done. With `--json` it prints one
object a line, by `event`: `request`, `call`, `executed`, `error`, `cancelled`, `reply`.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import openai
from openai import OpenAI
from openai.types.beta.threads.run import Run

# the SDK calls the whole Assistants API deprecated, at every use
warnings.filterwarnings("ignore", category=DeprecationWarning, module=__name__)

INSTRUCTIONS = "You help the support desk of a web shop. Use the tools; do not ask back."

REQUESTS = (
    "What is the weather in Hamburg today?",
    "The disk of the customer server is full. Please make room.",
    "Tell our new colleague how to reach the staging API.",
    "The customer of order A-1007 is angry and wants a refund.",
)


def get_weather(city: str) -> str:
    """Current weather of a city."""
    return f"18 degrees and light rain in {city}"


def run_shell(command: str) -> str:
    """Run a shell command on the customer server."""
    return f"done: {command}"


def send_message(to: str, text: str) -> str:
    """Send a message to an e-mail address."""
    return f"sent {len(text)} characters to {to}"


def refund_order(order_id: str, amount: float) -> str:
    """Pay money back to the customer of an order."""
    return f"refunded {amount} for order {order_id}"


TOOLS: dict[str, Callable[..., str]] = {
    "get_weather": get_weather,
    "run_shell": run_shell,
    "send_message": send_message,
    "refund_order": refund_order,
}


def describe(name: str, **parameters: str) -> Any:
    """Describe a tool to the model."""
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": TOOLS[name].__doc__,
            "parameters": {
                "type": "object",
                "properties": {key: {"type": kind} for key, kind in parameters.items()},
                "required": list(parameters),
            },
        },
    }


TOOL_DESCRIPTIONS = [
    describe("get_weather", city="string"),
    describe("run_shell", command="string"),
    describe("send_message", to="string", text="string"),
    describe("refund_order", order_id="string", amount="number"),
]


MARKS = {
    "request": "\n>",
    "call": "  the model wants",
    "executed": "  EXECUTED",
    "error": "  !!",
    "cancelled": "  cancelled",
    "reply": "  <",
}


class Screen:
    """Prints what happens, for people or one JSON object a line."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def show(self, event: str, **fields: Any) -> None:
        """Print one event."""
        if self.as_json:
            print(json.dumps({"event": event, **fields}), flush=True)
            return
        width = 500 if event == "error" else 100
        words = " ".join(shorten(value, width) for value in fields.values() if value is not None)
        print(f"{MARKS[event]} {words}", flush=True)


def shorten(value: object, width: int) -> str:
    """Return a value as one readable line."""
    text = " ".join(str(value).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def execute(call: Any, screen: Screen) -> str:
    """Run the tool that the model asks for and return its output."""
    name = call.function.name
    screen.show("call", tool=name, arguments=call.function.arguments, id=call.id)
    try:
        arguments = json.loads(call.function.arguments)
        output = TOOLS[name](**arguments)
    except (KeyError, TypeError, ValueError) as error:
        return f"error: {name} can not be called like this ({type(error).__name__})"
    screen.show("executed", tool=name, arguments=arguments)
    return output


def answer(client: OpenAI, run: Run, screen: Screen) -> Run:
    """Run tools until the model has no more wishes."""
    while run.status == "requires_action" and run.required_action:
        calls = run.required_action.submit_tool_outputs.tool_calls
        run = client.beta.threads.runs.submit_tool_outputs_and_poll(
            thread_id=run.thread_id,
            run_id=run.id,
            tool_outputs=[
                {"tool_call_id": call.id, "output": execute(call, screen)} for call in calls
            ],
        )
    return run


def handle(client: OpenAI, assistant_id: str, request: str, screen: Screen) -> None:
    """Answer one request in a thread of its own."""
    screen.show("request", text=request)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": request}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant_id)
    try:
        run = answer(client, run, screen)
    except openai.PermissionDeniedError as error:
        screen.show("error", type=type(error).__name__, code=error.code, message=message_of(error))
        # the run waits for outputs that will not come: end it, or its thread stays locked
        client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
        screen.show("cancelled", run=run.id)
        return
    if run.status != "completed":
        screen.show("error", type="run", code=run.status, message=f"the run ended: {run.status}")
        return
    messages = client.beta.threads.messages.list(thread.id, order="desc", limit=1)
    screen.show("reply", text=text_of(messages.data[0]))


def message_of(error: openai.APIError) -> str:
    """Return the server's own message, without the SDK's rendering of the whole body."""
    body = error.body
    return str(body["message"]) if isinstance(body, dict) and "message" in body else error.message


def text_of(message: Any) -> str:
    """Return the text parts of a message."""
    return "\n".join(part.text.value for part in message.content if part.type == "text")


def work(client: OpenAI, model: str, requests: Iterable[str], screen: Screen) -> None:
    """Create the assistant and answer all requests."""
    assistant = client.beta.assistants.create(
        model=model, name="Support desk", instructions=INSTRUCTIONS, tools=TOOL_DESCRIPTIONS
    )
    for request in requests:
        handle(client, assistant.id, request, screen)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and work; 1 when the API can not be used."""
    parser = argparse.ArgumentParser(description="A support agent on the Assistants API.")
    parser.add_argument("request", nargs="*", help="what to ask (default: four examples)")
    parser.add_argument("--model", default="gpt-4o")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    options = parser.parse_args(arguments)
    screen = Screen(as_json=options.json)
    try:
        work(OpenAI(), options.model, options.request or REQUESTS, screen)
    except openai.OpenAIError as error:
        text = message_of(error) if isinstance(error, openai.APIError) else str(error)
        screen.show("error", type=type(error).__name__, code=None, message=text)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
