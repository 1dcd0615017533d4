"""Conversations: the header, each command, the keys, what is typed meanwhile, and other sizes of the terminal."""

import base64
import json
import time

from check import MODEL, scenario
from screen import width
from service import says, slow, texts

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
UP, ALT_ENTER, CTRL_C, CTRL_D = "\x1b[A", "\x1b\r", "\x03", "\x04"


@scenario
def header(place):
    terminal = place.chat()
    with place.check("the header says how to get help, in one line that fits"):
        [line, prompt] = terminal.lines()
        assert "/help lists commands" in line and width(line) <= place.columns, line
        assert prompt == ">", prompt
    with place.check("the header names the model, in short where there is no room"):
        assert line.startswith("claude-sonnet-4-5" if place.columns == 40 else MODEL), line


@scenario
def help_(place):
    terminal = place.chat()
    terminal.enter("/help")
    terminal.done("stays out of it.")
    lines = terminal.lines(terminal.seen)
    with place.check("/help lists every command"):
        for name in "model file system think save retry copy quit".split():
            assert any(line.lstrip().startswith(f"/{name} ") for line in lines), name
    with place.check("/help breaks lines between words"):
        assert not any(getattr(row, "goes_on", False) for row in terminal.screen.rows()), lines
        assert all(width(line) <= place.columns for line in lines), lines
    with place.check("the list says how to break a line, to stop a response and to search"):
        terminal.see("Alt-Enter", "Ctrl-C", "Ctrl-R")


@scenario
def commands(place):
    terminal = place.chat()
    place.write("notes.txt", "Notes.")
    place.write("a.png", PNG)
    place.write("report.pdf", b"%PDF-1.4 not a conversation")

    def says_(line, *said):
        terminal.enter(line)
        terminal.done(*said)

    with place.check("/model shows the model"):
        says_("/model", f"the model is {MODEL}")
    with place.check("/model ID changes the model"):
        says_("/model other.model-v1:0", "the model is now other.model-v1:0")
        says_("/model", "the model is other.model-v1:0")
    with place.check("/file confirms a document with its type and size"):
        says_("/file notes.txt", "attached to the next prompt: notes.txt, text/plain, 1 KB")
    with place.check("/file confirms an image"):
        says_("/file a.png", "attached to the next prompt: image/png, 1 KB")
    with place.check("/file names a file that cannot be read"):
        says_("/file none.png", "error: none.png cannot be read")
    with place.check("/file without a name says what it expects"):
        says_("/file", "expected /file PATH")
    with place.check("/system sets the system prompt, and shows it"):
        says_("/system Be brief.", "the system prompt is set")
        says_("/system", "the system prompt is: Be brief.")
    with place.check("/think shows that no level is set"):
        says_("/think", "the thinking level is not set")
    with place.check("/think names the levels if there is no such one"):
        says_("/think lots", "/think: expected off, minimal, low, medium, high, xhigh or max")
    with place.check("/think LEVEL sets it"):
        says_("/think off", "the thinking level is now off")
    with place.check("/retry and /copy say that there is nothing yet"):
        says_("/retry", "nothing has been asked yet")
        says_("/copy", "there is no response to copy")
    with place.check("an unknown command is said, with the one that was meant"):
        says_("/modle x", "there is no command /modle; did you mean /model?")
    with place.check("/save without a name says what it expects"):
        says_("/save", "expected /save FILE")
    with place.check("/save does not replace what is no conversation"):
        says_("/save report.pdf", "report.pdf exists, and is not a conversation")
        assert (place.home / "report.pdf").read_bytes() == b"%PDF-1.4 not a conversation"
    with place.check("no command was sent to the model"):
        assert place.service.requests == []

    place.says("one", "two", "three")
    with place.check("the next prompt has the files, the model, the system prompt"):
        says_("Hi", "one")
        [(path, body)] = place.service.requests
        assert path == "/model/other.model-v1%3A0/converse-stream", path
        assert texts(body["messages"][-1]) == ["Hi"] and body["system"][0]["text"] == "Be brief.", body
        kinds = [key for block in body["messages"][-1]["content"] for key in block if key != "cachePoint"]
        assert kinds == ["document", "image", "text"], kinds
    with place.check("/retry asks the last prompt again, in place of its response"):
        says_("/retry", "two")
        assert place.service.requests[1][1] == body
    with place.check("/save FILE saves what was said"):
        says_("/save talk.json", "the conversation is saved in talk.json")
        assert saved(place, "talk.json") == ["Hi", "two"]
    with place.check("what is said after /save is saved too"):
        says_("Go on", "three")
        assert saved(place, "talk.json") == ["Hi", "two", "Go on", "three"]
    with place.check("files go with one prompt only"):
        assert [list(block) for block in place.service.requests[2][1]["messages"][-1]["content"]][0] == ["text"]
    with place.check("/copy gives the terminal the last response for its clipboard"):
        before = len(terminal.raw)
        says_("/copy", "the response is in the clipboard")
        copied = terminal.raw[before:].split(b"\x1b]52;c;")[1].split(b"\x07")[0]
        assert base64.b64decode(copied) == b"three", copied
    with place.check("/system none removes the system prompt"):
        says_("/system none", "the system prompt is removed")
        says_("/system", "there is no system prompt")
    with place.check("a line that begins with a space is sent, whatever it begins with then"):
        place.says("four")
        says_(" /usr/bin?", "four")
        assert place.service.prompts()[-1] == " /usr/bin?"


