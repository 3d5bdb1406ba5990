"""kill -9 at random moments under load: every promise holds after each remount."""

import json
import os
import subprocess
import sys
import time

import crash_workers
from harness import Plain, STAND_IN, note, pattern, scaled, seeded, wait_until, write_file

HERE = os.path.dirname(os.path.abspath(__file__))


def prepare(store):
    """The container of a mounted store gets what the workers need: the rules, and who may put."""
    store.container()
    at = "--store", store.dir, "--key-file", store.key
    store.cli("lifecycle", "put", "media", "-", *at, stdin=None, input=crash_workers.lifecycle().encode())
    store.writers = json.loads(store.cli("token", "create", "--container", "media", "--actions", "put", "--expires",
                                         "never", "--json", *at).stdout)["Token"]
    return store


class Load:
    """All workers, each in a folder of its own, with records outside the store."""

    def __init__(self, store, records, cycle, seed):
        self.store, self.seed, self.records = store, seed, f"{records}/{cycle}"
        self.folder = f"{store.container()}/cycle-{cycle}"
        os.makedirs(self.records)
        os.mkdir(self.folder)
        self.workers = []

    def start(self):
        finished = f"{self.folder}.finished"
        write_file(finished, pattern(77, 300_000))
        env = dict(os.environ)
        kinds = crash_workers.WORKERS
        if getattr(self.store, "http", None):
            env.update(CRASH_HTTP=self.store.http, CRASH_TARGET=self.store.target(finished),
                       CRASH_FOLDER=self.store.target(self.folder), CRASH_TOKEN=self.store.writers)
        else:
            kinds = [kind for kind in kinds if kind not in crash_workers.OVER_HTTP]
        for number, kind in enumerate(kinds):
            folder = f"{self.folder}/{kind}"
            os.mkdir(folder)
            self.workers.append(subprocess.Popen(
                [sys.executable, f"{HERE}/crash_workers.py", kind, folder, self.record_path(kind),
                 str(self.seed * 1_000 + number * 100_000_000)], env=env))
        self.kinds = kinds
        wait_until(lambda: all(map(self.has_started, kinds)), 30, "all workers work")

    def has_started(self, kind):
        return os.path.exists(self.record_path(kind)) and os.path.getsize(self.record_path(kind))

    def record_path(self, kind):
        return f"{self.records}/{kind}"

    def assert_working(self):
        """Before the kill nobody has met an error."""
        for kind, worker in zip(self.kinds, self.workers):
            assert worker.poll() in (None, 0), \
                f"{kind}: {crash_workers.read_record(self.record_path(kind))[-3:]}"

    def end(self):
        """The workers end by themselves once the daemon is gone."""
        for worker in self.workers:
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
                raise AssertionError("a worker hangs on the mount of a dead daemon")

    def kill(self):
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()

    def verify(self, power_cut=False):
        """{promise: how many were checked}."""
        checked = {}
        for number, kind in enumerate(self.kinds):
            record = crash_workers.read_record(self.record_path(kind))
            wrong = crash_workers.of(record, "wrong error")
            assert not wrong, f"{kind} met {wrong}"
            verify = getattr(crash_workers, f"verify_{kind}")
            seed = self.seed * 1_000 + number * 100_000_000
            try:
                result = verify(f"{self.folder}/{kind}", record, seed, power_cut)
                checked.update(result if isinstance(result, dict) else {kind: result})
            except (OSError, AssertionError, ValueError) as error:
                raise AssertionError(f"{kind}, seed {seed}: {error!r}\nrecord {self.record_path(kind)}: "
                                     f"{record[-5:]}") from error
        return checked


