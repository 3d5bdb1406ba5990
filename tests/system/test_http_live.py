"""Files that grow are followed over HTTP: every byte is the final file's, or the response is cut by a reset."""

import json
import os
import subprocess
import threading

import pytest

from harness import (KEEP_SIZE, MiB, PUNCH_HOLE, fallocate, pattern, read_file, run, said, wait_until, write_file)
from test_media import EXACT, FFMPEG


# Files that grow

class Follower(threading.Thread):
    """Reads one response by socket as it comes; knows how it ended."""

    def __init__(self, store, path, headers=""):
        super().__init__(daemon=True)
        self.body, self.head, self.ended, self.cut = bytearray(), None, False, None
        self.socket = store.connect(timeout=60)
        self.socket.sendall(f"GET {store.target(path)} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        self.start()

    def run(self):
        raw, size = bytearray(), None
        try:
            while not self.ended:
                part = self.socket.recv(1 << 20)
                if not part:
                    self.cut = "closed"
                    return
                raw += part
                if self.head is None:
                    if b"\r\n\r\n" not in raw:
                        continue
                    head, rest = bytes(raw).split(b"\r\n\r\n", 1)
                    raw = bytearray(rest)
                    self.head = head.decode("latin-1").lower()
                while b"\r\n" in raw:
                    size = int(raw[:raw.index(b"\r\n")].split(b";")[0], 16)
                    start = raw.index(b"\r\n") + 2
                    if len(raw) < start + size + 2:
                        break
                    self.body += raw[start:start + size]
                    assert raw[start + size:start + size + 2] == b"\r\n"
                    del raw[:start + size + 2]
                    if size == 0:
                        self.ended = True
                        break
        except ConnectionResetError:
            self.cut = "reset"
        except Exception as error:   # told to the test
            self.cut = repr(error)
        finally:
            self.socket.close()

    def finish(self, seconds=30):
        self.join(seconds)
        assert not self.is_alive(), f"no end after {len(self.body)} bytes"
        return bytes(self.body)


def test_follower_gets_each_write_at_once(served):
    path = f"{served.container('live')}/grows.ts"
    written = b""
    with open(path, "wb", buffering=0) as file:
        file.write(pattern(5, 100))
        written += pattern(5, 100)
        followers = [Follower(served, path) for _ in range(4)]
        for number in range(60):
            piece = pattern(number, (1, 700, 20_000, 300_000)[number % 4])
            file.write(piece)
            written += piece
            for follower in followers:
                wait_until(lambda: len(follower.body) >= len(written) or follower.cut, 20,
                           f"{len(written)} bytes at the follower, not {len(follower.body)}")
                assert bytes(follower.body) == written
        head = followers[0].head
        assert "200" in head.split("\r\n")[0] and "transfer-encoding: chunked" in head
        assert "etag:" not in head and "content-length:" not in head
    for follower in followers:
        assert follower.finish() == written and follower.ended and not follower.cut
    served.published(path)
    status, headers, body = served.get(path)
    assert status == 200 and body == written and "etag" in headers


def test_ranges_of_a_growing_file(served):
    path = f"{served.container('live')}/ranges.ts"
    with open(path, "wb", buffering=0) as file:
        data = pattern(6, 100_000)
        file.write(data)
        status, headers, body = served.get(path, {"Range": "bytes=10-99"})
        assert (status, body, headers["content-range"]) == (206, data[10:100], "bytes 10-99/*")
        status, headers, body = served.get(path, {"Range": "bytes=99000-"})
        assert (status, body, headers["content-range"]) == (206, data[99_000:], "bytes 99000-99999/*")
        status, headers, _ = served.get(path, {"Range": "bytes=100000-"})
        assert status == 416
        assert "etag" not in headers
        follower = Follower(served, path, "Range: bytes=0-\r\n")
        wait_until(lambda: len(follower.body) == 100_000, 10, "the follower of bytes=0-")
        assert "200" in follower.head.split("\r\n")[0]
        far = Follower(served, path, f"Range: bytes=50000-{2**63 - 1}\r\n")
        wait_until(lambda: len(far.body) == 50_000, 10, "the follower by RFC 8673")
        assert "206" in far.head.split("\r\n")[0]
        file.write(b"the end")
    assert follower.finish() == data + b"the end"
    assert far.finish() == data[50_000:] + b"the end"


def test_follower_starts_at_an_empty_file(served):
    path = f"{served.container('live')}/empty-first.ts"
    with open(path, "wb", buffering=0) as file:
        follower = Follower(served, path)
        wait_until(lambda: follower.head, 10, "headers before the first byte")
        file.write(b"first")
        wait_until(lambda: follower.body == b"first", 10, "the first byte")
    assert follower.finish() == b"first" and follower.ended


@pytest.mark.parametrize("change", ["overwrite", "truncate", "punch"])
def test_changing_published_bytes_cuts_followers_by_reset(served, change):
    path = f"{served.container('live')}/changed-{change}.mp4"
    with open(path, "wb", buffering=0) as file:
        file.write(pattern(7, 200_000))
        follower = Follower(served, path)
        wait_until(lambda: len(follower.body) == 200_000, 10, "the follower has all so far")
        if change == "overwrite":
            os.pwrite(file.fileno(), b"HEADER", 4)
        elif change == "truncate":
            file.truncate(1_000)
        else:
            fallocate(file.fileno(), KEEP_SIZE | PUNCH_HOLE, 0, 50_000)
        follower.join(10)
        assert not follower.is_alive() and follower.cut == "reset" and not follower.ended
        assert bytes(follower.body) == pattern(7, 200_000), "what was sent was right when it was sent"
    assert served.get(path)[2] == read_file(path)


def test_opening_a_finished_file_for_writing_serves_a_snapshot(served):
    path = f"{served.container('live')}/finished.mp4"
    write_file(path, pattern(8, 5 * MiB))
    served.published(path)
    with served.connect() as slow:
        slow.sendall(f"GET {served.target(path)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        begun = slow.recv(1000)
        with open(path, "r+b", buffering=0) as file:
            file.write(b"changed")
            status, headers, body = served.get(path)
            assert status == 200 and "content-length" in headers
            assert body == b"changed" + pattern(8, 5 * MiB)[7:]
            while part := slow.recv(1 << 20):
                begun += part
    assert begun.split(b"\r\n\r\n", 1)[1] == pattern(8, 5 * MiB), "a response stays on its version"


def test_replaced_and_removed_files_are_served_to_their_end(served):
    path = f"{served.container('live')}/replaced.mp4"
    write_file(path, pattern(9, 8 * MiB))
    served.published(path)
    write_file(f"{path}.new", b"new content")
    with served.connect() as slow:
        slow.sendall(f"GET {served.target(path)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        got = slow.recv(1000)
        os.rename(f"{path}.new", path)
        assert served.get(path)[2] == b"new content"
        os.unlink(path)
        assert served.get(path)[0] == 404
        while part := slow.recv(1 << 20):
            got += part
    assert got.split(b"\r\n\r\n", 1)[1] == pattern(9, 8 * MiB)


LIVE = {"fragmented mp4": ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-c:a", "aac", "-movflags",
                           "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"],
        "mpeg-ts": ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-c:a", "aac", "-f", "mpegts"]}


def encode(path, muxer, seconds=4):
    return subprocess.Popen([*FFMPEG, "-re", "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=25:duration={seconds}",
                             "-re", "-f", "lavfi", "-i", f"sine=duration={seconds}", *muxer, "-flush_packets", "1",
                             path], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.parametrize("kind", list(LIVE))
def test_reading_what_ffmpeg_is_still_writing(served, kind):
    path = f"{served.container('live')}/{kind.replace(' ', '-')}"
    encoder = encode(path, LIVE[kind])
    try:
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), 20, "the first bytes")
        followers = [Follower(served, path) for _ in range(3)]
        late = None
        while encoder.poll() is None:
            sizes = os.path.getsize(path)
            late = late or (sizes > 100_000 and Follower(served, path))
            try:
                encoder.wait(0.2)
            except subprocess.TimeoutExpired:
                pass
        assert encoder.returncode == 0, encoder.stderr.read()
    finally:
        encoder.kill()
        encoder.wait()
    final = read_file(path)
    for follower in followers + ([late] if late else []):
        assert follower.finish() == final, "every byte is the final file's"
        assert follower.ended and not follower.cut
    assert "chunked" in followers[0].head
    probe = run("ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of",
                "csv=p=0", served.url(path)).stdout
    assert int(probe.split()[0].strip(b",")) == 100


def test_player_follows_the_encoder(served):
    """ffmpeg plays the URL of a file that another ffmpeg is writing, from its start to its end."""
    path = f"{served.container('live')}/played.ts"
    encoder = encode(path, LIVE["mpeg-ts"], 3)
    try:
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), 20, "the first bytes")
        played = run(*FFMPEG, "-i", served.url(path), "-map", "0:v", "-c", "copy", "-f", "framemd5", "-").stdout
        assert encoder.wait(20) == 0
    finally:
        encoder.kill()
        encoder.wait()
    assert len([line for line in played.splitlines() if not line.startswith(b"#")]) == 75


