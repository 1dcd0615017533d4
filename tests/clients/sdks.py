"""OpenAI's, Anthropic's and AWS's own SDKs on the gateway.

usage: sdks.py PROGRAM FIXTURES [CAPTURES]

Prints a line for each check; the exit code says whether all hold. FIXTURES is a folder of recordings, CAPTURES one of
bodies of ConverseStream.
"""

import base64
import http.client
import importlib.util
import json
import os
import pathlib
import struct
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import loopback
from loopback import SIGNATURE, Bedrock, Gateway, Turn, check, equal

PROGRAM, FIXTURES = sys.argv[1], pathlib.Path(sys.argv[2])
CAPTURES = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
USER = [{"role": "user", "content": "Hi"}]
TURNS = [{"role": "user", "content": [{"text": "Hi"}]}]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
has = {name: importlib.util.find_spec(name) is not None for name in ["openai", "anthropic", "boto3"]}


# What a recording holds, read without the project's own code.


def frames(data):
    """The frames of an event stream: the kind and the payload of each. An exception has another kind than an event."""
    found = []
    while len(data) >= 16:
        length, head = struct.unpack(">II", data[:8])
        headers, at, rest = {}, 0, data[12 : 12 + head]
        while at < len(rest):
            end = at + 1 + rest[at]
            size = int.from_bytes(rest[end + 1 : end + 3], "big")
            headers[rest[at + 1 : end].decode()] = rest[end + 3 : end + 3 + size].decode()
            at = end + 3 + size
        kind = headers.get(":event-type") or headers.get(":exception-type")
        found.append((kind, json.loads(data[12 + head : length - 4])))
        data = data[length:]
    return found


class Recording:
    """A recording: its file, and the last response in it."""

    def __init__(self, path):
        self.path, self.name = path, path.stem
        self.requests, chunks, self.responses, self.faults = [], {}, {}, {}
        for line in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(line)
            if "request" in line:
                self.requests.append(line["request"])
            elif "response" in line:
                self.responses[line["response"]["exchange"]] = line["response"]
            elif "chunk" in line:
                chunk = line["chunk"]
                data = base64.b64decode(chunk["base64"]) if "base64" in chunk else chunk["text"].encode()
                chunks[chunk["exchange"]] = chunks.get(chunk["exchange"], b"") + data
            elif "end" in line:
                self.faults[line["end"]["exchange"]] = line["end"].get("fault")
        last = self.requests[-1]
        self.operation, exchange = last["operation"], last["exchange"]
        self.body, self.status = chunks.get(exchange, b""), self.responses[exchange]["status"]
        self.fault = self.faults.get(exchange)
        self.model = urllib.parse.unquote(last["url"].split("/model/")[1].split("/")[0])

    @classmethod
    def of_capture(cls, path, folder):
        """A recording made of a capture."""
        model = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["model"]
        url = f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{model.replace(':', '%3A')}/converse-stream"
        request = {"exchange": 1, "operation": "ConverseStream", "method": "POST", "url": url, "headers": {}}
        headers = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "of-a-capture"}
        chunk = {"exchange": 1, "afterMs": 0, "base64": base64.b64encode(path.read_bytes()).decode()}
        lines = [
            {"recording": {"version": 1}},
            {"request": {**request, "json": {"messages": TURNS}}},
            {"response": {"exchange": 1, "afterMs": 0, "status": 200, "headers": headers}},
            {"chunk": chunk},
            {"end": {"exchange": 1, "afterMs": 0}},
        ]
        made = pathlib.Path(folder) / (path.stem + ".jsonl")
        made.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return cls(made)

    def header(self, name):
        return next(reversed(self.responses.values()))["headers"].get(name)

    def fails(self):
        """Whether the response is an error, or none that is complete."""
        return self.status != 200 or "ConverseStream" == self.operation and not self.is_complete()

    def is_complete(self):
        try:
            return not self.fault and frames(self.body)[-1][0] == "metadata"
        except (ValueError, struct.error):
            return False

    def blocks(self):
        """The blocks of the response, its stop reason, its usage."""
        if self.operation == "Converse":
            whole = json.loads(self.body)
            content = whole["output"]["message"]["content"]
            return [{"text": block["text"]} for block in content], whole["stopReason"], whole["usage"]
        blocks, stop, usage = {}, None, {}
        for kind, event in frames(self.body):
            block = blocks.setdefault(event["contentBlockIndex"], {}) if "contentBlockIndex" in event else None
            if kind == "contentBlockStart":
                block.update({name: {**start, "input": ""} for name, start in event["start"].items()})
            elif kind == "contentBlockDelta":
                delta = event["delta"]
                if "text" in delta:
                    block["text"] = block.get("text", "") + delta["text"]
                elif "toolUse" in delta:
                    block["toolUse"]["input"] += delta["toolUse"]["input"]
                elif "citation" in delta:
                    block.setdefault("citations", []).append(delta["citation"])
                for name, value in delta.get("reasoningContent", {}).items():
                    block[name] = block.get(name, "") + value
            elif kind == "messageStop":
                stop = event["stopReason"]
            elif kind == "metadata":
                usage = event["usage"]
            if block is not None and "text" in block and kind == "contentBlockDelta":
                if "reasoningContent" in event["delta"]:
                    block["is_thought"] = True
        return [blocks[index] for index in sorted(blocks)], stop, usage


