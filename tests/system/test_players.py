"""Real players: hls.js and dash.js in headless Chromium, the browser's own player, and ffmpeg, watch what ffmpeg
sends by PUT or writes into the mount. Each keeps a screenshot in the build folder (screenshots/)."""

import contextlib
import functools
import http.server
import json
import os
import re
import threading

import pytest

from cdn import Nginx, Varnish, filled, free_port, recipe, token
from harness import note, read_file, run, scaled, wait_until, write_file
from players.browser import Browser, copy_players
from players.encoder import DASH, FMP4, HLS, LOW_LATENCY, Encoder, put
from test_media import FFMPEG

# What is sent, and how: the muxer, its list, its player, and options of each writer.
STREAMS = {
    "hls": (HLS, "index.m3u8", "hls"),
    "hls-fmp4": ([*HLS, *FMP4], "index.m3u8", "hls"),
    "dash": (DASH, "live.mpd", "dash"),
}
CASES = [("hls", "put", "direct"), ("dash", "put", "direct"), ("hls", "mount", "direct"), ("hls", "put", "nginx")]
CASES += [case for case in ((stream, writer, way) for stream in STREAMS for writer in ("put", "mount")
                            for way in ("direct", "nginx", "varnish", "nginx-tls")) if case not in CASES]
CASES = CASES[:scaled(4, len(CASES), "browser cases of live channels")]


@pytest.fixture(scope="module")
def browser(module_scratch):
    made = Browser(f"{module_scratch}/browser", flags=["--ignore-certificate-errors"])
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def stage(tree):
    """The store, with the players' page in the container of the channels, so that all is of one origin."""
    tree.live = tree.container("live")
    tree.writers, tree.readers = token(tree, actions="put,delete"), token(tree)
    copy_players(f"{tree.live}/site")
    return tree


@pytest.fixture
def way(request, stage, scratch):
    """The base URL of the container `live`, through what stands in front of the origin."""
    if request.param == "direct":
        yield f"http://{stage.http}/live"
        return
    port, scheme = free_port(), "http"
    if request.param == "varnish":
        text = filled(recipe("varnish: one origin"), ("TOKEN", stage.readers),
                      ('.port = "8787"', f'.port = "{stage.http.rsplit(":", 1)[1]}"'))
        front = Varnish(scratch, text, port)
    else:
        listen = f"listen 127.0.0.1:{port};"
        if request.param == "nginx-tls":
            certificate, key, scheme = f"{scratch}/c.pem", f"{scratch}/k.pem", "https"
            run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                "-days", "2", "-subj", "/CN=localhost")
            listen = filled(recipe("nginx: HTTP/2 and TLS"), ("listen 443", f"listen 127.0.0.1:{port}"),
                            ("/etc/ssl/certs/origin.pem", certificate), ("/etc/ssl/private/origin.key", key))
        front = Nginx(scratch, filled(recipe("nginx: one origin"), ("TOKEN", stage.readers), ("listen 80;", listen),
                                      ("127.0.0.1:8787", stage.http)), port)
    try:
        yield f"{scheme}://127.0.0.1:{port}/live"
    finally:
        front.close()


def start_channel(stage, stream, writer, folder, log):
    options, playlist, _ = STREAMS[stream]
    if writer == "mount":
        os.mkdir(f"{stage.live}/{folder}")
        target = f"{stage.live}/{folder}/{playlist}"
    else:
        # A DASH segment is watched while it is sent; HLS lists a segment when it is whole. Through the mount ffmpeg
        # renames whole segments into place, so there a low-latency manifest would promise what is not yet there.
        availability = ["x-amz-upload-availability: STREAMING"] if stream == "dash" else []
        low_latency = LOW_LATENCY if stream == "dash" else []
        options = [*options, *low_latency, *put(stage.writers, *availability)["dash" if stream == "dash" else "hls"]]
        target = f"http://{stage.http}/live/{folder}/{playlist}"
    if stream == "dash":
        options = [*options, "-utc_timing_url", f"http://{stage.http}/~reelfs/time"]
    return Encoder(log, [*options, target])


