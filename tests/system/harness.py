"""What the system tests share: a store that is made, mounted, killed and cleaned up, and small helpers.

Real binary, real mounts, real clients. Everything started here is ended here, by its own process id,
also when a test fails. Environment:

    REELFS_BIN          the binary (default build/release/reelfs under the source root)
    REELFS_TEST_SCALE   ci (default) or full
    REELFS_TEST_SEED    repeat a random test
    REELFS_STAND_IN     1: the tests of the tree run on a plain directory instead of a mount, which
                        tests the tests

Debian packages the tests need (tools/packages reads this list):
packages: python3 python3-pytest curl ffmpeg rsync git sqlite3 attr acl openssl util-linux fuse3
packages: e2fsprogs procps coreutils tar gcc libc6-dev awscli python3-boto3 iproute2 strace
packages: nginx varnish chromium chromium-driver
and those that give a command, where it is not there (COMMAND:PACKAGE):
packages for commands: node:nodejs npm:npm
packages: fio postgresql
tools/bench uses, where installed: gocryptfs wrk nginx-light pkg-config libfuse3-dev
"""

import ctypes
import errno
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import urllib.parse

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("REELFS_BIN") or
                      os.path.join(os.environ.get("REELFS_SOURCE", SOURCE), "build/release/reelfs"))
FULL = os.environ.get("REELFS_TEST_SCALE", "ci") == "full"
STAND_IN = os.environ.get("REELFS_STAND_IN") == "1"
# What a change of content by somebody outside the file's group does to sgid where the group may not execute: Linux's own
# file systems drop it since 6.2, as reelfs does on every Linux.
SGID_WITHOUT_EXECUTION_IS_DROPPED = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) >= (6, 2)
OWNER = "daemon"   # as root: whose the stores are, and whom their daemons run as; every Debian has this user

MiB = 1 << 20
GiB = 1 << 30
FILM_SIZE = 3 * MiB + 12_345   # of the file that the tests of HTTP share

notes = []  # lines for the end of the run: scales and seeds (conftest prints them)


def note(line):
    notes.append(line)
    print(line)


def scaled(ci, full, what):
    """The number for this run's scale; the report says how much of the full run it is."""
    number = full if FULL else ci
    note(f"scale: {what} {number} of {full}")
    return number


