"""Stores as earlier releases wrote them: every later build opens them and reads every byte.

golden/v1 is one of format version 1. To write the golden store of a new version: REELFS_WRITE_GOLDEN=v2 once, and
never again.
"""

import os
import shutil

import pytest

from harness import pattern, read_file, run, write_file

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
LEFT_OUT = ("lock", "reserve")   # made anew by whoever opens the store
WHEN = 1_700_000_000_123_456_789


def grow(top):
    """What a golden store holds: each kind of node, and content inline, in packs, cut, overwritten and with holes."""
    os.makedirs(f"{top}/films/deep/er")
    write_file(f"{top}/films/empty", b"")
    write_file(f"{top}/films/small", pattern(1, 900))                       # inline
    write_file(f"{top}/films/Größe 1.ts", pattern(2, 50_000))               # in a pack, several blocks
    write_file(f"{top}/films/deep/er/over", pattern(3, 40_000))
    with open(f"{top}/films/deep/er/over", "r+b") as file:                   # blocks replaced, the end cut
        file.seek(10_000)
        file.write(pattern(4, 9_000))
        file.truncate(33_333)
    with open(f"{top}/films/holes", "wb") as file:
        file.seek(1 << 30)
        file.write(b"far")
    os.symlink("deep/er/over", f"{top}/films/link")
    os.link(f"{top}/films/small", f"{top}/films/deep/second name")
    os.mkfifo(f"{top}/films/fifo", 0o640)
    os.setxattr(f"{top}/films/small", "user.note", b"kept\0too")
    os.chmod(f"{top}/films/small", 0o604)
    for folder, _, names in os.walk(f"{top}/films", topdown=False):
        for name in names:
            os.utime(f"{folder}/{name}", ns=(WHEN, WHEN), follow_symlinks=False)


def shape(top):
    """What there is, without owners (who runs this differs) and without the times of folders."""
    found = {}
    for folder, folders, names in os.walk(f"{top}/films"):
        for name in folders + names:
            path = f"{folder}/{name}"
            at = os.lstat(path)
            found[os.path.relpath(path, top)] = (oct(at.st_mode), at.st_nlink if name in names else 0,
                                                 at.st_mtime_ns if name in names else 0,
                                                 at.st_size if name in names else 0)
    return found


def contents(top):
    return {name: read_file(f"{top}/films/{name}")
            for name in ("empty", "small", "Größe 1.ts", "deep/er/over", "link", "deep/second name")}


def write_golden(make_store, version):
    store = make_store("fresh").mount(http=False)
    store.container("films")
    grow(store.path)
    store.sync()
    store.umount()
    target = f"{GOLDEN}/{version}"
    shutil.copytree(store.dir, f"{target}/store", ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copy(store.key, f"{target}/the.key")


if os.environ.get("REELFS_WRITE_GOLDEN"):
    def test_write(make_store):
        write_golden(make_store, os.environ["REELFS_WRITE_GOLDEN"])


@pytest.mark.needs_root   # the files in them are root's
@pytest.mark.parametrize("version", sorted(os.listdir(GOLDEN)) if os.path.isdir(GOLDEN) else [])
def test_a_store_of_an_earlier_release_opens_and_reads_whole(make_store, scratch, version):
    store = make_store("golden", init=False)
    shutil.copytree(f"{GOLDEN}/{version}/store", store.dir)
    shutil.copy(f"{GOLDEN}/{version}/the.key", store.key)
    os.chmod(store.key, 0o600)
    run("chmod", "-R", "go-rwx", store.dir)
    plain = f"{scratch}/plain"
    before = os.umask(0o022)   # as when it was written
    try:
        os.makedirs(f"{plain}/films")
        grow(plain)
    finally:
        os.umask(before)
    for _ in range(2):   # the second time after this build has written to it
        store.cli("fsck", store.dir, "--key-file", store.key)
        store.mount()
        assert shape(store.path) == shape(plain)
        assert contents(store.path) == contents(plain)
        with open(f"{store.path}/films/holes", "rb") as file:
            assert file.read(4096) == bytes(4096)
            file.seek(1 << 30)
            assert file.read() == b"far"
        assert os.getxattr(f"{store.path}/films/small", "user.note") == b"kept\0too"
        status, _, body = store.get(f"{store.path}/films/Größe 1.ts")
        assert (status, body) == (200, pattern(2, 50_000))
        write_file(f"{store.path}/films/deep/new", b"of this build")
        assert read_file(f"{store.path}/films/deep/new") == b"of this build"
        os.unlink(f"{store.path}/films/deep/new")
        store.umount()
