"""Lifecycle policies: objects that expire to the instant, seen through the mount and over HTTP."""

import json
import os
import time

import pytest

from harness import outcome, read_file, said, scaled, wait_until, write_file
from test_low_latency import document


def policy(seconds, *patterns):
    return json.dumps({"rules": [{"definition": {"path": [{"wildcard": one} for one in patterns],
                                                 "seconds_since_create": [{"numeric": [">=", seconds]}]},
                                  "action": "EXPIRE"}]})


@pytest.fixture
def live(make_store):
    store = make_store().mount(admin=True)
    store.container("live")
    return store


def test_an_object_is_gone_at_its_instant(live):
    document(live, "lifecycle", "put", "live", policy(3, "*.ts"))
    path, tmp = f"{live.path}/live/1.ts", f"{live.path}/live/1.tmp"
    write_file(tmp, b"x" * 100_000)
    assert os.stat(tmp).st_size == 100_000, "the kernel knows it now"
    before = time.time()
    os.rename(tmp, path)                      # as an encoder does
    after = time.time()
    write_file(f"{live.path}/live/stays.mp4", b"y")
    reader = open(path, "rb")
    live.published(path)
    seen = gone = 0
    while gone < 2:   # never too early, never too late, by whichever door
        asked = time.time()
        there = [outcome(os.stat, path) != "ENOENT", live.get(path)[0] == 200]
        answered = time.time()
        assert all(there) or answered >= before + 3, "it has gone too early"
        assert not any(there) or asked < after + 3, "it is still there after its instant"
        seen += any(there)
        gone += not any(there)
    assert seen > 0
    assert outcome(os.stat, path) == "ENOENT"
    assert outcome(open, path, "rb") == "ENOENT"
    assert outcome(os.unlink, path) == "ENOENT"
    assert live.get(path)[0] == 404 and live.request("HEAD", live.target(path))[0] == 404
    assert os.listdir(f"{live.path}/live") == ["stays.mp4"]
    assert reader.read() == b"x" * 100_000 and os.fstat(reader.fileno()).st_size == 100_000
    reader.close()
    write_file(path, b"again")                # the name is free
    assert read_file(path) == b"again"


def test_the_policy_and_the_instant_survive_a_kill(live):
    text = policy(300, "*.ts")
    document(live, "lifecycle", "put", "live", text)
    write_file(f"{live.path}/live/later.ts", b"x")
    document(live, "lifecycle", "put", "live", policy(2, "*.ts"))
    write_file(f"{live.path}/live/soon.ts", b"x")
    live.sync()
    live.kill()
    live.mount(admin=True)
    wait_until(lambda: outcome(os.stat, f"{live.path}/live/soon.ts") == "ENOENT", 10, "it has expired")
    assert read_file(f"{live.path}/live/later.ts") == b"x", "a policy put later changes nothing that is bound"
    assert "seconds_since_create" in said(document(live, "lifecycle", "get", "live"))
    document(live, "lifecycle", "delete", "live")
    assert "no lifecycle document" in said(document(live, "lifecycle", "get", "live", check=False))
    write_file(f"{live.path}/live/free.ts", b"x")
    refused = document(live, "lifecycle", "put", "live", policy(301, "*"), check=False)
    assert refused.returncode != 0 and "rule 1" in said(refused)
    assert read_file(f"{live.path}/live/free.ts") == b"x"


def test_many_objects_that_expire_at_once_are_invisible_at_once(live):
    """And their room comes back, while a stream goes on."""
    count = scaled(2_000, 100_000, "objects that expire at once")
    folder = f"{live.path}/live/many"
    os.mkdir(folder)
    nodes = live.status()["space"]["nodes"]
    seconds = 60 if count > 10_000 else 5
    document(live, "lifecycle", "put", "live", policy(seconds, "many/*"))
    fd = os.open(folder, os.O_RDONLY)
    for number in range(count):
        file = os.open(f"{number}", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        os.write(file, b"x" * 100)
        os.close(file)
    last = time.time()
    wait_until(lambda: time.time() >= last + seconds, seconds + 60, "the instant of the last")
    assert os.listdir(folder) == []
    with open(f"{live.path}/live/stream.ts", "ab", buffering=0) as stream:
        for number in range(0, count, max(1, count // 500)):
            assert live.request("HEAD", f"/live/many/{number}")[0] == 404
            stream.write(b"x" * 1_000)
    os.close(fd)
    os.rmdir(folder)
    assert os.path.getsize(f"{live.path}/live/stream.ts") >= 500_000
    wait_until(lambda: live.status()["space"]["nodes"] == nodes, 300, "what has expired is gone from the catalog")
