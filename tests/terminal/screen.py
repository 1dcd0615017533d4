"""The program in a pseudo-terminal: what stands on the screen and in the lines above it, and what a person types."""

import fcntl
import os
import select
import struct
import subprocess
import termios
import time

import pyte
from wcwidth import wcwidth

# The longest wait for anything. Nothing waits this long unless it fails.
LONGEST = 60
# pyte knows no dim text. It is shown as blinking, which the program never writes.
pyte.graphics.TEXT[2] = "+blink"


class Screen(pyte.Screen):
    """A screen as xterm has it, with the lines that have left it at the top."""

    def __init__(self, columns, rows):
        self.above = []
        super().__init__(columns, rows)

    def draw(self, data):
        for character in data:
            width = wcwidth(character)
            # A wide character is not cut in two. pyte drops what follows a joiner or a selector.
            if width == 2 and self.cursor.x == self.columns - 1:
                self.cursor.x = self.columns
            wraps = width > 0 and self.cursor.x == self.columns
            super().draw(character)
            if wraps:
                self.buffer[self.cursor.y].goes_on = True

    def index(self):
        if self.cursor.y == self.lines - 1:
            self.above.append(self.buffer[0])
        super().index()

    def resize(self, lines=None, columns=None):
        while self.cursor.y >= lines:
            self.above.append(self.buffer[0])
            for row in range(self.lines):
                self.buffer[row] = self.buffer.pop(row + 1, self.buffer[self.lines + 1])
            self.cursor.y -= 1
        for row in [row for row in self.buffer if row >= lines]:
            del self.buffer[row]
        for row in self.buffer.values():
            for column in [column for column in row if column >= columns]:
                del row[column]
        self.cursor.x = min(self.cursor.x, columns)
        self.lines, self.columns = lines, columns
        self.tabstops = set(range(8, columns, 8))

    def rows(self):
        """All rows from the first one on, without what is empty at the end."""
        rows = self.above + [self.buffer[row] for row in range(self.lines)]
        while rows and not shown(rows[-1]).strip():
            rows.pop()
        return rows


def whole(row):
    return "".join(row[column].data for column in range(max(row, default=-1) + 1))


def shown(row):
    """The text of a row, without the spaces at its end."""
    return whole(row).rstrip()


def width(text):
    """The columns that a text takes."""
    return sum(max(wcwidth(character), 0) for character in text)


class Expected(Exception):
    """What was waited for did not come."""


class Terminal:
    """A program at a terminal of a size, which is a pair of columns and rows."""

    def __init__(self, command, size, environment, folder):
        self.master, self.slave = os.openpty()
        self.raw = b""
        self.seen = 0
        self.screen = Screen(*size)
        self.screen.write_process_input = self.type
        self.stream = pyte.ByteStream(self.screen)
        self.set_size(size)
        self.mode = termios.tcgetattr(self.slave)
        # The first terminal that a new session opens is its own.
        opens = 'exec 0<> "$0" 1>&0 2>&0; exec "$@"'
        self.process = subprocess.Popen(
            ["sh", "-c", opens, os.ttyname(self.slave), *command], cwd=folder, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def set_size(self, size):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def resize(self, columns, rows):
        """Gives the terminal another size, of which the kernel tells the program."""
        self.screen.resize(rows, columns)
        self.set_size((columns, rows))

    def type(self, keys):
        data = keys.encode()
        while data:
            data = data[os.write(self.master, data[:512]):]
            self.take(0)

    def take(self, seconds):
        """Shows what has been written, and waits for it this long."""
        if select.select([self.master], [], [], seconds)[0]:
            data = os.read(self.master, 65536)
            self.raw += data
            self.stream.feed(data)

    def wait(self, condition, expected):
        """Waits until the condition is met."""
        end = time.monotonic() + LONGEST
        while not condition():
            if time.monotonic() > end:
                raise Expected(expected)
            self.take(0.02)

    def enter(self, line):
        """Types a line. What is seen from here on is what comes after it."""
        self.wait(self.is_at_prompt, "to see an empty prompt")
        self.seen = len(self.screen.above) + self.screen.cursor.y
        self.type(line + "\r")

    def see(self, *texts):
        """Waits until each of the texts stands somewhere since the last line, wherever the lines are broken."""
        for text in texts:
            self.wait(lambda: self.shows(text), f"to see {text!r}")

    def shows(self, text):
        return squeezed(text) in squeezed(self.text(self.seen))

    def done(self, *texts):
        """The same, and then the next prompt."""
        self.see(*texts)
        self.prompt()

    def spinner(self):
        """The rows in which the sign of life stands: one, or none."""
        return [line for line in self.lines() if any("\u2800" <= letter <= "\u28ff" for letter in line)]

    def prompt(self):
        """Waits for an empty prompt at which the program reads."""
        self.wait(self.is_at_prompt, "to see an empty prompt")

    def is_at_prompt(self):
        row = self.screen.buffer[self.screen.cursor.y]
        return shown(row) == ">" and self.screen.cursor.x == 2 and self.pastes_are_marked()

    def pastes_are_marked(self):
        return 2004 << 5 in self.screen.mode

    def end(self):
        """Waits until the program ends. Returns its exit code, or minus the signal that ended it."""
        self.wait(lambda: self.process.poll() is not None, "the program to end")
        # The last of what it wrote is before this.
        mark = b"\x1b]0;ended\x07"
        os.write(self.slave, mark)
        self.wait(lambda: self.raw.endswith(mark), "the output to end")
        self.raw = self.raw.removesuffix(mark)
        return self.process.returncode

    def kill(self, number):
        os.kill(self.process.pid, number)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def lines(self, first=0):
        """What stands on the screen and above it: each row as it is."""
        return [shown(row) for row in self.screen.rows()[first:]]

    def text(self, first=0):
        """The same as it is copied: rows that the terminal broke by itself are one line."""
        text = ""
        for row in self.screen.rows()[first:]:
            if not getattr(row, "goes_on", False):
                text = text.rstrip(" ") + "\n"
            text += whole(row)
        return text[1:].rstrip(" ")

    def style(self, word):
        """How a word stands there, as a set of names."""
        for row in self.screen.rows():
            at = shown(row).find(word)
            if at >= 0:
                characters = [row[column] for column in range(max(row) + 1) if row[column].data]
                return styles(characters[at])
        raise Expected(f"to see {word!r}")

    def mode_is_as_before(self):
        return termios.tcgetattr(self.slave) == self.mode and not self.pastes_are_marked()


def styles(character):
    found = {name for name in ("bold", "italics") if getattr(character, name)}
    if character.blink:
        found.add("dim")
    if character.fg != "default":
        found.add(character.fg)
    return found


def squeezed(text):
    return "".join(text.split())
