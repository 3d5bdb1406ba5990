"""Programs that trust their file system with everything, on the mount: fio's verification over kill -9, PostgreSQL.

rsync, tar, git and SQLite are in test_media.py.
"""

import glob
import os
import pwd
import signal
import subprocess

import pytest

from harness import note, run, scaled, wait_until

ROOT = os.geteuid() == 0


# fio writes blocks that carry their own checksum, offset and generation, and checks them later

def fio(folder, *options, mib, check=True):
    return run("fio", f"--directory={folder}", f"--size={mib}M", "--ioengine=psync", "--verify=crc32c",
               "--randseed=7", "--group_reporting", "--minimal", *options, check=check, cwd=folder, timeout=1200)


JOBS = {
    "large blocks": ("--rw=write", "--bs=1M", "--end_fsync=1"),
    "random 64 KiB": ("--rw=randwrite", "--bs=64k", "--fsync=16", "--end_fsync=1"),
    "random 4 KiB": ("--rw=randwrite", "--bs=4k", "--fsync=64", "--end_fsync=1"),
    "odd sizes": ("--rw=randwrite", "--bsrange=512-70k", "--bs_unaligned=1", "--end_fsync=1"),
    "O_SYNC": ("--rw=randwrite", "--bs=16k", "--sync=1"),
    "O_DIRECT": ("--rw=randwrite", "--bs=128k", "--direct=1", "--end_fsync=1"),
}


def test_fio_finds_every_block_after_kill_minus_nine(make_store):
    """Each job ends with fsync; then the daemon is killed while another fio writes, and after a new mount every
    block is what was written last."""
    mib = scaled(16, 512, "MiB of each fio job")
    store = make_store().mount()
    folder = store.container()
    for number, job in enumerate(JOBS.values()):
        fio(folder, f"--name=job{number}", "--do_verify=0", *job, mib=mib)
    busy = subprocess.Popen(["fio", "--name=busy", f"--directory={folder}", "--size=64M", "--rw=randwrite",
                             "--bs=64k", "--ioengine=psync", "--time_based", "--runtime=600"],
                            cwd=store.base, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.exists(f"{folder}/busy.0.0"), 30, "the other fio writes")
        store.kill()
        busy.wait(60)
    finally:
        busy.kill()
        busy.wait()
    store.mount()
    for number, (what, job) in enumerate(JOBS.items()):
        done = fio(folder, f"--name=job{number}", "--verify_only=1", *job, mib=mib, check=False)
        assert done.returncode == 0, f"{what}: {done.stderr.decode()[-2000:]}"
    # and fio would have noticed
    with open(f"{folder}/job0.0.0", "r+b") as file:
        file.seek(5 << 20)
        file.write(b"x" * 100)
    done = fio(folder, "--name=job0", "--verify_only=1", *JOBS["large blocks"], mib=mib, check=False)
    assert done.returncode != 0, "a changed block is found"
    store.umount()


# PostgreSQL

def postgres_programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    assert found, "PostgreSQL is not installed: tools/test installs it"
    return os.path.dirname(found[-1])


