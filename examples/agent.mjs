// An agent in Node, without packages: conversations at once in one `pumice stream --session`, each with a tool.
//
//     node examples/agent.mjs "When did Krakatoa erupt?" "And Vesuvius?"
//
// PUMICE names the program, and PUMICE_FLAGS its flags, such as --replay FILE. The model is that of PUMICE_MODEL or of
// the settings. docs/stream.md describes the protocol, docs/stream.d.ts its types.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** @typedef {import("../docs/stream.d.ts").SessionEvent} SessionEvent */

const model = { id: "", reasoning: true, maxTokens: 64000 };
const tools = [{
  name: "list_eruptions",
  description: "Lists the eruptions of a volcano.",
  parameters: {
    type: "object",
    properties: { name: { type: "string" }, since: { type: "integer" } },
    required: ["name"],
  },
}];

/** Runs a tool. A fault in the arguments goes back to the model, which tries again. */
function run(call) {
  if (call.argumentsError) return { content: call.argumentsError, isError: true };
  return { content: `${call.arguments.name} erupted in 1883.`, isError: false };
}

const flags = (process.env.PUMICE_FLAGS ?? "").split(" ").filter(Boolean);
const pumice = spawn(process.env.PUMICE ?? "pumice", ["stream", "--session", ...flags], {
  stdio: ["pipe", "pipe", "inherit"],
});
pumice.on("exit", (code) => (process.exitCode ||= code ?? 1));
const ask = (id, messages) =>
  pumice.stdin.write(`${JSON.stringify({ id, model, context: { messages, tools } })}\n`);

const questions = process.argv.length > 2 ? process.argv.slice(2) : ["When did Krakatoa erupt?"];
const conversations = new Map(
  questions.map((content, n) => [String(n), [{ role: "user", content }]]),
);
for (const [id, messages] of conversations) ask(id, messages);

for await (const line of createInterface({ input: pumice.stdout })) {
  /** @type {SessionEvent} */
  const event = JSON.parse(line);
  if (event.type === "hello") {
    if (event.protocol !== 1) throw new Error(`expected protocol 1, found ${event.protocol}`);
  } else if (event.type === "text_end") {
    console.log(`${event.id}: ${event.content}`);
  } else if (event.type === "error") {
    console.error(`${event.id}: ${event.kind}: ${event.error.errorMessage}`);
    process.exitCode = 1;
    conversations.delete(event.id);
  } else if (event.type === "done") {
    const messages = conversations.get(event.id);
    // Unchanged: its thinking is signed.
    messages.push(event.message);
    const calls = event.message.content.filter((block) => block.type === "toolCall");
    for (const call of calls) {
      const result = run(call);
      console.log(`${event.id}: [${call.name}: ${result.content}]`);
      messages.push({ role: "toolResult", toolCallId: call.id, toolName: call.name, ...result });
    }
    if (calls.length > 0) ask(event.id, messages);
    else conversations.delete(event.id);
  }
  if (conversations.size === 0) pumice.stdin.end();
}