class Expected:
    """What an SDK must find."""

    def __init__(self, recording):
        blocks, self.stop, usage = recording.blocks()
        tools = [block["toolUse"] for block in blocks if "toolUse" in block]
        self.tools = [
            (tool["toolUseId"], tool["name"], arguments(tool["input"]))
            for tool in tools
            if tool.get("type") != "server_tool_use"
        ]
        said = [block for block in blocks if "text" in block and not block.get("is_thought")]
        self.text = "".join(block["text"] for block in said)
        thoughts = [block for block in blocks if block.get("is_thought") or "signature" in block]
        self.thinking = "".join(block.get("text", "") for block in thoughts)
        self.signatures = [block["signature"] for block in thoughts if "signature" in block]
        self.redacted = [block["redactedContent"] for block in blocks if "redactedContent" in block]
        self.citations = [len(block["citations"]) for block in blocks if "citations" in block]
        self.output = usage["outputTokens"]
        self.fresh = usage["inputTokens"]
        self.read, self.written = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
        self.input = self.fresh + self.read + self.written


def arguments(text):
    """The arguments of a call: an object, or the text that is none because it was cut off."""
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


FINISH = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls", "max_tokens": "length"}
FINISH.update({"guardrail_intervened": "content_filter", "content_filtered": "content_filter"})
# What Anthropic's form calls the stop reasons that it does not have.
STOP = {"guardrail_intervened": "refusal", "content_filtered": "refusal"}


def chat(client, model, stream, turns=USER):
    """What OpenAI's SDK finds in chat completions."""
    if not stream:
        answer = client.chat.completions.create(model=model, messages=turns)
        choice, usage = answer.choices[0], answer.usage
        message, finish = choice.message, choice.finish_reason
        calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []]
        text, thinking = message.content or "", getattr(message, "reasoning_content", None) or ""
        blocks = getattr(message, "thinking_blocks", None) or []
    else:
        text, thinking, blocks, tools, finish, usage = "", "", [], {}, None, None
        options = {"include_usage": True}
        for chunk in client.chat.completions.create(model=model, messages=turns, stream=True, stream_options=options):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                thinking += getattr(choice.delta, "reasoning_content", None) or ""
                blocks += getattr(choice.delta, "thinking_blocks", None) or []
                finish = choice.finish_reason or finish
                for call in choice.delta.tool_calls or []:
                    known = tools.setdefault(call.index, ["", "", ""])
                    known[0] += call.id or ""
                    known[1] += call.function.name or ""
                    known[2] += call.function.arguments or ""
        calls = [tuple(tools[index]) for index in sorted(tools)]
    return {
        "text": text,
        "thinking": thinking,
        "signatures": [block["signature"] for block in blocks if block.get("signature")],
        "redacted": [block["data"] for block in blocks if block["type"] == "redacted_thinking"],
        "tools": [(id, name, arguments(given)) for id, name, given in calls],
        "stop": finish,
        "usage": usage and (usage.prompt_tokens, usage.completion_tokens),
        "cached": usage and usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens,
    }