def test_header_rewritten_by_ffmpeg_cuts_its_followers_by_reset(served):
    path = f"{served.container('live')}/plain.mp4"
    encoder = encode(path, ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-f", "mp4"], 2)
    try:
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path), 20, "the first bytes")
        follower = Follower(served, path)
        by_curl = run("curl", "-sS", "-o", "/dev/null", served.url(path), check=False)
        assert encoder.wait(30) == 0
    finally:
        encoder.kill()
        encoder.wait()
    follower.join(10)
    assert follower.cut == "reset" and not follower.ended
    assert by_curl.returncode in (18, 56), said(by_curl)
    assert served.get(path)[2] == read_file(path)
    run("ffprobe", "-v", "error", served.url(path))


# Players

def test_ffprobe_and_ffmpeg_seek_in_the_url(served, scratch):
    local, folder = f"{scratch}/long.mp4", served.container("films")
    run(*FFMPEG, "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=60", "-c:v", "libx264", "-preset",
        "ultrafast", "-g", "25", *EXACT, local)
    run("cp", local, f"{folder}/long.mp4")
    url = served.url(f"{folder}/long.mp4")
    probe = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json"]
    seen, expected = (json.loads(run(*probe, source).stdout) for source in (url, local))
    seen["format"].pop("filename"), expected["format"].pop("filename")
    assert seen == expected
    for place in ("0.5", "17.36", "44.9", "59.5"):
        frames = [run(*FFMPEG, "-ss", place, "-i", source, "-frames:v", "5", "-f", "framemd5", "-").stdout
                  for source in (url, local)]
        assert frames[0] == frames[1]
