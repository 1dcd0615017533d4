"""frames.json: frames and streams of `application/vnd.amazon.eventstream`, and what botocore reads in them.

The frames are put together here by the specification, https://smithy.io/2.0/aws/amazon-eventstream.html; what they
hold is what botocore says.
"""

import json
import struct
import uuid
import zlib

import botocore.eventstream
import botocore.exceptions

import common

# Their numbers on the wire are their places in this list.
TYPES = ["true", "false", "byte", "short", "integer", "long", "binary", "string", "timestamp", "uuid"]
NUMBERS = {"byte": ">b", "short": ">h", "integer": ">i", "long": ">q", "timestamp": ">q"}


def header(name, type_, value=None):
    start = bytes([len(name.encode())]) + name.encode() + bytes([TYPES.index(type_)])
    if type_ in NUMBERS:
        return start + struct.pack(NUMBERS[type_], value)
    if type_ in ("binary", "string"):
        value = value.encode() if isinstance(value, str) else value
        return start + struct.pack(">H", len(value)) + value
    return start + (value or b"")


def prelude(total, headers):
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", zlib.crc32(lengths))


def frame(headers=b"", payload=b""):
    start = prelude(16 + len(headers) + len(payload), len(headers)) + headers + payload
    return start + struct.pack(">I", zlib.crc32(start))


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


ALL = [
    ("t", "true", None), ("f", "false", None), ("b", "byte", -128), ("s", "short", -32768), ("i", "integer", -2147483648),
    ("l", "long", -9223372036854775808), ("x", "binary", b"\x00\xff\x7f"), ("text", "string", "\u00e9\U0001f600"),
    ("time", "timestamp", 1767323045678), ("id", "uuid", uuid.UUID("01234567-89ab-cdef-0123-456789abcdef").bytes),
]
WHOLE = [
    ("nothing at all", [], b""),
    ("payload alone", [], b"payload"),
    ("headers alone", ALL[:2], b""),
    ("all types", ALL, b'{"a":1}'),
    ("largest numbers", [("b", "byte", 127), ("s", "short", 32767), ("i", "integer", 2147483647), ("l", "long", 9223372036854775807), ("time", "timestamp", -1)], b"x"),
    ("empty values", [("x", "binary", b""), ("s", "string", ""), ("id", "uuid", bytes(16))], b""),
    ("long name and value", [("n" * 255, "string", "v" * 300)], b"\x00"),
    ("names in the order of the frame", [("z", "true", None), ("a", "false", None), ("m", "byte", 0), ("\u00e9", "short", 1)], b""),
    ("bytes that are no text", [], bytes(range(256))),
    *[(f"type {type_}", [(":h", type_, value)], b"{}") for _, type_, value in ALL],
]
EVENT = frame(header(":event-type", "string", "messageStop") + header(":message-type", "string", "event"), b'{"stopReason":"end_turn"}')
DAMAGED = [
    ("checksum of the prelude", flipped(EVENT, 8)),
    ("checksum of the frame", flipped(EVENT, len(EVENT) - 1)),
    ("total length", flipped(EVENT, 3)),
    ("length of the headers", flipped(EVENT, 7)),
    ("a header's name", flipped(EVENT, 14)),
    ("a header's type", flipped(EVENT, 24)),
    ("payload", flipped(EVENT, len(EVENT) - 6)),
    ("headers over the limit", prelude(16 + 128 * 1024 + 1, 128 * 1024 + 1) + b"\x00"),
    ("payload over the limit", prelude(16 + 24 * 1024 * 1024 + 1, 0) + b"\x00"),
    ("the longest lengths that can be said", prelude(0xFFFFFFFF, 0xFFFFFFFF) + b"\x00"),
    ("a header twice", frame(header("a", "true") + header("a", "false"), b"x")),
    ("a type that there is not", frame(b"\x01a\x0a", b"x")),
]


def read(data):
    buffer = botocore.eventstream.EventStreamBuffer()
    buffer.add_data(data)
    (message,) = list(buffer)
    return message


def shown(name, type_, value):
    """A header as the tests have it: numbers and booleans as they are, a UUID in hexadecimal, bytes in base64."""
    if type_ in ("true", "false"):
        type_ = "boolean"
    return {"name": name, "type": type_, "value": value.hex() if type_ == "uuid" else value}


def event(event_type, payload, message_type="event"):
    key = {"event": ":event-type", "exception": ":exception-type"}[message_type]
    headers = header(key, "string", event_type) + header(":content-type", "string", "application/json")
    return frame(headers + header(":message-type", "string", message_type), json.dumps(common.plain(payload), separators=(",", ":")).encode())


def delta(index, **members):
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": members, "p": "abcdef"})


def start(index, **members):
    return event("contentBlockStart", {"contentBlockIndex": index, "start": members, "p": "a"})


def stop(index):
    return event("contentBlockStop", {"contentBlockIndex": index})


