"""What all generators share: the fixed time and keys, a botocore that sees only what a case gives it, and the files."""

import base64
import contextlib
import datetime
import json
import os
import pathlib
import sys
import tempfile
import types
from unittest import mock

import botocore
import botocore.awsrequest
import botocore.compat
import botocore.config
import botocore.credentials
import botocore.session
import botocore.tokens

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
MADE_WITH = f"botocore {botocore.__version__}"


class Frozen(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return NOW.astimezone(tz)


# What signs asks this one function, which looks the class up in its own module.
botocore.compat.datetime = types.SimpleNamespace(datetime=Frozen, timezone=datetime.timezone)


@contextlib.contextmanager
def surroundings(env, files=()):
    """A process environment of these variables alone, and a home with these files alone.

    `$HOME` in values and files stands for the home.
    """
    with tempfile.TemporaryDirectory() as home:
        for name, text in dict(files).items():
            path = pathlib.Path(home, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.replace("$HOME", home).encode())
        known = {"HOME": home, "PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
        known.update((name, value.replace("$HOME", home)) for name, value in env.items())
        # botocore looks its home up when it is imported.
        caches = (botocore.credentials.SSOProvider, botocore.tokens.SSOTokenProvider)
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, known, clear=True))
            for cache in caches:
                stack.enter_context(mock.patch.object(cache, "_SSO_TOKEN_CACHE_DIR", f"{home}/.aws/sso/cache"))
            yield


def call(service, operation, params, region=None, credentials=None, config=None, endpoint_url=None, answer=None):
    """Has botocore make a call, and gives the request that it was about to send, and its answer or its error.

    Nothing is sent: `answer` (status, headers, body) stands for what the service says.
    """
    session = botocore.session.Session()
    if credentials:
        session.set_credentials(
            credentials["access_key_id"], credentials["secret_access_key"], credentials.get("session_token")
        )
    config = botocore.config.Config(**(config or {}), retries={"total_max_attempts": 1})
    client = session.create_client(service, region_name=region, config=config, endpoint_url=endpoint_url)
    sent = []

    def send(request, **_):
        sent.append(request)
        status, headers, body = answer or (400, {}, b"{}")
        return botocore.awsrequest.AWSResponse(request.url, status, botocore.awsrequest.HeadersDict(headers), Raw(body))

    client.meta.events.register("before-send", send)
    try:
        result = client._make_api_call(operation, params)
    except botocore.exceptions.ClientError as error:
        result = error
    (request,) = sent
    return request, result


class Raw:
    """A body as urllib3 gives it."""

    def __init__(self, body):
        self.body = body

    def stream(self, amt=1024, **_):
        for start in range(0, len(self.body), amt):
            yield self.body[start : start + amt]

    def read(self, *_, **__):
        body, self.body = self.body, b""
        return body

    def close(self):
        pass


def body_of(request):
    body = request.body or b""
    return body.encode() if isinstance(body, str) else bytes(body)


def headers_of(request):
    """The headers that are a part of the contract, with the host; names in lower case."""
    volatile = {"user-agent", "content-length", "accept-encoding", "expect"}
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    headers["host"] = request.url.split("://")[1].split("/")[0].split("?")[0]
    return {
        name: value
        for name, value in sorted(headers.items())
        if name not in volatile and not name.startswith("amz-sdk-")
    }


def plain(value):
    """A value as JSON has it: blobs in base64."""
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def write(name, made_with, **lists):
    """Writes a file of cases, each on a line of its own, into the folder that the command line names."""
    parts = [f' "made_with": {json.dumps(made_with)}']
    for key, cases in lists.items():
        names = [case["name"] for case in cases]
        assert len(names) == len(set(names)), f"{name}: a name stands twice"
        lines = ",\n".join("  " + json.dumps(plain(case), separators=(",", ":")) for case in cases)
        parts.append(f' "{key}": [\n{lines}\n ]')
    path = pathlib.Path(sys.argv[1], name)
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    print(f"{path}: {path.stat().st_size} bytes,", ", ".join(f"{len(cases)} {key}" for key, cases in lists.items()))
