"""The mount behaves as ext4 does: each scenario runs on both, and what was seen must be equal."""

import ctypes
import errno
import fcntl
import mmap
import os
import socket
import stat
import struct
import subprocess
import sys

import pytest

from harness import (COLLAPSE_RANGE, KEEP_SIZE, PUNCH_HOLE, RENAME_EXCHANGE, RENAME_NOREPLACE,
                     STAND_IN, ZERO_RANGE, fallocate, outcome, pattern,
                     picture, read_file, renameat2, write_file)

scenarios = {}


def scenario(function):
    scenarios[function.__name__] = function
    return function


# Files

@scenario
def create_flags_and_modes(d):
    seen = []
    for mode in (0o000, 0o644, 0o600, 0o755, 0o4755, 0o2755, 0o1777):
        fd = os.open(f"{d}/m{mode:o}", os.O_CREAT | os.O_WRONLY, mode)
        seen.append(oct(os.fstat(fd).st_mode))
        os.close(fd)
    seen.append(outcome(os.open, f"{d}/m644", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    seen.append(outcome(os.open, f"{d}/absent", os.O_RDONLY))
    seen.append(outcome(os.open, f"{d}/m644/below", os.O_RDONLY))
    seen.append(outcome(os.open, f"{d}/absent/below", os.O_CREAT | os.O_WRONLY))
    seen.append(outcome(os.open, d, os.O_WRONLY))
    return seen


@scenario
def write_read_append_truncate(d):
    path = f"{d}/f"
    write_file(path, pattern(1, 100_000))
    write_file(path, pattern(2, 5_000), "ab")
    with open(path, "r+b") as file:
        file.seek(4_000)
        file.write(b"x" * 9_000)
        file.seek(200_000)
        file.write(b"beyond")
        seen = [file.tell(), os.fstat(file.fileno()).st_size]
        file.flush()
        os.ftruncate(file.fileno(), 150_001)
    os.truncate(path, 300_000)
    os.truncate(path, 250_000)
    data = read_file(path)
    return seen + [len(data), data, outcome(os.truncate, path, -1), outcome(os.truncate, d, 0)]


@scenario
def positioned_reads_and_writes(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR)
    seen = []
    for offset, size in ((0, 1), (1, 4095), (4095, 2), (16_383, 2), (65_536, 16_384), (1 << 20, 3),
                         ((1 << 20) - 5, 10), (7, 0)):
        seen.append(os.pwrite(fd, pattern(offset, size), offset))
    for offset, size in ((0, 1 << 21), (5, 10), (4_000, 200), (1 << 20, 100), (1 << 22, 10)):
        seen.append(os.pread(fd, size, offset))
    seen.append(outcome(os.pread, fd, 10, -1))
    os.close(fd)
    return seen


@scenario
def o_trunc_and_o_append(d):
    path = f"{d}/f"
    write_file(path, b"0123456789")
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.lseek(fd, 2, os.SEEK_SET)
    os.write(fd, b"abc")
    os.pwrite(fd, b"def", 0)   # Linux appends with O_APPEND whatever the offset
    seen = [read_file(path), os.lseek(fd, 0, os.SEEK_CUR)]
    os.close(fd)
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))
    return seen + [read_file(path), os.stat(path).st_size]


@scenario
def access_modes_of_handles(d):
    write_file(f"{d}/f", b"text")
    reader, writer = os.open(f"{d}/f", os.O_RDONLY), os.open(f"{d}/f", os.O_WRONLY)
    seen = [outcome(os.write, reader, b"x"), outcome(os.read, writer, 1),
            outcome(os.ftruncate, reader, 0), outcome(os.read, os.open(d, os.O_RDONLY), 1)]
    os.close(reader)
    os.close(writer)
    return seen


@scenario
def two_handles_see_each_other(d):
    first = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR)
    second = os.open(f"{d}/f", os.O_RDWR)
    seen = []
    for step in range(50):
        os.pwrite(first, b"%06d" % step, step * 3_000)
        seen.append((os.pread(second, 6, step * 3_000), os.fstat(second).st_size))
        os.pwrite(second, b"%06d" % (step * 7), step * 2_000)
        seen.append((os.pread(first, 6, step * 2_000), os.fstat(first).st_size))
    os.close(first)
    os.close(second)
    return seen