def end(reason="end_turn"):
    usage = {"inputTokens": 12, "outputTokens": 7, "totalTokens": 19, "cacheReadInputTokens": 3, "cacheWriteInputTokens": 4, "cacheDetails": [{"ttl": "1h", "inputTokens": 4}]}
    return event("messageStop", {"stopReason": reason, "p": "ab"}) + event("metadata", {"usage": usage, "metrics": {"latencyMs": 321}, "performanceConfig": {"latency": "standard"}, "p": "a"})


BEGIN = event("messageStart", {"role": "assistant", "p": "abcd"})
TEXT = BEGIN + delta(0, text="Hel") + delta(0, text="lo \u00e9\U0001f600\u0000") + stop(0) + end()
# The last member, where there is one: the error that pumice promises where botocore has another, and why.
STREAMS = [
    ("text", "ConverseStream", TEXT),
    ("tools between each other", "ConverseStream", BEGIN + start(0, toolUse={"toolUseId": "tooluse_1", "name": "a"}) + start(1, toolUse={"toolUseId": "tooluse_2", "name": "b"})
        + delta(1, toolUse={"input": "{\"x\":"}) + delta(0, toolUse={"input": ""}) + delta(1, toolUse={"input": "1}"}) + stop(1) + stop(0) + end("tool_use")),
    ("reasoning", "ConverseStream", BEGIN + delta(0, reasoningContent={"text": "Hm."}) + delta(0, reasoningContent={"signature": "c2ln"}) + stop(0)
        + delta(1, reasoningContent={"redactedContent": b"\x00\xff\x80"}) + stop(1) + delta(2, text="Yes.") + stop(2) + end()),
    ("citations", "ConverseStream", BEGIN + delta(0, text="It rose.")
        + delta(0, citation={"title": "A report", "sourceContent": [{"text": "rose"}], "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}) + stop(0) + end()),
    # An event of another type is not here: botocore passes it over.
    ("later versions of the API", "ConverseStream", BEGIN + event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"hologram": {"x": 1}}, "new": True})
        + stop(0) + end("a_new_reason")),
    ("response without a block", "ConverseStream", BEGIN + end("max_tokens")),
    ("throttled before the first event", "ConverseStream", event("throttlingException", {"message": "Too many tokens"}, "exception")),
    ("exception between events", "ConverseStream", BEGIN + delta(0, text="Hel") + event("modelStreamErrorException", {"message": "The model failed", "originalStatusCode": 500, "originalMessage": "x"}, "exception"),
        {"code": "modelStreamErrorException", "message": "The model failed (the model's own, status 500: x)", "why": "what the model said is shown too"}),
    ("exception that is not modelled", "ConverseStream", BEGIN + event("teapotException", {"message": "short and stout"}, "exception"),
        {"code": "teapotException", "message": "short and stout", "why": "botocore raises an error that says nothing"}),
    ("error frame", "ConverseStream", BEGIN + delta(0, text="Hel")
        + frame(header(":message-type", "string", "error") + header(":error-code", "string", "InternalError") + header(":error-message", "string", "An \u00e9rror"), b"")),
    ("damaged between events", "ConverseStream", BEGIN + flipped(delta(0, text="Hel"), -2 % len(delta(0, text="Hel"))) + stop(0) + end()),
    ("cut inside a frame", "ConverseStream", TEXT[:-9], {"broken_off": True, "why": "botocore takes the end of the body for the end of the stream"}),
    ("model in its own form", "InvokeModelWithResponseStream", event("chunk", {"bytes": b'{"outputText":"Hel"}', "p": "a"}) + event("chunk", {"bytes": b"\xff"})),
]

frames = []
for name, headers, payload in WHOLE:
    data = frame(b"".join(header(*parts) for parts in headers), payload)
    message = read(data)
    found = [shown(name, type_, message.headers[name]) for name, type_, _ in headers]
    frames.append({"name": name, "frame": data, "headers": found, "payload": message.payload})

damaged = []
for name, data in DAMAGED:
    try:
        raise AssertionError(f"{name}: botocore reads {read(data)}")
    except (botocore.eventstream.ParserError, KeyError, struct.error, ValueError) as error:
        damaged.append({"name": name, "frame": data, "error": type(error).__name__})

streams = []
for name, operation, data, *otherwise in STREAMS:
    params = {"modelId": "m", **({"messages": []} if operation == "ConverseStream" else {"body": b"{}"})}
    answer = (200, {"content-type": "application/vnd.amazon.eventstream"}, data)
    with common.surroundings({}):
        _, response = common.call("bedrock-runtime", operation, params, "us-east-1", common.KEYS, answer=answer)
    events, error = [], None
    try:
        for item in response["stream" if operation == "ConverseStream" else "body"]:
            events.append(item)
    except botocore.exceptions.EventStreamError as raised:
        error = {"code": raised.response["Error"]["Code"], "message": raised.response["Error"]["Message"]}
    except botocore.eventstream.ParserError as raised:
        error = {"damaged": type(raised).__name__}
    streams.append({"name": name, "operation": operation, "stream": data, "events": events, "error": error, **({"pumice": otherwise[0]} if otherwise else {})})

common.write("frames.json", common.MADE_WITH, frames=frames, damaged=damaged, streams=streams)