class Failed(Exception):
    """A response whose status is that it failed: the SDK raises nothing."""


def responses(client, model, stream, input="Hi"):
    """What OpenAI's SDK finds in responses, and the items of it."""
    asked = {"model": model, "input": input, "store": False, "include": ["reasoning.encrypted_content"]}
    if stream:
        shown, answer = "", None
        for event in client.responses.create(**asked, stream=True):
            shown += event.delta if event.type == "response.output_text.delta" else ""
            answer = getattr(event, "response", answer)
        assert answer.status == "failed" or shown == answer.output_text, f"found {shown!r} in the deltas"
    else:
        answer = client.responses.create(**asked)
    if answer.status == "failed":
        raise Failed(answer.error)
    calls = [item for item in answer.output if item.type == "function_call"]
    thoughts = [item for item in answer.output if item.type == "reasoning"]
    found = {
        "text": answer.output_text,
        "thinking": "".join(part.text for item in thoughts for part in item.summary),
        "encrypted": any(item.encrypted_content for item in thoughts),
        "tools": [(call.call_id, call.name, arguments(call.arguments)) for call in calls],
        "stop": answer.incomplete_details.reason if answer.incomplete_details else answer.status,
        "usage": answer.usage and (answer.usage.input_tokens, answer.usage.output_tokens),
        "cached": answer.usage and answer.usage.input_tokens_details.cached_tokens,
    }
    return found, [item.model_dump(exclude_none=True) for item in answer.output]


def messages(client, model, stream):
    """What Anthropic's SDK finds in messages, and the content of it."""
    asked = {"model": model, "max_tokens": 4096, "messages": USER}
    if stream:
        with client.messages.stream(**asked) as arriving:
            answer = arriving.get_final_message()
    else:
        answer = client.messages.create(**asked)
    of = {}
    for block in answer.content:
        of.setdefault(block.type, []).append(block)
    usage = answer.usage
    found = {
        "text": "".join(block.text for block in of.get("text", [])),
        "thinking": "".join(block.thinking for block in of.get("thinking", [])),
        "signatures": [block.signature for block in of.get("thinking", []) if block.signature],
        "redacted": [block.data for block in of.get("redacted_thinking", [])],
        "tools": [(block.id, block.name, block.input) for block in of.get("tool_use", [])],
        "stop": answer.stop_reason,
        "usage": (usage.input_tokens, usage.output_tokens),
        "cached": (usage.cache_read_input_tokens, usage.cache_creation_input_tokens),
        "citations": [len(block.citations) for block in of.get("text", []) if block.citations],
    }
    return found, [block.model_dump(exclude_none=True) for block in answer.content]


def native(gateway, recording):
    """Whether boto3 finds what was recorded, each event and each of its members."""
    client = gateway.boto3()
    if recording.operation == "Converse":
        return within(plain(client.converse(modelId=recording.model, messages=TURNS)), json.loads(recording.body), "")
    found = client.converse_stream(modelId=recording.model, messages=TURNS)["stream"]
    found = [(kind, plain(value)) for event in found for kind, value in event.items()]
    expected = frames(recording.body)
    assert [kind for kind, _ in found] == [kind for kind, _ in expected]
    return all(within(value, frame, kind) for (kind, value), (_, frame) in zip(found, expected))


