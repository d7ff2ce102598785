// Apps that know nothing of Callgate: tool loops with openai-node.
//
// Run in a folder with node_modules. Standard input: lines {"api", "streamed", "message",
// "base_url", "assistant"}, each a conversation; `api` is `chat`, `tools` (the SDK's own loop),
// `responses` or `assistants`. Prints for each what `app.py` prints, and how many requests it took.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.cwd()}/`);
const { default: OpenAI, APIError } = require("openai");
const { EnvHttpProxyAgent, setGlobalDispatcher } = require("undici");

setGlobalDispatcher(new EnvHttpProxyAgent()); // Node 20's own fetch reads no proxy variable

const model = "gpt-x";
const NAMES = ["get_weather", "get_time", "run_shell", "refund_order", "send_message"];

const say = (event, facts) => console.log(JSON.stringify({ event, ...facts }));
const ran = (call) => `ran ${call.name} ${call.arguments}`;

async function chat(client, message, isStreamed) {
  const messages = [{ role: "user", content: message }];
  const tools = NAMES.map((name) => ({ type: "function", function: { name } }));
  for (;;) {
    const asked = { model, messages, tools };
    const completion = isStreamed
      ? await client.chat.completions.stream(asked).finalChatCompletion()
      : await client.chat.completions.create(asked);
    const told = completion.choices[0].message;
    messages.push(told);
    if (!told.tool_calls?.length) return told.content;
    say("calls", { calls: told.tool_calls.map((call) => ({ id: call.id, ...call.function })) });
    for (const call of told.tool_calls) {
      messages.push({ role: "tool", tool_call_id: call.id, content: ran(call.function) });
    }
  }
}

async function tools(client, message, isStreamed) {
  const runnable = (name) => ({
    type: "function",
    function: {
      name,
      parameters: { type: "object" },
      function: (given) => {
        say("calls", { calls: [{ name, arguments: given }] });
        return ran({ name, arguments: given });
      },
    },
  });
  const runner = client.chat.completions.runTools({
    model,
    messages: [{ role: "user", content: message }],
    tools: NAMES.map(runnable),
    stream: isStreamed,
  });
  return await runner.finalContent();
}

async function responses(client, message, isStreamed) {
  let asked = { model, input: message };
  for (;;) {
    const answer = isStreamed
      ? await client.responses.stream(asked).finalResponse()
      : await client.responses.create(asked);
    const calls = answer.output.filter((item) => item.type === "function_call");
    if (!calls.length) return answer.output_text;
    say("calls", { calls: calls.map((call) => ({ ...call, id: call.call_id })) });
    const input = calls.map((call) => ({
      type: "function_call_output",
      call_id: call.call_id,
      output: ran(call),
    }));
    asked = { model, input, previous_response_id: answer.id };
  }
}

async function assistants(client, message, isStreamed, assistant_id) {
  const { threads } = client.beta;
  const thread = await threads.create({ messages: [{ role: "user", content: message }] });
  const often = { pollIntervalMs: 50 };
  let run = isStreamed
    ? await threads.runs.stream(thread.id, { assistant_id }).finalRun()
    : await threads.runs.createAndPoll(thread.id, { assistant_id }, often);
  while (run.status === "requires_action") {
    const calls = run.required_action.submit_tool_outputs.tool_calls;
    say("calls", { calls: calls.map((call) => ({ id: call.id, ...call.function })) });
    const given = {
      thread_id: thread.id,
      tool_outputs: calls.map((call) => ({ tool_call_id: call.id, output: ran(call.function) })),
    };
    run = isStreamed
      ? await threads.runs.submitToolOutputsStream(run.id, given).finalRun()
      : await threads.runs.submitToolOutputsAndPoll(run.id, given, often);
  }
  const page = await threads.messages.list(thread.id, { order: "desc", limit: 1 });
  return page.data[0].content[0].text.value;
}

const APIS = { chat, tools, responses, assistants };

for await (const line of createInterface({ input: process.stdin })) {
  const { api, streamed, message, base_url: baseURL, assistant } = JSON.parse(line);
  let requests = 0;
  const counting = (...given) => {
    requests += 1;
    return fetch(...given);
  };
  const client = new OpenAI({ baseURL, fetch: counting });
  try {
    const text = await APIS[api](client, message, streamed === "streamed", assistant);
    say("end", { status: "completed", texts: [text], requests });
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const { status, code, param, message } = error;
    say("error", { kind: error.constructor.name, status, code, param, message, requests });
  }
}
