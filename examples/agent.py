"""An agent in Python, without packages: two conversations at once in one `pumice stream --session`, each with a tool.

    python3 examples/agent.py "When did Krakatoa erupt?" "And Vesuvius?"

PUMICE names the program, and PUMICE_FLAGS its flags, such as --replay FILE. The model is that of PUMICE_MODEL or of the
settings. docs/stream.md describes the protocol.
"""

import json
import os
import shlex
import subprocess
import sys

MODEL = {"id": "", "reasoning": True, "maxTokens": 64000}
TOOLS = [{
    "name": "list_eruptions",
    "description": "Lists the eruptions of a volcano.",
    "parameters": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "since": {"type": "integer"}},
        "required": ["name"],
    },
}]


def run(call):
    """Runs a tool: its text, and whether it failed. A fault in the arguments goes back to the model, which tries again."""
    if "argumentsError" in call:
        return call["argumentsError"], True
    return f"{call['arguments'].get('name')} erupted in 1883.", False


class Session:
    """One process for all conversations."""

    def __init__(self):
        command = [os.environ.get("PUMICE", "pumice"), "stream", "--session"]
        command += shlex.split(os.environ.get("PUMICE_FLAGS", ""))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        hello = json.loads(self.process.stdout.readline() or "{}")
        if hello.get("type") != "hello" or hello["protocol"] != 1:
            sys.exit(f"expected the line hello of protocol 1, found {hello}")

    def ask(self, id, messages):
        line = {"id": id, "model": MODEL, "context": {"messages": messages, "tools": TOOLS}}
        print(json.dumps(line), file=self.process.stdin, flush=True)

    def events(self):
        return map(json.loads, self.process.stdout)

    def end(self):
        self.process.stdin.close()


def main(questions):
    session = Session()
    conversations = {str(n): [{"role": "user", "content": question}] for n, question in enumerate(questions)}
    for id, messages in conversations.items():
        session.ask(id, messages)
    running = set(conversations)
    failed = False
    for event in session.events():
        id = event.get("id")
        if event["type"] == "text_end":
            print(f"{id}: {event['content']}", flush=True)
        elif event["type"] == "error":
            print(f"{id}: {event['kind']}: {event['error']['errorMessage']}", file=sys.stderr)
            failed = True
            running.discard(id)
        elif event["type"] == "done":
            messages = conversations[id]
            # Unchanged: its thinking is signed.
            messages.append(event["message"])
            calls = [block for block in event["message"]["content"] if block["type"] == "toolCall"]
            for call in calls:
                text, is_error = run(call)
                print(f"{id}: [{call['name']}: {text}]", flush=True)
                messages.append({"role": "toolResult", "toolCallId": call["id"], "toolName": call["name"],
                                 "content": text, "isError": is_error})
            if calls:
                session.ask(id, messages)
            else:
                running.discard(id)
        if not running:
            session.end()
            break
    return 1 if failed else session.process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["When did Krakatoa erupt?"]))
