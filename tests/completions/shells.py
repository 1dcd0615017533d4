"""Presses Tab in bash, zsh and fish, in a pseudo-terminal, and reads what is on the line or offered."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

# What is typed, and what must be on the screen after Tab.
CASES = [
    ("pumice cha", ["pumice chat"]),
    ("pumice hel", ["pumice help"]),
    ("pumice help decod", ["pumice help decode"]),
    ("pumice chat --think xh", ["--think xhigh"]),
    ("pumice chat --color ne", ["--color never"]),
    ("pumice chat --think=xh", ["--think=xhigh"]),
    ("pumice chat -m my", ["-m my.model-v1:0"]),
    ("pumice chat -m my.model-v1:", ["-m my.model-v1:0"]),
    ("pumice chat --model my", ["--model my.model-v1:0"]),
    ("pumice models show my", ["models show my.model-v1:0"]),
    ("pumice doctor my", ["doctor my.model-v1:0"]),
    ("pumice chat --contin", ["pumice chat --continue"]),
    ("pumice chat -f one.pdf -f tw", ["-f one.pdf -f two.png"]),
    ("pumice chat --file one.pdf --file tw", ["--file one.pdf --file two.png"]),
    ("pumice completions pow", ["completions powershell"]),
    ("pumice config uns", ["config unset"]),
    ("pumice call ApplyG", ["call ApplyGuardrail"]),
    ("pumice chat -", ["-s", "--temperature"]),
]

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(pumice completions bash); bind 'set bell-style none'; bind 'set show-all-if-ambiguous on'; PS1='READY> '\n"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; source <(pumice completions zsh); PS1='READY> '; LISTMAX=1000\n"),
    "fish": (["fish", "--no-config", "-i"], "function fish_prompt; echo 'READY> '; end; pumice completions fish | source\n"),
}


def plain(screen):
    return re.sub(r"\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07]*\x07|[()][A-Z0-9]|[=>78])|[\r\x07\x08]|\x1b", "", screen)


class Terminal:
    def __init__(self, command):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        import fcntl, struct, termios

        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 160, 0, 0))

    def type(self, text):
        os.write(self.file, text.encode())

    def until(self, said, seconds=20):
        """What is shown until all of it was said, or nothing more comes."""
        screen, end = "", time.monotonic() + seconds
        while time.monotonic() < end and not said(plain(screen)):
            if select.select([self.file], [], [], 0.2)[0]:
                try:
                    data = os.read(self.file, 65536).decode(errors="replace")
                except OSError:
                    break
                # Some shells ask the terminal where the cursor is, or what it is.
                if "\x1b[6n" in data:
                    os.write(self.file, b"\x1b[1;1R")
                if "\x1b[c" in data or "\x1b[0c" in data:
                    os.write(self.file, b"\x1b[?62;c")
                screen += data
        return plain(screen)

    def close(self):
        os.close(self.file)
        try:
            os.kill(self.pid, 9)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)


def squeezed(text):
    return re.sub(r"\s+", " ", text)


failures = passed = skipped = 0
for shell, (command, setup) in SHELLS.items():
    if not shutil.which(shell):
        skipped += 1
        continue
    for typed, expected in CASES:
        terminal = Terminal(command)
        terminal.type(setup)
        terminal.until(lambda screen: "READY>" in screen.replace("echo 'READY>", "").replace("PS1='READY>", ""))
        terminal.type(typed + "\t")
        shown = lambda screen: all(squeezed(part) in squeezed(screen) for part in expected)
        screen = terminal.until(shown, 10)
        if not shown(screen) and len(expected) > 1:
            terminal.type("\t")
            screen += terminal.until(lambda more: shown(screen + more), 10)
        terminal.close()
        if shown(screen):
            passed += 1
        else:
            failures += 1
            print(f"{shell}: {typed!r}: expected {expected}, found {screen[-600:]!r}")

# PowerShell is in no registry of packages: where it is missing, a grammar of its language reads the script.
script = subprocess.run(["pumice", "completions", "powershell"], capture_output=True, text=True, check=True).stdout
try:
    import tree_sitter
    import tree_sitter_powershell

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    if parser.parse(script.encode()).root_node.has_error:
        failures += 1
        print("powershell: the script has a syntax error")
    else:
        passed += 1
except ImportError:
    print("skipped: the grammar of PowerShell cannot be installed")
if shutil.which("pwsh"):
    command = f"{script}\n(TabExpansion2 'pumice chat --think xh' 22).CompletionMatches.CompletionText"
    shown = subprocess.run(["pwsh", "-NoProfile", "-Command", command], capture_output=True, text=True).stdout
    passed, failures = (passed + 1, failures) if "xhigh" in shown else (passed, failures + 1)
print(f"completions: {passed} passed, {failures} failed, {skipped} shells skipped")
sys.exit(1 if failures else 0)
