"""Encoders that push over HTTP as they are: live HLS and DASH of ffmpeg, by PUT and DELETE. Items 93 and 94 of the
MediaStore specification's checklist (test_mediastore.py has the others), and what readers see meanwhile.

ffmpeg cannot sign: it answers the challenge to a PUT with the name and the password of its URL."""

import base64
import json
import os
import re
import subprocess
import threading

import pytest

from harness import Store, http_connection, read_file, run, said, scaled, wait_until

FFMPEG = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "warning"]
ENCODER = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"]


class Ingest:
    def __init__(self, store):
        self.store = store.mount(admin=True)
        store.container("live")
        self.key = json.loads(store.cli("user", "create", "encoder", "--store", store.dir, "--json").stdout)

    def url(self, path, secret=None):
        return (f"http://{self.key['AccessKeyId']}:{secret or self.key['SecretAccessKey']}@{self.store.http}"
                f"/live/{path}")

    def gauge(self, name):
        body = self.store.request("GET", "/metrics", http=self.store.admin)[2].decode()
        return int(float(re.search(rf"^reelfs_{name} (\S+)$", body, re.M)[1]))

    def metric(self, name):
        return self.gauge(f"http_{name}")

    def warnings(self):
        return self.store.log_tail().count("was refused")


@pytest.fixture(scope="module")
def ingest(module_scratch):
    store = Store(module_scratch)
    try:
        yield Ingest(store)
    finally:
        store.close()


class Player(threading.Thread):
    """Fetches a playlist again and again, as one that plays would, and every segment it lists that is new.
    `strict`: also that what is listed is there."""

    def __init__(self, ingest, folder):
        super().__init__(daemon=True)
        self.address, self.folder = ingest.store.http, f"/live/{folder}/"
        self.wrong, self.playlists, self.segments = [], 0, 0
        self.over = threading.Event()
        self.start()

    def get(self, connection, name):
        connection.request("GET", self.folder + name)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def run(self):
        connection, newest, seen = http_connection(self.address, 60), -1, set()
        try:
            while not self.over.is_set() and not self.wrong:
                status, body = self.get(connection, "i.m3u8")
                if status == 404 and newest < 0:
                    continue
                if status != 200:
                    self.wrong.append(f"the playlist: {status}")
                    return
                text = body.decode()
                sequence = int(re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text)[1])
                names = [line for line in text.splitlines() if line and not line.startswith("#")]
                last = sequence + len(names) - 1
                if last < newest:
                    self.wrong.append(f"an older playlist: ends with {last} after {newest}")
                newest, self.playlists = last, self.playlists + 1
                for name in names:
                    self.check(connection, name, seen)
        except Exception as error:   # told to the test
            self.wrong.append(repr(error))
        finally:
            connection.close()

    def check(self, connection, name, seen):
        status, body = self.get(connection, name)
        if status == 404:   # gone, if the playlist has moved on since: it may list it no longer
            status, playlist = self.get(connection, "i.m3u8")
            if name in playlist.decode():
                self.wrong.append(f"{name} is listed and not there")
            return
        if status != 200 or not body or len(body) % 188 != 0:
            self.wrong.append(f"{name}: {status}, {len(body)} bytes")
        if name not in seen:
            self.segments += 1
        seen.add(name)

    def finish(self):
        self.over.set()
        self.join(60)
        assert not self.is_alive() and not self.wrong, self.wrong


def names_of(playlist):
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


def push_hls(ingest, folder, seconds, *pace, keep=3):
    return run(*FFMPEG, *pace, "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25", "-t", str(seconds), *ENCODER, "-g",
               "25", "-f", "hls", "-hls_time", "1", "-hls_list_size", str(keep), "-hls_flags", "delete_segments",
               "-method", "PUT", ingest.url(f"{folder}/i.m3u8"), check=False, timeout=600)


def check_hls(ingest, folder, seconds, keep=3):
    folder = f"{ingest.store.path}/live/{folder}"
    # ffmpeg ends without waiting for the answer to its last PUT.
    wait_until(lambda: b"#EXT-X-ENDLIST" in read_file(f"{folder}/i.m3u8"), 30, "the last playlist is there")
    playlist = read_file(f"{folder}/i.m3u8").decode()
    assert len(names_of(playlist)) == keep
    left = sorted(name for name in os.listdir(folder) if name.endswith(".ts"))
    assert set(names_of(playlist)) <= set(left)
    assert len(left) <= keep + 2 < seconds, f"old segments have gone: {left}"


