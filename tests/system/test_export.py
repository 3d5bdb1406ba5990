"""reelfs export: a container as plain files or as a tar archive, with all that a file system can hold."""

import glob
import os
import pwd
import re
import stat
import subprocess

import pytest

from harness import (BIN, MiB, OWNER, assert_same_tree, outcome, pattern, picture, read_file, run, said, seeded,
                     write_file)

ROOT = os.geteuid() == 0
WHEN = 1_700_000_000_123_456_789


def fill(store):
    top = store.container("films")
    os.makedirs(f"{top}/deep/{'long' * 30}/{'er' * 60}")
    write_file(f"{top}/deep/{'long' * 30}/{'er' * 60}/Größe 1.ts", pattern(1, 300_000))
    write_file(f"{top}/empty", b"")
    write_file(f"{top}/odd \n name", b"odd")
    write_file(f"{top}/small", pattern(2, 900))
    with open(f"{top}/holes", "wb") as file:
        file.seek(4 * MiB)
        file.write(b"far")
        file.truncate(8 * MiB)
    with open(f"{top}/only hole", "wb") as file:
        file.truncate(2 * MiB)
    os.symlink("small", f"{top}/link")
    os.symlink("x" * 150, f"{top}/long link")
    os.link(f"{top}/small", f"{top}/deep/second name")
    os.mkfifo(f"{top}/fifo", 0o640)
    os.setxattr(f"{top}/small", "user.note", b"kept\0too\nand more")
    os.setxattr(f"{top}/deep", "user.folder", b"of a folder")
    os.chmod(f"{top}/small", 0o604)
    os.chmod(f"{top}/deep", 0o750)
    if ROOT:
        os.chown(f"{top}/small", 1234, 5678)
        os.chown(f"{top}/link", 1234, 5678, follow_symlinks=False)
    for folder, folders, names in os.walk(top, topdown=False):
        for name in names + folders:
            os.utime(f"{folder}/{name}", ns=(WHEN, WHEN), follow_symlinks=False)
    return top


def blocks(path):
    return os.stat(path).st_blocks


def tree(top):
    """As picture(), but for owners: who writes a directory is the store's owner, and may not give files away."""
    seen = picture(top)
    for facts in seen.values():
        del facts["uid"], facts["gid"]
    return seen


def test_into_a_directory_in_use_and_not(store, scratch):
    top = fill(store)
    expected = tree(top)
    mode = os.stat(top).st_mode

    def export(name, *key):
        done = store.cli("export", store.dir, "films", f"{scratch}/{name}", *key, check=False)
        if ROOT:   # fill() gave a file and a link to somebody else
            assert done.returncode == 1 and "owners (that takes root) could not be kept" in said(done), said(done)
        else:
            assert done.returncode == 0, said(done)
        assert "exported" in said(done)
        assert tree(f"{scratch}/{name}") == expected
        assert os.stat(f"{scratch}/{name}").st_mode == mode
        assert blocks(f"{scratch}/{name}/holes") * 512 < MiB, "holes became zeros"

    export("plain")
    store.umount()
    export("closed", "--key-file", store.key)


def test_into_an_archive_that_tar_reads(store, scratch):
    top = fill(store)
    store.cli("export", store.dir, "films", f"{scratch}/films.tar")
    os.mkdir(f"{scratch}/unpacked")
    run("tar", "--xattrs", "--xattrs-include=*", "-xpf", f"{scratch}/films.tar", "-C", f"{scratch}/unpacked")
    assert_same_tree(f"{scratch}/unpacked", top)
    assert blocks(f"{scratch}/unpacked/holes") * 512 < MiB
    assert os.path.getsize(f"{scratch}/films.tar") < 2 * MiB
    with open(f"{scratch}/piped.tar", "wb") as out:   # by the daemon, through a pipe
        subprocess.run([BIN, "export", store.dir, "films", "-"], stdout=out, env=store.env, check=True,
                       stdin=subprocess.DEVNULL, timeout=120)
    assert read_file(f"{scratch}/piped.tar") == read_file(f"{scratch}/films.tar")
    store.umount()
    with open(f"{scratch}/here.tar", "wb") as out:
        subprocess.run([BIN, "export", store.dir, "films", "-", "--key-file", store.key], stdout=out, env=store.env,
                       check=True, stdin=subprocess.DEVNULL, timeout=120)
    assert read_file(f"{scratch}/here.tar") == read_file(f"{scratch}/films.tar")


