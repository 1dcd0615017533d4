// pi-ai.json: the request that pi-ai's Bedrock provider sends for a conversation, and the events that it makes of a
// response. Its client sends to a server on loopback, which this script runs.

import { writeFileSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { crc32 } from "node:zlib";
import { stream, streamSimple } from "@earendil-works/pi-ai/api/bedrock-converse-stream";
import { normalizeContext } from "@earendil-works/pi-ai/utils/transcript";

const into = process.argv[2];
const version = JSON.parse(readFileSync(new URL("package.json", import.meta.url))).dependencies["@earendil-works/pi-ai"];
Object.assign(process.env, {
  AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  AWS_BEDROCK_FORCE_HTTP1: "1",
  AWS_EC2_METADATA_DISABLED: "true",
});

// Models. Prices are made up.

const price = { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 };
const model = (id, name, more = {}) => ({
  id, name, api: "bedrock-converse-stream", provider: "amazon-bedrock", reasoning: true, input: ["text", "image"],
  cost: price, contextWindow: 200000, maxTokens: 64000, ...more,
});
const sonnet = model("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude Sonnet 4.5 (US)");
const sonnet46 = model("us.anthropic.claude-sonnet-4-6", "Claude Sonnet 4.6 (US)");
const opus47 = model("global.anthropic.claude-opus-4-7", "Claude Opus 4.7 (Global)");
const haiku3 = model("anthropic.claude-3-haiku-20240307-v1:0", "Claude Haiku 3", { reasoning: false, maxTokens: 4096 });
const nova = model("us.amazon.nova-lite-v1:0", "Nova Lite (US)", { reasoning: false, contextWindow: 300000, maxTokens: 10000 });
const gptOss = model("openai.gpt-oss-120b-1:0", "gpt-oss-120b", { input: ["text"], contextWindow: 128000, maxTokens: 16384 });
const profile = model("arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6", "Claude Sonnet 4.5 of the team");

// Parts of conversations.

const user = (content) => ({ role: "user", content, timestamp: 0 });
const text = (text) => ({ type: "text", text });
const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";
const image = (mimeType = "image/png") => ({ type: "image", data: png, mimeType });
const call = (id, name, args) => ({ type: "toolCall", id, name, arguments: args });
const thinking = (thinking, thinkingSignature, more = {}) => ({ type: "thinking", thinking, thinkingSignature, ...more });
const usage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 } };
const assistant = (content, more = {}) => ({
  role: "assistant", content, api: "bedrock-converse-stream", provider: "amazon-bedrock", model: sonnet.id, usage,
  stopReason: content.some((block) => block.type === "toolCall") ? "toolUse" : "stop", timestamp: 0, ...more,
});
const result = (toolCallId, toolName, content, isError = false) => ({ role: "toolResult", toolCallId, toolName, content, isError, timestamp: 0 });
const weather = {
  name: "weather", description: "The weather of a place",
  parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer", minimum: 1 } }, required: ["city"] },
};
const clock = { name: "clock", description: "The time", parameters: { type: "object", properties: {} } };
const strict = { ...weather, constrainedSampling: { type: "json_schema", strict: "require" } };
const other = { provider: "openai", api: "openai-responses", model: "gpt-5" };

// As agents ask: by `streamSimple`, which has a policy of its own for tokens and thinking. It drops some options;
// where one of them matters, `raw` is `stream`. `differs` names where pumice differs on purpose: the words of docs/differences.md.

