"""Requests that wait: a low-latency playlist until it has the part asked for, a part until it is there; and the
delivery rules that say so."""

import http.client
import json
import os
import threading

import pytest

from harness import read_file, said, scaled, wait_until, write_file
from hls_packager import ByPut, Packager, ToMount


def document(store, kind, verb, container, text=None, check=True):
    """Puts, gets or deletes a document of a container."""
    file = ["-"] if text is not None else []
    data = {"stdin": None, "input": text.encode()} if text is not None else {}
    return store.cli(kind, verb, container, *file, "--store", store.dir, "--key-file", store.key, check=check,
                     **data)


def rules(*members):
    return json.dumps({"rules": list(members)})


class Asking(threading.Thread):
    """One GET that may be held. `answer` is (status, headers, body) when it has come."""

    def __init__(self, store, target, headers=None):
        super().__init__(daemon=True)
        host, port = store.http.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self.connection.request("GET", target, headers=headers or {})
        self.answer = self.error = None
        self.start()

    def run(self):
        try:
            answer = self.connection.getresponse()
            self.answer = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        except Exception as error:   # told to the test
            self.error = error
        finally:
            self.connection.close()

    def result(self):
        self.join(60)
        assert not self.is_alive() and self.error is None, f"no answer: {self.error!r}"
        return self.answer


def held(store):
    """How many requests are held now."""
    _, _, text = store.request("GET", "/metrics", http=store.admin)
    return int(next(line.split()[1] for line in text.decode().splitlines()
                    if line.startswith("reelfs_http_held_requests ")))


@pytest.fixture
def live(make_store):
    store = make_store().mount(admin=True)
    store.container("live")
    return store


def sink_of(store, how):
    if how == "mount":
        return ToMount(f"{store.path}/live/show")
    made = json.loads(store.cli("token", "create", "--store", store.dir, "--key-file", store.key, "--container", "live",
                                "--actions", "put,delete", "--expires", "1h", "--json").stdout)
    return ByPut(store.http, "/live/show", made["Token"])


@pytest.mark.parametrize("how", ["mount", "put"])
def test_playlists_are_held_until_they_have_the_part(live, how):
    packager = Packager(sink_of(live, how))
    playlist = f"/live/show/{packager.playlist_name}"
    for _ in range(scaled(10, 200, "parts of a low-latency stream")):
        segment, part = packager.segment, packager.parts
        asked = [Asking(live, f"{playlist}?_HLS_msn={segment}&_HLS_part={part}") for _ in range(5)]
        wait_until(lambda: held(live) == 5, 20, "five requests are held")
        assert packager.add_part() == (segment, part)
        expected = packager.playlist().encode()
        for one in asked:
            status, headers, body = one.result()
            assert status == 200 and body == expected
            assert headers["content-type"] == "application/vnd.apple.mpegurl"
            assert headers["cache-control"] == "max-age=1"
        assert live.request("GET", f"/live/show/{packager.part_name(segment, part)}")[2] == \
            packager.part_bytes(segment, part)
    assert held(live) == 0
    last = packager.segment - 1
    assert live.request("GET", f"{playlist}?_HLS_msn={last}")[0] == 200, "it is there already"
    for query in ("_HLS_part=0", f"_HLS_msn={packager.segment + 2}", "_HLS_msn=x",
                  f"_HLS_msn={packager.segment}&_HLS_part={packager.parts + 50}"):
        assert live.request("GET", f"{playlist}?{query}")[0] == 400, query
    waits = Asking(live, f"{playlist}?_HLS_msn={packager.segment + 1}")
    wait_until(lambda: held(live) == 1, 20, "one request is held")
    packager.end()
    assert waits.result()[2] == packager.playlist().encode(), "the end is told at once"
    assert live.request("GET", f"{playlist}?_HLS_msn=100000")[0] == 200
    packager.sink.close()


def test_a_playlist_rewritten_in_place_is_read_after_its_last_close_only(live):
    packager = Packager(ToMount(f"{live.path}/live/show"))
    path, target = f"{live.path}/live/show/live.m3u8", "/live/show/live.m3u8?_HLS_msn=0&_HLS_part=0"
    waits = Asking(live, target)
    wait_until(lambda: held(live) == 1, 20, "the request is held")
    packager.parts = 1
    whole = packager.playlist().encode()
    with open(path, "wb", buffering=0) as file:
        file.write(whole[:-20])        # has the part already, but is not whole
        other = Asking(live, target)   # and nobody who comes now gets half of it either
        wait_until(lambda: held(live) == 2, 20, "both are held")
        file.write(whole[-20:])
    assert waits.result()[2] == whole and other.result()[2] == whole


