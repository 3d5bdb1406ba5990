"""Access control lists on a mount with -o acl: the same commands on it and on ext4 leave the same lists, modes and
errors; who may what is decided by them; and a mount without the option does not speak of them."""

import os
import stat
import struct
import sys

import pytest

from harness import STAND_IN, Plain, Store, outcome, run, seeded, write_file

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
ROOT = os.geteuid() == 0
OPTIONS = "acl,dev,suid,allow_other" if ROOT else "acl"


@pytest.fixture(scope="module")
def tree(module_scratch):
    base = f"{module_scratch}/tree"
    os.makedirs(base)
    os.chmod(module_scratch, 0o755)
    made = Plain(base) if STAND_IN else Store(base)
    try:
        yield made.mount(options=OPTIONS)
    finally:
        made.close()


def acls(root):
    """Modes and lists of everything below root, as getfacl(1) tells them."""
    return sorted(run("getfacl", "-R", "-n", "-p", ".", cwd=root).stdout.decode().split("\n\n"))


def modes(root):
    return {os.path.relpath(os.path.join(folder, name), root): oct(os.lstat(os.path.join(folder, name)).st_mode)
            for folder, folders, files in os.walk(root) for name in folders + files}


STEPS = """
umask 027
mkdir plain; touch plain/file; setfacl -m u:1234:rwx plain/file; chmod 640 plain/file; chmod 604 plain/file
setfacl -m m::r plain/file; chmod g+w plain/file; setfacl -x u:1234 plain/file; setfacl -b plain/file
touch minimal; setfacl -m u::rwx,g::rx,o::- minimal; chmod 4755 minimal; setfacl -m o::x minimal
mkdir base; setfacl -d -m u:1234:rwx,g:5678:r-x,o::- base
touch base/file; mkdir base/deep base/deep/er; touch base/deep/er/file; mkfifo base/fifo
mkdir -m 700 base/private; touch base/private/file; ln -s file base/link
cp minimal base/copied; cp -p minimal base/preserved; cp -a plain base/tree
umask 077; touch base/after; mkdir base/folder; umask 0; touch base/open; mkdir base/wide
setfacl -k base/deep; touch base/deep/without; mkdir base/deep/ordinary
mkdir simple; setfacl -d -m u::rwx,g::r,o::r simple; touch simple/file; mkdir simple/folder; chmod 711 simple/folder
setfacl -R -m g:4321:rwX base; setfacl -R -x g:5678 base; setfacl -m m::- base/file
mv base/file plain/moved; ln plain/moved base/linked; chmod 2775 base/wide; touch base/wide/group; mkdir base/wide/in
echo more >> base/open; truncate -s 0 base/open; install -m 641 minimal base/installed
setfacl --restore=<(getfacl -R -p base) || echo failed
"""


def test_setfacl_chmod_and_inheritance_leave_what_ext4_has(tree, twin):
    area = f"{tree.container()}/same"
    os.mkdir(area)
    for folder in (area, twin):
        done = run("bash", "-c", "set -e -o pipefail\n" + STEPS, cwd=folder)
        assert done.stdout == b"" and done.stderr == b""
    assert acls(area) == acls(twin)
    assert modes(area) == modes(twin)
    before = acls(area)
    tree.umount()
    tree.mount(options=OPTIONS)
    assert acls(area) == before, "lists survive a new mount"


# Random values, as no setfacl would send them

TAGS = (1, 2, 4, 8, 16, 32)