def test_promises_hold_over_kill_minus_nine(make_store, scratch):
    rng, _ = seeded("kill -9")
    cycles = scaled(40, 1_000, "kill cycles")
    store = Plain(scratch) if STAND_IN else prepare(make_store().mount())
    total = dict.fromkeys(crash_workers.PROMISES, 0)
    standing = []   # loads of earlier cycles, whose promises hold on
    for cycle in range(cycles):
        load = Load(store, f"{scratch}/records", cycle, rng.randrange(1_000_000))
        try:
            load.start()
            time.sleep(rng.uniform(0, 0.9))   # the random moment
            if STAND_IN:
                load.kill()
            else:
                assert store.alive(), store.log_tail()
                load.assert_working()
                store.kill()
                load.end()
        finally:
            load.kill()
        died = time.time()
        if not STAND_IN:
            store.mount()
        try:
            for kind, count in load.verify().items():
                total[kind] += count
            if standing and rng.random() < 0.3:
                for kind, count in rng.choice(standing).verify().items():
                    total[kind] += count
        except AssertionError as error:
            log = "" if STAND_IN else store.log_tail()
            raise AssertionError(f"cycle {cycle}: {error}\n{log}") from error
        standing.append(load)
        if len(standing) > 6:
            subprocess.run(["rm", "-rf", standing.pop(rng.randrange(3)).folder], check=True)
    if not STAND_IN:
        store.umount()
        lives = crash_workers.LIFETIMES["short"]
        wait_until(lambda: time.time() > died + lives, lives + 10, "the short-lived objects have expired")
        store.mount()
        for load in standing:
            for kind, count in load.verify().items():
                total[kind] += count
        store.umount()
    note(f"promises checked after kill -9: {total}")
    for kind, count in total.items():
        assert count or (STAND_IN and kind.split(",")[0] in crash_workers.OVER_HTTP), \
            f"{kind}: nothing was ever promised"


def test_kill_in_the_middle_of_recovery(make_store, scratch):
    """Killed again while it recovers, and again: the promises of the first run hold."""
    rng, seed = seeded("kill in recovery")
    store = Plain(scratch) if STAND_IN else prepare(make_store().mount())
    load = Load(store, f"{scratch}/records", 0, seed % 1_000_000)
    try:
        load.start()
        time.sleep(0.8)   # the load
        if not STAND_IN:
            load.assert_working()
            store.kill()
            load.end()
    finally:
        load.kill()
    for _ in range(0 if STAND_IN else scaled(8, 50, "kills in recovery")):
        store.mount(wait=False)
        time.sleep(rng.uniform(0, 0.15))   # the random moment
        store.kill()
    if not STAND_IN:
        store.mount()
    assert sum(load.verify().values())


# Works in a folder through the mount, or over HTTP, until the daemon is gone.
THROUGH_THE_MOUNT = """
import os, sys
n, mine = 0, f"{sys.argv[1]}/{os.getpid()}"
try:
    while True:
        n += 1
        os.close(os.open(f"{mine}-{n}", os.O_CREAT | os.O_WRONLY))
        os.rename(f"{mine}-{n}", mine)
except OSError:
    pass
"""
OVER_HTTP = """
import http.client, os, sys
address, folder, token = sys.argv[1:]
connection, n = http.client.HTTPConnection(address, timeout=30), 0
try:
    while True:
        n += 1
        connection.request("PUT", f"{folder}/put-{os.getpid()}-{n}", b"x", {"Authorization": f"Bearer {token}"})
        connection.getresponse().read()
except (OSError, http.client.HTTPException):
    pass
"""


if not STAND_IN:
    def test_killed_while_it_tells_the_kernel_of_changes_it_ends_and_nobody_waits(make_store):
        """The kernel lets a notification wait for the lock of a folder, which is held by whoever waits there for an
        answer of the daemon: killed in that moment it could not end, and all its users waited for ever."""
        rng, _ = seeded("kill between the doors")
        store = prepare(make_store().mount())
        for number in range(scaled(10, 100, "kills between the doors")):
            folder = f"{store.container()}/both-{number}"
            os.mkdir(folder)
            target = store.target(f"{folder}/x")[:-2]
            workers = [subprocess.Popen([sys.executable, "-c", THROUGH_THE_MOUNT, folder]) for _ in range(3)]
            workers += [subprocess.Popen([sys.executable, "-c", OVER_HTTP, store.http, target, store.writers])
                        for _ in range(3)]
            try:
                wait_until(lambda: any(name.startswith("put-") for name in os.listdir(folder)), 30, "both doors work")
                time.sleep(rng.uniform(0, 0.3))   # the random moment
                store.kill()
                for worker in workers:
                    worker.wait(30)
            finally:
                for worker in workers:
                    worker.kill()
                    worker.wait()
            store.mount()
