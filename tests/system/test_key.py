"""reelfs key: what opens a store, listed, added, changed and removed, in use and not."""

import glob
import json
import os
import re
import select
import signal
import stat
import subprocess

from harness import BIN, pattern, read_file, run, said, wait_until, write_file


def slots(store):
    return [(slot["slot"], slot["kind"]) for slot in json.loads(store.cli("key", "list", store.dir, "--json").stdout)
            ["slots"]]


def opens(store, *key):
    return store.cli("status", store.dir, *key, check=False).returncode == 0


def bytes_of_packs(store):
    """What stands on the disk: freed ranges are holes."""
    return sum(os.stat(path).st_blocks * 512 for path in glob.glob(f"{store.dir}/packs/*/*.pack"))


def secret_file(scratch, name, text):
    path = f"{scratch}/{name}"
    write_file(path, text)
    os.chmod(path, 0o600)
    return path


def test_keys_come_and_go_in_a_closed_store(make_store, scratch):
    store = make_store()
    key = ("--key-file", store.key)
    assert slots(store) == [(0, "key-file"), (1, "recovery-key")]
    # A passphrase costs seconds each time, by design: what is the same for every kind is shown with key files.
    phrase = secret_file(scratch, "phrase", b"correct horse\n")
    store.cli("key", "add", store.dir, "--new-passphrase-file", phrase, *key)
    assert slots(store)[2] == (2, "passphrase")
    assert opens(store, "--passphrase-file", phrase)
    store.cli("key", "remove", store.dir, "2", *key)
    assert not opens(store, "--passphrase-file", phrase)
    first, other = f"{scratch}/first.key", f"{scratch}/other.key"
    store.cli("key", "add", store.dir, "--new-key-file", first, *key)
    store.cli("key", "change", store.dir, "--new-key-file", other, "--key-file", first)
    assert not opens(store, "--key-file", first)
    assert opens(store, "--key-file", other)
    number = [slot for slot, kind in slots(store) if kind == "key-file"][1]
    store.cli("key", "remove", store.dir, str(number), *key)
    assert not opens(store, "--key-file", other)
    assert opens(store, *key)


def test_keys_come_and_go_while_the_store_is_in_use(store, scratch):
    key = ("--key-file", store.key)
    fresh = f"{scratch}/fresh.key"
    store.cli("key", "add", store.dir, "--new-key-file", fresh, *key)
    assert stat.S_IMODE(os.stat(fresh).st_mode) == 0o600
    os.mkdir(f"{store.path}/made-after")   # the daemon writes the keyring again, with the slot
    done = store.cli("key", "add", store.dir, "--new-recovery-key", *key)
    recovery = re.search(r"(?:[0-9A-Z]{4}-){13}[0-9A-Z]{4}", said(done))[0]
    store.cli("key", "remove", store.dir, "0", "--key-file", fresh)
    os.mkdir(f"{store.path}/and-after")
    assert slots(store) == [(1, "recovery-key"), (2, "key-file"), (3, "recovery-key")]
    store.umount()
    assert not opens(store, *key)
    assert opens(store, "--key-file", fresh)
    assert opens(store, "--recovery-key-file", secret_file(scratch, "recovery", recovery.encode()))
    assert read_file(fresh) not in read_file(f"{store.dir}/keyring")


def test_a_change_needs_a_key_that_opens_the_store_now(store, scratch):
    wrong = secret_file(scratch, "wrong.key", bytes(32))
    fresh = f"{scratch}/fresh.key"
    done = store.cli("key", "add", store.dir, "--new-key-file", fresh, "--key-file", wrong, check=False)
    assert done.returncode == 3, said(done)
    assert not os.path.exists(fresh), "a key file that opens nothing was left behind"
    assert len(slots(store)) == 2
    done = store.cli("key", "remove", store.dir, "5", "--key-file", store.key, check=False)
    assert done.returncode == 5
    assert store.cli("key", "add", store.dir, "--key-file", store.key, check=False).returncode == 2
    inside = store.cli("key", "add", store.dir, "--new-key-file", f"{store.dir}/k", "--key-file", store.key, check=False)
    assert inside.returncode == 2
    store.cli("key", "remove", store.dir, "1", "--key-file", store.key)
    last = store.cli("key", "remove", store.dir, "0", "--key-file", store.key, check=False)
    assert last.returncode == 2 and "last" in said(last)
    store.umount()


