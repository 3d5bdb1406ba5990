"""Random operations on a file and on a tree, each done on the mount and on ext4, compared at every step."""

import mmap
import os
import subprocess
import sys

from harness import (KEEP_SIZE, PUNCH_HOLE, RENAME_EXCHANGE, RENAME_NOREPLACE, ZERO_RANGE, assert_same_tree,
                     fallocate, outcome, picture, read_file, renameat2, scaled, seeded, write_file)


class FilePair:
    """One file on the mount and its twin on ext4; each operation goes to both."""

    LIMIT = 3 << 20

    def __init__(self, area, twin, rng):
        self.paths, self.rng = (f"{area}/f", f"{twin}/f"), rng
        self.fds = [os.open(path, os.O_CREAT | os.O_RDWR) for path in self.paths]
        self.log = []

    def span(self):
        size = os.fstat(self.fds[1]).st_size
        reach = self.LIMIT if self.rng.random() < 0.2 else max(size, 1)
        offset = self.rng.randrange(reach)
        length = self.rng.choice((1, 10, 511, 4096, 5000, 16384, 70_000, 300_000))
        length = min(self.rng.randint(1, length), self.LIMIT - offset)
        return offset, max(length, 1)

    def both(self, function):
        results = [outcome(function, fd) for fd in self.fds]
        assert results[0] == results[1], self.story()

    def read(self):
        offset, length = self.span()
        self.log.append(f"read {offset} {length}")
        self.both(lambda fd: os.pread(fd, length, offset))

    def write(self):
        offset, length = self.span()
        data = self.rng.randbytes(length)
        self.log.append(f"write {offset} {length}")
        self.both(lambda fd: os.pwrite(fd, data, offset))

    def append(self):
        data = self.rng.randbytes(self.rng.randint(1, 20_000))
        self.log.append(f"append {len(data)}")
        if os.fstat(self.fds[1]).st_size + len(data) < self.LIMIT:
            self.both(lambda fd: os.pwrite(fd, data, os.fstat(fd).st_size))

    def truncate(self):
        size = self.rng.randrange(self.LIMIT) if self.rng.random() < 0.5 else self.span()[0]
        self.log.append(f"truncate {size}")
        self.both(lambda fd: os.ftruncate(fd, size))

    def punch(self):
        offset, length = self.span()
        mode = self.rng.choice((KEEP_SIZE | PUNCH_HOLE, ZERO_RANGE | KEEP_SIZE, ZERO_RANGE, 0, KEEP_SIZE))
        self.log.append(f"fallocate {mode} {offset} {length}")
        self.both(lambda fd: fallocate(fd, mode, offset, length))

    def map(self):
        size = os.fstat(self.fds[1]).st_size
        if not size:
            return
        offset = self.rng.randrange(size)
        length = min(size - offset, self.rng.randint(1, 50_000))
        data = self.rng.randbytes(length) if self.rng.random() < 0.5 else None
        self.log.append(f"mmap {'write' if data else 'read'} {offset} {length}")

        def touch(fd):
            with mmap.mmap(fd, 0) as area:
                if data:
                    area[offset:offset + length] = data
                return bytes(area[max(0, offset - 100):offset + length + 100])
        self.both(touch)

    def copy(self):
        source, length = self.span()
        target = self.rng.randrange(self.LIMIT // 2)
        self.log.append(f"copy_file_range {source} {length} {target}")
        if abs(source - target) < length:
            return

        def move(fd):
            done = 0
            while done < length:
                step = os.copy_file_range(fd, fd, length - done, source + done, target + done)
                if step <= 0:
                    break
                done += step
            return done
        self.both(move)

    def sync(self):
        self.log.append("fsync")
        self.both(os.fsync)

    def reopen(self):
        self.log.append("reopen")
        for fd in self.fds:
            os.close(fd)
        flags = os.O_RDWR | (os.O_SYNC if self.rng.random() < 0.1 else 0)
        self.fds = [os.open(path, flags) for path in self.paths]
        self.whole()

    def whole(self):
        left, right = (read_file(path) for path in self.paths)
        assert len(left) == len(right), self.story()
        if left != right:
            at = next(i for i in range(len(left)) if left[i] != right[i])
            raise AssertionError(f"differs at {at}: {left[at:at + 32]!r} instead of "
                                 f"{right[at:at + 32]!r}\n{self.story()}")

    def story(self):
        return "the last operations:\n" + "\n".join(self.log[-40:])

    def step(self):
        actions = [self.read] * 20 + [self.write] * 30 + [self.append] * 12 + [self.truncate] * 8 + \
            [self.punch] * 8 + [self.map] * 8 + [self.copy] * 4 + [self.sync] * 3 + [self.reopen] * 2
        self.rng.choice(actions)()
        assert os.fstat(self.fds[0]).st_size == os.fstat(self.fds[1]).st_size, self.story()

    def close(self):
        for fd in self.fds:
            os.close(fd)


def test_random_file_operations_match_ext4(tree, area, twin):
    rng, _ = seeded("random file operations")
    pair = FilePair(area, twin, rng)
    for _ in range(scaled(4_000, 40_000, "file operations")):
        pair.step()
    pair.whole()
    pair.close()
    tree.umount()
    tree.mount(options="dev,suid,allow_other" if os.geteuid() == 0 else "")
    pair.whole()


class TreePair:
    """A folder on the mount and its twin; names from a small alphabet, so that they collide."""

    def __init__(self, area, twin, rng):
        self.roots, self.rng, self.log = (area, twin), rng, []

    def name(self):
        depth = self.rng.choice((1, 1, 1, 2, 2, 3))
        return "/".join(self.rng.choice("abcdefgh") for _ in range(depth))

    def both(self, what, function, *arguments):
        self.log.append(f"{what} {arguments}"[:200])
        results = [outcome(function, root, *arguments) for root in self.roots]
        assert results[0] == results[1], "\n".join(self.log[-40:])

    def step(self):
        rng, name, other = self.rng, self.name(), self.name()
        data = rng.randbytes(rng.choice((0, 10, 5_000, 9_000, 40_000)))
        size, mode = rng.randrange(20_000), rng.choice((0o600, 0o644, 0o755, 0o700))
        rng.choice((
            lambda: self.both("write", lambda r: write_file(f"{r}/{name}", data)),
            lambda: self.both("write", lambda r: write_file(f"{r}/{name}", data)),
            lambda: self.both("append", lambda r: write_file(f"{r}/{name}", data, "ab")),
            lambda: self.both("mkdir", lambda r, n: os.mkdir(f"{r}/{n}"), name),
            lambda: self.both("mkdir", lambda r, n: os.mkdir(f"{r}/{n}"), name),
            lambda: self.both("rmdir", lambda r, n: os.rmdir(f"{r}/{n}"), name),
            lambda: self.both("unlink", lambda r, n: os.unlink(f"{r}/{n}"), name),
            lambda: self.both("rename", lambda r, a, b: os.rename(f"{r}/{a}", f"{r}/{b}"), name, other),
            lambda: self.both("rename", lambda r, a, b: os.rename(f"{r}/{a}", f"{r}/{b}"), name, other),
            lambda: self.both("exchange", lambda r, a, b: renameat2(f"{r}/{a}", f"{r}/{b}",
                                                                    RENAME_EXCHANGE), name, other),
            lambda: self.both("link", lambda r, a, b: os.link(f"{r}/{a}", f"{r}/{b}",
                                                              follow_symlinks=False), name, other),
            lambda: self.both("symlink", lambda r, n, t: os.symlink(t, f"{r}/{n}"), name, other[-1]),
            lambda: self.both("truncate", lambda r, n: os.truncate(f"{r}/{n}", size), name),
            lambda: self.both("chmod", lambda r, n: os.chmod(f"{r}/{n}", mode), name),
            lambda: self.both("utime", lambda r, n: os.utime(f"{r}/{n}", ns=(size, size)), name),
            lambda: self.both("setxattr", lambda r, n: os.setxattr(f"{r}/{n}", "user." + name[0],
                                                                   data[:100]), other),
            lambda: self.both("removexattr", lambda r, n: os.removexattr(f"{r}/{n}", "user." + name[0]), other),
            lambda: self.both("listxattr", lambda r, n: sorted(
                x for x in os.listxattr(f"{r}/{n}") if x.startswith("user.") and not x.startswith("user.reelfs.")),
                other),
            lambda: self.both("no-replace", lambda r, a, b: renameat2(f"{r}/{a}", f"{r}/{b}",
                                                                      RENAME_NOREPLACE), name, other),
            lambda: self.both("readlink", lambda r, n: os.readlink(f"{r}/{n}"), name),
            lambda: self.both("listdir", lambda r, n: sorted(os.listdir(f"{r}/{n}")), name),
            lambda: self.both("read", lambda r, n: read_file(f"{r}/{n}"), name),
        ))()


def test_random_tree_operations_match_ext4(tree, area, twin):
    rng, _ = seeded("random tree operations")
    pair = TreePair(area, twin, rng)
    count = scaled(6_000, 60_000, "tree operations")
    for number in range(count):
        pair.step()
        if number % (count // 6) == 0:
            assert_same_tree(area, twin, times=False)
    assert_same_tree(area, twin, times=False)
    tree.umount()
    tree.mount(options="dev,suid,allow_other" if os.geteuid() == 0 else "")
    assert_same_tree(area, twin, times=False)


def test_operations_of_many_processes_leave_a_sane_tree(area):
    """Eight processes collide on few names; afterwards the tree can be walked and removed."""
    script = """
import os, random, sys
root, rng = sys.argv[1], random.Random(int(sys.argv[2]))
for _ in range(400):
    a, b = (f"{root}/{rng.choice('abcd')}{rng.choice(['', '/x', '/y'])}" for _ in 'ab')
    try:
        rng.choice([lambda: open(a, 'ab').write(b'x' * 5000), lambda: os.mkdir(a), lambda: os.rename(a, b),
                    lambda: os.unlink(a), lambda: os.rmdir(a), lambda: os.link(a, b),
                    lambda: os.listdir(root), lambda: open(a, 'rb').read()])()
    except OSError as error:
        if error.errno in (5, 14, 38, 71, 103, 107, 116):   # EIO EFAULT ENOSYS EPROTO ECONNABORTED ...
            raise
"""
    _, seed = seeded("colliding processes")
    workers = [subprocess.Popen([sys.executable, "-c", script, area, str(seed + n)]) for n in range(8)]
    assert [worker.wait(120) for worker in workers] == [0] * 8
    for name, facts in picture(area).items():
        assert facts.get("size", 0) % 5_000 == 0, name
    subprocess.run(["rm", "-r", area], check=True)
    assert not os.path.exists(area)