def within(found, expected, at):
    """Whether all that was recorded is found. Members that the SDK does not know are left out by it."""
    if isinstance(expected, dict):
        unknown = {"p", "serverToolUsage", "cacheReadInputTokenCount", "cacheWriteInputTokenCount"}
        for name in expected.keys() - unknown:
            assert name in found, f"{at}.{name} is missing in {found}"
            within(found[name], expected[name], f"{at}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{at}: expected {len(expected)}, found {len(found)}"
        for index, value in enumerate(expected):
            within(found[index], value, f"{at}[{index}]")
    else:
        assert found == expected, f"{at}: expected {expected!r}, found {found!r}"
    return True


def exact(gateway, recording):
    """Whether the body of the response is the recorded one, byte for byte."""
    operation = {"ConverseStream": "converse-stream", "Converse": "converse", "InvokeModel": "invoke"}
    url = f"{gateway.url}/model/{recording.model}/{operation[recording.operation]}"
    head = {"authorization": f"Bearer {loopback.KEY}", "content-type": "application/json"}
    request = urllib.request.Request(url, b"{}", head)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return equal(response.read(), recording.body)
    except urllib.error.HTTPError as refusal:
        return equal((refusal.code, refusal.read()), (recording.status, recording.body))
    except http.client.IncompleteRead as broken:
        return equal(broken.partial, recording.body)


def plain(value):
    """A value with bytes in base64, as it is on the wire."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def recorded(recording):
    """A recording in each dialect, whole and streamed, and in Bedrock's own form."""
    with Gateway(PROGRAM, "--replay", str(recording.path), "--replay-loop") as gateway:
        if "Converse" in recording.operation:
            (broken if recording.fails() else served)(gateway, recording)
        if len(recording.requests) == 1:
            check(f"{recording.name}: byte for byte", lambda: exact(gateway, recording))


def served(gateway, recording):
    expected = Expected(recording)
    common = {"text": expected.text, "thinking": expected.thinking, "tools": expected.tools}
    signed = {"signatures": expected.signatures, "redacted": expected.redacted}
    usage = {"usage": (expected.input, expected.output), "cached": expected.read}
    finish = FINISH[expected.stop]
    for stream in [False, True]:
        how = "streamed" if stream else "whole"
        if has["openai"]:

            def in_chat():
                found = chat(gateway.openai(), recording.model, stream)
                return equal(found, {**common, **signed, **usage, "stop": finish})

            def in_responses():
                stop = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish, "completed")
                found, _ = responses(gateway.openai(), recording.model, stream)
                return equal(
                    found,
                    {**common, **usage, "encrypted": bool(expected.signatures or expected.redacted), "stop": stop},
                )

            check(f"{recording.name}: chat completions, {how}", in_chat)
            check(f"{recording.name}: responses, {how}", in_responses)
        if has["anthropic"]:

            def in_messages():
                found, _ = messages(gateway.anthropic(), recording.model, stream)
                own = {"usage": (expected.fresh, expected.output), "cached": (expected.read, expected.written)}
                own |= {"stop": STOP.get(expected.stop, expected.stop), "citations": expected.citations}
                # Anthropic's form has objects alone: what was cut off is none.
                tools = [(id, name, given if isinstance(given, dict) else {}) for id, name, given in expected.tools]
                return equal(found, {**common, **signed, **own, "tools": tools})

            check(f"{recording.name}: messages, {how}", in_messages)
    if has["boto3"] and len(recording.requests) == 1:
        check(f"{recording.name}: boto3", lambda: native(gateway, recording))


def broken(gateway, recording):
    """A response that fails: the SDKs say so, and do not take its part for the whole."""
    for stream in [False, True]:
        how = "streamed" if stream else "whole"
        if has["openai"]:
            import openai

            for name, work in [("chat completions", chat), ("responses", responses)]:
                fails = lambda: raises(
                    (openai.APIError, Failed), lambda: work(gateway.openai(), recording.model, stream)
                )
                check(f"{recording.name}: {name}, {how}, fails", fails)
        if has["anthropic"]:
            import anthropic

            fails = lambda: raises(anthropic.APIError, lambda: messages(gateway.anthropic(), recording.model, stream))
            check(f"{recording.name}: messages, {how}, fails", fails)
    if has["boto3"] and recording.name not in SILENT:
        from botocore.eventstream import ParserError
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import ProtocolError

        kinds = (BotoCoreError, ClientError, ParserError, ProtocolError)
        check(f"{recording.name}: boto3, fails", lambda: raises(kinds, lambda: native(gateway, recording)))


