#!/usr/bin/env python3
"""Digest the service's own model, as botocore ships it, into the shapes that this crate carries.

    pip download --no-deps botocore==1.44.8 -d /tmp/botocore
    python3 tests/model/digest.py /tmp/botocore/botocore-1.44.8-py3-none-any.whl > tests/model/bedrock.txt
"""

import gzip
import json
import sys
import zipfile

MODELS = {
    "botocore/data/bedrock-runtime/2023-09-30/service-2.json.gz": [
        "Converse",
        "ConverseStream",
        "CountTokens",
        "ApplyGuardrail",
        "InvokeModel",
        "InvokeModelWithResponseStream",
    ],
    "botocore/data/bedrock/2023-04-20/service-2.json.gz": [
        "ListFoundationModels",
        "GetFoundationModel",
        "ListInferenceProfiles",
        "GetInferenceProfile",
        "GetFoundationModelAvailability",
        "ListFoundationModelAgreementOffers",
        "CreateFoundationModelAgreement",
        "DeleteFoundationModelAgreement",
        "PutUseCaseForModelAccess",
        "GetUseCaseForModelAccess",
        "CreateModelInvocationJob",
        "GetModelInvocationJob",
        "ListModelInvocationJobs",
        "StopModelInvocationJob",
    ],
}

HEADER = """\
# The shapes that these operations take and give, and all that they are made of.
# From botocore {version}; made by
#   pip download --no-deps botocore=={version} -d /tmp/botocore
#   python3 tests/model/digest.py /tmp/botocore/botocore-{version}-py3-none-any.whl > tests/model/bedrock.txt
#
# kind name member:target ...    member* is required; @place is where it stands, if not in the body
# enum name value ..."""


def main(wheel):
    version = wheel.rsplit("/", 1)[-1].split("-")[1]
    lines = {}
    with zipfile.ZipFile(wheel) as archive:
        for path, operations in MODELS.items():
            model = json.loads(gzip.decompress(archive.read(path)))
            for name in operations:
                operation = model["operations"][name]
                ends = [operation[end]["shape"] for end in ("input", "output")]
                put(lines, f"operation {name}", " ".join(["operation", name, *ends]))
                for end in ends:
                    walk(model["shapes"], end, lines)
    print(HEADER.format(version=version))
    for _, line in sorted(lines.items()):
        print(line)


def walk(shapes, name, lines):
    """Adds the line of the shape of this name, and of those that it is made of."""
    shape = shapes[name]
    kind = shape["type"]
    if kind == "list":
        walk(shapes, shape["member"]["shape"], lines)
    elif kind == "map":
        walk(shapes, shape["value"]["shape"], lines)
    elif kind == "string" and "enum" in shape:
        put(lines, name, " ".join(["enum", name, *shape["enum"]]))
    elif kind == "structure" and not shape.get("document"):
        members = shape["members"]
        required = shape.get("required", [])
        words = [
            f"{member}{'*' if member in required else ''}:{target(shapes, ref['shape'])}"
            + (f"@{ref['location']}" if "location" in ref else "")
            for member, ref in members.items()
        ]
        if put(lines, name, " ".join([kind_of(shape), name, *words])):
            for ref in members.values():
                walk(shapes, ref["shape"], lines)


def target(shapes, name):
    """What a member is made of: a scalar, a shape with a line of its own, or a list or map of either."""
    shape = shapes[name]
    kind = shape["type"]
    if kind == "list":
        return f"list<{target(shapes, shape['member']['shape'])}>"
    if kind == "map":
        return f"map<{target(shapes, shape['value']['shape'])}>"
    if shape.get("document"):
        return "document"
    return name if kind == "structure" or "enum" in shape else kind


def kind_of(shape):
    return next((kind for kind in ("union", "eventstream", "exception") if shape.get(kind)), "structure")


def put(lines, key, line):
    """Whether the line is new. Two shapes of one name that differ would need two names here."""
    if lines.setdefault(key, line) is not line:
        assert lines[key] == line, f"two shapes are called {key}"
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1])