def test_a_playlist_that_does_not_come_is_503_and_a_peer_that_leaves_is_released(live):
    Packager(ToMount(f"{live.path}/live/show"), parts=2, part_seconds=0.5)
    playlist = "/live/show/live.m3u8"
    assert live.request("GET", f"{playlist}?_HLS_msn=0")[0] == 503, "after three target durations"
    gone = live.connect()
    gone.sendall(f"GET {playlist}?_HLS_msn=0 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    wait_until(lambda: held(live) == 1, 20, "the request is held")
    gone.close()
    wait_until(lambda: held(live) == 0, 20, "the request is released")


def test_nobody_waits_for_what_he_may_not_read(live):
    Packager(ToMount(f"{live.path}/live/show"))
    os.chmod(f"{live.path}/live/show/live.m3u8", 0o600)
    assert live.request("GET", "/live/show/live.m3u8?_HLS_msn=0")[0] == 403
    assert live.request("GET", "/live/show/live.m3u8?_HLS_msn=0",
                        {"X-Forwarded-For": "10.1.1.1"})[0] == 403


def test_a_part_is_held_where_a_delivery_rule_says_so(live):
    packager = Packager(ToMount(f"{live.path}/live/show"))
    part = f"/live/show/{packager.part_name(0, 0)}"
    assert live.request("GET", part)[0] == 404
    document(live, "delivery", "put", "live", rules({"path": {"wildcard": "*.m4s"}, "hold_ms": 20_000}))
    asked = [Asking(live, part) for _ in range(3)]
    wait_until(lambda: held(live) == 3, 20, "three requests are held")
    packager.add_part()
    for one in asked:   # which may have come while it was written, and then follow it
        status, _, body = one.result()
        assert status == 200 and body == packager.part_bytes(0, 0)
    assert live.request("GET", "/live/show/other.mp4")[0] == 404, "no rule"
    document(live, "delivery", "put", "live", rules({"path": {"prefix": ""}, "hold_ms": 50}))
    assert live.request("GET", "/live/show/other.m4s")[0] == 404, "it did not come in time"
    grows = f"{live.path}/live/show/grows.m4s"
    document(live, "delivery", "put", "live", rules({"path": {"prefix": ""}, "hold_ms": 20_000}))
    with open(grows, "wb", buffering=0) as file:
        file.write(b"0123")
        behind = Asking(live, "/live/show/grows.m4s", {"Range": "bytes=4-"})
        wait_until(lambda: held(live) == 1, 20, "the range is held")
        file.write(b"45")
        status, headers, body = behind.result()
        assert (status, headers["content-range"], body) == (206, "bytes 4-5/*", b"45")


def test_delivery_rules(live):
    folder = f"{live.path}/live"
    for name in ("a.ts", "a.m3u8", "b.bin"):
        write_file(f"{folder}/{name}", b"x")
        live.published(f"{folder}/{name}")

    def header(target, name):
        return live.request("GET", f"/live/{target}")[1].get(name)

    # Without rules: playlists, and what is not there beneath a folder that changes, for a second.
    assert header("a.m3u8", "cache-control") == "max-age=1"
    assert header("a.ts", "cache-control") is None
    assert header("none", "cache-control") == "max-age=1"
    text = rules({"path": {"wildcard": "*.ts"}, "cache_control": "max-age=31536000, immutable"},
                 {"path": {"prefix": ""}, "cache_control": "max-age=5", "not_found_cache_control": "no-store"},
                 {"path": {"wildcard": "*.bin"}, "content_type": "video/mp4"})
    document(live, "delivery", "put", "live", text)
    for _ in range(2):
        assert header("a.ts", "cache-control") == "max-age=31536000, immutable"
        assert header("a.m3u8", "cache-control") == "max-age=5"
        assert header("none", "cache-control") == "no-store"
        assert header("b.bin", "content-type") == "video/mp4"
        assert document(live, "delivery", "get", "live").stdout.decode().strip() == text
        live.umount()
        live.mount(admin=True)
    os.setxattr(f"{folder}/a.ts", "user.cache_control", b"no-cache")
    assert header("a.ts", "cache-control") == "no-cache", "what is stored always wins"
    document(live, "delivery", "delete", "live")
    assert header("b.bin", "content-type") == "application/octet-stream"
    assert "no delivery document" in said(document(live, "delivery", "get", "live", check=False))
    refused = document(live, "delivery", "put", "live", rules({"path": {"prefix": ""}, "hold_ms": 0}), check=False)
    assert refused.returncode != 0 and "rule 1" in said(refused) and "hold_ms" in said(refused)
    assert read_file(f"{folder}/b.bin") == b"x"