def test_item_93_live_hls_by_put(ingest):
    """In real time, as an encoder does; the playlist can be probed by a signed-in and by a local player."""
    seconds = scaled(8, 20, "seconds of live HLS")
    before = ingest.metric("refused_ingests_total"), ingest.warnings(), ingest.metric("ingest_challenges_total")
    player = Player(ingest, "hls")
    done = push_hls(ingest, "hls", seconds, "-re")
    player.finish()
    assert done.returncode == 0, said(done)
    assert player.segments >= seconds - 2 and player.playlists > seconds
    check_hls(ingest, "hls", seconds)
    for url in (ingest.url("hls/i.m3u8"), f"http://{ingest.store.http}/live/hls/i.m3u8"):
        probe = run("ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url)
        assert probe.stdout.split()[0] == b"h264"
    # Every segment and playlist was asked for its credentials first: counted, and nothing to warn of.
    assert ingest.metric("ingest_challenges_total") >= before[2] + seconds
    assert (ingest.metric("refused_ingests_total"), ingest.warnings()) == before[:2]


def test_unpaced_hls_is_read_without_a_gap(ingest):
    """As fast as ffmpeg encodes, its PUTs overlap on connections it does not wait for: a reader sees no older
    playlist, and no listed segment is missing."""
    folder, seconds = "fast", scaled(120, 600, "seconds of unpaced HLS")
    players = [Player(ingest, folder) for _ in range(2)]
    done = push_hls(ingest, folder, seconds, keep=6)
    for player in players:
        player.finish()
        assert player.playlists > 0 and player.segments > 0
    assert done.returncode == 0, said(done)
    check_hls(ingest, folder, seconds, keep=6)


@pytest.mark.parametrize("secret", ["wrong", None])
def test_a_refused_ingest_is_a_warning_and_counts(ingest, secret):
    """With a wrong password, and with none at all: ffmpeg says little, the daemon says it once for each upload."""
    refused, said_before = ingest.metric("refused_ingests_total"), ingest.warnings()
    url = ingest.url("refused/a.ts", secret) if secret else f"http://{ingest.store.http}/live/refused/a.ts"
    run(*FFMPEG, "-f", "lavfi", "-i", "testsrc=d=0.2:s=64x64", "-f", "mpegts", "-method", "PUT", url, check=False)
    wait_until(lambda: ingest.metric("refused_ingests_total") > refused, 30, "it counts")
    now = ingest.metric("refused_ingests_total")
    wait_until(lambda: ingest.warnings() - said_before == now - refused, 10, "one line for each")
    assert not os.path.exists(f"{ingest.store.path}/live/refused")


def growing_segment(ingest, folder):
    """The name of a segment that is on its way in now: on the mount it is there, and it has no tag yet."""
    try:
        found = os.listdir(f"{ingest.store.path}/live/{folder}")
    except FileNotFoundError:
        return None
    for name in sorted(found):
        if name.startswith("chunk-"):
            status, headers, _ = ingest.store.request("HEAD", f"/live/{folder}/{name}")
            if status == 200 and "etag" not in headers:
                return name
    return None


def test_item_94_low_latency_dash_by_put(ingest):
    """A segment can be read while it is on its way, to its end."""
    seconds = scaled(6, 20, "seconds of live DASH")
    encoder = subprocess.Popen(
        [*FFMPEG, "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25", "-t", str(seconds), *ENCODER, "-g", "50",
         "-f", "dash", "-seg_duration", "2", "-streaming", "1", "-ldash", "1", "-http_opts",
         "headers=x-amz-upload-availability\\: STREAMING", "-method", "PUT", ingest.url("dash/m.mpd")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        name = wait_until(lambda: growing_segment(ingest, "dash"), 60, "a segment is on its way")
        connection = http_connection(ingest.store.http, 60)
        connection.request("GET", f"/live/dash/{name}")
        answer = connection.getresponse()
        assert answer.status == 200 and answer.headers["transfer-encoding"] == "chunked"
        begun = answer.read1()
        assert begun, "bytes come before the segment is complete"
        whole = begun + answer.read()
        connection.close()
        out, _ = encoder.communicate(timeout=120)
        assert encoder.returncode == 0, out
    finally:
        encoder.kill()
        encoder.wait()
    assert whole == read_file(f"{ingest.store.path}/live/dash/{name}")
    manifest = read_file(f"{ingest.store.path}/live/dash/m.mpd").decode()
    assert "<MPD" in manifest
    assert run("ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0",
               f"http://{ingest.store.http}/live/dash/m.mpd").stdout.split()[0] == b"h264"


class UploadedOver(threading.Thread):
    """One object, in versions, one behind the other, until the context ends. Told then: what went wrong."""

    def __init__(self, ingest, name):
        super().__init__(daemon=True)
        word = base64.b64encode(f"{ingest.key['AccessKeyId']}:{ingest.key['SecretAccessKey']}".encode()).decode()
        self.headers = {"Authorization": f"Basic {word}"}
        self.address, self.target, self.versions = ingest.store.http, f"/live/{name}", 0
        self.over, self.wrong = threading.Event(), None

    def run(self):
        connection = http_connection(self.address, 60)
        try:
            while not self.over.is_set():
                connection.request("PUT", self.target, body=f"{self.versions + 1}\n" * 100, headers=self.headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"version {self.versions + 1}: {answer.status}")
                self.versions += 1
        except Exception as error:   # told to the test
            self.wrong = error
        finally:
            connection.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(120)
        assert not self.is_alive() and self.wrong is None, self.wrong


def test_a_name_that_is_uploaded_over_is_there_all_the_time(ingest):
    """For whoever opens it through the mount: it leads to the old version or to the new one, whole. Old ones that the
    kernel knew are kept until it has forgotten them, and no longer."""
    path = f"{ingest.store.path}/live/over/i.m3u8"
    with UploadedOver(ingest, "over/i.m3u8") as uploads:
        wait_until(lambda: os.path.exists(path), 30, "the first version")
        newest = opened = 0
        while uploads.is_alive() and (opened < 6_000 or uploads.versions < 20):
            with open(path) as file:
                text = file.read()
            number = int(text.split()[0])
            assert text == f"{number}\n" * 100 and number >= newest, (newest, text)
            newest, opened = number, opened + 1
    assert read_file(path) == f"{uploads.versions}\n".encode() * 100
    wait_until(lambda: ingest.gauge("replaced_nodes") == 0, 10, "the kernel to forget the last version but one")
