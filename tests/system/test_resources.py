"""Memory, descriptors and time to end stay bounded under load."""

import os
import re
import subprocess
import sys
import threading
import time

import pytest

from harness import (MiB, http_connection, is_mounted, note, outcome, pattern, read_file, run, said, scaled, wait_until,
                     write_file)

RSS_BOUND = 512 * MiB


def peak_rss(pid):
    return int(re.search(r"VmHWM:\s+(\d+) kB", open(f"/proc/{pid}/status").read())[1]) * 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def packs_open(pid):
    links = (outcome(os.readlink, f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    return sum(link.endswith(".pack") for link in links)


def make_objects(root, count):
    script = """
import os, sys
root, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + count):
    if number == first or number % 2000 == 0: os.makedirs(f'{root}/{number // 2000}', exist_ok=True)
    fd = os.open(f'{root}/{number // 2000}/{number}', os.O_CREAT | os.O_WRONLY)
    os.write(fd, b'%d' % number * 200)
    os.close(fd)
"""
    half = count // 2
    workers = [subprocess.Popen([sys.executable, "-c", script, root, str(first), str(half)]) for first in (0, half)]
    assert [worker.wait(1200) for worker in workers] == [0, 0]


def test_memory_stays_under_its_bound(make_store):
    """64 open streams (half written, half served, all at once) over a store of many objects."""
    store = make_store().mount()
    folder = store.container()
    count = scaled(20_000, 200_000, "objects")
    make_objects(folder, count)
    write_file(f"{folder}/film", pattern(1, 8 * MiB) * 8)
    stop, problems = threading.Event(), []

    def write(number):
        with open(f"{folder}/stream-{number}", "wb", buffering=0) as file:
            piece = pattern(number, 1 * MiB)
            for turn in range(scaled_turns):
                file.write(piece)
                if turn % 8 == 7:
                    os.fsync(file.fileno())

    def read(number):
        connection = http_connection(store.http, timeout=60)
        expected = pattern(1, 8 * MiB)
        while not stop.is_set():
            connection.request("GET", store.target(f"{folder}/film"))
            answer, at = connection.getresponse(), 0
            while part := answer.read(1 << 20):
                for start in range(0, len(part), 1 << 16):
                    place = (at + start) % (8 * MiB)
                    piece = part[start:start + (1 << 16)][:8 * MiB - place]
                    if expected[place:place + len(piece)] != piece:
                        problems.append(f"wrong bytes at {at + start}")
                        return
                at += len(part)
            if at != 64 * MiB:
                problems.append(f"{at} bytes")
        connection.close()

    scaled_turns = 24
    stalled = []   # streams whose reader does not read
    for _ in range(16):
        connection = store.connect(60)
        connection.sendall(f"GET {store.target(f'{folder}/film')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        stalled.append(connection)
    threads = [threading.Thread(target=guarded, args=(write, n, problems)) for n in range(32)]
    readers = [threading.Thread(target=guarded, args=(read, n, problems)) for n in range(16)]
    for thread in threads + readers:
        thread.start()
    for _ in range(2):   # a walk over everything meanwhile
        assert sum(len(files) for _, _, files in os.walk(folder)) >= count
        run("ls", "-lR", folder, timeout=600)
    for thread in threads:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    for connection in stalled:
        connection.close()
    assert not problems, problems[:5]
    for number in range(32):
        assert read_file(f"{folder}/stream-{number}") == pattern(number, 1 * MiB) * scaled_turns
    peak = peak_rss(store.pid)
    note(f"peak memory of the daemon {peak / MiB:.0f} MiB of {RSS_BOUND / MiB:.0f}")
    assert peak < RSS_BOUND
    store.umount()
    store.mount()
    assert sum(len(files) for _, _, files in os.walk(folder)) >= count
    assert peak_rss(store.pid) < RSS_BOUND


def guarded(function, argument, problems):
    try:
        function(argument)
    except Exception as error:   # told to the test
        problems.append(repr(error))


@pytest.mark.needs_root   # who else may not look at a daemon's descriptors
def test_descriptors_do_not_grow(make_store):
    store = make_store().mount()
    folder = store.container()

    def round_of_work(number):
        for name in range(60):
            path = f"{folder}/{number}-{name}"
            write_file(path, pattern(name, 40_000 if name % 10 else 9 * MiB))
            read_file(path)
            store.get(path, {"Range": "bytes=0-99"})
        for name in range(60):
            with open(f"{folder}/{number}-{name}", "rb") as file:
                os.unlink(file.name)
        for _ in range(20):   # cut off in the middle, and garbage
            connection = store.connect()
            connection.sendall(b"GET /media/none HTTP/1.1\r\nHost: ")
            connection.close()

    def settled():
        """The number once the packs of what was deleted have been given back, which is background work."""
        store.sync()
        wait_until(lambda: packs_open(store.pid) <= 2, 20, "packs without content are closed")
        return descriptors(store.pid)

    for number in range(3):
        round_of_work(number)
    before = settled()
    for number in range(3, 3 + scaled(8, 40, "rounds")):
        round_of_work(number)
    after = settled()
    threads = 8   # each thread of the mount opens /dev/fuse when it is first needed
    assert after <= before + threads, f"{before} descriptors became {after}"


def test_space_comes_back(make_store):
    """Deleting gives the room back to the disk, for packs of one and shared packs."""
    store = make_store().mount()
    folder = store.container()

    def used():
        store.sync()
        return int(run("du", "-s", "-B1", f"{store.dir}/packs").stdout.split()[0])

    empty = used()
    write_file(f"{folder}/large", pattern(1, 8 * MiB) * 8)
    for number in range(400):
        write_file(f"{folder}/{number}", pattern(number, 60_000))
    full = used()
    assert full > empty + 80 * MiB
    os.unlink(f"{folder}/large")
    for number in range(400):
        os.unlink(f"{folder}/{number}")
    wait_until(lambda: used() < empty + 1 * MiB, 30, f"the room of {full - empty} bytes comes back")


def test_the_log_of_the_catalog_stays_bounded(make_store):
    """Checkpoints are forced at 16 MiB, also while names are made and removed without a pause."""
    store = make_store().mount()
    for number in range(3):
        make_objects(f"{store.container()}/{number}", 6_000)
        log = os.path.getsize(f"{store.dir}/catalog/catalog.db-wal")
        assert log <= 40 * MiB, f"the log has {log / MiB:.0f} MiB"


def test_umount_ends_within_ten_seconds_under_load(make_store):
    store = make_store().mount()
    folder = store.container()
    write_file(f"{folder}/film", pattern(1, 8 * MiB) * 16)
    script = """
import os, sys
number = 0
try:
    while True:
        number += 1
        with open(f'{sys.argv[1]}/{sys.argv[2]}-{number % 50}', 'wb') as file:
            for _ in range(8): file.write(b'y' * 1000000)
except OSError: pass
"""
    writers = [subprocess.Popen([sys.executable, "-c", script, folder, str(n)]) for n in range(4)]
    followers = []
    try:
        for _ in range(16):
            connection = store.connect(60)
            connection.sendall(f"GET {store.target(f'{folder}/film')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            followers.append(connection)
        wait_until(lambda: len(os.listdir(folder)) > 8, 30, "the load runs")
        started = time.monotonic()
        done = store.cli("umount", store.path, check=False, timeout=30)
        took = time.monotonic() - started
        assert took < 10, f"umount took {took:.1f} s: {said(done)}"
        if done.returncode != 0:
            assert is_mounted(store.path) and "busy" in said(done).lower(), said(done)
            assert store.alive()
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    if is_mounted(store.path):   # only players are left: they do not hold it
        started = time.monotonic()
        store.cli("umount", store.path, timeout=30)
        took = time.monotonic() - started
        assert took < 10, f"umount took {took:.1f} s with players only"
    assert store.daemon.wait(10) == 0, store.log_tail()
    store.daemon = None
    for connection in followers:
        connection.close()
    store.mount()
    assert read_file(f"{folder}/film") == pattern(1, 8 * MiB) * 16
    for name in os.listdir(folder):
        if name != "film":
            data = read_file(f"{folder}/{name}")
            assert data == b"y" * len(data), f"{name}: not what was written"