def seeded(what):
    seed = int(os.environ.get("REELFS_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    note(f"{what}: REELFS_TEST_SEED={seed}")
    return random.Random(seed), seed


def wait_until(condition, seconds, what):
    """Polls until condition() is true, and returns its value; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.005)


def run(*command, check=True, timeout=300, **options):
    """Runs a program; a failure shows what it said."""
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([os.fspath(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\nexit {done.returncode}\n"
                             f"{done.stdout.decode(errors='replace')[-4000:]}\n"
                             f"{done.stderr.decode(errors='replace')[-4000:]}")
    return done


def said(done):
    """All a program printed, as text."""
    return (done.stdout + done.stderr).decode(errors="replace")


def pattern(seed, size, offset=0):
    """Bytes without any zero and without repetition nearby: a function of (seed, position) only."""
    first, last = offset // 4096, (offset + size + 4095) // 4096
    parts = []
    for page in range(first, last):
        head = b"%08x.%016x." % (seed & 0xffffffff, page)
        parts.append(head + random.Random(seed * 1000003 + page).randbytes(128).replace(b"\0", b"\1") *
                     31 + b"#" * (4096 - len(head) - 128 * 31))
    data = b"".join(parts)
    start = offset - first * 4096
    return data[start:start + size]


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def write_file(path, data, mode="wb"):
    with open(path, mode) as file:
        file.write(data)


def write_synced(path, data):
    """Writes and syncs; an error of write, fsync or close is raised."""
    fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    try:
        done = 0
        while done < len(data):
            done += os.write(fd, data[done:done + 131_072])
        os.fsync(fd)
    finally:
        os.close(fd)


def generator(size, key="00112233445566778899aabbccddeeff"):
    """A shell command that prints `size` bytes, always the same, fast, and without long zeros."""
    return (f"openssl enc -aes-128-ctr -nosalt -K {key} -iv 00000000000000000000000000000000 "
            f"-in /dev/zero -bufsize 1048576 2>/dev/null | head -c {size} || true")


def shell(script, timeout=1200, check=True, **options):
    return run("bash", "-c", script, timeout=timeout, check=check, **options)


def is_mounted(path):
    wanted = os.path.realpath(os.path.dirname(path)) + "/" + os.path.basename(path)
    escaped = wanted.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")
    with open("/proc/self/mountinfo", "rb") as file:
        return any(line.split()[4].decode(errors="surrogateescape") == escaped for line in file)


def detach(path):
    """Takes a mount of ours out of the namespace, dead or alive."""
    for _ in range(8):
        if not is_mounted(path):
            return
        tool = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
        run(*tool, path, check=False)


def mount_ext4(image, path, size, *options):
    """A small file system of its own, in a file. Needs root; detach(path) takes it away."""
    os.mkdir(path)
    with open(image, "wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", *options, image)
    run("mount", "-o", "loop", image, path)


def environment(home):
    """A user's folders below `home`, so that no test sees the real ones."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    env.update(HOME=home, XDG_CONFIG_HOME=f"{home}/.config", XDG_DATA_HOME=f"{home}/.local/share",
               XDG_STATE_HOME=f"{home}/.local/state", XDG_CACHE_HOME=f"{home}/.cache",
               XDG_RUNTIME_DIR=f"{home}/run", LC_ALL="C.UTF-8",
               GIT_CONFIG_GLOBAL=f"{home}/.gitconfig", GIT_CONFIG_NOSYSTEM="1")
    os.makedirs(env["XDG_CONFIG_HOME"], exist_ok=True)
    os.makedirs(env["XDG_RUNTIME_DIR"], mode=0o700, exist_ok=True)
    os.chmod(env["XDG_RUNTIME_DIR"], 0o700)
    return env


class Store:
    """One store with its key, its mountpoint and its daemon."""

    def __init__(self, base, zones=0, init=True, init_options=(), folder="store"):
        self.base = str(base)
        self.dir = f"{self.base}/{folder}"
        self.path = f"{self.base}/mnt"
        self.key = f"{self.base}/the.key"
        self.log = f"{self.base}/daemon.log"
        self.zones = [f"{self.base}/zone{number}" for number in range(1, zones + 1)]
        self.env = environment(f"{self.base}/home")
        self.daemon = None
        self.http = None   # "127.0.0.1:port"
        self.admin = None
        self.id = None
        os.makedirs(self.path, exist_ok=True)
        for zone in self.zones:
            os.makedirs(zone, exist_ok=True)
        if init:
            options = [part for zone in self.zones for part in ("--zone", zone)]
            if os.geteuid() == 0 and "--owner" not in init_options:
                options += ["--owner", OWNER]
            self.init_said = said(self.cli("init", self.dir, "--key-file", self.key, *options,
                                           *init_options))
            self.id = re.search(r"\b[0-9a-f]{32}\b", self.init_said)[0]

    # Commands

    def cli(self, *arguments, **options):
        options.setdefault("env", self.env)
        options.setdefault("timeout", 60)
        return run(BIN, *arguments, **options)

    def mount(self, *arguments, options="", http=True, admin=False, env=None, wait=True):
        """Starts the daemon in the foreground as our child and waits until the tree is usable."""
        command = ["setpriv", "--pdeathsig", "TERM", "--", BIN, "mount", self.dir, self.path,
                   "--foreground", "--key-file", self.key]
        command += ["-o", options] if options else []
        command += ["--http", "127.0.0.1:0"] if http else []
        command += ["--admin", "127.0.0.1:0"] if admin else []
        with open(self.log, "ab") as log:
            self.log_start = log.tell()
            self.daemon = subprocess.Popen(command + [str(part) for part in arguments],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env=dict(self.env, **(env or {})), start_new_session=True)
        self.pid = self.daemon.pid
        if wait:
            wait_until(lambda: self._ready(http, admin), 60, "the mount is usable")
        return self

    def _ready(self, http, admin):
        if self.daemon.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.daemon.returncode}:\n{self.log_tail()}")
        if not is_mounted(self.path):
            return False
        if http or admin:
            self.take_addresses()
            return (not http or self.http) and (not admin or self.admin)
        return True

    def status(self):
        done = self.cli("status", self.dir, "--json", "--key-file", self.key, check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return {}

    def take_addresses(self):
        """The real addresses of the running daemon, as host:port."""
        status = self.status()
        self.http, self.admin = status.get("http"), status.get("admin")
        self.id = status.get("id") or self.id

    def sync(self):
        self.cli("sync", self.dir)

    def umount(self):
        """An orderly end; the daemon has gone when this returns."""
        self.cli("umount", self.path)
        try:
            code = self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon is still there 30 s after umount\n{self.log_tail()}")
        assert code == 0, f"the daemon ended with {code}\n{self.log_tail()}"
        self.daemon = None

    def kill(self):
        """kill -9, and the dead mount taken away."""
        os.kill(self.pid, signal.SIGKILL)
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            subprocess.run(["umount", "-f", "-l", self.path], check=False)   # ends the requests of whoever waits there
            raise AssertionError("a daemon that was killed is still there 30 s after")
        self.daemon = None
        detach(self.path)

    def alive(self):
        return self.daemon is not None and self.daemon.poll() is None

    def log_tail(self, since_mount=True):
        data = read_file(self.log)
        return data[self.log_start if since_mount else 0:][-6000:].decode(errors="replace")

    def close(self):
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(5)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        detach(self.path)
        if os.geteuid() == 0 and self.id:   # what root's daemons keep outside the store
            for path in (f"/run/reelfs/{self.id}.sock", f"/var/log/reelfs/{self.id}.log"):
                if os.path.lexists(path):
                    os.unlink(path)
        if os.path.exists(self.log):   # of a build with sanitizers
            report = re.search(rb"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:).*", read_file(self.log), re.S)
            assert not report, report[0][:6000].decode(errors="replace")

    # The tree

    def container(self, name="media"):
        path = f"{self.path}/{name}"
        if not os.path.isdir(path):
            os.mkdir(path)
        return path

    # HTTP

    def target(self, path):
        """The request target of a path inside the mount."""
        relative = os.path.relpath(os.fsencode(path), os.fsencode(self.path))
        return "/" + urllib.parse.quote_from_bytes(relative)

    def url(self, path):
        return f"http://{self.http}{self.target(path)}"

    def connect(self, timeout=20, http=None):
        host, port = (http or self.http).rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=timeout)

    def request(self, method, target, headers=None, http=None):
        """(status, headers, body) of one request on a connection of its own. Header names are lower
        case."""
        connection = http_connection(http or self.http)
        try:
            connection.putrequest(method, target, skip_host="host" in _lower(headers),
                                  skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", self.target(path), headers)

    def published(self, path):
        """The headers of a file once it is served as finished. close(2) does not wait for the kernel to tell the
        daemon of the last release, so that a file may be served as growing for a moment after it."""
        def headers():
            status, found, _ = self.request("HEAD", self.target(path))
            return found if status != 200 or "etag" in found else None
        return wait_until(headers, 10, f"{path} is served as finished")

    def raw(self, data, timeout=5):
        """Sends bytes as they are; returns all that comes back until the peer closes, resets or is
        silent for `timeout` seconds."""
        answer = b""
        with self.connect(timeout) as connection:
            try:
                connection.sendall(data)
                while part := connection.recv(65536):
                    answer += part
            except (ConnectionResetError, BrokenPipeError, socket.timeout):
                pass
        return answer


def http_connection(address, timeout=20):
    host, port = address.rsplit(":", 1)
    return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout)


