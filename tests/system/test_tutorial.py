"""man/reelfs-live.7: its commands are run as they stand, by an ordinary user in one shell, and the pages that it says
to open are opened in a browser and play."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from cdn import filled, free_port
from harness import BIN, SOURCE, note, wait_until
from players.browser import Browser

# A private /dev/fuse that an ordinary user may open; as one of them we use our own.
AS_NOBODY = """
set -eu
mount -t tmpfs none "$BASE/dev"
mknod -m 666 "$BASE/dev/fuse" c 10 229
mount --bind "$BASE/dev/fuse" /dev/fuse
exec setpriv --reuid 65534 --regid 65534 --clear-groups bash
"""


def blocks():
    """What the page shows as commands and as URLs, in order; pieces of examples are left out."""
    text = open(f"{SOURCE}/man/reelfs-live.7").read()
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.M | re.S):
        block = block.replace("\\e", "\\").replace("\\&", "")
        if not block.startswith("# low-latency DASH\n"):
            yield block


class Shell:
    """A shell that goes on from block to block; a command that fails ends it."""

    def __init__(self, base):
        env = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "SUDO_"))}
        env.update(BASE=base, HOME=f"{base}/home", XDG_RUNTIME_DIR=f"{base}/run", LC_ALL="C.UTF-8",
                   PATH=f"{base}/bin:{env['PATH']}", npm_config_cache=f"{base}/npm")
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", AS_NOBODY] \
            if os.geteuid() == 0 else ["bash"]
        self.log = open(f"{base}/shell.log", "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, env=env,
                                        start_new_session=True)
        self.base, self.count = base, 0
        self.do('trap "reelfs umount ~/media --force" EXIT; set -meu; cd')

    def said(self):
        return open(f"{self.base}/shell.log", errors="replace").read()

    def do(self, block):
        self.count += 1
        mark = f"{self.base}/run/done-{self.count}"
        self.process.stdin.write(f"{block}\n: >'{mark}'\n".encode())
        self.process.stdin.flush()

        def finished():
            assert os.path.exists(mark) or self.process.poll() is None, f"{block}\n{self.said()}"
            return os.path.exists(mark)
        wait_until(finished, 180, f"{block}\n{self.said()}")

    def close(self):
        self.process.stdin.close()   # the shell takes the mount away, its EXIT trap does
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            pass
        for process in processes_of(self.base):
            os.kill(process, signal.SIGKILL)
        self.process.wait()
        self.log.close()


def processes_of(base):
    """Those that were started with our BASE, whatever session they are in."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = open(f"/proc/{process}/environ", "rb").read().split(b"\0")
        except OSError:
            continue
        if f"BASE={base}".encode() in environment:
            found.append(int(process))
    return found


@pytest.fixture
def home(scratch):
    os.chmod(scratch, 0o755)
    base = f"{scratch}/somebody"
    for name in ("", "/dev", "/home", "/run", "/bin", "/npm"):
        os.mkdir(base + name)
    shutil.copy(BIN, f"{base}/bin/reelfs")
    cache = os.path.expanduser("~/.npm/_cacache")   # spares the registry what the set-up has fetched already
    if os.path.isdir(cache):
        shutil.copytree(cache, f"{base}/npm/_cacache")
    for folder, _, files in os.walk(base):
        if os.geteuid() == 0:
            os.chown(folder, 65534, 65534)
            for name in files:
                os.chown(f"{folder}/{name}", 65534, 65534)
    os.chmod(f"{base}/run", 0o700)
    return base


def test_every_command_of_the_tutorial(home, scratch):
    port = free_port()
    shell, browser = Shell(home), None
    try:
        channels = 0
        for block in blocks():
            if "8787" in block:
                block = filled(block, ("8787", str(port)))
            if not block.startswith("# browser\n"):
                shell.do(block)
                continue
            browser = browser or Browser(f"{scratch}/browser")
            browser.open(block.splitlines()[1])
            state = "const video = document.querySelector('video'); return [video.currentTime, video.videoWidth]"
            wait_until(lambda: browser.run(state)[0] > 0, 90, f"{block} plays\n{browser.console()}")
            began = browser.run(state)[0]
            wait_until(lambda: browser.run(state)[0] > began + 3, 90, f"{block} plays on\n{browser.console()}")
            assert browser.run(state)[1] == 320
            channels += 1
            note(f"screenshot: {browser.screenshot(f'tutorial-{channels}')}")
        assert channels == 2
        assert "index.m3u8" in shell.said() and "codec_name=h264" in shell.said()
        shell.do("trap - EXIT")
    finally:
        if browser:
            browser.close()
        shell.close()
