"""Caches in front of the origin, nginx and Varnish with the recipes of man/reelfs-cdn.7: an object is fetched once, a
growing one is handed on as it grows, a broken one is never kept, a playlist is never older than it may be, and one of
two origins may die."""

import os
import socket
import threading
import time

import pytest

from cdn import Nginx, Reader, Varnish, filled, free_port, recipe, token
from harness import http_connection, note, pattern, read_file, run, said, wait_until, write_file
from players.encoder import HLS, Encoder, put

SEGMENT = pattern(3, 1_500_000)
HTTP_1_1 = '        proxy_http_version 1.1;\n        proxy_set_header Connection "";\n'


@pytest.fixture(scope="module")
def origin(tree):
    """A store with a container `live`, a token for the cache and one for encoders."""
    tree.live = tree.container("live")
    tree.container("films")
    tree.readers, tree.writers = token(tree), token(tree, actions="put,delete")
    return tree


def one_origin(kind, origin, folder):
    port = free_port()
    fill = [("127.0.0.1:8787", origin.http), ("TOKEN", origin.readers)]
    if kind == "varnish":
        fill[0] = ('.port = "8787"', f'.port = "{origin.http.rsplit(":", 1)[1]}"')
        return Varnish(folder, filled(recipe("varnish: one origin"), *fill), port)
    fill.append(("listen 80;", f"listen 127.0.0.1:{port};"))
    if kind == "nginx at its defaults":
        fill += [(HTTP_1_1, ""), ("    keepalive 32;\n", "")]
    return Nginx(folder, filled(recipe("nginx: one origin"), *fill), port)


@pytest.fixture(scope="module", params=["nginx", "nginx at its defaults", "varnish"])
def cache(request, origin, module_scratch):
    folder = f"{module_scratch}/{request.param.replace(' ', '-')}"
    os.makedirs(folder)
    made = one_origin(request.param, origin, folder)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def name(request):
    """A name no other test has asked the cache for."""
    return f"{request.node.name}-{free_port()}".replace("[", "-").replace("]", "").replace(" ", "-")


def publish(origin, name, data):
    path = f"{origin.live}/{name}"
    write_file(path, data)
    return path, f"/live/{name}", origin.published(path)


def test_a_finished_object_is_fetched_once(origin, cache, name):
    _, target, _ = publish(origin, f"{name}.ts", SEGMENT)
    assert cache.request(target)[2] == SEGMENT
    readers = [Reader(cache.address, target) for _ in range(20)]
    assert all(reader.finish() == SEGMENT and reader.whole for reader in readers)
    assert wait_until(lambda: cache.fetches(target), 10, "the fetch is in the log") == 1


def test_readers_of_a_new_object_are_collapsed(origin, cache, name):
    _, target, _ = publish(origin, f"{name}.ts", SEGMENT)
    readers = [Reader(cache.address, target) for _ in range(20)]
    assert all(reader.finish() == SEGMENT and reader.whole for reader in readers)
    fetched = wait_until(lambda: cache.fetches(target), 10, "the fetch is in the log")
    note(f"{cache.kind}: 20 readers at once of an object that is new: {fetched} fetches")
    assert fetched == 1 if cache.kind == "varnish" else fetched < 20   # nginx: those who waited 200 ms for the first


def test_ranges(origin, cache, name):
    path, target, headers = publish(origin, f"{name}.ts", SEGMENT)
    for _ in ("cold", "warm"):
        for asked, first, last in (("bytes=100-199", 100, 199), ("bytes=0-1", 0, 1),
                                   ("bytes=-10", 1_499_990, 1_499_999), ("bytes=1400000-", 1_400_000, 1_499_999)):
            status, found, body = cache.request(target, {"Range": asked})
            assert (status, body) == (206, SEGMENT[first:last + 1])
            assert found["content-range"] == f"bytes {first}-{last}/1500000"
    assert cache.request(target, {"Range": "bytes=0-9", "If-Range": headers["etag"]})[0] == 206
    assert cache.request(target, {"Range": "bytes=0-9", "If-Range": '"another"'})[0] == 200
    assert cache.request(target, {"If-None-Match": headers["etag"]})[0] == 304


def newest(origin, cache, target, path, number):
    """Publishes version `number` as an encoder does, by rename, and says what the cache gives now."""
    write_file(f"{path}.new", b"#EXTM3U\n#%d\n" % number)
    os.rename(f"{path}.new", path)
    return cache.request(target)


