"""llamphouse, a third-party Assistants server, with an agent that calls what it is told.

Run as a program in an environment that has llamphouse; prints its port. The last user message
is a JSON list of `{"name", "arguments"}`; the agent asks for all of them at once and ends with
the outputs it was given.
"""

import asyncio
import json
import logging
import socket
import sys
import uuid
from typing import Any

import uvicorn
from llamphouse.core import Agent, LLAMPHouse
from llamphouse.core.adapters.assistant_api import AssistantAPIAdapter
from llamphouse.core.types.run_step import ToolCallsStepDetails

ASSISTANT = "caller"


class Caller(Agent):  # type: ignore[misc]  # no types
    async def run(self, context: Any) -> None:
        text = context.messages[-1].content[0].text
        calls = [
            {"id": f"call_{uuid.uuid4()}", "type": "function", "function": wanted}
            for wanted in json.loads(getattr(text, "value", text))
        ]
        if calls:
            details = ToolCallsStepDetails(type="tool_calls", tool_calls=calls)
            step = await context.insert_tool_calls_step(details)
            await self._answers(context)
            step = await context.data_store.get_latest_run_step_by_run_id(context.run_id)
            outputs = [call.root.function for call in step.step_details.tool_calls]
            await context.insert_message("\n".join(f"{f.name}: {f.output}" for f in outputs))
        else:
            await context.insert_message("nothing to do")

    async def _answers(self, context: Any) -> None:
        while True:
            run = await context.data_store.get_run_by_id(context.thread_id, context.run_id)
            if run.status != "requires_action":
                return
            await asyncio.sleep(0.02)


class Announcing(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()


async def main() -> None:
    logging.disable()
    house = LLAMPHouse(
        agents=[Caller(id=ASSISTANT, model="scripted")], adapters=[AssistantAPIAdapter()]
    )
    config = uvicorn.Config(house.fastapi, host="127.0.0.1", port=0, log_config=None)
    await Announcing(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
