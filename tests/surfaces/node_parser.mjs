// What openai-node hands to an app of given streams. Run in a folder with node_modules.
//
// Standard input: lines {"api", "streams": [[chunk in base64, …], …]}; standard output: for each a
// line, a list of what each stream gave: {"calls": [{"name", "arguments", "isEarly"}], "error"}.
// An early call is told while the stream still goes on; pieces of it may yet come.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { default: OpenAI } = createRequire(`${process.cwd()}/`)("openai");
console.error = () => {}; // the SDK says there what it can not read

function clientOf(chunks) {
  const body = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(Buffer.from(chunk, "base64"));
      controller.close();
    },
  });
  const headers = { "content-type": "text/event-stream" };
  return new OpenAI({
    apiKey: "x",
    logLevel: "off",
    fetch: async () => new Response(body, { headers }),
  });
}

const APIS = {
  async chat(client, tell) {
    const stream = client.chat.completions.stream({ model: "m", messages: [] });
    stream.on("tool_calls.function.arguments.done", (call) => tell(call, true));
    const completion = await stream.finalChatCompletion();
    for (const { message } of completion.choices) {
      for (const call of message.tool_calls ?? []) tell(call.function ?? call);
      if (message.function_call) tell(message.function_call);
    }
  },

  async responses(client, tell) {
    const tellItem = (item) => {
      if (item.type === "function_call") tell(item);
      if (item.type === "custom_tool_call") {
        tell({ name: item.name, arguments: JSON.stringify({ input: item.input }) });
      }
    };
    const stream = client.responses.stream({ model: "m", input: "hi" });
    stream.on("response.output_item.done", (event) => tellItem(event.item));
    (await stream.finalResponse()).output.forEach(tellItem);
  },

  async assistants(client, tell) {
    const tellItem = (isEarly) => (call) => {
      if (call?.function) tell(call.function, isEarly);
    };
    const stream = client.beta.threads.runs.stream("thread_1", { assistant_id: "asst_1" });
    stream.on("toolCallDone", tellItem(true));
    stream.on("runStepDone", (step) => step.step_details?.tool_calls?.forEach(tellItem(false)));
    stream.on("event", ({ event, data }) => {
      if (event !== "thread.run.requires_action") return;
      data.required_action?.submit_tool_outputs?.tool_calls?.forEach(tellItem(false));
    });
    await stream.finalRun();
  },
};

async function read(api, chunks) {
  const calls = [];
  const tell = ({ name, arguments: given }, isEarly = false) => {
    calls.push({ name, arguments: given, isEarly });
  };
  try {
    await APIS[api](clientOf(chunks), tell);
    return { calls, error: null };
  } catch (error) {
    return { calls, error: String(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { api, streams } = JSON.parse(line);
  const told = await Promise.all(streams.map((chunks) => read(api, chunks)));
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