def _lower(headers):
    return {name.lower() for name in headers or {}}


class Plain:
    """A plain directory in place of a mount: shows that the tests themselves are right."""

    def __init__(self, base):
        self.path = f"{base}/mnt"
        self.env = environment(f"{base}/home")
        os.makedirs(self.path, exist_ok=True)

    def container(self, name="media"):
        os.makedirs(f"{self.path}/{name}", exist_ok=True)
        return f"{self.path}/{name}"

    def umount(self):
        pass

    def mount(self, *_, **__):
        return self

    def close(self):
        pass


def scratch(prefix="reelfs-test-"):
    """A directory on a real disk (TMPDIR decides). The owner of a store in it may pass through."""
    path = tempfile.mkdtemp(prefix=prefix)
    os.chmod(path, 0o711)
    return path


def discard(path):
    """Removes a scratch directory; refuses to reach through anything still mounted."""
    with open("/proc/self/mountinfo") as file:
        inside = [line.split()[4] for line in file if line.split()[4].startswith(path + "/")]
    for mountpoint in reversed(inside):
        detach(mountpoint.encode().decode("unicode_escape"))
    if os.geteuid() != 0:
        _open_up(path)
    shutil.rmtree(path, ignore_errors=True)


def _open_up(folder):
    """A folder that its owner may not enter cannot be removed by him either."""
    os.chmod(folder, 0o700)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _open_up(entry.path)


