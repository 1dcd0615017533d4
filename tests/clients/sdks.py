"""OpenAI's, Anthropic's and AWS's own SDKs on the gateway. Prints a line for each check; the exit code says whether all hold.

usage: sdks.py PROGRAM FIXTURES
"""

import base64
import http.server
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import time

PROGRAM, FIXTURES = sys.argv[1:3]
KEY = "a-key-for-tests"
MODEL = "amazon.nova-lite-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
USER = [{"role": "user", "content": "Hi"}]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
failed = passed = 0


def has(package):
    return importlib.util.find_spec(package) is not None


def check(name, work):
    """Runs a check. What it returns must be true."""
    global failed, passed
    try:
        found = work()
        assert found, found
        passed += 1
        print(f"ok    {name}")
    except Exception as error:
        failed += 1
        print(f"FAULT {name}: {type(error).__name__}: {str(error)[:500]}")


class Gateway:
    """A running gateway."""

    def __init__(self, *flags, env=None):
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "AWS_EC2_METADATA_DISABLED": "true"}
        environment.update({"PUMICE_API_KEY": KEY, **(env or {})})
        command = [PROGRAM, "serve", "--listen", "127.0.0.1:0", *flags]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert "serves at http" in line, line
        self.url = line.split()[-1]
        self.log = []
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(40) == 0

    def openai(self, key=KEY):
        import openai

        return openai.OpenAI(base_url=self.url + "/v1", api_key=key, max_retries=0)

    def anthropic(self, key=KEY):
        import anthropic

        return anthropic.Anthropic(base_url=self.url, api_key=key, max_retries=0)

    def boto3(self, service="bedrock-runtime", key=KEY):
        import boto3
        from botocore.config import Config

        keys = {"aws_access_key_id": "pumice", "aws_secret_access_key": key}
        config = Config(retries={"total_max_attempts": 1})
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", config=config, **keys)


class Bedrock(http.server.BaseHTTPRequestHandler):
    """A loopback Bedrock: keeps requests, and answers with the frames of `text.jsonl`, for ever for the model `endless`."""

    protocol_version = "HTTP/1.1"
    requests, closed, frames = [], threading.Event(), []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.requests.append((self.path, json.loads(body or "null")))
        if "refused" in self.path:
            text = b'{"message":"Too many requests, please wait."}'
            self.send_response(429)
            self.send_header("x-amzn-errortype", "ThrottlingException")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("x-amzn-requestid", "of-bedrock")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        endless = "endless" in self.path
        try:
            for frame in self.frames[:2] if endless else self.frames:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
            while endless:
                frame = self.frames[1]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
                time.sleep(0.02)
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.closed.set()

    def log_message(self, *_):
        pass


def recorded(name):
    """The chunks of a recording's responses, each a list of frames, and the text of its deltas."""
    chunks = []
    with open(f"{FIXTURES}/{name}", encoding="utf-8") as lines:
        for line in lines:
            line = json.loads(line)
            if "chunk" in line:
                chunk = line["chunk"]
                chunks.append(base64.b64decode(chunk["base64"]) if "base64" in chunk else chunk["text"].encode())
    data, frames = b"".join(chunks), []
    while data:
        length = int.from_bytes(data[:4], "big")
        frames.append(data[:length])
        data = data[length:]
    return frames


def events(name):
    """The events of a recording, as people read them."""
    with open(f"{FIXTURES}/{name}", encoding="utf-8") as lines:
        return [line["event"] for line in map(json.loads, lines) if "event" in line]


def expected(name):
    """Text, tools, thinking, stop reason and usage, from the events of a recording."""
    text, thinking, tools, stop, usage = "", "", {}, None, None
    for event in events(name):
        index = next(iter(event.values())).get("contentBlockIndex")
        if "contentBlockStart" in event:
            tool = event["contentBlockStart"]["start"].get("toolUse")
            if tool:
                tools[index] = [tool["name"], ""]
        elif "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]["delta"]
            text += delta.get("text", "")
            thinking += delta.get("reasoningContent", {}).get("text", "")
            if "toolUse" in delta:
                tools[index][1] += delta["toolUse"]["input"]
        elif "messageStop" in event:
            stop = event["messageStop"]["stopReason"]
        elif "metadata" in event:
            usage = event["metadata"]["usage"]
    tools = [(name, json.loads(arguments or "{}")) for name, arguments in tools.values()]
    return text, thinking, tools, stop, usage