@scenario
def what_is_removed_or_replaced_can_still_be_referred_to(d):
    seen = []
    for step, act in enumerate([lambda path: os.unlink(path),
                                lambda path: os.rename(written(f"{d}/new", b"another"), path)]):
        path = written(f"{d}/f{step}", pattern(4, 5_000))
        fd = os.open(path, os.O_PATH)
        act(path)
        seen.append([os.fstat(fd).st_nlink, os.fstat(fd).st_size])
        if step == 1:
            seen.append(read_file(f"/proc/self/fd/{fd}"))
        os.close(fd)
    for act in [lambda path: os.rmdir(path), lambda path: os.rename(made(f"{d}/other"), path)]:
        path = made(f"{d}/d")
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        act(path)
        seen.append([os.fstat(fd).st_nlink, os.listdir(fd), outcome(os.open, "f", os.O_CREAT | os.O_WRONLY, dir_fd=fd),
                     outcome(os.stat, "f", dir_fd=fd), sorted(os.listdir(d))])
        child = subprocess.run([sys.executable, "-c", "import os; print(os.stat('.').st_nlink, os.listdir('.'))"],
                               preexec_fn=lambda: os.fchdir(fd), capture_output=True, text=True)
        seen.append([child.returncode, child.stdout])
        os.close(fd)
    return seen


def made(path):
    os.mkdir(path)
    return path


def written(path, data):
    write_file(path, data)
    return path


@scenario
def open_unlinked_file_lives(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, pattern(3, 50_000))
    os.unlink(f"{d}/f")
    os.pwrite(fd, b"late", 60_000)
    seen = [os.fstat(fd).st_nlink, os.fstat(fd).st_size, os.pread(fd, 70_000, 0), os.listdir(d)]
    os.fsync(fd)
    os.fchmod(fd, 0o600)
    os.ftruncate(fd, 10)
    seen += [os.pread(fd, 100, 0), oct(os.fstat(fd).st_mode)]
    write_file(f"{d}/f", b"another")
    seen += [os.pread(fd, 100, 0), read_file(f"{d}/f")]
    os.close(fd)
    return seen


@scenario
def replaced_file_lives_for_its_readers(d):
    write_file(f"{d}/f", pattern(4, 40_000))
    fd = os.open(f"{d}/f", os.O_RDONLY)
    write_file(f"{d}/g", pattern(5, 30_000))
    os.rename(f"{d}/g", f"{d}/f")
    seen = [os.pread(fd, 50_000, 0), os.fstat(fd).st_nlink, read_file(f"{d}/f")]
    os.close(fd)
    return seen


@scenario
def sparse_files_read_zeros(d):
    with open(f"{d}/f", "wb") as file:
        file.truncate(50 << 20)
        file.seek(20 << 20)
        file.write(b"island")
    found = os.stat(f"{d}/f")
    fd = os.open(f"{d}/f", os.O_RDONLY)
    seen = [found.st_size, found.st_blocks * 512 < (1 << 20), os.pread(fd, 100, (20 << 20) - 50),
            os.pread(fd, 10, 0), os.pread(fd, 10, (50 << 20) - 5)]
    os.close(fd)
    return seen


@scenario
def punch_zero_and_allocate(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, pattern(6, 300_000))
    seen = []
    for mode, offset, length in ((KEEP_SIZE | PUNCH_HOLE, 10_000, 100_000), (ZERO_RANGE, 200_001, 17),
                                 (KEEP_SIZE, 0, 500_000), (0, 0, 400_000),
                                 (KEEP_SIZE | PUNCH_HOLE, 390_000, 50_000),
                                 (ZERO_RANGE | KEEP_SIZE, 399_000, 9_000),
                                 (ZERO_RANGE, 399_000, 9_000), (0, 5, 0)):
        seen.append((outcome(fallocate, fd, mode, offset, length), os.fstat(fd).st_size,
                     os.pread(fd, 1 << 20, 0)))
    os.close(fd)
    return seen


@scenario
def appended_records_of_two_writers_stay_whole(d):
    script = ("import os,sys\nfd=os.open(sys.argv[1],os.O_WRONLY|os.O_APPEND|os.O_CREAT)\n"
              "for i in range(500): os.write(fd,(sys.argv[2]*96+'%03d\\n'%i).encode())\n")
    writers = [subprocess.Popen([sys.executable, "-c", script, f"{d}/log", who]) for who in "ab"]
    codes = [writer.wait(60) for writer in writers]
    lines = read_file(f"{d}/log").decode().splitlines()
    return codes + [len(lines), sorted(lines)]


