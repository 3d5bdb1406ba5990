"""What rights a daemon has while it serves: none but those of the store's owner, however it was started; and that what it
needs afterwards still works: unmounting, ports, certificates, logs, its control socket."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from harness import BIN, OWNER, detach, is_mounted, outcome, pattern, read_file, run, said, shell, wait_until, write_file
from test_cli import Adopted, refused

pytestmark = pytest.mark.needs_root   # daemons are started as root and as others


def rights_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return {name: value.split() for name, value in (line.split(":", 1) for line in file)}


def ids_of(user):
    return [run("id", flag, user).stdout.decode().strip() for flag in ("-u", "-g", "-G")]


def check_rights(pid, uid, gid, groups, bounded=True):
    """Every thread's: capabilities are a thread's own."""
    threads = os.listdir(f"/proc/{pid}/task")
    assert len(threads) > 3
    for thread in threads:
        rights = rights_of(f"{pid}/task/{thread}")
        assert rights["Uid"] == [uid] * 4 and rights["Gid"] == [gid] * 4, rights
        assert sorted(rights["Groups"]) == sorted(groups)
        for which in ("CapInh", "CapPrm", "CapEff", "CapAmb") + (("CapBnd",) if bounded else ()):
            assert int(rights[which][0], 16) == 0, f"{thread}: {which}"
        assert rights["NoNewPrivs"] == ["1"]
    # Not dumpable: what /proc says of it is root's, so nobody can attach to it or read its memory.
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0


def keepers_of(pid):
    return [int(child) for child in read_file(f"/proc/{pid}/task/{pid}/children").split()]


def test_a_daemon_started_as_root_is_the_stores_owner_without_capabilities(store):
    uid, gid, groups = ids_of(OWNER)
    check_rights(store.pid, uid, gid, groups.split())
    soft, hard = re.search(r"Max open files +(\d+) +(\d+)", read_file(f"/proc/{store.pid}/limits").decode()).groups()
    assert soft == hard
    if int(rights_of("self")["CapEff"][0], 16) >> 24 & 1:   # sys_resource
        assert int(hard) >= 1 << 20
    write_file(f"{store.container()}/f", pattern(1, 300_000))
    store.sync()
    for folder, folders, files in os.walk(store.dir):
        for name in folders + files:
            assert os.lstat(f"{folder}/{name}").st_uid == int(uid), name
    store.umount()


def test_its_keeper_has_four_capabilities_and_nothing_of_the_store(store):
    (keeper,) = keepers_of(store.pid)
    rights = rights_of(keeper)
    assert rights["Name"] == ["reelfs-keeper"] and rights["NoNewPrivs"] == ["1"]
    allowed = 1 << 0 | 1 << 1 | 1 << 10 | 1 << 21   # chown, dac_override, net_bind_service, sys_admin
    for which in ("CapPrm", "CapEff", "CapBnd"):
        assert int(rights[which][0], 16) & ~allowed == 0
    held = [os.readlink(f"/proc/{keeper}/fd/{fd}") for fd in os.listdir(f"/proc/{keeper}/fd")]
    assert all(name == "/dev/null" or name.startswith("socket:") for name in held), held
    assert sum(name.startswith("socket:") for name in held) == 1, "its line to the daemon, and no other"
    # Signals that are for the daemon do not end it; the daemon's end does.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(keeper, number)
    store.umount()
    wait_until(lambda: Adopted(keeper).poll() is not None, 10, "the keeper ends with its daemon")


def test_the_keeper_ends_with_a_daemon_that_is_killed(store):
    (keeper,) = keepers_of(store.pid)
    store.kill()
    wait_until(lambda: Adopted(keeper).poll() is not None, 10, "the keeper ends with its daemon")
    store.mount()


def test_a_daemon_whose_keeper_is_gone_says_so_and_still_stops(store):
    (keeper,) = keepers_of(store.pid)
    write_file(f"{store.container()}/f", b"kept")
    os.kill(keeper, signal.SIGKILL)
    store.daemon.terminate()
    assert store.daemon.wait(30) != 0
    assert "keeper" in store.log_tail()
    detach(store.path)
    store.mount()
    assert read_file(f"{store.path}/media/f") == b"kept"


def test_a_store_of_roots_keeps_working_without_capabilities_and_says_how_to_hand_it_over(make_store):
    store = make_store(init_options=["--owner", "root"])
    store.mount()
    check_rights(store.pid, "0", "0", [])
    assert f"chown -R reelfs: '{store.dir}'" in store.log_tail()
    write_file(f"{store.container()}/f", b"root's")
    store.umount()
    run("chown", "-R", f"{OWNER}:", store.dir)
    store.mount()
    uid, gid, groups = ids_of(OWNER)
    check_rights(store.pid, uid, gid, groups.split())
    assert "belongs to root" not in store.log_tail()
    assert read_file(f"{store.path}/media/f") == b"root's"
    store.umount()


def test_a_store_that_is_only_partly_the_owners_is_a_clear_error(make_store):
    store = make_store()
    os.chown(f"{store.dir}/catalog/catalog.db", 0, 0)
    refused(store, "mount", store.dir, store.path, "--foreground", "--key-file", store.key,
            words=["catalog.db does not belong to the store's owner", f"chown -R {OWNER}:"])
    assert not is_mounted(store.path)


def test_short_commands_of_root_leave_the_owners_files_his(make_store):
    store = make_store(zones=1)
    options = ("--store", store.dir, "--key-file", store.key)
    store.cli("container", "create", "films", *options)
    store.cli("user", "create", "ann", *options)
    store.cli("sync", store.dir, "--key-file", store.key)
    uid = int(ids_of(OWNER)[0])
    for root in (store.dir, *store.zones):
        assert os.lstat(root).st_uid == uid
        for folder, folders, files in os.walk(root):
            for name in folders + files:
                assert os.lstat(f"{folder}/{name}").st_uid == uid, name
    store.mount()
    assert os.listdir(store.path) == ["films"] and os.lstat(f"{store.path}/films").st_uid == 0


# Owners of new stores

def test_init_says_who_owns_the_store_and_takes_a_name_or_a_number(make_store, scratch):
    store = make_store(init=False)
    made = json.loads(store.cli("init", store.dir, "--key-file", store.key, "--owner", ids_of(OWNER)[0], "--json").stdout)
    assert made["owner"] == OWNER and os.stat(store.dir).st_uid == int(ids_of(OWNER)[0])
    assert os.stat(store.key).st_uid == 0, "the key stays with whoever opens the store with it"
    text = said(store.cli("init", f"{scratch}/second", "--key-file", store.key, "--owner", OWNER))
    assert OWNER in text
    refused(store, "init", f"{scratch}/third", "--key-file", store.key, "--owner", "nobody-of-this-name",
            words=["no user nobody-of-this-name"])
    assert not os.path.exists(f"{scratch}/third")


def test_init_in_a_folder_of_an_ordinary_user_makes_it_his(make_store):
    store = make_store(init=False)
    os.mkdir(store.dir)
    os.chown(store.dir, 65534, 65534)
    store.cli("init", store.dir, "--key-file", store.key)
    assert {os.lstat(f"{store.dir}/{name}").st_uid for name in os.listdir(store.dir)} == {65534}
    store.mount()
    check_rights(store.pid, "65534", "65534", ["65534"])
    store.umount()


def test_init_where_the_owner_cannot_come_is_refused_before_anything_is_made(make_store, scratch):
    store = make_store(init=False)
    os.mkdir(f"{scratch}/closed", 0o700)
    refused(store, "init", f"{scratch}/closed/store", "--key-file", store.key, "--owner", OWNER,
            words=[f"{scratch}/closed is closed to user {OWNER}", "--owner root", "Nothing was made"])
    assert os.listdir(f"{scratch}/closed") == [] and not os.path.exists(store.key)
    store.cli("init", f"{scratch}/closed/store", "--key-file", store.key, "--owner", "root")


def test_without_the_system_user_the_store_stays_roots_and_init_says_how_to_change_that(make_store):
    """In a name space in which the user reelfs is not known, whether or not it is on this machine."""
    store = make_store(init=False)
    without, groups = f"{store.base}/passwd", f"{store.base}/group"
    write_file(without, b"".join(line for line in open("/etc/passwd", "rb") if not line.startswith(b"reelfs:")))
    script = f"mount --bind '{without}' /etc/passwd; exec '{BIN}' init '{store.dir}' --key-file '{store.key}'"
    text = said(run("unshare", "--mount", "--propagation", "private", "bash", "-c", script, env=store.env))
    assert "there is no user reelfs here" in text and "useradd --system" in text and "chown -R reelfs:" in text
    assert os.stat(store.dir).st_uid == 0
    # With it the store is that user's, without a word on the command line.
    with open(without, "ab") as file:
        file.write(b"reelfs:x:64321:64321::/nonexistent:/usr/sbin/nologin\n")
    script = f"mount --bind '{without}' /etc/passwd; exec '{BIN}' init '{store.dir}2' --key-file '{store.key}2'"
    text = said(run("unshare", "--mount", "--propagation", "private", "bash", "-c", script, env=store.env))
    assert "Its owner, whom its daemon runs as: reelfs" in text
    assert os.stat(f"{store.dir}2").st_uid == os.stat(f"{store.dir}2/keyring").st_uid == 64321


# What still works afterwards

def test_the_control_socket_answers_root_and_the_owner_only(store, scratch):
    record = json.loads(read_file(f"{store.dir}/lock"))
    found = os.stat(record["socket"])
    uid, gid, _ = ids_of(OWNER)
    assert found.st_mode & 0o777 == 0o600 and found.st_uid == int(uid)
    program = f"{scratch}/reelfs"
    shutil.copy(BIN, program)
    os.chmod(program, 0o755)

    def status_as(user):
        return run("setpriv", "--reuid", user, "--regid", user, "--clear-groups", program, "status", store.dir, "--json",
                   env=store.env, check=False)
    assert json.loads(status_as(uid).stdout)["pid"] == store.pid
    stranger = status_as("65534")
    assert stranger.returncode != 0 and OWNER in said(stranger)
    store.umount()
    assert not os.path.exists(record["socket"])


def test_lazily_unmounted_by_root_it_ends_in_order(store):
    write_file(f"{store.container()}/f", b"x" * 100_000)
    run("umount", "-l", store.path)
    assert store.daemon.wait(30) == 0, store.log_tail()
    store.mount()
    assert read_file(f"{store.path}/media/f") == b"x" * 100_000


def test_a_busy_mount_is_detached_at_the_end(store):
    path = f"{store.container()}/f"
    write_file(path, b"x" * 100_000)
    with open(path, "rb") as file:
        store.daemon.terminate()
        assert store.daemon.wait(30) == 0, store.log_tail()
        assert not is_mounted(store.path)
        assert outcome(os.pread, file.fileno(), 1, 5_000_000) is not None
    store.daemon = None
    store.mount()
    assert read_file(path) == b"x" * 100_000


def free_low_port():
    for port in range(600, 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no low port is free")


def test_a_port_below_1024_and_files_only_root_may_read(make_store):
    """Bound before rights are given up; certificate and key are read again on SIGHUP, from a folder closed to the
    owner; so is the log opened again."""
    store = make_store()
    closed = f"{store.base}/closed"
    os.mkdir(closed, 0o700)

    def certificate(name):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{closed}/new.key", "-out", f"{closed}/new.pem")
        for kind in ("key", "pem"):   # as certbot does: a link that leads to each new file
            os.rename(f"{closed}/new.{kind}", f"{closed}/{name}.{kind}")
            os.chmod(f"{closed}/{name}.{kind}", 0o600)
            os.symlink(f"{name}.{kind}", f"{closed}/link")
            os.rename(f"{closed}/link", f"{closed}/tls.{kind}")

    def served_name(address):
        return shell(f"openssl s_client -connect {address} </dev/null 2>/dev/null | "
                     "openssl x509 -noout -subject").stdout.decode()

    certificate("first")
    port = free_low_port()
    done = store.cli("mount", store.dir, store.path, "--key-file", store.key, "--http", f"127.0.0.1:{port}",
                     "--https", "127.0.0.1:0", "--tls-certificate", f"{closed}/tls.pem", "--tls-key", f"{closed}/tls.key",
                     "--json")
    made = json.loads(done.stdout)
    store.daemon, store.pid, store.log_start = Adopted(made["pid"]), made["pid"], 0
    store.take_addresses()
    write_file(store.log, b"", "ab")
    assert store.http == f"127.0.0.1:{port}"
    write_file(f"{store.container()}/f", b"low")
    assert store.get(f"{store.path}/media/f")[2] == b"low"
    assert "first" in served_name(made["https"])
    log = made["log"]
    os.rename(log, f"{log}.1")
    certificate("second")
    os.kill(store.pid, signal.SIGHUP)
    try:
        wait_until(lambda: os.path.exists(log) and b"certificate" in read_file(log), 20, "the log is opened again")
        assert b"certificate reloaded" in read_file(log), read_file(log)
        assert "second" in served_name(made["https"])
        assert os.stat(log).st_mode & 0o777 == 0o600 and os.stat(log).st_uid == 0
    finally:
        os.unlink(f"{log}.1")
    store.umount()


# As sudo, and as an ordinary user

def test_under_sudo_it_is_as_for_root(make_store):
    store = make_store(init=False)
    store.env.update(SUDO_USER="daemon", SUDO_UID="1", SUDO_GID="1")
    store.cli("init", store.dir, "--key-file", store.key, "--owner", OWNER)
    store.mount()
    uid, gid, groups = ids_of(OWNER)
    check_rights(store.pid, uid, gid, groups.split())
    store.umount()


ORDINARY = """
set -eu
mount -t tmpfs none "$BASE/dev"
mknod -m 666 "$BASE/dev/fuse" c 10 229
mount --bind "$BASE/dev/fuse" /dev/fuse
exec setpriv --reuid 65534 --regid 65534 --clear-groups bash -euc '
    "$BIN" init "$BASE/store" --key-file "$BASE/home/u.key" >/dev/null
    "$BIN" mount "$BASE/store" "$BASE/mnt" --key-file "$BASE/home/u.key" --json
    read -r go
    "$BIN" umount "$BASE/mnt"
    echo all done
