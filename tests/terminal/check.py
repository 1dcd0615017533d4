"""Runs the program in a pseudo-terminal of 80×24 and of 40×12, and says what each check proves."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from screen import Expected, Terminal
from service import Service, says

SIZES = [(80, 24), (40, 12)]
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BASH = shutil.which("bash")
scenarios = []
passed = failed = 0


def scenario(run):
    """A conversation or a command, and what is checked of it, at each size."""
    scenarios.append(run)
    return run


class Failed(Exception):
    """The rest of a scenario makes no sense."""


class Place:
    """A home folder, a service, and terminals of one size."""

    def __init__(self, size, work, program):
        self.size, self.columns = size, size[0]
        self.home = Path(tempfile.mkdtemp(dir=work))
        self.service = Service()
        self.terminals = []
        (self.home / "bin").mkdir()
        (self.home / "bin/pumice").symlink_to(program)
        folders = {name: self.home / name for name in ("config", "state", "cache")}
        self.environment = {
            "HOME": str(self.home),
            **{f"XDG_{name.upper()}_HOME": str(folder) for name, folder in folders.items()},
            "PATH": f"{self.home}/bin:{os.environ['PATH']}",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_BEARER_TOKEN_BEDROCK": "t",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_BEDROCK": self.service.url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.service.url,
            "PUMICE_MODEL": MODEL,
        }

    def open(self, *command, **environment):
        """A command at the terminal."""
        environment = {**self.environment, **environment}
        environment = {name: value for name, value in environment.items() if value is not None}
        command = [str(self.home / "bin/pumice") if command[0] == "pumice" else command[0], *command[1:]]
        terminal = Terminal(command, self.size, environment, self.home)
        self.terminals.append(terminal)
        return terminal

    def shell(self, line, **environment):
        """A line of bash at the terminal."""
        return self.open(BASH, "-c", line, **environment)

    def chat(self, *arguments, **environment):
        """A conversation, at its first prompt."""
        terminal = self.open("pumice", "chat", *arguments, **environment)
        terminal.prompt()
        return terminal

    def says(self, *texts):
        """Lets the service respond with these texts in turn."""
        self.service.then(*map(says, texts))

    def asked(self, terminal, number):
        """Waits until the service has had this many requests."""
        terminal.wait(lambda: len(self.service.requests) >= number, f"{number} requests")

    def write(self, name, content):
        path = self.home / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    @contextlib.contextmanager
    def check(self, what):
        """What the user relies on. It is proven if nothing in the block fails."""
        global passed, failed
        label = f"{self.size[0]}×{self.size[1]} {what}"
        try:
            yield
        except (AssertionError, Expected, OSError, LookupError) as fault:
            failed += 1
            print(f"FAILED {label}: {self.explained(fault)}")
            for terminal in self.terminals[-1:]:
                print("\n".join(f"    |{line}" for line in terminal.lines()[-40:]))
            print(f"    requests: {self.service.requests[-2:]!r:.1500}", flush=True)
            raise Failed from fault
        passed += 1
        print(f"ok {label}", flush=True)

    @staticmethod
    def explained(fault):
        if isinstance(fault, Expected):
            return f"expected {fault}"
        frame = traceback.extract_tb(fault.__traceback__)[-1]
        return f"line {frame.lineno} of {Path(frame.filename).name}: {frame.line} {fault}"

    def close(self):
        for terminal in self.terminals:
            terminal.close()
        self.service.close()


def run(program, work, named):
    global failed
    # Whatever this script was started with, such as nohup, what it starts has the signals of a terminal.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    for size in SIZES:
        for one in scenarios:
            if named and one.__name__ not in named:
                continue
            place = Place(size, work, program)
            try:
                one(place)
            except Failed:
                pass
            except Exception:
                # Between two checks.
                failed += 1
                print(f"FAILED {size[0]}×{size[1]} {one.__name__}: {traceback.format_exc()}", flush=True)
            finally:
                place.close()
    print(f"terminal: {passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    # The scenarios use the names of this file.
    sys.modules["check"] = sys.modules["__main__"]
    import asking, commands, conversation, response, saving  # noqa: E401, F401

    run(os.path.realpath(sys.argv[1]), sys.argv[2], sys.argv[3:])