@scenario
def shared_mmap_is_the_file(d):
    path = f"{d}/f"
    write_file(path, pattern(7, 100_000))
    with open(path, "r+b") as file:
        with mmap.mmap(file.fileno(), 0) as area:
            area[5_000:5_010] = b"0123456789"
            area[99_990:100_000] = b"9876543210"
            area.flush()
            seen = [read_file(path)[4_990:5_020]]
            os.pwrite(file.fileno(), b"by write", 20_000)
            seen.append(bytes(area[19_995:20_010]))
    seen.append(read_file(path))
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as area:
        seen.append(bytes(area[:200]))
    return seen


@scenario
def copy_file_range_copies(d):
    write_file(f"{d}/a", pattern(8, 200_000))
    source, target = os.open(f"{d}/a", os.O_RDONLY), os.open(f"{d}/b", os.O_CREAT | os.O_RDWR)
    seen = []
    for length, at, to in ((200_000, 0, 0), (50_000, 4_096, 300_000), (10, 199_995, 7),
                           (16_384, 16_384, 32_768), (100, 500_000, 0)):
        done = 0
        while done < length:
            step = os.copy_file_range(source, target, length - done, at + done, to + done)
            if not step:
                break
            done += step
        seen.append(done)
    os.close(source)
    os.close(target)
    os.truncate(f"{d}/a", 1_000)
    write_file(f"{d}/a", b"changed", "r+b")
    return seen + [read_file(f"{d}/a"), read_file(f"{d}/b")]


@scenario
def sync_calls_return(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_WRONLY | os.O_SYNC)
    os.write(fd, pattern(9, 10_000))
    os.fsync(fd)
    os.fdatasync(fd)
    os.close(fd)
    folder = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)
    return [read_file(f"{d}/f")]


# Directories and names

@scenario
def directories(d):
    os.mkdir(f"{d}/a", 0o751)
    os.makedirs(f"{d}/a/b/c")
    write_file(f"{d}/a/f", b"")
    seen = [oct(os.stat(f"{d}/a").st_mode), os.stat(f"{d}/a").st_nlink,
            outcome(os.mkdir, f"{d}/a"), outcome(os.mkdir, f"{d}/a/f"), outcome(os.mkdir, f"{d}/x/y"),
            outcome(os.mkdir, f"{d}/a/f/x"), outcome(os.rmdir, f"{d}/a"), outcome(os.rmdir, f"{d}/a/f"),
            outcome(os.rmdir, f"{d}/absent"), outcome(os.rmdir, f"{d}/a/b/."),
            outcome(os.unlink, f"{d}/a/b"), outcome(os.unlink, f"{d}/absent"),
            outcome(os.rmdir, f"{d}/a/b/c"), os.stat(f"{d}/a/b").st_nlink, sorted(os.listdir(f"{d}/a"))]
    return seen


@scenario
def rename_every_way(d):
    for name in "abc":
        write_file(f"{d}/{name}", name.encode())
    for name in ("d1", "d2", "full"):
        os.mkdir(f"{d}/{name}")
    write_file(f"{d}/full/x", b"x")
    tries = [("a", "b"), ("absent", "z"), ("b", "d1"), ("d1", "b"), ("d1", "d2"), ("d2", "full"),
             ("full", "d2"), ("d2", "d2/inside"), ("c", "c"), ("c", "none/c"), ("c", "b/x"),
             ("d2/x", "x"), ("b", "n" * 255), ("c", "n" * 256), ("d2", "d3"), ("d2/.", "q")]
    seen = [(pair, outcome(os.rename, f"{d}/{pair[0]}", f"{d}/{pair[1]}")) for pair in tries]
    return seen + [picture(d, times=False)]


@scenario
def rename_flags(d):
    for name in "ab":
        write_file(f"{d}/{name}", name.encode())
    os.mkdir(f"{d}/dir")
    write_file(f"{d}/dir/in", b"in")
    tries = [("a", "b", RENAME_NOREPLACE), ("a", "c", RENAME_NOREPLACE), ("c", "b", RENAME_EXCHANGE),
             ("c", "dir", RENAME_EXCHANGE), ("c", "none", RENAME_EXCHANGE),
             ("none", "c", RENAME_EXCHANGE), ("c", "b", RENAME_EXCHANGE | RENAME_NOREPLACE),
             ("dir", "none", RENAME_NOREPLACE), ("c", "c/in", RENAME_EXCHANGE)]
    seen = [(t, outcome(renameat2, f"{d}/{t[0]}", f"{d}/{t[1]}", t[2])) for t in tries]
    return seen + [picture(d, times=False)]


