// The forms of `pumice stream` and `pumice stream --session`, protocol 1. docs/stream.md says what they mean.

/** Standard input of `pumice stream`. */
export interface Input {
  model: Model;
  context: Context;
  options?: Options | null;
}

/** A line of standard input of `pumice stream --session`. */
export type SessionInput = (Input & { id: Id }) | { id: Id; abort: true };

/** Yours. It is free again after the conversation's last event. */
export type Id = string | number;

export interface Model {
  /** A model's or inference profile's id, an ARN or an alias; "" takes the model of the settings. */
  id: string;
  name?: string;
  reasoning?: boolean;
  input?: ("text" | "image")[];
  contextWindow?: number;
  maxTokens?: number;
  cost?: Cost;
  headers?: Record<string, string | null>;
  baseUrl?: string;
  compat?: { supportsStrictMode?: boolean };
  thinkingLevelMap?: Record<string, string | null>;
  api?: string;
  provider?: string;
}

/** US dollars per million tokens. */
export interface Cost {
  input?: number;
  output?: number;
  cacheRead?: number;
  cacheWrite?: number;
  tiers?: (Omit<Cost, "tiers" | "serviceTiers"> & { inputTokensAbove: number })[];
  serviceTiers?: Record<string, { input?: number; output?: number }>;
}

export interface Context {
  systemPrompt?: string;
  messages?: Message[];
  tools?: Tool[];
}

export type Message = UserMessage | AssistantMessage | ToolResultMessage | SystemMessage;

export interface UserMessage {
  role: "user";
  content: string | (TextContent | ImageContent | DocumentContent)[];
  timestamp?: number;
}

export interface ToolResultMessage {
  role: "toolResult";
  toolCallId: string;
  toolName?: string;
  content?: string | (TextContent | ImageContent | DocumentContent)[];
  isError?: boolean;
  timestamp?: number;
}

export interface SystemMessage {
  role: "system";
  content: string | TextContent[];
  timestamp?: number;
}

export interface TextContent {
  type: "text";
  text: string;
  /** In the API's form. */
  citations?: unknown[];
}

export interface ThinkingContent {
  type: "thinking";
  thinking: string;
  thinkingSignature?: string;
  redacted?: boolean;
}

export interface ToolCall {
  type: "toolCall";
  id: string;
  name: string;
  arguments: Record<string, unknown>;
  /** What is wrong with the arguments, and the text that came; `arguments` is then `{}`. */
  argumentsError?: string;
}

export interface ImageContent {
  type: "image";
  /** In base64. */
  data: string;
  mimeType: string;
}

export interface DocumentContent {
  type: "document";
  /** In base64. */
  data: string;
  mimeType: string;
  name?: string;
  citations?: boolean;
}

export interface Tool {
  name: string;
  description?: string;
  /** A JSON schema of an object. */
  parameters?: Record<string, unknown>;
  constrainedSampling?: { type: "json_schema"; strict: "prefer" | "require" };
}

export interface Options {
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  stopSequences?: string[];
  toolChoice?: "auto" | "any" | "required" | "none" | { type: "tool"; name: string };
  systemTools?: string[];
  reasoning?: "off" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";
  thinkingBudgets?: Record<string, number>;
  interleavedThinking?: boolean;
  thinkingDisplay?: "summarized" | "omitted";
  cacheRetention?: "none" | "short" | "long";
  outputConfig?: Record<string, unknown>;
  additionalModelRequestFields?: Record<string, unknown>;
  betas?: string[];
  performanceConfig?: { latency: "standard" | "optimized" };
  requestMetadata?: Record<string, string>;
  guardrailConfig?: {
    guardrailIdentifier: string;
    guardrailVersion: string;
    trace?: string;
    streamProcessingMode?: string;
  };
  serviceTier?: string;
  sessionId?: string;
  region?: string;
  profile?: string;
  project?: string;
  bearerToken?: string;
  apiKey?: string;
  headers?: Record<string, string | null>;
  repairHistory?: boolean;
  repair?: boolean;
  omitOldMedia?: boolean;
  families?: Record<string, unknown>[];
}

/** What the model said. Append it to `context.messages` as it came. */
export interface AssistantMessage {
  role: "assistant";
  content: (TextContent | ThinkingContent | ToolCall)[];
  otherContent?: { contentIndex: number; block: unknown }[];
  api?: string;
  provider?: string;
  model?: string;
  usage?: Usage;
  stopReason?: "stop" | "length" | "toolUse" | "error" | "aborted";
  rawStopReason?: string;
  errorMessage?: string;
  diagnostics?: Diagnostic[];
  trace?: unknown;
  additionalModelResponseFields?: unknown;
  /** In milliseconds since 1970. */
  timestamp?: number;
}

export interface Usage {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  cacheWrite1h?: number;
  totalTokens: number;
  /** In US dollars. */
  cost: { input: number; output: number; cacheRead: number; cacheWrite: number; total: number };
}

export interface Diagnostic {
  type: string;
  timestamp?: number;
  details?: {
    status?: number;
    errorCode?: string;
    requestId?: string;
    originalStatusCode?: number;
    originalMessage?: string;
  };
}

/** A line of standard output of `pumice stream`. The last is `done` or `error`. */
export type Event =
  | { type: "start" }
  | { type: "text_start" | "thinking_start" | "toolcall_start"; contentIndex: number }
  | { type: "text_delta" | "thinking_delta" | "toolcall_delta"; contentIndex: number; delta: string }
  | { type: "text_end" | "thinking_end"; contentIndex: number; content: string }
  | { type: "toolcall_end"; contentIndex: number; toolCall: ToolCall }
  | { type: "done"; reason: "stop" | "length" | "toolUse"; message: AssistantMessage }
  | ErrorEvent;

export interface ErrorEvent {
  type: "error";
  reason: "error" | "aborted";
  /** The message as far as it came, with `errorMessage`. */
  error: AssistantMessage;
}

/** A line of standard output of `pumice stream --session`. The first is `hello`. */
export type SessionEvent =
  | { type: "hello"; version: string; protocol: number }
  | (Exclude<Event, ErrorEvent> & { id: Id })
  | SessionErrorEvent;

export interface SessionErrorEvent extends ErrorEvent {
  /** Absent for a line of input that has no conversation of its own. */
  id?: Id;
  kind: ErrorKind;
  /** Whether the same line can succeed a little later. */
  retryable: boolean;
  /** How long the service asks to wait. */
  retryAfterMs?: number;
}

export type ErrorKind =
  | "aborted"
  | "stopReason"
  | "invalidInput"
  | "recording"
  | "credentials"
  | "accessDenied"
  | "validation"
  | "notFound"
  | "quotaExceeded"
  | "modelError"
  | "modelTimeout"
  | "modelNotReady"
  | "throttled"
  | "internal"
  | "unavailable"
  | "connect"
  | "timeout"
  | "brokenOff"
  | "damaged"
  | "service";
