"""reelfs scrub, backup and restore, while the store is in use and while it is not; and what others can do meanwhile."""

import glob
import json
import os
import re
import signal
import subprocess
import threading

from harness import (BIN, MiB, OWNER, Store, assert_same_tree, pattern, read_file, run, said, scaled, wait_until,
                     write_file)

DAMAGED = 6


def fill(store, seed=1):
    folder = store.container("films")
    os.makedirs(f"{folder}/deep/er", exist_ok=True)
    write_file(f"{folder}/clip.mp4", pattern(seed, 2 * MiB))
    write_file(f"{folder}/deep/note", b"small")
    with open(f"{folder}/deep/er/holes", "wb") as file:
        file.seek(5 * MiB)
        file.write(b"far")
    os.symlink("deep/note", f"{folder}/link")
    os.link(f"{folder}/deep/note", f"{folder}/second")
    os.setxattr(f"{folder}/clip.mp4", "user.note", b"kept\0too")


def restored(store, scratch, name, backup, *options):
    """A store made from a backup, on a base of its own and with the key of the first one."""
    other = Store(f"{scratch}/{name}", init=False)
    write_file(other.key, read_file(store.key))
    os.chmod(other.key, 0o600)
    owner = ("--owner", OWNER) if os.geteuid() == 0 else ()
    done = store.cli("restore", backup, other.dir, "--key-file", store.key, *owner, *options)
    for folder, folders, names in os.walk(other.dir):
        for name in folders + names:
            assert os.lstat(f"{folder}/{name}").st_uid == os.stat(store.dir).st_uid, name
    assert "restored" in said(done)
    return other


def test_a_store_in_use_is_backed_up_and_restored(store, scratch):
    fill(store)
    run("cp", f"{store.path}/films/clip.mp4", f"{store.path}/films/copy.mp4")   # shares its content
    backup = f"{scratch}/backup"
    done = store.cli("backup", store.dir, backup)
    assert "complete and verified" in said(done)
    write_file(f"{store.path}/films/later", b"after the backup")
    again = store.cli("backup", store.dir, backup, "--json")
    report = json.loads(again.stdout)
    assert report["generation"] == 2 and report["bytes_copied"] < MiB, report
    # No plaintext, no names.
    for path in glob.glob(f"{backup}/**", recursive=True):
        if os.path.isfile(path):
            data = read_file(path)
            assert b"clip.mp4" not in data and pattern(1, 4096)[:200] not in data, path
    other = restored(store, scratch, "other", backup)
    try:
        other.mount(http=False)
        assert_same_tree(other.path, store.path)
        other.umount()
        assert other.cli("fsck", other.dir, "--key-file", other.key).returncode == 0
    finally:
        other.close()
    store.umount()


def test_a_store_that_is_not_in_use_is_backed_up_too(make_store, scratch):
    store = make_store().mount(http=False)
    fill(store)
    store.umount()
    done = store.cli("backup", store.dir, f"{scratch}/backup", "--key-file", store.key)
    assert "complete and verified" in said(done)
    other = restored(store, scratch, "other", f"{scratch}/backup")
    try:
        other.mount(http=False)
        assert read_file(f"{other.path}/films/clip.mp4") == pattern(1, 2 * MiB)
    finally:
        other.close()


def test_a_backup_does_not_go_into_the_mount_of_its_store(make_store):
    store = make_store().mount(options="allow_other" if os.geteuid() == 0 else "")
    fill(store)
    for folder in (os.path.dirname(store.base), store.base, store.path, f"{store.path}/films"):
        os.chmod(folder, 0o755)   # open to the store's owner, who would write there
    done = store.cli("backup", store.dir, f"{store.path}/films/backup", check=False)
    assert done.returncode == 2 and "mount" in said(done), said(done)
    assert not os.path.exists(f"{store.path}/films/backup")
    store.umount()


def test_the_recovery_key_opens_a_backup(store, scratch):
    fill(store)
    recovery = re.search(r"(?:[0-9A-Z]{4}-){13}[0-9A-Z]{4}", store.init_said)[0]
    write_file(f"{scratch}/recovery", recovery.encode() + b"\n")
    os.chmod(f"{scratch}/recovery", 0o600)
    store.cli("backup", store.dir, f"{scratch}/backup")
    done = store.cli("restore", f"{scratch}/backup", f"{scratch}/again", "--recovery-key-file", f"{scratch}/recovery")
    assert "restored" in said(done)
    store.umount()