# Boto3 takes these ends for that of a response.
SILENT = ["truncated", "without-message-stop"]


def raises(kind, work):
    try:
        found = work()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind}, found {found}")


def recordings(folder):
    all = [Recording(path) for path in sorted(FIXTURES.glob("*.jsonl"))]
    captures = sorted(CAPTURES.glob("*.bin")) if CAPTURES else []
    all += [Recording.of_capture(path, folder) for path in captures]
    print(f"{len(all)} recordings, {len(captures)} of them captures")
    for recording in all:
        recorded(recording)


def aws():
    """Boto3 with `AWS_ENDPOINT_URL_BEDROCK_RUNTIME` alone, each kind of call."""
    if not has["boto3"]:
        return
    from botocore.exceptions import ClientError

    def client(name, work):
        with Gateway(PROGRAM, "--replay", str(FIXTURES / name)) as gateway:
            os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = gateway.url
            try:
                return work(gateway.boto3(endpoint_url=None), Recording(FIXTURES / name))
            finally:
                del os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]

    def stream(runtime, recording):
        found = runtime.converse_stream(modelId=recording.model, messages=TURNS)
        assert found["ResponseMetadata"]["RequestId"] == recording.header("x-amzn-requestid")
        found = [(kind, plain(value)) for event in found["stream"] for kind, value in event.items()]
        return all(
            within(value, frame, kind) for (kind, value), (_, frame) in zip(found, frames(recording.body), strict=True)
        )

    def whole(runtime, recording):
        return within(plain(runtime.converse(modelId=recording.model, messages=TURNS)), json.loads(recording.body), "")

    def embedding(runtime, recording):
        found = runtime.invoke_model(modelId=recording.model, body=json.dumps({"inputText": "Hi"}))
        return equal(found["body"].read(), recording.body)

    def refusal(runtime, recording):
        error = raises(ClientError, lambda: runtime.converse_stream(modelId=recording.model, messages=TURNS))
        return equal(
            error.response["Error"],
            {"Code": "ValidationException", **{"Message": json.loads(recording.body)["message"]}},
        )

    def end(runtime, recording):
        runtime.converse(modelId=recording.model, messages=TURNS)
        return raises(ClientError, lambda: runtime.converse(modelId=recording.model, messages=TURNS))

    for name, file, work in [
        ("ConverseStream", "text.jsonl", stream),
        ("Converse", "converse.jsonl", whole),
        ("InvokeModel", "embedding.jsonl", embedding),
        ("a refusal", "invalid.jsonl", refusal),
        ("no further exchange", "converse.jsonl", end),
    ]:
        check(f"boto3 with AWS_ENDPOINT_URL_BEDROCK_RUNTIME: {name}", lambda: client(file, work))


def answer(turn):
    """What the loopback Bedrock says: thoughts, where they are asked for, and a call of the first tool or a text."""
    thoughts = [("thinking", "Let me see.")] if turn.thinks else []
    if turn.tools and not turn.results:
        return thoughts + [("tool", turn.tools[0], {"x": 1})]
    return thoughts + [("text", "Hello from the loopback")]


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


