"""A service on loopback: it gives the responses of a script at the script's pace, and keeps the requests."""

import binascii
import contextlib
import json
import queue
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from screen import LONGEST


def frame(kind, payload, type_="event"):
    """A frame of the event stream."""
    names = {":message-type": type_, f":{type_}-type": kind, ":content-type": "application/json"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in names.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + body
    return message + struct.pack(">I", binascii.crc32(message))


def start():
    return frame("messageStart", {"role": "assistant"})


def text(piece, index=0):
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": piece}})


def thinking(piece, index=0):
    delta = {"reasoningContent": {"text": piece}}
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})


def block_end(index=0):
    return frame("contentBlockStop", {"contentBlockIndex": index})


def end(input_=12, output=7, reason="end_turn"):
    usage = {"inputTokens": input_, "outputTokens": output, "totalTokens": input_ + output}
    return frame("messageStop", {"stopReason": reason}) + frame(
        "metadata", {"usage": usage, "metrics": {"latencyMs": 100}}
    )


class Answer:
    """One response. Its parts are bytes, or `None`: there it waits for `go`."""

    def __init__(self, *parts, status=200, headers=(), kind=None):
        self.parts, self.status, self.headers = parts, status, dict(headers)
        self.kind = kind or ("application/vnd.amazon.eventstream" if status == 200 else "application/json")
        self.steps = threading.Semaphore(0)
        # Whether the client has gone away before the end.
        self.is_cut = threading.Event()

    def go(self):
        self.steps.release()


def says(*pieces):
    """A response with this text, in these pieces."""
    return Answer(start(), *map(text, pieces), block_end(), end())


def slow(*pieces):
    """The same, where each piece waits for `go`, and so does the end."""
    parts = [part for piece in pieces for part in (None, text(piece))]
    return Answer(start(), *parts, None, block_end() + end())


def refusal(status, kind, message, headers=()):
    body = json.dumps({"message": message}).encode()
    return Answer(body, status=status, headers={"x-amzn-errortype": kind, **dict(headers)})


class Service:
    def __init__(self, *answers):
        self.answers = queue.SimpleQueue()
        for answer in answers:
            self.answers.put(answer)
        self.requests = []
        # What the control plane says, by a part of the path, and whether each response of it waits for `go`.
        self.control, self.waits, self.steps = {}, False, threading.Semaphore(0)
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                self.respond(json.loads(body))

            def do_GET(self):
                if service.waits:
                    service.steps.acquire(timeout=LONGEST)
                said = next((said for part, said in service.control.items() if part in self.path), None)
                body = json.dumps(said or {"message": "there is no such thing"}).encode()
                self.send_response(200 if said else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                with contextlib.suppress(OSError):
                    self.end_headers()
                    self.wfile.write(body)

            def respond(self, body):
                # What comes without an answer for it is seen as one request too many.
                try:
                    answer = service.answers.get_nowait()
                except queue.Empty:
                    answer = refusal(400, "ValidationException", "this request is one too many")
                service.requests.append((self.path, body))
                self.send_response(answer.status)
                for name, value in {"content-type": answer.kind, **answer.headers, "transfer-encoding": "chunked"}.items():
                    self.send_header(name, value)
                try:
                    self.end_headers()
                    for part in answer.parts:
                        if part is None:
                            self.wfile.flush()
                            if not answer.steps.acquire(timeout=LONGEST):
                                break
                        else:
                            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                            self.wfile.flush()
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    answer.is_cut.set()
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # Clients that go away are no fault.
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def then(self, *answers):
        for answer in answers:
            self.answers.put(answer)

    def go(self, times=1):
        """Lets responses of the control plane go."""
        self.steps.release(times)

    def prompts(self):
        """The text of the last message of each request."""
        return [texts(body["messages"][-1])[-1] for _, body in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def texts(message):
    return [block["text"] for block in message["content"] if "text" in block]
