"""A response on the screen: the sign of life before it, its Markdown, the thinking, and the last line."""

import random
import re
import time
from pathlib import Path

from check import MODEL, scenario
from screen import squeezed, width
from service import Answer, block_end, end, refusal, says, slow, start, text, thinking

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"

WORDS = (
    "Pumice is a rock that floats, because it is full of bubbles: 軽石 は 水 に 浮く 石 です 🚀 and every other word of this "
    "paragraph — Zoë’s naïve café included — is as long or as short as words are, so that lines end wherever they may."
)
CODE = [
    "def floats(density):",
    "    return density < 1.0  # and a comment that makes this line longer than any of the two terminals is wide **no**",
    "",
    "        if deeper:",
    "            pass",
]
URL = "https://example.com/a/path/that/is/longer/than/a/line/of/the/wide/terminal/so/that/it/has/to/be/broken?somewhere"
INDENTED = "    an indented line of code after a blank one, which is longer than the lines of both of the two terminals are"
TABLE = ["| rock   | floats |", "|--------|--------|", "| pumice | yes    |", "| basalt of a long name | no, it does not at all | x |"]
MARKDOWN = "\n".join([
    "# The heading",
    "",
    WORDS,
    "",
    "Some *slanted* and **strong** words, `code_of * one` word, snake_case_name and 2 * 3 * 4.",
    "",
    "- the first item is one that is longer than a line of the narrow terminal, and of the wide one as well, it seems",
    "- the second",
    "",
    "1. first of all",
    "2. then",
    "",
    "```python",
    *CODE,
    "```",
    "",
    *TABLE,
    "",
    f"A link: {URL} and words after it, which are wrapped between them as those before the table are wrapped.",
    "",
    INDENTED,
    "",
    "The end.",
])


def response(terminal):
    """The rows between the prompt and the last line."""
    return terminal.lines(terminal.seen + 1)[:-2]


@scenario
def sign_of_life(place):
    answer = slow("Here ", "it is.")
    place.service.then(answer)
    terminal = place.chat()
    terminal.enter("go")
    before = len(terminal.lines())
    with place.check("a sign of life is shown while nothing has come, with the seconds"):
        terminal.wait(lambda: any(re.search(" [1-9][0-9]* s", row) for row in terminal.spinner()), "a second")
    with place.check("it is one line, in the place of itself"):
        assert len(terminal.spinner()) == 1 and len(terminal.lines()) == before + 1, terminal.lines()
    with place.check("it is gone without a trace when the text begins"):
        answer.go()
        terminal.see("Here")
        terminal.take(0)
        assert not terminal.spinner() and response_begins(terminal, "Here"), terminal.lines()
    with place.check("it does not come back in the middle of the text"):
        end_ = len(terminal.raw)
        answer.go()
        terminal.see("it is.")
        answer.go()
        terminal.prompt()
        assert "⠋" not in terminal.raw[end_:].decode() and response(terminal) == ["Here it is."], terminal.lines()


def response_begins(terminal, word):
    return terminal.lines(terminal.seen + 1)[0].startswith(word)


@scenario
def retries(place):
    answer = slow("Here it is.")
    busy = "Too busy 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字 at the moment, please wait and try again later"
    place.service.then(refusal(503, "ServiceUnavailableException", busy, {"retry-after": "3"}), answer)
    terminal = place.chat()
    terminal.enter("go")
    with place.check("while it waits for a retry, the sign of life says for how long and why"):
        terminal.wait(lambda: " · retrying in 3.0 s: " in terminal.raw.decode(errors="ignore"), "the wait")
    with place.check("it fits the width, whatever the service says"):
        assert len(terminal.lines(terminal.seen)) == 2, terminal.lines()
    with place.check("the sign of life counts the attempts"):
        terminal.wait(lambda: any("attempt 2" in row for row in terminal.spinner()), "the attempt")
        assert len(terminal.lines(terminal.seen)) == 2, terminal.lines()
    with place.check("a response after a retry leaves no trace of it"):
        answer.go()
        answer.go()
        terminal.done("Here it is.")
        assert response(terminal) == ["Here it is."], terminal.lines()

    answer = slow("At last.")
    place.service.then(refusal(429, "ThrottlingException", "Too many requests", {"retry-after": "1"}), answer)
    terminal = place.open("pumice", "chat", "--patient", "Hi")
    with place.check("--patient says what it waits for, on a line of its own"):
        terminal.see("waiting 1.0 s, and at most")
        place.asked(terminal, 4)
        answer.go()
        answer.go()
        assert terminal.end() == 0
        lines = terminal.lines()
        assert lines[0].startswith("note: ThrottlingException") and "At last." in lines, lines
        assert not terminal.spinner(), lines

    place.service.then(*(refusal(400, "ValidationException", "The input is odd.") for _ in range(2)))
    terminal = place.chat()
    with place.check("a refusal is an error, and the conversation goes on"):
        terminal.enter("odd")
        terminal.done("error: ValidationException: The input is odd.")
        place.says("even")
        place.service.answers.get()
        terminal.enter("even")
        terminal.done("even")
        messages = place.service.requests[-1][1]["messages"]
        assert len(messages) == 1, messages