class Cluster:
    """A private PostgreSQL: its files in `data`, a socket in `run`, no port; as a user that is not root."""

    def __init__(self, data, run_folder):
        self.bin, self.data, self.run, self.server = postgres_programs(), data, run_folder, None
        self.user = pwd.getpwnam("nobody") if ROOT else None
        for folder in (data, run_folder):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, 0o700)
            if self.user:
                os.chown(folder, self.user.pw_uid, self.user.pw_gid)

    def command(self, name, *arguments):
        become = ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups",
                  "--"] if self.user else []
        return [*become, f"{self.bin}/{name}", *arguments]

    def call(self, name, *arguments, timeout=600):
        return run(*self.command(name, *arguments), timeout=timeout, cwd="/",
                   env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": self.run, "PGHOST": self.run,
                        "PGUSER": "tester"})

    def init(self):
        self.call("initdb", "-D", self.data, "-U", "tester", "--auth=trust", "--data-checksums", "--locale=C.UTF-8")

    def start(self):
        with open(f"{self.run}.log", "ab") as log:
            self.server = subprocess.Popen(
                self.command("postgres", "-D", self.data, "-k", self.run, "-c", "listen_addresses=",
                             "-c", "shared_buffers=16MB", "-c", "max_connections=20", "-c", "fsync=on"),
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"LC_ALL": "C.UTF-8"})
        wait_until(self.is_ready, 120, "PostgreSQL takes connections")

    def is_ready(self):
        assert self.server.poll() is None, open(f"{self.run}.log").read()[-3000:]
        return outcome_of(self.command("pg_isready", "-h", self.run, "-q")) == 0

    def ask(self, question):
        return self.call("psql", "-X", "-A", "-t", "-d", "postgres", "-c", question).stdout.decode().strip()

    def stop(self):
        self.server.send_signal(signal.SIGINT)   # a fast, orderly stop
        assert self.server.wait(120) == 0, open(f"{self.run}.log").read()[-3000:]
        self.server = None

    def close(self):
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(signal.SIGQUIT)
            self.server.wait(60)


def outcome_of(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          timeout=30).returncode


@pytest.fixture
def cluster(make_store):
    """A cluster on a mount of its own, in a container of its own."""
    store = make_store().mount(options="allow_other" if ROOT else "", http=False)
    os.chmod(store.base, 0o755)
    os.chmod(os.path.dirname(store.base), 0o755)
    made = Cluster(f"{store.container('pg')}/data", f"{store.base}/pg")
    made.store = store
    yield made
    made.close()


def balanced(cluster):
    """pgbench's own books: what every transaction added is in the history and in each of the balances."""
    history = cluster.ask("select coalesce(sum(delta), 0) from pgbench_history")
    for table, column in (("accounts", "abalance"), ("tellers", "tbalance"), ("branches", "bbalance")):
        assert cluster.ask(f"select sum({column}) from pgbench_{table}") == history, table
    return int(cluster.ask("select count(*) from pgbench_history"))


def test_postgresql_lives_on_the_mount(cluster):
    transactions = scaled(300, 20_000, "pgbench transactions of each client")
    cluster.init()
    cluster.start()
    cluster.call("pgbench", "-i", "-q", "-s", "1", "postgres")
    cluster.call("pgbench", "-n", "-c", "4", "-t", str(transactions), "postgres", timeout=3600)
    assert balanced(cluster) == 4 * transactions
    cluster.stop()
    cluster.call("pg_checksums", "--check", "-D", cluster.data)
    cluster.store.umount()
    cluster.store.mount(options="allow_other" if ROOT else "", http=False)
    cluster.start()
    assert balanced(cluster) == 4 * transactions
    cluster.stop()


def test_postgresql_recovers_after_the_daemon_was_killed(cluster):
    """kill -9 of the daemon under pgbench: PostgreSQL ends, and after a new mount its recovery finds every
    transaction it had acknowledged."""
    cluster.init()
    cluster.start()
    cluster.call("pgbench", "-i", "-q", "-s", "1", "postgres")
    load = subprocess.Popen(cluster.command("pgbench", "-n", "-c", "2", "-T", "600", "postgres"), cwd="/",
                            env={"PGHOST": cluster.run, "PGUSER": "tester", "LC_ALL": "C.UTF-8"},
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: int(cluster.ask("select count(*) from pgbench_history")) > 200, 120, "transactions are done")
        acknowledged = int(cluster.ask("select count(*) from pgbench_history"))
        cluster.store.kill()
    finally:
        load.kill()
        load.wait()
        cluster.server.send_signal(signal.SIGQUIT)
        cluster.server.wait(60)
        cluster.server = None
    cluster.store.mount(options="allow_other" if ROOT else "", http=False)
    cluster.start()
    assert balanced(cluster) >= acknowledged
    cluster.stop()
    cluster.call("pg_checksums", "--check", "-D", cluster.data)
    note(f"transactions over kill -9: {acknowledged} acknowledged")