const requests = [
  { name: "text alone", messages: [user("Hello")], options: { cacheRetention: "none" } },
  { name: "system prompt and cache points", systemPrompt: "Be brief.", messages: [user("Hello"), assistant([text("Hi.")]), user([text("And "), text("now?")])] },
  { name: "cache points for an hour", systemPrompt: "Be brief.", messages: [user("Hello")], tools: [weather], options: { cacheRetention: "long" }, differs: ["tools-cached"] },
  { name: "model without cache points", model: haiku3, systemPrompt: "Be brief.", messages: [user("Hello")], tools: [weather] },
  { name: "Nova", model: nova, systemPrompt: "Be brief.", messages: [user([text("What is this?"), image("image/jpeg")])], tools: [weather, clock], options: { maxTokens: 100, temperature: 0.5 }, differs: ["bytes"] },
  {
    name: "tools and results", tools: [weather, clock],
    messages: [
      user("Weather in Zürich and Bern?"),
      assistant([text("Let me see."), call("tooluse_1", "weather", { city: "Zürich", days: 2 }), call("tooluse_2", "weather", { city: "Bern", "": 1, nested: { "": 2, list: [null, 1.5, "x"] } })]),
      result("tooluse_1", "weather", [text("sunny"), image()]),
      result("tooluse_2", "weather", [text("no such place")], true),
      assistant([text("Sunny.")]),
      user("Thanks."),
    ],
    differs: ["tools-cached"],
  },
  {
    name: "images of a failed tool", tools: [weather],
    messages: [user("Go."), assistant([call("tooluse_1", "weather", {}), call("tooluse_2", "weather", {})]), result("tooluse_1", "weather", [text("broken"), image()], true), result("tooluse_2", "weather", [text("fine")])],
    differs: ["tools-cached"],
  },
  {
    name: "ids of another provider's calls", tools: [weather],
    messages: [user("Go."), assistant([call(`call_abc|fc_${"0123456789".repeat(8)}`, "weather", { city: "x" })], other), result(`call_abc|fc_${"0123456789".repeat(8)}`, "weather", [text("ok")]), user("On.")],
    differs: ["merged", "tools-cached"],
  },
  { name: "thinking goes back", messages: [user("a"), assistant([thinking("Because.", "c2ln"), text("b")]), user("c")], options: { reasoning: "low", maxTokens: 8000 }, differs: ["heeded"] },
  { name: "thinking of another provider", messages: [user("a"), assistant([thinking("Because.", "c2ln"), text("b")], other), user("c")] },
  { name: "thinking of another model", messages: [user("a"), assistant([thinking("Because.", "c2ln"), text("b")], { model: opus47.id }), user("c")] },
  { name: "thinking without a signature is text", messages: [user("a"), assistant([thinking("Because.", ""), text("b")]), user("c")] },
  { name: "redacted thinking", messages: [user("a"), assistant([thinking("[Reasoning redacted]", "AP+A", { redacted: true }), text("b")]), user("c")] },
  { name: "thinking by budget", messages: [user("Hello")], options: { reasoning: "medium", thinkingBudgets: { medium: 3000 } } },
  { name: "adaptive thinking", model: sonnet46, messages: [user("Hello")], options: { reasoning: "high" } },
  { name: "adaptive thinking beyond high", model: opus47, messages: [user("Hello")], options: { reasoning: "xhigh" } },
  { name: "effort of gpt-oss", model: gptOss, systemPrompt: "Be brief.", messages: [user("Hello")], options: { reasoning: "medium" } },
  { name: "images for a model that sees none", model: gptOss, messages: [user([text("What is this?"), image(), image()])] },
  { name: "nothing in the content", messages: [user("  \n"), assistant([text("a"), text(" ")]), user([text(""), text("\t")])] },
  { name: "a turn of white space is left out", messages: [user("a"), assistant([text(" ")]), user("b")], differs: ["merged"] },
  { name: "empty results", tools: [weather], messages: [user("Go."), assistant([call("tooluse_1", "weather", {})]), result("tooluse_1", "weather", [])], differs: ["tools-cached"] },
  { name: "call without a result", tools: [weather], messages: [user("Go."), assistant([call("tooluse_1", "weather", {})]), user("Stop.")], differs: ["merged", "tools-cached"] },
  { name: "answers that failed are left out", messages: [user("a"), assistant([text("par")], { stopReason: "error", errorMessage: "x" }), assistant([], { stopReason: "aborted" }), user("b")], differs: ["merged"] },
  { name: "halves of surrogate pairs", systemPrompt: "S\ud800.", messages: [user("a\udc00b \u{1f600} \ud83d"), assistant([text("\ud83dc")]), user("d")] },
  { name: "choice of any tool", messages: [user("Hello")], tools: [weather], options: { toolChoice: "any" }, differs: ["tools-cached"] },
  { name: "choice of one tool", messages: [user("Hello")], tools: [weather], options: { toolChoice: { type: "tool", name: "weather" }, cacheRetention: "none" } },
  { name: "choice of no tool", messages: [user("Hello")], tools: [weather], options: { toolChoice: "none" } },
  { name: "strict tool", model: { ...sonnet, compat: { supportsStrictMode: true } }, messages: [user("Hello")], tools: [strict], options: { cacheRetention: "none" }, differs: ["limits"] },
  { name: "metadata and headers", raw: true, messages: [user("Hello")], options: { requestMetadata: { team: "a" }, headers: { "x-team": "a", Authorization: "no", "X-Amz-Foo": "no" } } },
  { name: "inference profile with a name", model: profile, systemPrompt: "Be brief.", messages: [user("Hello")] },
  { name: "region of the options", raw: true, messages: [user("Hello")], options: { region: "eu-central-1", cacheRetention: "none" } },
  { name: "API key", messages: [user("Hello")], options: { apiKey: "bedrock-api-key-EXAMPLE", cacheRetention: "none" } },
  { name: "session token", messages: [user("Hello")], env: { AWS_ACCESS_KEY_ID: "ASIAEXAMPLE", AWS_SECRET_ACCESS_KEY: "s", AWS_SESSION_TOKEN: "FwoGexample", AWS_REGION: "ap-south-1" } },
];