@scenario
def hard_links(d):
    write_file(f"{d}/a", b"one")
    os.mkdir(f"{d}/dir")
    os.link(f"{d}/a", f"{d}/dir/b")
    write_file(f"{d}/dir/b", b" and more", "ab")
    seen = [read_file(f"{d}/a"), os.stat(f"{d}/a").st_nlink,
            os.stat(f"{d}/a").st_ino == os.stat(f"{d}/dir/b").st_ino,
            outcome(os.link, f"{d}/a", f"{d}/dir/b"), outcome(os.link, f"{d}/dir", f"{d}/dir2"),
            outcome(os.link, f"{d}/none", f"{d}/x"), outcome(os.rename, f"{d}/a", f"{d}/dir/b")]
    seen.append(os.path.exists(f"{d}/a"))   # rename onto another link of itself does nothing
    os.unlink(f"{d}/a")
    return seen + [os.stat(f"{d}/dir/b").st_nlink, read_file(f"{d}/dir/b")]


@scenario
def symbolic_links(d):
    os.mkdir(f"{d}/dir")
    write_file(f"{d}/dir/f", b"through")
    seen = []
    for name, target in (("l", "dir/f"), ("up", "../elsewhere"), ("loop", "loop"), ("long", "t" * 4095),
                         ("dirlink", "dir"), ("bytes", b"\xff\xfe")):
        seen.append(outcome(os.symlink, target, f"{d}/{name}"))
        seen.append(outcome(os.readlink, os.fsencode(f"{d}/{name}")))
    seen += [read_file(f"{d}/l"), outcome(os.stat, f"{d}/loop"), outcome(os.stat, f"{d}/up"),
             os.lstat(f"{d}/l").st_size, outcome(os.symlink, "x", f"{d}/l"),
             outcome(os.symlink, "", f"{d}/empty"), outcome(os.symlink, "t" * 4096, f"{d}/too"),
             outcome(os.readlink, f"{d}/dir"), read_file(f"{d}/dirlink/f"),
             outcome(os.open, f"{d}/l", os.O_RDONLY | os.O_NOFOLLOW), outcome(os.rmdir, f"{d}/dirlink")]
    os.unlink(f"{d}/l")
    return seen + [read_file(f"{d}/dir/f")]


@scenario
def special_nodes(d):
    os.mkfifo(f"{d}/fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(d, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{folder}/s")
        os.close(folder)
        seen = [stat.S_ISSOCK(os.lstat(f"{d}/s").st_mode)]
    for name, kind in (("chr", stat.S_IFCHR), ("blk", stat.S_IFBLK)):
        seen.append(outcome(os.mknod, f"{d}/{name}", kind | 0o600, os.makedev(7, 255)))
    seen.append(outcome(os.mknod, f"{d}/plain", stat.S_IFREG | 0o600))
    child = subprocess.Popen(["cat", f"{d}/fifo"], stdout=subprocess.PIPE)
    write_file(f"{d}/fifo", b"through the pipe")
    seen.append(child.communicate(timeout=20)[0])
    return seen + [picture_without_reading(d)]


def picture_without_reading(d):
    return {name: (oct(os.lstat(f"{d}/{name}").st_mode), os.lstat(f"{d}/{name}").st_rdev)
            for name in sorted(os.listdir(d))}


@scenario
def names_of_every_kind(d):
    names = [b"n" * 255, "ä".encode() * 127, b"\xff\xfe\x80", b" ", b"-rf", b"a\nb", b"\x01\x7f", b"'\"`$",
             b"...", b"*?[]", b"\\", b"%00", "𝄞𝄞".encode(), b"#?&=", b"Con.TXT", b"con.txt", "é".encode(),
             "e\u0301".encode()]
    folder = os.fsencode(d)
    for number, name in enumerate(names):
        write_file(folder + b"/" + name, b"%d" % number)
    seen = [sorted(os.listdir(folder)) == sorted(names),
            [read_file(folder + b"/" + name) for name in names]]
    for name in (b"n" * 256, "ä".encode() * 128):
        seen.append(outcome(os.open, folder + b"/" + name, os.O_CREAT | os.O_WRONLY))
        seen.append(outcome(os.mkdir, folder + b"/" + name))
        seen.append(outcome(os.symlink, b"x", folder + b"/" + name))
        seen.append(outcome(os.stat, folder + b"/" + name))
        seen.append(outcome(os.link, folder + b"/ ", folder + b"/" + name))
        seen.append(outcome(os.rename, folder + b"/ ", folder + b"/" + name))
    for name in names:
        os.rename(folder + b"/" + name, folder + b"/~" + name[:250])
    return seen + [sorted(os.listdir(folder))]