def saved(place, name):
    messages = json.loads((place.home / name).read_text())["messages"]
    return [block["text"] for message in messages for block in message["content"] if block["type"] == "text"]


@scenario
def leaving(place):
    for line in ("/quit", "/exit", "exit", "quit"):
        terminal = place.chat()
        with place.check(f"{line} leaves, with the terminal as it was"):
            terminal.enter(line)
            assert terminal.end() == 0 and terminal.mode_is_as_before()
    terminal = place.chat()
    with place.check("Ctrl-D leaves"):
        terminal.type(CTRL_D)
        assert terminal.end() == 0 and terminal.mode_is_as_before()
    with place.check("what ends a conversation is not sent"):
        assert place.service.requests == []


@scenario
def keys(place):
    terminal = place.chat()
    with place.check("Ctrl-C at the prompt clears the line"):
        terminal.type("thrown away")
        terminal.see("thrown away")
        terminal.type(CTRL_C)
        terminal.prompt()
    place.says("one", "two", "three")
    with place.check("Alt-Enter breaks a line"):
        terminal.enter(f"first{ALT_ENTER}second")
        terminal.done("one")
        assert place.service.prompts() == ["first\nsecond"]
    with place.check("Up recalls a line, which can be changed"):
        terminal.enter("abd\x7fc")
        terminal.done("two")
        terminal.enter(f"{UP}d")
        terminal.done("three")
        assert place.service.prompts()[1:] == ["abc", "abcd"]
    with place.check("Up recalls commands too, to mend them"):
        terminal.enter("/modle")
        terminal.done("did you mean /model?")
        terminal.enter(f"{UP}\x7f\x7fel")
        terminal.done(f"the model is {MODEL}")


@scenario
def lines_meanwhile(place):
    slow_one = slow("one ", "two")
    place.service.then(slow_one, *map(says, ("A", "B", "C")))
    terminal = place.chat()
    terminal.enter("go")
    terminal.wait(terminal.spinner, "the sign of life")
    terminal.type("first\rsecond\r")
    slow_one.go()
    terminal.see("one")
    terminal.type(f"th\x7f\x7fthird{ALT_ENTER}line\r")
    with place.check("what is typed while the model answers is not mixed with the answer"):
        slow_one.go()
        terminal.see("one two")
        terminal.take(0)
        assert terminal.lines()[-1] == "one two" and not terminal.spinner(), terminal.lines()
    with place.check("lines typed while the model answers are kept, in order"):
        slow_one.go()
        place.asked(terminal, 4)
        terminal.prompt()
        assert place.service.prompts()[1:] == ["first", "second", "third\nline"], place.service.prompts()
    with place.check("each of the lines stands at a prompt of its own"):
        lines = terminal.lines()
        assert [lines.count(f"> {line}") for line in ("go", "first", "second", "third")] == [1, 1, 1, 1], lines
    with place.check("a line that is longer than a terminal keeps lines (4095 bytes) is kept whole"):
        slow_one = slow("slowly")
        long = "x" * 5000
        place.service.then(slow_one, says("long"))
        terminal.enter("go")
        place.asked(terminal, 5)
        terminal.type(f"{long}\r")
        slow_one.go()
        slow_one.go()
        place.asked(terminal, 6)
        terminal.prompt()
        assert place.service.prompts()[5] == long, len(place.service.prompts()[5])


@scenario
def pastes(place):
    place.says("A", "B", "C", "D", "E")
    terminal = place.chat()
    with place.check("three lines in one write are three prompts, none of them lost"):
        terminal.enter("1\r2\r3")
        terminal.see("A", "B", "C")
        terminal.prompt()
        assert place.service.prompts() == ["1", "2", "3"], place.service.prompts()
    with place.check("pastes are marked at the prompt, so that their lines are one prompt"):
        assert terminal.pastes_are_marked()
        terminal.enter("\x1b[200~def f(x):\n    return x\n\x1b[201~")
        terminal.done("D")
        assert place.service.prompts()[3].rstrip("\n") == "def f(x):\n    return x", place.service.prompts()
    with place.check("a paste of many lines does not end the prompt by itself"):
        terminal.type("\x1b[200~one\ntwo\x1b[201~")
        terminal.see("two")
        assert len(place.service.requests) == 4
        terminal.type("\r")
        terminal.done("E")


