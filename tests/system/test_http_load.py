"""Many peers, and hostile ones: bounded, counted and logged, and nobody else is harmed by them.

One process with many sockets plays the peers. What runs beside each of these tests is a fast client, whose answers
must be whole and right; no speed is asserted. Memory is the daemon's resident set, against the bound of the manual."""

import base64
import contextlib
import hashlib
import json
import mmap
import os
import re
import resource
import selectors
import socket
import threading
import time

import pytest

from harness import BIN, MiB, Store, http_connection, pattern, scaled, wait_until, write_file


def is_sanitized():
    """A sanitizer's memory is not the daemon's: shadow, and what is freed stays for a while."""
    with open(BIN, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
        return image.find(b"libasan.so") >= 0 or image.find(b"libtsan.so") >= 0


MEMORY_MAX = (4096 if is_sanitized() else 512) * MiB
FILM = 24 * MiB
SLOW_HEAD = b"GET /~reelfs/health HTTP/1.1\r\nHost: localhost\r\n"


class Loaded:
    """A served store with a film, a user, and the numbers an operator has."""

    def __init__(self, store):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.store = store.mount(admin=True)
        folder = store.container("load")
        self.film = f"{folder}/film.mp4"
        self.bytes = pattern(3, FILM)
        write_file(self.film, self.bytes)
        store.published(self.film)
        key = json.loads(store.cli("user", "create", "ann", "--store", store.dir, "--json").stdout)
        self.auth = b"Authorization: Basic " + base64.b64encode(
            f"{key['AccessKeyId']}:{key['SecretAccessKey']}".encode()) + b"\r\n"

    def metric(self, name):
        body = self.store.request("GET", "/metrics", http=self.store.admin)[2].decode()
        return int(float(re.search(rf"^reelfs_http_{re.escape(name)} (\S+)$", body, re.M)[1]))

    def fault(self, kind):
        return self.metric(f'peer_faults_total{{kind="{kind}"}}')

    def resident(self):
        with open(f"/proc/{self.store.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) * 1024

    def connect(self, receive_buffer=0):
        host, port = self.store.http.rsplit(":", 1)
        peer = socket.socket()
        if receive_buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer.settimeout(60)
        peer.connect((host, int(port)))
        return peer

    def quiet(self):
        """Nothing is under way for anybody: memory and connections are given back."""
        wait_until(lambda: self.metric("body_memory_bytes") == 0 and self.metric("connections") <= 1, 60,
                   "everything is given back")


@pytest.fixture(scope="module")
def loaded(module_scratch):
    store = Store(module_scratch)
    try:
        yield Loaded(store)
    finally:
        store.close()


class Beside(threading.Thread):
    """A client that is served all the while: whole answers, with the right bytes."""

    def __init__(self, loaded):
        super().__init__(daemon=True)
        self.loaded, self.over, self.done, self.wrong = loaded, threading.Event(), 0, None
        self.most = 0
        self.start()

    def run(self):
        connection = http_connection(self.loaded.store.http, 120)
        try:
            while not self.over.is_set():
                first = (self.done * 7_654_321) % (FILM - MiB)
                connection.request("GET", "/load/film.mp4", headers={"Range": f"bytes={first}-{first + MiB - 1}"})
                answer = connection.getresponse()
                assert answer.status == 206 and answer.read() == self.loaded.bytes[first:first + MiB]
                self.done += 1
                self.most = max(self.most, self.loaded.resident())
        except Exception as error:   # told to the test
            self.wrong = repr(error)
        finally:
            connection.close()

    def progress(self, answers=3):
        """So many more answers from now on."""
        until = self.done + answers
        wait_until(lambda: self.done >= until or self.wrong, 120, "the client beside makes progress")
        assert self.wrong is None


@contextlib.contextmanager
def beside(loaded):
    client = Beside(loaded)
    try:
        client.progress(1)
        yield client
        client.progress()
    finally:
        client.over.set()
        client.join(120)
    assert client.wrong is None and not client.is_alive()
    assert client.most < MEMORY_MAX, f"{client.most >> 20} MiB resident"
    assert loaded.store.alive()


@contextlib.contextmanager
def closing(peers):
    try:
        yield peers
    finally:
        for peer in peers:
            peer.close()


def answer_of(peer):
    """The head of one answer with a short body, which is read as well."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = peer.recv(65536)
        if not part:
            return data
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    while len(body) < length:
        body += peer.recv(65536)
    return head


def rest_of(peer):
    """All that comes until the peer's end: (bytes, "closed" or "reset")."""
    data = b""
    try:
        while part := peer.recv(65536):
            data += part
    except ConnectionResetError:
        return data, "reset"
    return data, "closed"


def send_for_ever(peer, piece, most):
    """Sends until the other side will have no more of it; the answer. Fails when it takes more than `most` bytes."""
    sent, answer = 0, b""
    peer.setblocking(False)
    with selectors.DefaultSelector() as ready:
        ready.register(peer, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while sent < most:
            for _, events in ready.select(60):
                try:
                    if events & selectors.EVENT_READ:
                        part = peer.recv(65536)
                        answer += part
                        if not part:
                            return answer
                    if events & selectors.EVENT_WRITE:
                        sent += peer.send(piece)
                except (ConnectionResetError, BrokenPipeError):
                    return answer
                except BlockingIOError:
                    pass
    raise AssertionError(f"{sent} bytes were taken, and there is no end")


# Slow heads: their time runs while the other tests do

class Loris(threading.Thread):
    """Connections that send their heads a line at a time, for ever."""

    def __init__(self, loaded, count):
        super().__init__(daemon=True)
        self.peers = [loaded.connect() for _ in range(count)]
        for peer in self.peers:
            peer.sendall(SLOW_HEAD)
        self.over = threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(1):
            for peer in self.peers:
                with contextlib.suppress(OSError):
                    peer.send(b"X: y\r\n")

    def close(self):
        self.over.set()
        self.join(30)
        for peer in self.peers:
            peer.close()


@pytest.fixture(scope="module")
def loris(loaded):
    made = Loris(loaded, 100)
    yield made
    made.close()


def test_slow_heads_begin(loris):
    """They go on while the tests below run; see test_slow_heads_are_cut_off."""
    assert len(loris.peers) == 100


# Many peers

def test_idle_connections_are_held_and_each_still_answers(loaded):
    count = scaled(2_000, 10_000, "idle connections")
    idle_limit, peers, asked = 70, [], []
    with beside(loaded) as client, closing(peers):
        for _ in range(count):
            peers.append(loaded.connect())
            peers[-1].sendall(SLOW_HEAD + b"\r\n")
        for peer in peers:
            assert answer_of(peer).startswith(b"HTTP/1.1 200")
            asked.append(time.monotonic())
        client.progress()
        assert loaded.metric("connections") >= count - sum(time.monotonic() - at > idle_limit for at in asked)
        assert loaded.resident() < MEMORY_MAX
        for peer, at in zip(peers, asked):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                peer.sendall(SLOW_HEAD + b"\r\n")
            try:
                answer = answer_of(peer)
            except ConnectionResetError:
                answer = b""
            assert answer.startswith(b"HTTP/1.1 200") or (not answer and time.monotonic() - at > idle_limit)


def test_slow_readers_leave_memory_for_others(loaded):
    count = scaled(300, 1_000, "slow readers")
    peers = []
    with beside(loaded) as client, closing(peers):
        for number in range(count):
            peers.append(loaded.connect(receive_buffer=4096))
            first = (number * 104_729) % (FILM // 2)
            peers[-1].sendall(b"GET /load/film.mp4 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=%d-\r\n\r\n" % first)
        for peer in peers:
            assert peer.recv(64).startswith(b"HTTP/1.1 206")
        client.progress(20)
        assert loaded.metric("body_memory_bytes") <= 64 * MiB
        # Those who go on reading get what they were promised.
        for number in range(0, count, count // 10):
            peer, first = peers[number], (number * 104_729) % (FILM // 2)
            data = bytearray()
            while len(data) < 3 * MiB:
                part = peer.recv(1 << 20)
                assert part, "a response was cut"
                data += part
            body = bytes(data).split(b"\r\n\r\n", 1)[1]
            assert body == loaded.bytes[first:first + len(body)]


def test_a_flood_of_connections(loaded):
    """Opened and dropped, some in the middle of a word."""
    count = scaled(3_000, 20_000, "connections of a flood")
    with beside(loaded):
        for number in range(count):
            peer = loaded.connect()
            if number % 3 == 1:
                peer.send(b"GET /load/fi")
            if number % 3 == 2:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
    wait_until(lambda: loaded.metric("connections") <= 110, 60, "nothing is left of them")


def test_more_connections_than_there_may_be(loaded):
    """Each beyond the limit hears 503, or is closed; the log says so once in a while."""
    limit = loaded.metric("connections_max")
    assert limit == 16_384
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < limit + 500:
        raise AssertionError("this test needs a hard limit of 17,000 open files (ulimit -Hn)")
    peers, before = [], loaded.fault("turned_away")
    with closing(peers):
        while len(peers) < limit + 50:
            peers.append(loaded.connect())
        wait_until(lambda: b"503" in _peek(peers[-1]), 60, "the last one is turned away")
        assert loaded.resident() < MEMORY_MAX
    wait_until(lambda: loaded.metric("connections") <= 110, 120, "they have gone")
    assert loaded.fault("turned_away") > before
    wait_until(lambda: "connections turned away" in loaded.store.log_tail(), 30, "a line in the log")
    assert loaded.store.get(loaded.film, {"Range": "bytes=0-9"})[2] == loaded.bytes[:10]


def _peek(peer):
    peer.setblocking(False)
    try:
        return peer.recv(64, socket.MSG_PEEK)
    except BlockingIOError:
        return b""


# Hostile ones

def test_endless_headers(loaded):
    before = loaded.fault("bad_head")
    with beside(loaded):
        for piece, status in ((b"X: " + b"y" * 4_000 + b"\r\n", b"431"), (b"a:b\r\n" * 100, b"431"),
                              (b"z" * 10_000, b"431")):
            for _ in range(10):
                with contextlib.closing(loaded.connect()) as peer:
                    peer.sendall(SLOW_HEAD)
                    answer = send_for_ever(peer, piece, 64 * MiB)
                    assert not answer or answer.split(b" ")[1] == status, answer[:100]
        with contextlib.closing(loaded.connect()) as peer:
            answer = send_for_ever(peer, b"/" * 10_000, 64 * MiB)
            assert not answer or answer.split(b" ")[1] in (b"400", b"414")
    assert loaded.fault("bad_head") >= before + 31
    wait_until(lambda: "no proper HTTP" in loaded.store.log_tail(), 30, "a line in the log")


@pytest.mark.parametrize("piece", [b"e" * 10_000, b"\r\nx\r\n1;" + b"e" * 50, b"0\r\n", b" " * 10_000],
                         ids=["one extension", "many", "no chunk size", "blanks"])
def test_endless_chunk_extensions(loaded, piece):
    before = loaded.fault("bad_body")
    with beside(loaded):
        for _ in range(5):
            with contextlib.closing(loaded.connect()) as peer:
                peer.sendall(b"PUT /load/ext.ts HTTP/1.1\r\nHost: localhost\r\n" + loaded.auth +
                             b"Transfer-Encoding: chunked\r\n\r\n1;")
                answer = send_for_ever(peer, piece, 64 * MiB)
                assert not answer or answer.split(b" ")[1] == b"400", answer[:100]
    assert loaded.fault("bad_body") == before + 5
    assert not os.path.exists(f"{loaded.store.path}/load/ext.ts")


def test_aborted_uploads_leave_nothing(loaded):
    count = scaled(60, 600, "aborted uploads")
    before = loaded.fault("cut_upload")
    with beside(loaded):
        for number in range(count):
            how = b"STREAMING" if number % 2 else b"STANDARD"
            with contextlib.closing(loaded.connect()) as peer:
                peer.sendall(b"PUT /load/cut/%d.ts HTTP/1.1\r\nHost: localhost\r\n" % number + loaded.auth +
                             b"x-amz-upload-availability: " + how + b"\r\nContent-Length: 9000000\r\n"
                             b"Expect: 100-continue\r\n\r\n")
                assert peer.recv(65536).startswith(b"HTTP/1.1 100 ")
                peer.sendall(loaded.bytes[:500_000])
                if number % 4 < 2:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(lambda: loaded.fault("cut_upload") == before + count, 60, "each is counted")
    wait_until(lambda: not os.path.exists(f"{loaded.store.path}/load/cut"), 60, "nothing is left of them")
    wait_until(lambda: "uploads that broke off" in loaded.store.log_tail(), 30, "a line in the log")


def test_aborted_downloads_give_their_memory_back(loaded):
    count = scaled(200, 2_000, "aborted downloads")
    with beside(loaded):
        for number in range(count):
            with contextlib.closing(loaded.connect(receive_buffer=4096)) as peer:
                peer.sendall(b"GET /load/film.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert peer.recv(64).startswith(b"HTTP/1.1 200")
                if number % 2:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(lambda: loaded.metric("body_memory_bytes") == 0, 60, "the memory is given back")


def test_slow_heads_are_cut_off(loaded, loris):
    """Twenty seconds after their first byte, whatever they drip meanwhile."""
    def ended():
        return loaded.fault("slow_head") >= len(loris.peers)
    wait_until(ended, 120, "all of them have been cut off")
    for peer in loris.peers:
        data, end = rest_of(peer)
        assert not data or data.split(b" ")[1] == b"408", data[:100]
        assert data or end == "reset"
    wait_until(lambda: "request heads that took too long" in loaded.store.log_tail(), 30, "a line in the log")
    loris.close()
    loaded.quiet()
    assert hashlib.sha256(loaded.store.get(loaded.film)[2]).digest() == hashlib.sha256(loaded.bytes).digest()