// Responses.

function frame(headers, payload) {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(Buffer.byteLength(value));
    return Buffer.concat([Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), Buffer.from([7]), length, Buffer.from(value)]);
  }));
  const body = Buffer.from(payload);
  const whole = Buffer.alloc(16 + head.length + body.length);
  whole.writeUInt32BE(whole.length, 0);
  whole.writeUInt32BE(head.length, 4);
  whole.writeUInt32BE(crc32(whole.subarray(0, 8)), 8);
  head.copy(whole, 12);
  body.copy(whole, 12 + head.length);
  whole.writeUInt32BE(crc32(whole.subarray(0, -4)), whole.length - 4);
  return whole;
}

const framed = (key, type) => (name, payload) =>
  frame({ [key]: name, ":content-type": "application/json", ":message-type": type }, JSON.stringify(payload));
const event = framed(":event-type", "event");
const exception = framed(":exception-type", "exception");
const begin = event("messageStart", { role: "assistant" });
const start = (contentBlockIndex, toolUse) => event("contentBlockStart", { contentBlockIndex, start: { toolUse } });
const delta = (contentBlockIndex, delta) => event("contentBlockDelta", { contentBlockIndex, delta });
const stop = (contentBlockIndex) => event("contentBlockStop", { contentBlockIndex });
const end = (stopReason, usage = { inputTokens: 12, outputTokens: 7, totalTokens: 19 }) =>
  Buffer.concat([event("messageStop", { stopReason }), event("metadata", { usage, metrics: { latencyMs: 321 } })]);
const ok = (...frames) => ({
  status: 200, headers: { "content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "request-1" },
  body_base64: Buffer.concat(frames).toString("base64"),
});
const refusal = (status, code, message) => ({
  status, headers: { "content-type": "application/json", "x-amzn-errortype": code, "x-amzn-requestid": "request-2" }, body: JSON.stringify({ message }),
});
const said = ok(begin, delta(0, { text: "Hel" }), delta(0, { text: "lo." }), stop(0), end("end_turn"));

// `pumice` has the members, by JSON Pointer, in which pumice differs on purpose.

const answers = [
  { name: "text", server: [said] },
  { name: "two texts", server: [ok(begin, delta(0, { text: "é\u{1f600}" }), stop(0), delta(1, { text: "b" }), stop(1), end("stop_sequence"))] },
  { name: "thinking", server: [ok(begin, delta(0, { reasoningContent: { text: "Be" } }), delta(0, { reasoningContent: { text: "cause." } }), delta(0, { reasoningContent: { signature: "c2" } }), delta(0, { reasoningContent: { signature: "ln" } }), stop(0), delta(1, { text: "Yes." }), stop(1), end("end_turn"))] },
  { name: "redacted thinking", server: [ok(begin, delta(0, { reasoningContent: { redactedContent: "AP+A" } }), delta(0, { reasoningContent: { redactedContent: "AQI=" } }), stop(0), delta(1, { text: "Yes." }), stop(1), end("end_turn"))] },
  { name: "tools between each other", server: [ok(begin, start(0, { toolUseId: "tooluse_1", name: "weather" }), start(1, { toolUseId: "tooluse_2", name: "clock" }), delta(1, { toolUse: { input: "{" } }), delta(0, { toolUse: { input: "{\"city\": \"Zü" } }), delta(1, { toolUse: { input: "}" } }), stop(1), delta(0, { toolUse: { input: "rich\", \"days\": 2}" } }), stop(0), end("tool_use"))] },
  { name: "tool without arguments", server: [ok(begin, start(0, { toolUseId: "tooluse_1", name: "clock" }), delta(0, { toolUse: { input: "" } }), stop(0), end("tool_use"))] },
  { name: "arguments cut off", server: [ok(begin, start(0, { toolUseId: "tooluse_1", name: "weather" }), delta(0, { toolUse: { input: "{\"city\": \"Zür" } }), stop(0), end("max_tokens"))] },
  { name: "tokens of the cache", server: [ok(begin, delta(0, { text: "x" }), stop(0), end("end_turn", { inputTokens: 1000, outputTokens: 200, totalTokens: 4200, cacheReadInputTokens: 2000, cacheWriteInputTokens: 1000, cacheDetails: [{ ttl: "1h", inputTokens: 400 }, { ttl: "5m", inputTokens: 600 }] }))] },
  { name: "nothing said", server: [ok(begin, end("end_turn"))] },
  { name: "window exceeded", server: [ok(begin, delta(0, { text: "x" }), stop(0), end("model_context_window_exceeded"))] },
  { name: "refused by the model", server: [ok(begin, delta(0, { text: "No" }), stop(0), end("refusal"))] },
  { name: "guardrail", server: [ok(begin, delta(0, { text: "Blocked." }), stop(0), end("guardrail_intervened"))] },
  { name: "reason that is new", server: [ok(begin, delta(0, { text: "x" }), stop(0), end("a_new_reason"))] },
  { name: "exception between events", server: [ok(begin, delta(0, { text: "Hel" }), exception("serviceUnavailableException", { message: "Try again" }))] },
  { name: "model fails between events", server: [ok(begin, delta(0, { text: "Hel" }), exception("internalServerException", { message: "Something failed" }))] },
  { name: "invalid request", server: [refusal(400, "ValidationException", "Input is too long for requested model.")] },
  { name: "access denied", server: [refusal(403, "AccessDeniedException", "You don't have access to the model with the specified model ID.")] },
  { name: "throttled once", server: [refusal(429, "ThrottlingException", "Too many requests"), said] },
];

// The server: what it was asked, and what it says next.

let received = [];
let sending = [];
const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    received.push({ method: request.method, url: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(chunks)) });
    const answer = sending.length > 1 ? sending.shift() : sending[0];
    response.writeHead(answer.status, answer.headers);
    response.end(answer.body_base64 === undefined ? answer.body : Buffer.from(answer.body_base64, "base64"));
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