@scenario
def five_thousand_entries(d):
    for number in range(5_000):
        os.close(os.open(f"{d}/entry-{number:05d}", os.O_CREAT | os.O_WRONLY))
    seen = [sorted(os.listdir(d))]
    with os.scandir(d) as listing:
        seen.append(sorted((entry.name, entry.is_file(), entry.stat().st_size) for entry in listing))
    for number in range(0, 5_000, 2):
        os.unlink(f"{d}/entry-{number:05d}")
    return seen + [sorted(os.listdir(d))]


@scenario
def listing_while_removing(d):
    """Every name that stays is seen exactly once, as POSIX wants, while others go."""
    for number in range(3_000):
        os.close(os.open(f"{d}/{number}", os.O_CREAT | os.O_WRONLY))
    kept = []
    with os.scandir(d) as listing:
        for entry in listing:
            if int(entry.name) % 3 == 0:
                kept.append(int(entry.name))
            else:
                os.unlink(entry.path)
    return [sorted(kept) == list(range(0, 3_000, 3)), len(kept), sorted(os.listdir(d), key=int)]


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("reclen", ctypes.c_uint16),
                ("type", ctypes.c_uint8), ("name", ctypes.c_char * 256)]


@scenario
def seekdir_returns_to_where_telldir_was(d):
    for number in range(1_000):
        os.close(os.open(f"{d}/{number}", os.O_CREAT | os.O_WRONLY))
    libc = ctypes.CDLL(None)
    libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
    libc.telldir.restype = ctypes.c_long
    stream = ctypes.c_void_p(libc.opendir(os.fsencode(d)))

    def following():
        entry = libc.readdir(stream)
        return entry and ctypes.cast(entry, ctypes.POINTER(Dirent)).contents.name

    names, places = [], []
    while True:
        places.append(libc.telldir(stream))
        name = following()
        if not name:
            break
        names.append(name)
    again = []
    for index in (0, 1, 500, 999, 3, len(names) - 1, 730):
        libc.seekdir(stream, ctypes.c_long(places[index]))
        again.append(following() == names[index])
    libc.rewinddir(stream)
    count = 0
    while following():
        count += 1
    libc.closedir(stream)
    return [sorted(names), again, count]


# Attributes

@scenario
def modes_owners_and_times(d):
    path = f"{d}/f"
    write_file(path, b"x")
    seen = []
    for mode in (0o0, 0o777, 0o4755, 0o2711, 0o1644, 0o644):
        os.chmod(path, mode)
        seen.append(oct(os.stat(path).st_mode))
    if os.geteuid() == 0:
        for uid, gid in ((1000, -1), (-1, 2000), (4294967294, 4294967294), (0, 0)):
            os.chown(path, uid, gid)
            seen.append((os.stat(path).st_uid, os.stat(path).st_gid))
        os.chmod(path, 0o6755)
        os.chown(path, 5, 6)
        seen.append(oct(os.stat(path).st_mode))
        os.symlink("f", f"{d}/l")
        os.chown(f"{d}/l", 7, 8, follow_symlinks=False)
        seen.append((os.lstat(f"{d}/l").st_uid, os.stat(path).st_uid))
    for times in ((1_234_567_890_123_456_789, 987_654_321_012_345_678), (0, 0), (1, 999_999_999),
                  (-1_500_000_000, -1), (7_999_999_999_000_000_001, 1)):
        os.utime(path, ns=times)
        seen.append((os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns))
    os.utime(d, ns=(5, 6))
    seen.append(os.stat(d).st_mtime_ns)
    return seen


