"""requests.json and signing.json: what botocore sends for a call, and how it signs it."""

import base64
import json
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

import common

CLAUDE = "anthropic.claude-3-5-sonnet-20241022-v2:0"
PROFILE_ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
GPL = "arn:aws:bedrock:us-east-1:123456789012:guardrail/gr8gr8gr8gr8"
TOKEN = {**common.KEYS, "session_token": "FwoGZXIvYXdzEXAMPLE//////////wEaD+token/with=signs=="}
USER = {"role": "user", "content": [{"text": "Hello"}]}
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")

TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "get_weather",
                "description": "The weather of a place",
                "inputSchema": {
                    "json": {
                        "type": "object",
                        "properties": {"city": {"type": "string", "enum": ["Z\u00fcrich", "\u6771\u4eac"]}, "days": {"type": "integer", "minimum": 1}},
                        "required": ["city"],
                        "additionalProperties": False,
                    }
                },
                "strict": True,
            }
        },
        {"cachePoint": {"type": "default", "ttl": "5m"}},
    ],
    "toolChoice": {"tool": {"name": "get_weather"}},
}


def user(*content):
    return {"role": "user", "content": list(content)}


def case(name, operation, params, **settings):
    return {"name": name, "operation": operation, "params": params, **settings}


CASES = [
    case("text", "Converse", {"modelId": CLAUDE, "messages": [USER]}),
    case("session token", "Converse", {"modelId": CLAUDE, "messages": [USER]}, credentials=TOKEN),
    case("unicode", "Converse", {"modelId": CLAUDE, "messages": [user({"text": "\u00e9\u4e2d\u6587 \U0001f600 \u0000\u001f\u2028\"\\/"})]}),
    case("model id with a slash and others", "Converse", {"modelId": "a/b c+d~e:f%2F", "messages": [USER]}),
    case("arn of an application inference profile", "Converse", {"modelId": PROFILE_ARN, "messages": [USER]}),
    case("arn of a prompt", "Converse", {
        "modelId": "arn:aws:bedrock:us-east-1:123456789012:prompt/PROMPT1234:1",
        "promptVariables": {"genre": {"text": "jazz"}, "length": {"text": "10"}},
    }),
    case("every setting", "Converse", {
        "modelId": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "messages": [USER],
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}, {"guardContent": {"text": {"text": "x", "qualifiers": ["grounding_source"]}}}],
        "inferenceConfig": {"maxTokens": 64, "temperature": 0.0, "topP": 0.9, "stopSequences": ["END", "\n\n"]},
        "toolConfig": TOOLS,
        "guardrailConfig": {"guardrailIdentifier": GPL, "guardrailVersion": "DRAFT", "trace": "enabled_full"},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "list": [1, 2.5, None, True, "x", {"deep": []}], "huge": 12345678901234},
        "additionalModelResponseFieldPaths": ["/stop_sequence", "/a~1b"],
        "requestMetadata": {"team": "a-1", "cost": "b:2"},
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "priority"},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{\"type\":\"object\"}", "name": "n", "description": "d"}}}},
    }),
    case("tools and results", "Converse", {
        "modelId": CLAUDE,
        "messages": [
            USER,
            {"role": "assistant", "content": [
                {"text": "Let me see."},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Z\u00fcrich", "n": [1, -0.5, 1e100, None]}}},
                {"toolUse": {"toolUseId": "tooluse_2", "name": "get_weather", "input": {}}},
            ]},
            user(
                {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "sunny"}, {"json": {"t": 21.5, "wind": None}}, {"image": {"format": "png", "source": {"bytes": PNG}}}], "status": "success"}},
                {"toolResult": {"toolUseId": "tooluse_2", "content": [{"text": "no such place"}], "status": "error"}},
            ),
        ],
        "toolConfig": TOOLS,
    }),
    case("reasoning", "Converse", {
        "modelId": CLAUDE,
        "messages": [
            USER,
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": b"\x00\xff\x80"}},
                {"text": "Yes."},
            ]},
            USER,
        ],
    }),
    case("images documents and video", "Converse", {
        "modelId": CLAUDE,
        "messages": [user(
            {"image": {"format": "png", "source": {"bytes": PNG}}},
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/k.jpg", "bucketOwner": "123456789012"}}}},
            {"document": {"format": "pdf", "name": "A report", "source": {"bytes": b"%PDF-1.4"}, "citations": {"enabled": True}, "context": "of 2025"}},
            {"document": {"format": "txt", "name": "plain", "source": {"text": "a text"}}},
            {"document": {"name": "content", "source": {"content": [{"text": "one"}, {"text": "two"}]}}},
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v.mp4"}}}},
            {"cachePoint": {"type": "default", "ttl": "1h"}},
        )],
    }),
    case("guarded content", "Converse", {
        "modelId": CLAUDE,
        "messages": [user({"guardContent": {"text": {"text": "x", "qualifiers": ["query", "guard_content"]}}}, {"guardContent": {"image": {"format": "png", "source": {"bytes": PNG}}}})],
    }),
    case("citations", "Converse", {
        "modelId": CLAUDE,
        "messages": [USER, {"role": "assistant", "content": [{"citationsContent": {
            "content": [{"text": "It rose."}],
            "citations": [{"title": "A report", "sourceContent": [{"text": "rose"}], "location": {"documentChar": {"documentIndex": 0, "start": 1, "end": 5}}}],
        }}]}, USER],
    }),
    case("nothing but a model", "Converse", {"modelId": CLAUDE}),
    case("project", "Converse", {"modelId": CLAUDE, "messages": [USER], "projectIdentifier": "proj-1"}),
    case("empty lists and objects", "Converse", {"modelId": CLAUDE, "messages": [], "system": [], "inferenceConfig": {}, "additionalModelRequestFields": {}}),
    case("text", "ConverseStream", {"modelId": CLAUDE, "messages": [USER]}),
    case("guardrail of a stream", "ConverseStream", {
        "modelId": PROFILE_ARN, "messages": [USER], "toolConfig": TOOLS,
        "guardrailConfig": {"guardrailIdentifier": "gr8gr8gr8gr8", "guardrailVersion": "1", "streamProcessingMode": "async"},
    }),
    case("session token", "ConverseStream", {"modelId": "global.amazon.nova-2-lite-v1:0", "messages": [USER]}, credentials=TOKEN, region="eu-central-1"),
    case("json body", "InvokeModel", {"modelId": "amazon.titan-embed-text-v2:0", "body": b'{"inputText":"\xc3\xa9"}', "contentType": "application/json", "accept": "application/json"}),
    case("bytes and every header", "InvokeModel", {
        "modelId": CLAUDE, "body": bytes(range(256)), "contentType": "application/octet-stream", "accept": "image/png", "trace": "ENABLED_FULL",
        "guardrailIdentifier": GPL, "guardrailVersion": "12", "performanceConfigLatency": "optimized", "serviceTier": "flex",
        "requestMetadata": '{"team":"a-1"}',
    }, credentials=TOKEN),
    case("arn of an imported model", "InvokeModel", {"modelId": "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdef", "body": b"{}"}),
    case("json body", "InvokeModelWithResponseStream", {"modelId": CLAUDE, "body": b'{"max_tokens":1}', "contentType": "application/json", "accept": "application/json"}),
    case("every header", "InvokeModelWithResponseStream", {
        "modelId": PROFILE_ARN, "body": b"\xff\xfe", "contentType": "text/plain", "accept": "*/*", "trace": "DISABLED",
        "guardrailIdentifier": "g", "guardrailVersion": "DRAFT", "performanceConfigLatency": "standard", "serviceTier": "priority",
    }),
    case("of a conversation", "CountTokens", {"modelId": CLAUDE, "input": {"converse": {"messages": [USER], "system": [{"text": "s"}], "toolConfig": TOOLS, "additionalModelRequestFields": {"a": [1]}}}}),
    case("of an invocation", "CountTokens", {"modelId": PROFILE_ARN, "input": {"invokeModel": {"body": b'{"prompt":"x"}'}}}),
    case("text and an image", "ApplyGuardrail", {
        "guardrailIdentifier": "gr8gr8gr8gr8", "guardrailVersion": "DRAFT", "source": "INPUT", "outputScope": "FULL",
        "content": [{"text": {"text": "\u00e9", "qualifiers": ["query"]}}, {"image": {"format": "png", "source": {"bytes": PNG}}}],
    }),
    case("arn of a guardrail", "ApplyGuardrail", {"guardrailIdentifier": GPL, "guardrailVersion": "1", "source": "OUTPUT", "content": [{"text": {"text": "x"}}]}),
    case("all", "ListFoundationModels", {}),
    case("every filter", "ListFoundationModels", {"byProvider": "Stability AI & co.+/\u00e9", "byCustomizationType": "FINE_TUNING", "byOutputModality": "TEXT", "byInferenceType": "ON_DEMAND"}),
    case("session token", "ListFoundationModels", {"byOutputModality": "EMBEDDING"}, credentials=TOKEN, region="ap-northeast-1"),
    case("project", "ListFoundationModels", {"projectIdentifier": "arn:aws:bedrock:us-east-1:123456789012:project/p 1"}),
    case("by id", "GetFoundationModel", {"modelIdentifier": CLAUDE}),
    case("by arn", "GetFoundationModel", {"modelIdentifier": "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-lite-v1:0:4k"}),
    case("all", "ListInferenceProfiles", {}),
    case("a page", "ListInferenceProfiles", {"maxResults": 7, "nextToken": "AAAA+b/c=d e&f?%20~\u00fc", "typeEquals": "SYSTEM_DEFINED"}),
    case("by id", "GetInferenceProfile", {"inferenceProfileIdentifier": "us.anthropic.claude-3-haiku-20240307-v1:0"}),
    case("by arn", "GetInferenceProfile", {"inferenceProfileIdentifier": PROFILE_ARN}, credentials=TOKEN),
    case("bearer token", "Converse", {"modelId": CLAUDE, "messages": [USER]}, env={"AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key-EXAMPLE"}, credentials=None),
    case("bearer token beside keys", "ListInferenceProfiles", {}, env={"AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key-EXAMPLE"}),
    case("signature preferred", "InvokeModel", {"modelId": "m", "body": b"x"}, env={"AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key-EXAMPLE", "AWS_AUTH_SCHEME_PREFERENCE": "sigv4"}),
    case("fips", "ConverseStream", {"modelId": CLAUDE, "messages": [USER]}, client_config={"use_fips_endpoint": True}, region="us-gov-west-1"),
    case("dual-stack", "GetFoundationModel", {"modelIdentifier": "m"}, client_config={"use_dualstack_endpoint": True}, region="eu-west-1"),
    case("china", "Converse", {"modelId": "m", "messages": [USER]}, region="cn-north-1"),
    case("endpoint with a port and a path", "InvokeModel", {"modelId": CLAUDE, "body": b"{}"}, endpoint_url="https://gateway.example.com:8443/bedrock/v1"),
    case("endpoint with a path", "ListInferenceProfiles", {"maxResults": 1}, endpoint_url="https://gateway.example.com/c%20d/"),
]

