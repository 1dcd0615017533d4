"""Streams the response to one question: python3 stream.py SETTINGS MODEL QUESTION

SETTINGS is the JSON of docs/c.md, such as {"region":"eu-central-1"} or {"replay":"fixtures/text.jsonl"}. Needs nothing
but libpumice, which is looked for where the variable PUMICE_LIBRARY says, or where the system has its libraries.
"""

import ctypes
import ctypes.util
import json
import os
import sys

OK, EVENT, END, TIMEOUT, CANCELLED, FAILED = 0, 1, 2, 3, 4, -1


class PumiceError(Exception):
    """A failed call. `kind` is a PUMICE_ERROR_… of pumice.h."""

    def __init__(self, error):
        self.kind, self.retryable, self.http_status = error.kind, bool(error.retryable), error.http_status
        texts = (error.message, error.code, error.hint, error.request_id)
        self.message, self.code, self.hint, self.request_id = (text.decode() if text else None for text in texts)
        super().__init__(f"{self.code}: {self.message}" if self.code else self.message)


class Error(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int),
        ("retryable", ctypes.c_int),
        ("http_status", ctypes.c_int),
        ("retry_after_ms", ctypes.c_int64),
        ("message", ctypes.c_char_p),
        ("code", ctypes.c_char_p),
        ("hint", ctypes.c_char_p),
        ("request_id", ctypes.c_char_p),
    ]


Pointer, Size, Text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
to = ctypes.POINTER


def load():
    path = os.environ.get("PUMICE_LIBRARY") or ctypes.util.find_library("pumice")
    if not path:
        sys.exit("libpumice was not found: set PUMICE_LIBRARY to its file")
    library = ctypes.CDLL(path)
    functions = {
        "pumice_version": (Text, []),
        "pumice_client_new": (ctypes.c_int, [Text, Size, to(Pointer), to(to(Error))]),
        "pumice_client_free": (None, [Pointer]),
        "pumice_call": (ctypes.c_int, [Pointer, Text, Text, Size, to(Pointer), to(Size), to(to(Error))]),
        "pumice_stream_open": (ctypes.c_int, [Pointer, Text, Text, Size, to(Pointer), to(to(Error))]),
        "pumice_stream_next": (ctypes.c_int, [Pointer, ctypes.c_int, to(Text), to(Size), to(to(Error))]),
        "pumice_stream_cancel": (None, [Pointer]),
        "pumice_stream_free": (None, [Pointer]),
        "pumice_string_free": (None, [Pointer]),
        "pumice_error_free": (None, [to(Error)]),
    }
    for name, (result, arguments) in functions.items():
        getattr(library, name).restype, getattr(library, name).argtypes = result, arguments
    return library


pumice = load()


def checked(function, *arguments):
    """The status of a function whose last argument reports its failure."""
    error = to(Error)()
    status = function(*arguments, ctypes.byref(error))
    if status == FAILED:
        try:
            raise PumiceError(error.contents)
        finally:
            pumice.pumice_error_free(error)
    return status


class Client:
    def __init__(self, **settings):
        self._client = Pointer()
        text = json.dumps(settings).encode()
        checked(pumice.pumice_client_new, text, len(text), ctypes.byref(self._client))

    def call(self, operation, **request):
        """The whole response of an operation."""
        response, length = Pointer(), Size()
        text = json.dumps(request).encode()
        checked(pumice.pumice_call, self._client, operation.encode(), text, len(text),
                ctypes.byref(response), ctypes.byref(length))
        try:
            return json.loads(ctypes.string_at(response, length.value))
        finally:
            pumice.pumice_string_free(response)

    def stream(self, operation, **request):
        """The events of an operation, as they arrive. Closing the generator closes the connection."""
        stream, event, length = Pointer(), Text(), Size()
        text = json.dumps(request).encode()
        checked(pumice.pumice_stream_open, self._client, operation.encode(), text, len(text), ctypes.byref(stream))
        try:
            while True:
                # A wait in C does not see Ctrl-C, so it is a short one.
                status = checked(pumice.pumice_stream_next, stream, 200, ctypes.byref(event), ctypes.byref(length))
                if status == EVENT:
                    yield json.loads(event.value)
                elif status != TIMEOUT:
                    return
        finally:
            pumice.pumice_stream_free(stream)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pumice.pumice_client_free(self._client)


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: stream.py SETTINGS MODEL QUESTION")
    settings, model, question = sys.argv[1:]
    messages = [{"role": "user", "content": [{"text": question}]}]
    try:
        with Client(**json.loads(settings)) as client:
            for event in client.stream("ConverseStream", modelId=model, messages=messages):
                print(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""), end="", flush=True)
            print()
    except PumiceError as error:
        sys.exit(f"error: {error}" + (f"\nhint: {error.hint}" if error.hint else ""))


if __name__ == "__main__":
    main()