@scenario
def which_times_change(d):
    """Not the values, but which of mtime and ctime an operation moves."""
    def moved(path, action):
        os.utime(path, ns=(1, 1), follow_symlinks=False)
        before = os.lstat(path)
        action()
        after = os.lstat(path)
        return after.st_mtime_ns != before.st_mtime_ns, after.st_ctime_ns > before.st_ctime_ns

    path = f"{d}/f"
    write_file(path, b"x" * 100)
    os.mkdir(f"{d}/sub")
    seen = [moved(path, lambda: write_file(path, b"y", "ab")), moved(path, lambda: os.truncate(path, 5)),
            moved(path, lambda: os.truncate(path, 5)), moved(path, lambda: os.chmod(path, 0o600)),
            moved(path, lambda: os.link(path, f"{d}/g")), moved(path, lambda: os.unlink(f"{d}/g")),
            moved(path, lambda: os.rename(path, f"{d}/h") or os.rename(f"{d}/h", path)),
            moved(path, lambda: os.setxattr(path, "user.a", b"1")),
            moved(path, lambda: os.removexattr(path, "user.a")),
            moved(path, lambda: read_file(path)),
            moved(f"{d}/sub", lambda: write_file(f"{d}/sub/x", b"")),
            moved(f"{d}/sub", lambda: write_file(f"{d}/sub/x", b"more")),
            moved(f"{d}/sub", lambda: os.rename(f"{d}/sub/x", f"{d}/sub/y")),
            moved(f"{d}/sub", lambda: os.unlink(f"{d}/sub/y")),
            moved(d, lambda: os.mkdir(f"{d}/new")), moved(d, lambda: os.rmdir(f"{d}/new")),
            moved(d, lambda: os.symlink("a", f"{d}/link")), moved(d, lambda: os.mkfifo(f"{d}/fifo")),
            moved(d, lambda: os.open(f"{d}/o", os.O_CREAT | os.O_TRUNC | os.O_WRONLY))]
    return seen


@scenario
def writing_clears_set_user_id(d):
    if os.geteuid() != 0:
        return []
    path = f"{d}/f"
    write_file(path, b"x")
    os.chown(path, 65534, 65534)
    os.chmod(path, 0o6777)
    for folder in (d, os.path.dirname(d)):
        os.chmod(folder, 0o777)
    seen = []
    for script in ("open(p,'ab').write('x'.encode())", "os.truncate(p,0)"):
        os.chmod(path, 0o6777)
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65533", "--clear-groups",
                               "--bounding-set=-all", "--inh-caps=-all",
                               sys.executable, "-c",
                               f"import os; os.chdir('/proc/self/fd/{3}'); p='f'; {script}"],
                              pass_fds=(), preexec_fn=lambda: os.dup2(folder_fd(d), 3), close_fds=False)
        seen.append((done.returncode, oct(os.stat(path).st_mode)))
    return seen


def folder_fd(path):
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


@scenario
def extended_attributes(d):
    path = f"{d}/f"
    write_file(path, b"x")
    os.setxattr(path, "user.one", b"1")
    seen = [os.getxattr(path, "user.one"), outcome(os.setxattr, path, "user.one", b"2", os.XATTR_CREATE),
            outcome(os.setxattr, path, "user.two", b"2", os.XATTR_REPLACE),
            outcome(os.setxattr, path, "user.one", b"\0\xff" * 500, os.XATTR_REPLACE),
            os.getxattr(path, "user.one"), outcome(os.getxattr, path, "user.none"),
            outcome(os.removexattr, path, "user.none"), outcome(os.setxattr, path, "user.empty", b""),
            os.getxattr(path, "user.empty"), outcome(os.setxattr, path, "bad.name", b"x"),
            outcome(os.setxattr, path, "user." + "n" * 250, b"long"),
            outcome(os.setxattr, path, "user." + "n" * 251, b"longer"),
            sorted(visible_xattrs(path))]
    os.setxattr(d, "user.dir", b"on a folder")
    os.symlink("f", f"{d}/l")
    seen += [visible_xattrs(d), outcome(os.setxattr, f"{d}/l", "user.l", b"x", follow_symlinks=False)]
    if os.geteuid() == 0:
        seen.append(outcome(os.setxattr, path, "trusted.t", b"t"))
        seen.append(outcome(os.setxattr, path, "security.s", b"s"))
    os.removexattr(path, "user.one")
    os.rename(path, f"{d}/g")
    return seen + [sorted(visible_xattrs(f"{d}/g"))]


def visible_xattrs(path):
    return [name for name in os.listxattr(path) if not name.startswith(("user.reelfs.", "security.selinux"))]


