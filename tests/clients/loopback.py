"""What the checks of clients share: a gateway, a loopback Bedrock behind it, and the count of checks."""

import base64
import binascii
import functools
import http.server
import importlib.util
import json
import os
import re
import struct
import subprocess
import threading
import time
import urllib.parse

KEY = "a-key-for-tests"
failed = passed = 0


def check(name, work):
    """Runs a check. What it returns must be true."""
    global failed, passed
    try:
        found = work()
        assert found, f"expected something true, found {found!r}"
        passed += 1
        print(f"ok    {name}", flush=True)
    except Exception as error:
        failed += 1
        print(f"FAULT {name}: {type(error).__name__}: {str(error)[:2000]}", flush=True)


def equal(found, expected):
    """Whether two values are the same. If not, fails with both, or with those members that differ."""
    if isinstance(found, dict) and isinstance(expected, dict):
        found, expected = dict(found), dict(expected)
        for name in [name for name in found if name in expected and found[name] == expected[name]]:
            del found[name], expected[name]
    assert found == expected, f"expected {expected!r}, found {found!r}"
    return True


class Gateway:
    """A running gateway."""

    def __init__(self, program, *flags, env=None):
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "AWS_EC2_METADATA_DISABLED": "true"}
        environment.update({"PUMICE_API_KEY": KEY, **(env or {})})
        command = [program, "serve", "--listen", "127.0.0.1:0", *flags]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert "serves at http" in line, line + self.process.stderr.read()
        self.url = line.split()[-1]
        self.log = []
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()

    @classmethod
    def before(cls, program, bedrock):
        """A gateway that calls a loopback Bedrock."""
        env = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        env.update({"AWS_ENDPOINT_URL_BEDROCK": bedrock.url, "AWS_MAX_ATTEMPTS": "1"})
        return cls(program, "--endpoint-url", bedrock.url, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            assert self.process.wait(40) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    @functools.cache
    def openai(self, key=KEY):
        import openai

        return openai.OpenAI(base_url=self.url + "/v1", api_key=key, max_retries=0, timeout=60)

    @functools.cache
    def anthropic(self, key=KEY):
        import anthropic

        return anthropic.Anthropic(base_url=self.url, api_key=key, max_retries=0, timeout=60)

    @functools.cache
    def boto3(self, service="bedrock-runtime", key=KEY, **named):
        import boto3
        from botocore.config import Config

        keys = {"aws_access_key_id": "pumice", "aws_secret_access_key": key}
        config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
        return boto3.client(
            service, region_name="us-east-1", config=config, **({"endpoint_url": self.url} | named), **keys
        )


class Turn:
    """A request to a model, read from Converse's form or from Anthropic's."""

    def __init__(self, operation, model, body):
        self.operation, self.model, self.body = operation, model, body
        self.results, self.signatures, self.images = [], [], 0
        is_converse = "converse" in operation
        if is_converse:
            tools = body.get("toolConfig", {}).get("tools", [])
            self.tools = [tool["toolSpec"]["name"] for tool in tools if "toolSpec" in tool]
            asked = body.get("additionalModelRequestFields", {})
            self.thinks = any(name in asked for name in ["thinking", "reasoning_config", "reasoningConfig"])
        else:
            self.tools = [tool["name"] for tool in body.get("tools", [])]
            self.thinks = body.get("thinking", {}).get("type") in ["enabled", "adaptive"]
        blocks = [block for message in body.get("messages", []) for block in self.blocks(message["content"])]
        for block in blocks:
            if is_converse:
                result, thought = block.get("toolResult"), block.get("reasoningContent", {}).get("reasoningText", {})
            else:
                result = block if block.get("type") == "tool_result" else None
                thought = block if block.get("type") == "thinking" else {}
            self.images += "image" in (block, block.get("type"))[not is_converse]
            if result:
                pieces = self.blocks(result.get("content", []))
                self.results.append("".join(piece.get("text") or json.dumps(piece) for piece in pieces))
            if "signature" in thought:
                self.signatures.append(thought["signature"])

    def faults(self):
        """What the service's own model refuses of a request of Converse, where boto3 is installed to ask."""
        if "converse" not in self.operation or not importlib.util.find_spec("botocore"):
            return ""
        import botocore.session
        import botocore.validate

        service = botocore.session.get_session().get_service_model("bedrock-runtime")
        shape = service.operation_model("ConverseStream").input_shape
        report = botocore.validate.ParamValidator().validate({**self.body, "modelId": self.model}, shape)
        return report.generate_report()

    @staticmethod
    def blocks(content):
        return [{"type": "text", "text": content}] if isinstance(content, str) else content


def frame(kind, payload):
    """A frame of an event stream."""
    headers = b""
    for name, value in [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")]:
        headers += bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()
    payload = json.dumps(payload, separators=(",", ":")).encode()
    start = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    start += struct.pack(">I", binascii.crc32(start))
    body = start + headers + payload
    return body + struct.pack(">I", binascii.crc32(body))


USAGE = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
SIGNATURE = "c2lnbmF0dXJlIG9mIHRoZSB0aG91Z2h0cw=="


def of_converse(blocks):
    """A response of Converse."""
    content = []
    for kind, *rest in blocks:
        if kind == "thinking":
            content.append({"reasoningContent": {"reasoningText": {"text": rest[0], "signature": SIGNATURE}}})
        elif kind == "text":
            content.append({"text": rest[0]})
        else:
            content.append({"toolUse": {"toolUseId": "tooluse_1", "name": rest[0], "input": rest[1]}})
    stop = "tool_use" if blocks[-1][0] == "tool" else "end_turn"
    message = {"message": {"role": "assistant", "content": content}}
    return {"output": message, "stopReason": stop, "usage": USAGE, "metrics": {"latencyMs": 5}}


def of_converse_stream(blocks):
    """The frames of the same response from ConverseStream."""
    whole, frames = of_converse(blocks), [frame("messageStart", {"role": "assistant"})]
    for index, block in enumerate(whole["output"]["message"]["content"]):
        deltas = []
        if "text" in block:
            deltas = [{"text": word} for word in block["text"].split(" ")]
            deltas[1:] = [{"text": " " + delta["text"]} for delta in deltas[1:]]
        elif "toolUse" in block:
            tool = block["toolUse"]
            start = {"toolUse": {"toolUseId": tool["toolUseId"], "name": tool["name"]}}
            frames.append(frame("contentBlockStart", {"contentBlockIndex": index, "start": start}))
            text = json.dumps(tool["input"])
            deltas = [{"toolUse": {"input": text[:5]}}, {"toolUse": {"input": text[5:]}}]
        else:
            thought = block["reasoningContent"]["reasoningText"]
            deltas = [{"reasoningContent": {name: value}} for name, value in thought.items()]
        frames += [frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
        frames.append(frame("contentBlockStop", {"contentBlockIndex": index}))
    frames.append(frame("messageStop", {"stopReason": whole["stopReason"]}))
    return frames + [frame("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}})]


def of_messages(blocks, model):
    """A response of InvokeModel for a Claude, which names the model as Anthropic does."""
    model = re.sub(r"-v\d+(:\d+)?$", "", model.split("anthropic.")[-1])
    content = []
    for kind, *rest in blocks:
        if kind == "thinking":
            content.append({"type": "thinking", "thinking": rest[0], "signature": SIGNATURE})
        elif kind == "text":
            content.append({"type": "text", "text": rest[0]})
        else:
            content.append({"type": "tool_use", "id": "toolu_bdrk_1", "name": rest[0], "input": rest[1]})
    stop = "tool_use" if blocks[-1][0] == "tool" else "end_turn"
    usage = {"input_tokens": 11, "output_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    head = {"id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": model}
    return {**head, "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def of_messages_stream(blocks, model):
    """The frames of the same response from InvokeModelWithResponseStream."""
    whole = of_messages(blocks, model)
    events = [{"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}]
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            empty, deltas = {"text": ""}, [{"type": "text_delta", "text": block["text"]}]
        elif block["type"] == "thinking":
            empty = {"thinking": "", "signature": ""}
            deltas = [{"type": f"{name}_delta", name: block[name]} for name in ["thinking", "signature"]]
        else:
            empty, deltas = {"input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        events.append({"type": "content_block_start", "index": index, "content_block": {**block, **empty}})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 7}})
    metrics = {"inputTokenCount": 11, "outputTokenCount": 7, "invocationLatency": 5, "firstByteLatency": 3}
    events.append({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics})
    return [
        frame("chunk", {"bytes": base64.b64encode(json.dumps(event, separators=(",", ":")).encode()).decode()})
        for event in events
    ]


MODELS = {"amazon.nova-lite-v1:0": "ON_DEMAND", "anthropic.claude-sonnet-4-5-20250929-v1:0": "INFERENCE_PROFILE"}
ARN = "arn:aws:bedrock:us-east-1:"
PROFILE = {
    "inferenceProfileName": "US Claude Sonnet 4.5",
    "createdAt": "2025-09-29T00:00:00Z",
    "updatedAt": "2025-09-29T00:00:00Z",
    "inferenceProfileArn": f"{ARN}123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "inferenceProfileId": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "models": [{"modelArn": f"{ARN}:foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0"}],
    "status": "ACTIVE",
    "type": "SYSTEM_DEFINED",
}


def listed(id, inference_type):
    """A model, as ListFoundationModels has it."""
    return {
        "modelArn": f"{ARN}:foundation-model/{id}",
        "modelId": id,
        "modelName": id.split(".")[1],
        "providerName": id.split(".")[0].title(),
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "inferenceTypesSupported": [inference_type],
        "modelLifecycle": {"status": "ACTIVE"},
    }


class Bedrock:
    """A loopback Bedrock. `answer` makes the blocks of a response from a `Turn`; `turns` are those that came.

    A call of the model `m.refused-STATUS-EXCEPTION` fails so, and one of a model with `endless` in its id never ends.
    """

    def __init__(self, answer):
        self.answer, self.turns, self.requests, self.left = answer, [], [], threading.Event()
        handler = type("Handler", (Handler,), {"bedrock": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def whole(self, value, status=200, **headers):
        text = json.dumps(value).encode()
        self.send_response(status)
        for name, header in {"content-type": "application/json", "x-amzn-requestid": "of-bedrock", **headers}.items():
            self.send_header(name.replace("_", "-"), header)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.bedrock.requests.append((self.path, None))
        if self.path.startswith("/foundation-models"):
            self.whole({"modelSummaries": [listed(id, by) for id, by in MODELS.items()]})
        elif self.path.startswith("/inference-profiles"):
            self.whole({"inferenceProfileSummaries": [PROFILE]})
        else:
            self.whole({"message": "no such path"}, 404, x_amzn_errortype="ResourceNotFoundException")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "null")
        self.bedrock.requests.append((self.path, body))
        parts = urllib.parse.unquote(self.path.split("?")[0]).split("/")
        if parts[1] != "model":
            self.whole({"message": "no such path"}, 404, x_amzn_errortype="UnknownOperationException")
            return
        model, operation = "/".join(parts[2:-1]), parts[-1]
        if "refused" in model:
            status, name = model.split("-")[1:]
            self.whole({"message": "The service says no."}, int(status), x_amzn_errortype=name)
        elif operation == "count-tokens":
            self.whole({"inputTokens": 42})
        elif "embed" in model:
            self.whole({"embedding": [0.25, -0.5, 1.0], "inputTextTokenCount": 3})
        elif "endless" in model:
            self.stream(self.endless(operation, model))
        else:
            turn = Turn(operation, model, body)
            self.bedrock.turns.append(turn)
            blocks = self.bedrock.answer(turn)
            if operation == "converse":
                self.whole(of_converse(blocks))
            elif operation == "converse-stream":
                self.stream(of_converse_stream(blocks))
            elif operation == "invoke":
                self.whole(of_messages(blocks, model))
            else:
                self.stream(of_messages_stream(blocks, model))

    @staticmethod
    def endless(operation, model):
        blocks = [("text", "on and on")]
        frames = of_converse_stream(blocks) if "converse" in operation else of_messages_stream(blocks, model)
        piece = 1 if "converse" in operation else 2
        yield from frames[:piece]
        while True:
            yield frames[piece]
            time.sleep(0.02)

    def stream(self, frames):
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("x-amzn-requestid", "of-bedrock")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for piece in frames:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.bedrock.left.set()

    def log_message(self, *_):
        pass