'
"""


@pytest.fixture
def ordinary(scratch):
    """An ordinary user's shell that has mounted a store, in a mount name space with a /dev/fuse it may open."""
    base = f"{scratch}/user"
    for name in ("", "/dev", "/home", "/mnt", "/run"):
        os.mkdir(base + name)
    shutil.copy(BIN, f"{scratch}/reelfs")
    os.chmod(f"{scratch}/reelfs", 0o755)
    for folder, _, _ in os.walk(base):
        os.chown(folder, 65534, 65534)
    os.chmod(f"{base}/run", 0o700)
    env = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    env.update(BASE=base, BIN=f"{scratch}/reelfs", HOME=f"{base}/home", XDG_RUNTIME_DIR=f"{base}/run", LC_ALL="C.UTF-8")
    session = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "bash", "-c", ORDINARY], env=env,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    session.base, session.program = base, f"{scratch}/reelfs"
    session.made = json.loads(session.stdout.readline())
    yield session
    if session.poll() is None:
        session.communicate(b"go\n", timeout=60)


def test_an_ordinary_users_daemon_can_gain_nothing_and_still_unmounts(ordinary):
    check_rights(ordinary.made["pid"], "65534", "65534", [], bounded=False)
    output, _ = ordinary.communicate(b"go\n", timeout=60)
    assert ordinary.returncode == 0 and b"all done" in output, output