@scenario
def continued(place):
    place.says("**first** answer", "second answer", "third answer", "last")
    terminal = place.chat("--save", "talk.json")
    for number, line in enumerate(("one?", "two?", "three?")):
        terminal.enter(line)
        terminal.done(("first", "second", "third")[number], "answer")
    terminal.enter("/quit")
    terminal.end()
    terminal = place.chat("--continue", "talk.json")
    with place.check("--continue shows the last two turns"):
        lines = terminal.lines()
        assert lines[1:-1] == ["> two?", "second answer", "> three?", "third answer"], lines
    with place.check("the model sees all of them"):
        terminal.enter("four?")
        terminal.done("last")
        said = [texts(message)[0] for message in place.service.requests[-1][1]["messages"]]
        assert said == ["one?", "**first** answer", "two?", "second answer", "three?", "third answer", "four?"], said


@scenario
def stopped(place):
    part, silent = slow("and so ", "on"), slow("never")
    place.service.then(part, silent, says("better"))
    terminal = place.chat()
    terminal.enter("go")
    part.go()
    terminal.see("and so")
    with place.check("Ctrl-C stops a response, and says so"):
        terminal.type(CTRL_C)
        terminal.done("note: stopped with Ctrl-C")
        assert "^C" not in terminal.text()
    with place.check("the service sees that nobody reads on"):
        for _ in range(3):
            part.go()
        terminal.wait(part.is_cut.is_set, "the connection to end")
    with place.check("Ctrl-C before anything has come leaves no sign of life behind"):
        terminal.enter("again")
        terminal.wait(terminal.spinner, "the sign of life")
        terminal.type(f"go on{CTRL_C}")
        terminal.see("note: stopped with Ctrl-C")
        terminal.wait(lambda: terminal.lines()[-1] == "> go on", "what was typed at the prompt")
        assert not terminal.spinner()
    with place.check("the model sees how far its answer came, and not the prompt without one"):
        terminal.type("\r")
        terminal.done("better")
        messages = place.service.requests[-1][1]["messages"]
        assert [texts(message)[0].strip() for message in messages] == ["go", "and so", "go on"], messages


@scenario
def questions_of_others(place):
    """A command for credentials that asks at the terminal."""
    place.write("ask", """#!/bin/sh
        printf 'The code: ' >&2
        read -r code < /dev/tty
        printf '%s' "$code" > code
        echo '{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "secret"}'
    """).chmod(0o700)
    (place.home / ".aws").mkdir()
    place.write(".aws/config", f"[default]\ncredential_process = {place.home}/ask\n")
    place.says("one")
    terminal = place.chat(AWS_BEARER_TOKEN_BEDROCK=None)
    terminal.enter("go")
    with place.check("the sign of life does not hide the question of a command for credentials"):
        terminal.see("The code:")
        late = time.monotonic() + 1
        terminal.wait(lambda: time.monotonic() > late, "a second")
        assert terminal.lines()[-1].startswith("The code:") and not terminal.spinner(), terminal.lines()
    with place.check("the question can be answered"):
        terminal.type("123456\r")
        terminal.done("one")
        assert (place.home / "code").read_text() == "123456"


@scenario
def sizes(place):
    """The terminal gets narrower and wider: at the prompt, and while the model answers."""
    line = "a line that is edited and is longer than this terminal is wide, however wide it may be before"
    place.says("done")
    terminal = place.chat()
    terminal.type(line)
    terminal.see(line)
    top = terminal.lines()[0]
    for columns in (place.columns - 10, place.columns + 5, 20):
        with place.check(f"at {columns} columns, the line that is edited is drawn again, once"):
            terminal.resize(columns, place.size[1])
            expected = [f"> {line}"[at:at + columns].rstrip() for at in range(0, len(line) + 2, columns)]
            terminal.wait(lambda: terminal.lines()[1:] == expected, f"to see {expected}")
    with place.check("what stands above the prompt stays"):
        assert top.startswith(terminal.lines()[0])
    with place.check("the line is sent as it was typed"):
        terminal.type("\r")
        terminal.done("done")
        assert place.service.prompts() == [line]

    words = [f"word{number:02}" for number in range(30)]
    pieces = slow(*(" ".join(words[at:at + 10]) + " " for at in (0, 10, 20)))
    place.service.then(pieces, says("fine"))
    terminal = place.chat()
    terminal.enter("go")
    pieces.go()
    terminal.see("word09")
    begun = len(terminal.lines()) - 1
    terminal.resize(30, place.size[1])
    pieces.go()
    terminal.see("word19")
    terminal.resize(60, place.size[1])
    pieces.go()
    terminal.see("word29")
    pieces.go()
    terminal.prompt()
    with place.check("a response goes on at the new width: no word is cut, and none is shown twice"):
        later = [line for line in terminal.lines(begun + 1) if "word" in line]
        found = " ".join(later).split()
        assert found[-19:] == words[11:], later
    with place.check("each new line uses the width there is"):
        assert max(map(width, later)) > 30 and any(30 >= width(line) > 20 for line in later), later
    with place.check("nothing stale stands below"):
        assert terminal.lines()[-1] == ">" and "tokens in" in terminal.lines()[-2], terminal.lines()
    with place.check("the next response is as wide as the terminal"):
        terminal.enter("again")
        terminal.done("fine")