def ask_stopped_daemon(store, *arguments):
    """The command, connected to a daemon that does not hear it."""
    path = f"{store.id}.sock"

    def connections():
        return sum(line.rstrip().endswith(path) for line in open("/proc/net/unix", encoding="ascii"))

    before = connections()
    os.kill(store.pid, signal.SIGSTOP)
    asking = subprocess.Popen([BIN, "key", *arguments, "--key-file", store.key], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    wait_until(lambda: connections() > before, 60, "the command has connected")
    return asking


def test_a_recovery_key_is_shown_before_the_store_relies_on_it(store, scratch):
    daemon = store.pid
    asking = ask_stopped_daemon(store, "change", store.dir, "--new-recovery-key")
    try:
        assert select.select([asking.stdout], [], [], 60)[0], "nothing is shown until the answer comes"
    finally:
        os.kill(daemon, signal.SIGCONT)
        shown = asking.communicate()[0].decode()
    assert asking.returncode == 0, shown
    recovery = re.search(r"(?:[0-9A-Z]{4}-){13}[0-9A-Z]{4}", shown)[0]
    store.umount()
    assert not opens(store, "--key-file", store.key)
    assert opens(store, "--recovery-key-file", secret_file(scratch, "recovery", recovery.encode()))


def test_a_key_file_stays_when_the_answer_gets_lost(store, scratch):
    fresh = f"{scratch}/fresh.key"
    asking = ask_stopped_daemon(store, "change", store.dir, "--new-key-file", fresh)
    store.kill()
    told = asking.communicate()[0].decode()
    assert asking.returncode != 0 and "stays" in told, told
    assert len(read_file(fresh)) == 32


def test_a_container_gets_a_new_key_while_it_is_in_use(store):
    folder, other = store.container("films"), store.container("music")
    contents = {}
    for number, size in enumerate((10, 900, 50_000, 3_000_000)):
        for top in (folder, other):
            contents[f"{top}/f{number}"] = pattern(number, size)
            write_file(f"{top}/f{number}", contents[f"{top}/f{number}"])
    for copy in range(3):   # which share their content
        run("cp", f"{folder}/f3", f"{folder}/copy{copy}")
        contents[f"{folder}/copy{copy}"] = contents[f"{folder}/f3"]
    packed = bytes_of_packs(store)
    before = {path: (os.stat(path).st_mtime_ns, os.getxattr(path, "user.reelfs.etag")) for path in contents}
    with open(f"{folder}/f3", "rb") as reader:   # open before, read after
        done = store.cli("key", "rotate", store.dir, "films", "--json")
        assert reader.read() == contents[f"{folder}/f3"]
    report = json.loads(done.stdout)
    assert report["complete"] and report["key"] == 2, report
    assert {path: read_file(path) for path in contents} == contents
    assert {path: (os.stat(path).st_mtime_ns, os.getxattr(path, "user.reelfs.etag")) for path in contents} == before
    assert store.cli("key", "rotate", store.dir, "none", check=False).returncode == 5
    store.umount()
    assert store.cli("fsck", store.dir, "--key-file", store.key).returncode == 0
    assert bytes_of_packs(store) < packed + 3_000_000, "copies share no longer"
    report = json.loads(store.cli("key", "rotate", store.dir, "films", "--json", "--key-file", store.key).stdout)
    assert report["complete"] and report["key"] == 3, report
    store.mount()
    assert {path: read_file(path) for path in contents} == contents
    store.umount()
