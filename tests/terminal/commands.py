"""Other commands at a terminal: models, settings, help, doctor, streams, vectors."""

import json
import threading

from check import MODEL, scenario
from screen import width
from service import Answer, says

CLAUDE = MODEL.removeprefix("us.")


def model(id, name, provider, **others):
    return {
        "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{id}", "modelId": id, "modelName": name,
        "providerName": provider, "inputModalities": ["TEXT"], "outputModalities": ["TEXT"],
        "responseStreamingSupported": True, "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"}, **others,
    }


def control_plane(place):
    profile = {
        "inferenceProfileId": MODEL, "inferenceProfileArn": f"arn:aws:bedrock:us-east-1:1:inference-profile/{MODEL}",
        "inferenceProfileName": "US Claude", "status": "ACTIVE", "type": "SYSTEM_DEFINED",
        "models": [{"modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}"}],
    }
    models = [
        model(CLAUDE, "Claude Sonnet 4.5", "Anthropic", inferenceTypesSupported=["INFERENCE_PROFILE"]),
        model("amazon.nova-lite-v1:0", "Nova Lite", "Amazon", inputModalities=["TEXT", "IMAGE"]),
        model("acme.provisioned-v1:0", "Provisioned", "Acme", inferenceTypesSupported=["PROVISIONED"]),
    ]
    place.service.control = {
        "/foundation-models": {"modelSummaries": models},
        "type=SYSTEM_DEFINED": {"inferenceProfileSummaries": [profile]},
        "type=APPLICATION": {"inferenceProfileSummaries": []},
        "/foundation-model-availability/": {
            "modelId": CLAUDE, "agreementAvailability": {"status": "AVAILABLE"}, "authorizationStatus": "AUTHORIZED",
            "entitlementAvailability": "AVAILABLE", "regionAvailability": "AVAILABLE",
        },
        "/use-case-for-model-access": {"formData": "e30="},
    }


def ends(place, *arguments, code=0, **environment):
    terminal = place.open("pumice", *arguments, **environment)
    found = terminal.end()
    assert found == code, f"exit code {found}"
    return terminal


@scenario
def models(place):
    control_plane(place)
    place.service.waits = True
    terminal = place.open("pumice", "models", "list")
    with place.check("models list shows a sign of life while the service says nothing"):
        terminal.wait(terminal.spinner, "the sign of life")
    with place.check("it is gone without a trace, and the table fits the width"):
        place.service.go(times=9)
        assert terminal.end() == 0 and not terminal.spinner(), terminal.lines()
        rows = terminal.lines()
        assert rows[0].startswith("ID") and all(width(row) <= place.columns for row in rows), rows
        table = [row for row in rows if "nova-lite" in row or "claude-sonnet" in row]
        assert len(table) == 2 and not any(getattr(row, "goes_on", False) for row in terminal.screen.rows()[:3]), rows
    with place.check("what had no room is named, with what shows it"):
        if place.columns == 40:
            terminal.see("note: there was no room for", "--json")
    terminal = place.shell("pumice models list --refresh > out 2> err")
    with place.check("nothing of the sign of life goes into files"):
        place.service.go(times=9)
        assert terminal.end() == 0 and terminal.raw == b"", terminal.raw
        assert (place.home / "err").read_text() == "" and (place.home / "out").read_text().startswith("ID")
    place.service.waits = False
    with place.check("models list --all says in full why a model cannot be called"):
        terminal = ends(place, "models", "list", "--all")
        terminal.see("the model takes no calls on demand under its own id", f"as {MODEL}")
        assert all(width(row) <= place.columns for row in terminal.lines())
    with place.check("models list --search and --input filter, --sort sorts"):
        rows = ends(place, "models", "list", "--search", "nova").lines()
        assert len([row for row in rows if "v1:0" in row]) == 1 and "nova" in rows[1], rows
        rows = ends(place, "models", "list", "--input", "image", "--sort", "price").lines()
        assert "nova-lite" in rows[1], rows
    with place.check("models show says what is known, and whether it can be called"):
        terminal = ends(place, "models", "show", MODEL)
        terminal.see("US Claude", "200000 tokens", "3.3 in, 16.5 out", "can be called   yes")
    with place.check("models show suggests the id that was meant"):
        ends(place, "models", "show", "nova-lite", code=1).see("did you mean", "amazon.nova-lite-v1:0")


@scenario
def settings(place):
    with place.check("config set of an unknown member names the one that was meant"):
        terminal = ends(place, "config", "set", "agnets.defaults.model.primary", "nova", code=2)
        terminal.see("did you mean agents")
        assert not (place.home / "config/pumice/config.json5").exists()
    with place.check("config set model MODEL is the short way"):
        ends(place, "config", "set", "model", "us.amazon.nova-lite-v1:0")
        ends(place, "config", "get", "model").see("us.amazon.nova-lite-v1:0")
        ends(place, "config", "get", "agents.defaults.model.primary").see("us.amazon.nova-lite-v1:0")
    with place.check("the model of the settings is that of a conversation"):
        terminal = place.chat(PUMICE_MODEL=None)
        assert "nova-lite" in terminal.lines()[0], terminal.lines()
    with place.check("config unset leaves no empty shells"):
        ends(place, "config", "unset", "model")
        shown = json.loads(ends(place, "config", "show").text())
        assert "agents" not in shown, shown
    control_plane(place)
    with place.check("without a model, the hint names the short way to set one, and models that can be called"):
        terminal = ends(place, "chat", "Hi", code=2, PUMICE_MODEL=None)
        terminal.see("error: no model is named", "pumice config set model", MODEL)


