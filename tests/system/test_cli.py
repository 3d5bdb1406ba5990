"""The command line: what each command does, and clear errors for everything that is wrong."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness import (BIN, SOURCE, detach, is_mounted, outcome, pattern, read_file, run, said, shell, wait_until,
                     write_file, write_synced)
from test_at_rest import digest_of

ROOT = os.geteuid() == 0


def refused(store, *command, words=(), code=None):
    """Runs a command that must fail with few lines that say why; nothing else may break."""
    done = store.cli(*command, check=False)
    text = said(done)
    assert done.returncode > 0, f"{command} succeeded or died by a signal: {done.returncode}\n{text}"
    assert 0 < len(text.strip().splitlines()) <= 12, f"{command}: {text}"
    assert "terminate called" not in text and "what():" not in text
    for word in words:
        assert re.search(word, text, re.IGNORECASE), f"{command}: no {word!r} in: {text}"
    if code is not None:
        assert done.returncode == code
    return done


def background(store, *arguments, **options):
    """mount without --foreground: returns when the tree is usable. Remembers the daemon for the clean-up."""
    done = store.cli("mount", store.dir, store.path, "--key-file", store.key, "--http", "127.0.0.1:0", *arguments,
                     check=False, **options)
    if done.returncode == 0:
        adopt(store)
    return done


def adopt(store):
    """Takes charge of the daemon that serves the store in the background."""
    status = store.status()
    store.daemon, store.pid, store.log_start = Adopted(status["pid"]), status["pid"], 0
    store.take_addresses()
    write_file(store.log, b"", "ab")


class Adopted:
    """A daemon that is not our child, with the part of Popen that Store uses."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None and not os.path.exists(f"/proc/{self.pid}"):
            self.returncode = 0
        elif self.returncode is None and "State:\tZ" in open(f"/proc/{self.pid}/status").read():
            self.returncode = 0
        return self.returncode

    def terminate(self):
        os.kill(self.pid, signal.SIGTERM)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds=30):
        try:
            wait_until(lambda: self.poll() is not None, seconds, "the daemon ends")
        except AssertionError:
            raise subprocess.TimeoutExpired("daemon", seconds)
        return self.returncode


# The ordinary way

def test_first_session(make_store):
    """init, mount, use, status, sync, umount, mount again; the key is found by the store's id."""
    store = make_store(init=False)
    text = said(store.cli("init", store.dir))
    key = re.search(r"/\S*/reelfs/\S*\.key", text)[0]
    assert key.startswith("/etc/reelfs/keys/" if ROOT else f"{store.base}/home/.config/reelfs/")
    try:
        first_session(store, text, key)
    finally:
        os.unlink(key)


def first_session(store, text, key):
    assert os.stat(key).st_mode & 0o777 == 0o600
    assert "recovery" in text.lower() and re.search("lose|lost", text.lower())
    store.key = key
    done = store.cli("mount", store.dir, store.path, "--http", "127.0.0.1:0")
    adopt(store)
    assert is_mounted(store.path), said(done)
    path = f"{store.container()}/f.mp4"
    write_file(path, b"first")
    assert store.get(path)[2] == b"first"
    store.cli("sync", store.dir)
    assert store.path in said(store.cli("status", store.dir))
    store.cli("umount", store.path)
    assert not is_mounted(store.path)
    assert store.daemon.wait(10) == 0
    assert store.status()["running"] is False
    store.cli("mount", store.dir, store.path)
    adopt(store)
    assert read_file(path) == b"first"
    store.cli("umount", store.path)


def test_version_and_help(make_store):
    store = make_store(init=False)
    version = open(f"{SOURCE}/VERSION").read().strip()
    assert version in said(store.cli("version"))
    for command in ([], ["init"], ["mount"], ["umount"], ["sync"], ["serve"], ["container"], ["container", "create"],
                    ["status"]):
        assert "sage" in said(store.cli(*command, "--help"))


def test_status_is_json_for_scripts(make_store):
    store = make_store()
    stopped = json.loads(store.cli("status", store.dir, "--json", "--key-file", store.key).stdout)
    assert stopped["running"] is False
    store.mount(admin=True)
    running = json.loads(store.cli("status", store.dir, "--json").stdout)
    assert running["running"] is True and running["id"] == stopped["id"]
    assert running["pid"] == store.pid
    assert re.fullmatch(r"127\.0\.0\.1:\d+", running["http"]) and running["admin"] != running["http"]
    assert running["mountpoint"] == store.path


