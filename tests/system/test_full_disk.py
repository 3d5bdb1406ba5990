"""A volume filled to the last byte through every door: clean ENOSPC, deletes, recovery without a restart, and
nothing acknowledged lost. The catalog and the packs share the volume, as they do by default."""

import json
import os

import pytest

from harness import detach, mount_ext4, note, outcome, pattern, read_file, run, wait_until, write_file, write_synced

pytestmark = pytest.mark.needs_root   # it makes file systems of its own

MiB = 1 << 20


@pytest.fixture(params=["ext4", "tmpfs"])
def volume(request, scratch):
    """A small file system of its own. Needs root."""
    path = f"{scratch}/volume"
    if request.param == "ext4":
        mount_ext4(f"{scratch}/image", path, 128 * MiB, "-m", "0", "-N", "4096")
    else:
        os.mkdir(path)
        run("mount", "-t", "tmpfs", "-o", "size=128M,nr_inodes=4096", "tmpfs", path)
    yield path
    detach(path)


class Hog:
    """Others' bytes on the volume."""

    def __init__(self, volume):
        self.volume, self.path = volume, f"{volume}/hog"

    def leave(self, megabytes):
        """Takes all but so much of what is free."""
        self.go()
        found = os.statvfs(self.volume)
        take = found.f_bavail * found.f_frsize - megabytes * MiB
        with open(self.path, "wb", buffering=0) as file:
            if megabytes:
                os.posix_fallocate(file.fileno(), 0, max(take, 1))
            else:   # to the last block
                while outcome(file.write, b"x" * MiB) == MiB:
                    pass

    def go(self):
        if os.path.exists(self.path):
            os.unlink(self.path)


class Doors:
    """Each takes a number and answers None or the name of an error; what it acknowledged is remembered as
    {path: how to check it}."""

    def __init__(self, store, folder, key):
        self.store, self.folder, self.key, self.kept = store, folder, key, {}

    def write(self, number):
        path, data = f"{self.folder}/write-{number}", pattern(number, 700_000)
        return self.done(outcome(write_synced, path, data), path, lambda: read_file(path) == data)

    def small_write(self, number):
        path, data = f"{self.folder}/small-{number}", pattern(number, 3_000)
        return self.done(outcome(write_synced, path, data), path, lambda: read_file(path) == data)

    def create(self, number):
        path = f"{self.folder}/create-{number}"
        return self.done(outcome(write_file, path, b""), path, lambda: os.path.getsize(path) == 0)

    def mkdir(self, number):
        path = f"{self.folder}/mkdir-{number}"
        return self.done(outcome(os.mkdir, path), path, lambda: os.path.isdir(path))

    def symlink(self, number):
        path, target = f"{self.folder}/symlink-{number}", "x" * 3_000
        return self.done(outcome(os.symlink, target, path), path, lambda: os.readlink(path) == target)

    def xattr(self, number):
        path, value = f"{self.folder}/xattr-{number}", pattern(number, 60_000)
        if failed := outcome(write_file, path, b""):
            return failed
        failed = outcome(os.setxattr, path, "user.large", value)
        return self.done(failed, path, lambda: os.getxattr(path, "user.large") == value)

    def put(self, number):
        path, data = f"{self.folder}/put-{number}", pattern(number, 700_000)
        done = run("curl", "-sS", "-m", "60", "-u", self.key, "-o", "/dev/null", "-w", "%{http_code}", "-T", "-", "-H", "Expect:",
                   self.store.url(path), input=data, stdin=None, check=False)
        code = done.stdout.decode()
        failed = {"200": None, "503": "ENOSPC"}.get(code, f"HTTP {code}: {done.stderr.decode()}")
        return self.done(failed, path, lambda: read_file(path) == data)

    def done(self, failed, path, check):
        if failed is None:
            self.kept[path] = check
        return failed

    def check(self):
        for path, check in self.kept.items():
            assert check(), path

    def drop_all(self):
        for path in list(self.kept):
            failed = outcome(os.rmdir if os.path.isdir(path) else os.unlink, path)
            assert failed is None, f"deleting {path} on a full volume: {failed}"
            del self.kept[path]


KINDS = ["write", "small_write", "create", "mkdir", "symlink", "xattr", "put"]


def test_every_door_fills_the_volume_and_all_of_them_recover(make_store, volume):
    store = make_store(init=False)
    store.dir = f"{volume}/store"
    store.cli("init", store.dir, "--key-file", store.key)
    store.mount()
    folder, hog = store.container(), Hog(volume)
    user = json.loads(store.cli("user", "create", "ann", "--store", store.dir, "--json").stdout)
    key = f"{user['AccessKeyId']}:{user['SecretAccessKey']}"
    doors = Doors(store, folder, key)
    kept = Doors(store, folder, key)   # never deleted: there at the end
    assert kept.write(1_000_000) is None and kept.small_write(1_000_000) is None and kept.put(1_000_000) is None
    for kind in KINDS:
        hog.leave(24 if kind in ("write", "put") else 3)
        acknowledged = len(doors.kept)
        for number in range(20_000):
            failed = getattr(doors, kind)(number)
            if failed:
                break
        assert failed == "ENOSPC", f"{kind}: {failed} after {number}\n{store.log_tail()}"
        note(f"full disk: {kind} until ENOSPC: {len(doors.kept) - acknowledged}")
        # Reads and names work on a full volume, through both doors; other doors say ENOSPC too, or work.
        kept.check()
        assert store.get(f"{folder}/write-1000000")[2] == pattern(1_000_000, 700_000)
        for other in KINDS:
            assert getattr(doors, other)(100_000) in (None, "ENOSPC"), f"{other} after {kind}"
        doors.check()
        assert store.status().get("degraded", "") in ("", None, False), store.status()
        doors.drop_all()
        for name in os.listdir(folder):   # what failed half-way: a name without all its bytes
            if "1000000" not in name:
                path = f"{folder}/{name}"
                os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
        hog.go()
        wait_until(lambda: doors.write(200_000) is None, 30, f"writing works again after {kind}")
        doors.check()
        doors.drop_all()
    # A restart on a full volume, and after it.
    assert doors.small_write(300_000) is None and doors.mkdir(300_000) is None and doors.xattr(300_000) is None
    store.sync()
    hog.leave(0)
    store.kill()
    store.mount()
    doors.check()
    kept.check()
    doors.drop_all()
    hog.go()
    wait_until(lambda: doors.write(400_000) is None, 30, "writing works again")
    store.umount()
    store.mount()
    doors.check()
    kept.check()
    store.umount()