@scenario
def pipes(place):
    answer = slow("one")
    place.service.then(answer)
    terminal = place.shell("pumice chat Hi > out 2> err")
    with place.check("nothing of the sign of life, of styles or of the last line goes into files"):
        place.asked(terminal, 1)
        # Longer than it takes to show the sign of life.
        begun = len(terminal.raw)
        late = time.monotonic() + 1
        terminal.wait(lambda: time.monotonic() > late, "a second")
        answer.go()
        answer.go()
        assert terminal.end() == 0 and len(terminal.raw) == begun
        assert (place.home / "out").read_text() == "one\n" and (place.home / "err").read_text() == ""
    place.says(MARKDOWN)
    terminal = place.shell("pumice chat Hi | cat > out")
    with place.check("Markdown goes into a pipe as the model wrote it"):
        assert terminal.end() == 0
        assert (place.home / "out").read_text() == MARKDOWN + "\n"
    with place.check("the last line is on the terminal all the same"):
        assert "12 tokens in, 7 out" in terminal.text()


@scenario
def markdown(place):
    place.says(MARKDOWN)
    terminal = place.chat()
    terminal.enter("go")
    terminal.done("The end.", "7 out")
    rows = response(terminal)
    copied = terminal.text(terminal.seen + 1).split("\n")
    with place.check("a heading is bold"):
        assert "bold" in terminal.style("The heading")
    with place.check("emphasis is slanted and bold, code has a color, and other words are plain"):
        found = [terminal.style(word) for word in ("slanted", "strong", "code_of", "words,", "case_name", "3 *")]
        assert found == [{"italics"}, {"bold"}, {"cyan"}, set(), set(), set()], found
    with place.check("the marks stay, so that what is copied is Markdown"):
        text_ = terminal.text()
        assert all(mark in text_ for mark in ("# The", "*slanted*", "**strong**", "`code_of * one`")), text_
    with place.check("words are wrapped between them, and lines are as full as they can be"):
        paragraph = rows[2:rows.index("", 2)]
        check_wrapped(paragraph, WORDS, place.columns)
    with place.check("the further lines of an item begin below its first word"):
        first = next(at for at, row in enumerate(rows) if row.startswith("- the first"))
        second = next(at for at, row in enumerate(rows) if row.startswith("- the second"))
        assert second - first > 1 and all(row[:2] == "  " and row[2] != " " for row in rows[first + 1:second]), rows
        assert "1. first of all" in rows and "2. then" in rows, rows
    with place.check("code can be copied as it is, with its indents, however long its lines are"):
        begin = copied.index("```python")
        assert copied[begin + 1:begin + 7] == [*CODE, "```"], copied
        assert terminal.style("**no**") == set()
        assert INDENTED in copied, copied
    with place.check("a word that is longer than a line, such as a URL, can be copied whole"):
        assert any(f" {URL} " in f" {line} " for line in copied), copied
        assert all(width(row) <= place.columns for row in rows), rows
    with place.check("the fences around code are dim"):
        assert terminal.style("```python") == {"dim"}
    with place.check("tables stay as they are"):
        assert [line for line in copied if line.startswith("|")] == TABLE, copied

    place.service.then(Answer(start(), *map(text, MARKDOWN), block_end(), end()))
    with place.check("the screen is the same if the text comes in single characters"):
        terminal.enter("again")
        terminal.done("The end.", "7 out")
        assert response(terminal) == rows, response(terminal)
    with place.check("and if it comes in pieces of any length, cut off by the network anywhere"):
        chance = random.Random(place.columns)
        pieces, rest = [], MARKDOWN
        while rest:
            at = chance.randrange(1, 40)
            pieces.append(rest[:at])
            rest = rest[at:]
        whole = start() + b"".join(map(text, pieces)) + block_end() + end()
        cuts = [whole[at:at + 61] for at in range(0, len(whole), 61)]
        place.service.then(Answer(*cuts))
        terminal.enter("again")
        terminal.done("The end.", "7 out")
        assert response(terminal) == rows, response(terminal)

    for arguments, environment, how in (
        (("--plain",), {}, "--plain shows the text as it is, without styles"),
        ((), {"TERM": "dumb"}, "TERM=dumb shows the text as it is, without styles"),
    ):
        place.says(MARKDOWN)
        terminal = place.open("pumice", "chat", *arguments, "Hi", **environment)
        with place.check(how):
            assert terminal.end() == 0
            assert terminal.text().startswith(MARKDOWN), terminal.text()
            assert terminal.style("The heading") == set() and terminal.style("strong") == set()
    place.says(MARKDOWN)
    terminal = place.open("pumice", "chat", "Hi", NO_COLOR="1")
    with place.check("NO_COLOR wraps words and styles none"):
        assert terminal.end() == 0
        assert terminal.lines()[:len(rows)] == rows and b"\x1b[0;" not in terminal.raw, terminal.lines()