def test_backups_while_files_are_written_are_of_one_moment(store, scratch):
    """A counter is written to two files, one after the other: no backup has the second without the first."""
    folder = store.container("films")
    over = threading.Event()

    def write():
        number = 0
        while not over.is_set():
            number += 1
            for name in ("first", "second"):
                write_file(f"{folder}/.{name}", b"%d " % number * 20_000)
                os.rename(f"{folder}/.{name}", f"{folder}/{name}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: os.path.exists(f"{folder}/second"), 30, "the writer has begun")
        for turn in range(scaled(1, 20, "backups under load")):
            store.cli("backup", store.dir, f"{scratch}/backup")
            other = restored(store, scratch, f"turn{turn}", f"{scratch}/backup")
            try:
                other.mount(http=False)
                first = read_file(f"{other.path}/films/first").split()
                second = read_file(f"{other.path}/films/second").split()
                assert len(set(first)) == len(set(second)) == 1
                assert len(first) == len(second) == 20_000
                assert 0 <= int(first[0]) - int(second[0]) <= 1
                other.umount()
                done = other.cli("fsck", other.dir, "--key-file", other.key, check=False)
                assert done.returncode == 0, said(done)
            finally:
                other.close()
    finally:
        over.set()
        writer.join()
    store.umount()


def test_a_backup_goes_into_an_empty_place_or_its_own(make_store, scratch):
    one, two = make_store("one"), make_store("two")
    write_file(f"{scratch}/file", b"x")
    os.mkdir(f"{scratch}/full")
    write_file(f"{scratch}/full/precious", b"x")
    key = ("--key-file", one.key)
    assert one.cli("backup", one.dir, f"{scratch}/full", *key, check=False).returncode == 8
    assert one.cli("backup", one.dir, f"{one.dir}/inside", *key, check=False).returncode == 2
    one.cli("backup", one.dir, f"{scratch}/backup", *key)
    done = two.cli("backup", two.dir, f"{scratch}/backup", "--key-file", two.key, check=False)
    assert done.returncode == 8 and "another store" in said(done)
    assert one.cli("restore", f"{scratch}/backup", f"{scratch}/full", *key, check=False).returncode == 8
    assert one.cli("restore", f"{scratch}/full", f"{scratch}/new", *key, check=False).returncode == 5
    done = one.cli("restore", f"{scratch}/backup", f"{scratch}/new", "--key-file", two.key, check=False)
    assert done.returncode == 3 and not os.path.exists(f"{scratch}/new")


def test_a_scrub_says_what_is_damaged_and_the_rest_is_served(store):
    fill(store)
    done = store.cli("scrub", store.dir)
    assert "good" in said(done)
    store.sync()
    pack = max(glob.glob(f"{store.dir}/packs/*/*.pack"), key=os.path.getsize)
    with open(pack, "r+b") as file:
        file.seek(MiB)
        byte = file.read(1)
        file.seek(MiB)
        file.write(bytes([byte[0] ^ 1]))
    done = store.cli("scrub", store.dir, check=False)
    assert done.returncode == DAMAGED
    assert re.search(r"DAMAGE: /films/clip.mp4: bytes \d+ to \d+ are damaged", said(done)), said(done)
    assert "films" not in store.log_tail(), "names belong in no log"
    assert read_file(f"{store.path}/films/second") == b"small"
    store.umount()
    done = store.cli("scrub", store.dir, "--key-file", store.key, "--json", check=False)
    report = json.loads(done.stdout)
    assert done.returncode == DAMAGED and report["damaged"] == 1 and report["complete"]


def test_a_slow_scrub_blocks_nobody_and_goes_on_after_a_restart(store):
    """At 64 KiB a second it would take half a minute: meanwhile the daemon answers, and ends when told to."""
    fill(store)
    scrub = subprocess.Popen([BIN, "scrub", store.dir, "--rate", "64K", "--restart"], env=store.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        job = wait_until(lambda: (store.status().get("job") or {}).get("done_bytes"), 30, "the scrub has begun")
        assert job > 0
        store.cli("sync", store.dir)
        assert "scrub runs" in said(store.cli("job", "status", store.dir))
        done = store.cli("backup", store.dir, f"{store.base}/backup", check=False)
        assert done.returncode == 4 and "scrub" in said(done)
        scrub.send_signal(signal.SIGINT)
        said_by_scrub = scrub.communicate(timeout=60)
    finally:
        if scrub.poll() is None:
            scrub.kill()
            scrub.communicate()
    assert b"goes on from there" in said_by_scrub[0], said_by_scrub
    assert "has ended" in said(store.cli("job", "status", store.dir))
    assert store.cli("job", "cancel", store.dir, check=False).returncode == 5
    store.umount()
    store.mount()
    report = json.loads(store.cli("scrub", store.dir, "--json").stdout)
    assert report["resumed"] and report["complete"] and report["damaged"] == 0
    # A daemon that is told to end while a job runs ends.
    scrub = subprocess.Popen([BIN, "scrub", store.dir, "--rate", "1K"], env=store.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: (store.status().get("job") or {}).get("running"), 30, "the scrub has begun")
        store.umount()
        scrub.communicate(timeout=60)
    finally:
        if scrub.poll() is None:
            scrub.kill()
            scrub.communicate()


def test_a_scrub_without_a_key_finds_decay(make_store):
    store = make_store(zones=1).mount(http=False)
    fill(store)
    refused = store.cli("scrub", store.dir, "--keyless", check=False)
    assert refused.returncode == 4 and "already served" in said(refused)
    store.umount()
    keyless = ("scrub", store.dir, "--keyless", "--zone", store.zones[0])
    os.rename(store.key, f"{store.key}.elsewhere")
    assert "good" in said(store.cli(*keyless))
    pack = max(glob.glob(f"{store.base}/*/packs/*/*.pack"), key=os.path.getsize)
    with open(pack, "r+b") as file:
        file.seek(MiB)
        byte = file.read(1)
        file.seek(MiB)
        file.write(bytes([byte[0] ^ 1]))
    done = store.cli(*keyless, check=False)
    assert done.returncode == DAMAGED and "does not fit its checksum" in said(done), said(done)