@pytest.mark.parametrize("stream, writer, way", CASES, indirect=["way"], ids=["-".join(case) for case in CASES])
def test_a_live_channel_plays_in_the_browser(stage, browser, scratch, request, stream, writer, way):
    _, playlist, player = STREAMS[stream]
    folder = re.sub(r".*\[|\]", "", request.node.name)
    encoder = start_channel(stage, stream, writer, folder, f"{scratch}/encoder.log")
    try:
        wait_until(lambda: stage.request("GET", f"/live/{folder}/{playlist}")[0] == 200 or encoder.check(), 60,
                   "the channel is on")
        playing = browser.play(f"{way}/site/page.html", player, f"{way}/{folder}/{playlist}")
        seen = playing.advances(5)
        assert seen["width"] == 320 and seen["audio"] > 0, seen
        note(f"screenshot: {browser.screenshot(folder)}")
        if stream != "dash":
            frames_by_ffmpeg(f"{way}/{folder}/{playlist}", 75)   # a second player, at the same time
        # Old segments are deleted while people watch, and the browser plays on.
        wait_until(lambda: first_segments_are_gone(stage, folder), 60, "the encoder deletes old segments")
        playing.advances(2)
        encoder.stop()
        if stream == "dash":
            # ffmpeg asks for numbers that are not there yet and never looks back: it plays what is left in the end.
            frames_by_ffmpeg(f"{way}/{folder}/{playlist}", 100)
    finally:
        encoder.end()


def frames_by_ffmpeg(url, count):
    played = run(*FFMPEG, "-i", url, "-map", "0:v", "-frames:v", str(count), "-f", "framemd5", "-")
    assert len([line for line in played.stdout.splitlines() if not line.startswith(b"#")]) == count


def first_segments_are_gone(stage, folder):
    segment_name = re.compile(r"(?:index|chunk-stream\d-)(\d+)\.(?:ts|m4s)")
    found = [segment_name.fullmatch(name) for name in os.listdir(f"{stage.live}/{folder}")]
    numbers = [int(segment[1]) for segment in found if segment]
    return numbers and min(numbers) > 1 and len(numbers) <= 30


@contextlib.contextmanager
def another_origin(folder):
    """The players' page from a web server that knows nothing of the store."""
    copy_players(folder)
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.mark.parametrize("stream", ["hls", "dash"])
def test_a_page_of_another_origin_plays_where_a_rule_allows_it(stage, browser, scratch, stream):
    _, playlist, player = STREAMS[stream]
    folder = f"cors-{stream}"
    encoder = start_channel(stage, stream, "mount", folder, f"{scratch}/encoder.log")
    try:
        wait_until(lambda: stage.request("GET", f"/live/{folder}/{playlist}")[0] == 200 or encoder.check(), 60,
                   "the channel is on")
        with another_origin(f"{scratch}/site") as origin:
            source = f"http://{stage.http}/live/{folder}/{playlist}"
            refused = browser.play(f"{origin}/page.html", player, source)
            wait_until(lambda: refused.seen()["fatal"] or refused.seen()["errors"], 60, "it is refused without a rule")
            assert refused.seen()["time"] == 0
            rules = [{"AllowedOrigins": [origin], "AllowedMethods": ["GET", "HEAD"], "AllowedHeaders": ["range"]}]
            write_file(f"{scratch}/cors.json", json.dumps(rules).encode())
            stage.cli("cors", "put", "live", f"{scratch}/cors.json", "--store", stage.dir)
            try:
                browser.play(f"{origin}/page.html", player, source).advances(3)
                note(f"screenshot: {browser.screenshot(folder)}")
            finally:
                stage.cli("cors", "delete", "live", "--store", stage.dir)
        encoder.stop()
    finally:
        encoder.end()


FILMS = {"mp4": ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags",
                 "+faststart"],
         # Chromium takes QuickTime files by what is in them.
         "mov": ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"],
         "webm": ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"]}


@pytest.mark.parametrize("kind", list(FILMS))
def test_a_film_plays_and_seeks_by_ranges(stage, browser, scratch, kind):
    local, path = f"{scratch}/film.{kind}", f"{stage.live}/film.{kind}"
    run(*FFMPEG, "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10:duration=90", "-f", "lavfi", "-i",
        "sine=duration=90", "-g", "20", "-b:v", "2M", "-minrate", "2M", *FILMS[kind], local)
    run("cp", local, path)
    stage.published(path)
    base = f"http://{stage.http}/live"
    playing = browser.play(f"{base}/site/page.html", "video", f"{base}/film.{kind}")
    playing.advances(1)
    for place in (80, 10, 55):
        playing.seeks(place)
    note(f"screenshot: {browser.screenshot(f'film-{kind}')}")
    ranged = browser.run("return performance.getEntriesByType('resource').filter(one => one.name == arguments[0])"
                         ".map(one => one.transferSize)", f"{base}/film.{kind}")
    assert len(ranged) > 1, f"a seek is a request of its own: {ranged}"
    assert read_file(local) == read_file(path)