def test_a_reader_that_goes_away_ends_the_export_and_not_the_daemon(store, scratch):
    folder = store.container("films")
    write_file(f"{folder}/large", pattern(1, 8 * MiB))
    done = run("bash", "-c", f"set -o pipefail; '{BIN}' export '{store.dir}' films - | head -c 1000 >/dev/null",
               env=store.env, check=False)
    assert done.returncode != 0
    assert store.alive()
    store.cli("export", store.dir, "films", f"{scratch}/again.tar")
    store.umount()


def test_what_is_in_the_way_is_told(store, scratch):
    store.container("films")
    os.mkdir(f"{scratch}/full")
    write_file(f"{scratch}/full/precious", b"x")
    write_file(f"{scratch}/there.tar", b"x")
    assert store.cli("export", store.dir, "films", f"{scratch}/full", check=False).returncode == 8
    assert store.cli("export", store.dir, "films", f"{scratch}/there.tar", check=False).returncode == 8
    assert store.cli("export", store.dir, "films", f"{store.dir}/inside", check=False).returncode == 2
    for name in ("new", "new.tar"):
        done = store.cli("export", store.dir, "none", f"{scratch}/{name}", check=False)
        assert done.returncode == 5 and not os.path.exists(f"{scratch}/{name}")
    assert read_file(f"{scratch}/there.tar") == b"x" and os.listdir(f"{scratch}/full") == ["precious"]
    assert outcome(os.listdir, f"{store.dir}/inside") == "ENOENT"
    store.umount()


def write_runs(path, runs, size):
    with open(path, "wb") as file:
        for offset, length in runs:
            file.seek(offset)
            file.write(pattern(offset, length))
        file.truncate(size)


def test_tar_reads_holes_that_begin_anywhere_odd_attributes_and_all_times(store, scratch):
    """Where GNU tar goes by rules of its own: runs begin in blocks, "=" ends a name, access times are for --incremental."""
    top, out = store.container("films"), f"{scratch}/unpacked"
    write_runs(f"{top}/two", [(0, 100), (MiB, 300)], MiB + 300)
    write_runs(f"{top}/near", [(1, 1), (510, 3), (1400, 1), (2047, 1), (2049, 1)], 2050)
    write_runs(f"{top}/hole at the end", [(700, 10)], 700_001)
    randomly, _ = seeded("runs of sparse files")
    for number in range(10):
        size = randomly.randrange(1, MiB)
        runs = [(offset, min(randomly.choice((1, 500, 70_000)), size - offset))
                for offset in (randomly.randrange(size) for _ in range(20))]
        write_runs(f"{top}/random {number}", runs, size)
    os.setxattr(f"{top}/two", "user.50%=half%3D", b"a=b\n%")
    os.mkdir(f"{top}/folder")
    for name in ("two", "folder"):
        os.utime(f"{top}/{name}", ns=(WHEN - 10**16, WHEN))
    os.utime(top, ns=(WHEN, WHEN))

    def access_times(folder):   # before anybody reads there
        return [os.stat(f"{folder}/{name}").st_atime_ns for name in ("two", "folder")]

    store.cli("export", store.dir, "films", f"{scratch}/films.tar")
    store.cli("export", store.dir, "films", f"{scratch}/plain", check=False)
    os.mkdir(out)
    run("tar", "--incremental", "--xattrs", "--xattrs-include=*", "-xpf", f"{scratch}/films.tar", "-C", out)
    assert access_times(out) == access_times(f"{scratch}/plain") == [WHEN - 10**16] * 2
    assert_same_tree(out, top)
    assert tree(f"{scratch}/plain") == tree(top)
    assert blocks(f"{out}/two") * 512 < MiB / 2 and blocks(f"{scratch}/plain/two") * 512 < MiB / 2


def test_a_default_access_control_list_is_for_what_comes_later(make_store, scratch):
    """Neither that of a folder of the container nor that of the place it goes to touches what is exported."""
    store = make_store().mount(options="acl", http=False)
    top, out = store.container("films"), f"{scratch}/shared/out"
    os.makedirs(f"{top}/team/inner")
    for path in (f"{top}/first", f"{top}/team/plain", f"{top}/team/inner/plain"):
        write_file(path, b"nobody else's")
        os.chmod(path, 0o640)
    os.mkdir(f"{scratch}/shared")
    run("setfacl", "-d", "-m", "u:1234:rwx", f"{top}/team", f"{scratch}/shared")
    done = store.cli("export", store.dir, "films", out, check=False)
    assert "attributes" not in said(done) and "exported 6 names" in said(done), said(done)
    assert tree(out) == tree(top)
    assert os.listxattr(out) == [] and "system.posix_acl_default" in os.listxattr(f"{out}/team")
    store.umount()


