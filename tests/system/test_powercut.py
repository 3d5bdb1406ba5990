"""Power cuts, simulated: what was never synced is taken from the store's files, in several ways, after kill -9.

A library preloaded into the daemon (sync_recorder.c) keeps what each file held at its last completed sync. After
the kill, images of the store are built in which a file has either that content, or the present one, or page by
page one of the two; above all pack bytes dropped with WAL bytes kept, and the reverse. On every image: the store
mounts without a repair, what fsync promised is there, and what was not promised is missing or right.
"""

import fcntl
import os
import shutil
import struct
import time

import pytest

from harness import MiB, note, pattern, read_file, run, scaled, seeded, write_file
from test_crash import Load, prepare

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = 4096
FS_IOC_GETVERSION = 0x80087601


@pytest.fixture(scope="module")
def recorder(module_scratch):
    library = f"{module_scratch}/sync_recorder.so"
    run("cc", "-O2", "-Wall", "-shared", "-fPIC", "-pthread", "-o", library, f"{HERE}/sync_recorder.c", "-ldl")
    return library


class Lab:
    """A store whose syncs are recorded, and the images of what a power cut may leave of it."""

    def __init__(self, make_store, scratch, recorder):
        self.store = make_store(zones=1)
        self.base, self.into = f"{scratch}/base", f"{scratch}/recorded"
        self.roots = [self.store.dir, *self.store.zones]
        os.mkdir(self.into)
        os.chmod(self.into, 0o777)   # by the daemon, who is the store's owner
        os.mkdir(self.base)
        run("cp", "-a", "--sparse=always", *self.roots, self.base)   # all of it durable
        self.env = {"LD_PRELOAD": recorder, "RECORD_ROOTS": ":".join(self.roots), "RECORD_INTO": self.into}
        self.inodes = {self.identity(path): path for path in self.all_files()}

    def identity(self, path):
        """As the recorder names it; the generation tells a file from one that had its inode number before."""
        found, generation = os.lstat(path), bytearray(8)
        with open(path, "rb") as file:
            try:
                fcntl.ioctl(file.fileno(), FS_IOC_GETVERSION, generation)
            except OSError:
                pass
        return f"{found.st_dev}.{found.st_ino}.{struct.unpack('I', generation[:4])[0]}"

    def all_files(self):
        return [os.path.join(folder, name) for root in self.roots for folder, _, names in os.walk(root)
                for name in names]

    def mount(self):
        return self.store.mount(env=self.env)

    def keep_present(self, saved):
        """After the kill: the present state, beside what is durable, for each file."""
        self.present = f"{saved}/present"
        os.makedirs(self.present)
        self.durable = {}
        for path in self.all_files():
            recorded = f"{self.into}/{self.identity(path)}"
            before = f"{self.base}/{os.path.relpath(path, self.store.base)}"
            if os.path.exists(recorded):
                self.durable[path] = recorded
            elif self.inodes.get(self.identity(path)) == path:
                self.durable[path] = before
            else:
                self.durable[path] = None   # never synced: may be gone, its name too
        run("cp", "-a", "--sparse=always", *self.roots, self.present)

    def build(self, choose, rng):
        """Makes the image: choose(path) says 'present', 'durable' or 'pages'."""
        for root in self.roots:
            shutil.rmtree(root)
            run("cp", "-a", "--sparse=always", f"{self.present}/{os.path.basename(root)}", root)
        for path in self.all_files():
            what = choose(path)
            if what == "present":
                continue
            old = read_file(self.durable[path]) if self.durable[path] else b""
            if what == "durable":
                if self.durable[path] is None and rng.random() < 0.5:
                    os.unlink(path)
                else:
                    overwrite(path, old)
            else:
                overwrite(path, mixed(old, read_file(path), rng))


def overwrite(path, data):
    with open(path, "r+b") as file:
        file.truncate(0)
        file.write(data)


def mixed(old, new, rng):
    """Page by page the old or the new; a file grown since its sync ends anywhere, and what is between is zeros."""
    size = rng.choice((len(new), max(len(old), rng.randrange(len(new) + 1)) if len(new) >= len(old) else len(new)))
    keep = rng.random()
    out = bytearray(size)
    for at in range(0, size, PAGE):
        end = min(at + PAGE, size)
        source = new if rng.random() < keep else old
        piece = source[at:end]
        out[at:at + len(piece)] = piece
    return bytes(out)


def is_wal(path):
    return path.endswith("-wal")


def is_pack(path):
    return "/packs/" in path


def is_reserve(path):
    return os.path.basename(path) in ("reserve", "lock")


def images(rng, count):
    """Names of images and how each chooses; the two of the issue come first."""
    yield "packs dropped, WAL kept", lambda path: "durable" if is_pack(path) else "present"
    yield "WAL dropped, packs kept", lambda path: "durable" if is_wal(path) else "present"
    yield "all dropped", lambda path: "present" if is_reserve(path) else "durable"
    yield "pages of packs, WAL kept", lambda path: "pages" if is_pack(path) else "present"
    yield "pages of the WAL, packs kept", lambda path: "pages" if is_wal(path) else "present"
    for number in range(count - 5):
        yield f"random {number}", lambda path: ("present" if is_reserve(path) else
                                                rng.choice(("present", "durable", "pages")))