def random_value(random):
    if random.random() < 0.05:
        return random.randbytes(random.randrange(40))
    entries = [(1, random.randrange(8), 0xffffffff)]
    entries += sorted((2, random.randrange(8), random.randrange(3)) for _ in range(random.choice((0, 0, 1, 2))))
    entries += [(4, random.randrange(8), 0xffffffff)]
    entries += [(8, random.randrange(8), random.randrange(3)) for _ in range(random.choice((0, 0, 1, 2)))]
    if len(entries) > 2 or random.random() < 0.3:
        entries.append((16, random.randrange(8), 0xffffffff))
    entries.append((32, random.randrange(8), 0xffffffff))
    wrong = random.random()
    if wrong < 0.05:
        entries.pop(random.randrange(len(entries)))
    elif wrong < 0.10:
        entries.insert(random.randrange(len(entries)), random.choice(entries))
    elif wrong < 0.15:
        random.shuffle(entries)
    elif wrong < 0.20:
        entries[random.randrange(len(entries))] = (random.choice((0, 3, 64)), 7, 0)
    elif wrong < 0.25:
        entries[0] = (1, 8 + random.randrange(8), 0xffffffff)
    version = 2 if random.random() < 0.97 else random.randrange(4)
    return struct.pack("<I", version) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def random_step(random, names):
    """One call as a function of the root, so that it can be made on both sides; and the name it makes, if any."""
    old, new = random.choice(names), f"{random.choice(names)}/{random.randrange(6)}"
    mode, mask = random.randrange(0o10000), random.choice((0, 0o22, 0o27, 0o77, 0o777))
    kind = random.choice((ACCESS, ACCESS, DEFAULT))

    def under_mask(function, *arguments):
        before = os.umask(mask)
        try:
            return function(*arguments)
        finally:
            os.umask(before)

    def create(path):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode & 0o777))

    value = random_value(random)
    steps = {
        "set": lambda root: os.setxattr(f"{root}/{old}", kind, value),
        "remove": lambda root: os.removexattr(f"{root}/{old}", kind),
        "chmod": lambda root: os.chmod(f"{root}/{old}", mode),
        "mkdir": lambda root: under_mask(os.mkdir, f"{root}/{new}", mode),
        "create": lambda root: under_mask(create, f"{root}/{new}"),
        "mknod": lambda root: under_mask(os.mknod, f"{root}/{new}", stat.S_IFIFO | mode & 0o777),
        "symlink": lambda root: under_mask(os.symlink, "x", f"{root}/{new}"),
    }
    what = random.choice(["set"] * 4 + list(steps))
    makes = what in ("mkdir", "create", "mknod")
    return f"{what} {new if makes else old} {mode:o} umask {mask:o} {kind} {value.hex()}", steps[what], makes and new


def seen(root):
    """What is below, by path. Each folder is opened for its owner once it has been looked at itself."""
    found = {}

    def look(folder):
        os.chmod(folder, 0o700)
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                continue
            found[os.path.relpath(path, root)] = (
                oct(os.stat(path).st_mode), [outcome(os.getxattr, path, kind) for kind in (ACCESS, DEFAULT)],
                sorted(os.listxattr(path)))
            if os.path.isdir(path):
                look(path)

    look(root)
    return found


def test_random_lists_and_modes_become_what_ext4_makes_of_them(tree, twin):
    random, seed = seeded("lists")
    for round_ in range(8):
        area, other = f"{tree.container()}/random-{round_}", f"{twin}/{round_}"
        os.mkdir(area)
        os.mkdir(other)
        names = ["."]
        history = []
        for _ in range(200):
            told, step, made = random_step(random, names)
            results = [outcome(step, root) for root in (area, other)]
            history.append(f"{told}: {results}")
            assert results[0] == results[1], f"seed {seed}:\n" + "\n".join(history[-5:])
            if made and results[0] is None:
                names.append(made)
        assert seen(area) == seen(other), f"seed {seed}, round {round_}"


def test_more_lists_than_a_page_are_refused_as_a_whole(tree):
    path = f"{tree.container()}/long"
    write_file(path, b"")
    entries = [(1, 6, 0xffffffff)] + [(2, 7, 1000 + uid) for uid in range(600)] + \
              [(4, 4, 0xffffffff), (16, 7, 0xffffffff), (32, 0, 0xffffffff)]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    refused = outcome(os.setxattr, path, ACCESS, value)
    assert refused in ("E2BIG", "ENOSPC")   # the kernel's bound for FUSE; ext4 has one of its own
    assert outcome(os.getxattr, path, ACCESS) == "ENODATA"


# Who may what