@scenario
def many_errors(d):
    write_file(f"{d}/f", b"x")
    os.mkdir(f"{d}/dir")
    fd = os.open(f"{d}/f", os.O_RDWR)
    seen = [outcome(os.lseek, fd, -1, os.SEEK_SET), outcome(os.lseek, fd, 5, os.SEEK_DATA),
            outcome(os.lseek, fd, 5, os.SEEK_HOLE), outcome(os.lseek, fd, 0, os.SEEK_HOLE),
            outcome(os.lseek, fd, 0, os.SEEK_DATA),
            outcome(fallocate, fd, PUNCH_HOLE, 0, 1), outcome(os.open, f"{d}/dir", os.O_RDWR),
            outcome(os.open, f"{d}/f", os.O_RDONLY | os.O_DIRECTORY),
            outcome(os.open, f"{d}/dir", os.O_CREAT | os.O_WRONLY), outcome(os.chmod, f"{d}/none", 0),
            outcome(os.utime, f"{d}/none"), outcome(os.readlink, f"{d}/f"),
            outcome(os.listdir, f"{d}/f"), outcome(os.listdir, f"{d}/none"),
            outcome(os.stat, f"{d}/f/"), outcome(os.unlink, f"{d}/dir/"), outcome(os.rmdir, f"{d}/f"),
            outcome(os.rename, f"{d}/f", f"{d}/dir/"), outcome(os.truncate, f"{d}/dir", 1)]
    os.close(fd)
    return seen


@scenario
def seek_data_and_hole_never_hide_data(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, 10 << 20)
    os.pwrite(fd, b"a" * 100_000, 1 << 20)
    os.pwrite(fd, b"b" * 100_000, 5 << 20)
    found, at, size = [], 0, 10 << 20
    while True:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            assert error.errno == errno.ENXIO
            break
        end = os.lseek(fd, at, os.SEEK_HOLE)
        found.append((at, end))
        at = end
        if at >= size:
            break
    covered = [any(start <= place < end for start, end in found)
               for place in (1 << 20, (1 << 20) + 99_999, 5 << 20, (5 << 20) + 99_999)]
    empty = not any(start <= place < end for start, end in found for place in (0, 3 << 20, 8 << 20))
    os.close(fd)
    return [covered, empty]


@scenario
def locks_exclude(d):
    write_file(f"{d}/f", b"x")
    first, second = os.open(f"{d}/f", os.O_RDWR), os.open(f"{d}/f", os.O_RDWR)
    seen = [outcome(fcntl.flock, first, fcntl.LOCK_EX | fcntl.LOCK_NB),
            outcome(fcntl.flock, second, fcntl.LOCK_SH | fcntl.LOCK_NB)]
    fcntl.flock(first, fcntl.LOCK_UN)
    seen.append(outcome(fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB))
    f_ofd_setlk = 37
    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 10, 0)
    seen.append(isinstance(outcome(fcntl.fcntl, first, f_ofd_setlk, lock), bytes))
    seen.append(outcome(fcntl.fcntl, second, f_ofd_setlk, lock))
    for how in (fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN):   # fcntl(2): of a process, so that another has to ask
        fcntl.lockf(first, how, 10, 20)
        other = "import fcntl; fcntl.lockf(open('f', 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 29)"
        seen.append(subprocess.run([sys.executable, "-c", other], cwd=d, capture_output=True).returncode)
    os.close(first)
    os.close(second)
    return seen


@scenario
def executing_and_writing_exclude(d):
    for name in ("/bin/true", "/usr/bin/true"):
        if os.path.exists(name):
            write_file(f"{d}/prog", read_file(name))
            break
    os.chmod(f"{d}/prog", 0o755)
    fd = os.open(f"{d}/prog", os.O_WRONLY)
    seen = [outcome(subprocess.call, [f"{d}/prog"])]
    os.close(fd)
    return seen + [outcome(subprocess.call, [f"{d}/prog"])]


