"""The HTTP door: ranges, conditions, growing files, odd names, the anonymous rule, and garbage."""

import email
import email.policy
import errno
import json
import os
import re
import socket
import time
from email.utils import formatdate, parsedate_to_datetime

import pytest

from harness import (FILM_SIZE as SIZE, http_connection, pattern, read_file, run, said, seeded, write_file)

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
    served.published(path)
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
        seen.add(served.published(path)["etag"])
    assert len(seen) == 5, "equal bytes written again are a new version"
    before = served.published(path)["etag"]
    os.chmod(path, 0o664)
    os.setxattr(path, "user.note", b"x")
    os.rename(path, f"{path}.moved")
    assert served.get(f"{path}.moved")[1]["etag"] == before
    assert os.getxattr(f"{path}.moved", "user.reelfs.etag").decode().strip('"') == before.strip('"')
    write_file(f"{path}.moved", b"V", "r+b")
    assert served.published(f"{path}.moved")["etag"] != before


# Methods and paths

def test_other_methods_are_refused(served):
    for method in ("POST", "PUT", "DELETE"):   # by nobody
        assert served.request(method, served.target(served.film), {"Content-Length": "0"})[0] == 401, method
    for method in ("PATCH", "PROPFIND", "BREW"):
        status, headers, _ = served.request(method, served.target(served.film), {"Content-Length": "0"})
        assert status in (405, 501) and (status == 501 or "GET" in headers["allow"]), method
    assert served.get(served.film)[2] == served.bytes


def test_absent_things_are_404(served):
    os.mkdir(f"{served.container('films')}/folder")
    for target in ("/films/none", "/none/none", "/films/folder/none", "/films/a.mp4/below", "/",
                   "/films/folder", "/~reelfs/none"):
        status, headers, _ = served.request("GET", target)
        assert status == 404, target
        assert "etag" not in headers
    assert served.request("GET", "/none")[0] == served.request("GET", "/films")[0] == 403, "nobody may list"
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


def test_admin_address_off_loopback_is_refused(make_store):
    store = make_store()
    for address in ("0.0.0.0:0", "[::]:0"):
        done = store.cli("mount", store.dir, store.path, "--foreground", "--key-file", store.key, "--admin", address,
                         check=False)
        assert done.returncode != 0 and "loopback" in said(done).lower()


def test_admin_address_off_loopback_with_a_token(make_store):
    store = make_store()
    token, short = f"{store.base}/token", f"{store.base}/short"
    write_file(token, b"a-token-of-more-than-16\n")
    write_file(short, b"too-short\n")
    os.chmod(token, 0o600)
    refused = store.cli("mount", store.dir, store.path, "--foreground", "--key-file", store.key, "--admin", "0.0.0.0:0",
                        "--admin-token-file", short, check=False)
    assert refused.returncode != 0 and "16 to 1024" in said(refused)
    store.mount("--admin", "0.0.0.0:0", "--admin-token-file", token)
    port = store.status()["admin"].rsplit(":", 1)[1]
    at = f"127.0.0.1:{port}"
    status, headers, _ = store.request("GET", "/metrics", http=at)
    assert status == 401 and headers["www-authenticate"].startswith("Bearer")
    status, _, text = store.request("GET", "/metrics", {"Authorization": "Bearer a-token-of-more-than-16"}, http=at)
    assert status == 200 and b"reelfs_requests_total" in text
    assert b"a-token-of-more-than-16" not in store.log_tail().encode()


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
    for word in ("request", "bytes", "_bucket", "le=", "cache", "dirty", "open", "checkpoint",
                 'door="mount"', 'door="http"'):
        assert word in text, f"no {word} in the metrics"
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r'[a-zA-Z_:][\w:]*(\{.*\})? [-+0-9.eEinfNa]+( \d+)?', line), line
    assert store.request("GET", "/metrics")[0] in (403, 404), "not on the public door"
