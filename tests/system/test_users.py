"""Random calls by three users on a mount and on ext4: each must answer the same on both, and the trees must be the same
in the end. Owners, groups, sticky folders, sgid folders, links that lead elsewhere, special nodes, and access control
lists where the mount has them."""

import json
import os
import struct
import subprocess

import pytest

from harness import SGID_WITHOUT_EXECUTION_IS_DROPPED, STAND_IN, Plain, Store, picture, scaled, seeded

STEPS = 250   # of one round; a round begins with empty trees

# A user: takes calls line by line, answers each with its value or the name of the errno.
USER = r"""
import ctypes, errno, json, os, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
os.umask(0o22)

def opened(path, flags, mode=0):
    os.close(os.open(path, flags | os.O_NONBLOCK, mode))

def rename2(path, other, flags):
    if libc.renameat2(-100, os.fsencode(path), -100, os.fsencode(other), flags) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")

def write(path, number):
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(fd, b"x" * (number & 0xff))
    finally:
        os.close(fd)

def described(path):
    found = os.lstat(path)
    return (found.st_mode, found.st_uid, found.st_gid, found.st_nlink, found.st_size if stat.S_ISREG(found.st_mode) else 0)

LISTS = ("system.posix_acl_access", "system.posix_acl_default")
calls = {
    "create": lambda path, other, number, value: opened(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, number),
    "create or cut": lambda path, other, number, value: opened(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, number),
    "open": lambda path, other, number, value: opened(path, os.O_RDONLY),
    "open a folder": lambda path, other, number, value: opened(path, os.O_RDONLY | os.O_DIRECTORY),
    "open no link": lambda path, other, number, value: opened(path, os.O_RDONLY | os.O_NOFOLLOW),
    "write": lambda path, other, number, value: write(path, number),
    "mkdir": lambda path, other, number, value: os.mkdir(path, number),
    "mkfifo": lambda path, other, number, value: os.mknod(path, stat.S_IFIFO | number & 0o777),
    "mknod": lambda path, other, number, value: os.mknod(path, stat.S_IFREG | number),
    "make a device": lambda path, other, number, value: os.mknod(path, stat.S_IFCHR | number & 0o777, os.makedev(1, 3)),
    "symlink": lambda path, other, number, value: os.symlink(value, path),
    "link": lambda path, other, number, value: os.link(path, other, follow_symlinks=False),
    "rename": lambda path, other, number, value: os.rename(path, other),
    "rename with flags": lambda path, other, number, value: rename2(path, other, number % 3),
    "unlink": lambda path, other, number, value: os.unlink(path),
    "rmdir": lambda path, other, number, value: os.rmdir(path),
    "chmod": lambda path, other, number, value: os.chmod(path, number),
    "chown": lambda path, other, number, value: os.lchown(path, (0, 1001, 1002)[number % 3], (0, 2001, 2002, -1)[number % 4]),
    "truncate": lambda path, other, number, value: os.truncate(path, number),
    "utime": lambda path, other, number, value: os.utime(path, ns=(number, number)),
    "utime now": lambda path, other, number, value: os.utime(path),
    "list": lambda path, other, number, value: sorted(os.listdir(path)),
    "access": lambda path, other, number, value: os.access(path, number & 7),
    "readlink": lambda path, other, number, value: os.readlink(path),
    "setxattr": lambda path, other, number, value: os.setxattr(path, "user.a", b"x" * (number & 0xff), flags=number % 3),
    "getxattr": lambda path, other, number, value: len(os.getxattr(path, "user.a")),
    "removexattr": lambda path, other, number, value: os.removexattr(path, "user.a"),
    "stat": lambda path, other, number, value: described(path),
    "set a list": lambda path, other, number, value: os.setxattr(path, LISTS[number & 1], bytes.fromhex(value)),
    "remove a list": lambda path, other, number, value: os.removexattr(path, LISTS[number & 1]),
}
for line in sys.stdin:
    root, name, path, other, number, value = json.loads(line)
    try:
        told = calls[name](f"{root}/{path}", f"{root}/{other}", number, value)
    except OSError as error:
        told = errno.errorcode[error.errno]
    print(json.dumps(told), flush=True)
"""