def of_openai(gateway, bedrock):
    import openai

    client = gateway.openai()
    sent = lambda: bedrock.turns[-1]

    def tool_in_chat(stream):
        tool = {"type": "function", "function": {"name": "look.up", "parameters": SCHEMA}}
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        turns = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}, image]},
        ]
        asked = {"model": CLAUDE, "tools": [tool], "reasoning_effort": "low"}
        if stream:
            with client.chat.completions.stream(messages=turns, **asked) as arriving:
                for _ in arriving:
                    pass
                message = arriving.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(messages=turns, **asked).choices[0].message
        assert sent().images == 1 and sent().body["system"][0]["text"] == "Be brief."
        [call] = message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("look.up", {"x": 1})
        # As a client does that keeps what it does not know.
        history = [*turns, message.model_dump(exclude_none=True, exclude={"parsed"})]
        history[-1].pop("parsed", None)
        for known in history[-1]["tool_calls"]:
            known["function"].pop("parsed_arguments", None)
        history.append({"role": "tool", "tool_call_id": call.id, "content": "found it"})
        last = client.chat.completions.create(messages=history, **asked).choices[0]
        assert (last.message.content, last.finish_reason) == ("Hello from the loopback", "stop")
        return equal((sent().results, sent().signatures), (["found it"], [SIGNATURE]))

    def tool_in_responses(stream):
        tool = {"type": "function", "name": "look.up", "parameters": SCHEMA, "strict": False}
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
        turns = [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}, image]}]
        asked = {"model": CLAUDE, "tools": [tool], "store": False, "reasoning": {"effort": "low"}}
        asked |= {"include": ["reasoning.encrypted_content"], "instructions": "Be brief."}
        if stream:
            with client.responses.stream(input=turns, **asked) as arriving:
                for _ in arriving:
                    pass
                first = arriving.get_final_response()
        else:
            first = client.responses.create(input=turns, **asked)
        assert sent().images == 1 and sent().body["system"][0]["text"] == "Be brief."
        [call] = [item for item in first.output if item.type == "function_call"]
        assert (call.name, json.loads(call.arguments)) == ("look.up", {"x": 1})
        turns += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
        turns.append({"type": "function_call_output", "call_id": call.call_id, "output": "found it"})
        last = client.responses.create(input=turns, **asked)
        assert (last.output_text, last.status) == ("Hello from the loopback", "completed")
        return equal((sent().results, sent().signatures), (["found it"], [SIGNATURE]))

    for stream in [False, True]:
        how = "streamed" if stream else "whole"
        check(f"openai: tool, image and thoughts in chat completions, {how}", lambda: tool_in_chat(stream))
        check(f"openai: tool, image and thoughts in responses, {how}", lambda: tool_in_responses(stream))

    for kind, status, name in [
        (openai.BadRequestError, 400, "ValidationException"),
        (openai.PermissionDeniedError, 403, "AccessDeniedException"),
        (openai.AuthenticationError, 403, "UnrecognizedClientException"),
        (openai.RateLimitError, 429, "ThrottlingException"),
        (openai.InternalServerError, 500, "InternalServerException"),
        (openai.InternalServerError, 503, "ServiceUnavailableException"),
    ]:
        for form, work in [("chat completions", chat), ("responses", responses)]:
            fails = lambda: raises(kind, lambda: work(client, f"m.refused-{status}-{name}", True))
            check(f"openai: {form}, {name}", lambda: "The service says no." in str(fails()))

    def leaves(begin):
        bedrock.left.clear()
        arriving = begin()
        next(iter(arriving))
        arriving.close()
        return bedrock.left.wait(20)

    asked = {"model": "m.endless", "stream": True}
    chatting = lambda: client.chat.completions.create(messages=USER, **asked)
    check("openai: leaving chat completions ends the call", lambda: leaves(chatting))
    responding = lambda: client.responses.create(input="Hi", store=False, **asked)
    check("openai: leaving responses ends the call", lambda: leaves(responding))

    def embeddings():
        found = client.embeddings.create(model="amazon.titan-embed-text-v2:0", input=["a", "b"])
        assert found.usage.prompt_tokens == 6
        return equal([item.embedding for item in found.data], [[0.25, -0.5, 1.0]] * 2)

    check("openai: embeddings", embeddings)
    check("openai: models", lambda: equal({model.id for model in client.models.list()}, {CLAUDE, NOVA}))
    check("openai: a model", lambda: equal(client.models.retrieve(NOVA).id, NOVA))
    check("openai: a wrong key", lambda: raises(openai.AuthenticationError, gateway.openai("wrong").models.list))