def test_a_playlist_is_never_older_than_its_max_age(origin, cache, name):
    path, target = f"{origin.live}/{name}.m3u8", f"/live/{name}.m3u8"
    _, headers, body = newest(origin, cache, target, path, 1)
    assert headers["cache-control"] == "max-age=1" and body == b"#EXTM3U\n#1\n"
    # Asked for again and again: the new one comes once the old one's time is over ...
    began = time.monotonic()
    assert newest(origin, cache, target, path, 2)[0] == 200
    wait_until(lambda: cache.request(target)[2].endswith(b"#2\n"), 20, "the second version")
    note(f"{cache.kind}: a replaced playlist with max-age=1 was handed out for {time.monotonic() - began:.1f} s")
    # ... and never as a last service to whoever asks first after a pause.
    write_file(f"{path}.new", b"#EXTM3U\n#3\n")
    os.rename(f"{path}.new", path)
    over = time.monotonic() + 2.1   # nginx counts whole seconds
    wait_until(lambda: time.monotonic() > over, 10, "its time is over")
    assert cache.request(target)[2] == b"#EXTM3U\n#3\n"


def test_what_did_not_change_is_revalidated(origin, cache, name):
    path, target = f"{origin.live}/{name}.m3u8", f"/live/{name}.m3u8"
    write_file(path, b"#EXTM3U\n")
    etag = origin.published(path)["etag"]
    assert cache.request(target)[1]["etag"] == etag
    over = time.monotonic() + 2.1
    wait_until(lambda: time.monotonic() > over, 10, "its time is over")
    status, headers, body = cache.request(target)
    assert (status, headers["etag"], body) == (200, etag, b"#EXTM3U\n")
    if cache.kind == "nginx":
        assert headers["x-cache"] == "REVALIDATED"
    else:
        wait_until(lambda: cache.revalidations() >= 1, 10, "the revalidation is counted")


def writer_by_mount(origin, path, target):
    file = open(path, "wb", buffering=0)
    return file.write, file.close, None