def check_wrapped(rows, source, columns):
    """No word is cut, and none would have fitted into the line before. The last column stays free."""
    assert " ".join(rows).split() == source.split(), rows
    for row, following in zip(rows, rows[1:]):
        assert width(row) < columns, row
        assert width(row) + 1 + width(following.split()[0]) >= columns, (row, following)


@scenario
def wide_characters(place):
    japanese = "軽石は水に浮く石です。" * 8
    place.says(f"{japanese}\n\nx{japanese}\n\nEmoji 👩‍🚀 and ☺️ and é.")
    terminal = place.chat()
    terminal.enter("go")
    terminal.done("and é.", "7 out")
    rows = response(terminal)
    with place.check("wide characters count as two columns, and none is cut in two"):
        lines = rows[:rows.index("")]
        assert "".join(lines) == japanese and len(lines) == -(-width(japanese) // (place.columns // 2 * 2 - 2)), lines
        assert all(width(line) < place.columns for line in rows), rows
    with place.check("a long word without spaces is broken at the width alone"):
        assert squeezed("".join(rows)) == squeezed(f"{japanese}x{japanese}Emoji 👩🚀 and ☺ and é."), rows


@scenario
def thinking_(place):
    thought = "Let me think about bubbles in rocks, which takes more than a line of the terminal that shows these thoughts."

    def thoughtful():
        return Answer(
            start(), thinking(thought[:50]), thinking(thought[50:]), block_end(), text("The answer.", 1), block_end(1), end()
        )

    place.service.then(thoughtful())
    terminal = place.chat()
    terminal.enter("go")
    terminal.done("The answer.")
    with place.check("thinking is dim, and the response is not"):
        assert terminal.style("bubbles") == {"dim"} and terminal.style("answer") == set()
    with place.check("thinking is wrapped between words"):
        rows = response(terminal)
        assert rows[-1] == "The answer.", rows
        check_wrapped(rows[:-1], thought, place.columns)
    for arguments, environment, how in (
        ((), {"NO_COLOR": "1"}, "NO_COLOR"), (("--color", "never"), {}, "--color never"), ((), {"TERM": "dumb"}, "TERM=dumb")
    ):
        place.service.then(thoughtful())
        terminal = place.open("pumice", "chat", *arguments, "Hi", **environment)
        with place.check(f"with {how}, labels tell thinking and response apart"):
            assert terminal.end() == 0
            lines = terminal.text().split("\n")
            assert lines[0] == "[thinking]" and lines[-3:-1] == ["[response]", "The answer."], lines
            assert b"\x1b[2m" not in terminal.raw
    place.service.then(thoughtful())
    terminal = place.shell("pumice chat Hi > out")
    with place.check("thinking is on the terminal and not in the file"):
        assert terminal.end() == 0
        assert "bubbles" in terminal.text() and (place.home / "out").read_text() == "The answer.\n"


@scenario
def last_line(place):
    place.says("one")
    terminal = place.chat()
    terminal.enter("go")
    terminal.done("12 tokens in, 7 out")
    line = terminal.lines()[-2]
    with place.check("the last line has the tokens and the price, in one line that fits"):
        assert "12 tokens in, 7 out · $0.0001" in line and width(line) <= place.columns, line
        assert terminal.lines(terminal.seen)[1:] == ["one", line, ">"], terminal.lines()
    if place.columns == 80:
        with place.check("the last line has the model and the time where there is room"):
            assert line.startswith("claude-sonnet-4-5 · ") and "first token after " in line, line
    with place.check("the last line is dim"):
        assert terminal.style("12 tokens") == {"dim"}
    terminal = place.open("pumice", "chat", "--replay", str(FIXTURES / "text.jsonl"), "Hi")
    with place.check("a replay shows neither times nor a rate"):
        assert terminal.end() == 0
        line = terminal.lines()[-1]
        assert " out" in line and "/s" not in line and " s " not in line and not line.endswith(" s"), line
        assert width(line) <= place.columns, line
        assert place.columns == 40 or line.endswith("replayed"), line
    place.service.then(Answer(start(), text("cut"), block_end(), end(reason="max_tokens")))
    terminal = place.open("pumice", "chat", "Hi")
    with place.check("a response that was cut off at the output limit says so"):
        assert terminal.end() == 0 and "cut off at the output limit (--max-tokens)" in terminal.text().replace("\n", " ")