def test_status_tells_damage_that_was_met_and_space_that_is_held_back(make_store):
    store = make_store().mount()
    path = f"{store.container()}/f"
    write_file(path, pattern(1, 1 << 20))
    store.umount()
    packs = [f"{folder}/{name}" for folder, _, names in os.walk(f"{store.dir}/packs") for name in names]
    pack = max(packs, key=os.path.getsize)
    with open(pack, "r+b") as file:
        file.seek(os.path.getsize(pack) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    store.mount()
    assert store.status()["damaged_reads"] == 0 and "DAMAGE" not in said(store.cli("status", store.dir))
    assert outcome(read_file, path) == "EIO"
    assert store.status()["damaged_reads"] > 0
    text = said(store.cli("status", store.dir))
    assert re.search(r"^DAMAGE: +\d+ reads met bytes that are not authentic", text, re.MULTILINE), text
    assert re.search(r"^held back: +\S+ MiB in reserve", text, re.MULTILINE), text
    # Deleted, and held back for as long as somebody reads it.
    write_file(f"{path}2", pattern(2, 4 << 20))
    os.unlink(f"{path}2")
    wait_until(lambda: store.status()["space"]["freed_bytes"] == 0, 30, "what was deleted is given back")


def documented_in_json_section():
    """The words of the manual's section on JSON that are set as literals."""
    text = read_file(f"{SOURCE}/man/reelfs.1").decode()
    section = text[text.index(".Sh JSON"):text.index(".Sh EXIT STATUS")]
    return {word for line in re.findall(r"^\.Li (.*)$", section, re.MULTILINE) for word in line.split() if word not in ",."}


def keys_in(value):
    if isinstance(value, list):
        return set().union(*map(keys_in, value)) if value else set()
    return set(value).union(*map(keys_in, value.values())) if isinstance(value, dict) else set()


def test_json_is_what_the_manual_says(make_store):
    """Every member that is printed is documented, and every documented one is printed."""
    store = make_store(init=False)
    seen = set()

    def take(*command):
        done = store.cli(*command, "--json")
        seen.update(keys_in(json.loads(done.stdout)))
        return json.loads(done.stdout)

    take("init", store.dir, "--key-file", store.key)
    take("version")
    take("status", store.dir)
    at = ("--store", store.dir, "--key-file", store.key)
    take("container", "create", "films", *at)
    take("container", "create", "empty", *at)
    take("status", store.dir, "--key-file", store.key)
    take("mount", store.dir, store.path, "--key-file", store.key, "--http", "127.0.0.1:0")
    adopt(store)
    take("container", "list", *at)
    take("container", "describe", "films", *at)
    assert take("container", "delete", "empty", *at) == {}
    for change in ("create", "rotate", "disable", "enable"):
        take("user", change, "ann", *at)
    take("user", "list", *at)
    assert take("user", "delete", "ann", *at) == {}
    token = take("token", "create", "--container", "films", "--prefix", "live", "--actions", "put", "--expires", "1h", *at)
    take("token", "list", *at)
    assert take("token", "revoke", token["Id"], *at) == {}
    take("sync", store.dir)
    running = take("status", store.dir)
    assert running["damaged_reads"] == 0 and running["space"]["reserve_bytes"] > 0
    documented = documented_in_json_section()
    times = re.compile(r"\d{4}-\d\d-\d\dT")
    documented = {word for word in documented if not times.match(word)}
    assert seen - documented == set(), "printed and not documented"
    assert documented - seen - {"error"} == set(), "documented and not printed"


def test_containers_by_command_line_with_and_without_a_daemon(make_store):
    store = make_store()

    def cli(*command, **options):
        return store.cli("container", *command, "--store", store.dir, "--key-file", store.key, **options)

    cli("create", "films")
    assert said(cli("list")).split()[0] == "films" or "films" in said(cli("list"))
    assert refused(store, "container", "create", "films", "--store", store.dir, "--key-file", store.key,
                   words=["films", "exists"])
    store.mount()
    assert os.listdir(store.path) == ["films"]
    cli("create", "music")
    assert sorted(os.listdir(store.path)) == ["films", "music"], "through the running daemon"
    write_file(f"{store.path}/music/f", b"x")
    described = json.loads(cli("describe", "music", "--json").stdout)
    assert "music" in json.dumps(described)
    assert {"films", "music"} <= set(re.findall(r"\w+", cli("list", "--json").stdout.decode()))
    refused(store, "container", "delete", "music", "--store", store.dir, "--key-file", store.key, words=["empty"])
    os.unlink(f"{store.path}/music/f")
    cli("delete", "music")
    assert os.listdir(store.path) == ["films"]
    refused(store, "container", "delete", "none", "--store", store.dir, "--key-file", store.key, words=["none"])
    refused(store, "container", "describe", "none", "--store", store.dir, "--key-file", store.key, words=["none"])
    for name in ("with space", "a/b", "", "ümlaut", "n" * 256, ".."):
        refused(store, "container", "create", name, "--store", store.dir, "--key-file", store.key)
    store.umount()
    assert "films" in said(cli("list"))


def test_serve_without_a_mount(make_store):
    store = make_store().mount()
    write_file(f"{store.container()}/f.mp4", pattern(1, 100_000))
    store.umount()
    with open(store.log, "ab") as log:
        store.daemon = subprocess.Popen([BIN, "serve", store.dir, "--key-file", store.key,
                                         "--http", "127.0.0.1:0"],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=store.env)
    wait_until(lambda: store.take_addresses() or store.http, 20, "serve answers")
    assert store.request("GET", "/media/f.mp4")[2] == pattern(1, 100_000)
    store.daemon.terminate()
    assert store.daemon.wait(10) == 0, "SIGTERM is an orderly end"


def test_sigterm_ends_a_mount_in_order(make_store):
    store = make_store().mount()
    write_file(f"{store.container()}/f", b"x" * 100_000)
    store.daemon.terminate()
    assert store.daemon.wait(15) == 0
    assert not is_mounted(store.path)
    store.mount()
    assert read_file(f"{store.path}/media/f") == b"x" * 100_000


def test_paths_with_spaces(make_store, scratch):
    store = make_store("a base with spaces", folder="the store")
    store.path = f"{store.base}/the mount point"
    os.mkdir(store.path)
    assert background(store).returncode == 0
    write_file(f"{store.container()}/f", b"x")
    assert store.get(f"{store.path}/media/f")[2] == b"x"
    store.umount()


def test_relative_paths(make_store):
    store = make_store()
    done = store.cli("mount", "store", "mnt", "--key-file", "the.key", cwd=store.base)
    adopt(store)
    assert is_mounted(store.path), said(done)
    store.cli("status", "store", cwd=store.base)
    store.cli("umount", "mnt", cwd=store.base)


# One store, one daemon

def test_second_daemon_is_refused_naming_the_first(make_store, scratch):
    store = make_store().mount()
    os.mkdir(f"{scratch}/elsewhere")
    refused(store, "mount", store.dir, f"{scratch}/elsewhere", "--key-file", store.key, words=[str(store.pid)])
    refused(store, "serve", store.dir, "--http", "127.0.0.1:0", "--key-file", store.key, words=[str(store.pid)])
    assert not is_mounted(f"{scratch}/elsewhere")
    assert store.alive()


def test_dead_mount_is_seen_and_cleared(make_store):
    store = make_store().mount()
    write_file(f"{store.container()}/f", b"x")
    os.kill(store.pid, signal.SIGKILL)
    store.daemon.wait()
    assert outcome(os.listdir, store.path) == "ENOTCONN"
    refused(store, "mount", store.dir, store.path, "--key-file", store.key, "--foreground", words=["umount", "force"])
    store.cli("umount", store.path, "--force")
    assert not is_mounted(store.path) and os.listdir(store.path) == []
    store.mount()
    assert read_file(f"{store.path}/media/f") == b"x"


def test_busy_mount_stays_and_says_so_and_force_ends_it(make_store):
    store = make_store().mount()
    path = f"{store.container()}/f"
    held = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(held, b"x")
    refused(store, "umount", store.path, words=["busy|in use"], code=4)
    assert store.alive() and read_file(path) == b"x"
    started = time.monotonic()
    store.cli("umount", store.path, "--force")
    assert time.monotonic() - started < 60  # it ends, also on a slow machine
    assert not is_mounted(store.path)
    outcome(os.close, held)
    assert store.daemon.wait(20) == 0
    store.daemon = None
    store.mount()
    assert read_file(f"{store.path}/media/f") == b"x"


# Bad input

def test_unknown_options_are_named(make_store):
    store = make_store()
    refused(store, "mount", store.dir, store.path, "--bogus", words=["bogus"])
    refused(store, "mount", store.dir, store.path, "--foreground", "--key-file", store.key, "-o", "bogus=1",
            words=["bogus"])
    refused(store, "bogus", words=["bogus"])
    refused(store, "init", words=["STORE"])
    refused(store, "init", f"{store.base}/new", "--block-size", "5000", words=["block"])
    refused(store, "mount", store.dir, store.path, "--foreground", "--key-file", store.key, "--http", "nonsense",
            words=["nonsense"])
    refused(store, "mount", store.dir, store.path, "--foreground", "--key-file", store.key, "-o", "container=absent",
            words=["absent"])
    assert not is_mounted(store.path)


def test_mountpoints_that_cannot_be_used(make_store):
    store = make_store()
    options = ["--key-file", store.key]
    refused(store, "mount", store.dir, f"{store.base}/absent", *options, words=["absent"])
    write_file(f"{store.base}/file", b"")
    refused(store, "mount", store.dir, f"{store.base}/file", *options, words=["director"])
    other = make_store("other").mount()
    refused(store, "mount", store.dir, other.path, *options, words=["mount"])
    assert other.alive() and os.listdir(other.path) == []
    refused(store, "mount", store.dir, store.dir, *options)
    refused(store, "umount", store.path, words=["not mounted|no mount|not a mount"])
    refused(store, "umount", f"{store.base}/absent", words=["absent"])
    store.mount()
    assert store.alive()


def test_stores_that_are_none(make_store):
    store = make_store()
    options = ["--key-file", store.key]
    refused(store, "mount", f"{store.base}/absent", store.path, *options, words=["absent"])
    os.mkdir(f"{store.base}/empty")
    refused(store, "mount", f"{store.base}/empty", store.path, *options, words=["store"])
    refused(store, "status", f"{store.base}/absent", words=["absent"])
    refused(store, "sync", f"{store.base}/absent", words=["absent"])
    store.cli("sync", store.dir, *options)
    refused(store, "init", store.dir, "--key-file", f"{store.base}/new.key", words=["store"])
    assert not os.path.exists(f"{store.base}/new.key")
    os.mkdir(f"{store.base}/full")
    write_file(f"{store.base}/full/somebody's", b"file")
    refused(store, "init", f"{store.base}/full", "--key-file", f"{store.base}/n.key", words=["empty"])
    assert os.listdir(f"{store.base}/full") == ["somebody's"]


def test_names_that_can_be_no_store_say_what_one_is(make_store):
    """Once these were raw system errors."""
    store = make_store()
    file = f"{store.base}/a file"
    write_file(file, b"")
    for command in (["status"], ["sync"], ["mount"], ["container", "list", "--store"]):
        place = [store.path] if command == ["mount"] else []
        refused(store, *command, file, *place, words=["a file is a file, and a store is a directory"])
        refused(store, *command, "", *place, words=["the name of the store is empty"], code=2)
    refused(store, "init", "", "--key-file", f"{store.base}/n.key", words=["the name of the store is empty"], code=2)
    refused(store, "init", file, "--key-file", f"{store.base}/n.key", words=["is a file"])
    refused(store, "mount", store.dir, "", "--key-file", store.key, words=["the mountpoint is empty"], code=2)
    refused(store, "umount", "", words=["the mountpoint is empty"], code=2)
    assert not os.path.exists(f"{store.base}/n.key") and os.path.getsize(file) == 0


def test_key_files_that_cannot_be_used(make_store):
    store = make_store(init=False)
    refused(store, "init", store.dir, "--key-file", f"{store.dir}/inside.key", words=["inside|store"])
    assert not os.path.exists(f"{store.dir}/inside.key")
    store.cli("init", store.dir, "--key-file", store.key)
    refused(store, "mount", store.dir, store.path, "--key-file", f"{store.base}/absent.key", words=["absent.key"])
    shutil.copy(store.key, f"{store.dir}/inside.key")
    refused(store, "mount", store.dir, store.path, "--key-file", f"{store.dir}/inside.key", words=["inside|store"])
    os.unlink(f"{store.dir}/inside.key")
    shutil.copy(store.key, f"{store.path}/under.key")
    refused(store, "mount", store.dir, store.path, "--key-file", f"{store.path}/under.key", words=["under|mountpoint"])
    os.unlink(f"{store.path}/under.key")
    refused(store, "mount", store.dir, store.path, words=["key"])   # not found by the store's id
    os.chmod(store.key, 0o644)
    done = store.cli("container", "list", "--store", store.dir, "--key-file", store.key, check=False)
    assert "600" in said(done) or "permission" in said(done).lower() or "mode" in said(done).lower()


def test_newer_format_is_refused_and_untouched(make_store):
    """reelfs-format(5): the keyring's version is at 8, and its last 32 bytes are BLAKE2b of those before."""
    store = make_store()
    keyring = f"{store.dir}/keyring"
    data = bytearray(read_file(keyring)[:-32])
    assert hashlib.blake2b(data, digest_size=32).digest() == read_file(keyring)[-32:] and data[8:10] == b"\1\0"
    data[8] = 2
    write_file(keyring, data + hashlib.blake2b(data, digest_size=32).digest())
    before = digest_of(store.dir)
    refused(store, "mount", store.dir, store.path, "--foreground", "--key-file", store.key,
            words=["newer|version|format"], code=7)
    assert digest_of(store.dir) == before


def test_a_zone_given_twice_is_refused_before_anything_is_made(make_store):
    """Once a store was made that nobody could open."""
    store = make_store(init=False, zones=1)
    for zones in ((store.zones[0], f"{store.zones[0]}/../zone1"), (store.dir,)):
        refused(store, "init", store.dir, "--key-file", store.key, *(part for zone in zones for part in ("--zone", zone)),
                words=["twice", "Nothing was made"])
        assert not os.path.exists(f"{store.dir}/keyring") and not os.path.exists(store.key)


def test_missing_zone_is_named(make_store):
    store = make_store(zones=2).mount()
    write_file(f"{store.container()}/f", pattern(1, 5 << 20))
    store.umount()
    os.rename(store.zones[1], f"{store.base}/moved")
    before = digest_of(store.dir, store.zones[0])
    refused(store, "mount", store.dir, store.path, "--foreground", "--key-file", store.key, words=["zone2"])
    assert digest_of(store.dir, store.zones[0]) == before, "nothing changed"
    os.mkdir(store.zones[1])
    refused(store, "mount", store.dir, store.path, "--foreground", "--key-file", store.key, words=["zone2"])
    os.rmdir(store.zones[1])
    os.rename(f"{store.base}/moved", store.zones[1])
    store.mount()
    assert read_file(f"{store.path}/media/f") == pattern(1, 5 << 20)


@pytest.fixture
def small_disk(scratch):
    """A disk of its own: ext4 on a loop device. Needs root."""
    path = f"{scratch}/disk"
    os.mkdir(path)

    def make(megabytes):
        with open(f"{scratch}/disk.img", "wb") as image:
            image.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-m", "0", f"{scratch}/disk.img")
        run("mount", "-o", "loop", f"{scratch}/disk.img", path)
        return path

    yield make
    detach(path)


@pytest.mark.needs_root
def test_full_disk_is_a_clean_error_and_not_fatal(make_store, small_disk):
    store = make_store(init=False)
    store.dir = f"{small_disk(160)}/store"
    store.cli("init", store.dir, "--key-file", store.key)
    store.mount()
    folder = store.container()
    write_file(f"{folder}/before", pattern(1, 1 << 20))
    piece, failed = pattern(2, 1 << 20), None
    for number in range(400):
        failed = outcome(write_synced, f"{folder}/fill-{number}", piece)
        if failed:
            break
    assert failed == "ENOSPC", failed
    for number in range(300):   # smaller and smaller, to the very end
        if outcome(write_synced, f"{folder}/tiny-{number}", b"x" * 5_000) == "ENOSPC":
            break
    assert read_file(f"{folder}/before") == pattern(1, 1 << 20)
    assert store.get(f"{folder}/before")[2] == pattern(1, 1 << 20)
    for number in range(0, 60):   # deleting works at 100 %
        assert outcome(os.unlink, f"{folder}/fill-{number}") is None
    store.sync()
    wait_until(lambda: outcome(write_synced, f"{folder}/after", pattern(3, 8 << 20)) is None, 20,
               "writing works again without a restart")
    assert read_file(f"{folder}/after") == pattern(3, 8 << 20)
    names = sorted(os.listdir(folder))
    store.umount()
    store.mount()
    assert sorted(os.listdir(folder)) == names
    for name in names:
        if name.startswith("fill") and os.path.getsize(f"{folder}/{name}") == len(piece):
            assert read_file(f"{folder}/{name}") == piece
    store.umount()


@pytest.mark.needs_root
def test_disk_full_of_others_files_can_still_be_mounted_and_deleted_from(make_store, small_disk):
    store = make_store(init=False)
    disk = small_disk(160)
    store.dir = f"{disk}/store"
    store.cli("init", store.dir, "--key-file", store.key)
    store.mount()
    write_file(f"{store.container()}/f", pattern(1, 20 << 20))
    store.umount()
    shell(f"cat /dev/zero > '{disk}/hog'", check=False)
    store.mount()
    assert read_file(f"{store.path}/media/f") == pattern(1, 20 << 20)
    assert outcome(write_synced, f"{store.path}/media/g", b"x" * (30 << 20)) == "ENOSPC"
    os.unlink(f"{store.path}/media/f")
    os.unlink(f"{disk}/hog")
    wait_until(lambda: outcome(write_synced, f"{store.path}/media/g", b"x" * 1_000_000) is None, 20, "service recovers")
    store.umount()


@pytest.mark.needs_root
def test_read_only_disk_is_a_clear_error(make_store, small_disk):
    store = make_store(init=False)
    disk = small_disk(160)
    store.dir = f"{disk}/store"
    store.cli("init", store.dir, "--key-file", store.key)
    store.mount()
    write_file(f"{store.container()}/f", b"x")
    store.umount()
    run("mount", "-o", "remount,ro", disk)
    for options in ([], ["-o", "ro"]):
        refused(store, "mount", store.dir, store.path, "--foreground", "--key-file", store.key, *options,
                words=["is on a disk that is mounted read-only", "remount,rw"])
    refused(store, "init", f"{disk}/another", "--key-file", f"{store.base}/another.key", words=["read-only"])
    run("mount", "-o", "remount,rw", disk)
    store.mount()
    assert read_file(f"{store.path}/media/f") == b"x"


def test_address_in_use_is_named(make_store):
    first, second = make_store().mount(), make_store("second")
    done = refused(second, "mount", second.dir, second.path, "--foreground", "--key-file", second.key, "--http",
                   first.http, words=[re.escape(first.http.rsplit(":")[1])])
    assert not is_mounted(second.path), said(done)


# Other flags for a mount in service

def helper(store, *options):
    """What mount(8) runs for `mount -o ...`, with the words it adds from what is mounted."""
    link = f"{store.base}/mount.fuse.reelfs"
    if not os.path.lexists(link):
        os.symlink(BIN, link)
    return run(link, store.dir, store.path, "-o", ",".join(options), env=store.env, check=False)


def flags_of(path):
    with open("/proc/self/mountinfo") as file:
        return next(line.split()[5] for line in file if line.split()[4] == path).split(",")


def test_options_of_a_mount_are_in_force(make_store):
    store = make_store().mount(options="noexec")
    program = f"{store.container()}/program"
    write_file(program, b"#!/bin/sh\nexit 7\n")
    os.chmod(program, 0o755)
    assert outcome(subprocess.run, [program]) == "EACCES"
    store.umount()
    store.mount()
    assert subprocess.run([program]).returncode == 7
    store.umount()
    store.mount(options="ro")
    assert outcome(os.chmod, program, 0o700) == "EROFS" and read_file(program).startswith(b"#!")
    store.umount()


@pytest.mark.needs_root
def test_remount_changes_what_it_names_and_nothing_else(make_store):
    store = make_store().mount(options="dev,suid,noatime")
    folder = store.container()
    with open(f"{folder}/f", "wb") as file:
        file.write(b"still open")
        file.flush()
        done = helper(store, "rw", "noatime", "user_id=0", "group_id=0", "remount", "ro")
        assert done.returncode == 4 and "open for writing" in said(done)
        assert "rw" in flags_of(store.path)
    assert helper(store, "remount", "ro", "noatime").returncode == 0
    assert sorted(flags_of(store.path)) == ["noatime", "ro"], "suid and dev are still allowed"
    for call, *arguments in ((os.mkdir, f"{folder}/d"), (os.unlink, f"{folder}/f"), (os.chmod, f"{folder}/f", 0o600),
                             (os.setxattr, f"{folder}/f", "user.a", b"1"), (os.open, f"{folder}/f", os.O_WRONLY),
                             (os.mkdir, f"{store.path}/another")):
        assert outcome(call, *arguments) == "EROFS", call
    assert read_file(f"{folder}/f") == b"still open"
    assert store.get(f"{folder}/f")[0] == 200
    assert helper(store, "remount", "rw", "nosuid").returncode == 0
    assert sorted(flags_of(store.path)) == ["noatime", "nosuid", "rw"]
    os.mkdir(f"{folder}/d")
    store.umount()


@pytest.mark.needs_root
def test_remount_of_what_is_no_mount_says_so(make_store):
    store = make_store()
    done = helper(store, "remount", "ro")
    assert done.returncode != 0 and "no mount of reelfs" in said(done)


# The ordinary user

ORDINARY = """
set -eu
mount -t tmpfs none "$BASE/dev"
mknod -m 666 "$BASE/dev/fuse" c 10 229
mount --bind "$BASE/dev/fuse" /dev/fuse
exec setpriv --reuid 65534 --regid 65534 --clear-groups bash -euc '
    "$BIN" init "$BASE/store" --key-file "$BASE/home/u.key" >/dev/null
    "$BIN" mount "$BASE/store" "$BASE/mnt" --key-file "$BASE/home/u.key" --http 127.0.0.1:0
    trap "\\"$BIN\\" umount \\"$BASE/mnt\\" --force || true" EXIT
    mkdir "$BASE/mnt/films"
    cp "$BIN" "$BASE/mnt/films/a file"
    cmp "$BIN" "$BASE/mnt/films/a file"
    stat -c "owner %u" "$BASE/mnt/films/a file"
    ln "$BASE/mnt/films/a file" "$BASE/mnt/films/linked"
    at=$("$BIN" status "$BASE/store" --json | grep -o "\\"http\\": *\\"[^\\"]*" | grep -o "[^\\"]*$")
    curl -sSf "http://$at/films/a%20file" | cmp - "$BIN"
    "$BIN" sync "$BASE/store"
    "$BIN" umount "$BASE/mnt"
    "$BIN" mount "$BASE/store" "$BASE/mnt" --key-file "$BASE/home/u.key"
    cmp "$BIN" "$BASE/mnt/films/a file"
    "$BIN" umount "$BASE/mnt"
    trap - EXIT
    echo all done
'
"""


def test_ordinary_user_mounts_through_fusermount(scratch):
    """With a private /dev/fuse that the user may open. As root the user is nobody; else it is us."""
    os.chmod(scratch, 0o755)
    base = f"{scratch}/a user's folder"
    for name in ("", "/dev", "/home", "/mnt", "/run"):
        os.mkdir(base + name)
    env = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    env.update(BASE=base, BIN=f"{scratch}/reelfs", HOME=f"{base}/home", XDG_RUNTIME_DIR=f"{base}/run", LC_ALL="C.UTF-8")
    shutil.copy(BIN, env["BIN"])
    if ROOT:
        for folder, _, _ in os.walk(base):
            os.chown(folder, 65534, 65534)
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", ORDINARY]
    else:
        assert os.access("/dev/fuse", os.R_OK | os.W_OK), "/dev/fuse is closed to this user: run the tests as root"
        command = ["bash", "-c", ORDINARY[ORDINARY.index("exec"):].replace(
            "exec setpriv --reuid 65534 --regid 65534 --clear-groups ", "")]
    os.chmod(f"{base}/run", 0o700)
    done = run(*command, env=env, check=False)
    assert done.returncode == 0 and b"all done" in done.stdout, said(done)
    if ROOT:
        assert b"owner 65534" in done.stdout


@pytest.mark.needs_root
def test_without_a_fuse_device_the_message_says_what_to_do(scratch, make_store):
    store = make_store()
    command = f"'{BIN}' mount '{store.dir}' '{store.path}' --foreground --key-file '{store.key}'"
    for script, words in (("mount --bind /dev/null /dev/fuse", r"/dev/fuse|fuse"),
                          ("mount -t tmpfs none /dev", r"/dev/fuse")):
        done = run("unshare", "--mount", "--propagation", "private", "bash", "-c", f"{script}; {command}",
                   env=store.env, check=False, timeout=60)
        assert done.returncode > 0 and re.search(words, said(done)), said(done)
