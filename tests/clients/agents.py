"""Coding agents on the gateway: each runs a tool and sends its result back.

usage: agents.py PROGRAM NODE_MODULES

A loopback Bedrock responds with thoughts, where they are asked for, and the call of a shell tool; when the result of
the tool comes, with a text, which the agent must print. Agents that are not installed are skipped, and said.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import loopback
from loopback import KEY, SIGNATURE, Bedrock, Gateway, check, equal

PROGRAM, MODULES = sys.argv[1], pathlib.Path(sys.argv[2])
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
INVOKE, CONVERSE = "invoke-with-response-stream", "converse-stream"
PROMPT = "Run the command that prints the product, then say what it printed."
# The result is not in the request, so only a shell makes it.
COMMAND, RESULT = "echo product-$((6*7))", "product-42"
LAST = "The shell says so: finished-4217"


def answer(turn):
    thoughts = [("thinking", "A shell knows that.")] if turn.thinks else []
    if turn.results:
        return thoughts + [("text", LAST)]
    for name, argument in [("Bash", "command"), ("bash", "command"), ("exec_command", "cmd")]:
        if name in turn.tools:
            more = {"description": "Prints the product"} if argument == "command" else {}
            return thoughts + [("text", "I will ask."), ("tool", name, {argument: COMMAND, **more})]
    if "shell" in turn.tools:
        return thoughts + [("tool", "shell", {"command": ["bash", "-c", COMMAND]})]
    return [("text", "A product")]


def run(command, folder, env):
    """Runs a program in a folder of its own, and ends it with all that it started. Returns what it printed."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", **env}
    work = folder / "work"
    work.mkdir()
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=work, env=environment, text=True, start_new_session=True, **streams)
    try:
        return process.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        return "", "it did not end in 90 seconds"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def find(name, native):
    """The program of an agent, or `None`. The one that npm names is not whole where npm runs no install scripts."""
    for program in [MODULES / ".bin" / name, *sorted(MODULES.glob(native))]:
        try:
            if subprocess.run([program, "--version"], capture_output=True, timeout=30).returncode == 0:
                return program
        except (OSError, subprocess.TimeoutExpired):
            pass
    return None


def agent(name, program, arguments, set_up, operation, named=CLAUDE, called=CLAUDE, signatures=True):
    """Checks one agent. `set_up` writes its settings into a folder and returns its environment, as `docs/gateway.md`
    says. `signatures` is whether it sends thoughts back."""
    if not program:
        print(f"skipped: {name} is not installed, or does not start here")
        return
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Bedrock(answer) as bedrock:
        with Gateway.before(PROGRAM, bedrock) as gateway:
            folder = pathlib.Path(folder)
            env = set_up(folder, gateway.url, named)
            printed, noise = run([str(program), *arguments], folder, env)
        asked = [turn for turn in bedrock.turns if turn.tools]
        heard = [turn for turn in asked if turn.results]
        log = "".join(gateway.log)[-1500:]

        def prints():
            assert LAST in printed, f"{printed[-500:]!r} {noise[-1500:]!r} {log}"
            return True

        took = time.monotonic() - began

        def calls():
            return equal({(turn.operation, turn.model) for turn in asked}, {(operation, called)})

        def sends():
            assert heard, "expected a request with the result of the tool"
            assert RESULT in heard[-1].results[-1], heard[-1].results
            return equal(heard[-1].signatures, [SIGNATURE] if signatures else [])

        def valid():
            return equal("".join(turn.faults() for turn in bedrock.turns), "")

        check(f"{name}: prints the last text, after {took:.0f} s", prints)
        check(f"{name}: calls {operation} of {called}", calls)
        if operation == CONVERSE:
            check(f"{name}: what Bedrock gets is valid", valid)
        check(f"{name}: sends back what the tool said{' and the signed thoughts' * signatures}", sends)


QUIET = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}


def claude_by_messages(_, url, model):
    return {**QUIET, "ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_MODEL": model}


def claude_by_bedrock(_, url, model):
    bedrock = {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "us-east-1", "AWS_BEARER_TOKEN_BEDROCK": KEY}
    return {**QUIET, **bedrock, "ANTHROPIC_BEDROCK_BASE_URL": url, "ANTHROPIC_MODEL": model}


def claude_signing(_, url, model):
    keys = {"AWS_ACCESS_KEY_ID": "pumice", "AWS_SECRET_ACCESS_KEY": KEY}
    return {**claude_by_bedrock(_, url, model), "AWS_BEARER_TOKEN_BEDROCK": "", **keys}


def codex(folder, url, model):
    home = folder / "codex"
    home.mkdir()
    (home / "config.toml").write_text(f"""
model = "{model}"
model_provider = "pumice"
model_reasoning_effort = "medium"
model_supports_reasoning_summaries = true

[model_providers.pumice]
name = "pumice"
base_url = "{url}/v1"
env_key = "PUMICE_API_KEY"
wire_api = "responses"
""")
    return {"CODEX_HOME": str(home), "PUMICE_API_KEY": KEY}


def opencode(folder, url, model):
    options = {"baseURL": f"{url}/v1", "apiKey": KEY}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {model: {}}}
    settings = {"provider": {"pumice": provider}, "model": f"pumice/{model}"}
    (folder / "opencode.json").write_text(json.dumps(settings))
    quiet = {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}
    return {**quiet, "OPENCODE_CONFIG": str(folder / "opencode.json")}


NOVA, GPT = "us.amazon.nova-premier-v1:0", "openai.gpt-oss-120b-1:0"
claude, said = find("claude", "@anthropic-ai/claude-code-*/claude"), ["-p", PROMPT, "--allowedTools", "Bash"]
# Claude Code sends thoughts back if the response names the model as the request did.
agent("Claude Code, Messages", claude, said, claude_by_messages, INVOKE, named="claude-sonnet-4-5-20250929")
agent("Claude Code, Messages, Nova", claude, said, claude_by_messages, CONVERSE, NOVA, NOVA, signatures=False)
agent("Claude Code, Bedrock", claude, said, claude_by_bedrock, INVOKE, signatures=False)
agent("Claude Code, Bedrock, signing", claude, said, claude_signing, INVOKE, signatures=False)
program, said = find("codex", "@openai/codex-*/vendor/*/bin/codex"), [
    "exec",
    "--skip-git-repo-check",
    "--sandbox",
    "danger-full-access",
    PROMPT,
]
agent("Codex", program, said, codex, CONVERSE)
agent("Codex, gpt-oss", program, said, codex, CONVERSE, GPT, GPT, signatures=False)
program = find("opencode", "opencode-*/bin/opencode")
agent("opencode", program, ["run", PROMPT], opencode, CONVERSE, signatures=False)
print(f"{loopback.passed} passed, {loopback.failed} failed")
sys.exit(1 if loopback.failed else 0)