def run_beside(session, *command):
    """A command in the session's mount name space."""
    return run("nsenter", "--target", str(session.made["pid"]), "--mount", *command, check=False)


def test_unmounting_what_is_anothers_says_so_at_once_in_fusermounts_words(ordinary):
    """It used to wait for the mount to become idle, and then said that it is busy."""
    for force in ([], ["--force"]):
        done = run_beside(ordinary, "setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups", ordinary.program,
                          "umount", f"{ordinary.base}/mnt", *force)
        text = said(done)
        assert done.returncode == 1 and "is not yours to unmount" in text and "fusermount3:" in text, text
        assert "sudo reelfs umount" in text and "waiting" not in text and len(text.strip().splitlines()) == 1, text


def test_a_mount_that_fusermount_refuses_fails_in_its_words(ordinary):
    """A mountpoint that is not the user's: only the set-uid program finds out."""
    roots = f"{os.path.dirname(ordinary.base)}/root's"
    os.mkdir(roots, 0o755)
    script = (f"'{ordinary.program}' init '{ordinary.base}/run/second' --key-file '{ordinary.base}/run/k' >/dev/null && "
              f"'{ordinary.program}' mount '{ordinary.base}/run/second' \"{roots}\" --foreground "
              f"--key-file '{ordinary.base}/run/k'")
    done = run_beside(ordinary, "env", f"HOME={ordinary.base}/home", f"XDG_RUNTIME_DIR={ordinary.base}/run", "setpriv",
                      "--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", script)
    assert done.returncode != 0 and "fusermount3:" in said(done), said(done)


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