def check_images(lab, saved, rng, count, verify):
    lab.keep_present(saved)
    for name, choose in images(rng, count):
        lab.build(choose, rng)
        try:
            lab.store.mount()
            verify()
            lab.store.umount()
            lab.store.mount()   # what was served once is served again
            verify()
            lab.store.umount()
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}\n{lab.store.log_tail()}") from error
        finally:
            lab.store.close()
            lab.store.daemon = None


def test_bytes_of_an_fsync_survive_and_later_ones_are_missing_or_right(make_store, scratch, recorder):
    rng, _ = seeded("power cut")
    lab = Lab(make_store, scratch, recorder)
    store = lab.mount()
    folder = store.container()
    sizes = {"tiny": 700, "small": 9_000, "medium": 150_000, "large": 9 * MiB}
    for number, (name, size) in enumerate(sizes.items()):
        with open(f"{folder}/{name}", "wb") as file:
            file.write(pattern(number, size))
            file.flush()
            os.fsync(file.fileno())
    open_files = []
    for number, (name, size) in enumerate(sizes.items()):   # from here on: no promise
        file = open(f"{folder}/{name}", "ab", buffering=0)
        file.write(pattern(number, 700_000 if size > MiB else 30_000, size))
        open_files.append(file)
    write_file(f"{folder}/unsynced", pattern(50, 3 * MiB))
    write_file(f"{folder}/new", pattern(51, 40_000))
    os.rename(f"{folder}/new", f"{folder}/medium-2")
    store.kill()
    for file in open_files:
        try:
            file.close()
        except OSError:
            pass

    def verify():
        for number, (name, size) in enumerate(sizes.items()):
            data = read_file(f"{folder}/{name}")
            assert len(data) >= size, f"{name}: {len(data)} of {size} promised bytes"
            assert data == pattern(number, len(data)), f"{name}: wrong bytes among {len(data)}"
        for name, seed in (("unsynced", 50), ("medium-2", 51), ("new", 51)):
            if os.path.exists(f"{folder}/{name}"):
                data = read_file(f"{folder}/{name}")
                assert data == pattern(seed, len(data)), f"{name}: wrong bytes among {len(data)}"

    check_images(lab, f"{scratch}/saved", rng, scaled(9, 60, "images of a power cut"), verify)


def test_overwritten_and_renamed_files_show_old_or_new(make_store, scratch, recorder):
    """Content that was durable is never lost to a write that was not."""
    rng, _ = seeded("power cut, replacing")
    lab = Lab(make_store, scratch, recorder)
    store = lab.mount()
    folder = store.container()
    versions = {name: [pattern(number, size)] for number, (name, size) in
                enumerate((("over-small", 6_000), ("over-large", 2 * MiB), ("renamed", 300_000), ("cut", 100_000),
                           ("punched", 200_000)))}
    for name, (data,) in versions.items():
        write_file(f"{folder}/{name}", data)
    store.sync()
    for name in ("over-small", "over-large"):
        with open(f"{folder}/{name}", "r+b", buffering=0) as file:
            old = versions[name][0]
            change = b"CHANGED!" * 500
            file.seek(len(old) // 3)
            file.write(change)
            versions[name].append(old[:len(old) // 3] + change + old[len(old) // 3 + len(change):])
    for number in range(3):
        new = b"version %d" % number + pattern(60 + number, 250_000)
        write_file(f"{folder}/tmp", new)
        os.rename(f"{folder}/tmp", f"{folder}/renamed")
        versions["renamed"].append(new)
    os.truncate(f"{folder}/cut", 50_000)
    versions["cut"].append(versions["cut"][0][:50_000])
    store.kill()

    def verify():
        for name, allowed in versions.items():
            data = read_file(f"{folder}/{name}")
            assert data in allowed, f"{name}: {len(data)} bytes that are none of {len(allowed)} versions"

    check_images(lab, f"{scratch}/saved", rng, scaled(9, 60, "images of a power cut"), verify)


def test_promises_hold_over_power_cuts_at_random_moments(make_store, scratch, recorder):
    rng, seed = seeded("power cuts under load")
    promises, count = 0, scaled(7, 20, "images of each")
    for cycle in range(scaled(4, 40, "power cuts under load")):
        base = f"{scratch}/c{cycle}"
        os.mkdir(base)
        lab = Lab(lambda **options: make_store(f"c{cycle}", **options), base, recorder)
        prepare(lab.mount())
        load = Load(lab.store, f"{base}/records", 0, rng.randrange(1_000_000))
        try:
            load.start()
            time.sleep(rng.uniform(0, 1.5))   # the random moment
            load.assert_working()
            lab.store.kill()
            load.end()
        finally:
            load.kill()
        found = []
        check_images(lab, f"{base}/saved", rng, count,
                     lambda: found.append(sum(load.verify(power_cut=True).values())))
        promises += sum(found)
        shutil.rmtree(base)
    note(f"promises checked after power cuts: {promises}")
    assert promises, "no promise to check"
