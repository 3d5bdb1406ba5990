"""The HTTP door: ranges, conditions, growing files, odd names, the anonymous rule, and garbage."""

import email
import email.policy
import errno
import json
import os
import re
import socket
import subprocess
import threading
import time
from email.utils import formatdate, parsedate_to_datetime

import pytest

from harness import (GiB, MiB, generator, http_connection, pattern, read_file, run, said, seeded, shell,
                     wait_until, write_file)
from test_media import EXACT, FFMPEG

SIZE = 3 * MiB + 12_345


@pytest.fixture(scope="module")
def served(tree):
    """A mount with one finished file, served."""
    folder = tree.container("films")
    write_file(f"{folder}/a.mp4", pattern(1, SIZE))
    tree.film = f"{folder}/a.mp4"
    tree.bytes = pattern(1, SIZE)
    tree.etag = tree.get(tree.film)[1]["etag"]
    tree.modified = tree.get(tree.film)[1]["last-modified"]
    return tree


# One whole answer

def test_whole_file_with_its_headers(served):
    status, headers, body = served.get(served.film)
    assert status == 200 and body == served.bytes
    assert headers["content-length"] == str(SIZE)
    assert headers["content-type"] == "video/mp4"
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r'"[0-9a-f]{32}"', headers["etag"]), "strong and quoted"
    assert int(parsedate_to_datetime(headers["last-modified"]).timestamp()) == \
        int(os.stat(served.film).st_mtime)
    assert "date" in headers


def test_head_is_get_without_a_body(served):
    get, head = served.get(served.film), served.request("HEAD", served.target(served.film))
    assert head[0] == 200 and head[2] == b""
    for name in ("content-length", "etag", "last-modified", "content-type", "accept-ranges"):
        assert head[1][name] == get[1][name]
    assert served.request("HEAD", served.target(served.film), {"Range": "bytes=0-9"})[0] in (200, 206)


@pytest.mark.parametrize("name, kind", [
    ("a.m3u8", "application/vnd.apple.mpegurl"), ("a.mpd", "application/dash+xml"), ("a.ts", "video/mp2t"),
    ("a.m4s", "video/iso.segment"), ("a.mov", "video/quicktime"), ("a.mkv", "video/x-matroska"),
    ("a.webm", "video/webm"), ("a.wav", "audio/"), ("a.mp3", "audio/mpeg"), ("a.jpg", "image/jpeg"),
    ("a.json", "application/json"), ("a.MP4", "video/mp4"), ("a.html", "text/html"),
    ("a.unknown", "application/octet-stream"), ("noextension", "application/octet-stream")])
def test_content_type_follows_the_name(served, name, kind):
    path = f"{served.container('types')}/{name}"
    write_file(path, b"x")
    found = served.get(path)[1]["content-type"]
    assert found.startswith(kind) or (name == "a.m4s" and found in ("video/mp4", "application/octet-stream"))


def test_stored_type_wins(served):
    path = f"{served.container('types')}/own.bin"
    write_file(path, b"x")
    os.setxattr(path, "user.mime_type", b"video/x-own")
    assert served.get(path)[1]["content-type"] == "video/x-own"


def test_header_injection_by_attribute_is_impossible(served):
    path = f"{served.container('types')}/bad.bin"
    write_file(path, b"x")
    for value in (b"text/plain\r\nX-Evil: 1", b"a\nb", b"\xff", b"x" * 2000):
        try:
            os.setxattr(path, "user.mime_type", value)
        except OSError as error:
            assert error.errno in (errno.EINVAL, errno.E2BIG)
        else:
            raise AssertionError(f"{value!r} was taken")
    assert "x-evil" not in served.get(path)[1]


def test_empty_file(served):
    path = f"{served.container('films')}/empty.ts"
    write_file(path, b"")
    status, headers, body = served.get(path)
    assert (status, body, headers["content-length"]) == (200, b"", "0")
    assert served.get(path, {"Range": "bytes=0-0"})[0] in (200, 416)
    assert served.get(path, {"Range": "bytes=-5"})[0] in (200, 416)


