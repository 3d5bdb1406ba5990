"""Headless Chromium for the tests of players, driven by chromedriver's WebDriver protocol: plain HTTP
and JSON, so that nothing but Python's library and Debian's chromium-driver is needed. And the
players themselves, which npm brings into the build folder once, by exact version and hash.

One Browser is one chromedriver with one Chromium, in a process group of their own and with an empty
profile; close() ends the group. Its players' pages come from the store under test.
"""

import base64
import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.parse

from harness import SOURCE, run, said, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("REELFS_BUILD") or f"{SOURCE}/build/release"
SHOTS = f"{BUILD}/screenshots"
FILES = {"page.html": f"{HERE}/page.html", "hls.min.js": "hls.js/dist/hls.min.js",
         "dash.all.min.js": "dashjs/dist/modern/umd/dash.all.min.js"}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad",
         "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", "--window-size=800,600"]


def install_players():
    """The folder with the players' node_modules, made at the first call and whenever the lock file changes."""
    folder = f"{BUILD}/players"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = open(f"{HERE}/package-lock.json").read()
        mark = f"{folder}/installed"
        if not os.path.exists(mark) or open(mark).read() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(f"{HERE}/{name}", folder)
            run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder, timeout=600)
            with open(mark, "w") as file:
                file.write(wanted)
    return f"{folder}/node_modules"


def copy_players(folder):
    """Page and players as files of a folder, in a container for example."""
    modules = install_players()
    os.makedirs(folder, exist_ok=True)
    for name, source in FILES.items():
        shutil.copyfile(os.path.join(modules, source), f"{folder}/{name}")


class Browser:
    def __init__(self, folder, flags=()):
        self.profile, self.session, self.log = f"{folder}/profile", None, f"{folder}/chromedriver.log"
        os.makedirs(self.profile)
        with open(self.log, "wb") as log:
            self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, start_new_session=True, env=dict(os.environ, HOME=folder))
        try:
            self.port = int(wait_until(self._port, 60, "chromedriver listens"))
            options = {"args": [*FLAGS, *flags, f"--user-data-dir={self.profile}"], "binary": "/usr/bin/chromium"}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            self.session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def _port(self):
        found = re.search(rb"started successfully on port (\d+)", open(self.log, "rb").read())
        assert self.driver.poll() is None, open(self.log, "rb").read()
        return found and found[1]

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            value = json.loads(answer.read())["value"]
        finally:
            connection.close()
        assert answer.status == 200, f"{method} {path}: {value}"
        return value

    def _command(self, method, name, body=None):
        return self._ask(method, f"/session/{self.session}/{name}", body)

    def open(self, url):
        self._command("POST", "url", {"url": url})

    def run(self, script, *arguments):
        """What the body of a function returns in the page; a promise is waited for."""
        return self._command("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def console(self):
        """What the page's console said since the last call."""
        return [f"{line['level']} {line['message']}" for line in self._command("POST", "se/log", {"type": "browser"})]

    def screenshot(self, name):
        os.makedirs(SHOTS, exist_ok=True)
        path = f"{SHOTS}/{name}.png"
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._command("GET", "screenshot")))
        return path

    def play(self, page, player, source):
        """Opens the page and has `source` played by "hls", "dash" or "video", the element alone."""
        self.open(f"{page}?{urllib.parse.urlencode({'player': player, 'source': source})}")
        return Playing(self)

    def close(self):
        if self.session:
            try:
                self._ask("DELETE", f"/session/{self.session}")
            except (OSError, AssertionError):
                pass   # the group is ended below
        if self.driver.poll() is None:
            self.driver.terminate()
            try:
                self.driver.wait(10)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.driver.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.driver.wait()


class Playing:
    """The video of the page that the browser shows."""

    def __init__(self, browser):
        self.browser = browser

    def seen(self):
        return self.browser.run("return report()")

    def reaches(self, condition, what, seconds=90):
        """Waits until condition(report) is true; fails at once on a fatal error."""
        def met():
            seen = self.seen()
            assert not seen["fatal"], f"{what}: {seen}\n" + "\n".join(self.browser.console()[-20:])
            return seen if condition(seen) else None
        try:
            return wait_until(met, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.seen()}\n" + "\n".join(self.browser.console()[-20:]))

    def advances(self, seconds=3):
        """Plays on for so much of its own time, with pictures decoded."""
        first = self.reaches(lambda seen: seen["time"] > 0 and seen["frames"] > 0, "it plays")
        return self.reaches(lambda seen: seen["time"] >= first["time"] + seconds and
                            seen["frames"] > first["frames"] + 10 * seconds, f"{seconds} s more are played")

    def seeks(self, place):
        """Jumps, and shows pictures from there."""
        before = self.seen()["frames"]
        self.browser.run("seek(arguments[0])", place)
        return self.reaches(lambda seen: place <= seen["time"] < place + 30 and not seen["seeking"] and
                            seen["frames"] > before, f"it plays at {place}")
