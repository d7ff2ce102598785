// aimock, a third-party mock of OpenAI's API, as a model that calls what it is told.
//
// Run by Node in a folder that has @copilotkit/aimock; prints its port. A user message is a JSON
// list of {"name", "arguments"}: all are asked for at once. Results, and an empty list, are answered
// with all results so far.

import { createRequire } from "node:module";

const { LLMock } = createRequire(`${process.cwd()}/`)("@copilotkit/aimock");

function text(content) {
  return typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
}

function results({ messages }) {
  const outputs = messages.filter((message) => message.role === "tool");
  return { content: outputs.map((message) => text(message.content)).join("; ") || "no results" };
}

function calls(request) {
  const wanted = JSON.parse(text(request.messages.at(-1).content));
  return wanted.length ? { toolCalls: wanted } : results(request);
}

const mock = new LLMock({ host: "127.0.0.1", port: 0, chunkSize: 6 });
mock.on({ predicate: ({ messages }) => messages.at(-1).role === "user" }, calls);
mock.on({ predicate: ({ messages }) => messages.at(-1).role === "tool" }, results);
await mock.start();
console.log(mock.port);