def test_folders_deeper_than_a_path_is_long(store, scratch):
    name, depth = "d" * 200, 25

    def descend(top, make):
        at = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(depth):
            if make:
                os.mkdir(name, dir_fd=at)
            above, at = at, os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            os.close(above)
        return at

    at = descend(store.container("films"), make=True)
    with open(os.open("leaf", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=at), "wb") as file:
        file.write(b"far down")
    os.link("leaf", "other leaf", src_dir_fd=at, dst_dir_fd=at)
    os.close(at)
    try:
        done = store.cli("export", store.dir, "films", f"{scratch}/out", check=False)
        assert f"exported {depth + 3} names" in said(done) and "made" not in said(done), said(done)[-400:]
        at = descend(f"{scratch}/out", make=False)
        with open(os.open("other leaf", os.O_RDONLY, dir_fd=at), "rb") as file:
            assert file.read() == b"far down" and os.fstat(file.fileno()).st_nlink == 2
        os.close(at)
    finally:
        run("rm", "-rf", f"{scratch}/out")


def test_damage_costs_a_block_and_is_told(make_store, scratch):
    store = make_store().mount(http=False)
    data = pattern(1, 3 * MiB)
    write_file(f"{store.container('films')}/film", data)
    store.umount()
    pack = max(glob.glob(f"{store.dir}/packs/*/*.pack"), key=os.path.getsize)
    with open(pack, "r+b") as file:
        file.seek(1_500_000)
        byte = file.read(1)
        file.seek(1_500_000)
        file.write(bytes([byte[0] ^ 1]))
    done = store.cli("export", store.dir, "films", f"{scratch}/out", "--key-file", store.key, check=False)
    assert done.returncode == 1
    told = re.findall(r"film: bytes (\d+) to (\d+) cannot be read, and came out as zeros", said(done))
    assert len(told) == 1, said(done)
    first, last = map(int, told[0])
    assert last + 1 - first <= 65_536, "more than a block"
    assert read_file(f"{scratch}/out/film") == data[:first] + bytes(last + 1 - first) + data[last + 1:]


@pytest.mark.needs_root
def test_the_folder_that_an_archive_passes_through_stays_roots(store, scratch):
    """It is root that opens and removes what is in it; the store's owner may only write into the FIFO."""
    write_file(f"{store.container('films')}/large", pattern(1, 8 * MiB))
    through = f"{scratch}/tmp"
    os.mkdir(through)
    os.chmod(through, 0o755)
    export = subprocess.Popen([BIN, "export", store.dir, "films", "-"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(store.env, TMPDIR=through))
    try:
        archive = export.stdout.read(1000)   # the rest waits for us
        folder, = os.listdir(through)
        seen = os.lstat(f"{through}/{folder}")
        assert (seen.st_uid, stat.S_IMODE(seen.st_mode)) == (0, 0o711)
        fifo = os.lstat(f"{through}/{folder}/archive.tar")
        assert stat.S_ISFIFO(fifo.st_mode) and stat.S_IMODE(fifo.st_mode) == 0o600
        assert fifo.st_uid == pwd.getpwnam(OWNER).pw_uid
        archive += export.stdout.read()
        assert export.wait(60) == 0 and len(archive) > 8 * MiB and os.listdir(through) == []
    finally:
        export.kill()
        export.wait()
        export.stdout.close()


@pytest.mark.needs_root
@pytest.mark.parametrize("owner", ["root", OWNER])
def test_an_archive_that_does_not_fit_leaves_nothing(make_store, scratch, owner):
    """Whether the daemon writes it, or root's process for a daemon that is somebody else."""
    store = make_store(init_options=("--owner", owner)).mount(http=False)
    write_file(f"{store.container('films')}/large", pattern(1, 4 * MiB))
    os.mkdir(f"{scratch}/small")
    run("mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "none", f"{scratch}/small")
    done = store.cli("export", store.dir, "films", f"{scratch}/small/films.tar", check=False)
    assert done.returncode != 0 and os.listdir(f"{scratch}/small") == [], said(done)
    store.umount()


@pytest.mark.needs_root
def test_root_gives_files_away_as_they_were(make_store, scratch):
    store = make_store(init_options=("--owner", "root")).mount(options="suid,dev", http=False)
    top = fill(store)
    os.chown(f"{top}/deep", 1234, 5678)
    os.chmod(f"{top}/deep", 0o2750)
    os.mknod(f"{top}/device", 0o620 | stat.S_IFCHR, os.makedev(1, 3))
    for path in (top, f"{top}/deep", f"{top}/device"):
        os.utime(path, ns=(WHEN, WHEN))
    expected = picture(top)
    store.umount()   # its daemon has no right to
    store.cli("export", store.dir, "films", f"{scratch}/out", "--key-file", store.key)
    assert picture(f"{scratch}/out") == expected