def test_keep_alive_and_pipelining(served):
    connection = http_connection(served.http)
    for first in (0, 100, 16_383, 16_384, SIZE - 5):
        connection.request("GET", served.target(served.film), headers={"Range": f"bytes={first}-{first + 4}"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (206, served.bytes[first:first + 5])
    connection.close()
    one = f"GET {served.target(served.film)} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=%d-%d\r\n%s\r\n"
    sent = one % (5, 9, "") + one % (70_000, 70_003, "") + one % (1, 2, "Connection: close\r\n")
    answer = served.raw(sent.encode())
    assert answer.count(b"HTTP/1.1 206") == 3
    assert answer.index(served.bytes[5:10]) < answer.index(served.bytes[70_000:70_004])


def test_http_1_0_closes(served):
    answer = served.raw(f"GET {served.target(served.film)} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode(), 10)
    assert answer.split(b" ")[1] == b"200" and answer.endswith(served.bytes)


# Ranges

def satisfiable(text):
    """(first, length) of a single range of SIZE bytes."""
    first, last = text.split("-")
    if not first:
        return SIZE - min(int(last), SIZE), min(int(last), SIZE)
    end = min(int(last), SIZE - 1) if last else SIZE - 1
    return int(first), end - int(first) + 1


@pytest.mark.parametrize("text", ["0-0", "0-", "0-99", "1-1", "16383-16384", "16384-32767", "4095-4097",
                                  "1000000-2000000", f"{SIZE - 1}-", f"{SIZE - 1}-{SIZE - 1}",
                                  f"{SIZE - 10}-{SIZE + 10}", "5-99999999999999999", "-1", "-500",
                                  f"-{SIZE}", f"-{SIZE + 1}", "0-18446744073709551614", "007-009"])
def test_single_range(served, text):
    first, length = satisfiable(text)
    status, headers, body = served.get(served.film, {"Range": f"bytes={text}"})
    assert status == 206
    assert headers["content-range"] == f"bytes {first}-{first + length - 1}/{SIZE}"
    assert headers["content-length"] == str(length)
    assert body == served.bytes[first:first + length]
    assert headers["etag"] == served.etag


@pytest.mark.parametrize("text", [f"{SIZE}-", f"{SIZE}-{SIZE + 5}", "-0", "99999999999-",
                                  "18446744073709551615-"])
def test_range_that_cannot_be_satisfied(served, text):
    status, headers, _ = served.get(served.film, {"Range": f"bytes={text}"})
    assert status == 416 and headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("text", ["bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2x", "items=0-5",
                                  "bytes 0-5", "bytes=0-5-6", "bytes=--5", "bytes=1 -2", "0-5", "bytes=,",
                                  "bytes=99999999999999999999999-", "bytes=+1-5"])
def test_malformed_range_is_ignored_or_refused_never_guessed(served, text):
    status, headers, body = served.get(served.film, {"Range": text})
    assert status in (200, 400, 416)
    if status == 200:
        assert body == served.bytes and "content-range" not in headers


def parts_of(headers, body):
    message = email.message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" +
                                       body, policy=email.policy.HTTP)
    assert message.is_multipart()
    boundary = message.get_boundary().encode()
    found = []
    for part in body.split(b"--" + boundary)[1:-1]:
        head, content = part[2:].split(b"\r\n\r\n", 1)
        span = re.search(rb"(?i)content-range: bytes (\d+)-(\d+)/(\d+)", head)
        assert content.endswith(b"\r\n") and int(span[3]) == SIZE
        assert re.search(rb"(?i)content-type: video/mp4", head)
        found.append((int(span[1]), int(span[2]), content[:-2]))
    return found


@pytest.mark.parametrize("text", ["0-9,100-199", "0-0,-1", "500-600,0-10,70000-90000", "0-1, 5-6 ,9-10",
                                  f"0-4,{SIZE}-,10-14", ",0-4,,10-14,"])
def test_several_ranges(served, text):
    status, headers, body = served.get(served.film, {"Range": f"bytes={text}"})
    assert status == 206 and headers["content-type"].startswith("multipart/byteranges")
    assert headers["content-length"] == str(len(body))
    wanted = [satisfiable(part.strip()) for part in text.split(",")
              if part.strip() and part.strip() != f"{SIZE}-"]
    assert [(first, last) for first, last, _ in parts_of(headers, body)] == \
        [(first, first + length - 1) for first, length in wanted]
    for first, last, content in parts_of(headers, body):
        assert content == served.bytes[first:last + 1]


def test_overlapping_and_too_many_ranges_do_not_multiply_the_answer(served):
    many = ",".join(f"{n}-" for n in range(1_000))
    status, _, body = served.get(served.film, {"Range": f"bytes={many}"})
    assert status in (200, 206, 400, 416) and len(body) <= SIZE + 65_536
    scattered = ",".join(f"{n * 1000}-{n * 1000 + 1}" for n in range(200))
    status, _, body = served.get(served.film, {"Range": f"bytes={scattered}"})
    assert status in (200, 400, 416) and (status != 200 or body == served.bytes)


def test_curl_resumes_and_reassembles(served, scratch):
    url = served.url(served.film)
    write_file(f"{scratch}/part", served.bytes[:1_000_001])
    run("curl", "-sSf", "-C", "-", "-o", f"{scratch}/part", url)
    assert read_file(f"{scratch}/part") == served.bytes
    pieces = b"".join(run("curl", "-sSf", "-r", f"{at}-{at + 499_999}", url).stdout
                      for at in range(0, SIZE, 500_000))
    assert pieces == served.bytes


def test_random_ranges_equal_the_file(served):
    rng, _ = seeded("random ranges")
    connection = http_connection(served.http)
    for _ in range(500):
        first = rng.randrange(SIZE)
        last = min(SIZE - 1, first + rng.choice((0, 1, 100, 5_000, 70_000, 1 << 20)))
        connection.request("GET", served.target(served.film), headers={"Range": f"bytes={first}-{last}"})
        assert connection.getresponse().read() == served.bytes[first:last + 1]
    connection.close()


# Conditions

def test_if_none_match(served):
    for value in (served.etag, "*", f'"other", {served.etag}', f"W/{served.etag}"):
        status, headers, body = served.get(served.film, {"If-None-Match": value})
        assert (status, body) == (304, b""), value
        assert headers["etag"] == served.etag
    assert served.get(served.film, {"If-None-Match": '"other"'})[0] == 200


def test_if_match(served):
    assert served.get(served.film, {"If-Match": served.etag})[0] == 200
    assert served.get(served.film, {"If-Match": "*"})[0] == 200
    assert served.get(served.film, {"If-Match": '"other"'})[0] == 412
    assert served.get(served.film, {"If-Match": f"W/{served.etag}"})[0] == 412


def test_dates_as_conditions(served):
    old, new = formatdate(0, usegmt=True), formatdate(time.time() + 86_400, usegmt=True)
    assert served.get(served.film, {"If-Modified-Since": served.modified})[0] == 304
    assert served.get(served.film, {"If-Modified-Since": old})[0] == 200
    assert served.get(served.film, {"If-Modified-Since": "nonsense"})[0] == 200
    assert served.get(served.film, {"If-Unmodified-Since": old})[0] == 412
    assert served.get(served.film, {"If-Unmodified-Since": new})[0] == 200
    assert served.get(served.film, {"If-None-Match": '"x"', "If-Modified-Since": new})[0] == 200, \
        "If-None-Match takes precedence"


def test_if_range(served):
    def status(value):
        return served.get(served.film, {"Range": "bytes=0-9", "If-Range": value})[0]
    assert status(served.etag) == 206
    assert status('"other"') == 200
    assert status(f"W/{served.etag}") == 200, "weak comparison does not serve ranges"
    assert status(formatdate(0, usegmt=True)) == 200


def test_etag_changes_with_every_content_and_not_otherwise(served):
    path = f"{served.container('films')}/versions.mp4"
    seen = set()
    for number in range(5):
        write_file(path, b"version %d" % (number % 2))
        seen.add(served.get(path)[1]["etag"])
    assert len(seen) == 5, "equal bytes written again are a new version"
    before = served.get(path)[1]["etag"]
    os.chmod(path, 0o664)
    os.setxattr(path, "user.note", b"x")
    os.rename(path, f"{path}.moved")
    assert served.get(f"{path}.moved")[1]["etag"] == before
    assert os.getxattr(f"{path}.moved", "user.reelfs.etag").decode().strip('"') == before.strip('"')
    write_file(f"{path}.moved", b"V", "r+b")
    assert served.get(f"{path}.moved")[1]["etag"] != before


# Methods and paths

def test_other_methods_are_refused(served):
    for method in ("POST", "PUT", "DELETE", "PATCH", "PROPFIND", "BREW"):
        status, headers, _ = served.request(method, served.target(served.film), {"Content-Length": "0"})
        assert status in (405, 501) and (status == 501 or "GET" in headers["allow"]), method
    assert served.get(served.film)[2] == served.bytes


def test_absent_things_are_404(served):
    os.mkdir(f"{served.container('films')}/folder")
    for target in ("/films/none", "/none/none", "/films/folder/none", "/films/a.mp4/below", "/", "/none",
                   "/films/folder", "/~reelfs/none"):
        status, headers, _ = served.request("GET", target)
        assert status == 404, target
        assert "etag" not in headers
    json.loads(served.request("GET", "/")[2])


def test_only_files_are_served(served):
    folder = served.container("films")
    os.mkfifo(f"{folder}/fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        fd = os.open(folder, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{fd}/sock")
        os.close(fd)
    assert served.get(f"{folder}/fifo")[0] == 404
    assert served.get(f"{folder}/sock")[0] == 404


def test_symlinks_stay_inside_their_container(served):
    folder = served.container("links")
    os.makedirs(f"{folder}/d")
    write_file(f"{folder}/d/real.ts", b"real bytes")
    for name, target in (("good", "d/real.ts"), ("d/up", "../d/real.ts"), ("absolute", f"{folder}/d/real.ts"),
                         ("out", "../films/a.mp4"), ("etc", "/etc/passwd"), ("loop", "loop"),
                         ("dangling", "none"), ("chain0", "d/real.ts"), ("through", "d")):
        os.symlink(target, f"{folder}/{name}")
    for number in range(1, 10):
        os.symlink(f"chain{number - 1}", f"{folder}/chain{number}")
    assert served.get(f"{folder}/good")[2] == b"real bytes"
    assert served.get(f"{folder}/d/up")[2] == b"real bytes"
    assert served.request("GET", "/links/through/real.ts")[2] == b"real bytes"
    assert served.get(f"{folder}/chain7")[2] == b"real bytes"
    for name in ("absolute", "out", "etc", "loop", "dangling", "chain9"):
        assert served.get(f"{folder}/{name}")[0] in (403, 404), name


@pytest.mark.parametrize("target", ["/films/%00", "/films/a%2fb", "/films/a%2Fb", "/films/..", "/films/../films/a.mp4",
                                    "/films/%2e%2e/films/a.mp4", "/films/./a.mp4", "/films/%2E/a.mp4",
                                    "/films/" + "n" * 256, "/films/%zz", "/films/%", "/films/%4",
                                    "/films/" + "%C3%A4" * 128])
def test_paths_that_are_refused_before_anything_else(served, target):
    assert served.request("GET", target)[0] == 400


def test_empty_segments_collapse(served):
    assert served.request("GET", "//films///a.mp4", {"Range": "bytes=0-4"})[2] == served.bytes[:5]


NAMES = [b"with space.mp4", "Grüße aus Köln.mp4".encode(), b'quote"and\'single.mp4', b"new\nline.mp4",
         b"cr\rlf\r\n.mp4", b"\xff\xfe\x80.mp4", b"percent%41.mp4", b"query?x=1#frag.mp4", b"a&b;c=d,e.mp4",
         b"\x01\x1f\x7f.mp4", b"back\\slash.mp4", b"n" * 251 + b".mp4", "𝄞.mp4".encode(), b"~tilde.mp4",
         b"...", b" ", b"<script>.html", b"+plus+.mp4"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:20]))
