"""nginx and Varnish in front of stores: private instances on free ports, with the recipes of man/reelfs-cdn.7.

recipe() reads a configuration out of the page, and every name in it that the test fills in must be
there: what the tests run is what the page shows.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from harness import SOURCE, http_connection, run, wait_until


def recipe(title, page="reelfs-cdn.7"):
    """The block of a manual page that begins with a comment of this title."""
    text = open(f"{SOURCE}/man/{page}").read()
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.M | re.S):
        if block.startswith(f"# {title}\n"):
            return block.replace("\\e", "\\").replace("\\&", "")
    raise AssertionError(f"{page} has no recipe '{title}'")


def filled(text, *pairs):
    """With the reader's own values in place of those of the page."""
    for name, value in pairs:
        assert name in text, f"the recipe does not say {name!r} any more:\n{text}"
        text = text.replace(name, value)
    return text


def token(store, container="live", actions="get,head"):
    return json.loads(store.cli("token", "create", "--store", store.dir, "--container", container, "--actions",
                                actions, "--expires", "never", "--json").stdout)["Token"]


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Cache:
    """A cache that runs in a process group of its own; address is host:port."""

    def __init__(self, folder, port):
        self.folder, self.port, self.address = folder, port, f"127.0.0.1:{port}"
        self.process = None

    def _start(self, command, log):
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                            start_new_session=True)
        try:
            wait_until(self._answers, 60, f"{command[0]} listens")
        except BaseException:
            self.close()
            raise

    def _answers(self):
        assert self.process.poll() is None, open(self.log).read()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def request(self, target, headers=None, method="GET"):
        """(status, headers, body); header names in lower case."""
        connection = http_connection(self.address, timeout=60)
        try:
            connection.request(method, target, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def url(self, target):
        return f"http://{self.address}{target}"

    def close(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Nginx(Cache):
    kind = "nginx"

    def __init__(self, folder, text, port):
        super().__init__(folder, port)
        os.makedirs(f"{folder}/cache")
        text = filled(text, ("/var/cache/nginx/reelfs", f"{folder}/cache"))
        temporary = "".join(f"{name}_temp_path {folder}/temp-{name};\n"
                            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(f"{folder}/nginx.conf", "w") as file:
            file.write(f"daemon off; pid {folder}/pid; error_log {folder}/error.log info;\n"
                       f"{'user root;' if os.geteuid() == 0 else ''}\nevents {{ }}\nhttp {{\n{temporary}"
                       "log_format fetches '$request_uri $upstream_status $upstream_cache_status';\n"
                       f"access_log {folder}/access.log fetches;\n{text}}}\n")
        self._start(["nginx", "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"],
                    f"{folder}/said.log")

    def fetches(self, target):
        """How many of its requests for the target it has taken to the origin. Counts those that have ended."""
        lines = [line.split(" ", 1) for line in open(f"{self.folder}/access.log").read().splitlines()]
        return sum(1 for uri, upstream in lines if uri == target and re.match(r"\d{3}", upstream))


class Varnish(Cache):
    kind = "varnish"

    def __init__(self, folder, text, port):
        super().__init__(folder, port)
        with open(f"{folder}/default.vcl", "w") as file:
            file.write(text)
        self.name = f"{folder}/varnish"
        self._start(["varnishd", "-F", "-j", "none", "-n", self.name, "-a", f"127.0.0.1:{port}", "-f",
                     f"{folder}/default.vcl", "-s", "malloc,128m", "-p", "vcc_allow_inline_c=off"],
                    f"{folder}/said.log")

    def fetches(self, target):
        """How many requests for the target it has made at the origin."""
        log = run("varnishlog", "-n", self.name, "-d", "-b", "-g", "vxid", "-i", "BereqURL").stdout.decode()
        return len(re.findall(rf"BereqURL\s+{re.escape(target)}$", log, re.M))

    def revalidations(self):
        """How many fetches the origin has answered with 304. Its threads count a moment after they have answered."""
        counted = run("varnishstat", "-n", self.name, "-1", "-f", "MAIN.fetch_304").stdout
        return int(counted.split()[1])


class Reader(threading.Thread):
    """One GET, read as it comes. `whole` says whether it ended as a complete response, `first_byte_s` how long it took
    to begin."""

    def __init__(self, address, target):
        super().__init__(daemon=True)
        self.address, self.target = address, target
        self.status, self.body, self.whole, self.first_byte_s = None, bytearray(), None, None
        self.start()

    def run(self):
        connection, began = http_connection(self.address, timeout=60), time.monotonic()
        try:
            connection.request("GET", self.target)
            answer = connection.getresponse()
            self.status = answer.status
            while part := answer.read1(65536):
                self.first_byte_s = self.first_byte_s or time.monotonic() - began
                self.body += part
            self.whole = answer.length in (None, 0)
        except (OSError, http.client.HTTPException):
            self.whole = False
        finally:
            connection.close()

    def finish(self):
        self.join(60)
        assert not self.is_alive(), f"{self.target}: no end after {len(self.body)} bytes"
        return bytes(self.body)