REASONS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}


def recordings():
    for name in ["text", "tool", "two-tools", "tools-without-arguments", "reasoning", "max-tokens", "non-ascii", "cache"]:
        name += ".jsonl"
        text, thinking, tools, stop, usage = expected(name)
        prompt = sum(usage.get(part, 0) for part in ["inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"])
        with Gateway("--replay", f"{FIXTURES}/{name}", "--replay-loop") as gateway:
            if has("openai"):
                client = gateway.openai()

                def chat(stream):
                    if not stream:
                        answer = client.chat.completions.create(model=MODEL, messages=USER)
                        choice, used = answer.choices[0], answer.usage
                        found = [(c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls or []]
                        said, thought = choice.message.content or "", getattr(choice.message, "reasoning_content", None) or ""
                        reason = choice.finish_reason
                    else:
                        said, thought, calls, reason, used = "", "", {}, None, None
                        options = {"include_usage": True}
                        for chunk in client.chat.completions.create(model=MODEL, messages=USER, stream=True, stream_options=options):
                            used = chunk.usage or used
                            for choice in chunk.choices:
                                said += choice.delta.content or ""
                                thought += getattr(choice.delta, "reasoning_content", None) or ""
                                reason = choice.finish_reason or reason
                                for call in choice.delta.tool_calls or []:
                                    known = calls.setdefault(call.index, ["", ""])
                                    known[0] += call.function.name or ""
                                    known[1] += call.function.arguments or ""
                        found = [(name, json.loads(arguments)) for name, arguments in calls.values()]
                    assert (said, thought, found, reason) == (text, thinking, tools, REASONS[stop])
                    assert (used.prompt_tokens, used.completion_tokens) == (prompt, usage["outputTokens"])
                    return True

                for stream in [False, True]:
                    check(f"{name}: chat completions, {'streamed' if stream else 'whole'}", lambda: chat(stream))

                def responses(stream):
                    if stream:
                        answer = None
                        for event in client.responses.create(model=MODEL, input="Hi", store=False, stream=True):
                            answer = getattr(event, "response", None) or answer
                    else:
                        answer = client.responses.create(model=MODEL, input="Hi", store=False)
                    found = [(i.name, json.loads(i.arguments)) for i in answer.output if i.type == "function_call"]
                    status = "incomplete" if stop == "max_tokens" else "completed"
                    assert (answer.output_text, found, answer.status) == (text, tools, status)
                    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (prompt, usage["outputTokens"])
                    return True

                for stream in [False, True]:
                    check(f"{name}: responses, {'streamed' if stream else 'whole'}", lambda: responses(stream))
            if has("anthropic"):
                client = gateway.anthropic()

                def messages(stream):
                    if stream:
                        with client.messages.stream(model=MODEL, max_tokens=100, messages=USER) as arriving:
                            answer = arriving.get_final_message()
                    else:
                        answer = client.messages.create(model=MODEL, max_tokens=100, messages=USER)
                    said = "".join(block.text for block in answer.content if block.type == "text")
                    thought = "".join(block.thinking for block in answer.content if block.type == "thinking")
                    found = [(block.name, block.input) for block in answer.content if block.type == "tool_use"]
                    assert (said, thought, found, answer.stop_reason) == (text, thinking, tools, stop)
                    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (usage["inputTokens"], usage["outputTokens"])
                    return True

                for stream in [False, True]:
                    check(f"{name}: messages, {'streamed' if stream else 'whole'}", lambda: messages(stream))
            if has("boto3"):

                def native():
                    turns = [{"role": "user", "content": [{"text": "Hi"}]}]
                    arriving = gateway.boto3().converse_stream(modelId=MODEL, messages=turns)["stream"]
                    deltas = [event["contentBlockDelta"]["delta"] for event in arriving if "contentBlockDelta" in event]
                    return "".join(delta.get("text", "") for delta in deltas) == text

                check(f"{name}: boto3", native)


def raises(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind}")


def keys(gateway):
    if has("openai"):
        import openai

        check("openai: models", lambda: gateway.openai().models.list().data is not None)
        check("openai: a wrong key", lambda: raises(openai.AuthenticationError, gateway.openai("wrong").models.list))
    if has("anthropic"):
        import anthropic

        check("anthropic: models", lambda: gateway.anthropic().models.list(limit=20).data is not None)
        check("anthropic: a wrong key", lambda: raises(anthropic.AuthenticationError, gateway.anthropic("wrong").models.list))
    if has("boto3"):
        from botocore.exceptions import ClientError

        turns = [{"role": "user", "content": [{"text": "Hi"}]}]
        wrong = gateway.boto3(key="wrong")
        check("boto3: a wrong key", lambda: raises(ClientError, lambda: wrong.converse_stream(modelId=MODEL, messages=turns)))


def live():
    """Over a loopback Bedrock: what is sent, refusals, and clients that leave."""
    Bedrock.frames = recorded("text.jsonl")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bedrock)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    env = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1"}
    with Gateway("--endpoint-url", url, env=env) as gateway:
        sent = lambda: Bedrock.requests[-1][1]
        if has("openai"):
            import openai

            client = gateway.openai()
            tool = {"type": "function", "function": {"name": "look.up", "parameters": {"type": "object", "properties": {}}}}
            image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
            turns = [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}, image]},
                {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look.up", "arguments": '{"x":1}'}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "found"},
            ]

            def tools():
                client.chat.completions.create(model=MODEL, messages=turns, tools=[tool], max_tokens=50)
                user, assistant, result = sent()["messages"]
                assert user["content"][1]["image"]["source"]["bytes"] == PNG
                assert assistant["content"][0]["toolUse"]["input"] == {"x": 1}
                assert result["content"][0]["toolResult"]["content"] == [{"text": "found"}]
                return sent()["system"][0]["text"] == "Be brief."

            check("openai: a tool's result and an image go back", tools)
            refused = lambda: client.chat.completions.create(model="m.refused", messages=USER)
            check("openai: throttling", lambda: raises(openai.RateLimitError, refused).response.headers["retry-after"])

            def leaves():
                Bedrock.closed.clear()
                arriving = client.chat.completions.create(model="m.endless", messages=USER, stream=True)
                next(iter(arriving))
                arriving.close()
                return Bedrock.closed.wait(20)

            check("openai: leaving ends the call", leaves)
        if has("anthropic"):
            import anthropic

            client = gateway.anthropic()
            refused = lambda: client.messages.create(model="m.refused", max_tokens=9, messages=USER)
            check("anthropic: throttling", lambda: raises(anthropic.RateLimitError, refused).status_code == 429)

            def leaves():
                Bedrock.closed.clear()
                with client.messages.stream(model="m.endless", max_tokens=9, messages=USER) as arriving:
                    next(iter(arriving))
                return Bedrock.closed.wait(20)

            check("anthropic: leaving ends the call", leaves)
        if has("boto3"):
            from botocore.exceptions import ClientError

            turns = [{"role": "user", "content": [{"text": "Hi"}]}]
            refused = lambda: gateway.boto3().converse_stream(modelId="m.refused", messages=turns)
            check(
                "boto3: throttling",
                lambda: raises(ClientError, refused).response["Error"]["Code"] == "ThrottlingException",
            )

            def leaves():
                Bedrock.closed.clear()
                arriving = gateway.boto3().converse_stream(modelId="m.endless", messages=turns)["stream"]
                next(iter(arriving))
                arriving.close()
                return Bedrock.closed.wait(20)

            check("boto3: leaving ends the call", leaves)


recordings()
with Gateway("--replay", f"{FIXTURES}/text.jsonl", "--replay-loop") as served:
    keys(served)
live()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