def test_names_of_every_kind_never_break_a_response(served, name):
    folder = os.fsencode(served.container("names"))
    path = folder + b"/" + name
    write_file(path, b"content of " + name)
    status, headers, body = served.get(path)
    assert (status, body) == (200, b"content of " + name)
    assert served.get(path, {"Range": "bytes=0-6"})[2] == b"content"
    answer = served.raw(f"GET {served.target(path)}x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b" ")[1] in (b"404", b"400")
    head = answer.split(b"\r\n\r\n")[0]
    assert b"\n" not in head.replace(b"\r\n", b""), "nothing of a name reaches a header line raw"


# The anonymous rule

def test_only_what_other_may_read(served):
    folder = served.container("rights")
    os.makedirs(f"{folder}/open/inner")
    for name in ("open/yes", "open/no", "open/inner/deep"):
        write_file(f"{folder}/{name}", b"text")
    os.chmod(f"{folder}/open/no", 0o600)
    assert served.get(f"{folder}/open/yes")[0] == 200
    assert served.get(f"{folder}/open/none")[0] == 404
    assert served.get(f"{folder}/open/no")[0] == 403
    os.chmod(f"{folder}/open", 0o750)
    for name in ("open/yes", "open/no", "open/none", "open/inner/deep"):
        assert served.get(f"{folder}/{name}")[0] == 403, name
    os.chmod(f"{folder}/open", 0o711)
    assert served.get(f"{folder}/open/inner/deep")[0] == 200, "x is enough on the way"
    os.chmod(folder, 0o700)
    assert served.get(f"{folder}/open/yes")[0] == 403
    os.chmod(folder, 0o755)
    assert served.get(f"{folder}/open/yes")[0] == 200


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"},
                                     {"Host": "localhost.evil.example:80"}, {"Host": "10.0.0.1"},
                                     {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"},
                                     {"Via": "1.1 proxy"}, {"x-forwarded-for": ""}])