# What a tree looks like

def outcome(function, *arguments, **options):
    """The value, or the name of the errno."""
    try:
        return function(*arguments, **options)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def describe(path, times=True):
    """What can be seen of one name, comparable between file systems."""
    found = os.lstat(path)
    facts = {"mode": found.st_mode, "uid": found.st_uid, "gid": found.st_gid}
    if times and stat.S_IFMT(found.st_mode) in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        # rsync leaves the times of special nodes alone
        facts["mtime"] = found.st_mtime_ns
    if not stat.S_ISDIR(found.st_mode):
        facts["links"] = found.st_nlink
    if stat.S_ISREG(found.st_mode):
        data = outcome(read_file, path)   # who is not root may not read every file
        facts["size"] = found.st_size
        facts["content"] = data if isinstance(data, str) else hash_of(data)
    if stat.S_ISLNK(found.st_mode):
        facts["target"] = os.readlink(path)
    if stat.S_ISBLK(found.st_mode) or stat.S_ISCHR(found.st_mode):
        facts["device"] = found.st_rdev
    try:
        names = sorted(os.listxattr(path, follow_symlinks=False))
    except OSError:
        names = []
    facts["xattrs"] = {os.fsdecode(name): outcome(os.getxattr, path, name, follow_symlinks=False)
                       for name in names
                       if not os.fsdecode(name).startswith(("user.reelfs.", "security.selinux"))}
    return facts


def hash_of(data):
    import hashlib
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def picture(root, times=True):
    """Every name below root with what describe() says, and which names are one file."""
    root = os.fsencode(root)
    seen, groups = {}, {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, root)
            facts = outcome(describe, path, times)
            if isinstance(facts, str):   # in a folder that who is not root may list and not search
                seen[relative] = {"refused": facts}
                continue
            seen[relative] = facts
            found = os.lstat(path)
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                groups.setdefault((found.st_dev, found.st_ino), []).append(relative)
    for group in groups.values():
        for name in group:
            seen[name]["same as"] = sorted(group)
    return seen


def assert_same_tree(actual, expected, times=True):
    left, right = picture(actual, times), picture(expected, times)
    assert sorted(left) == sorted(right)
    for name, facts in right.items():
        assert left[name] == facts, f"{name}: {left[name]} instead of {facts}"


# System calls Python has no name for

_libc = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
COLLAPSE_RANGE = 8


def _checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def renameat2(source, target, flags):
    return _checked(_libc.renameat2(-100, os.fsencode(source), -100, os.fsencode(target), flags))


def fallocate(fd, mode, offset, length):
    return _checked(_libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))