# Signatures of requests that no operation makes: what there is to get wrong in the canonical request.
SIGNED = [
    ("nothing", "GET", "https://example.amazonaws.com/", {}, b"", "us-east-1", "service"),
    ("query in any order", "GET", "https://example.amazonaws.com/?b=2&a=1&a=0&c=&B=3&a%20b=%2F%3D", {}, b"", "us-east-1", "service"),
    ("tilde and signs in the path", "GET", "https://example.amazonaws.com/a~b-c_d.e/%3A/%252F/%C3%A9", {}, b"", "eu-west-3", "bedrock"),
    ("spaces in headers", "PUT", "https://example.amazonaws.com/", {"my-header": "  a   b  c ", "a-header": "z", "z-header": "a"}, b"x", "us-east-1", "bedrock"),
    ("empty header", "POST", "https://example.amazonaws.com/", {"x-empty": ""}, b"", "us-east-1", "bedrock"),
    ("port that is not the scheme's", "POST", "https://example.amazonaws.com:8443/x", {}, b"{}", "us-east-1", "bedrock"),
    ("port that is the scheme's", "POST", "https://example.amazonaws.com:443/x", {}, b"{}", "us-east-1", "bedrock"),
    ("plain http and its port", "POST", "http://127.0.0.1:80/x", {}, b"{}", "us-east-1", "bedrock"),
    ("headers that others change", "POST", "https://example.amazonaws.com/", {"user-agent": "x/1", "x-amzn-trace-id": "Root=1", "transfer-encoding": "chunked"}, b"", "us-east-1", "bedrock"),
    ("role of another service", "POST", "https://sts.ap-south-1.amazonaws.com/", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, b"Action=AssumeRole&Version=2011-06-15", "ap-south-1", "sts"),
    ("bytes", "POST", "https://example.amazonaws.com/", {"content-type": "application/octet-stream"}, bytes(range(256)), "us-east-1", "bedrock"),
    ("S3: an object", "PUT", "https://bucket.s3.eu-central-1.amazonaws.com/in/f%C3%B6%C3%B6%20%2B%2A.jsonl", {"content-type": "application/jsonl"}, b"{}\n", "eu-central-1", "s3"),
    ("S3: an empty object with a key of its own", "PUT", "https://bucket.s3.eu-central-1.amazonaws.com/k", {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "alias/k"}, b"", "eu-central-1", "s3"),
    ("S3: a list", "GET", "https://s3.us-east-1.amazonaws.com/my.bucket/?prefix=out%2F&list-type=2&encoding-type=url&continuation-token=a%2Bb%2F%3D%3D", {}, b"", "us-east-1", "s3"),
    ("S3: a range", "GET", "http://127.0.0.1:9000/bucket/a//b~c/%25", {"range": "bytes=5-", "if-match": '"e"'}, b"", "us-east-1", "s3"),
    ("S3: parts", "POST", "https://bucket.s3.us-gov-west-1.amazonaws.com/k?uploads=", {}, b"", "us-gov-west-1", "s3"),
    ("S3: a part", "PUT", "https://bucket.s3.cn-north-1.amazonaws.com.cn/k?partNumber=2&uploadId=a%2Bb", {}, bytes(range(256)), "cn-north-1", "s3"),
]

