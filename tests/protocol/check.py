"""Replays the recordings through `pumice stream` and `pumice stream --session`, and checks each line."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PUMICE, TSC = os.environ["PUMICE"], os.environ["TSC"]
work = Path(sys.argv[1])
passed = failed = 0


def check(name, fault):
    global passed, failed
    if fault:
        failed += 1
        print(f"{name}: {fault}")
    else:
        passed += 1


def run(arguments, text):
    output = subprocess.run([PUMICE, "stream", *arguments], input=text, capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in output.stdout.splitlines()]


INPUT = {"model": {"id": ""}, "context": {"messages": [{"role": "user", "content": "Hi"}]}}
events, session = [], []
for fixture in sorted((ROOT / "fixtures").glob("*.jsonl")):
    events += run(["--replay", str(fixture)], json.dumps(INPUT))
    lines = run(["--session", "--replay", str(fixture)], json.dumps({"id": fixture.stem, **INPUT}))
    check(f"{fixture.name}: the first line", None if lines[0]["type"] == "hello" else f"found {lines[0]}")
    last = lines[-1]
    check(f"{fixture.name}: the last line", None if last["type"] in ("done", "error") and last["id"] == fixture.stem else f"found {last}")
    session += lines
session += run(["--session"], '[]\n{"id": "x"}\n{"id": 1, "abort": true}\n')

schema = json.loads((ROOT / "docs/stream.schema.json").read_text(encoding="utf-8"))
try:
    import jsonschema

    def validator(definition):
        return jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{definition}"})

    jsonschema.Draft202012Validator.check_schema(schema)
    for definition, lines in [("event", events), ("sessionEvent", session), ("input", [INPUT]), ("sessionInput", [{"id": "1", **INPUT}, {"id": 1, "abort": True}])]:
        for line in lines:
            fault = next(validator(definition).iter_errors(line), None)
            check(f"schema, {definition}", fault and f"{json.dumps(line)[:200]}: {fault.message[:300]}")
    # What is wrong must not fit.
    for definition, line in [("event", {"type": "text_delta", "contentIndex": "0", "delta": "x"}), ("sessionEvent", {"type": "start"}), ("input", {"model": "m"})]:
        check(f"schema, wrong {definition}", None if list(validator(definition).iter_errors(line)) else f"{line} fits")
except ImportError:
    pass

if os.path.exists(TSC):
    types = ROOT / "docs/stream.d.ts"
    shutil.copy(types, work / "stream.d.ts")
    literal = lambda lines, of: f"const {of}s: {of}[] = {json.dumps(lines)};\n"
    (work / "lines.ts").write_text(
        'import type { Event, Input, SessionEvent, SessionInput } from "./stream";\n'
        + literal(events, "Event") + literal(session, "SessionEvent") + literal([INPUT], "Input")
        + literal([{"id": "1", **INPUT}, {"id": 1, "abort": True}], "SessionInput")
        + "// @ts-expect-error\nconst wrong: Event = { type: 'text_delta', contentIndex: '0', delta: 'x' };\n"
        + "export { Events, SessionEvents, Inputs, SessionInputs, wrong };\n",
        encoding="utf-8",
    )
    output = subprocess.run(["node", TSC, "--strict", "--noEmit", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "lines.ts"], cwd=work, capture_output=True, text=True)
    check("types", output.returncode and output.stdout[:1500])

# The kinds of errors are the program's.
kinds = set(re.findall(r'=> "(\w+)"', re.search(r"fn as_str\(self\).*?\n    }\n", (ROOT / "codec/src/error.rs").read_text(), re.S).group()))
named = set(schema["$defs"]["errorKind"]["enum"])
check("schema, kinds of errors", None if named == kinds | {"aborted", "stopReason"} else f"differ: {named ^ kinds}")
ts = set(re.findall(r'"(\w+)"', (ROOT / "docs/stream.d.ts").read_text().split("export type ErrorKind")[1]))
check("types, kinds of errors", None if ts == named else f"differ: {ts ^ named}")

talk = work / "talk.jsonl"
talk.write_bytes((ROOT / "fixtures/tool.jsonl").read_bytes() + (ROOT / "fixtures/text.jsonl").read_bytes())
for interpreter, agent in [("python3", "agent.py"), ("node", "agent.mjs")]:
    if not shutil.which(interpreter):
        print(f"skipped: {interpreter} is not installed")
        continue
    environment = {**os.environ, "PUMICE_FLAGS": f"--replay {talk}"}
    output = subprocess.run([interpreter, str(ROOT / "examples" / agent), "When did Krakatoa erupt?"], env=environment, capture_output=True, text=True, timeout=60)
    said = output.stdout
    whole = output.returncode == 0 and "0: [list_eruptions: Krakatoa erupted in 1883.]" in said and "Because most of it is not there" in said
    check(f"examples/{agent}", None if whole else f"{said}{output.stderr}")

print(f"protocol: {passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