def test_world_behind_a_proxy_or_a_foreign_host_gets_nothing(served, headers):
    for path in (served.film, f"{served.path}/films/absent"):
        status, _, body = served.get(path, headers)
        assert status == 403 and served.bytes[:20] not in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "localhost:8787",
                                  "127.0.0.1:1"])
def test_local_hosts_are_served(served, host):
    assert served.get(served.film, {"Host": host})[0] == 200


def test_address_off_loopback_is_refused(make_store):
    store = make_store()
    for address in ("0.0.0.0:0", "[::]:0"):
        done = store.cli("mount", store.dir, store.path, "--foreground", "--key-file", store.key, "--http", address,
                         check=False)
        assert done.returncode != 0 and "loopback" in said(done).lower()


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
            from harness import KEEP_SIZE, PUNCH_HOLE, fallocate
            fallocate(file.fileno(), KEEP_SIZE | PUNCH_HOLE, 0, 50_000)
        follower.join(10)
        assert not follower.is_alive() and follower.cut == "reset" and not follower.ended
        assert bytes(follower.body) == pattern(7, 200_000), "what was sent was right when it was sent"
    assert served.get(path)[2] == read_file(path)


def test_opening_a_finished_file_for_writing_serves_a_snapshot(served):
    path = f"{served.container('live')}/finished.mp4"
    write_file(path, pattern(8, 5 * MiB))
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