UNSIGNED = {"user-agent", "x-amzn-trace-id", "transfer-encoding"}


def signature(name, region, service, credentials, request, headers):
    authorization = headers.pop("authorization")
    return {
        "name": name,
        "region": region,
        "signing_name": service,
        "timestamp": common.NOW.strftime("%Y%m%dT%H%M%SZ"),
        "credentials": credentials,
        "request": {
            "method": request.method,
            "url": request.url,
            "headers_signed": {name: value for name, value in headers.items() if name not in UNSIGNED},
            "headers_unsigned": {name: value for name, value in headers.items() if name in UNSIGNED},
            "body_base64": common.body_of(request),
        },
        "authorization": authorization,
    }


requests, signatures = [], []
for case in CASES:
    operation = case["operation"]
    runtime = operation not in {"ListFoundationModels", "GetFoundationModel", "ListInferenceProfiles", "GetInferenceProfile"}
    made = {
        "name": f"{operation}: {case['name']}",
        "service": "bedrock-runtime" if runtime else "bedrock",
        "operation": operation,
        "region": case.get("region", "us-east-1"),
        "env": case.get("env", {}),
        "client_config": case.get("client_config", {}),
        "endpoint_url": case.get("endpoint_url"),
        "credentials": case.get("credentials", common.KEYS) or {},
        "params": case["params"],
    }
    with common.surroundings(made["env"]):
        request, _ = common.call(
            made["service"], operation, made["params"], made["region"], made["credentials"], made["client_config"], made["endpoint_url"]
        )
    url, body, headers = urllib.parse.urlsplit(request.url), common.body_of(request), common.headers_of(request)
    # Another writer of JSON has other white space: only a signature of other bytes is the same everywhere.
    json_body = bool(body) and not operation.startswith("Invoke")
    made["request"] = {
        "method": request.method,
        "path": url.path,
        "query_params": urllib.parse.parse_qsl(url.query, keep_blank_values=True),
        "headers": headers,
        "authorization_comparable": not json_body or not headers["authorization"].startswith("AWS4-"),
        **({"body_kind": "json", "body": json.loads(body)} if json_body else {"body_kind": "bytes", "body_base64": body} if body else {"body_kind": "empty"}),
    }
    requests.append(made)
    if headers["authorization"].startswith("AWS4-"):
        signatures.append(signature(made["name"], made["region"], "bedrock", made["credentials"], request, dict(headers)))

for name, method, url, headers, body, region, service in SIGNED:
    for credentials in [common.KEYS, TOKEN][: 2 if name == "nothing" else 1]:
        request = botocore.awsrequest.AWSRequest(method=method, url=url, headers=headers, data=body)
        keys = botocore.credentials.Credentials(
            credentials["access_key_id"], credentials["secret_access_key"], credentials.get("session_token")
        )
        auth = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
        auth(keys, service, region).add_auth(request)
        prepared = request.prepare()
        found = {name.lower(): value for name, value in request.headers.items()}
        token = " with a session token" if credentials is TOKEN else ""
        signatures.append(signature(name + token, region, service, credentials, prepared, found))

common.write("requests.json", common.MADE_WITH, cases=requests)
common.write("signing.json", common.MADE_WITH, vectors=signatures)