@scenario
def permissions_of_another_user(d):
    if os.geteuid() != 0:
        return []
    os.chmod(d, 0o755)
    write_file(f"{d}/secret", b"s")
    os.chmod(f"{d}/secret", 0o600)
    write_file(f"{d}/open", b"o")
    os.mkdir(f"{d}/sticky")
    os.chmod(f"{d}/sticky", 0o1777)
    write_file(f"{d}/sticky/root", b"r")
    script = """
import os
def t(f,*a):
    try: return f(*a)
    except OSError as e: return e.errno
print([t(os.open,'secret',0), t(os.open,'open',1), t(os.open,'new',65), t(os.unlink,'open'),
       t(os.chmod,'open',0o777), t(os.rename,'open','x'), t(os.unlink,'sticky/root'),
       t(os.mkdir,'sticky/mine'), t(os.rmdir,'sticky/mine'), t(os.listdir,'.') != 13, t(os.truncate,'open',0),
       t(os.setxattr,'open','user.x',b'1'), t(os.utime,'open',(1,1)), t(os.chown,'open',65534,65534)])
"""
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           sys.executable, "-c", "import os; os.fchdir(3)\n" + script],
                          stdout=subprocess.PIPE, preexec_fn=lambda: os.dup2(folder_fd(d), 3),
                          close_fds=False)
    return [done.returncode, done.stdout]


@scenario
def space_is_reported(d):
    found = os.statvfs(d)
    return [found.f_blocks > 0, found.f_bfree > 0, found.f_bavail > 0, found.f_namemax,
            found.f_frsize >= 512]


@pytest.mark.more_as_root
@pytest.mark.parametrize("name", list(scenarios))
def test_same_as_ext4(name, area, twin):
    expected = scenarios[name](twin)
    assert scenarios[name](area) == expected


def test_a_name_that_is_renamed_over_is_there_all_the_time(area):
    """Whoever opens it meanwhile gets the old file or the new one: what the kernel looked up a moment ago is kept."""
    write_file(f"{area}/x", b"0")
    renamer = subprocess.Popen([sys.executable, "-c", """
import os, time
end = time.monotonic() + 20   # each waits for the disk
number = 0
while number < 3000 and time.monotonic() < end:
    number += 1
    with open("new", "w") as file:
        file.write(str(number))
    os.rename("new", "x")
"""], cwd=area)
    try:
        while renamer.poll() is None:
            fd = os.open(f"{area}/x", os.O_RDONLY)
            assert os.read(fd, 100).isdigit()
            os.stat(f"{area}/x")
            os.close(fd)
    finally:
        renamer.kill()
        renamer.wait()
    assert renamer.returncode == 0


def test_a_removed_file_that_nobody_had_open_cannot_be_opened(area):
    fd = os.open(written(f"{area}/f", b"some"), os.O_PATH)
    os.unlink(f"{area}/f")
    assert os.fstat(fd).st_size == 4
    if not STAND_IN:
        assert outcome(os.open, f"/proc/self/fd/{fd}", os.O_RDONLY) == "ESTALE"
    os.close(fd)


def test_the_time_of_birth_is_not_told(area):
    path = written(f"{area}/f", b"some")
    if not STAND_IN:
        assert subprocess.run(["stat", "-c", "%w", path], capture_output=True, text=True, check=True).stdout == "-\n"


def test_a_file_that_never_had_a_name_is_refused(area):
    assert outcome(os.open, area, os.O_TMPFILE | os.O_RDWR) == "ENOTSUP"
    assert not os.listdir(area)


def test_collapse_range_is_refused(area):
    fd = os.open(f"{area}/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"x" * 65536)
    if not STAND_IN:
        assert outcome(fallocate, fd, COLLAPSE_RANGE, 0, 4096) == "ENOTSUP"
    os.close(fd)


def test_everything_is_there_after_a_remount(make_store):
    """All kinds of nodes with all their attributes."""
    store = make_store().mount(options="dev,suid" if os.geteuid() == 0 else "")
    folder = f"{store.container()}/all"
    os.mkdir(folder)
    for name in ("rename_every_way", "hard_links", "modes_owners_and_times",
                 "extended_attributes", "names_of_every_kind", "write_read_append_truncate",
                 "punch_zero_and_allocate", "copy_file_range_copies", "shared_mmap_is_the_file"):
        os.mkdir(f"{folder}/{name}")
        scenarios[name](f"{folder}/{name}")
    before = picture(folder)
    store.umount()
    store.mount()
    assert picture(folder) == before
    store.umount()


def test_inode_numbers_are_not_used_again(area):
    seen = set()
    for number in range(200):
        write_file(f"{area}/f", b"%d" % number)
        seen.add(os.stat(f"{area}/f").st_ino)
        os.unlink(f"{area}/f")
    assert STAND_IN or len(seen) == 200
