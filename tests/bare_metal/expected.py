"""What the firmware `events` must print of the recordings: read here with Python's own modules, not with pumice."""

import base64
import json
import pathlib
import struct
import sys
import zlib


def frames(body):
    """The frames of a body as (headers, payload), as far as they are whole and undamaged."""
    while len(body) >= 12:
        total, headers, checksum = struct.unpack(">III", body[:12])
        if zlib.crc32(body[:8]) != checksum or len(body) < total:
            return
        if zlib.crc32(body[: total - 4]) != struct.unpack(">I", body[total - 4 : total])[0]:
            return
        named, rest = {}, body[12 : 12 + headers]
        while rest:
            name, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
            (length,) = struct.unpack(">H", rest[1:3])
            named[name.decode()], rest = rest[3 : 3 + length].decode(), rest[3 + length :]
        yield named, json.loads(body[12 + headers : total - 4]), body[total:]
        body = body[total:]


def summary(body):
    """The text of a response, why it stopped, and whether an error ended it."""
    blocks, stop_reason, rest = {}, None, body
    for headers, payload, rest in frames(body):
        if headers[":message-type"] != "event":
            return blocks, stop_reason, True
        if headers[":event-type"] == "contentBlockDelta" and "text" in payload["delta"]:
            index = payload["contentBlockIndex"]
            blocks[index] = blocks.get(index, "") + payload["delta"]["text"]
        if headers[":event-type"] == "messageStop":
            stop_reason = payload["stopReason"]
    return blocks, stop_reason, bool(rest)


def responses(folder):
    bodies = {}
    for file in sorted(pathlib.Path(folder).glob("*.jsonl")):
        for line in file.read_text().splitlines():
            line = json.loads(line)
            head, chunk = line.get("response"), line.get("chunk")
            name = f"{file.stem}-{(head or chunk or {}).get('exchange')}"
            if head and head["headers"].get("content-type") == "application/vnd.amazon.eventstream":
                bodies[name] = b""
            elif chunk and name in bodies:
                bodies[name] += base64.b64decode(chunk["base64"])
    return bodies


def main(folder, printed):
    found = {line["response"]: line for line in map(json.loads, pathlib.Path(printed).read_text().splitlines())}
    bodies = responses(folder)
    assert bodies.keys() == found.keys(), f"expected {sorted(bodies)}, found {sorted(found)}"
    for name, body in bodies.items():
        blocks, stop_reason, failed = summary(body)
        text = "".join(blocks[index] for index in sorted(blocks))
        expected = (text, stop_reason, failed)
        line = found[name]
        actual = (line["text"], line["stopReason"], line["error"] is not None)
        assert actual == expected, f"{name}: expected {expected}, found {actual}"
    characters = sum(len(line["text"]) for line in found.values())
    errors = sum(line["error"] is not None for line in found.values())
    print(f"{len(found)} recorded responses read on the target, {errors} of them to their error: {characters} characters")


main(*sys.argv[1:])
