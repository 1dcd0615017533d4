#!/usr/bin/env python3
"""Draws docs/chat.svg: `pumice chat` at a terminal, as it answers from a recording.

    cargo build --release && python3 tools/terminal_svg.py target/release/pumice > docs/chat.svg

Each character appears when the program wrote it. Only Python is needed.
"""

import fcntl
import html
import os
import pty
import re
import select
import struct
import sys
import termios
import time

COLUMNS, ROWS = 80, 18
PROMPT = 'pumice chat "Why does pumice float?"'
STYLES = {"1": "font-weight:bold", "2": "fill:#8b949e", "3": "font-style:italic", "36": "fill:#79c0ff"}
# How long typing takes, and how long the picture stays before it begins anew.
TYPING, STAYS = 1.5, 6


def record(program):
    """The pieces that the program writes, each with the seconds since the beginning."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", HOME="/nonexistent", AWS_EC2_METADATA_DISABLED="true")
        os.execv(program, [program, "chat", "--replay", "fixtures/text.jsonl", "--replay-speed", "1", "Why does pumice float?"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    start, pieces = time.monotonic(), []
    while True:
        try:
            data = os.read(terminal, 65536) if select.select([terminal], [], [], 30)[0] else b""
        except OSError:
            data = b""
        if not data:
            break
        pieces.append((time.monotonic() - start, data.decode(errors="replace")))
    os.waitpid(pid, 0)
    return pieces


def screen(pieces):
    """The rows of the screen: cells of character, style and time."""
    rows, column, style = [[]], 0, ""
    for at, text in pieces:
        for part in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|.|\n", text, re.S):
            row = rows[-1]
            if part == "\n":
                rows.append([])
                column = 0
            elif part == "\r":
                column = 0
            elif part.endswith("m") and part.startswith("\x1b"):
                codes = [code for code in part[2:-1].split(";") if code in STYLES]
                style = ";".join(STYLES[code] for code in codes)
            elif part.endswith("D") and part.startswith("\x1b"):
                column -= int(part[2:-1] or 1)
            elif part.endswith("K") and part.startswith("\x1b"):
                del row[column:]
            elif not part.startswith("\x1b"):
                del row[column:]
                row.append((part, style, round(at, 1)))
                column += 1
    return rows


def draw(rows, end):
    width, height = COLUMNS * 8.4 + 32, len(rows) * 20 + 60
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}" role="img" aria-label="pumice chat at a terminal">')
    print('<rect width="100%" height="100%" rx="8" fill="#0d1117"/>')
    print('<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" fill="#e6edf3">')

    def appears(at):
        share = min(at / end, 0.999)
        return f'<animate attributeName="opacity" values="0;1;1" keyTimes="0;{share:.4f};1" calcMode="discrete" dur="{end:.1f}s" repeatCount="indefinite"/>'

    step = TYPING / len(PROMPT)
    print('<text x="16" y="32" fill="#3fb950">$</text>')
    for number, character in enumerate(PROMPT):
        if character != " ":
            print(f'<text x="{16 + (number + 2) * 8.4:.1f}" y="32">{html.escape(character)}{appears(number * step)}</text>')
    for line, row in enumerate(rows):
        column = 0
        while column < len(row):
            first = column
            while column < len(row) and row[column][1:] == row[first][1:]:
                column += 1
            text = "".join(cell[0] for cell in row[first:column])
            # White space at either end would be left out when it is drawn.
            at, first = first, first + len(text) - len(text.lstrip())
            text = text.strip()
            style = f' style="{row[at][1]}"' if row[at][1] else ""
            if text:
                length = f' textLength="{len(text) * 8.4:.1f}"' if len(text) > 1 else ""
                print(f'<text x="{16 + first * 8.4:.1f}" y="{56 + line * 20}"{length}{style}>{html.escape(text)}{appears(TYPING + 0.4 + row[at][2])}</text>')
    print("</g>\n</svg>")


pieces = record(os.path.abspath(sys.argv[1]))
draw(screen(pieces), TYPING + 0.4 + pieces[-1][0] + STAYS)