@scenario
def help_of_commands(place):
    names = [
        line.split()[0]
        for line in ends(place, "-h").text().split("Commands:\n")[1].split("\n\n")[0].splitlines()
        if line.startswith("  ") and line[2] != " "
    ]
    with place.check("-h lists the commands"):
        assert {"chat", "models", "config", "doctor", "embed", "stream"} <= set(names), names
    for flag in ("-h", "--help"):
        with place.check(f"{flag} of every command fits the width; only examples are wider than 40 columns"):
            for name in ["", *names]:
                terminal = ends(place, *[name][:bool(name)], flag)
                copied = terminal.text().split("\n")
                examples = copied.index("Examples:") if "Examples:" in copied else len(copied)
                wide = [
                    line for at, line in enumerate(copied)
                    if width(line) > place.columns
                    and (place.columns == 80 or at < examples and " " in line and not line.startswith("  "))
                ]
                assert not wide, (name, wide)
    with place.check("in a file, help has 80 columns, however wide the terminal is"):
        assert place.shell("pumice chat --help > out").end() == 0
        lines = (place.home / "out").read_text().splitlines()
        assert 70 < max(map(width, lines)) <= 80
    with place.check("-h is shorter than --help, and has examples"):
        for name in names:
            short, long = (ends(place, name, flag).text() for flag in ("-h", "--help"))
            assert len(short) < len(long) and "Examples:" in short, name
    with place.check("the name alone says what is expected, and prints the short help"):
        terminal = ends(place, code=2)
        lines = terminal.lines()
        assert lines[0] == "error: expected a command" and "Commands:" in lines, lines
    with place.check("caht suggests chat"):
        ends(place, "caht", code=2).see('there is no command "caht"; did you mean chat?')
    with place.check("an unknown option suggests the one that was meant"):
        ends(place, "chat", "--sesion", "x", code=2).see("did you mean --session")


@scenario
def doctor(place):
    control_plane(place)
    place.service.waits = True
    place.service.steps = threading.Semaphore(0)
    terminal = place.open("pumice", "doctor")
    with place.check("doctor shows a sign of life beneath what it has found"):
        terminal.wait(terminal.spinner, "the sign of life")
        terminal.see("credentials")
        place.service.go()
        terminal.see("connection")
        terminal.wait(terminal.spinner, "the sign of life")
        assert terminal.spinner() == terminal.lines()[-1:], terminal.lines()
    with place.check("it is gone without a trace at the end"):
        place.service.go(times=9)
        assert terminal.end() == 0 and not terminal.spinner(), terminal.lines()
        begins = [line.split()[0] for line in terminal.text().split("\n") if line]
        assert set(begins) <= {"ok", "warn", "hint:"}, begins


@scenario
def streams(place):
    terminal = place.open("pumice", "stream", "--session")
    with place.check("stream --session at a terminal greets, and answers a line that is typed"):
        terminal.see('{"type":"hello"')
        place.says("one")
        prompt = {"role": "user", "content": "Hi"}
        terminal.type(json.dumps({"id": "7", "model": {"id": "m"}, "context": {"messages": [prompt]}}) + "\r")
        terminal.see('"type":"done"')
        lines = [line for line in terminal.text().split("\n") if '"type":"done"' in line]
        assert json.loads(lines[0])["id"] == "7", lines
    with place.check("Ctrl-D ends it"):
        terminal.type("\x04")
        assert terminal.end() == 0 and terminal.mode_is_as_before()


@scenario
def api(place):
    place.write("request.json", json.dumps({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}))
    whole = {
        "output": {"message": {"role": "assistant", "content": [{"text": "one"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1},
    }
    answer = Answer(None, json.dumps(whole).encode(), kind="application/json")
    place.service.then(answer)
    terminal = place.open("pumice", "converse", "--no-stream", "--request", "request.json")
    with place.check("a call of the API has a sign of life, and nothing but the response is left"):
        terminal.wait(terminal.spinner, "the sign of life")
        answer.go()
        assert terminal.end() == 0 and json.loads(terminal.text()) == whole, terminal.text()


@scenario
def vectors(place):
    answer = Answer(json.dumps({"embedding": [0.5, -1], "inputTextTokenCount": 3}).encode(), kind="application/json")
    place.service.then(answer)
    terminal = place.open("pumice", "embed", "pumice floats")
    with place.check("embed prints the vector of a text, and sums up on a line of its own"):
        assert terminal.end() == 0
        lines = terminal.text().split("\n")
        assert json.loads(lines[0]) == [0.5, -1] and "1 text · 3 tokens" in " ".join(lines[1:]), lines
    with place.check("embed takes texts that are typed, a line each"):
        place.service.then(answer)
        terminal = place.open("pumice", "embed")
        terminal.type("stones\r\x04")
        assert terminal.end() == 0
        terminal.see("[0.5, -1]")
        assert place.service.requests[-1][1]["inputText"] == "stones", place.service.requests[-1]
