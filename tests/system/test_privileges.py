"""Who may change what, and what a change takes away: every call by every kind of user on files with suid, sgid and
attributes in all spaces. What the call answers and what is left of the file must be what ext4 says.

Left out, because FUSE cannot tell the daemon: chown(-1, -1), which reaches it as a request without content; that root has
no CAP_FSETID, in fallocate, copy_file_range and chown. Sgid without execution by the group is compared from Linux 6.2 on: until then
ext4 left it to files whoever changed them."""

import json
import os
import re
import subprocess
import sys

import pytest

from harness import SGID_WITHOUT_EXECUTION_IS_DROPPED, outcome, write_file

MODES = (0o6777, 0o2777, 0o4666, 0o7777, 0o6755, 0o2755, 0o0777)
if SGID_WITHOUT_EXECUTION_IS_DROPPED:
    MODES += (0o2666, 0o6744)

# Runs as the user in question: each call on a file of its own.
CALLS = r"""
import ctypes, errno, json, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)

def allocate(fd, mode, length):
    if libc.fallocate(fd, mode, ctypes.c_long(0), ctypes.c_long(length)) < 0:
        raise OSError(ctypes.get_errno(), "fallocate")

def with_open(flags, act):
    def call(path):
        fd = os.open(path, flags)
        try:
            return act(fd)
        finally:
            os.close(fd)
    return call

def from_source(copy):
    def act(fd):
        source = os.open("source", os.O_RDONLY)
        try:
            return copy(source, fd)
        finally:
            os.close(source)
    return act

def through_mapping(fd):
    with mmap.mmap(fd, 4096) as mapped:
        mapped[0:3] = b"abc"
        mapped.flush()

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")

calls = {
    "write": with_open(os.O_WRONLY, lambda fd: os.write(fd, b"hello")),
    "write nothing": with_open(os.O_WRONLY, lambda fd: os.write(fd, b"")),
    "append": with_open(os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"hello")),
    "direct": with_open(os.O_WRONLY | os.O_DIRECT, lambda fd: os.write(fd, mmap.mmap(-1, 4096))),
    "write synced": with_open(os.O_WRONLY | os.O_SYNC, lambda fd: os.write(fd, b"hello")),
    "map": with_open(os.O_RDWR, through_mapping),
    "copy_file_range": with_open(os.O_WRONLY, from_source(lambda source, fd: os.copy_file_range(source, fd, 4096))),
    "sendfile": with_open(os.O_WRONLY, from_source(lambda source, fd: os.sendfile(fd, source, 0, 4096))),
    "ftruncate": with_open(os.O_WRONLY, lambda fd: os.ftruncate(fd, 10)),
    "ftruncate to the same": with_open(os.O_WRONLY, lambda fd: os.ftruncate(fd, 8192)),
    "truncate": lambda path: os.truncate(path, 3),
    "O_TRUNC": with_open(os.O_WRONLY | os.O_TRUNC, lambda fd: None),
    "O_CREAT O_TRUNC": with_open(os.O_WRONLY | os.O_TRUNC | os.O_CREAT, lambda fd: None),
    "allocate": with_open(os.O_WRONLY, lambda fd: allocate(fd, 0, 100_000)),
    "allocate inside": with_open(os.O_WRONLY, lambda fd: allocate(fd, 0, 100)),
    "allocate beyond": with_open(os.O_WRONLY, lambda fd: allocate(fd, 1, 100_000)),
    "punch": with_open(os.O_WRONLY, lambda fd: allocate(fd, 3, 4096)),
    "zero": with_open(os.O_WRONLY, lambda fd: allocate(fd, 16, 4096)),
    "chown to the owner": lambda path: os.chown(path, 1234, -1),
    "chown to the group": lambda path: os.chown(path, -1, 5678),
    "chown to another group": lambda path: os.chown(path, -1, 777),
    "chmod with sgid": lambda path: os.chmod(path, 0o2755),
    "chmod with both": lambda path: os.chmod(path, 0o6711),
    "utime": lambda path: os.utime(path, (1, 1)),
    "utime now": lambda path: os.utime(path),
    "set user": lambda path: os.setxattr(path, "user.a", b"1"),
    "set trusted": lambda path: os.setxattr(path, "trusted.a", b"1"),
    "set security": lambda path: os.setxattr(path, "security.a", b"1"),
    "set system": lambda path: os.setxattr(path, "system.a", b"1"),
    "set without a space": lambda path: os.setxattr(path, "a.b", b"1"),
    "set without a name": lambda path: os.setxattr(path, "user.", b"1"),
    "get user": lambda path: os.getxattr(path, "user.u").decode(),
    "get trusted": lambda path: os.getxattr(path, "trusted.t").decode(),
    "get security": lambda path: os.getxattr(path, "security.s").decode(),
    "list": lambda path: sorted(name for name in os.listxattr(path) if name != "security.selinux"),
    "remove user": lambda path: os.removexattr(path, "user.u"),
    "remove trusted": lambda path: os.removexattr(path, "trusted.t"),
    "remove security": lambda path: os.removexattr(path, "security.s"),
    "set a capability": lambda path: os.setxattr(path, "security.capability", CAPABILITY),
    "write with a capability": with_open(os.O_WRONLY, lambda fd: os.write(fd, b"hello")),
    "O_TRUNC with a capability": with_open(os.O_WRONLY | os.O_TRUNC, lambda fd: None),
    "link": lambda path: os.link(path, path + " again"),
    "rename": lambda path: os.rename(path, path + " moved") or os.rename(path + " moved", path),
    "unlink": lambda path: os.unlink(path),
}

def told(call, path):
    try:
        return call(path)
    except OSError as error:
        return errno.errorcode[error.errno]

modes = [int(mode) for mode in sys.argv[1:]]
os.fchdir(3)
print(json.dumps({f"{mode:o} {name}": told(call, f"{mode:o} {name}") for mode in modes for name, call in calls.items()}
                 if modes else list(calls)))
"""