def writer_by_put(origin, path, target):
    """A STREAMING upload, byte by byte as the test says; end() ends it well, cut() as a crash of the encoder does."""
    connection = origin.connect()
    connection.sendall(f"PUT {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {origin.writers}\r\n"
                       "x-amz-upload-availability: STREAMING\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

    def write(data):
        connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def end():
        connection.sendall(b"0\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = connection.recv(4096)
            assert part, answer
            answer += part
        assert b"200" in answer.split(b"\r\n")[0], answer
        connection.close()

    return write, end, connection.close


@pytest.mark.parametrize("writer", [writer_by_mount, writer_by_put])
def test_a_growing_object_is_handed_on_as_it_grows(origin, cache, name, writer):
    path, target = f"{origin.live}/{name}.ts", f"/live/{name}.ts"
    write, end, _ = writer(origin, path, target)
    write(SEGMENT[:400_000])
    wait_until(lambda: os.path.exists(path), 10, "the object is there")
    first = Reader(cache.address, target)
    # nginx passes on by buffers: up to two of them are not full yet.
    wait_until(lambda: len(first.body) >= 400_000 - 8192, 20, "the first reader has what is written")
    second = Reader(cache.address, target)
    wait_until(lambda: len(second.body) >= 400_000 - 8192, 20, "the second reader has what is written")
    note(f"{cache.kind}: the second reader of a growing object had its first byte after "
         f"{second.first_byte_s * 1e3:.0f} ms")
    write(SEGMENT[400_000:900_000])
    for reader in (first, second):
        wait_until(lambda: len(reader.body) >= 900_000 - 8192, 20, "what was written meanwhile")
        assert reader.whole is None
    write(SEGMENT[900_000:])
    end()
    assert first.finish() == SEGMENT and second.finish() == SEGMENT and first.whole and second.whole
    expected = 1 if cache.kind == "varnish" else 2
    wait_until(lambda: cache.fetches(target) >= expected, 10, "the fetches are in the log")
    assert cache.fetches(target) == expected
    assert cache.request(target)[2] == SEGMENT
    assert cache.fetches(target) == expected, "it was kept when it had ended well"


@pytest.mark.parametrize("how", ["the upload breaks off", "the file is overwritten"])
def test_a_truncated_object_is_never_kept(origin, cache, name, how):
    path, target = f"{origin.live}/{name.replace(',', '')}.ts", f"/live/{name}.ts"
    write, _, cut = (writer_by_put if how.startswith("the upload") else writer_by_mount)(origin, path, target)
    write(SEGMENT[:700_000])
    wait_until(lambda: os.path.exists(path), 10, "the object is there")
    readers = [Reader(cache.address, target) for _ in range(2)]
    for reader in readers:
        wait_until(lambda: len(reader.body) >= 700_000 - 8192, 20, "the reader has what is written")
    if cut:
        cut()
        wait_until(lambda: not os.path.exists(path), 20, "a broken upload leaves nothing")
    else:
        with open(path, "r+b", buffering=0) as file:
            file.write(b"HEADER")
    for reader in readers:
        body = reader.finish()
        assert reader.whole is False and SEGMENT.startswith(body), "cut, and what came was right"
    if cut:
        assert cache.request(target)[0] == 404
        write_file(path, SEGMENT)
        origin.published(path)
        over = time.monotonic() + 2.1   # of the 404
        wait_until(lambda: time.monotonic() > over, 10, "its time is over")
        assert cache.request(target)[2] == SEGMENT
    else:
        status, _, body = cache.request(target)
        assert status == 200 and body == b"HEADER" + SEGMENT[6:700_000]


def test_the_cache_reads_one_container_and_writes_nothing(origin, cache):
    for method in ("PUT", "DELETE", "POST"):
        assert cache.request("/live/x.ts", method=method)[0] in (403, 405)
    write_file(f"{origin.live}/private.ts", b"what the token opens")
    os.chmod(f"{origin.live}/private.ts", 0o600)
    assert cache.request("/live/private.ts", {"Authorization": "Bearer bogus"})[2] == b"what the token opens"


def test_a_cache_with_a_token_is_not_named_as_a_trusted_proxy(make_store):
    store, through = make_store(), {"X-Forwarded-For": "203.0.113.9"}
    for options, expected in (((), 200), (("--trusted-proxy", "127.0.0.1"), 403)):
        store.mount(*options)
        path = f"{store.container('live')}/a.ts"
        write_file(path, SEGMENT)
        store.published(path)
        assert store.get(path, {**through, "Authorization": f"Bearer {token(store)}"})[0] == expected
        store.umount()


def test_http_2_and_tls_towards_players(origin, module_scratch, scratch):
    certificate, key = f"{scratch}/c.pem", f"{scratch}/k.pem"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    port = free_port()
    tls = filled(recipe("nginx: HTTP/2 and TLS"), ("listen 443", f"listen 127.0.0.1:{port}"),
                 ("/etc/ssl/certs/origin.pem", certificate), ("/etc/ssl/private/origin.key", key))
    text = filled(recipe("nginx: one origin"), ("listen 80;", tls), ("127.0.0.1:8787", origin.http),
                  ("TOKEN", origin.readers))
    _, target, _ = publish(origin, "over-h2.ts", SEGMENT)
    front = Nginx(scratch, text, port)
    try:
        curl = ("curl", "-sS", "--http2", "--cacert", certificate, "-o", f"{scratch}/got", "-w",
                "%{http_version} %{response_code}", f"https://localhost:{port}{target}")
        assert run(*curl).stdout == b"2 200" and read_file(f"{scratch}/got") == SEGMENT
        assert run(*curl, "-r", "10-1000").stdout == b"2 206" and read_file(f"{scratch}/got") == SEGMENT[10:1001]
    finally:
        front.close()


def test_tls_to_the_origin_and_pieces_of_long_files(make_store, scratch):
    store = make_store()
    certificate, key = f"{store.base}/c.pem", f"{store.base}/k.pem"
    store.mount("--https", "127.0.0.1:0", "--tls-self-signed", "--tls-certificate", certificate, "--tls-key", key)
    host = run("openssl", "x509", "-in", certificate, "-noout", "-ext", "subjectAltName").stdout.decode()
    assert "DNS:localhost" in host
    film = pattern(8, 5_000_000)
    path = f"{store.container('films')}/long.mp4"
    write_file(path, film)
    store.published(path)
    os.chmod(path, 0o600)
    https, port = store.status()["https"], free_port()
    to_origin = filled(recipe("nginx: TLS to the origin"), ("/etc/nginx/reelfs-origin.pem", certificate),
                       ("origin.example", "localhost"))
    films = filled(recipe("nginx: a location for long finished files"), ("TOKEN", token(store, "films")),
                   ("        proxy_pass http://reelfs;\n", to_origin))
    text = recipe("nginx: one origin")
    text = filled(text, (text[text.index("    location /live/"):text.rindex("}")], films),
                  ("listen 80;", f"listen 127.0.0.1:{port};"), ("127.0.0.1:8787", https))
    front = Nginx(scratch, text, port)
    try:
        for first, last in ((4_000_000, 4_000_100), (0, 4_999_999), (1_048_570, 1_048_580), (2_000_000, 2_500_000)):
            status, headers, body = front.request("/films/long.mp4", {"Range": f"bytes={first}-{last}"})
            assert (status, body) == (206, film[first:last + 1])
            assert headers["content-range"] == f"bytes {first}-{last}/5000000"
        assert front.request("/films/long.mp4")[2] == film
    finally:
        front.close()


# Two origins

class Viewer(threading.Thread):
    """Watches a live channel: its playlist over and over, and each segment once."""

    def __init__(self, cache, playlist):
        super().__init__(daemon=True)
        self.cache, self.playlist, self.segments, self.trouble = cache, playlist, [], None
        self.over, self.paused, self.resume = threading.Event(), threading.Event(), threading.Event()
        self.resume.set()
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                if not self.resume.is_set():
                    self.paused.set()
                    self.resume.wait()
                self.look()
                self.over.wait(0.2)
        except Exception as error:   # told to the test
            self.trouble = error

    def look(self):
        status, _, body = self.cache.request(self.playlist)
        assert status == 200, f"the playlist: {status}"
        for line in body.decode().splitlines():
            if line and not line.startswith("#") and line not in self.segments:
                status, headers, body = self.cache.request(f"{os.path.dirname(self.playlist)}/{line}")
                assert status == 200, f"{line}: {status}"
                assert body[:1] == b"G" and len(body) % 188 == 0, f"{line} is no whole transport stream"
                self.segments.append(line)

    def has(self, count):
        assert self.trouble is None, self.trouble
        return len(self.segments) >= count


@pytest.mark.parametrize("kind", ["nginx", "varnish"])
def test_one_of_two_origins_dies_while_people_watch(make_store, scratch, kind):
    stores = [make_store(name).mount() for name in ("one", "two")]
    for store in stores:
        store.container("live")
    outputs = [[*HLS, "-ignore_io_errors", "1", *put(token(store, actions="put,delete"))["hls"],
                f"http://{store.http}/live/tv/index.m3u8"] for store in stores]
    port, addresses = free_port(), [store.http for store in stores]
    tokens = [(f"TOKEN-{number}", token(store)) for number, store in enumerate(stores, 1)]
    if kind == "nginx":
        text = filled(recipe("nginx: two origins"), *tokens, ("listen 80;", f"listen 127.0.0.1:{port};"),
                      ("127.0.0.1:8787", addresses[0]), ("127.0.0.1:8788", addresses[1]))
    else:
        text = filled(recipe("varnish: two origins"), *tokens,
                      *((f'.port = "{8787 + number}"', f'.port = "{address.rsplit(":", 1)[1]}"')
                        for number, address in enumerate(addresses)))
    encoder = Encoder(f"{scratch}/encoder.log", *outputs)
    front = viewer = None
    try:
        for store in stores:
            wait_until(lambda: store.request("GET", "/live/tv/index.m3u8")[0] == 200, 60, "the channel is on")
        front = (Nginx if kind == "nginx" else Varnish)(scratch, text, port)
        viewer = Viewer(front, "/live/tv/index.m3u8")
        wait_until(lambda: viewer.has(3), 60, "three segments are seen")
        # Between two requests, as a response under way from a dead origin can only be cut.
        viewer.resume.clear()
        wait_until(viewer.paused.is_set, 60, "the viewer is between two looks")
        stores[0].kill()
        viewer.resume.set()
        seen = len(viewer.segments)
        wait_until(lambda: viewer.has(seen + 5), 60, "five more after the first origin has died")
        numbers = [int("".join(filter(str.isdigit, name))) for name in viewer.segments]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "none is missing"
        encoder.stop()
    finally:
        encoder.end()
        if viewer:
            viewer.over.set()
            viewer.resume.set()
            viewer.join(60)
        if front:
            front.close()