def as_user(uid, gid, function, *arguments, groups=()):
    """The outcome of a call made by another user."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            told = outcome(function, *arguments)
            os.write(writer, (told if isinstance(told, str) else "done").encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return told


@pytest.mark.needs_root
def test_lists_decide_who_may_read_write_and_list(tree):
    area = f"{tree.container()}/rights"
    os.mkdir(area, 0o755)
    path, folder = f"{area}/file", f"{area}/folder"
    write_file(path, b"text")
    os.mkdir(folder, 0o700)
    os.chmod(path, 0o600)
    reading, writing = (lambda: os.close(os.open(path, os.O_RDONLY)),
                        lambda: os.close(os.open(path, os.O_WRONLY)))
    assert as_user(1234, 1, reading) == "EACCES"
    run("setfacl", "-m", "u:1234:r,g:777:rw", path)
    assert as_user(1234, 1, reading) == "done" and as_user(1234, 1, writing) == "EACCES"
    assert as_user(4321, 1, reading) == "EACCES"
    assert as_user(4321, 1, writing, groups=(777,)) == "done"
    os.chmod(path, 0o640)   # the mask: nobody named may write
    assert as_user(4321, 777, writing) == "EACCES" and as_user(4321, 777, reading) == "done"
    assert as_user(1234, 1, os.listdir, folder) == "EACCES"
    run("setfacl", "-m", "u:1234:rx", folder)
    assert as_user(1234, 1, os.listdir, folder) == "done"
    run("setfacl", "-b", path, folder)
    assert as_user(1234, 1, reading) == "EACCES" and as_user(1234, 1, os.listdir, folder) == "EACCES"


@pytest.mark.needs_root
def test_only_the_owner_and_root_set_lists(tree):
    path = f"{tree.container()}/owned"
    write_file(path, b"")
    os.chown(path, 1234, 1)
    os.chmod(path, 0o666)
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in (
        (1, 7, 0xffffffff), (2, 7, 4321), (4, 7, 0xffffffff), (16, 7, 0xffffffff), (32, 7, 0xffffffff)))
    assert as_user(4321, 1, os.setxattr, path, ACCESS, value) == "EPERM"
    assert as_user(4321, 1, os.removexattr, path, ACCESS) == "EPERM"
    assert outcome(os.getxattr, path, ACCESS) == "ENODATA"
    assert as_user(1234, 1, os.setxattr, path, ACCESS, value) == "done"
    assert os.getxattr(path, ACCESS) == value
    assert as_user(1234, 1, os.setxattr, path, DEFAULT, value) == "EACCES"


@pytest.mark.needs_root
@pytest.mark.parametrize("gid, groups, stays", [(1, (), False), (5678, (), True), (1, (2, 5678), True)])
def test_sgid_goes_when_a_stranger_to_the_group_sets_a_list(gid, groups, stays, tree, twin):
    seen = []
    for root in (tree.container(), twin):
        path = f"{root}/sgid-{gid}-{len(groups)}"
        os.mkdir(path)
        os.chown(path, 1234, 5678)
        os.chmod(path, 0o2755)
        os.chmod(root, 0o755)
        value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in (
            (1, 7, 0xffffffff), (2, 5, 4321), (4, 5, 0xffffffff), (16, 5, 0xffffffff), (32, 5, 0xffffffff)))
        fd = os.open(path, os.O_RDONLY)
        assert as_user(1234, gid, os.setxattr, fd, ACCESS, value, groups=groups) == "done"
        os.close(fd)
        seen.append(oct(os.stat(path).st_mode))
    assert seen[0] == seen[1] == ("0o42755" if stays else "0o40755")


if not STAND_IN:
    def test_http_grants_what_others_may_and_no_more(tree):
        folder = tree.container("shown")
        os.chmod(folder, 0o755)
        path = f"{folder}/film"
        write_file(path, b"bytes")
        os.chmod(path, 0o640)
        tree.take_addresses()
        for entries, status in ((None, 403), ("u:1234:rwx,m::rwx,o::-", 403), ("o::r", 200), ("g::-,m::-,o::r", 200),
                                ("o::wx", 403)):
            if entries:
                run("setfacl", "-m", entries, path)
            assert tree.get(path)[0] == status, entries
        run("setfacl", "-m", "o::r", path)
        run("setfacl", "-m", "u:1234:rwx,o::-", folder)
        assert tree.get(path)[0] == 403

    def test_without_the_option_lists_are_kept_but_not_spoken_of(make_store):
        store = make_store()
        store.mount(options="acl")
        folder = f"{store.container()}/folder"
        os.mkdir(folder)
        run("setfacl", "-m", "u:1234:rwx,d:u:1234:rwx,d:o::-", folder)
        kept = os.getxattr(folder, ACCESS), os.getxattr(folder, DEFAULT)
        os.setxattr(folder, "user.seen", b"yes")
        store.umount()
        store.mount()
        for kind in (ACCESS, DEFAULT):
            assert outcome(os.getxattr, folder, kind) == "ENOTSUP"
            assert outcome(os.setxattr, folder, kind, kept[0]) == "ENOTSUP"
            assert outcome(os.removexattr, folder, kind) == "ENOTSUP"
        assert os.listxattr(folder) == ["user.seen"]
        os.chmod(folder, 0o710)
        write_file(f"{folder}/made", b"")
        assert stat.S_IMODE(os.stat(f"{folder}/made").st_mode) & 0o007 == 0, "the default list is the tree's"
        store.umount()
        store.mount(options="acl")
        assert os.getxattr(folder, DEFAULT) == kept[1]
        told = run("getfacl", "-c", "-p", "-n", folder).stdout.decode()
        assert "mask::--x" in told and "user:1234:rwx" in told and "other::---" in told


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
