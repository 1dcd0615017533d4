"""What is asked: prompts, pipes and files together, and conversations by name."""

from check import scenario
from screen import width
from service import says, texts


@scenario
def pipes_and_prompts(place):
    place.write("diff", "-old\n+new\n")

    def asks(line, *answers):
        place.says(*(answers or ("fine",)))
        terminal = place.shell(line)
        assert terminal.end() == 0, terminal.text()
        return terminal, place.service.requests[-1][1]["messages"][-1]

    with place.check("a pipe is the prompt where there are no words"):
        _, message = asks("pumice chat < diff")
        assert texts(message) == ["-old\n+new\n"], message
    with place.check("`-` among the words is what the pipe has"):
        terminal, message = asks('cat diff | pumice chat "Review this:" -')
        assert texts(message) == ["Review this: -old\n+new\n"], message
        assert "standard input" not in terminal.text()
    with place.check("-f - attaches what the pipe has"):
        _, message = asks("cat diff | pumice chat -f - Review this")
        assert texts(message) == ["Review this"], message
        [document] = [block["document"] for block in message["content"] if "document" in block]
        assert document["name"] == "stdin" and document["source"]["bytes"] == "LW9sZAorbmV3Cg==", document
    with place.check("a note says that a pipe was not read, and how to send it"):
        terminal, message = asks("cat diff | pumice chat Review this")
        assert texts(message) == ["Review this"], message
        terminal.see("note: standard input was not read: to send it with the prompt, put - among the words")
        assert terminal.text().count("standard input was not read") == 1
    with place.check("a file that was not asked for is no reason for a note"):
        terminal, _ = asks("pumice chat Review this < diff")
        assert "standard input" not in terminal.text()
    with place.check("a loop's own input is not eaten"):
        before = len(place.service.requests)
        place.write("lines", "first\nsecond\n")
        asks('while read -r line; do pumice chat "$line"; done < lines', "one", "two")
        assert place.service.prompts()[before:] == ["first", "second"], place.service.prompts()
    with place.check("an empty prompt, and two readers of one pipe, are errors"):
        before = len(place.service.requests)
        for line, said in (
            ("pumice chat ''", "the prompt is empty"),
            ("cat diff | pumice chat -f - -", "standard input can be read only once"),
            ("cat diff | pumice chat -f -", "-f -: expected a prompt as well"),
        ):
            terminal = place.shell(line)
            assert terminal.end() == 2, line
            terminal.see(said)
        assert len(place.service.requests) == before


@scenario
def names(place):
    def run(*arguments):
        terminal = place.open("pumice", "chat", *arguments)
        return terminal, terminal.end()

    with place.check("--list says how to begin where nothing is saved"):
        terminal, code = run("--list")
        assert code == 0
        terminal.see("no conversation is saved; pumice chat --session NAME begins one")
    place.says("one", "two", "three")
    with place.check("--session NAME begins a conversation, and continues it"):
        assert run("--session", "trip", "Where?")[1] == 0 and run("--session", "trip", "When?")[1] == 0
        said = [texts(message)[0] for message in place.service.requests[-1][1]["messages"]]
        assert said == ["Where?", "one", "When?"], said
    with place.check("--session NAME at the terminal shows where it had stopped"):
        terminal = place.chat("--session", "trip")
        assert terminal.lines()[1:-1] == ["> Where?", "one", "> When?", "two"], terminal.lines()
        terminal.enter("How?")
        terminal.done("three")
        terminal.enter("exit")
        assert terminal.end() == 0
    with place.check("--list shows its name and its turns"):
        terminal, code = run("--list")
        row = next(line for line in terminal.text().split("\n") if line.startswith("trip"))
        assert code == 0 and row.split()[:2] == ["trip", "3"], row
    with place.check("--list fits the width, with what there is room for"):
        place.says("four")
        assert run("--session", "a-name-of-this-length", "Hi")[1] == 0
        terminal, code = run("--list")
        rows = terminal.lines()
        assert code == 0 and all(width(row) <= place.columns for row in rows[:3]), rows
        turns = dict(row.split()[:2] for row in rows[1:3])
        assert turns == {"a-name-of-this-length": "1", "trip": "3"}, rows
        assert place.columns == 40 or all(row.endswith("  claude-sonnet-4-5") for row in rows[1:3]), rows
    with place.check("a name is not a path"):
        terminal, code = run("--session", "../trip", "Hi")
        assert code == 2 and len(place.service.requests) == 4
        terminal.see("error: --session: expected a name")
