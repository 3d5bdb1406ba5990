"""reelfs fsck: a store that is well is clean, damage is named, a repair helps, and a check changes nothing."""

import glob
import json
import os
import re
import shutil

from harness import hash_of, outcome, pattern, read_file, run, said, scaled, seeded, write_file

# fsck(8)
CLEAN, REPAIRED, LEFT, OPERATIONAL, USAGE = 0, 1, 4, 8, 16


def fsck(store, *options):
    return store.cli("fsck", store.dir, "--key-file", store.key, *options, check=False)


def bytes_of_store(store):
    """What is in every file of the store but the lock, which says who holds it."""
    return {path: hash_of(read_file(path)) for path in glob.glob(f"{store.dir}/**", recursive=True)
            if os.path.isfile(path) and not path.endswith("/lock")}


def packs_of(store):
    return sorted(glob.glob(f"{store.dir}/packs/*/*.pack"))


def filled(make_store, **options):
    store = make_store(**options).mount(http=False)
    folder = f"{store.container('films')}/deep"
    os.mkdir(folder)
    write_file(f"{folder}/clip.mp4", pattern(1, 400_000))
    write_file(f"{folder}/note", b"small")
    os.symlink("deep/note", f"{store.path}/films/link")
    return store


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def test_a_store_that_is_well_is_clean_and_unchanged(make_store):
    store = filled(make_store)
    store.umount()
    before = bytes_of_store(store)
    done = fsck(store)
    assert done.returncode == CLEAN, said(done)
    assert "clean" in said(done)
    assert bytes_of_store(store) == before
    done = fsck(store, "--repair", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == CLEAN and report["clean"] and report["findings"] == []
    assert report["content_bytes"] > 400_000
    assert bytes_of_store(store) == before


def test_after_kill_9_a_check_is_clean_writes_nothing_and_the_store_opens(make_store):
    store = filled(make_store)
    file = os.open(f"{store.path}/films/open", os.O_CREAT | os.O_WRONLY)
    os.write(file, pattern(2, 3_000_000))
    store.kill()
    outcome(os.close, file)   # the mount is gone
    before = bytes_of_store(store)
    done = fsck(store)
    assert done.returncode == CLEAN, said(done)
    assert bytes_of_store(store) == before
    store.mount(http=False)
    assert read_file(f"{store.path}/films/deep/clip.mp4") == pattern(1, 400_000)
    store.umount()


def test_a_store_in_use_is_refused(make_store):
    store = filled(make_store)
    done = fsck(store)
    assert done.returncode == OPERATIONAL
    assert "already served" in said(done)
    store.umount()


def test_flipped_bytes_are_named_and_nothing_else_is(make_store):
    """Each byte flipped is in exactly one block: the check names the file, and the file cannot be read there."""
    store = filled(make_store)
    store.umount()
    randomly, _ = seeded("flipped bytes")
    pack = max(packs_of(store), key=os.path.getsize)
    clean = f"{store.base}/clean"
    shutil.copy(pack, clean)
    # In the body of the one extent.
    for offset in [randomly.randrange(8192, 390_000) for _ in range(scaled(2, 30, "flipped bytes"))]:
        flip(pack, offset)
        done = fsck(store, "--json")
        findings = json.loads(done.stdout)["findings"]
        assert done.returncode == LEFT, said(done)
        assert len(findings) == 1, (offset, findings)
        assert findings[0]["text"].startswith("/films/deep/clip.mp4: "), findings
        done = fsck(store, "--repair")
        assert done.returncode == LEFT   # what is lost cannot be repaired
        shutil.copy(clean, pack)
    assert fsck(store).returncode == CLEAN


def test_damage_of_shared_content_is_named_for_each_file(make_store):
    """cp shares; what is counted adds up, also after kill -9, and a flipped byte is told for all that have it."""
    store = filled(make_store)
    folder = f"{store.path}/films"
    run("cp", f"{folder}/deep/clip.mp4", f"{folder}/copy.mp4")
    run("cp", f"{folder}/deep/clip.mp4", f"{folder}/changed.mp4")
    with open(f"{folder}/changed.mp4", "r+b") as file:
        file.write(pattern(3, 400_000))
    store.sync()
    (pack,) = packs_of(store)
    store.kill()
    done = fsck(store)
    assert done.returncode == CLEAN, said(done)
    flip(pack, 200_000)   # in the extent of clip.mp4, which was written first
    done = fsck(store, "--json")
    named = {finding["text"].split(": ")[0] for finding in json.loads(done.stdout)["findings"]
             if finding["level"] == "damage"}
    assert done.returncode == LEFT and named == {"/films/deep/clip.mp4", "/films/copy.mp4"}, said(done)


def test_a_copy_of_the_keyring_is_repaired(make_store):
    store = filled(make_store, zones=1)
    store.umount()
    flip(f"{store.zones[0]}/keyring", 300)
    done = fsck(store)
    assert done.returncode == LEFT and "keyring" in said(done), said(done)
    done = fsck(store, "--repair")
    assert done.returncode == REPAIRED and "repaired" in said(done), said(done)
    assert fsck(store).returncode == CLEAN


def test_what_cannot_be_checked_says_why(make_store, scratch):
    store = filled(make_store)
    store.umount()
    assert fsck(store, "--nonsense").returncode == USAGE
    done = store.cli("fsck", f"{scratch}/nothing", check=False)
    assert done.returncode == OPERATIONAL and "no store" in said(done)
    write_file(f"{scratch}/wrong.key", bytes(32))
    os.chmod(f"{scratch}/wrong.key", 0o600)
    done = store.cli("fsck", store.dir, "--key-file", f"{scratch}/wrong.key", check=False)
    assert done.returncode == OPERATIONAL, said(done)
    flip(f"{store.dir}/keyring", 300)
    done = fsck(store)
    assert done.returncode == LEFT and "keyring" in said(done), said(done)


def test_the_manual_is_without_fault():
    from harness import SOURCE
    run("mandoc", "-T", "lint", "-W", "warning", f"{SOURCE}/man/reelfs-fsck.8")


def test_a_lost_catalog_is_rebuilt(make_store):
    store = filled(make_store)
    store.umount()
    assert store.cli("fsck", store.dir, "--key-file", store.key, "--rebuild", check=False).returncode == OPERATIONAL
    os.unlink(f"{store.dir}/catalog/catalog.db")
    done = fsck(store)
    assert done.returncode == LEFT and "--rebuild" in said(done)
    done = fsck(store, "--rebuild")
    assert done.returncode == REPAIRED and "cannot come back" in said(done), said(done)
    assert fsck(store).returncode == CLEAN
    store.mount(http=False)
    (folder,) = os.listdir(store.path)
    (name,) = os.listdir(f"{store.path}/{folder}")
    assert re.fullmatch(r"recovered-\d+/node-\d+", f"{folder}/{name}")
    assert read_file(f"{store.path}/{folder}/{name}") == pattern(1, 400_000)
    write_file(f"{store.path}/{folder}/new", b"goes on")
    store.umount()
    assert fsck(store).returncode == CLEAN
