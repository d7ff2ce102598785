// One request of one client that knows nothing of Callgate: `reach.mjs CLIENT`.
//
// Asks `$OPENAI_BASE_URL/models` and prints the runtime's version and the gate's header, if any.
// Run in a folder with node_modules.

import https from "node:https";
import { createRequire } from "node:module";
import process from "node:process";

const require = createRequire(`${process.cwd()}/`);
const url = `${process.env.OPENAI_BASE_URL}/models`;

const CLIENTS = {
  fetch: async () => (await fetch(url)).headers.get("callgate-mode"),
  openai: async () => {
    const { default: OpenAI } = require("openai");
    const { response } = await new OpenAI({ maxRetries: 0 }).models.list().withResponse();
    return response.headers.get("callgate-mode");
  },
  https: () =>
    new Promise((resolve, reject) => {
      const asked = https.get(url, (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.headers["callgate-mode"] ?? null));
      });
      asked.on("error", reject);
    }),
};

const version = process.versions.bun ?? process.versions.deno ?? process.versions.node;
const mode = await CLIENTS[process.argv[2]]();
console.log(JSON.stringify({ version, mode }));
process.exit(0);
