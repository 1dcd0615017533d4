"""Nothing is destroyed: files that conversations are saved in, and what signals leave."""

import json
import signal

from check import scenario
from service import says, slow
from conversation import CTRL_C, saved

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@scenario
def foreign_files(place):
    def run(*arguments):
        terminal = place.open("pumice", "chat", *arguments, "Hi")
        return terminal, terminal.end()

    for name, content in (("b.pdf", b"%PDF-1.4"), ("empty", b""), ("settings.json", b'{"theme": "dark"}')):
        file = place.write(name, content)
        with place.check(f"--save does not replace {name}, which is no conversation"):
            for flags in ((), ("--force",)):
                terminal, code = run("--save", name, *flags)
                assert code == 2 and file.read_bytes() == content, code
                terminal.see(f"error: {name} exists, and is not a conversation")
                terminal.see("hint: name a file that does not exist")
    with place.check("nothing was asked, since nothing could be saved"):
        assert place.service.requests == []
    place.says("one", "two", "three")
    with place.check("--save makes a new file, which only the user can read"):
        _, code = run("--save", "talk.json")
        assert code == 0 and saved(place, "talk.json") == ["Hi", "one"]
        assert (place.home / "talk.json").stat().st_mode & 0o777 == 0o600
    with place.check("--save does not replace another conversation, and says how to go on"):
        terminal, code = run("--save", "talk.json")
        assert code == 2 and saved(place, "talk.json") == ["Hi", "one"], code
        terminal.see("talk.json is another conversation", "--continue talk.json", "--force")
    with place.check("--continue and --save of one file go on with it"):
        _, code = run("--continue", "talk.json", "--save", "talk.json")
        assert code == 0 and saved(place, "talk.json") == ["Hi", "one", "Hi", "two"]
    with place.check("--force replaces a conversation"):
        _, code = run("--save", "talk.json", "--force")
        assert code == 0 and saved(place, "talk.json") == ["Hi", "three"]
    with place.check("a file that another program changes meanwhile stays, and the conversation goes beside it"):
        terminal = place.chat("--continue", "talk.json")
        (place.home / "talk.json").write_text("theirs")
        place.says("four")
        terminal.enter("Go on")
        terminal.done("talk-2.json instead")
        assert (place.home / "talk.json").read_text() == "theirs"
        assert saved(place, "talk-2.json")[-1] == "four"


@scenario
def a_single_question(place):
    for number in SIGNALS:
        answer = slow("and so on", "never")
        place.service.then(answer)
        file = f"{number.name}.json"
        terminal = place.open("pumice", "chat", "--save", file, "Hi")
        answer.go()
        terminal.see("and so on")
        how = "Ctrl-C" if number == signal.SIGINT else number.name
        with place.check(f"{how} in a single question ends the program by the signal"):
            terminal.type(CTRL_C) if number == signal.SIGINT else terminal.kill(number)
            assert terminal.end() == -number
        with place.check(f"what had come is saved at {how}, and the screen says so"):
            assert saved(place, file) == ["Hi", "and so on"]
            message = json.loads((place.home / file).read_text())["messages"][-1]
            assert message["stopReason"] == "aborted", message
            terminal.see(f"the part that has arrived is saved in {file}")
        with place.check(f"the terminal is as it was after {how}"):
            assert terminal.mode_is_as_before()
        for _ in answer.parts:
            answer.go()


@scenario
def loops(place):
    answer = slow("and so on")
    place.service.then(answer, says("again"), says("again"))
    terminal = place.shell("for n in 1 2 3; do pumice chat Hi; done; echo the loop went on")
    answer.go()
    terminal.see("and so on")
    with place.check("Ctrl-C ends a shell's loop"):
        terminal.type(CTRL_C)
        assert terminal.end() == -signal.SIGINT
        assert len(place.service.requests) == 1 and not terminal.shows("the loop went on")
    with place.check("Ctrl-C ends a loop before anything has come, and leaves no sign of life"):
        place.service.answers.get(), place.service.answers.get()
        place.service.then(slow("never"))
        terminal = place.shell("for n in 1 2 3; do pumice chat Hi; done; echo the loop went on")
        terminal.wait(terminal.spinner, "the sign of life")
        terminal.type(CTRL_C)
        assert terminal.end() == -signal.SIGINT
        assert len(place.service.requests) == 2 and not terminal.spinner()


@scenario
def conversations_and_signals(place):
    terminal = place.chat()
    with place.check("SIGINT at the prompt, as by Ctrl-C in the moment when a response ends, ends nothing"):
        terminal.kill(signal.SIGINT)
        place.says("one")
        terminal.enter("Hi")
        terminal.done("one")
    for number in SIGNALS[1:]:
        terminal = place.chat()
        terminal.type("half a line")
        terminal.see("half a line")
        with place.check(f"{number.name} at the prompt ends the program, and the terminal is as it was"):
            assert not terminal.mode_is_as_before()
            terminal.kill(number)
            assert terminal.end() == -number
            assert terminal.mode_is_as_before()
    for number in SIGNALS[1:]:
        answer = slow("and so on", "never")
        place.service.then(answer)
        terminal = place.chat("--save", f"{number.name}.json")
        terminal.enter("go")
        answer.go()
        terminal.see("and so on")
        with place.check(f"{number.name} in a response ends the program, with the terminal as it was"):
            terminal.kill(number)
            assert terminal.end() == -number and terminal.mode_is_as_before()
        with place.check(f"what had come is saved at {number.name}"):
            assert saved(place, f"{number.name}.json") == ["go", "and so on"]
        place.service.then(slow("never"))
        terminal = place.chat()
        terminal.enter("go")
        terminal.wait(terminal.spinner, "the sign of life")
        with place.check(f"{number.name} before anything has come does the same, and leaves no sign of life"):
            terminal.kill(number)
            assert terminal.end() == -number and terminal.mode_is_as_before()
            assert not terminal.spinner()


@scenario
def events_and_signals(place):
    request = json.dumps({"model": {"id": "m"}, "context": {"messages": [{"role": "user", "content": "Hi"}]}})
    place.write("request.json", request)
    for command in ("pumice chat --json Hi", "pumice stream < request.json"):
        for number in SIGNALS[:2]:
            answer = slow("and so on", "never")
            place.service.then(answer)
            terminal = place.shell(f"exec {command}")
            answer.go()
            terminal.see("and so on")
            with place.check(f"`{command.split(' <')[0]}` tells its last event at {number.name}"):
                terminal.kill(number)
                assert terminal.end() == -number
                event = json.loads(terminal.text().rstrip().split("\n")[-1])
                assert event["type"] == "error" and event["reason"] == "aborted", event
                assert event["error"]["content"] == [{"type": "text", "text": "and so on"}], event
