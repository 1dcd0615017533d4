"""The gateway's page in headless Chromium, which is driven by its debugging pipe as a person would: by keyboard.

usage: page.py PROGRAM CHROMIUM RECORDING FOLDER

Prints a line for each check; the exit code says whether all hold. Pictures go to FOLDER, to be looked at.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PROGRAM, CHROMIUM, RECORDING, FOLDER = sys.argv[1], sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4])
KEY, PROMPT = "a-key-for-tests", "nothing of this prompt is shown"
failed = passed = 0


def check(name, holds, found=""):
    global failed, passed
    passed, failed = passed + bool(holds), failed + (not holds)
    print(f"ok    {name}" if holds else f"FAULT {name}: {found}", flush=True)


class Browser:
    """Chromium, by its DevTools protocol: JSON with a NUL behind it, in on 3 and out on 4."""

    def __init__(self, home):
        commands, self.commands = os.pipe()
        self.events, events = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        # The shell moves the pipes to the numbers that Chromium reads.
        line = f'exec "$0" "$@" 3<&{commands} 4>&{events}'
        command = ["bash", "-c", line, CHROMIUM, *flags, f"--user-data-dir={home}/profile", "about:blank"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, pass_fds=[commands, events], env={**os.environ, "HOME": home}, **quiet)
        os.close(commands)
        os.close(events)
        self.rest, self.number, self.session, self.complaints = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log"]:
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                piece = os.read(self.events, 1 << 16)
                assert piece, "Chromium has ended"
                self.rest += piece
            line, self.rest = self.rest.split(b"\0", 1)
            message = json.loads(line)
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(message["params"]["exceptionDetails"]["text"])
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])

    def eval(self, script):
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def until(self, script):
        """Waits until this is true, for 20 seconds at most."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.eval(script):
                return True
            time.sleep(0.05)
        return False

    def type(self, text):
        self.call("Input.insertText", text=text)

    def press(self, key, modifiers=0):
        code = {"Enter": 13, "Tab": 9}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown", **named, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def look(self, width, scheme):
        """Takes a picture."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        picture = base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])
        file = FOLDER / f"page-{width}-{scheme}.png"
        file.write_bytes(picture)
        return file


def ask(url, content):
    body = {"model": "m-of-the-test", "messages": [{"role": "user", "content": content}]}
    head = {"authorization": f"Bearer {KEY}"}
    try:
        urllib.request.urlopen(urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), head))
    except urllib.error.HTTPError as refusal:
        assert refusal.code == 400, refusal


def checks(browser, url):
    visible = lambda id: f"!document.getElementById('{id}').closest('[hidden]')"
    shown = "document.body.innerText"
    focus = "document.activeElement.id"
    browser.call("Page.navigate", url=url + "/")
    check("a gateway with a key asks for it", browser.until(visible("lock")) and not browser.eval(visible("all")))
    check("in a field that has the focus", browser.until(f"{focus} == 'key'"), browser.eval(focus))
    browser.look(360, "light")
    browser.type("wrong")
    browser.press("Enter")
    check("a wrong key is refused", browser.until(f"{shown}.includes('not a key')"), browser.eval(shown))
    browser.type(KEY)
    browser.press("Enter")
    check(
        "the key opens the page", browser.until(visible("all")) and browser.until(f"{shown}.includes('m-of-the-test')")
    )
    stored = "sessionStorage.length + localStorage.length + document.cookie.length"
    check("the browser stores nothing", browser.eval(stored) == 0)
    text = browser.eval(shown)
    check("the page shows the calls and their tokens", "138" in text, text)
    check("and the model that can be called", browser.until(f"{shown}.includes('us.anthropic.claude-sonnet-4-5')"))
    check("and the error of a call", "image_url" in text, text)
    check("and nothing that was said", PROMPT not in text and "pressure drops" not in text)

    stops, outlined = [], True
    for _ in range(8):
        browser.press("Tab")
        stops.append(
            browser.eval(
                f"{focus} || document.activeElement.getAttribute('aria-label') || document.activeElement.tagName"
            )
        )
        if stops[-1] == "BODY":
            break
        outlined &= browser.eval("getComputedStyle(document.activeElement).outlineStyle") != "none"
    wanted = ["Calls", "model", "text", "go", "models"]
    check("Tab goes through what there is", all(name in stops for name in wanted), stops)
    check("and the focus is seen", outlined)
    browser.eval("document.getElementById('text').focus()")
    browser.type(PROMPT)
    browser.press("Enter", modifiers=2)
    said = "document.getElementById('out').textContent"
    check("Ctrl-Enter asks the model", browser.until(f"{said}.includes('pressure drops')"), browser.eval(said))
    table = "document.getElementById('calls').innerText"
    check("its call is shown", browser.until(f"{table}.split('chat').length == 4"), browser.eval(table))
    for width in [360, 1600]:
        for scheme in ["light", "dark"]:
            file = browser.look(width, scheme)
            wide = browser.eval("document.documentElement.scrollWidth")
            check(f"{width} pixels, {scheme}: the page fits; {file}", wide <= width, wide)
    browser.call("Page.reload")
    check("after a reload it asks for the key again", browser.until(visible("lock")))
    # A wrong key and a missing one are failed loads.
    complaints = [text for text in browser.complaints if "401" not in text]
    check("its policy is not violated, and nothing is thrown", not complaints, complaints)


with tempfile.TemporaryDirectory() as home:
    env = {"PATH": os.environ["PATH"], "HOME": home, "AWS_EC2_METADATA_DISABLED": "true", "PUMICE_API_KEY": KEY}
    command = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--replay", RECORDING, "--replay-loop"]
    gateway = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    browser = None
    try:
        url = gateway.stderr.readline().split()[-1]
        ask(url, PROMPT)
        ask(url, [{"type": "image_url", "image_url": {"url": f"https://example.com/{PROMPT}"}}])
        browser = Browser(home)
        checks(browser, url)
    finally:
        for process in [gateway, *([browser.process] if browser else [])]:
            process.kill()
            process.wait()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