async function run({ raw = false, model: asked = sonnet, systemPrompt, messages = [user("Hello")], tools, options = {}, env }, answers) {
  const context = { ...(systemPrompt !== undefined && { systemPrompt }), messages, ...(tools && { tools }) };
  const input = { model: asked, context, options: { ...options, ...(env && { env }) } };
  received = [];
  sending = [...answers];
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  // A copy, for what is given is kept as it was.
  const given = structuredClone(input);
  const events = [];
  for await (const { partial, message, error, ...event } of (raw ? stream : streamSimple)({ ...given.model, baseUrl }, normalizeContext(given.context), given.options)) {
    events.push(structuredClone(event));
    if (message ?? error) events.last = structuredClone(message ?? error);
  }
  const { options: { env: variables = {}, ...rest } } = input;
  return { input: { model: asked, context, options: rest, env: variables }, events, last: events.last };
}

// Whose signature it is and for which region; the date is today's.
function authorization(header) {
  const [, credential] = header.split("Credential=");
  if (credential === undefined) return header;
  const [key, , region] = credential.split("/");
  return `${key} in ${region}`;
}

const cases = { requests: [], answers: [] };
for (const { name, differs = [], ...settings } of requests) {
  const { input } = await run(settings, [said]);
  if (received.length !== 1) throw new Error(`${name}: ${received.length} requests`);
  const [{ method, url, headers, body }] = received;
  const kept = ["content-type", "x-team", "x-amz-security-token"].filter((header) => headers[header] !== undefined);
  const request = { method, url, authorization: authorization(headers.authorization), headers: Object.fromEntries(kept.map((header) => [header, headers[header]])), body };
  cases.requests.push({ name, differs, input, request });
}
for (const { name, server, pumice = {}, ...settings } of answers) {
  const { input, events, last } = await run(settings, server);
  const { content, usage, stopReason, rawStopReason, errorMessage, diagnostics } = last;
  for (const diagnostic of diagnostics ?? []) delete diagnostic.timestamp;
  cases.answers.push({ name, pumice, input, server, attempts: received.length, events: [...events], result: { content, usage, stopReason, rawStopReason, errorMessage, diagnostics } });
}
server.close();
server.closeAllConnections();

const ascii = (value) => JSON.stringify(value).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
const lists = Object.entries(cases).map(([name, list]) => ` "${name}": [\n${list.map((item) => `  ${ascii(item)}`).join(",\n")}\n ]`);
const written = `{\n "made_with": "@earendil-works/pi-ai ${version}",\n${lists.join(",\n")}\n}\n`;
writeFileSync(path.join(into, "pi-ai.json"), written);
console.log(`${path.join(into, "pi-ai.json")}: ${written.length} bytes, ${cases.requests.length} requests, ${cases.answers.length} answers`);
process.exit(0);