# Garbage

def smuggled(first, body=b""):
    """A request with a second one hidden in its body."""
    return first + b"\r\n" + body + b"GET /films/a.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n"


GET = b"GET /films/none HTTP/1.1\r\nHost: localhost\r\n"
GARBAGE = {
    "gzip": smuggled(GET + b"Transfer-Encoding: gzip\r\n"),
    "chunked twice": smuggled(GET + b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    "two te headers": smuggled(GET + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "te and cl": smuggled(GET + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    "te space": smuggled(GET + b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    "te odd": smuggled(GET + b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "te 1.0": smuggled(b"GET /films/none HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "two lengths": smuggled(GET + b"Content-Length: 0\r\nContent-Length: 5\r\n"),
    "same lengths": smuggled(GET + b"Content-Length: 0\r\nContent-Length: 0\r\n"),
    "length list": smuggled(GET + b"Content-Length: 0, 0\r\n"),
    "length sign": smuggled(GET + b"Content-Length: +0\r\n"),
    "length hex": smuggled(GET + b"Content-Length: 0x0\r\n"),
    "no host": smuggled(b"GET /films/none HTTP/1.1\r\n"),
    "two hosts": smuggled(GET + b"Host: localhost\r\n"),
    "folding": smuggled(GET + b"X: a\r\n b\r\n"),
    "control in target": smuggled(b"GET /films/\x01 HTTP/1.1\r\nHost: localhost\r\n"),
    "8-bit target": smuggled(b"GET /films/\xe4 HTTP/1.1\r\nHost: localhost\r\n"),
    "fragment": smuggled(b"GET /films/a#b HTTP/1.1\r\nHost: localhost\r\n"),
    "bare lf": b"GET /films/none HTTP/1.1\nHost: localhost\n\nGET /films/a.mp4 HTTP/1.1\nHost: localhost\n\n",
    "nul": smuggled(GET + b"X: a\0b\r\n"),
    "http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http 9": smuggled(b"GET /films/none HTTP/9.9\r\nHost: localhost\r\n"),
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x5a" * 200,
    "no method": smuggled(b" /films/none HTTP/1.1\r\nHost: localhost\r\n"),
    "long head": b"GET /films/none HTTP/1.1\r\nHost: localhost\r\n" + b"X-%d: y\r\n" * 1 % 1 + b"A: " + b"b" * 100_000,
    "many headers": GET + b"".join(b"H%d: v\r\n" % n for n in range(5_000)) + b"\r\n",
    "long target": b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "spaces": b"GET  /films/none  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "nothing": b"\r\n\r\n\r\n\r\n",
    "huge chunk": b"PUT /films/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
    "chunk extension": b"PUT /films/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"e" * 100_000,
    "connect": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "star": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "absolute": b"GET http://evil.example/films/a.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("kind", list(GARBAGE))
def test_garbage_is_refused_and_nothing_hidden_in_it_runs(served, kind):
    answer = served.raw(GARBAGE[kind], timeout=1.5)
    first = answer.split(b"\r\n")[0]
    assert b" 200 " not in answer, "the hidden request was answered"
    assert not first or re.match(rb"HTTP/1\.[01] [45]\d\d ", first), first
    assert answer.count(b"HTTP/1.") <= 1
    assert served.alive() and served.get(served.film, {"Range": "bytes=0-3"})[2] == served.bytes[:4]


def test_random_garbage_keeps_the_daemon_alive(served):
    rng, _ = seeded("garbage")
    template = (b"GET /films/a.mp4 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-5\r\nIf-None-Match: \"x\"\r\n"
                b"Connection: close\r\n\r\n")
    for _ in range(300):
        data = bytearray(template)
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(data))
            if rng.random() < 0.5:
                data[place] = rng.randrange(256)
            else:
                del data[place:place + rng.randint(1, 5)]
        served.raw(bytes(data) + b"\r\n\r\n", timeout=0.05)
    assert served.alive() and served.get(served.film)[2] == served.bytes


def test_a_stalled_peer_holds_up_nobody(served):
    stalled = [served.connect() for _ in range(100)]
    for number, connection in enumerate(stalled):
        connection.sendall(f"GET {served.target(served.film)} HTTP/1.1\r\nHost: localhost\r\n{'' if number % 2 else chr(13) + chr(10)}".encode())
    for _ in range(20):
        assert served.get(served.film, {"Range": "bytes=5-9"})[2] == served.bytes[5:10]
    for connection in stalled:
        connection.close()


# The admin door

def test_health_and_metrics(make_store):
    store = make_store().mount(admin=True)
    path = f"{store.container()}/f.ts"
    write_file(path, pattern(1, 300_000))
    for _ in range(3):
        assert store.get(path)[0] == 200
    assert store.request("GET", "/healthz", http=store.admin)[0] == 200
    status, headers, body = store.request("GET", "/metrics", http=store.admin)
    assert status == 200 and headers["content-type"].startswith("text/plain")
    text = body.decode()
    for word in ("request", "bytes", "_bucket", "le=", "cache", "dirty", "open", "checkpoint", "fuse", "http"):
        assert word in text, f"no {word} in the metrics"
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r'[a-zA-Z_:][\w:]*(\{.*\})? [-+0-9.eEinfNa]+( \d+)?', line), line
    assert store.request("GET", "/metrics")[0] in (403, 404), "not on the public door"