def of_anthropic(gateway, bedrock):
    import anthropic

    client = gateway.anthropic()
    sent = lambda: bedrock.turns[-1]

    def tool(model, stream):
        tool = {"name": "look_up", "input_schema": SCHEMA}
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        turns = [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image", "source": source}]}]
        asked = {"model": model, "max_tokens": 4096, "tools": [tool], "system": "Be brief."}
        asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if stream:
            with client.messages.stream(messages=turns, **asked) as arriving:
                first = arriving.get_final_message()
        else:
            first = client.messages.create(messages=turns, **asked)
        assert sent().images == 1 and "Be brief." in json.dumps(sent().body["system"])
        [call] = [block for block in first.content if block.type == "tool_use"]
        assert (call.name, call.input, first.stop_reason) == ("look_up", {"x": 1}, "tool_use")
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "found it"}
        turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        last = client.messages.create(messages=turns, **asked)
        assert last.content[-1].text == "Hello from the loopback"
        assert sent().results == ["found it"]
        return equal(sent().signatures, [SIGNATURE] if sent().thinks else [])

    for model in [CLAUDE, NOVA]:
        for stream in [False, True]:
            how = "streamed" if stream else "whole"
            check(f"anthropic: tool, image and thoughts, {model}, {how}", lambda: tool(model, stream))

    for kind, status, name in [
        (anthropic.BadRequestError, 400, "ValidationException"),
        (anthropic.PermissionDeniedError, 403, "AccessDeniedException"),
        (anthropic.AuthenticationError, 403, "UnrecognizedClientException"),
        (anthropic.RateLimitError, 429, "ThrottlingException"),
        (anthropic.InternalServerError, 500, "InternalServerException"),
        (anthropic.APIStatusError, 503, "ServiceUnavailableException"),
    ]:
        for of in ["m", "anthropic.claude"]:
            fails = lambda: raises(kind, lambda: messages(client, f"{of}.refused-{status}-{name}", True))
            check(f"anthropic: {of}, {name}", lambda: "The service says no." in str(fails()))

    def leaves(model):
        bedrock.left.clear()
        with client.messages.stream(model=model, max_tokens=9, messages=USER) as arriving:
            next(iter(arriving))
        return bedrock.left.wait(20)

    for model in ["m.endless", "anthropic.claude-endless"]:
        check(f"anthropic: leaving {model} ends the call", lambda: leaves(model))
    for model in [CLAUDE, NOVA]:
        count = lambda: equal(client.messages.count_tokens(model=model, messages=USER).input_tokens, 42)
        check(f"anthropic: tokens counted, {model}", count)
    check("anthropic: models", lambda: equal({model.id for model in client.models.list(limit=20)}, {CLAUDE, NOVA}))
    check(
        "anthropic: a wrong key", lambda: raises(anthropic.AuthenticationError, gateway.anthropic("wrong").models.list)
    )


