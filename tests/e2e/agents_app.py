"""An app that knows nothing of Callgate: an agent of the OpenAI Agents SDK.

Run as a program where openai-agents is installed. Standard input: lines of JSON with `api`
(`chat` or `responses`), `streamed` and `message`, each a conversation. Prints for each what
`app.py` prints; `calls` is said by the tools themselves, when they run.
"""

import asyncio
import json
import sys

import openai
from agents import (  # type: ignore[import-not-found]  # only in the environment of the app
    Agent,
    Runner,
    function_tool,
    set_default_openai_api,
    set_tracing_disabled,
)


def say(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def ran(name: str, **arguments: object) -> str:
    told = json.dumps(arguments)
    say("calls", calls=[{"name": name, "arguments": told}])
    return f"ran {name} {told}"


def get_weather(city: str) -> str:
    return ran("get_weather", city=city)


def run_shell(command: str) -> str:
    return ran("run_shell", command=command)


def refund_order(amount: int) -> str:
    return ran("refund_order", amount=amount)


def send_message(text: str) -> str:
    return ran("send_message", text=text)


async def talk(api: str, streamed: str, message: str) -> None:
    set_default_openai_api("responses" if api == "responses" else "chat_completions")
    tools = map(function_tool, (get_weather, run_shell, refund_order, send_message))
    agent = Agent(name="e2e", model="gpt-x", tools=list(tools))
    shown = []
    if streamed == "streamed":
        result = Runner.run_streamed(agent, message)
        async for event in result.stream_events():
            if event.type == "run_item_stream_event" and event.name == "tool_called":
                shown.append(event.item.raw_item.name)
    else:
        result = await Runner.run(agent, message)
    say("end", status="completed", texts=[result.final_output], shown=shown)


async def main() -> None:
    set_tracing_disabled(True)
    for line in sys.stdin:
        try:
            await talk(**json.loads(line))
        except openai.APIError as error:
            say(
                "error",
                kind=type(error).__name__,
                status=getattr(error, "status_code", None),
                code=error.code,
                param=error.param,
                message=str(error),
            )


if __name__ == "__main__":
    asyncio.run(main())
