"""A fake Bedrock on loopback, for the C test and the examples: python3 capi/tests/server.py [CERTIFICATE KEY]

Prints its URL on one line, and serves until standard input ends. With a certificate it speaks TLS. The model id in the
path says what happens:

    words-N     a response of N words
    silent      one word, and then nothing until the client closes the connection
    mute        no response at all
    throttled   429
    broken      one word, and then the connection breaks
    unread      the connection is closed before the request is read
"""

import json
import socket
import ssl
import struct
import sys
import threading
import urllib.parse
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def frame(headers, payload):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html has the format."""
    packed = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", len(packed) + len(payload) + 16, len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack(">I", zlib.crc32(message))


def event(name, members):
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps({**members, "p": "abcd"}, separators=(",", ":")).encode())


def word(text):
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})


START = event("messageStart", {"role": "assistant"})
END = (
    event("contentBlockStop", {"contentBlockIndex": 0})
    + event("messageStop", {"stopReason": "end_turn"})
    + event("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 4}})
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        parts = urllib.parse.unquote(self.path).split("/")
        model, operation = (parts + ["", "", ""])[2:4]
        if model == "unread":
            # With bytes unread, closing resets the connection.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if model == "throttled":
            self.whole(429, {"message": "Too many tokens"}, {"x-amzn-errortype": "ThrottlingException"})
        elif model == "mute":
            self.wait_for_close()
        elif operation == "converse-stream":
            self.stream(model)
        elif operation == "converse":
            text = f"{len(json.loads(body)['messages'])} messages"
            message = {"role": "assistant", "content": [{"text": text}]}
            usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
            metrics = {"latencyMs": 4}
            output = {"message": message}
            self.whole(200, {"output": output, "stopReason": "end_turn", "usage": usage, "metrics": metrics})
        else:
            self.whole(404, {"message": "no such operation"}, {"x-amzn-errortype": "UnknownOperationException"})

    def whole(self, status, body, headers=()):
        body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **dict(headers)}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, model):
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("x-amzn-requestid", "request-1")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.chunk(START)
        if model.startswith("words-"):
            for number in range(int(model.removeprefix("words-"))):
                self.chunk(word(f"word{number} "))
            self.chunk(END)
            self.wfile.write(b"0\r\n\r\n")
            return
        self.chunk(word("one "))
        if model == "silent":
            self.wait_for_close()
        self.close_connection = True

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def wait_for_close(self):
        self.rfile.read(1)
        self.close_connection = True

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # The client has gone.

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def finish_request(self, request, client_address):
        # The handshake is in the connection's own thread.
        if certificate:
            try:
                request = certificate.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, client_address)


certificate = None
if len(sys.argv) > 1:
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_cert_chain(sys.argv[1], sys.argv[2])
server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}", flush=True)
sys.stdin.read()
