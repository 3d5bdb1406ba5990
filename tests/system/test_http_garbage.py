"""Requests that are wrong, hostile or slow: refused, nothing hidden in them runs, the daemon lives."""

import re

import pytest

from harness import seeded


# Garbage

def smuggled(first, body=b""):
    """A request with a second one hidden in its body."""
    return first + b"\r\n" + body + b"GET /films/a.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n"


GET = b"GET /films/none HTTP/1.1\r\nHost: localhost\r\n"
PUT = b"PUT /films/x HTTP/1.1\r\nHost: localhost\r\n"
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
    "long head": GET + b"A: " + b"b" * 100_000,
    "many headers": GET + b"".join(b"H%d: v\r\n" % n for n in range(5_000)) + b"\r\n",
    "long target": b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "spaces": b"GET  /films/none  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "nothing": b"\r\n\r\n\r\n\r\n",
    "huge chunk": PUT + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
    "chunk extension": PUT + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"e" * 100_000,
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
    assert len(re.findall(rb"(?:^|\n)HTTP/1\.[01] \d", answer)) <= 1
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
        end = "" if number % 2 else "\r\n"   # half of them never finish their head
        connection.sendall(f"GET {served.target(served.film)} HTTP/1.1\r\nHost: localhost\r\n{end}".encode())
    for _ in range(20):
        assert served.get(served.film, {"Range": "bytes=5-9"})[2] == served.bytes[5:10]
    for connection in stalled:
        connection.close()