USERS = {
    "root": [],
    "root without CAP_FSETID": ["--bounding-set", "-fsetid", "--inh-caps", "-fsetid"],
    "the owner": ["--reuid", "1234", "--regid", "1", "--clear-groups"],
    "the owner in the group": ["--reuid", "1234", "--regid", "5678", "--groups", "777"],
    "another of the group": ["--reuid", "99", "--regid", "5678", "--clear-groups"],
    "another of the group besides": ["--reuid", "99", "--regid", "99", "--groups", "5678"],
    "a stranger": ["--reuid", "99", "--regid", "99", "--clear-groups"],
}
UNKNOWABLE = {"root without CAP_FSETID": r"\d+ (allocate.*|punch|zero|copy_file_range)|(2666|6744) chown .*"}


def calls_by(user, folder, *modes):
    """What each call answered, made by `user` inside `folder`."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        done = subprocess.run(["setpriv", *USERS[user], "--", "/usr/bin/python3", "-c", CALLS, *map(str, modes)],
                              stdout=subprocess.PIPE, cwd="/", close_fds=False, check=True,
                              preexec_fn=lambda: os.dup2(fd, 3))
    finally:
        os.close(fd)
    return json.loads(done.stdout)


def left_of(path):
    if not os.path.lexists(path):
        return "gone"
    found = os.lstat(path)
    return (oct(found.st_mode), found.st_uid, found.st_gid, found.st_size, found.st_nlink,
            found.st_mtime_ns != 10**18, found.st_ctime_ns > 10**18,
            sorted(name for name in os.listxattr(path) if name != "security.selinux"))


def scene(folder, user):
    os.makedirs(folder)
    os.chmod(folder, 0o777)
    write_file(f"{folder}/source", b"s" * 8192)
    os.chmod(f"{folder}/source", 0o644)
    names = [f"{mode:o} {name}" for mode in MODES for name in calls_by("root", folder)]
    for number, name in enumerate(names):
        path = f"{folder}/{name}"
        write_file(path, b"d" * 8192)
        os.chown(path, 1234, 5678)
        for attribute in ("trusted.t", "security.s", "user.u"):
            os.setxattr(path, attribute, b"value")
        if name.endswith("with a capability"):
            os.setxattr(path, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        os.chmod(path, MODES[number * len(MODES) // len(names)])
        os.utime(path, ns=(10**18, 10**18))
    told = calls_by(user, folder, *MODES)
    return {name: (told[name], left_of(f"{folder}/{name}")) for name in names}


@pytest.mark.needs_root
@pytest.mark.parametrize("user", list(USERS))
def test_calls_answer_and_leave_what_they_do_on_ext4(user, area, twin):
    expected, seen = scene(f"{twin}/here", user), scene(f"{area}/here", user)
    wrong = [f"{name}: {seen[name]} instead of {expected[name]}" for name in expected
             if seen[name] != expected[name] and not re.fullmatch(UNKNOWABLE.get(user, ""), name)]
    assert not wrong, "\n".join(wrong)


def test_a_user_sets_what_is_his_and_no_more(area):
    path = f"{area}/file"
    write_file(path, b"")
    os.setxattr(path, "user.a", b"1")
    assert outcome(os.setxattr, path, "user.", b"1") == "EINVAL"
    assert outcome(os.setxattr, path, "system.a", b"1") == "ENOTSUP"
    assert os.listxattr(path) == ["user.a"]


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