OPTIONS = ["dev", "suid", "allow_other"]
USERS = ([], ["--reuid", "1001", "--regid", "2001", "--clear-groups"],
         ["--reuid", "1002", "--regid", "2002", "--groups", "2001"])
CALLS = ["create", "create or cut", "open", "open a folder", "open no link", "write", "mkdir", "mkdir", "mkfifo", "mknod",
         "make a device", "symlink", "link", "rename", "rename", "rename with flags", "unlink", "rmdir", "chmod", "chmod",
         "chown", "chown", "truncate", "utime", "utime now", "list", "access", "access", "readlink", "setxattr",
         "getxattr", "removexattr", "stat", "stat", "stat"]
LIST_CALLS = ["set a list"] * 4 + ["remove a list"]
MODES = (0o777, 0o755, 0o1777, 0o2775, 0o4755, 0o700, 0o070, 0o007, 0o666, 0o600, 0o6777)


def list_value(random):
    nobody = 0xffffffff
    entries = [(1, random.randrange(8), nobody)]
    entries += [(2, random.randrange(8), random.choice((1001, 1002)))] * random.randrange(2)
    entries += [(4, random.randrange(8), nobody)]
    entries += [(8, random.randrange(8), random.choice((2001, 2002)))] * random.randrange(2)
    entries += [(16, random.randrange(8), nobody)] if len(entries) > 2 else []
    entries += [(32, random.randrange(8), nobody)]
    return (struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)).hex()


def random_call(random, names):
    def path():
        return "/".join(random.choice("abc") for _ in range(random.choice((1, 1, 2, 2, 3))))

    name = random.choice(names)
    value = ""
    if name == "symlink":
        value = "/".join(random.choice(("a", "b", "..")) for _ in range(random.choice((1, 2))))
    elif name == "set a list":
        value = list_value(random)
    number = random.choice(MODES + (random.randrange(4096),))
    if not SGID_WITHOUT_EXECUTION_IS_DROPPED and number & 0o2010 == 0o2000:
        number |= 0o10
    return name, path(), path(), number, value


class Users:
    """One process for each user."""

    def __enter__(self):
        self.processes = [subprocess.Popen(["setpriv", *user, "--", "/usr/bin/python3", "-c", USER], cwd="/",
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for user in USERS]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.stdin.close()
            process.wait()
            process.stdout.close()

    def call(self, user, root, call):
        process = self.processes[user]
        process.stdin.write(json.dumps([root, *call]) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())


@pytest.mark.needs_root
@pytest.mark.parametrize("lists", [False, True], ids=["modes", "lists"])
def test_random_calls_by_three_users_answer_as_on_ext4(lists, scratch, twin):
    random, seed = seeded("users")
    names = CALLS + (LIST_CALLS if lists else [])
    os.chmod(scratch, 0o755)
    base = f"{scratch}/tree"
    os.makedirs(base)
    tree = Plain(base) if STAND_IN else Store(base)
    try:
        tree.mount(options=",".join(OPTIONS + ["acl"] * lists))
        os.chmod(tree.path, 0o755)
        os.chmod(tree.container(), 0o755)
        with Users() as users:
            for round_ in range(scaled(12, 200, "rounds of three users")):
                # Deep enough that no link leads out of it.
                roots = [f"{folder}/{round_}/1/2/3/4/5/6/7" for folder in (tree.container(), twin)]
                for root in roots:
                    os.makedirs(root)
                    os.chmod(root, 0o777)
                history = []
                for _ in range(STEPS):
                    user, call = random.randrange(len(users.processes)), random_call(random, names)
                    told = [users.call(user, root, call) for root in roots]
                    history.append(f"user {user} {call}: {told}")
                    assert told[0] == told[1], f"seed {seed}, round {round_}:\n" + "\n".join(history[-12:])
                assert picture(roots[0], times=False) == picture(roots[1], times=False), f"seed {seed}"
    finally:
        tree.close()