def of_aws(gateway, bedrock):
    from botocore.exceptions import ClientError

    runtime = gateway.boto3()
    asked = {
        "modelId": CLAUDE,
        "toolConfig": {"tools": [{"toolSpec": {"name": "look_up", "inputSchema": {"json": SCHEMA}}}]},
    }
    asked["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}

    def tool():
        image = {"image": {"format": "png", "source": {"bytes": base64.b64decode(PNG)}}}
        turns = [{"role": "user", "content": [{"text": "Hi"}, image]}]
        first = runtime.converse(messages=turns, **asked)["output"]["message"]
        assert bedrock.turns[-1].images == 1
        call = first["content"][-1]["toolUse"]
        assert (call["name"], call["input"]) == ("look_up", {"x": 1})
        result = {"toolUseId": call["toolUseId"], "content": [{"text": "found it"}]}
        turns += [first, {"role": "user", "content": [{"toolResult": result}]}]
        arriving = runtime.converse_stream(messages=turns, **asked)["stream"]
        deltas = [event["contentBlockDelta"]["delta"] for event in arriving if "contentBlockDelta" in event]
        assert "".join(delta.get("text", "") for delta in deltas) == "Hello from the loopback"
        return equal((bedrock.turns[-1].results, bedrock.turns[-1].signatures), (["found it"], [SIGNATURE]))

    check("boto3: tool, image and thoughts", tool)

    def invoke():
        body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": USER})
        whole = json.loads(runtime.invoke_model(modelId=CLAUDE, body=body)["body"].read())
        arriving = runtime.invoke_model_with_response_stream(modelId=CLAUDE, body=body)["body"]
        events = [json.loads(event["chunk"]["bytes"]) for event in arriving]
        said = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
        return equal((whole["content"][0]["text"], said), ("Hello from the loopback",) * 2)

    check("boto3: InvokeModel, whole and streamed", invoke)
    count = lambda: runtime.count_tokens(modelId=CLAUDE, input={"converse": {"messages": TURNS}})["inputTokens"]
    check("boto3: tokens counted", lambda: equal(count(), 42))
    models = lambda: gateway.boto3("bedrock").list_foundation_models()["modelSummaries"]
    check("boto3: models", lambda: equal({model["modelId"] for model in models()}, set(loopback.MODELS)))

    for status, name in [(400, "ValidationException"), (403, "AccessDeniedException"), (429, "ThrottlingException")]:
        refused = lambda: runtime.converse_stream(modelId=f"m.refused-{status}-{name}", messages=TURNS)
        check(f"boto3: {name}", lambda: equal(raises(ClientError, refused).response["Error"]["Code"], name))

    def leaves():
        bedrock.left.clear()
        arriving = runtime.converse_stream(modelId="m.endless", messages=TURNS)["stream"]
        next(iter(arriving))
        arriving.close()
        return bedrock.left.wait(20)

    check("boto3: leaving ends the call", leaves)
    wrong = gateway.boto3(key="wrong")
    check("boto3: a wrong key", lambda: raises(ClientError, lambda: wrong.converse(modelId=NOVA, messages=TURNS)))


def thoughts_go_back(gateway, bedrock):
    """What a dialect gave of the thoughts of a recording is what Bedrock gets with the next turn, byte for byte."""
    for name in ["reasoning", "redacted-reasoning"]:
        recording = Recording(FIXTURES / f"{name}.jsonl")
        expected = Expected(recording)

        def sent():
            turns = bedrock.turns[-1].body["messages"]
            blocks = [block for turn in turns for block in Turn.blocks(turn["content"])]
            if "invoke" in bedrock.turns[-1].operation:
                signatures = [block["signature"] for block in blocks if block["type"] == "thinking"]
                return signatures, [block["data"] for block in blocks if block["type"] == "redacted_thinking"]
            thoughts = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]
            signatures = [thought["reasoningText"]["signature"] for thought in thoughts if "reasoningText" in thought]
            return signatures, [thought["redactedContent"] for thought in thoughts if "redactedContent" in thought]

        def go_back(form):
            with Gateway(PROGRAM, "--replay", str(recording.path)) as replaying:
                if form == "responses":
                    _, items = responses(replaying.openai(), CLAUDE, True)
                    turns = [*USER, *items, *USER]
                    gateway.openai().responses.create(
                        model=CLAUDE, store=False, input=turns, reasoning={"effort": "low"}
                    )
                else:
                    _, content = messages(replaying.anthropic(), CLAUDE, True)
                    turns = [*USER, {"role": "assistant", "content": content}, *USER]
                    thinking = {"type": "enabled", "budget_tokens": 1024}
                    client = gateway.anthropic()
                    client.messages.create(model=CLAUDE, max_tokens=4096, messages=turns, thinking=thinking)
            return equal(sent(), (expected.signatures, expected.redacted))

        for form, package in [("responses", "openai"), ("messages", "anthropic")]:
            if has[package]:
                check(f"{name}: thoughts go back in {form}", lambda: go_back(form))


with tempfile.TemporaryDirectory() as made:
    recordings(made)
aws()
with Bedrock(answer) as loopback_bedrock, Gateway.before(PROGRAM, loopback_bedrock) as before:
    for package, work in [("openai", of_openai), ("anthropic", of_anthropic), ("boto3", of_aws)]:
        if has[package]:
            work(before, loopback_bedrock)
    thoughts_go_back(before, loopback_bedrock)
    turns = [turn for turn in loopback_bedrock.turns if turn.operation == "converse-stream"]
    check(f"{len(turns)} requests of Converse are valid", lambda: equal("".join(turn.faults() for turn in turns), ""))
print(f"{loopback.passed} passed, {loopback.failed} failed")
sys.exit(1 if loopback.failed else 0)
