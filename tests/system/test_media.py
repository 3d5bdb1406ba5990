"""Real media work through the mount, compared byte for byte with the same work on ext4."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time

import pytest

from harness import (GiB, MiB, STAND_IN, assert_same_tree, generator, note, pattern, read_file, run, shell,
                     write_file)

FFMPEG = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
EXACT = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]


# Copying trees

def grow_tree(root, acl=False):
    """Files of many sizes, links, attributes, holes, odd names, every type of node root may make."""
    os.makedirs(f"{root}/deep/er/still", mode=0o750)
    for number, size in enumerate((0, 1, 4095, 4096, 4097, 16_384, 65_537, 1 << 20, (3 << 20) + 5)):
        path = f"{root}/size-{size}"
        write_file(path, pattern(number, size))
        os.chmod(path, (0o644, 0o600, 0o755, 0o4711, 0o444)[number % 5])
        os.utime(path, ns=(10**18 + number, 10**18 + number * 123_456_789))
    for number in range(300):
        write_file(f"{root}/deep/er/small-{number}", pattern(number, number * 7))
    os.link(f"{root}/size-65537", f"{root}/deep/linked")
    os.link(f"{root}/size-65537", f"{root}/deep/er/linked too")
    os.symlink("../size-1", f"{root}/deep/relative")
    os.symlink("/nowhere/at all", f"{root}/deep/dangling")
    os.setxattr(f"{root}/size-1", "user.mime_type", b"video/mp4")
    os.setxattr(f"{root}/size-1", "user.long", b"\0\1\2" * 600)
    os.setxattr(f"{root}/deep", "user.on.folder", b"yes")
    with open(f"{root}/sparse", "wb") as file:
        file.truncate(64 * MiB)
        for place in (0, 20 * MiB + 77, 64 * MiB - 10):
            file.seek(place)
            file.write(b"data here."[:10])
    for name in (b"sp ace", "Grüße".encode(), b"\xff\xfe", b"new\nline", b"-dash", b"n" * 255):
        write_file(os.fsencode(root) + b"/" + name, name)
    os.mkfifo(f"{root}/fifo", 0o640)
    if os.geteuid() == 0:
        os.mknod(f"{root}/device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.chown(f"{root}/size-4096", 1234, 5678)
        os.chown(f"{root}/deep/relative", 4321, 8765, follow_symlinks=False)
    if acl:
        run("setfacl", "-m", "u:1234:rwx,g:5678:r--", f"{root}/size-4097")
        run("setfacl", "-d", "-m", "u:1234:r-x", f"{root}/deep")
    os.utime(f"{root}/deep", ns=(10**18, 10**18 + 999_999_999))
    return root


def blocks(path):
    return os.stat(path).st_blocks * 512


@pytest.mark.parametrize("tool", [["cp", "-a"], ["rsync", "-aHX", "--modify-window=-1", "--checksum", "--sparse"]],
                         ids=lambda tool: tool[0])
def test_copied_tree_equals_its_source(tool, area, twin):
    source = grow_tree(f"{twin}/source")
    run(*tool, f"{source}/.", f"{area}/copy/" if tool[0] == "rsync" else f"{area}/copy")
    assert_same_tree(f"{area}/copy", source)
    assert blocks(f"{area}/copy/sparse") < 8 * MiB
    back = f"{twin}/back"
    run(*tool, f"{area}/copy/.", f"{back}/" if tool[0] == "rsync" else back)
    assert_same_tree(back, source)


RSYNC = ["rsync", "-aHAX", "--modify-window=-1", "--checksum", "--sparse", "--itemize-changes"]


def test_rsync_with_hard_links_attributes_and_checksums(area, twin):
    source = grow_tree(f"{twin}/source")
    run(*RSYNC, f"{source}/", f"{area}/there/")
    assert_same_tree(f"{area}/there", source)
    again = run(*RSYNC, "--dry-run", f"{source}/", f"{area}/there/")
    assert again.stdout == b"", "a second rsync finds nothing to do"
    write_file(f"{source}/size-1048576", b"changed in the middle", "r+b")
    os.unlink(f"{source}/deep/er/small-7")
    run(*RSYNC, "--inplace", "--delete", f"{source}/", f"{area}/there/")
    assert_same_tree(f"{area}/there", source)


def test_rsync_with_access_control_lists(make_store, twin):
    store = make_store().mount(options="acl,dev,suid")
    there = f"{store.container()}/there"
    source = grow_tree(f"{twin}/source", acl=True)
    run(*RSYNC, f"{source}/", f"{there}/")
    assert_same_tree(there, source)
    lists = [sorted(run("getfacl", "-R", "-n", "-p", ".", cwd=folder).stdout.split(b"\n\n")) for folder in (there, source)]
    assert lists[0] == lists[1]
    assert any(b"user:1234:rwx" in entry for entry in lists[0])
    assert any(b"default:user:1234:r-x" in entry for entry in lists[0])
    again = run(*RSYNC, "--dry-run", f"{source}/", f"{there}/")
    assert again.stdout == b"", "a second rsync finds nothing to do"
    run("setfacl", "-m", "u:1234:r", f"{source}/size-4097")
    again = run(*RSYNC, f"{source}/", f"{there}/")
    assert [line.split()[-1] for line in again.stdout.splitlines()] == [b"size-4097"]
    assert_same_tree(there, source)
    back = f"{twin}/back"
    run(*RSYNC, f"{there}/", f"{back}/")
    assert_same_tree(back, source)


def test_tar_of_the_mount_equals_tar_of_ext4(area, twin):
    source = grow_tree(f"{twin}/source")
    run("cp", "-a", source, f"{area}/source")
    tar = "tar --sort=name --format=posix --pax-option=delete=atime,delete=ctime -cf - -C {} source | md5sum"
    assert shell(tar.format(area)).stdout == shell(tar.format(twin)).stdout
    shell(f"cd '{area}' && tar --xattrs -cf - source | (mkdir again && tar --xattrs -xpf - -C again)")
    assert_same_tree(f"{area}/again/source", source, times=False)


# Encoders

@pytest.fixture(scope="module")
def master(module_scratch):
    """One encoded programme; every muxer below copies its streams, so outputs are comparable."""
    path = f"{module_scratch}/master.mkv"
    run(*FFMPEG, "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=12", "-f", "lavfi",
        "-i", "sine=frequency=440:sample_rate=48000:duration=12", "-c:v", "mpeg2video", "-b:v", "12M",
        "-maxrate", "12M", "-bufsize", "8M", "-g", "12", "-c:a", "pcm_s16le", *EXACT, path)
    return path


MUXERS = {
    "mp4": ["-c:v", "copy", "-c:a", "ac3", "-f", "mp4"],
    "mp4 faststart": ["-c:v", "copy", "-c:a", "ac3", "-movflags", "+faststart", "-f", "mp4"],
    "mp4 fragmented": ["-c:v", "copy", "-c:a", "ac3", "-movflags", "frag_keyframe+delay_moov", "-f", "mp4"],
    "mov": ["-c", "copy", "-f", "mov"],
    "mkv": ["-c", "copy", "-f", "matroska"],
    "mxf": ["-c", "copy", "-f", "mxf"],
    "wav": ["-vn", "-c:a", "copy", "-f", "wav"],
    "ts": ["-c:v", "copy", "-c:a", "ac3", "-f", "mpegts"],
    "avi": ["-c", "copy", "-f", "avi"],
}


@pytest.mark.parametrize("muxer", list(MUXERS))
def test_ffmpeg_writes_the_same_bytes_as_on_ext4(muxer, master, area, twin):
    for folder in (area, twin):
        run(*FFMPEG, "-i", master, *MUXERS[muxer], *EXACT, f"{folder}/out")
    assert read_file(f"{area}/out") == read_file(f"{twin}/out")
    assert os.path.getsize(f"{area}/out") > MiB


def test_ffmpeg_writes_hls_with_deletion_and_temporary_files(master, area, twin):
    for folder in (area, twin):
        run(*FFMPEG, "-i", master, "-c:v", "copy", "-c:a", "ac3", *EXACT, "-f", "hls", "-hls_time", "1",
            "-hls_list_size", "3", "-hls_delete_threshold", "1", "-hls_flags", "delete_segments+temp_file",
            "-hls_segment_filename", f"{folder}/seg-%03d.ts", f"{folder}/live.m3u8")
    assert_same_tree(area, twin, times=False)
    assert len(os.listdir(area)) < 8


def test_ffmpeg_reads_what_it_wrote_with_seeks(master, area, twin):
    shutil.copyfile(master, f"{area}/in.mkv")
    frames = [run(*FFMPEG, "-ss", "7.3", "-i", path, "-frames:v", "3", *EXACT, "-f", "framemd5", "-").stdout
              for path in (f"{area}/in.mkv", master)]
    assert frames[0] == frames[1] and frames[0]


def test_python_wave_rewrites_its_header(area, twin):
    """A wav writer that patches its header after each chunk, as recorders do."""
    for folder in (area, twin):
        import wave
        with wave.open(f"{folder}/a.wav", "wb") as sound:
            sound.setnchannels(2)
            sound.setsampwidth(2)
            sound.setframerate(48_000)
            for number in range(50):
                sound.writeframes(pattern(number, 19_200))
    assert read_file(f"{area}/a.wav") == read_file(f"{twin}/a.wav")


# Programs that are hard on file systems

def test_git_works_inside(tree, area, scratch):
    def git(*command, at):
        return run("git", "-c", "user.name=T", "-c", "user.email=t@localhost", "-C", at, *command,
                   env=tree.env)
    repository = f"{area}/repo"
    os.mkdir(repository)
    git("init", "-q", "-b", "trunk", at=repository)
    for number in range(200):
        os.makedirs(f"{repository}/d{number % 7}", exist_ok=True)
        write_file(f"{repository}/d{number % 7}/f{number}", pattern(number, number * 91))
    git("add", ".", at=repository)
    git("commit", "-qm", "one", at=repository)
    for number in range(0, 200, 3):
        os.unlink(f"{repository}/d{number % 7}/f{number}")
    git("add", "-A", at=repository)
    git("commit", "-qm", "two", at=repository)
    git("gc", "-q", "--aggressive", "--prune=now", at=repository)
    run("git", "clone", "-q", "--no-hardlinks", repository, f"{area}/clone", env=tree.env)
    run("git", "clone", "-q", repository, f"{scratch}/outside", env=tree.env)
    for clone in (f"{area}/clone", f"{scratch}/outside", repository):
        git("fsck", "--full", "--strict", at=clone)
        assert git("status", "--porcelain", at=clone).stdout == b""
    os.unlink(f"{scratch}/outside/.git/index")
    git("checkout", "-q", "HEAD~1", "-f", at=f"{scratch}/outside")
    git("checkout", "-q", "HEAD~1", at=f"{area}/clone")
    shutil.rmtree(f"{scratch}/outside/.git")
    shutil.rmtree(f"{area}/clone/.git")
    assert_same_tree(f"{area}/clone", f"{scratch}/outside", times=False)


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_sqlite_works_inside(journal, area):
    """Two processes on one database; WAL shares memory through the mount."""
    script = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
db.execute('pragma synchronous=' + ('normal' if sys.argv[3] == 'wal' else 'full'))
for number in range(150):
    db.execute('begin immediate')
    db.executemany('insert into t values (?, ?, ?)',
                   [(sys.argv[2], number * 10 + i, b'x' * 500) for i in range(10)])
    db.execute('commit')
"""
    path = f"{area}/db"
    database = sqlite3.connect(path)
    assert database.execute(f"pragma journal_mode={journal}").fetchone()[0] == journal
    database.execute("create table t (who text, number integer, body blob, primary key (who, number))")
    database.commit()
    workers = [subprocess.Popen([sys.executable, "-c", script, path, who, journal]) for who in "ab"]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    assert database.execute("select who, count(*) from t group by who").fetchall() == [("a", 1500), ("b", 1500)]
    assert database.execute("pragma integrity_check").fetchone()[0] == "ok"
    database.execute("vacuum")
    database.close()
    assert run("sqlite3", path, "pragma integrity_check; select count(*) from t").stdout == b"ok\n3000\n"


# The big one

def test_big_file_keeps_every_byte(make_store, scratch):
    """Written, read back, read again after a remount, and over HTTP."""
    free = shutil.disk_usage(scratch).free
    size = 6 * GiB + 4099 if free > 16 * GiB else GiB + 4099
    note(f"big file {size >> 30} of 6 GiB")
    started = time.monotonic()
    if STAND_IN:
        store, folder = None, scratch
    else:
        store = make_store().mount()
        folder = store.container()
    path = f"{folder}/big file.mxf"
    shell(f"set -o pipefail; ({generator(size)}) | dd of='{path}' bs=1M iflag=fullblock conv=fsync status=none")
    assert os.path.getsize(path) == size
    equal = f"cmp - <({generator(size)})"
    if store:
        store.umount()
        store.mount()
    shell(f"cat '{path}' | {equal}")
    if store:
        shell(f"set -o pipefail; curl -sSf '{store.url(path)}' | {equal}")
    os.unlink(path)
    note(f"big file: {time.monotonic() - started:.0f} s")
